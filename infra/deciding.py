"""From files to one decided environment: read, overlay, validate, decide. Pure but for reading the files.

A stack's own values may come from the engine instead (`engine_config`); Live's, the other stacks' and the catalogues
come from the files beside the Pulumi.yaml that runs. Everything that is wrong is reported at once, in a ConfigError.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pydantic import ValidationError

from infra import access, capacity, suppliers
from infra.addressing import zone_plan
from infra.checking import (
    Checked,
    bucket_name,
    interface_endpoints,
    overlaps,
    owns_bucket,
    problems_between,
    repetitions,
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
from infra.releases import FOLLOWING_LIVE, Catalogue, Release, resolved
from infra.settings import (
    KEYS,
    EphemeralSettings,
    HealthCheckSettings,
    Override,
    PromotionSettings,
    StackSettings,
    own_of,
    place,
    problems_of,
    remove_command,
    set_command,
)
from infra.sources import Sources, read_sources
from infra.suppliers import FILE as SUPPLIERS
from infra.suppliers import SupplierList
from infra.tags import EXPIRY_TAG, FIXED_TAGS
from infra.times import stamp
from infra.values import mapping
from infra.yamlfile import validated

LOG_RETENTION_DAYS = 90
SUPERSEDED_DAYS = 90
"""How long what the dataset was can be restored."""
UNFINISHED_UPLOAD_DAYS = 7
"""Parts of uploads that nobody finishes are paid for and seen nowhere (Amazon S3 guide, multipart uploads)."""
DEREGISTRATION_DELAY_SECONDS = 120
"""Connections that are open when a target leaves have this long to end."""

DEFAULT_TIMEOUT_SECONDS = {"TCP": 10, "HTTP": 6, "HTTPS": 10}
"""Of health checks by their protocol (User Guide for Network Load Balancers, health check settings). AWS refuses one
that is longer than the interval, its own default too."""

ROLLOUT = RolloutPlan(
    minimum_healthy_percent=100, maximum_healthy_percent=110, instance_warmup_seconds=120, bake_seconds=300
)

AWS_KEYS = frozenset({"aws:region", "aws:allowedAccountIds", "aws:profile", "aws:assumeRoles"})
"""What is handed to the stack's provider; an explicit provider ignores any other `aws:` key (Pulumi, providers)."""

ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)

P = ParamSpec("P")
Result = TypeVar("Result")


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
        files = tuple(problem.where for problem in unread)
        raise ConfigError(
            [*unread, *(problem for problem in error.problems if not problem.where.startswith(files))]
        ) from None
    if unread:
        raise ConfigError(unread)
    return environment


class Collected:
    """Problems of several steps, of which each may fail while the others go on."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = list(problems)

    def of(self, step: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result | None:
        """Return what `step` returns; None if it raises a ConfigError, whose problems are kept."""
        try:
            return step(*args, **kwargs)
        except ConfigError as error:
            self.problems += error.problems
            return None


def decide(stack: str, sources: Sources) -> Environment:
    """Return the environment of `stack` as `sources` give it. Raises ConfigError with everything that is wrong."""
    config = sources.stacks[stack]
    own = own_of(config)
    mirrored = None if own.get("mirrors") is None else str(own["mirrors"])
    region = config.get("aws:region")
    collected = Collected(
        *_aws_problems(stack, config),
        *_mirror_problems(stack, sources),
        *problems_of_keys(own, stack, mirrored),
        *overlaps(stack, sources),
    )
    under = sources.stacks.get(mirrored) if mirrored else {}
    settings = None if under is None else collected.of(_settings, stack, own, mirrored, own_of(under))
    catalogue = collected.of(validated, Catalogue, sources.releases, RELEASES)
    listed = collected.of(validated, SupplierList, sources.suppliers, SUPPLIERS)
    if settings is None or catalogue is None or listed is None or not isinstance(region, str):
        raise ConfigError(collected.problems)
    connecting = suppliers.admitted(listed.suppliers, stack, assured_only=stack == LIVE)
    checked = Checked(
        stack=stack,
        settings=settings,
        sources=sources,
        region=region,
        mirrored=mirrored,
        suppliers=tuple(supplier.name for supplier in connecting),
    )
    collected.problems += [*problems_between(checked), *repetitions(catalogue)]
    release = collected.of(_release, stack, settings, sources, catalogue)
    clients = collected.of(_clients, stack, settings, listed, sources.stacks.keys())
    if collected.problems or release is None or clients is None:
        raise ConfigError(collected.problems)
    aws = replace(aws_plan(config), others_tag_keys=settings.others_tag_keys)
    return _environment(stack, settings, aws, release, clients, listed, mirrored, config)


def _mirror_problems(stack: str, sources: Sources) -> Iterator[Problem]:
    """Yield why what `stack` mirrors, if it does, can't be mirrored."""
    mirrored = own_of(sources.stacks[stack]).get("mirrors")
    full = sorted(name for name, config in sources.stacks.items() if "mirrors" not in own_of(config) and name != stack)
    fix = set_command("mirrors", LIVE, stack)
    if mirrored is None:
        return
    if stack == LIVE:
        message, fix = "; Live mirrors nothing", remove_command("mirrors", stack)
    elif not isinstance(mirrored, str):
        message = f"; allowed: {', '.join(full)}"
    elif mirrored not in sources.stacks:
        file = stack_file(mirrored)
        message = f", and there is no {file}; allowed: {', '.join(full)}"
        fix = f"restore it: git checkout -- {file}"
    elif mirrored not in full:
        message = f", which mirrors another itself; allowed: {', '.join(full)}"
    elif "ephemeral" in own_of(sources.stacks[mirrored]):
        message = ", which is made for one test and ends"
    else:
        return
    yield Problem(where=place("mirrors", stack), message=f"is {mirrored}{message}", fix=fix)


