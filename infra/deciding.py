"""From files to one decided environment: read, overlay, validate, decide. Pure but for reading the files.

A stack's own values may come from the engine instead (`engine_config`); Live's, the other stacks' and the catalogues
come from the files beside the Pulumi.yaml that runs. Everything that is wrong is told at once, as a ConfigError.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from infra import capacity, suppliers
from infra.addressing import PARTS_BITS, overlapping, zone_plan
from infra.environment import (
    AddressPlan,
    AwsPlan,
    Capacity,
    ClientsPlan,
    DatasetPlan,
    DnsPlan,
    Environment,
    HealthCheckPlan,
    LifetimePlan,
    LoadBalancerPlan,
    MonitoringPlan,
    NetworkPlan,
    RolloutPlan,
    SchedulePlan,
    ServicePlan,
)
from infra.errors import ConfigError, Problem
from infra.naming import check_stack_name
from infra.overlay import MIRROR_KEYS, laid_over, problems_of_keys
from infra.releases import FILE as RELEASES
from infra.releases import Catalogue, Release, resolved
from infra.settings import (
    KEYS,
    NAMESPACE,
    REQUIRED_TAGS,
    EphemeralSettings,
    StackSettings,
    own_of,
    parsed_engine_value,
    problems_of,
)
from infra.suppliers import FILE as SUPPLIERS
from infra.suppliers import SupplierList
from infra.yamlfile import read_mapping

LIVE = "live"
PERMANENT = ("live", "nft", "int", "dev")
"""The generally available environments of the API overview."""

INTERFACE_ENDPOINTS = ("logs", "monitoring", "secretsmanager")
LOG_RETENTION_DAYS = 90
DEREGISTRATION_DELAY_SECONDS = 120
"""Connections that are open when a target leaves have this long to end."""

ROLLOUT = RolloutPlan(
    minimum_healthy_percent=100, maximum_healthy_percent=110, instance_warmup_seconds=120, bake_seconds=300
)
FIXED_TAGS = {"Project": "eps-dos-api", "Service": "directory-of-services-api", "ManagedBy": "pulumi"}
COMPUTED_TAGS = frozenset({*FIXED_TAGS, "Environment", "ExpiresAt", "Name"})

AWS_KEYS = frozenset({"aws:region", "aws:allowedAccountIds", "aws:profile", "aws:assumeRoles"})
"""What is handed to the stack's provider; an explicit provider ignores any other `aws:` key (Pulumi, providers)."""

ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
MOST_TAGS = 50
"""EC2 guide, tag restrictions."""
LIVE_ZONES = 3
RESERVED_PER_SUBNET = 5
"""Addresses that AWS keeps of each subnet (Amazon VPC guide, subnet CIDR blocks)."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What was written, not yet validated: stacks' configuration by stack, and the two catalogues."""

    stacks: Mapping[str, Mapping[str, Any]]
    releases: Mapping[str, Any]
    suppliers: Mapping[str, Any]


def load_environment(
    stack: str,
    folder: Path,
    engine_config: Mapping[str, str] | None = None,
    engine_secret_keys: Collection[str] = (),
) -> Environment:
    """Return the environment of `stack`, configured in `folder`, as decided.

    `engine_config` is the engine's whole configuration of the stack (text, objects as JSON); None: its file is read.
    Raises ConfigError with everything that is wrong.
    """
    check_stack_name(stack)
    sources, unread = _read(stack, folder, engine_config)
    secret = [
        Problem(
            where=f"{_file(stack)}: {key}",
            message="is a secret; no secret belongs into this configuration: a certificate is named by its ARN",
            fix=f"pulumi config rm {key} --stack {stack}",
        )
        for key in sorted(engine_secret_keys)
    ]
    if secret:
        raise ConfigError(secret)
    if stack not in sources.stacks:
        raise ConfigError(unread)
    try:
        environment = decide(stack, sources)
    except ConfigError as error:
        # What a file that can't be read would have said is no second mistake.
        told = [one for one in error.problems if not any(one.where.startswith(file.where) for file in unread)]
        raise ConfigError([*unread, *told]) from None
    if unread:
        raise ConfigError(unread)
    return environment


