"""Checks between settings that are each valid: within a stack, between stacks, and against AWS's limits.

A check is a function from what is checked to the problems that it sees, listed in `CHECKS`, as rules are in
`infra.rules`. Left out: what a single setting may be (`settings`), and which keys a stack may set (`overlay`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from infra.addressing import PARTS_BITS, overlapping
from infra.errors import Problem
from infra.naming import LIVE, PERMANENT, stack_file
from infra.releases import FILE as RELEASES
from infra.releases import FOLLOWING_LIVE, Catalogue
from infra.settings import FACTS, KEYS, NAMESPACE, StackSettings, own_of, place, remove_command, set_command
from infra.sources import Sources
from infra.tags import COMPUTED_TAGS, DECIDED_TAGS
from infra.values import mapping

INTERFACE_ENDPOINTS = ("logs", "monitoring", "secretsmanager")
SESSION_ENDPOINTS = ("ssm", "ssmmessages")
"""What Session Manager takes besides (Systems Manager guide, VPC endpoints): `ec2messages` is for Run Command."""
MOST_TAGS = 50
"""EC2 guide, tag restrictions."""
LIVE_ZONES = 3
SPARE_CPU_PERCENT = 10
"""What Live's instances have to spare even where a zone is lost and the others carry its load: load isn't even."""
RESERVED_PER_SUBNET = 5
"""Addresses that AWS keeps of each subnet (Amazon VPC guide, subnet CIDR blocks)."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A stack whose settings are each valid, and what they are held against."""

    stack: str
    settings: StackSettings
    sources: Sources
    region: str
    mirrored: str | None
    suppliers: tuple[str, ...]
    """Names of those that may connect."""

    @property
    def owner(self) -> str:
        """The stack whose file says what a mirror takes over."""
        return self.mirrored or self.stack

    @property
    def others(self) -> Mapping[str, Mapping[str, Any]]:
        """What the other stacks' files say, by stack, in their order."""
        return {name: own_of(config) for name, config in sorted(self.sources.stacks.items()) if name != self.stack}

    def problem(self, key: str, message: str, fix: str = "", file_of: str = "") -> Problem:
        """Return the problem of `key` in the file of `file_of` (this stack's by default); the default fix: edit it."""
        stack = file_of or self.stack
        return Problem(where=place(key, stack), message=message, fix=fix or f"edit {stack_file(stack)}")


def problems_between(checked: Checked) -> Iterator[Problem]:
    """Yield what is wrong between settings that are fine each by itself, this stack's and other stacks'."""
    for check in CHECKS:
        yield from check(checked)


def _zones_in_the_region(checked: Checked) -> Iterator[Problem]:
    settings, region = checked.settings, checked.region
    for key, zones in (("zones", settings.zones), ("reservedZones", settings.reserved_zones)):
        for zone in zones:
            if zone[:-1] != region:
                fix = f"name a zone of {region} in {stack_file(checked.owner)}"
                yield checked.problem(key, f"has {zone}, outside {region}", fix, checked.owner)


def _zones_once(checked: Checked) -> Iterator[Problem]:
    count = Counter((*checked.settings.zones, *checked.settings.reserved_zones))
    if twice := sorted(zone for zone, times in count.items() if times > 1):
        message = f"and reservedZones have {', '.join(twice)} twice; allowed: each zone once"
        yield checked.problem("zones", message, file_of=checked.owner)


def _addresses_of_its_zones(checked: Checked) -> Iterator[Problem]:
    settings = checked.settings
    zones = {*settings.zones, *settings.reserved_zones}
    for key, by_zone in (("allocationIds", settings.allocation_ids), ("virtualIps", settings.virtual_ips)):
        for zone in sorted(by_zone.keys() - zones):
            message = f"has {zone}, which is not among the zones {', '.join(sorted(zones))}"
            fix = remove_command(f"{key}.{zone}", checked.stack)
            if published := settings.virtual_ips.get(zone):
                # Taking it out of the file takes it out of nobody's firewall.
                whose = ", ".join(checked.suppliers) or "whoever connects"
                message += f"; {published} is published there, and in the firewalls of {whose}"
                fix = f"put {zone} back into zones, or into reservedZones, in {stack_file(checked.owner)}"
            yield checked.problem(key, message, fix)


