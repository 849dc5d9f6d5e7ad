"""Every line of an environment's table: it holds when AWS has what was promised, else it says what is so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from infra.environment import AddressPlan, Capacity
from ops.aws.inventory import Inventory
from ops.aws.network import Entry, SecurityGroup
from ops.aws.routing import InternetGateway, Route
from ops.verify.promises import Promised, check_answers, check_release, report
from tests.infra.sample import environment, mirror
from tests.ops import sample


def failed(promised: Promised, found: Inventory) -> dict[str, str]:
    """The lines that don't hold, with their evidence."""
    return {check.name: check.evidence for check in report(promised, found).checks if check.verdict == "failed"}


def without(**changes: Any) -> Inventory:
    """The sample with some of its parts replaced."""
    return replace(sample.inventory(), **changes)


def balancer(**changes: Any) -> Inventory:
    found = sample.inventory()
    return replace(found, load_balancers=(replace(found.load_balancers[0], **changes),))


def group(**changes: Any) -> Inventory:
    found = sample.inventory()
    return replace(found, scaling_groups=(replace(found.scaling_groups[0], **changes),))


def bucket(**changes: Any) -> Inventory:
    found = sample.inventory()
    assert found.bucket is not None
    return replace(found, bucket=replace(found.bucket, **changes))


def targets(*states: str) -> Inventory:
    """The sample with its three targets in these states."""
    found = sample.inventory()
    (one,) = found.target_groups
    changed = tuple(replace(target, state=state) for target, state in zip(one.targets, states, strict=True))
    return replace(found, target_groups=(replace(one, targets=changed),))


def rules(*more: Any, kept: bool = True) -> Inventory:
    """The sample with other rules at the load balancer's group."""
    found = sample.inventory()
    first, *rest = found.security_groups
    return replace(found, security_groups=(replace(first, rules=(*(first.rules if kept else ()), *more)), *rest))


def test_all_is_well_with_what_was_promised() -> None:
    table = report(sample.promised(), sample.inventory())
    assert table.passed
    assert table.title == "live"
    assert [(check.name, check.value) for check in table.checks] == [
        ("name", "dos-live.eps.digital.nhs.uk"),
        ("virtual IPs", "192.0.2.11 (eu-west-2a), 192.0.2.12 (eu-west-2b), 192.0.2.13 (eu-west-2c)"),
        ("port", "TCP 443"),
        ("dataset", "Test data (eps-dos-api-live-dataset)"),
        ("release", "1.4.0"),
        ("capacity", "3 to 6 instances, aiming at 50 % CPU"),
        ("targets", "healthy in eu-west-2a, eu-west-2b, eu-west-2c"),
        ("who may connect", "Example 192.0.2.0/28"),
    ]


