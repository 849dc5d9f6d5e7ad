"""What a mirror may differ in from what it mirrors: one list, each entry with its reason and the value it must have.

"Infrastructure should directly reflect live, although may be scaled" (API overview). Everything that isn't in this list
must be the same, so a property that somebody adds to the program is covered before anybody thinks of it. The entries
are made from both decided environments: a capacity may not just differ, it must be the one that the scale gives.
Left out: how the graphs come about (`recording`, exports, AWS).
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from infra import access, types
from infra.environment import LIFETIME, AddressPlan, AwsPlan, Environment
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
from infra.tags import EXPIRY_TAG

ZONE_ID = re.compile(r"Z[A-Z0-9]{1,31}")
IMAGE_ID = re.compile(r"ami-[0-9a-f]+")


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
        entries += _ephemeral(live, mirror)
    return tuple(entries)


def _names_and_ranges(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    own_range = "each environment has a range of its own"
    yield _exactly(types.VPC, "cidrBlock", own_range, live.network.cidr, mirror.network.cidr)
    for zone in sorted(live.network.zones.keys() & mirror.network.zones.keys()):
        one, other = live.network.zones[zone], mirror.network.zones[zone]
        for kind, cidr, own in (
            ("public", one.public_cidr, other.public_cidr),
            ("private", one.private_cidr, other.private_cidr),
        ):
            yield _exactly(types.SUBNET, "cidrBlock", own_range, cidr, own, name=f"<stack>-{kind}-{zone}")
    names = "each environment has a name of its own"
    yield _exactly(
        types.RECORD, "name", names, _written(live.dns.name, live), _written(mirror.dns.name, mirror), lower=True
    )
    if live.dns.hosted_zone != mirror.dns.hosted_zone:
        zones = "the name is in a zone of its own"
        yield Allowed(type=types.RECORD, path="zoneId", reason=zones, holds=_zones(live, mirror), must=True)
    told = live.service.instance_configuration.keys() & mirror.service.instance_configuration.keys()
    # Names of the environment and of its bucket are compared as what they are the names of.
    for key in sorted(told - {"dataset", "environment"}):
        texts = (
            _written(live.service.instance_configuration[key], live),
            _written(mirror.service.instance_configuration[key], mirror),
        )
        if texts[0] != texts[1]:
            yield Allowed(
                type=types.LAUNCH_TEMPLATE,
                path=f"userData.write_files.*.content.{key}",
                reason="instances are told which environment they are in",
                holds=_is(texts),
                must=True,
            )
    for key in sorted((live.tags.keys() | mirror.tags.keys()) - {"Environment"}):
        values = tuple(_written(one.tags[key], one) if key in one.tags else ABSENT for one in (live, mirror))
        if values[0] == values[1]:
            continue
        ends = key == EXPIRY_TAG
        reason = "it says when it ends" if ends else "a mirror may be tagged as somebody else's"
        # A template that changed with its end would be a new version, and that is a rollout.
        besides = (types.SCALING_GROUP, types.LAUNCH_TEMPLATE) if ends else (types.SCALING_GROUP,)
        yield Allowed(type="aws:*", path=f"tags.{key}", reason=reason, holds=_is(values), must=True, besides=besides)
        # As the provider has them, those of the provider with them.
        yield Allowed(type="aws:*", path=f"tagsAll.{key}", reason=reason, holds=_is(values), besides=besides)
        if not ends:
            path = f"tagSpecifications.*.tags.{key}"
            yield Allowed(
                type=types.LAUNCH_TEMPLATE, path=path, reason=reason, holds=_is(values), must=ABSENT not in values
            )
        # The scaling group's are a list of objects.
        if ABSENT not in values:
            path = f"tags.{key}.value"
            yield Allowed(type=types.SCALING_GROUP, path=path, reason=reason, holds=_is(values), must=True)
        else:
            objects = tuple(
                ABSENT if value is ABSENT else {"key": key, "value": value, "propagateAtLaunch": False}
                for value in values
            )
            yield Allowed(type=types.SCALING_GROUP, path=f"tags.{key}", reason=reason, holds=_is(objects), must=True)


def _capacity(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    own, scaled = live.service, mirror.service
    group, alarm = types.SCALING_GROUP, types.METRIC_ALARM
    maximum = (float(own.capacity.maximum), float(scaled.capacity.maximum))
    minimum = (float(own.capacity.minimum), float(scaled.capacity.minimum))
    initial = (float(own.initial_capacity), float(scaled.initial_capacity))
    at_maximum = "<stack>-at-maximum"
    lines = "dashboardBody.widgets.*.properties.annotations.horizontal"
    for type_, name, path, values in (
        (group, "*", "minSize", minimum),
        (group, "*", "maxSize", maximum),
        (group, "*", "desiredCapacity", initial),
        (alarm, at_maximum, "threshold", maximum),
        (types.DASHBOARD, "*", f"{lines}.minimum.value", minimum),
        (types.DASHBOARD, "*", f"{lines}.maximum.value", maximum),
    ):
        if values[0] != values[1]:
            yield Allowed(type=type_, name=name, path=path, reason=CAPACITY_REASON, holds=_is(values), must=True)
    if maximum[0] != maximum[1]:
        described = (str(own.capacity.maximum), str(scaled.capacity.maximum))
        yield Allowed(
            type=alarm,
            name=at_maximum,
            path="alarmDescription",
            reason=CAPACITY_REASON,
            holds=lambda left, right: described[0] in str(left) and str(left).replace(*described) == right,
            must=True,
        )
    if own.capacity.may_be_empty != scaled.capacity.may_be_empty:
        empty = "no instance is a state that was asked for, until the test's time has come"
        said = _is(("breaching", "notBreaching"))
        yield Allowed(type=alarm, name="<stack>-empty-*", path="treatMissingData", reason=empty, holds=said, must=True)
        scales_in = "targetTrackingConfiguration.disableScaleIn"
        yield Allowed(type=types.SCALING_POLICY, path=scales_in, reason=empty, holds=_is((False, True)), must=True)
    windows = sorted({one.name for one in scaled.schedules} - {one.name for one in own.schedules})
    window = "its instances run from a time on"
    for schedule in windows:
        yield Allowed(type=types.SCHEDULE, name=f"<stack>-{schedule}", path="", reason=window, holds=_only_right)
    yield from _dependencies(types.ROLLOUT, window, more=[f"{types.SCHEDULE}::<stack>-{one}" for one in windows])


def _release(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    own, other = live.service, mirror.service
    if (own.release, own.image_id) == (other.release, other.image_id):
        return
    reason = "the mirror runs the next release, to be tested"
    if own.release != other.release:
        releases = (own.release, other.release)
        yield Allowed(type=types.ROLLOUT, path="release", reason=reason, holds=_is(releases), must=True)

    def images(left: Value, right: Value) -> bool:
        if other.image_id is not None:
            return left != right and other.image_id in str(right)
        # Without a cloud, an image is what it was looked for by; AWS's ids say nothing.
        recorded = own.image_name in str(left) and str(left).replace(own.image_name, other.image_name) == right
        return recorded or (left != right and all(IMAGE_ID.fullmatch(str(one)) for one in (left, right)))

    yield Allowed(type=types.ROLLOUT, path="imageId", reason=reason, holds=images, must=True)
    yield Allowed(type=types.LAUNCH_TEMPLATE, path="imageId", reason=reason, holds=images, must=True)


def _access(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    own, mirrored = ({entry.cidr for entry in environment.clients.entries} for environment in (mirror, live))
    reason = "a mirror's clients are those who list it, and its load generators"
    if mirrored and not own:
        yield Allowed(
            type=types.PREFIX_LIST, path="entries", reason=reason, holds=lambda _, right: right in (ABSENT, [])
        )
    for cidr in sorted(own ^ mirrored):
        entry = {"cidr": cidr, "description": cidr}
        both = (entry, ABSENT) if cidr in mirrored else (ABSENT, entry)
        yield Allowed(type=types.PREFIX_LIST, path=f"entries.{cidr}", reason=reason, holds=_is(both), must=True)


def _dataset(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    if not mirror.dataset.owned:
        reason = "a mirror reads Live's dataset and owns none"
        yield Allowed(type="eps-dos-api:infra:Dataset", path="", reason=reason, holds=_only_left)
        yield Allowed(type="aws:s3/*", name="<stack>-dataset", path="", reason=reason, holds=_only_left)
        return
    reason = "a mirror made for one test has test data of its own"
    one, other = live.dataset, mirror.dataset
    buckets = (_written(one.bucket, live), _written(other.bucket, mirror))
    yield Allowed(type=types.BUCKET, path="bucket", reason=reason, holds=_is(buckets))
    for path, values in (
        ("forceDestroy", (one.emptied_on_destroy, other.emptied_on_destroy)),
        ("(options).protect", (one.protected, other.protected)),
        ("(options).retainOnDelete", (one.protected, other.protected)),
    ):
        if values[0] != values[1]:
            yield Allowed(type=types.BUCKET, path=path, reason=reason, holds=_is(values), must=True)
    policies = _each_is((_policy_of(live), _policy_of(mirror)))
    yield Allowed(type=types.BUCKET_POLICY, path="policy.Statement", reason=reason, holds=policies, must=True)
    # Part by part, to be told so; together they are what the line above says.
    for part in ("Readers*", "Supplier*"):
        yield Allowed(type=types.BUCKET_POLICY, path=f"policy.Statement.{part}", reason=reason, holds=_only_left)
    yield Allowed(type=types.BUCKET_POLICY, path="policy.Statement.Operators*", reason="other people operate it")


def _protection(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    reason = "Live is protected from its first day, a mirror once its addresses are published"
    protected = (live.load_balancer.deletion_protected, mirror.load_balancer.deletion_protected)
    if protected[0] != protected[1]:
        for path in ("enableDeletionProtection", "(options).protect"):
            yield Allowed(type=types.LOAD_BALANCER, path=path, reason=reason, holds=_is(protected), must=True)
    elsewhere = "an address allocated elsewhere is not made here"
    for zone in sorted(live.virtual_ips.keys() & mirror.virtual_ips.keys()):
        one, other = live.virtual_ips[zone], mirror.virtual_ips[zone]
        address = f"<stack>-vip-{zone}"
        if one.protected != other.protected:
            for path in ("(options).protect", "(options).retainOnDelete"):
                holds = _is((one.protected, other.protected))
                yield Allowed(type=types.EIP, name=address, path=path, reason=reason, holds=holds, must=True)
        if one.allocation_id == other.allocation_id:
            continue
        if _made(one) != _made(other):
            holds = _only_left if _made(one) else _only_right
            yield Allowed(type=types.EIP, name=address, path="", reason=elsewhere, holds=holds)
        both = _each_is((_allocation(zone, one), _allocation(zone, other)))
        if one.attached:
            yield Allowed(type=types.LOAD_BALANCER, path=_mapping_of(zone), reason=elsewhere, holds=both, must=True)
    if mirror.lifetime is None:
        yield from _dependencies(types.LOAD_BALANCER, elsewhere, *_addresses_made(live, mirror))


def _addresses_made(live: Environment, mirror: Environment) -> tuple[list[str], list[str]]:
    """Return what only the one's, and only the other's load balancer has to wait for: addresses that are made."""
    made = [
        {f"{types.EIP}::<stack>-vip-{zone}" for zone, plan in one.virtual_ips.items() if plan.attached and _made(plan)}
        for one in (live, mirror)
    ]
    return sorted(made[0] - made[1]), sorted(made[1] - made[0])


def _deployment(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    reason = "another account, profile or role may deploy it"
    for type_, path, one, other in (
        (types.AWS_PROVIDER, "profile", live.aws.profile or ABSENT, mirror.aws.profile or ABSENT),
        (types.ROLLOUT, "profile", live.aws.profile or "", mirror.aws.profile or ""),
        (
            types.AWS_PROVIDER,
            "allowedAccountIds",
            *_listed(live.aws.allowed_account_ids, mirror.aws.allowed_account_ids),
        ),
        (types.AWS_PROVIDER, "assumeRoles", *_listed(_roles(live.aws), _roles(mirror.aws))),
        (types.ROLLOUT, "assumeRoleArns", list(live.aws.assume_role_arns), list(mirror.aws.assume_role_arns)),
    ):
        if one != other:
            yield Allowed(type=type_, path=path, reason=reason, holds=_is((one, other)), must=True, whole=True)
    yield Allowed(
        type=types.ROLLOUT,
        path="launchTemplateVersion",
        reason="AWS counts the versions of each launch template by itself",
        holds=lambda left, right: str(left).isdecimal() and str(right).isdecimal(),
    )
    own, mirrored = (frozenset(one.monitoring.subscriber_emails) for one in (mirror, live))
    told = "other people may want to know"
    for emails, holds in ((mirrored - own, _only_left), (own - mirrored, _only_right)):
        for email in sorted(emails):
            yield Allowed(
                type=types.TOPIC_SUBSCRIPTION,
                name=f"<stack>-alarms-{email}",
                path="",
                reason=told,
                holds=holds,
            )
    secrets = (live.service.certificate_secret_arn, mirror.service.certificate_secret_arn)
    if secrets[0] != secrets[1]:
        certificate = "no certificate is shared with Live"
        policy = types.ROLE_POLICY
        statement = "policy.Statement.ReadCertificate"
        values = _is((secrets[0] or ABSENT, secrets[1] or ABSENT))
        if all(secrets):
            yield Allowed(type=policy, path=f"{statement}.Resource", reason=certificate, holds=values, must=True)
        else:
            statements = tuple(ABSENT if arn is None else access.certificate_statement(arn) for arn in secrets)
            whole = _is((statements[0], statements[1]))
            yield Allowed(type=policy, path=statement, reason=certificate, holds=whole)


def _ephemeral(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    """Yield what only a mirror made for one test may differ in: it has no addresses of its own, and it ends."""
    reason = "an environment made for one test takes no Elastic IPs, and AWS assigns its addresses"
    for zone, plan in sorted(live.virtual_ips.items()):
        if _made(plan):
            yield Allowed(type=types.EIP, name=f"<stack>-vip-{zone}", path="", reason=reason, holds=_only_left)
        if plan.attached:
            holds = _each_is((_allocation(zone, plan), lambda right: right is ABSENT))
            yield Allowed(type=types.LOAD_BALANCER, path=_mapping_of(zone), reason=reason, holds=holds, must=True)
    yield from _dependencies(types.LOAD_BALANCER, reason, *_addresses_made(live, mirror))
    ends = "it says in its state when it ends"
    yield Allowed(type=LIFETIME, path="", reason=ends, holds=_only_right)


def _dependencies(type_: str, reason: str, fewer: Iterable[str] = (), more: Iterable[str] = ()) -> Iterable[Allowed]:
    """Yield that a resource waits for `fewer` only in Live and for `more` only in the mirror, each by type and name."""
    gone, new = sorted(fewer), sorted(more)

    def holds(left: Value, right: Value) -> bool:
        one, other = ({str(key).rsplit("$", 1)[-1] for key in _items(side)} for side in (left, right))
        return sorted(one - other) == gone and sorted(other - one) == new

    if gone or new:
        yield Allowed(type=type_, path="(options).dependencies", reason=reason, holds=holds, must=True, whole=True)


def _exactly(
    type_: str, path: str, reason: str, left: str, right: str, *, name: str = "*", lower: bool = False
) -> Allowed:
    """Return an entry for a text of Live's that must be the mirror's own."""
    wanted = (left.lower(), right.lower()) if lower else (left, right)

    def holds(one: Value, other: Value) -> bool:
        return (str(one).lower() if lower else one, str(other).lower() if lower else other) == wanted

    return Allowed(type=type_, name=name, path=path, reason=reason, holds=holds, must=wanted[0] != wanted[1])


def _written(text: str, environment: Environment) -> str:
    """Return a text as a graph has it: without the name of its own environment."""
    return without_own_name(text, environment.name)


def _mapping_of(zone: str) -> str:
    return f"subnetMappings.<aws:ec2/subnet:Subnet::<stack>-public-{zone}.id>.allocationId"


def _roles(plan: AwsPlan) -> tuple[Mapping[str, str], ...]:
    return tuple({"roleArn": arn} for arn in plan.assume_role_arns)


def _listed(one: Sequence[object], other: Sequence[object]) -> tuple[Value, Value]:
    """Return two lists as the provider is handed them: an empty one isn't."""
    return list(one) or ABSENT, list(other) or ABSENT