def _addresses_once(checked: Checked) -> Iterator[Problem]:
    addresses = checked.settings.virtual_ips.values()
    if len({*addresses}) < len(addresses):
        yield checked.problem("virtualIps", "has an address twice")


def _name_in_its_zone(checked: Checked) -> Iterator[Problem]:
    name, zone = checked.settings.dns_name, checked.settings.hosted_zone
    if name.lower() != zone.lower() and not name.lower().endswith(f".{zone.lower()}"):
        fix = set_command("dnsName", f"NAME.{zone}", checked.stack)
        yield checked.problem("dnsName", f"is {name}, outside the zone {zone}", fix)


def _certificate_in_the_region(checked: Checked) -> Iterator[Problem]:
    arn, key = checked.settings.certificate_secret_arn, "certificateSecretArn"
    if arn and (region := arn.split(":")[3]) != checked.region:
        message = f"is in {region}; allowed: a secret in {checked.region}"
        yield checked.problem(key, message, set_command(key, "ARN", checked.stack))


def _tags(checked: Checked) -> Iterator[Problem]:
    tags, owner = checked.settings.tags, checked.owner
    for tag in sorted(tag for tag in DECIDED_TAGS if not tags.get(tag, "").strip()):
        key = f"tags.{tag}"
        yield checked.problem(key, "is missing", set_command(key, "VALUE", owner), owner)
    if len(tags) + len(COMPUTED_TAGS) > MOST_TAGS:
        message = f"are {len(tags)}; allowed: {MOST_TAGS - len(COMPUTED_TAGS)}, beside the project's own"
        yield checked.problem("tags", message, file_of=owner)
    # IAM takes keys that differ in case only for one (IAM guide, tagging).
    computed = {tag.lower() for tag in COMPUTED_TAGS}
    for key in sorted(f"tags.{tag}" for tag in tags if tag.lower() in computed):
        yield checked.problem(key, "follows from the environment and can't be set", remove_command(key, checked.stack))


def _tags_of_others(checked: Checked) -> Iterator[Problem]:
    """A tag that is both the project's and others' would be set and never seen again."""
    for key in sorted({*checked.settings.others_tag_keys} & {*checked.settings.tags, *DECIDED_TAGS, *COMPUTED_TAGS}):
        message = f"has {key}, which this project sets itself; allowed: keys that only others set"
        yield checked.problem("othersTagKeys", message, file_of=checked.owner)


def _schedules(checked: Checked) -> Iterator[Problem]:
    schedules, capacity, owner = checked.settings.schedules, checked.settings.capacity, checked.owner
    if schedules and (capacity.minimum > 0 or checked.mirrored or checked.stack == LIVE):
        message = "need a minimum of 0: otherwise state and program would disagree once one has fired"
        yield checked.problem("schedules", message, remove_command("schedules", owner), owner)
    if len({schedule.name for schedule in schedules}) < len(schedules):
        yield checked.problem("schedules", "have a name twice; allowed: each once", file_of=owner)
    for schedule in schedules:
        if schedule.desired > capacity.maximum:
            message = f"sets {schedule.desired} at {schedule.name}; allowed: at most the maximum, {capacity.maximum}"
            yield checked.problem("schedules", message)
    if schedules and not any(schedule.desired for schedule in schedules):
        message = "set 0 and never more; allowed: with one to 0, one that raises it again"
        yield checked.problem("schedules", message)