CUT = "Example 192.0.2.0/28 can't reach it: stopped by"
BROKEN: dict[str, tuple[Callable[[], Inventory], str, str]] = {
    "record elsewhere": (
        lambda: without(records=(sample.record("other.elb.eu-west-2.amazonaws.com"),)),
        "name",
        "its record is an alias of other.elb.eu-west-2.amazonaws.com, "
        "the load balancer is live-lb-1.elb.eu-west-2.amazonaws.com",
    ),
    "no record": (
        lambda: without(records=()),
        "name",
        "one A record is needed in the zone eps.digital.nhs.uk, and there is: none",
    ),
    "a record more": (
        lambda: without(records=(*sample.inventory().records, sample.record(None, "AAAA"))),
        "name",
        "one A record is needed in the zone eps.digital.nhs.uk, and there is: A, AAAA",
    ),
    "swapped address": (
        lambda: balancer(addresses={**_at_balancer(), "eu-west-2a": ("192.0.2.99",)}),
        "virtual IPs",
        "the load balancer has 192.0.2.99 in eu-west-2a, not 192.0.2.11",
    ),
    "zone without an address": (
        lambda: balancer(addresses={**_at_balancer(), "eu-west-2b": ()}),
        "virtual IPs",
        "the load balancer has none in eu-west-2b, not 192.0.2.12",
    ),
    "a zone too many": (
        lambda: balancer(addresses={**_at_balancer(), "eu-west-2d": ("192.0.2.14",)}),
        "virtual IPs",
        "the load balancer is in eu-west-2d too",
    ),
    "an address that is nobody's": (
        lambda: without(addresses=sample.inventory().addresses[1:]),
        "virtual IPs",
        "192.0.2.11 (eu-west-2a) is no Elastic IP of this environment",
    ),
    "a second listener": (
        lambda: balancer(listeners=(sample.listener(443), sample.listener(80))),
        "port",
        "the load balancer listens on TCP 443, TCP 80",
    ),
    "another port": (
        lambda: balancer(listeners=(sample.listener(8443),)),
        "port",
        "the load balancer listens on TCP 8443",
    ),
    "UDP": (lambda: balancer(listeners=(sample.listener(443, "UDP"),)), "port", "the load balancer listens on UDP 443"),
    "no bucket": (
        lambda: without(bucket=None),
        "dataset",
        "there is no bucket eps-dos-api-live-dataset, or it is another account's",
    ),
    "versioning suspended": (lambda: bucket(versioning="Suspended"), "dataset", "versioning is Suspended"),
    "not encrypted": (lambda: bucket(encryption=""), "dataset", "it isn't encrypted"),
    "public": (lambda: bucket(public_access_blocked=False), "dataset", "public access isn't blocked"),
    "access lists": (
        lambda: bucket(ownership="ObjectWriter"),
        "dataset",
        "access lists are in force (ownership ObjectWriter)",
    ),
    "wrong image": (
        lambda: without(instances=(sample.instance("i-a", "old"), *sample.inventory().instances[1:])),
        "release",
        "some instances run old, not eps-dos-api-1.4.0",
    ),
    "an instance that is gone": (
        lambda: without(instances=sample.inventory().instances[1:]),
        "release",
        "some instances run nothing, not eps-dos-api-1.4.0",
    ),
    "changed maximum": (lambda: group(maximum=7), "capacity", "the group has 3 to 7"),
    "no scaling": (lambda: group(policies={}), "capacity", "its scaling aims at nothing"),
    "zone without a healthy target": (
        lambda: targets("healthy", "unhealthy", "healthy"),
        "targets",
        "eu-west-2b has none; i-b is unhealthy",
    ),
    "a stranger among the targets": (
        lambda: group(members=sample.inventory().scaling_groups[0].members[:2]),
        "targets",
        "i-c is a target, and no instance of the group; eu-west-2c has none",
    ),
    "other targets": (
        lambda: group(target_group_arns=("arn:other",)),
        "targets",
        "the listener's targets are not the Auto Scaling group's",
    ),
    "somebody who may not": (
        lambda: without(
            prefix_lists=(
                replace(
                    sample.inventory().prefix_lists[0],
                    entries=(
                        Entry(cidr="192.0.2.0/28", description="192.0.2.0/28"),
                        Entry(cidr="203.0.113.0/24", description="x"),
                    ),
                ),
            )
        ),
        "who may connect",
        "203.0.113.0/24 may not",
    ),
    "somebody missing": (
        lambda: without(prefix_lists=(replace(sample.inventory().prefix_lists[0], entries=()),)),
        "who may connect",
        f"{CUT} the load balancer's security groups and prefix list (every zone)",
    ),
    "an extra rule": (
        lambda: rules(sample.rule("sgr-9", "192.0.0.0/20")),
        "who may connect",
        "192.0.0.0/20 may not",
    ),
    "a rule for a list made elsewhere": (
        lambda: rules(sample.rule("sgr-9", "pl-elsewhere")),
        "who may connect",
        "whoever pl-elsewhere admits may, too",
    ),
    "nobody admitted": (
        lambda: rules(kept=False),
        "who may connect",
        f"{CUT} the load balancer's security groups and prefix list and the way on to the instances (every zone)",
    ),
    "no security group": (
        lambda: without(
            load_balancers=(replace(sample.inventory().load_balancers[0], security_group_ids=()),),
            security_groups=instances_admit("0.0.0.0/0"),
        ),
        "who may connect",
        "0.0.0.0/0 may not",
    ),
    "a security group made elsewhere": (
        lambda: balancer(security_group_ids=("sg-lb", "sg-elsewhere")),
        "who may connect",
        "whoever sg-elsewhere admits may, too",
    ),
    "instances that admit others only": (
        lambda: without(security_groups=instances_admit("192.0.2.0/29")),
        "who may connect",
        "Example 192.0.2.8/29 can't reach it: stopped by the way on to the instances (every zone)",
    ),
    "no default route": (
        lambda: without(route_tables=(sample.route_table("rtb-public", *sample.PUBLIC.values(), main=True),)),
        "who may connect",
        f"{CUT} the route to the internet gateway (every zone)",
    ),
    "a route to an internet gateway that is elsewhere": (
        lambda: without(internet_gateways=(InternetGateway(id="igw-1", vpc_ids=("vpc-2",)),)),
        "who may connect",
        f"{CUT} the route to the internet gateway (every zone)",
    ),
    "a more specific route that goes elsewhere": (
        lambda: without(
            route_tables=(
                sample.route_table(
                    "rtb-public",
                    *sample.PUBLIC.values(),
                    routes=(sample.TO_THE_INTERNET, Route(cidr="192.0.2.8/29", gateway_id=None)),
                ),
            )
        ),
        "who may connect",
        "Example 192.0.2.8/29 can't reach it: stopped by the route to the internet gateway (every zone)",
    ),
    "a subnet that fell back to its network's main table": (
        lambda: without(
            route_tables=(
                sample.route_table("rtb-public", *[*sample.PUBLIC.values()][1:], routes=(sample.TO_THE_INTERNET,)),
                sample.route_table("rtb-main", main=True),
            )
        ),
        "who may connect",
        "Example 192.0.2.0/28 can't reach it in eu-west-2a, stopped by the route to the internet gateway",
    ),
    "a denial in a network ACL": (
        lambda: without(
            network_acls=(sample.acl(sample.acl_rule(90, "192.0.2.0/30", allows=False), sample.acl_rule(100)),)
        ),
        "who may connect",
        "Example 192.0.2.0/30 can't reach it: stopped by the network ACL (every zone)",
    ),
}