def decide(stack: str, sources: Sources) -> Environment:
    """Return the environment of `stack` as `sources` give it. Raises ConfigError with everything that is wrong."""
    config = sources.stacks[stack]
    problems: list[Problem] = []
    aws = _aws(stack, config, problems)
    mirrored = _mirrored(stack, sources, problems)
    settings = _settings(stack, sources, mirrored, problems)
    catalogue = _parsed(Catalogue, sources.releases, RELEASES, problems)
    listed = _parsed(SupplierList, sources.suppliers, SUPPLIERS, problems)
    problems += _overlaps(stack, sources)
    if settings is None or catalogue is None or listed is None or aws is None:
        raise ConfigError(problems)
    problems += _unfit_together(stack, settings, sources, aws.region, mirrored)
    problems += _duplicate_versions(catalogue)
    release = _release(stack, settings, sources, catalogue, problems)
    clients = _clients(stack, settings, listed, sources.stacks.keys(), problems)
    if problems or release is None or clients is None:
        raise ConfigError(problems)
    return _environment(stack, settings, aws, release, clients, listed, mirrored, config)


def stack_names(folder: Path) -> tuple[str, ...]:
    """Return the stacks that have a file in `folder`, sorted: the permanent ones."""
    files = folder.glob("Pulumi.*.yaml")
    return tuple(sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in files))


def _file(stack: str) -> str:
    return f"Pulumi.{stack}.yaml"


def _read(stack: str, folder: Path, engine_config: Mapping[str, str] | None) -> tuple[Sources, list[Problem]]:
    """Return what was written, and what couldn't be read of it."""
    problems: list[Problem] = []

    def read(name: str) -> Mapping[str, Any]:
        try:
            return read_mapping(folder / name)
        except ConfigError as error:
            problems.extend(error.problems)
            return {}

    stacks: dict[str, Mapping[str, Any]] = {}
    for name in {*stack_names(folder), *({stack} if engine_config is None else ())}:
        before = len(problems)
        config = read(_file(name)).get("config") or {}
        if len(problems) > before:
            continue
        if isinstance(config, Mapping):
            stacks[name] = config
        else:
            fix = "write keys and values under config:"
            problems.append(Problem(where=f"{_file(name)}: config", message="holds no keys and values", fix=fix))
    if engine_config is not None:
        stacks[stack] = {key: parsed_engine_value(value) for key, value in engine_config.items()}
    return Sources(stacks=stacks, releases=read(RELEASES), suppliers=read(SUPPLIERS)), problems


def _mirrored(stack: str, sources: Sources, problems: list[Problem]) -> str | None:
    """Return the stack that `stack` mirrors, if it does; a problem if it can't be mirrored."""
    mirrored = own_of(sources.stacks[stack]).get("mirrors")
    if mirrored is None:
        return None
    where = f"{_file(stack)}: {NAMESPACE}:mirrors"
    full = sorted(name for name, config in sources.stacks.items() if "mirrors" not in own_of(config) and name != stack)
    if stack == LIVE:
        problems.append(
            Problem(where=where, message=f"is {mirrored}; Live mirrors nothing",
                    fix=f"pulumi config rm {NAMESPACE}:mirrors --stack {stack}")
        )  # fmt: skip
    elif not isinstance(mirrored, str):
        problems.append(
            Problem(where=where, message=f"is {mirrored}; allowed: {', '.join(full)}",
                    fix=f"pulumi config set {NAMESPACE}:mirrors {LIVE} --stack {stack}")
        )  # fmt: skip
    elif mirrored not in sources.stacks:
        file = _file(str(mirrored))
        problems.append(
            Problem(where=where, message=f"is {mirrored}, and there is no {file}; allowed: {', '.join(full)}",
                    fix=f"restore it: git checkout -- {file}")
        )  # fmt: skip
    elif mirrored in full and "ephemeral" in own_of(sources.stacks[mirrored]):
        problems.append(
            Problem(where=where, message=f"is {mirrored}, which is made for one test and ends",
                    fix=f"pulumi config set {NAMESPACE}:mirrors {LIVE} --stack {stack}")
        )  # fmt: skip
    elif mirrored not in full:
        problems.append(
            Problem(where=where, message=f"is {mirrored}, which mirrors another itself; allowed: {', '.join(full)}",
                    fix=f"pulumi config set {NAMESPACE}:mirrors {LIVE} --stack {stack}")
        )  # fmt: skip
    return str(mirrored)