def _items(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def _policy_of(environment: Environment) -> Callable[[Value], bool]:
    """Return whether statements by name are those of the environment's bucket, in whichever account it is."""

    def written(document: Value) -> str:
        text = json.dumps(document, sort_keys=True, default=repr)
        # By name or by ARN, as a recording and a state have it.
        return re.sub(rf"(arn:[a-z-]+:s3:::)?<{types.BUCKET}::<stack>-dataset\.\w+>", types.BUCKET, text)

    def holds(statements: Value) -> bool:
        if not isinstance(statements, Mapping):
            return False
        told = written(statements)
        accounts, partitions = (set(re.findall(pattern, told)) for pattern in (r":(\d{12}):", r"arn:([a-z-]+):"))
        bucket = replace(environment.dataset, bucket=f"<{types.BUCKET}::<stack>-dataset.bucket>")
        for account in accounts or {""}:
            for partition in partitions or {"aws"}:
                expected = access.as_json(access.dataset_policy(bucket, account, partition))
                if told == written(named(list(policy_statements(_written(expected, environment))))):
                    return True
        return False

    return holds


def _zones(live: Environment, mirror: Environment) -> Callable[[Value, Value], bool]:
    """Return whether two ids are of the environments' hosted zones: as recorded, or as AWS gives them."""
    recorded = _is([f"Z-{one.dns.hosted_zone}" for one in (live, mirror)])

    def holds(left: Value, right: Value) -> bool:
        given = left != right and all(ZONE_ID.fullmatch(str(one)) for one in (left, right))
        return given or recorded(left, right)

    return holds


def _is(values: Sequence[Value]) -> Callable[[Value, Value], bool]:
    return lambda left, right: same(left, values[0]) and same(right, values[1])


def _only_left(_: Value, right: Value) -> bool:
    return right is ABSENT


def _only_right(left: Value, _: Value) -> bool:
    return left is ABSENT


def _allocation(zone: str, plan: AddressPlan) -> Callable[[Value], bool]:
    """Return whether a value is the allocation of the zone's address, by id or as what is made here."""
    if plan.allocation_id is not None:
        return lambda value: value == plan.allocation_id
    # A state has two names for one and the same.
    return lambda value: str(value).endswith((f"-vip-{zone}.allocationId>", f"-vip-{zone}.id>"))


def _each_is(sides: tuple[Callable[[Value], bool], Callable[[Value], bool]]) -> Callable[[Value, Value], bool]:
    return lambda left, right: sides[0](left) and sides[1](right)


def _made(plan: AddressPlan) -> bool:
    return plan.allocation_id is None