CUTTING = {"record elsewhere", "no record", "another port", "UDP", "other targets"}
"""Faults of another line that cut everybody off besides, which is said, too."""


def instances_admit(cidr: str) -> tuple[SecurityGroup, ...]:
    """The security groups, of which the instances' admits a range and no longer the load balancer's group."""
    balancers, instances = sample.inventory().security_groups
    return balancers, replace(instances, rules=(sample.rule("sgr-2", cidr),))


def _at_balancer() -> dict[str, tuple[str, ...]]:
    return {zone: (address,) for zone, address in sample.ADDRESSES.items()}


@pytest.mark.parametrize(("broken", "name", "evidence"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_otherwise_fails_its_line_and_says_how(
    broken: Callable[[], Inventory], name: str, evidence: str
) -> None:
    assert failed(sample.promised(), broken())[name] == evidence


@pytest.mark.parametrize("fault", BROKEN)
def test_one_fault_fails_one_line(fault: str) -> None:
    make, name, _ = BROKEN[fault]
    cut = ["who may connect"] if fault in CUTTING else []
    assert list(failed(sample.promised(), make())) == [name, *cut]


def test_without_a_load_balancer_everything_at_it_fails() -> None:
    found = failed(sample.promised(), without(load_balancers=()))
    assert set(found) == {"name", "virtual IPs", "port", "targets", "who may connect"}
    assert set(found.values()) == {"one load balancer is needed, and there are 0"}


def test_a_stack_that_was_never_brought_up_fails_everywhere() -> None:
    nothing = without(
        addresses=(),
        prefix_lists=(),
        security_groups=(),
        load_balancers=(),
        target_groups=(),
        scaling_groups=(),
        instances=(),
        records=(),
        bucket=None,
    )
    table = report(Promised(environment=environment("live"), outputs={}), nothing)
    assert {check.verdict for check in table.checks} == {"failed"}


def test_a_reserved_address_is_there_and_free() -> None:
    plans = {**environment("live").virtual_ips}
    plans["eu-west-2c"] = AddressPlan(allocation_id=None, published=None, attached=False, protected=False)
    promised = sample.promised(environment("live", virtual_ips=plans))
    attached = {zone: one for zone, one in _at_balancer().items() if zone != "eu-west-2c"}
    free = tuple(
        replace(one, association_id=None) if one.public_ip == "192.0.2.13" else one
        for one in sample.inventory().addresses
    )
    found = replace(balancer(addresses=attached), addresses=free)
    assert "virtual IPs" not in failed(promised, found)
    assert (
        failed(promised, balancer(addresses=attached))["virtual IPs"]
        == "192.0.2.13 (eu-west-2c) is reserved, and in use"
    )


def test_a_published_address_must_be_the_one() -> None:
    plans = {
        zone: AddressPlan(allocation_id=None, published="192.0.2.11", attached=True, protected=True)
        for zone in sample.ADDRESSES
    }
    evidence = failed(sample.promised(environment("live", virtual_ips=plans)), sample.inventory())["virtual IPs"]
    assert evidence == (
        "eu-west-2b is published as 192.0.2.11, the stack has 192.0.2.12; "
        "eu-west-2c is published as 192.0.2.11, the stack has 192.0.2.13"
    )


def test_an_environment_without_addresses_of_its_own_has_awss() -> None:
    promised = Promised(environment=environment("live", virtual_ips={}), outputs={"virtualIps": {}})
    (line,) = [check for check in report(promised, without(addresses=())).checks if check.name == "virtual IPs"]
    assert (line.verdict, line.value) == ("ok", "assigned by AWS")


@pytest.mark.parametrize(("minimum", "verdict"), [(0, "not checked"), (3, "failed")])
def test_an_empty_group_is_a_fault_only_where_it_may_not_be_empty(minimum: int, verdict: str) -> None:
    service = replace(environment("live").service, capacity=Capacity(minimum=minimum, maximum=6, target_cpu_percent=50))
    found = group(minimum=minimum, desired=0, members=())
    found = replace(found, instances=(), target_groups=(replace(found.target_groups[0], targets=()),))
    checks = {
        check.name: check for check in report(sample.promised(environment("live", service=service)), found).checks
    }
    assert (checks["release"].verdict, checks["targets"].verdict) == (verdict, verdict)
    assert checks["capacity"].verdict == "ok"


def test_what_drains_is_on_its_way_out_and_no_fault() -> None:
    found = sample.inventory()
    (one,) = found.target_groups
    leaving = replace(one.targets[0], id="i-old", state="draining")
    found = replace(found, target_groups=(replace(one, targets=(*one.targets, leaving)),))
    assert failed(sample.promised(), found) == {}


def test_a_mirror_says_what_it_mirrors() -> None:
    table = report(sample.promised(mirror()), sample.inventory())
    assert table.title == "nft, the mirror of live at scale 0.5"
    (line,) = [check for check in table.checks if check.name == "dataset"]
    assert line.evidence == "versioned, encrypted (AES256), private; live's, to read"


def with_two(desired: int) -> Inventory:
    """The sample with instances in the first two of its zones."""
    found = sample.inventory()
    (scaling,), (one,) = found.scaling_groups, found.target_groups
    return replace(
        found,
        scaling_groups=(replace(scaling, desired=desired, members=scaling.members[:2]),),
        target_groups=(replace(one, targets=one.targets[:2]),),
        instances=found.instances[:2],
    )


def test_a_zone_for_which_the_group_has_no_instance_isnt_waited_for() -> None:
    assert failed(sample.promised(), with_two(desired=2)) == {}
    assert failed(sample.promised(), with_two(desired=3)) == {"targets": "eu-west-2c has none"}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (("192.0.2.11", "192.0.2.12", "192.0.2.13"), ""),
        (("192.0.2.11", "192.0.2.13"),
         "192.0.2.12 (eu-west-2b) is not answered: who connects anew is led to the other zones"),
        (("192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.99"),
         "192.0.2.99 is answered, and is none of the virtual IPs"),
    ],
)  # fmt: skip
def test_a_zone_whose_address_is_not_answered_is_named(answers: tuple[str, ...], said: str) -> None:
    check = check_answers(sample.promised(), answers)
    assert (check.verdict, check.evidence) == (("failed", said) if said else ("ok", ", ".join(answers)))


@pytest.mark.parametrize(("count", "verdict"), [(3, "ok"), (2, "failed"), (0, "failed")])
def test_an_environment_with_awss_addresses_is_answered_with_as_many_as_zones(count: int, verdict: str) -> None:
    ephemeral = Promised(environment=environment("pr-7", virtual_ips={}), outputs={})
    assert check_answers(ephemeral, ("192.0.2.1", "192.0.2.2", "192.0.2.3")[:count]).verdict == verdict


def test_of_an_image_that_is_gone_nobody_can_say_which_release_it_was() -> None:
    instances = tuple(replace(instance, image_name="") for instance in sample.inventory().instances)
    check = check_release(sample.promised(), without(instances=instances))
    assert (check.verdict, check.evidence) == (
        "not checked",
        "instances run ami-1, an image that is gone, and its name with it",
    )


def test_an_image_in_place_of_the_releases_is_known_by_its_id() -> None:
    promised = sample.promised()
    for image_id, verdict in (("ami-1", "ok"), ("ami-2", "failed")):
        service = replace(promised.environment.service, image_id=image_id)
        own = sample.promised(replace(promised.environment, service=service))
        assert check_release(own, sample.inventory()).verdict == verdict
