"""From files to one decided environment: read, overlay, validate, decide. Pure but for reading the files.

A stack's own values may come from the engine instead (`engine_config`); Live's, the other stacks' and the catalogues
come from the files beside the Pulumi.yaml that runs. Everything that is wrong is told at once, as a ConfigError.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from infra import capacity, suppliers
from infra.addressing import zone_plan
from infra.checking import (
    FIXED_TAGS,
    INTERFACE_ENDPOINTS,
    bucket_name,
    duplicate_versions,
    overlaps,
    owns_bucket,
    unfit_together,
)
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
from infra.naming import LIVE, PERMANENT, check_stack_name, stack_file
from infra.overlay import MIRROR_KEYS, laid_over, problems_of_keys
from infra.releases import FILE as RELEASES
from infra.releases import Catalogue, Release, resolved
from infra.settings import (
    KEYS,
    NAMESPACE,
    EphemeralSettings,
    StackSettings,
    own_of,
    problems_of,
)
from infra.sources import Sources, read_sources
from infra.suppliers import FILE as SUPPLIERS
from infra.suppliers import SupplierList
from infra.values import mapping

LOG_RETENTION_DAYS = 90
SUPERSEDED_DAYS = 90
"""How long what the dataset was can be restored."""
UNFINISHED_UPLOAD_DAYS = 7
"""Parts of uploads that nobody finishes are paid for and seen nowhere (Amazon S3 guide, multipart uploads)."""
DEREGISTRATION_DELAY_SECONDS = 120
"""Connections that are open when a target leaves have this long to end."""

ROLLOUT = RolloutPlan(
    minimum_healthy_percent=100, maximum_healthy_percent=110, instance_warmup_seconds=120, bake_seconds=300
)

AWS_KEYS = frozenset({"aws:region", "aws:allowedAccountIds", "aws:profile", "aws:assumeRoles"})
"""What is handed to the stack's provider; an explicit provider ignores any other `aws:` key (Pulumi, providers)."""

ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)

