"""What a mirror may differ in from what it mirrors: one list, each entry with its reason and the value it must have.

"Infrastructure should directly reflect live, although may be scaled" (API overview). Everything that isn't in this list
must be the same, so a property that somebody adds to the program is covered before anybody thinks of it. The entries
are made from both decided environments: a capacity may not just differ, it must be the one that the scale gives.
Left out: how the graphs come about (`recording`, exports, AWS).
"""

from collections.abc import Callable, Iterable, Mapping

from infra.environment import AddressPlan, Environment
from infra.graph import ABSENT, Allowed, Difference, Graph, Value, compare

CAPACITY_REASON = "scaled as configured"
"""The reason that stands for the one kind of difference a mirror is for."""


def differences(live: Graph, mirror: Graph, environments: tuple[Environment, Environment]) -> tuple[Difference, ...]:
    """Return every difference between the graphs of two environments (mirrored, mirror), marked where it may be.

    The dataset is compared by its name: it is Live's in both.
    """
    shared = [environments[0].dataset.bucket]
    return compare(live.sharing(shared), mirror.sharing(shared), may_differ(*environments))


def may_differ(live: Environment, mirror: Environment) -> tuple[Allowed, ...]:
    """Return what `mirror` may differ in from `live`, and what it must be there."""
    entries = [
        *_names_and_ranges(live, mirror),
        *_capacity(live, mirror),
        *_release(live, mirror),
        *_access(live, mirror),
        *_dataset(),
        *_protection(live, mirror),
        *_deployment(live, mirror),
    ]
    if not mirror.virtual_ips:
        entries += _ephemeral()
    return tuple(entries)