def _settings(stack: str, own: Mapping[str, Any], mirrored: str | None, lives: Mapping[str, Any]) -> StackSettings:
    written = laid_over(lives, own) if mirrored else own
    try:
        return StackSettings.model_validate({key: value for key, value in written.items() if key in KEYS})
    except ValidationError as error:
        # What a mirror has from Live is mended in Live's file.
        def written_in(path: tuple[int | str, ...]) -> str:
            key = str(path[0])
            mine = mapping(own.get("tags")) if key == "tags" and isinstance(own.get("tags", {}), Mapping) else own
            name = str(path[1]) if key == "tags" and len(path) > 1 and mine is not own else key
            inherits = mirrored is not None and key in lives and name not in mine
            return mirrored if mirrored and inherits and (key not in MIRROR_KEYS or key == "tags") else stack

        raise ConfigError(problems_of(error, written_in)) from None


def _aws_problems(stack: str, config: Mapping[str, Any]) -> Iterator[Problem]:
    def problem(key: str, message: str, fix: str) -> Problem:
        return Problem(where=f"{stack_file(stack)}: {key}", message=message, fix=f"pulumi config {fix} --stack {stack}")

    region = config.get("aws:region")
    if not isinstance(region, str) or not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", region):
        message = "is missing" if region is None else f"is {region}; allowed: a region such as eu-west-2"
        yield problem("aws:region", message, "set aws:region eu-west-2")
    for key in sorted(key for key in config if key.startswith("aws:") and key not in AWS_KEYS):
        message = f"would be ignored by the stack's own provider; allowed: {', '.join(sorted(AWS_KEYS))}"
        yield problem(key, message, f"rm {key}")
    accounts = config.get("aws:allowedAccountIds", [])
    if not isinstance(accounts, list) or not all(re.fullmatch(r"\d{12}", str(account)) for account in accounts):
        message = f"is {accounts}; allowed: a list of account ids, each twelve digits in quotes"
        yield problem("aws:allowedAccountIds", message, "set --path 'aws:allowedAccountIds[0]' ACCOUNT --plaintext")
    profile = config.get("aws:profile")
    if profile is not None and not (isinstance(profile, str) and profile.strip()):
        yield problem("aws:profile", f"is {profile}; allowed: a name", "set aws:profile NAME")
    roles = config.get("aws:assumeRoles", [])
    if not isinstance(roles, list) or not all(
        isinstance(role, Mapping) and set(role) == {"roleArn"} and ROLE_ARN.fullmatch(str(role["roleArn"]))
        for role in roles
    ):
        message = f"is {roles}; allowed: a list of roles, each with roleArn and nothing else"
        yield problem("aws:assumeRoles", message, "set --path 'aws:assumeRoles[0].roleArn' ARN")


def aws_plan(config: Mapping[str, Any]) -> AwsPlan:
    """Return where in AWS an environment is, from the valid configuration of its stack."""
    return AwsPlan(
        region=config["aws:region"],
        allowed_account_ids=tuple(str(account) for account in config.get("aws:allowedAccountIds", ())),
        profile=config.get("aws:profile"),
        assume_role_arns=tuple(str(role["roleArn"]) for role in config.get("aws:assumeRoles", ())),
    )


def _release(stack: str, settings: StackSettings, sources: Sources, catalogue: Catalogue) -> Release:
    live_version = settings.release
    if settings.release in FOLLOWING_LIVE:
        if LIVE not in sources.stacks:
            raise ConfigError.of(
                place("release", stack),
                f"is {settings.release}, and there is no {stack_file(LIVE)}",
                f"restore it: git checkout -- {stack_file(LIVE)}",
            )
        live_version = str(own_of(sources.stacks[LIVE]).get("release"))
    # A version that the catalogue lacks is Live's mistake where it is Live's version.
    listed = live_version in {release.version for release in catalogue.releases}
    owner = LIVE if settings.release in FOLLOWING_LIVE and not listed else stack
    where = place("release", owner)
    return resolved(settings.release, live_version, catalogue.releases, where, owner)