def _settings(stack: str, sources: Sources, mirrored: str | None, problems: list[Problem]) -> StackSettings | None:
    own = own_of(sources.stacks[stack])
    problems += problems_of_keys(own, _file(stack), stack, mirrored)
    if mirrored is not None and mirrored not in sources.stacks:
        return None
    written = laid_over(own_of(sources.stacks[mirrored]), own) if mirrored else own
    try:
        return StackSettings.model_validate({key: value for key, value in written.items() if key in KEYS})
    except ValidationError as error:
        # What a mirror has from Live is mended in Live's file.
        def written_in(path: tuple[int | str, ...]) -> str:
            key = str(path[0])
            mine = _mapping(own.get("tags")) if key == "tags" and isinstance(own.get("tags", {}), Mapping) else own
            name = str(path[1]) if key == "tags" and len(path) > 1 and mine is not own else key
            inherits = mirrored is not None and key in own_of(sources.stacks[mirrored]) and name not in mine
            return mirrored if mirrored and inherits and (key not in MIRROR_KEYS or key == "tags") else stack

        problems += problems_of(error, written_in)
        return None


def _aws(stack: str, config: Mapping[str, Any], problems: list[Problem]) -> AwsPlan | None:
    region = config.get("aws:region")
    if not isinstance(region, str) or not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
        shown = "is missing" if region is None else f"is {region}; allowed: a region such as eu-west-2"
        fix = f"pulumi config set aws:region eu-west-2 --stack {stack}"
        problems.append(Problem(where=f"{_file(stack)}: aws:region", message=shown, fix=fix))
    for key in sorted(key for key in config if key.startswith("aws:") and key not in AWS_KEYS):
        problems.append(
            Problem(
                where=f"{_file(stack)}: {key}",
                message=f"would be ignored by the stack's own provider; allowed: {', '.join(sorted(AWS_KEYS))}",
                fix=f"pulumi config rm {key} --stack {stack}",
            )
        )
    accounts = config.get("aws:allowedAccountIds", [])
    if not isinstance(accounts, list) or not all(re.fullmatch(r"\d{12}", str(one)) for one in accounts):
        problems.append(
            Problem(
                where=f"{_file(stack)}: aws:allowedAccountIds",
                message=f"is {accounts}; allowed: a list of account ids, each twelve digits in quotes",
                fix=f"pulumi config set --path 'aws:allowedAccountIds[0]' ACCOUNT --plaintext --stack {stack}",
            )
        )
        accounts = []
    profile = config.get("aws:profile")
    if profile is not None and not (isinstance(profile, str) and profile.strip()):
        fix = f"pulumi config set aws:profile NAME --stack {stack}"
        problems.append(
            Problem(where=f"{_file(stack)}: aws:profile", message=f"is {profile}; allowed: a name", fix=fix)
        )
    roles = config.get("aws:assumeRoles", [])
    if not isinstance(roles, list) or not all(
        isinstance(one, Mapping) and set(one) == {"roleArn"} and ROLE_ARN.fullmatch(str(one["roleArn"]))
        for one in roles
    ):
        problems.append(
            Problem(
                where=f"{_file(stack)}: aws:assumeRoles",
                message=f"is {roles}; allowed: a list of roles, each with roleArn and nothing else",
                fix=f"pulumi config set --path 'aws:assumeRoles[0].roleArn' ARN --stack {stack}",
            )
        )
        roles = []
    if not isinstance(region, str):
        return None
    return AwsPlan(
        region=region,
        allowed_account_ids=tuple(str(one) for one in accounts),
        profile=config.get("aws:profile"),
        assume_role_arns=tuple(str(one["roleArn"]) for one in roles),
    )