Model = TypeVar("Model", bound=BaseModel)


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
    sources, unread = read_sources(stack, folder, engine_config)
    secret = [
        Problem(
            where=f"{stack_file(stack)}: {key}",
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
    problems += overlaps(stack, sources)
    if settings is None or catalogue is None or listed is None or aws is None:
        raise ConfigError(problems)
    problems += unfit_together(stack, settings, sources, aws.region, mirrored)
    problems += duplicate_versions(catalogue)
    release = _release(stack, settings, sources, catalogue, problems)
    clients = _clients(stack, settings, listed, sources.stacks.keys(), problems)
    if problems or release is None or clients is None:
        raise ConfigError(problems)
    return _environment(stack, settings, aws, release, clients, listed, mirrored, config)


def _mirrored(stack: str, sources: Sources, problems: list[Problem]) -> str | None:
    """Return the stack that `stack` mirrors, if it does; a problem if it can't be mirrored."""
    mirrored = own_of(sources.stacks[stack]).get("mirrors")
    if mirrored is None:
        return None
    where = f"{stack_file(stack)}: {NAMESPACE}:mirrors"
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
        file = stack_file(str(mirrored))
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
    problems += problems_of_keys(own, stack_file(stack), stack, mirrored)
    if mirrored is not None and mirrored not in sources.stacks:
        return None
    written = laid_over(own_of(sources.stacks[mirrored]), own) if mirrored else own
    try:
        return StackSettings.model_validate({key: value for key, value in written.items() if key in KEYS})
    except ValidationError as error:
        # What a mirror has from Live is mended in Live's file.
        def written_in(path: tuple[int | str, ...]) -> str:
            key = str(path[0])
            mine = mapping(own.get("tags")) if key == "tags" and isinstance(own.get("tags", {}), Mapping) else own
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
        problems.append(Problem(where=f"{stack_file(stack)}: aws:region", message=shown, fix=fix))
    for key in sorted(key for key in config if key.startswith("aws:") and key not in AWS_KEYS):
        problems.append(
            Problem(
                where=f"{stack_file(stack)}: {key}",
                message=f"would be ignored by the stack's own provider; allowed: {', '.join(sorted(AWS_KEYS))}",
                fix=f"pulumi config rm {key} --stack {stack}",
            )
        )
    accounts = config.get("aws:allowedAccountIds", [])
    if not isinstance(accounts, list) or not all(re.fullmatch(r"\d{12}", str(one)) for one in accounts):
        problems.append(
            Problem(
                where=f"{stack_file(stack)}: aws:allowedAccountIds",
                message=f"is {accounts}; allowed: a list of account ids, each twelve digits in quotes",
                fix=f"pulumi config set --path 'aws:allowedAccountIds[0]' ACCOUNT --plaintext --stack {stack}",
            )
        )
        accounts = []
    profile = config.get("aws:profile")
    if profile is not None and not (isinstance(profile, str) and profile.strip()):
        fix = f"pulumi config set aws:profile NAME --stack {stack}"
        problems.append(
            Problem(where=f"{stack_file(stack)}: aws:profile", message=f"is {profile}; allowed: a name", fix=fix)
        )
    roles = config.get("aws:assumeRoles", [])
    if not isinstance(roles, list) or not all(
        isinstance(one, Mapping) and set(one) == {"roleArn"} and ROLE_ARN.fullmatch(str(one["roleArn"]))
        for one in roles
    ):
        problems.append(
            Problem(
                where=f"{stack_file(stack)}: aws:assumeRoles",
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


def _release(
    stack: str, settings: StackSettings, sources: Sources, catalogue: Catalogue, problems: list[Problem]
) -> Release | None:
    live_version = settings.release
    if settings.release in {"live", "live+1"}:
        if LIVE not in sources.stacks:
            problems.append(
                Problem(where=f"{stack_file(stack)}: {NAMESPACE}:release",
                        message=f"is {settings.release}, and there is no {stack_file(LIVE)}",
                        fix=f"restore it: git checkout -- {stack_file(LIVE)}")
            )  # fmt: skip
            return None
        live_version = str(own_of(sources.stacks[LIVE]).get("release"))
    # A version that nobody knows is Live's mistake where it is Live's version.
    known = live_version in {release.version for release in catalogue.releases}
    owner = LIVE if settings.release in {"live", "live+1"} and not known else stack
    try:
        where = f"{stack_file(owner)}: {NAMESPACE}:release"
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
                where=f"{stack_file(owner)}: {NAMESPACE}:clientCapacity",
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
        schedules = (*schedules, _window(settings.ephemeral.starts_at, initial))
        counts, initial = replace(counts, minimum=0), 0
    bucket, owned = bucket_name(settings), owns_bucket(settings)
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
            kind="Live" if stack == LIVE or (mirrored == LIVE and not owned) else "Test data",
            bucket=bucket,
            owned=owned,
            emptied_on_destroy=settings.ephemeral is not None,
            protected=stack == LIVE,
            superseded_days=SUPERSEDED_DAYS,
            unfinished_upload_days=UNFINISHED_UPLOAD_DAYS,
            # Live's readers are those of Live's bucket.
            reader_roles=() if mirrored and owned else settings.dataset.readers,
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


def _lifetime(ephemeral: EphemeralSettings) -> LifetimePlan:
    return LifetimePlan(
        created_at=ephemeral.created_at.astimezone(UTC),
        expires_at=ephemeral.expires_at.astimezone(UTC),
        owner=ephemeral.owner,
        like=ephemeral.like,
    )


def _window(moment: datetime, desired: int) -> SchedulePlan:
    """Return what starts the instances when the test's time, `moment`, has come.

    AWS forgets an action that has run for the last time (EC2 Auto Scaling API, DescribeScheduledActions), and it would
    be missing from then on. This one recurs a year later, when the environment is long gone.
    """
    start = moment.astimezone(UTC)
    yearly = f"{start.minute} {start.hour} {start.day} {start.month} *"
    return SchedulePlan(name="window", recurrence=yearly, time_zone="UTC", start=_utc(start), desired=desired)


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