def _release(checked: Checked) -> Iterator[Problem]:
    release, stack = checked.settings.release, checked.stack
    if checked.mirrored and release not in FOLLOWING_LIVE:
        message = f"is {release}; allowed in a mirror: {', '.join(sorted(FOLLOWING_LIVE))}"
        yield checked.problem("release", message, set_command("release", "live", stack))
    if stack == LIVE and release in FOLLOWING_LIVE:
        fix = set_command("release", "VERSION", stack)
        yield checked.problem("release", f"is {release}; Live names its version", fix)


def _live(checked: Checked) -> Iterator[Problem]:
    """Live promises more than the others do: three zones, an instance in each, room to lose one."""
    zones, capacity = len(checked.settings.zones), checked.settings.capacity
    if checked.stack != LIVE:
        return
    if zones < LIVE_ZONES:
        yield checked.problem("zones", f"are {zones}; allowed on Live: {LIVE_ZONES} or more")
    if capacity.minimum < zones:
        message = f"is {capacity.minimum}; allowed on Live: {zones} or more, one in each zone"
        yield checked.problem("capacity.minimum", message, set_command("capacity.minimum", f"{zones}", checked.stack))
    most = 100 * (zones - 1) // zones - SPARE_CPU_PERCENT
    if zones >= LIVE_ZONES and capacity.target_cpu_percent > most:
        key = "capacity.targetCpuPercent"
        message = (
            f"is {capacity.target_cpu_percent}; allowed on Live: at most {most}, or {zones - 1} zones can't carry the "
            f"load of {zones} until more instances have started"
        )
        yield checked.problem(key, message, set_command(key, f"{most}", checked.stack))


def _may_read_the_dataset(checked: Checked) -> Iterator[Problem]:
    stack, mirrored = checked.stack, checked.mirrored
    if mirrored and checked.settings.ephemeral is None and stack not in checked.settings.dataset.readers:
        message = f"lacks {stack}, which mirrors it and reads its data"
        fix = f"add {stack} to the readers in {stack_file(mirrored)}"
        yield checked.problem("dataset.readers", message, fix, mirrored)