def _parsed(model: type[Model], content: Mapping[str, Any], file: str, problems: list[Problem]) -> Model | None:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        for one in error.errors():
            path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one["loc"])
            value = "" if one["type"] == "missing" else f"is {one['input']}; "
            unquoted = " in quotes" if one["type"] == "string_type" and isinstance(one["input"], int | float) else ""
            message = f"{value}{one['msg'].removeprefix('Value error, ')}{unquoted}"
            problems.append(Problem(where=f"{file}: {path.removeprefix('.')}", message=message, fix=f"edit {file}"))
        return None


def _unfit_together(
    stack: str, settings: StackSettings, sources: Sources, region: str, mirrored: str | None
) -> list[Problem]:
    """Return what is wrong between settings that are fine one by one, this stack's and other stacks'."""
    problems = []

    def wrong(key: str, message: str, fix: str, file_of: str = stack) -> None:
        problems.append(Problem(where=f"{_file(file_of)}: {NAMESPACE}:{key}", message=message, fix=fix))

    def set_(key: str, value: str = "VALUE") -> str:
        return f"pulumi config set {NAMESPACE}:{key} {value} --stack {stack}"

    owner = mirrored or stack
    attached, reserved = list(settings.zones), list(settings.reserved_zones)
    for key, zones in (("zones", attached), ("reservedZones", reserved)):
        for zone in zones:
            if zone[:-1] != region:
                wrong(key, f"has {zone}, outside {region}", f"name a zone of {region} in {_file(owner)}", owner)
    if twice := sorted(zone for zone, count in Counter(attached + reserved).items() if count > 1):
        wrong("zones", f"and reservedZones have {', '.join(twice)} twice; allowed: each zone once",
              f"edit {_file(owner)}", owner)  # fmt: skip
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
              f"edit {_file(owner)}", owner)  # fmt: skip
    for tag in sorted(tag for tag in settings.tags if tag.lower() in computed):
        wrong(f"tags.{tag}", "follows from the environment and can't be set",
              f"pulumi config rm --path '{NAMESPACE}:tags.{tag}' --stack {stack}")  # fmt: skip
    if settings.schedules and (settings.capacity.minimum > 0 or mirrored or stack == LIVE):
        wrong("schedules", "need a minimum of 0: otherwise state and program would disagree once one has fired",
              f"pulumi config rm {NAMESPACE}:schedules --stack {owner}", owner)  # fmt: skip
    names = [schedule.name for schedule in settings.schedules]
    if len(set(names)) < len(names):
        wrong("schedules", "have a name twice; allowed: each once", f"edit {_file(owner)}", owner)
    for schedule in settings.schedules:
        if schedule.desired > settings.capacity.maximum:
            wrong("schedules", f"sets {schedule.desired} at {schedule.name}; allowed: at most the maximum, "
                  f"{settings.capacity.maximum}", f"edit {_file(stack)}")  # fmt: skip
    desired = [schedule.desired for schedule in settings.schedules]
    if desired and not any(desired):
        wrong("schedules", "set 0 and never more; allowed: with one to 0, one that raises it again",
              f"edit {_file(stack)}")  # fmt: skip
    if settings.release not in {"live", "live+1"} and mirrored:
        wrong("release", f"is {settings.release}; allowed in a mirror: live, live+1", set_("release", "live"))
    if stack == LIVE and settings.release in {"live", "live+1"}:
        wrong("release", f"is {settings.release}; Live names its version", set_("release", "VERSION"))
    if stack == LIVE:
        problems += _live_problems(settings)
    readers = settings.dataset.readers
    if mirrored and settings.ephemeral is None and stack not in readers:
        wrong("dataset.readers", f"lacks {stack}, which mirrors it and reads its data",
              f"add {stack} to the readers in {_file(mirrored)}", mirrored)  # fmt: skip
    usable = 2 ** (32 - IPv4Network(settings.cidr).prefixlen - PARTS_BITS) - RESERVED_PER_SUBNET
    needed = -(-settings.capacity.maximum * 11 // (10 * len(settings.zones))) + len(INTERFACE_ENDPOINTS)
    if needed > usable:
        wrong("cidr", f"is {settings.cidr}, with room for {usable} addresses in a zone; needed: {needed}",
              set_("cidr", "A.B.0.0/16"))  # fmt: skip
    problems += _ephemeral_problems(stack, settings)
    problems += _shared_with_others(stack, settings, sources)
    return problems


def _live_problems(settings: StackSettings) -> list[Problem]:
    """Return what Live promises more than the others do: three zones, and an instance in each of them at any time."""
    zones, minimum = len(settings.zones), settings.capacity.minimum
    problems = []
    if zones < LIVE_ZONES:
        problems.append(
            Problem(where=f"{_file(LIVE)}: {NAMESPACE}:zones",
                    message=f"are {zones}; allowed on Live: {LIVE_ZONES} or more",
                    fix=f"edit {_file(LIVE)}")
        )  # fmt: skip
    if minimum < zones:
        problems.append(
            Problem(where=f"{_file(LIVE)}: {NAMESPACE}:capacity.minimum",
                    message=f"is {minimum}; allowed on Live: {zones} or more, one in each zone",
                    fix=f"pulumi config set --path '{NAMESPACE}:capacity.minimum' {zones} --stack {LIVE}")
        )  # fmt: skip
    return problems


def _ephemeral_problems(stack: str, settings: StackSettings) -> list[Problem]:
    if settings.ephemeral is None:
        return []
    where = f"{_file(stack)}: {NAMESPACE}:"
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
                    fix=f"set ephemeral.datasetBucket in {_file(stack)}, or liveData with the reason")
        )  # fmt: skip
    if settings.mirrors is None and (own_data or live_data):
        problems.append(
            Problem(where=f"{where}ephemeral", message="says datasetBucket or liveData; allowed: only in a mirror",
                    fix=f"name the bucket in {NAMESPACE}:dataset of {_file(stack)}")
        )  # fmt: skip
    expected = f"dos-{stack}.{settings.hosted_zone}"
    if settings.dns_name.lower() != expected.lower():
        problems.append(
            Problem(where=f"{where}dnsName", message=f"is {settings.dns_name}; allowed: {expected}",
                    fix=f"pulumi config set {NAMESPACE}:dnsName {expected} --stack {stack}")
        )  # fmt: skip
    return problems