def _clients(stack: str, settings: StackSettings, listed: SupplierList, environments: Collection[str]) -> ClientsPlan:
    if unreadable := [*_unreadable_ranges(listed)]:
        raise ConfigError(unreadable)
    problems = [
        Problem(where=f"{SUPPLIERS}: {name}", message=mistake, fix=f"edit {SUPPLIERS}")
        for name, mistake in suppliers.mistakes(listed.suppliers, {*PERMANENT, *environments})
    ]
    try:
        admitted = suppliers.admitted(listed.suppliers, stack, assured_only=stack == LIVE)
        testers = settings.ephemeral.clients if settings.ephemeral else ()
        entries = suppliers.entries(admitted, settings.load_generators, testers)
    except ValueError as error:
        unfit = Problem(where=f"{SUPPLIERS}:", message=f"{error}", fix=f"edit {SUPPLIERS}")
        raise ConfigError([*problems, unfit]) from None
    if len(entries) > settings.client_capacity:
        problems.append(_too_many_clients(stack, settings, len(entries)))
    if problems:
        raise ConfigError(problems)
    return ClientsPlan(entries=entries, max_entries=settings.client_capacity)


def _too_many_clients(stack: str, settings: StackSettings, ranges: int) -> Problem:
    room, owner = capacity.room_for_clients(ranges), settings.mirrors or stack
    where = place("clientCapacity", owner)
    message = f"is {settings.client_capacity}, and {ranges} ranges may connect to {stack}"
    if room is None:
        message = f"{message}; AWS takes {capacity.MOST_CLIENTS} at once"
        return Problem(where=where, message=message, fix=f"join neighbouring ranges in {SUPPLIERS}, or list fewer")
    fix = set_command("clientCapacity", f"{room}", owner)
    if room > capacity.RULES_PER_SECURITY_GROUP:
        message = f"{message}; past {capacity.RULES_PER_SECURITY_GROUP}, the account's quota has to be raised"
        fix = f"{fix}, then eps-dos preflight {stack}, which prints the request for {room}, before the next up"
    return Problem(where=where, message=message, fix=fix)


def _unreadable_ranges(listed: SupplierList) -> Iterator[Problem]:
    for supplier in listed.suppliers:
        for cidr in supplier.clients:
            try:
                suppliers.client_range(cidr)
            except ValueError as error:
                where = f"{SUPPLIERS}: {supplier.name}"
                yield Problem(where=where, message=f"has {cidr}, which {error}", fix=f"edit {SUPPLIERS}")


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
    own = Capacity(**settings.capacity.model_dump())
    scale = settings.scale if mirrored else None
    counts = capacity.scaled(own, scale, len(settings.zones)) if scale is not None else own
    tags = {**settings.tags, **FIXED_TAGS, "Environment": stack}
    if settings.ephemeral:
        tags[EXPIRY_TAG] = stamp(settings.ephemeral.expires_at)
    initial = capacity.initial(counts, len(settings.zones))
    schedules = tuple(SchedulePlan(**schedule.model_dump(), start=None) for schedule in settings.schedules)
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
            interface_endpoints=interface_endpoints(settings),
            log_retention_days=LOG_RETENTION_DAYS,
        ),
        virtual_ips=addresses,
        clients=clients,
        load_balancer=LoadBalancerPlan(
            deletion_protected=protected,
            health_check=_health_check(settings.health_check),
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
            supplier_areas=suppliers.areas(supplier for supplier in listed.suppliers if stack in supplier.environments)
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
            operator_sessions=settings.operator_access == "session-manager",
            instance_configuration={
                "environment": stack,
                "dnsName": settings.dns_name,
                "dataset": bucket,
                "release": release.version,
                "region": aws.region,
                "logGroup": access.named(stack, "service"),
                "certificateSecretArn": settings.certificate_secret_arn or "",
            },
        ),
        rollout=replace(ROLLOUT, alarms_overridden=_alarms_overridden(settings.promotion, release.version)),
        monitoring=MonitoringPlan(subscriber_emails=settings.alarm_subscribers, log_retention_days=LOG_RETENTION_DAYS),
        permissions_boundary_arn=settings.permissions_boundary,
        tags=tags,
        lifetime=_lifetime(settings.ephemeral) if settings.ephemeral else None,
        # As JSON has it, since it becomes an output: YAML makes times of what looks like one.
        settings=json.loads(json.dumps(config, default=str)),
    )


def _health_check(written: HealthCheckSettings) -> HealthCheckPlan:
    timeout = written.timeout_seconds or min(DEFAULT_TIMEOUT_SECONDS[written.protocol], written.interval_seconds - 1)
    return HealthCheckPlan(**{**written.model_dump(), "timeout_seconds": timeout})


def _alarms_overridden(promotion: PromotionSettings | None, version: str) -> bool:
    """Return whether a release may be rolled out although an alarm rings. A rollback may: it leaves what fails."""
    if promotion is None or promotion.release != version:
        return False
    return Override.ALARMS in promotion.overrides or promotion.rollback_from is not None


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
    return SchedulePlan(name="window", recurrence=yearly, time_zone="UTC", start=stamp(start), desired=desired)


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
