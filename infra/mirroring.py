"""What a mirror may differ in from what it mirrors: one list, each entry with its reason and the value it must have.

"Infrastructure should directly reflect live, although may be scaled" (API overview). Everything that isn't in this list
must be the same, so a property that somebody adds to the program is covered before anybody thinks of it. The entries
are made from both decided environments: a capacity may not just differ, it must be the one that the scale gives.
Left out: how the graphs come about (`recording`, exports, AWS).
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from infra import access, types
from infra.environment import LIFETIME, AddressPlan, Environment
from infra.graph import (
    ABSENT,
    Allowed,
    Difference,
    Graph,
    Value,
    compare,
    named,
    policy_statements,
    same,
    without_own_name,
)
from infra.tags import ACCOUNTING_TAGS, EXPIRY_TAG
from infra.values import sequence

ZONE_ID = re.compile(r"Z[A-Z0-9]{1,31}")
IMAGE_ID = re.compile(r"ami-[0-9a-f]+")

DATASET = (
    types.BUCKET,
    types.BUCKET_ENCRYPTION,
    types.BUCKET_LIFECYCLE,
    types.BUCKET_OWNERSHIP,
    types.BUCKET_POLICY,
    types.BUCKET_VERSIONING,
    types.PUBLIC_ACCESS_BLOCK,
)
"""What a dataset of one's own is made of."""

CAPACITY_REASON = "scaled as configured"
"""The reason that stands for the one kind of difference a mirror is for."""


def differences(live: Graph, mirror: Graph, environments: tuple[Environment, Environment]) -> tuple[Difference, ...]:
    """Return every difference between the graphs of two environments (mirrored, mirror), marked where it may be.

    The dataset is compared by its name where it is Live's in both.
    """
    shared = shared_names(environments)
    return compare(live.sharing(shared), mirror.sharing(shared), may_differ(*environments), keyed=True)


def shared_names(environments: tuple[Environment, Environment]) -> tuple[str, ...]:
    """Return what has the same name in both environments (mirrored, mirror): the dataset, unless each has its own."""
    return () if environments[1].dataset.owned else (environments[0].dataset.bucket,)


def may_differ(live: Environment, mirror: Environment) -> tuple[Allowed, ...]:
    """Return what `mirror` may differ in from `live`, and what it must be there."""
    entries = [
        *_names_and_ranges(live, mirror),
        *_capacity(live, mirror),
        *_release(live, mirror),
        *_access(live, mirror),
        *_dataset(live, mirror),
        *_protection(live, mirror),
        *_deployment(live, mirror),
    ]
    if mirror.lifetime is not None:
        entries += [*_boundary(live, mirror), *_ephemeral(live, mirror)]
    return (*entries, *_last(entries))