def _overlaps(stack: str, sources: Sources) -> list[Problem]:
    """Return which other stacks' ranges this one's meets, as far as both are ranges."""
    ranges = {
        name: network for name, config in sources.stacks.items() if (network := _network(own_of(config).get("cidr")))
    }
    mine = ranges.pop(stack, None)
    return [
        Problem(
            where=f"{_file(stack)}: {NAMESPACE}:cidr",
            message=f"is {mine}, which overlaps {ranges[other]} of {_file(other)}",
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
                where=f"{_file(stack)}: {NAMESPACE}:{key}",
                message=f"is {value}, which is also {_file(other)}'s; allowed: one of its own",
                fix=f"pulumi config set {NAMESPACE}:{key} VALUE --stack {stack}",
            )
        )

    addresses = set(settings.virtual_ips.values())
    if len(addresses) < len(settings.virtual_ips):
        problems.append(
            Problem(where=f"{_file(stack)}: {NAMESPACE}:virtualIps", message="has an address twice",
                    fix=f"edit {_file(stack)}")
        )  # fmt: skip
    for other, own in sorted(others.items()):
        if str(own.get("dnsName", "")).lower() == settings.dns_name.lower():
            shared("dnsName", settings.dns_name, other)
        if settings.certificate_secret_arn and own.get("certificateSecretArn") == settings.certificate_secret_arn:
            shared("certificateSecretArn", settings.certificate_secret_arn, other)
        if _owns_bucket(settings) and _mapping(own.get("dataset")).get("bucket") == _bucket(settings):
            shared("dataset.bucket", _bucket(settings), other)
        for key, mine in (("virtualIps", addresses), ("allocationIds", set(settings.allocation_ids.values()))):
            for value in sorted(mine & {str(one) for one in _mapping(own.get(key)).values()}):
                shared(key, value, other)
    return problems


def _duplicate_versions(catalogue: Catalogue) -> list[Problem]:
    count = Counter(release.version for release in catalogue.releases)
    return [
        Problem(where=f"{RELEASES}: releases", message=f"has {version} twice", fix=f"edit {RELEASES}")
        for version, times in count.items()
        if times > 1
    ]