def _names_and_ranges(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    yield _pair("aws:ec2/vpc:Vpc", "cidrBlock", "each environment has a range of its own", _cidrs(live, mirror))
    yield _pair("aws:ec2/subnet:Subnet", "cidrBlock", "each environment has a range of its own", _cidrs(live, mirror))
    names = {live.dns.name: mirror.dns.name}
    yield _pair("aws:route53/record:Record", "name", "each environment has a name of its own", names, lower=True)
    if live.dns.hosted_zone != mirror.dns.hosted_zone:
        yield Allowed(type="aws:route53/record:Record", path="zoneId", reason="the name is in a zone of its own")
    yield _pair(
        "aws:ec2/launchTemplate:LaunchTemplate",
        "userData.write_files[].content.*",
        "instances are told which environment they are in",
        {
            live.service.instance_configuration[key]: mirror.service.instance_configuration[key]
            for key in live.service.instance_configuration.keys() & mirror.service.instance_configuration.keys()
        },
    )
    own_tags = {
        key: (live.tags.get(key, ABSENT), mirror.tags.get(key, ABSENT))
        for key in (live.tags.keys() | mirror.tags.keys()) - {"Environment"}
        if live.tags.get(key) != mirror.tags.get(key)
    }
    for key, values in own_tags.items():
        for path in (f"tags.{key}", f"tagSpecifications[].tags.{key}", "tags[].value"):
            yield Allowed(
                type="aws:*", path=path, reason="a mirror may be tagged as somebody else's", holds=_is(values)
            )


def _capacity(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    own, scaled = live.service, mirror.service
    group, alarm = "aws:autoscaling/group:Group", "aws:cloudwatch/metricAlarm:MetricAlarm"
    maximum = (float(own.capacity.maximum), float(scaled.capacity.maximum))
    minimum = (float(own.capacity.minimum), float(scaled.capacity.minimum))
    yield Allowed(type=group, path="minSize", reason=CAPACITY_REASON, holds=_is(minimum))
    yield Allowed(type=group, path="maxSize", reason=CAPACITY_REASON, holds=_is(maximum))
    yield Allowed(
        type=group,
        path="desiredCapacity",
        reason=CAPACITY_REASON,
        holds=_is((float(own.initial_capacity), float(scaled.initial_capacity))),
    )
    yield Allowed(type=alarm, path="threshold", reason=CAPACITY_REASON, holds=_is(maximum))
    described = (str(own.capacity.maximum), str(scaled.capacity.maximum))
    yield Allowed(
        type=alarm,
        path="alarmDescription",
        reason=CAPACITY_REASON,
        holds=lambda left, right: str(left).replace(*described) == right,
    )
    lines = {minimum, maximum}
    yield Allowed(
        type="aws:cloudwatch/dashboard:Dashboard",
        path="dashboardBody.widgets[].properties.annotations.horizontal[].value",
        reason=CAPACITY_REASON,
        holds=lambda left, right: (left, right) in lines,
    )


def _release(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    if live.service.release == mirror.service.release:
        return
    reason = "the mirror runs the next release, to be tested"
    releases = (live.service.release, mirror.service.release)
    yield Allowed(type="pulumi-python:*", path="release", reason=reason, holds=_is(releases))
    yield Allowed(type="pulumi-python:*", path="imageId", reason=reason)
    yield Allowed(type="aws:ec2/launchTemplate:LaunchTemplate", path="imageId", reason=reason)


def _access(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    own, mirrored = ({entry.cidr for entry in one.clients.entries} for one in (mirror, live))
    listed = {entry.cidr: entry.description for entry in (*live.clients.entries, *mirror.clients.entries)}

    def entry_holds(left: Value, right: Value) -> bool:
        for value, expected in ((left, mirrored), (right, own)):
            if value is not ABSENT and (not isinstance(value, Mapping) or value.get("cidr") not in expected):
                return False
        return True

    prefix_list = "aws:ec2/managedPrefixList:ManagedPrefixList"
    reason = "a mirror admits who lists it, and its load generators"
    yield Allowed(type=prefix_list, path="entries[]", reason=reason, holds=entry_holds)
    yield Allowed(
        type=prefix_list,
        path="entries[].cidr",
        reason=reason,
        holds=lambda left, right: left in mirrored and right in own,
    )
    yield Allowed(
        type=prefix_list,
        path="entries[].description",
        reason=reason,
        holds=lambda left, right: {left, right} <= set(listed.values()),
    )


def _dataset() -> Iterable[Allowed]:
    reason = "a mirror reads Live's dataset and owns none"
    only_live = _only_left
    yield Allowed(type="eps-dos-api:infra:Dataset", path="", reason=reason, holds=only_live)
    yield Allowed(type="aws:s3/*", path="", reason=reason, holds=only_live)


def _protection(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    reason = "Live is protected from its first day, a mirror once its addresses are published"
    balancer = (live.load_balancer.deletion_protected, mirror.load_balancer.deletion_protected)
    for path in ("enableDeletionProtection", "(options).protect"):
        yield Allowed(type="aws:lb/loadBalancer:LoadBalancer", path=path, reason=reason, holds=_is(balancer))
    for zone in sorted(live.virtual_ips.keys() & mirror.virtual_ips.keys()):
        one, other = live.virtual_ips[zone], mirror.virtual_ips[zone]
        for path in ("(options).protect", "(options).retainOnDelete"):
            yield Allowed(type="aws:ec2/eip:Eip", path=path, reason=reason, holds=_is((one.protected, other.protected)))
        if one.allocation_id == other.allocation_id:
            continue
        elsewhere = "an address allocated elsewhere is not made here"
        if _made(one) != _made(other):
            yield Allowed(type="aws:ec2/eip:Eip", path="", reason=elsewhere)
        both = _each_is((_allocation(zone, one), _allocation(zone, other)))
        balancer_type = "aws:lb/loadBalancer:LoadBalancer"
        yield Allowed(type=balancer_type, path="subnetMappings[].allocationId", reason=elsewhere, holds=both)
        yield Allowed(type=balancer_type, path="(options).dependencies[]", reason=elsewhere, holds=_of_address(zone))


def _deployment(live: Environment, mirror: Environment) -> Iterable[Allowed]:
    reason = "another account, profile or role may deploy it"
    for path in ("allowedAccountIds*", "profile", "assumeRoles*"):
        yield Allowed(type="pulumi:providers:aws", path=path, reason=reason)
    for path in ("profile", "assumeRoleArns*"):
        yield Allowed(type="pulumi-python:*", path=path, reason=reason)
    yield Allowed(
        type="pulumi-python:*",
        path="launchTemplateVersion",
        reason="AWS counts the versions of each launch template by itself",
        holds=lambda left, right: str(left).isdecimal() and str(right).isdecimal(),
    )
    yield Allowed(
        type="aws:sns/topicSubscription:TopicSubscription",
        path="",
        reason="other people may want to know",
        holds=lambda left, right: left is ABSENT or right is ABSENT,
    )
    if live.service.certificate_secret_arn != mirror.service.certificate_secret_arn:
        secrets = {live.service.certificate_secret_arn or ABSENT, mirror.service.certificate_secret_arn or ABSENT}
        certificate = "no certificate is shared with Live"
        yield Allowed(
            type="aws:iam/rolePolicy:RolePolicy",
            path="policy.Statement[]",
            reason=certificate,
            holds=lambda left, right: {_resource(left), _resource(right)} <= secrets,
        )
        yield Allowed(
            type="aws:iam/rolePolicy:RolePolicy",
            path="policy.Statement[].Resource",
            reason=certificate,
            holds=lambda left, right: {left, right} <= secrets,
        )


def _ephemeral() -> list[Allowed]:
    """Return what only a mirror made for one test may differ in: it has no addresses of its own, and it ends."""
    reason = "an environment made for one test takes no Elastic IPs, and AWS assigns its addresses"
    return [
        Allowed(type="aws:ec2/eip:Eip", path="", reason=reason, holds=_only_left),
        Allowed(
            type="aws:lb/loadBalancer:LoadBalancer",
            path="subnetMappings[].allocationId",
            reason=reason,
            holds=lambda _, right: right is ABSENT,
        ),
        Allowed(type="aws:lb/loadBalancer:LoadBalancer", path="(options).dependencies[]", reason=reason),
        Allowed(type="aws:*", path="tags.ExpiresAt", reason="it says when it ends"),
        Allowed(type="aws:*", path="tags[]", reason="it says when it ends"),
    ]


def _pair(type_: str, path: str, reason: str, pairs: Mapping[str, str], *, lower: bool = False) -> Allowed:
    """Return an entry for a text of Live's that must be the mirror's own."""
    known = {left.lower(): right.lower() for left, right in pairs.items()} if lower else dict(pairs)

    def holds(left: Value, right: Value) -> bool:
        one, other = (str(value).lower() if lower else str(value) for value in (left, right))
        return known.get(one) == other

    return Allowed(type=type_, path=path, reason=reason, holds=holds)


def _is(values: tuple[Value, Value]) -> Callable[[Value, Value], bool]:
    return lambda left, right: (left, right) == values


def _only_left(_: Value, right: Value) -> bool:
    return right is ABSENT


def _allocation(zone: str, plan: AddressPlan) -> Callable[[Value], bool]:
    """Return whether a value is the allocation of the zone's address, by id or as what is made here."""
    if plan.allocation_id is not None:
        return lambda value: value == plan.allocation_id
    # A state has two names for one and the same.
    return lambda value: str(value).endswith((f"-vip-{zone}.allocationId>", f"-vip-{zone}.id>"))


def _each_is(sides: tuple[Callable[[Value], bool], Callable[[Value], bool]]) -> Callable[[Value, Value], bool]:
    return lambda left, right: sides[0](left) and sides[1](right)


def _of_address(zone: str) -> Callable[[Value, Value], bool]:
    return lambda left, right: all(one is ABSENT or str(one).endswith(f"-vip-{zone}") for one in (left, right))


def _made(plan: AddressPlan) -> bool:
    return plan.allocation_id is None


def _resource(statement: Value) -> Value:
    return statement.get("Resource") if isinstance(statement, Mapping) else statement


def _cidrs(live: Environment, mirror: Environment) -> dict[str, str]:
    pairs = {live.network.cidr: mirror.network.cidr}
    for zone in live.network.zones.keys() & mirror.network.zones.keys():
        one, other = live.network.zones[zone], mirror.network.zones[zone]
        pairs |= {one.public_cidr: other.public_cidr, one.private_cidr: other.private_cidr}
    return pairs
