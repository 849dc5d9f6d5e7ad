"""Checks between settings that are each valid: within a stack, between stacks, and against AWS's limits."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Network

from infra.addressing import PARTS_BITS, overlapping
from infra.errors import Problem
from infra.naming import LIVE, PERMANENT, stack_file
from infra.releases import FILE as RELEASES
from infra.releases import Catalogue
from infra.settings import (
    NAMESPACE,
    REQUIRED_TAGS,
    StackSettings,
    own_of,
)
from infra.sources import Sources
from infra.values import mapping

INTERFACE_ENDPOINTS = ("logs", "monitoring", "secretsmanager")
FIXED_TAGS = {"Project": "eps-dos-api", "Service": "directory-of-services-api", "ManagedBy": "pulumi"}
COMPUTED_TAGS = frozenset({*FIXED_TAGS, "Environment", "ExpiresAt", "Name"})
MOST_TAGS = 50
"""EC2 guide, tag restrictions."""
LIVE_ZONES = 3
SPARE_CPU_PERCENT = 10
"""What Live's instances have to spare even where a zone is lost and the others carry its load: load isn't even."""
RESERVED_PER_SUBNET = 5
"""Addresses that AWS keeps of each subnet (Amazon VPC guide, subnet CIDR blocks)."""


def unfit_together(
    stack: str, settings: StackSettings, sources: Sources, region: str, mirrored: str | None
) -> list[Problem]:
    """Return what is wrong between settings that are fine one by one, this stack's and other stacks'."""
    problems = []

    def wrong(key: str, message: str, fix: str, file_of: str = stack) -> None:
        problems.append(Problem(where=f"{stack_file(file_of)}: {NAMESPACE}:{key}", message=message, fix=fix))

    def set_(key: str, value: str = "VALUE") -> str:
        return f"pulumi config set {NAMESPACE}:{key} {value} --stack {stack}"

    owner = mirrored or stack
    attached, reserved = list(settings.zones), list(settings.reserved_zones)
    for key, zones in (("zones", attached), ("reservedZones", reserved)):
        for zone in zones:
            if zone[:-1] != region:
                wrong(key, f"has {zone}, outside {region}", f"name a zone of {region} in {stack_file(owner)}", owner)
    if twice := sorted(zone for zone, count in Counter(attached + reserved).items() if count > 1):
        wrong("zones", f"and reservedZones have {', '.join(twice)} twice; allowed: each zone once",
              f"edit {stack_file(owner)}", owner)  # fmt: skip
    known = {*attached, *reserved}
    for key, by_zone in (("allocationIds", settings.allocation_ids), ("virtualIps", settings.virtual_ips)):
        for zone in sorted(by_zone.keys() - known):
            wrong(key, f"has {zone}, which is not among the zones {', '.join(sorted(known))}",
                  f"pulumi config rm --path '{NAMESPACE}:{key}.{zone}' --stack {stack}")  # fmt: skip
    name, zone_name = settings.dns_name.lower(), settings.hosted_zone.lower()
    if name != zone_name and not name.endswith(f".{zone_name}"):
        wrong("dnsName", f"is {settings.dns_name}, outside the zone {settings.hosted_zone}",
              set_("dnsName", f"NAME.{settings.hosted_zone}"))  # fmt: skip
    arn = settings.certificate_secret_arn
    if arn and arn.split(":")[3] != region:
        wrong("certificateSecretArn", f"is in {arn.split(':')[3]}; allowed: a secret in {region}",
              set_("certificateSecretArn", "ARN"))  # fmt: skip
    for tag in sorted(tag for tag in REQUIRED_TAGS if not settings.tags.get(tag, "").strip()):
        wrong(f"tags.{tag}", "is missing", f"pulumi config set --path '{NAMESPACE}:tags.{tag}' VALUE --stack {owner}",
              owner)  # fmt: skip
    # IAM takes keys that differ in case only for one (IAM guide, tagging).
    computed = {tag.lower() for tag in COMPUTED_TAGS}
    if len(settings.tags) + len(COMPUTED_TAGS) > MOST_TAGS:
        wrong("tags", f"are {len(settings.tags)}; allowed: {MOST_TAGS - len(COMPUTED_TAGS)}, beside the project's own",
              f"edit {stack_file(owner)}", owner)  # fmt: skip
    for tag in sorted(tag for tag in settings.tags if tag.lower() in computed):
        wrong(f"tags.{tag}", "follows from the environment and can't be set",
              f"pulumi config rm --path '{NAMESPACE}:tags.{tag}' --stack {stack}")  # fmt: skip
    if settings.schedules and (settings.capacity.minimum > 0 or mirrored or stack == LIVE):
        wrong("schedules", "need a minimum of 0: otherwise state and program would disagree once one has fired",
              f"pulumi config rm {NAMESPACE}:schedules --stack {owner}", owner)  # fmt: skip
    names = [schedule.name for schedule in settings.schedules]
    if len(set(names)) < len(names):
        wrong("schedules", "have a name twice; allowed: each once", f"edit {stack_file(owner)}", owner)
    for schedule in settings.schedules:
        if schedule.desired > settings.capacity.maximum:
            wrong("schedules", f"sets {schedule.desired} at {schedule.name}; allowed: at most the maximum, "
                  f"{settings.capacity.maximum}", f"edit {stack_file(stack)}")  # fmt: skip
    desired = [schedule.desired for schedule in settings.schedules]
    if desired and not any(desired):
        wrong("schedules", "set 0 and never more; allowed: with one to 0, one that raises it again",
              f"edit {stack_file(stack)}")  # fmt: skip
    if settings.release not in {"live", "live+1"} and mirrored:
        wrong("release", f"is {settings.release}; allowed in a mirror: live, live+1", set_("release", "live"))
    if stack == LIVE and settings.release in {"live", "live+1"}:
        wrong("release", f"is {settings.release}; Live names its version", set_("release", "VERSION"))
    if stack == LIVE:
        problems += _live_problems(settings)
    readers = settings.dataset.readers
    if mirrored and settings.ephemeral is None and stack not in readers:
        wrong("dataset.readers", f"lacks {stack}, which mirrors it and reads its data",
              f"add {stack} to the readers in {stack_file(mirrored)}", mirrored)  # fmt: skip
    usable = 2 ** (32 - IPv4Network(settings.cidr).prefixlen - PARTS_BITS) - RESERVED_PER_SUBNET
    needed = -(-settings.capacity.maximum * 11 // (10 * len(settings.zones))) + len(INTERFACE_ENDPOINTS)
    if needed > usable:
        wrong("cidr", f"is {settings.cidr}, with room for {usable} addresses in a zone; needed: {needed}",
              set_("cidr", "A.B.0.0/16"))  # fmt: skip
    problems += _ephemeral_problems(stack, settings)
    problems += _shared_with_others(stack, settings, sources)
    return problems


def _live_problems(settings: StackSettings) -> list[Problem]:
    """Return what Live promises more than the others do: three zones, an instance in each, room to lose one."""
    zones, minimum = len(settings.zones), settings.capacity.minimum
    problems = []
    if zones < LIVE_ZONES:
        problems.append(
            Problem(where=f"{stack_file(LIVE)}: {NAMESPACE}:zones",
                    message=f"are {zones}; allowed on Live: {LIVE_ZONES} or more",
                    fix=f"edit {stack_file(LIVE)}")
        )  # fmt: skip
    if minimum < zones:
        problems.append(
            Problem(where=f"{stack_file(LIVE)}: {NAMESPACE}:capacity.minimum",
                    message=f"is {minimum}; allowed on Live: {zones} or more, one in each zone",
                    fix=f"pulumi config set --path '{NAMESPACE}:capacity.minimum' {zones} --stack {LIVE}")
        )  # fmt: skip
    target, most = settings.capacity.target_cpu_percent, 100 * (zones - 1) // zones - SPARE_CPU_PERCENT
    if zones >= LIVE_ZONES and target > most:
        problems.append(
            Problem(where=f"{stack_file(LIVE)}: {NAMESPACE}:capacity.targetCpuPercent",
                    message=f"is {target}; allowed on Live: at most {most}, or {zones - 1} zones can't carry the load "
                    f"of {zones} until more instances have started",
                    fix=f"pulumi config set --path '{NAMESPACE}:capacity.targetCpuPercent' {most} --stack {LIVE}")
        )  # fmt: skip
    return problems


def _ephemeral_problems(stack: str, settings: StackSettings) -> list[Problem]:
    if settings.ephemeral is None:
        return []
    where = f"{stack_file(stack)}: {NAMESPACE}:"
    problems = []
    if stack in PERMANENT:
        problems.append(
            Problem(where=f"{where}ephemeral", message=f"is set, and {stack} is permanent",
                    fix=f"pulumi config rm {NAMESPACE}:ephemeral --stack {stack}")
        )  # fmt: skip
    for key, value in (
        ("virtualIps", settings.virtual_ips),
        ("allocationIds", settings.allocation_ids),
        ("reservedZones", settings.reserved_zones),
        ("protectAddresses", settings.protect_addresses),
    ):
        if value:
            problems.append(
                Problem(where=f"{where}{key}", message="is set; an ephemeral environment gets its addresses from AWS",
                        fix=f"pulumi config rm {NAMESPACE}:{key} --stack {stack}")
            )  # fmt: skip
    own_data, live_data = settings.ephemeral.dataset_bucket, settings.ephemeral.live_data
    if settings.mirrors is not None and (own_data is None) == (live_data is None):
        problems.append(
            Problem(where=f"{where}ephemeral",
                    message="says neither datasetBucket nor liveData, or both; allowed in a mirror: one of them",
                    fix=f"set ephemeral.datasetBucket in {stack_file(stack)}, or liveData with the reason")
        )  # fmt: skip
    if settings.mirrors is None and (own_data or live_data):
        problems.append(
            Problem(where=f"{where}ephemeral", message="says datasetBucket or liveData; allowed: only in a mirror",
                    fix=f"name the bucket in {NAMESPACE}:dataset of {stack_file(stack)}")
        )  # fmt: skip
    expected = f"dos-{stack}.{settings.hosted_zone}"
    if settings.dns_name.lower() != expected.lower():
        problems.append(
            Problem(where=f"{where}dnsName", message=f"is {settings.dns_name}; allowed: {expected}",
                    fix=f"pulumi config set {NAMESPACE}:dnsName {expected} --stack {stack}")
        )  # fmt: skip
    return problems


def overlaps(stack: str, sources: Sources) -> list[Problem]:
    """Return which other stacks' ranges this one's meets, as far as both are ranges."""
    ranges = {
        name: network for name, config in sources.stacks.items() if (network := _network(own_of(config).get("cidr")))
    }
    mine = ranges.pop(stack, None)
    return [
        Problem(
            where=f"{stack_file(stack)}: {NAMESPACE}:cidr",
            message=f"is {mine}, which overlaps {ranges[other]} of {stack_file(other)}",
            fix=f"pulumi config set {NAMESPACE}:cidr A.B.0.0/16 --stack {stack}",
        )
        for other in (overlapping(mine, ranges) if mine else ())
    ]


def _shared_with_others(stack: str, settings: StackSettings, sources: Sources) -> list[Problem]:
    """Return what this stack has in common with another's file and mustn't: ranges, names, addresses, certificates."""
    problems = []
    others = {name: own_of(config) for name, config in sources.stacks.items() if name != stack}

    def shared(key: str, value: object, other: str) -> None:
        problems.append(
            Problem(
                where=f"{stack_file(stack)}: {NAMESPACE}:{key}",
                message=f"is {value}, which is also {stack_file(other)}'s; allowed: one of its own",
                fix=f"pulumi config set {NAMESPACE}:{key} VALUE --stack {stack}",
            )
        )

    addresses = set(settings.virtual_ips.values())
    if len(addresses) < len(settings.virtual_ips):
        problems.append(
            Problem(where=f"{stack_file(stack)}: {NAMESPACE}:virtualIps", message="has an address twice",
                    fix=f"edit {stack_file(stack)}")
        )  # fmt: skip
    for other, own in sorted(others.items()):
        if str(own.get("dnsName", "")).lower() == settings.dns_name.lower():
            shared("dnsName", settings.dns_name, other)
        if settings.certificate_secret_arn and own.get("certificateSecretArn") == settings.certificate_secret_arn:
            shared("certificateSecretArn", settings.certificate_secret_arn, other)
        if owns_bucket(settings) and mapping(own.get("dataset")).get("bucket") == bucket_name(settings):
            shared("dataset.bucket", bucket_name(settings), other)
        for key, mine in (("virtualIps", addresses), ("allocationIds", set(settings.allocation_ids.values()))):
            for value in sorted(mine & {str(one) for one in mapping(own.get(key)).values()}):
                shared(key, value, other)
    return problems


def duplicate_versions(catalogue: Catalogue) -> list[Problem]:
    """Return a problem for each version that the catalogue has twice."""
    count = Counter(release.version for release in catalogue.releases)
    return [
        Problem(where=f"{RELEASES}: releases", message=f"has {version} twice", fix=f"edit {RELEASES}")
        for version, times in count.items()
        if times > 1
    ]


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