def _release(
    stack: str, settings: StackSettings, sources: Sources, catalogue: Catalogue, problems: list[Problem]
) -> Release | None:
    live_version = settings.release
    if settings.release in {"live", "live+1"}:
        if LIVE not in sources.stacks:
            problems.append(
                Problem(where=f"{_file(stack)}: {NAMESPACE}:release",
                        message=f"is {settings.release}, and there is no {_file(LIVE)}",
                        fix=f"restore it: git checkout -- {_file(LIVE)}")
            )  # fmt: skip
            return None
        live_version = str(own_of(sources.stacks[LIVE]).get("release"))
    # A version that nobody knows is Live's mistake where it is Live's version.
    known = live_version in {release.version for release in catalogue.releases}
    owner = LIVE if settings.release in {"live", "live+1"} and not known else stack
    try:
        where = f"{_file(owner)}: {NAMESPACE}:release"
        return resolved(settings.release, live_version, catalogue.releases, where, owner)
    except ConfigError as error:
        problems += error.problems
        return None


def _clients(
    stack: str,
    settings: StackSettings,
    listed: SupplierList,
    environments: Collection[str],
    problems: list[Problem],
) -> ClientsPlan | None:
    before = len(problems)
    for supplier in listed.suppliers:
        for cidr in supplier.clients:
            try:
                suppliers.client_range(cidr)
            except ValueError as error:
                where = f"{SUPPLIERS}: {supplier.name}"
                problems.append(Problem(where=where, message=f"has {cidr}, which {error}", fix=f"edit {SUPPLIERS}"))
    if len(problems) > before:
        return None
    for name, mistake in suppliers.mistakes(listed.suppliers, {*PERMANENT, *environments}):
        problems.append(Problem(where=f"{SUPPLIERS}: {name}", message=mistake, fix=f"edit {SUPPLIERS}"))
    try:
        admitted = suppliers.admitted(listed.suppliers, stack, assured_only=stack == LIVE)
        testers = settings.ephemeral.clients if settings.ephemeral else ()
        entries = suppliers.entries(admitted, settings.load_generators, testers)
    except ValueError as error:
        problems.append(Problem(where=f"{SUPPLIERS}:", message=f"{error}", fix=f"edit {SUPPLIERS}"))
        return None
    if len(entries) > settings.client_capacity:
        owner = settings.mirrors or stack
        problems.append(
            Problem(
                where=f"{_file(owner)}: {NAMESPACE}:clientCapacity",
                message=f"is {settings.client_capacity}, and {len(entries)} ranges may connect to {stack}",
                fix=f"pulumi config set {NAMESPACE}:clientCapacity {len(entries)} --stack {owner}",
            )
        )
        return None
    return ClientsPlan(entries=entries, max_entries=settings.client_capacity)