def _names_and_ranges(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    own_range = "each environment has a range of its own"
    yield from _own(types.VPC, "cidrBlock", own_range, live.network.cidr, mirror.network.cidr)
    for zone in sorted(live.network.zones.keys() & mirror.network.zones.keys()):
        lives, own = live.network.zones[zone], mirror.network.zones[zone]
        public, private = f"<stack>-public-{zone}", f"<stack>-private-{zone}"
        yield from _own(types.SUBNET, "cidrBlock", own_range, lives.public_cidr, own.public_cidr, name=public)
        yield from _own(types.SUBNET, "cidrBlock", own_range, lives.private_cidr, own.private_cidr, name=private)
    names = tuple(_written(environment.dns.name, environment).lower() for environment in (live, mirror))
    yield Allowed(
        type=types.RECORD,
        path="name",
        reason="each environment has a name of its own",
        holds=lambda left, right: (str(left).lower(), str(right).lower()) == names,
        must=True,
    )
    if live.dns.hosted_zone != mirror.dns.hosted_zone:
        zones = "the name is in a zone of its own"
        yield Allowed(type=types.RECORD, path="zoneId", reason=zones, holds=_zones(live, mirror), must=True)
    configured, configuration = live.service.instance_configuration, mirror.service.instance_configuration
    # Names of the environment and of its bucket are compared as what they are the names of.
    for key in sorted((configured.keys() & configuration.keys()) - {"dataset", "environment"}):
        path, reason = f"userData.write_files.*.content.{key}", "instances are told which environment they are in"
        texts = _written(configured[key], live), _written(configuration[key], mirror)
        yield from _own(types.LAUNCH_TEMPLATE, path, reason, *texts)
    for key in sorted((live.tags.keys() | mirror.tags.keys()) - {"Environment"}):
        lives_value, value = (_written(own.tags[key], own) if key in own.tags else ABSENT for own in (live, mirror))
        if lives_value != value:
            yield from _tag(key, lives_value, value)


def _tag(key: str, lives: Value, own: Value) -> Iterable[Allowed]:
    """Yield where the tag `key` stands, which has these values, of which one may be ABSENT."""
    ends = key == EXPIRY_TAG
    reason = "it says when it ends" if ends else "a mirror may be tagged as somebody else's"
    # A template that changed with its end would be a new version, and that is a rollout.
    besides = (types.SCALING_GROUP, types.LAUNCH_TEMPLATE) if ends else (types.SCALING_GROUP,)
    yield from _own("aws:*", f"tags.{key}", reason, lives, own, besides=besides)
    # As the provider has them, those of the provider with them.
    yield from _own("aws:*", f"tagsAll.{key}", reason, lives, own, besides=besides, must=False)
    in_both = ABSENT not in (lives, own)
    if not ends and key not in ACCOUNTING_TAGS:
        yield from _own(types.LAUNCH_TEMPLATE, f"tagSpecifications.*.tags.{key}", reason, lives, own, must=in_both)
    # The scaling group's are a list of objects.
    if in_both:
        yield from _own(types.SCALING_GROUP, f"tags.{key}.value", reason, lives, own)
    else:
        left, right = (
            ABSENT if value is ABSENT else {"key": key, "value": value, "propagateAtLaunch": key in ACCOUNTING_TAGS}
            for value in (lives, own)
        )
        yield from _own(types.SCALING_GROUP, f"tags.{key}", reason, left, right)


def _boundary(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    if live.permissions_boundary_arn or mirror.permissions_boundary_arn:
        return
    ends = tuple(access.boundary_name(stack) for stack in ("<stack>", access.OF_TESTS))
    yield Allowed(
        type=types.ROLE,
        path="permissionsBoundary",
        reason="those made for one test share a boundary",
        holds=lambda left, right: all(str(arn).endswith(end) for arn, end in zip((left, right), ends, strict=True)),
        must=True,
    )


def _capacity(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    lives, own = live.service, mirror.service
    maximum = (float(lives.capacity.maximum), float(own.capacity.maximum))
    minimum = (float(lives.capacity.minimum), float(own.capacity.minimum))
    initial = (float(lives.initial_capacity), float(own.initial_capacity))
    at_maximum = "<stack>-at-maximum"
    lines = "dashboardBody.widgets.*.properties.annotations.horizontal"
    yield from _own(types.SCALING_GROUP, "minSize", CAPACITY_REASON, *minimum)
    yield from _own(types.SCALING_GROUP, "maxSize", CAPACITY_REASON, *maximum)
    yield from _own(types.SCALING_GROUP, "desiredCapacity", CAPACITY_REASON, *initial)
    yield from _own(types.METRIC_ALARM, "threshold", CAPACITY_REASON, *maximum, name=at_maximum)
    yield from _own(types.DASHBOARD, f"{lines}.minimum.value", CAPACITY_REASON, *minimum)
    yield from _own(types.DASHBOARD, f"{lines}.maximum.value", CAPACITY_REASON, *maximum)
    if maximum[0] != maximum[1]:
        described = (str(lives.capacity.maximum), str(own.capacity.maximum))
        yield Allowed(
            type=types.METRIC_ALARM,
            name=at_maximum,
            path="alarmDescription",
            reason=CAPACITY_REASON,
            holds=lambda left, right: described[0] in str(left) and str(left).replace(*described) == right,
            must=True,
        )
    if lives.capacity.may_be_empty != own.capacity.may_be_empty:
        empty = "no instance is a state that was asked for, until the test's time has come"
        missing, alarms = ("breaching", "notBreaching"), "<stack>-empty-*"
        yield from _own(types.METRIC_ALARM, "treatMissingData", empty, *missing, name=alarms)
        yield from _own(
            types.SCALING_POLICY, "targetTrackingConfiguration.disableScaleIn", empty, left=False, right=True
        )
    added = {plan.name for plan in own.schedules} - {plan.name for plan in lives.schedules}
    windows = sorted(f"<stack>-{name}" for name in added)
    window = "its instances run from a time on"
    for name in windows:
        yield Allowed(type=types.SCHEDULE, name=name, path="", reason=window, holds=_only_right)


def _release(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    lives, own = live.service, mirror.service
    if (lives.release, lives.image_id) == (own.release, own.image_id):
        return
    reason = "the mirror runs the next release, to be tested"
    yield from _own(types.ROLLOUT, "release", reason, lives.release, own.release)

    def images(left: Value, right: Value) -> bool:
        if own.image_id is not None:
            return left != right and own.image_id in str(right)
        # Without a cloud, an image is what it was looked for by; AWS's ids say nothing.
        recorded = lives.image_name in str(left) and str(left).replace(lives.image_name, own.image_name) == right
        return recorded or (left != right and all(IMAGE_ID.fullmatch(str(image)) for image in (left, right)))

    yield from _own(types.ROLLOUT, "image", reason, lives.image_id or lives.image_name, own.image_id or own.image_name)
    yield Allowed(type=types.ROLLOUT, path="imageId", reason=reason, holds=images, must=True)
    yield Allowed(type=types.LAUNCH_TEMPLATE, path="imageId", reason=reason, holds=images, must=True)


def _access(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    lives, own = ({entry.cidr for entry in environment.clients.entries} for environment in (live, mirror))
    reason = "a mirror's clients are those who list it, and its load generators"
    if lives and not own:
        yield Allowed(
            type=types.PREFIX_LIST, path="entries", reason=reason, holds=lambda _, right: right in (ABSENT, [])
        )
    for cidr in sorted(own ^ lives):
        entry = {"cidr": cidr, "description": cidr}
        left, right = (entry, ABSENT) if cidr in lives else (ABSENT, entry)
        yield from _own(types.PREFIX_LIST, f"entries.{cidr}", reason, left, right)


def _dataset(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    if not mirror.dataset.owned:
        reason = "a mirror reads Live's dataset and owns none"
        yield Allowed(type="eps-dos-api:infra:Dataset", path="", reason=reason, holds=_only_left)
        for type_ in DATASET:
            yield Allowed(type=type_, name="<stack>-dataset", path="", reason=reason, holds=_only_left)
        return
    reason = "a mirror made for one test has test data of its own"
    lives, own = live.dataset, mirror.dataset
    buckets = (_written(lives.bucket, live), _written(own.bucket, mirror))
    yield Allowed(type=types.BUCKET, path="bucket", reason=reason, holds=_is(*buckets))
    yield from _own(types.BUCKET, "forceDestroy", reason, lives.emptied_on_destroy, own.emptied_on_destroy)
    for option in ("protect", "retainOnDelete"):
        yield from _own(types.BUCKET, f"(options).{option}", reason, lives.protected, own.protected)
    policies = _each_is(_policy_of(live), _policy_of(mirror))
    yield Allowed(type=types.BUCKET_POLICY, path="policy.Statement", reason=reason, holds=policies, must=True)
    # Part by part, to be shown so; together they are what the line above says.
    for part in ("Readers*", "Supplier*"):
        yield Allowed(type=types.BUCKET_POLICY, path=f"policy.Statement.{part}", reason=reason, holds=_only_left)
    yield Allowed(type=types.BUCKET_POLICY, path="policy.Statement.Operators*", reason="other people operate it")


def _protection(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    reason = "Live is protected from its first day, a mirror once its addresses are published"
    protected = (live.load_balancer.deletion_protected, mirror.load_balancer.deletion_protected)
    for path in ("enableDeletionProtection", "(options).protect"):
        yield from _own(types.LOAD_BALANCER, path, reason, *protected)
    elsewhere = "an address allocated elsewhere is not made here"
    for zone in sorted(live.virtual_ips.keys() & mirror.virtual_ips.keys()):
        lives, own = live.virtual_ips[zone], mirror.virtual_ips[zone]
        address = f"<stack>-vip-{zone}"
        for path in ("(options).protect", "(options).retainOnDelete"):
            yield from _own(types.EIP, path, reason, lives.protected, own.protected, name=address)
        if lives.allocation_id == own.allocation_id:
            continue
        if _made(lives) != _made(own):
            holds = _only_left if _made(lives) else _only_right
            yield Allowed(type=types.EIP, name=address, path="", reason=elsewhere, holds=holds)
        both = _each_is(_allocation(zone, lives), _allocation(zone, own))
        if lives.attached:
            yield Allowed(type=types.LOAD_BALANCER, path=_mapping_of(zone), reason=elsewhere, holds=both, must=True)
    if mirror.lifetime is None:
        yield from _dependencies(types.LOAD_BALANCER, elsewhere, *_addresses_made(live, mirror))


def _addresses_made(live: Environment, mirror: Environment) -> tuple[list[str], list[str]]:
    """Return the addresses that only Live's, and only the mirror's load balancer has to wait for, as they are made."""
    made = [
        {f"{types.EIP}::<stack>-vip-{zone}" for zone, plan in plans.items() if plan.attached and _made(plan)}
        for plans in (live.virtual_ips, mirror.virtual_ips)
    ]
    return sorted(made[0] - made[1]), sorted(made[1] - made[0])


def _deployment(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    reason = "another account, profile or role may deploy it"
    lives, own = live.aws, mirror.aws
    # An empty list isn't handed to the provider at all.
    accounts = list(lives.allowed_account_ids) or ABSENT, list(own.allowed_account_ids) or ABSENT
    roles = list(lives.assume_role_arns), list(own.assume_role_arns)
    assumed = tuple([{"roleArn": arn} for arn in arns] or ABSENT for arns in roles)
    for provider in (types.AWS_PROVIDER, types.OWN_PROVIDER):
        yield from _own(provider, "profile", reason, lives.profile or ABSENT, own.profile or ABSENT)
        yield from _own(provider, "assumeRoles", reason, *assumed, whole=True)
    yield from _own(types.AWS_PROVIDER, "allowedAccountIds", reason, *accounts, whole=True)
    overridden = "each stack's own file says whether an alarm may ring as a release is rolled out to it"
    overrides = live.rollout.alarms_overridden, mirror.rollout.alarms_overridden
    yield from _own(types.ROLLOUT, "alarmsOverridden", overridden, *overrides)
    yield Allowed(
        type=types.ROLLOUT,
        path="launchTemplateVersion",
        reason="AWS counts the versions of each launch template by itself",
        holds=lambda left, right: str(left).isdecimal() and str(right).isdecimal(),
    )
    subscribers = "other people may want to know"
    mirrored, emails = (frozenset(plan.subscriber_emails) for plan in (live.monitoring, mirror.monitoring))
    for email in sorted(mirrored ^ emails):
        holds = _only_left if email in mirrored else _only_right
        name = f"<stack>-alarms-{email}"
        yield Allowed(type=types.TOPIC_SUBSCRIPTION, name=name, path="", reason=subscribers, holds=holds)
    certificate = "no certificate is shared with Live"
    statement = "policy.Statement.ReadCertificate"
    arn, other = live.service.certificate_secret_arn, mirror.service.certificate_secret_arn
    if arn and other:
        yield from _own(types.ROLE_POLICY, f"{statement}.Resource", certificate, arn, other)
    else:
        left, right = (access.certificate_statement(secret) if secret else ABSENT for secret in (arn, other))
        yield from _own(types.ROLE_POLICY, statement, certificate, left, right, must=False)


def _ephemeral(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    """Yield what only a mirror made for one test may differ in: it has no addresses of its own, and it ends."""
    reason = "an environment made for one test takes no Elastic IPs, and AWS assigns its addresses"
    for zone, plan in sorted(live.virtual_ips.items()):
        if _made(plan):
            yield Allowed(type=types.EIP, name=f"<stack>-vip-{zone}", path="", reason=reason, holds=_only_left)
        if plan.attached:
            holds = _each_is(_allocation(zone, plan), lambda right: right is ABSENT)
            yield Allowed(type=types.LOAD_BALANCER, path=_mapping_of(zone), reason=reason, holds=holds, must=True)
    yield from _dependencies(types.LOAD_BALANCER, reason, *_addresses_made(live, mirror))
    ends = "it says in its state when it ends"
    yield Allowed(type=LIFETIME, path="", reason=ends, holds=_only_right)


def _last(entries: Iterable[Allowed]) -> Iterable[Allowed]:
    """Yield that the rollout, which waits for everything, waits for what only one of the two environments has."""
    alone = [entry for entry in entries if not entry.path and entry.type.startswith("aws:")]
    only = {
        holds: [f"{entry.type}::{entry.name}" for entry in alone if entry.holds is holds]
        for holds in (_only_left, _only_right)
    }
    return _dependencies(types.ROLLOUT, "everything else is deployed first", only[_only_left], only[_only_right])


def _dependencies(type_: str, reason: str, fewer: Iterable[str] = (), more: Iterable[str] = ()) -> Iterable[Allowed]:
    """Yield that a resource waits for `fewer` only in Live and for `more` only in the mirror, each by type and name."""
    gone, new = sorted(fewer), sorted(more)

    def holds(left: Value, right: Value) -> bool:
        lives, own = ({str(key).rsplit("$", 1)[-1] for key in sequence(side)} for side in (left, right))
        return sorted(lives - own) == gone and sorted(own - lives) == new

    if gone or new:
        yield Allowed(type=type_, path="(options).dependencies", reason=reason, holds=holds, must=True, whole=True)


def _own(
    type_: str,
    path: str,
    reason: str,
    left: Value,
    right: Value,
    *,
    name: str = "*",
    must: bool = True,
    whole: bool = False,
    besides: tuple[str, ...] = (),
) -> Iterable[Allowed]:
    """Yield that Live must have the value `left` and the mirror `right`; nothing where these are the same."""
    if left != right:
        holds = _is(left, right)
        yield Allowed(
            type=type_, name=name, path=path, reason=reason, holds=holds, must=must, whole=whole, besides=besides
        )


def _written(text: str, environment: Environment) -> str:
    """Return a text as a graph has it: without the name of its own environment."""
    return without_own_name(text, environment.name)


def _mapping_of(zone: str) -> str:
    return f"subnetMappings.<aws:ec2/subnet:Subnet::<stack>-public-{zone}.id>.allocationId"


def _policy_of(environment: Environment) -> Callable[[Value], bool]:
    """Return whether statements by name are those of the environment's bucket, in whichever account it is."""

    def written(value: Value) -> str:
        text = json.dumps(value, sort_keys=True, default=repr)
        # By name or by ARN, as a recording and a state have it.
        return re.sub(rf"(arn:[a-z-]+:s3:::)?<{types.BUCKET}::<stack>-dataset\.\w+>", types.BUCKET, text)

    def holds(statements: Value) -> bool:
        if not isinstance(statements, Mapping):
            return False
        document = written(statements)
        accounts, partitions = (set(re.findall(pattern, document)) for pattern in (r":(\d{12}):", r"arn:([a-z-]+):"))
        bucket = replace(environment.dataset, bucket=f"<{types.BUCKET}::<stack>-dataset.bucket>")
        for account in accounts or {""}:
            for partition in partitions or {"aws"}:
                expected = access.as_json(access.dataset_policy(bucket, account, partition))
                if document == written(named(list(policy_statements(_written(expected, environment))))):
                    return True
        return False

    return holds


def _zones(live: Environment, mirror: Environment) -> Callable[[Value, Value], bool]:
    """Return whether two ids are of the environments' hosted zones: as recorded, or as AWS gives them."""
    recorded = _is(*(f"Z-{environment.dns.hosted_zone}" for environment in (live, mirror)))

    def holds(left: Value, right: Value) -> bool:
        given = left != right and all(ZONE_ID.fullmatch(str(zone_id)) for zone_id in (left, right))
        return given or recorded(left, right)

    return holds


def _is(lives: Value, own: Value) -> Callable[[Value, Value], bool]:
    return lambda left, right: same(left, lives) and same(right, own)


def _only_left(_: Value, right: Value) -> bool:
    return right is ABSENT


def _only_right(left: Value, _: Value) -> bool:
    return left is ABSENT


def _allocation(zone: str, plan: AddressPlan) -> Callable[[Value], bool]:
    """Return whether a value is the allocation of the zone's address, by id or as what is made here."""
    if plan.allocation_id is not None:
        return lambda value: value == plan.allocation_id
    # A state has two names for the same thing.
    return lambda value: str(value).endswith((f"-vip-{zone}.allocationId>", f"-vip-{zone}.id>"))


def _each_is(lives: Callable[[Value], bool], own: Callable[[Value], bool]) -> Callable[[Value, Value], bool]:
    return lambda left, right: lives(left) and own(right)


def _made(plan: AddressPlan) -> bool:
    return plan.allocation_id is None