def _room_in_the_range(checked: Checked) -> Iterator[Problem]:
    settings = checked.settings
    usable = 2 ** (32 - IPv4Network(settings.cidr).prefixlen - PARTS_BITS) - RESERVED_PER_SUBNET
    # While a rollout runs there are up to 110 % of the instances.
    needed = -(-settings.capacity.maximum * 11 // (10 * len(settings.zones))) + len(interface_endpoints(settings))
    if needed > usable:
        message = f"is {settings.cidr}, with room for {usable} addresses in a zone; needed: {needed}"
        yield checked.problem("cidr", message, set_command("cidr", "A.B.0.0/16", checked.stack))


def _ephemeral(checked: Checked) -> Iterator[Problem]:
    stack, settings = checked.stack, checked.settings
    if settings.ephemeral is None:
        return
    if stack in PERMANENT:
        yield checked.problem("ephemeral", f"is set, and {stack} is permanent", remove_command("ephemeral", stack))
    for key, facts in FACTS.items():
        if facts.test == "refused" and getattr(settings, KEYS[key]):
            message = "is set; an ephemeral environment gets its addresses from AWS"
            yield checked.problem(key, message, remove_command(key, stack))
    own_data, live_data = settings.ephemeral.dataset_bucket, settings.ephemeral.live_data
    file = stack_file(stack)
    if settings.mirrors is not None and (own_data is None) == (live_data is None):
        message = "says neither datasetBucket nor liveData, or both; allowed in a mirror: one of them"
        fix = f"set ephemeral.datasetBucket in {file}, or liveData with the reason"
        yield checked.problem("ephemeral", message, fix)
    if settings.mirrors is None and (own_data or live_data):
        message = "says datasetBucket or liveData; allowed: only in a mirror"
        yield checked.problem("ephemeral", message, f"name the bucket in {NAMESPACE}:dataset of {file}")
    expected = f"dos-{stack}.{settings.hosted_zone}"
    if settings.dns_name.lower() != expected.lower():
        message = f"is {settings.dns_name}; allowed: {expected}"
        yield checked.problem("dnsName", message, set_command("dnsName", expected, stack))


def _shared_with_others(checked: Checked) -> Iterator[Problem]:
    """What this stack has in common with another's file and mustn't: names, addresses, certificates."""
    settings = checked.settings

    def shared(key: str, value: object, other: str) -> Problem:
        message = f"is {value}, which is also {stack_file(other)}'s; allowed: one of its own"
        return checked.problem(key, message, set_command(key, "VALUE", checked.stack))

    for other, own in checked.others.items():
        if str(own.get("dnsName", "")).lower() == settings.dns_name.lower():
            yield shared("dnsName", settings.dns_name, other)
        if settings.certificate_secret_arn and own.get("certificateSecretArn") == settings.certificate_secret_arn:
            yield shared("certificateSecretArn", settings.certificate_secret_arn, other)
        if owns_bucket(settings) and mapping(own.get("dataset")).get("bucket") == bucket_name(settings):
            yield shared("dataset.bucket", bucket_name(settings), other)
        for key, by_zone in (("virtualIps", settings.virtual_ips), ("allocationIds", settings.allocation_ids)):
            for value in sorted({*by_zone.values()} & {str(theirs) for theirs in mapping(own.get(key)).values()}):
                yield shared(key, value, other)


CHECKS: tuple[Callable[[Checked], Iterator[Problem]], ...] = (
    _zones_in_the_region,
    _zones_once,
    _addresses_of_its_zones,
    _addresses_once,
    _name_in_its_zone,
    _certificate_in_the_region,
    _tags,
    _tags_of_others,
    _schedules,
    _release,
    _live,
    _may_read_the_dataset,
    _room_in_the_range,
    _ephemeral,
    _shared_with_others,
)


def overlaps(stack: str, sources: Sources) -> Iterator[Problem]:
    """Yield which other stacks' ranges this one's meets, as far as both are ranges."""
    ranges = {
        name: network for name, config in sources.stacks.items() if (network := _network(own_of(config).get("cidr")))
    }
    mine = ranges.pop(stack, None)
    for other in overlapping(mine, ranges) if mine else ():
        yield Problem(
            where=place("cidr", stack),
            message=f"is {mine}, which overlaps {ranges[other]} of {stack_file(other)}",
            fix=set_command("cidr", "A.B.0.0/16", stack),
        )


def interface_endpoints(settings: StackSettings) -> tuple[str, ...]:
    """Return the services that instances reach by an endpoint in each zone."""
    sessions = SESSION_ENDPOINTS if settings.operator_access == "session-manager" else ()
    return tuple(sorted((*INTERFACE_ENDPOINTS, *sessions)))


def repetitions(catalogue: Catalogue) -> Iterator[Problem]:
    """Yield a problem for each version, and each image's name, that the catalogue has twice."""
    versions = (release.version for release in catalogue.releases)
    # A name is one build's: under it, what runs and what is new could not be told apart.
    images = (f"the image {name}" for release in catalogue.releases for name in (release.image, *release.former_images))
    for repeated, times in Counter((*versions, *images)).items():
        if times > 1:
            yield Problem(where=f"{RELEASES}: releases", message=f"has {repeated} twice", fix=f"edit {RELEASES}")


def bucket_name(settings: StackSettings) -> str:
    """Return the name of the bucket that the environment answers from."""
    own = settings.ephemeral.dataset_bucket if settings.ephemeral else None
    return own or settings.dataset.bucket


def owns_bucket(settings: StackSettings) -> bool:
    """Return whether the stack creates its bucket; a mirror reads Live's."""
    return settings.mirrors is None or (
        settings.ephemeral is not None and settings.ephemeral.dataset_bucket is not None
    )


def _network(text: object) -> IPv4Network | None:
    try:
        return IPv4Network(str(text))
    except ValueError:
        return None