def _environment(
    stack: str,
    settings: StackSettings,
    aws: AwsPlan,
    release: Release,
    clients: ClientsPlan,
    listed: SupplierList,
    mirrored: str | None,
    config: Mapping[str, Any],
) -> Environment:
    addresses = _addresses(settings)
    protected = stack == LIVE or any(plan.protected for plan in addresses.values())
    network = IPv4Network(settings.cidr)
    own = Capacity(
        minimum=settings.capacity.minimum,
        maximum=settings.capacity.maximum,
        target_cpu_percent=settings.capacity.target_cpu_percent,
    )
    scale = settings.scale if mirrored else None
    counts = capacity.scaled(own, scale, len(settings.zones)) if scale is not None else own
    check = settings.health_check
    tags = {**settings.tags, **FIXED_TAGS, "Environment": stack}
    if settings.ephemeral:
        tags["ExpiresAt"] = _utc(settings.ephemeral.expires_at)
    initial = capacity.initial(counts, len(settings.zones))
    schedules = tuple(
        SchedulePlan(name=one.name, recurrence=one.recurrence, time_zone=one.time_zone, start=None, desired=one.desired)
        for one in settings.schedules
    )
    if settings.ephemeral and settings.ephemeral.starts_at:
        # As with other schedules: only with a minimum of 0 do state and program agree before and after it has fired.
        schedules = (*schedules, _window(settings.ephemeral, initial))
        counts, initial = replace(counts, minimum=0), 0
    bucket, owns_bucket = _bucket(settings), _owns_bucket(settings)
    return Environment(
        name=stack,
        mirrors=mirrored,
        scale=scale,
        aws=aws,
        network=NetworkPlan(
            cidr=settings.cidr,
            zones={zone: zone_plan(network, zone) for zone in settings.zones},
            interface_endpoints=INTERFACE_ENDPOINTS,
            log_retention_days=LOG_RETENTION_DAYS,
        ),
        virtual_ips=addresses,
        clients=clients,
        load_balancer=LoadBalancerPlan(
            deletion_protected=protected,
            health_check=HealthCheckPlan(
                protocol=check.protocol,
                path=check.path,
                interval_seconds=check.interval_seconds,
                healthy_threshold=check.healthy_threshold,
                unhealthy_threshold=check.unhealthy_threshold,
            ),
            deregistration_delay_seconds=DEREGISTRATION_DELAY_SECONDS,
        ),
        dns=DnsPlan(name=settings.dns_name, hosted_zone=settings.hosted_zone),
        dataset=DatasetPlan(
            kind="Live" if stack == LIVE or (mirrored == LIVE and not owns_bucket) else "Test data",
            bucket=bucket,
            owned=owns_bucket,
            emptied_on_destroy=settings.ephemeral is not None,
            protected=stack == LIVE,
            # Live's readers are those of Live's bucket.
            reader_roles=() if mirrored and owns_bucket else settings.dataset.readers,
            operator_role_arns=settings.operators,
            supplier_areas=suppliers.areas(one for one in listed.suppliers if stack in one.environments)
            if stack == "dev"
            else (),
        ),
        service=ServicePlan(
            release=release.version,
            image_name=release.image,
            image_owner=settings.image_owner,
            image_id=settings.ephemeral.image_id if settings.ephemeral else None,
            instance_type=settings.instance_type,
            capacity=counts,
            initial_capacity=initial,
            schedules=schedules,
            certificate_secret_arn=settings.certificate_secret_arn,
            instance_configuration={
                "environment": stack,
                "dnsName": settings.dns_name,
                "dataset": bucket,
                "release": release.version,
                "certificateSecretArn": settings.certificate_secret_arn or "",
            },
        ),
        rollout=ROLLOUT,
        monitoring=MonitoringPlan(subscriber_emails=settings.alarm_subscribers, log_retention_days=LOG_RETENTION_DAYS),
        tags=tags,
        lifetime=_lifetime(settings.ephemeral) if settings.ephemeral else None,
        # As JSON has it, since it becomes an output: YAML makes times of what looks like one.
        settings=json.loads(json.dumps(config, default=str)),
    )


def _bucket(settings: StackSettings) -> str:
    own = settings.ephemeral.dataset_bucket if settings.ephemeral else None
    return own or settings.dataset.bucket


def _owns_bucket(settings: StackSettings) -> bool:
    return settings.mirrors is None or (
        settings.ephemeral is not None and settings.ephemeral.dataset_bucket is not None
    )


def _lifetime(ephemeral: EphemeralSettings) -> LifetimePlan:
    return LifetimePlan(
        created_at=ephemeral.created_at.astimezone(UTC),
        expires_at=ephemeral.expires_at.astimezone(UTC),
        owner=ephemeral.owner,
        like=ephemeral.like,
    )


def _window(ephemeral: EphemeralSettings, desired: int) -> SchedulePlan:
    """Return what starts the instances when the test's time has come."""
    start = _utc(ephemeral.starts_at) if ephemeral.starts_at else None
    return SchedulePlan(name="window", recurrence=None, time_zone=None, start=start, desired=desired)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _addresses(settings: StackSettings) -> dict[str, AddressPlan]:
    if settings.ephemeral:
        return {}
    return {
        zone: AddressPlan(
            allocation_id=settings.allocation_ids.get(zone),
            published=settings.virtual_ips.get(zone),
            attached=zone in settings.zones,
            protected=settings.protect_addresses or zone in settings.virtual_ips,
        )
        for zone in (*settings.zones, *settings.reserved_zones)
    }


def _network(text: object) -> IPv4Network | None:
    try:
        return IPv4Network(str(text))
    except ValueError:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
