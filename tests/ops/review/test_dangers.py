"""What is dangerous in a plan, in which order, and what isn't."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra import user_data
from infra.types import (
    BUCKET,
    EIP,
    LAUNCH_TEMPLATE,
    LISTENER,
    LOAD_BALANCER,
    RECORD,
    ROLE_POLICY,
    SCALING_GROUP,
    TARGET_GROUP,
)
from ops.review.dangers import READ_SECRET, Address, Danger, Declared, dangers
from tests.ops.review.plans import UNKNOWN_TEXT, Json, plan, replacement, state, step

PUBLISHED = {"eu-west-2a": "192.0.2.1"}


def found(*events: Json, published: dict[str, str] | None = None) -> tuple[Danger, ...]:
    return dangers(plan(*events), Declared(published=published or {}))


def told(*events: Json, **more: Any) -> list[tuple[str, str, bool]]:
    """Return action, resource and whether there is an outage, of each danger."""
    return [(one.action, one.what, bool(one.outage)) for one in found(*events, **more)]


def mappings(*allocations: str) -> Json:
    return {"subnetMappings": [{"subnetId": f"subnet-{one}", "allocationId": one} for one in allocations]}


def eip(operation: str, name: str = "live-vip-a", address: str = "192.0.2.1", **old: Any) -> Json:
    before = state({"domain": "vpc"}, {"publicIp": address, "allocationId": f"eipalloc-{name}"}, **old)
    return step(operation, EIP, name, before, None if operation == "delete" else state({"domain": "vpc"}))


def serving(secret: str, release: str = "1.4.0") -> str:
    """Return what instances are given that take their certificate from `secret`."""
    return user_data.encoded({"certificateSecretArn": secret, "release": release})


def reading(*secrets: str) -> Json:
    """Return a role's policy that lets it read secrets."""
    statement = {"Effect": "Allow", "Action": READ_SECRET, "Resource": [*secrets]}
    return state({"policy": json.dumps({"Statement": [statement]})})


CASES: list[tuple[str, list[Json], list[tuple[str, str, bool]]]] = [
    ("an address is given up", [eip("delete")], [("delete", "virtual IP live-vip-a", False)]),
    ("an address is exchanged", replacement(EIP, "live-vip-a", state({}), state({})),
     [("replace", "virtual IP live-vip-a", False)]),
    ("a load balancer is replaced, the new one first",
     replacement(LOAD_BALANCER, "live-lb", state(mappings("a", "b")), state(mappings("a"))),
     [("replace", "load balancer live-lb", True)]),
    ("a load balancer is replaced, the old one first",
     replacement(LOAD_BALANCER, "live-lb", state(mappings("a")), state(mappings("a")), delete_first=True),
     [("replace", "load balancer live-lb", True)]),
    ("a load balancer gets another address that isn't known yet",
     [step("update", LOAD_BALANCER, "live-lb", state(mappings("a")), state(mappings(UNKNOWN_TEXT)))],
     [("replace", "load balancer live-lb", True)]),
    ("a load balancer is deleted", [step("delete", LOAD_BALANCER, "live-lb", state(mappings("a")), None)],
     [("delete", "load balancer live-lb", True)]),
    ("AWS would let anybody delete the load balancer",
     [step("update", LOAD_BALANCER, "live-lb", state({"enableDeletionProtection": True}),
           state({"enableDeletionProtection": False}))],
     [("unprotect", "load balancer live-lb", False)]),
    ("a listener is replaced by itself", replacement(LISTENER, "live-listener", state({}), state({})),
     [("outage", "Listener live-listener", True)]),
    ("a listener goes with its load balancer",
     [*replacement(LOAD_BALANCER, "live-lb", state({}), state({})),
      *replacement(LISTENER, "live-listener", state({}), state({}))],
     [("replace", "load balancer live-lb", True)]),
    ("a target group is replaced", replacement(TARGET_GROUP, "live-tg", state({}), state({})),
     [("outage", "TargetGroup live-tg", True)]),
    ("a group of instances is replaced", replacement(SCALING_GROUP, "live-service", state({}), state({})),
     [("outage", "Group live-service", True)]),
    ("no instance may run any more",
     [step("update", SCALING_GROUP, "live-service", state({"maxSize": 6}), state({"maxSize": 0}))],
     [("outage", "Group live-service", True)]),
    ("Live's maximum falls",
     [step("update", SCALING_GROUP, "live-service", state({"maxSize": 12}), state({"maxSize": 3}))],
     [("shrink", "Group live-service", False)]),
    ("Live's minimum falls",
     [step("update", SCALING_GROUP, "live-service",
           state({"minSize": 6, "maxSize": 9}), state({"minSize": 3, "maxSize": 9}))],
     [("shrink", "Group live-service", False)]),
    ("the health of what runs is judged by another path",
     [step("update", TARGET_GROUP, "live-tg", state({"healthCheck": {"path": "/health", "interval": 10}}),
           state({"healthCheck": {"path": "/ping", "interval": 10}}))],
     [("judge", "TargetGroup live-tg", False)]),
    ("the health of what runs is judged by another protocol",
     [step("update", TARGET_GROUP, "live-tg", state({"healthCheck": {"protocol": "HTTPS", "path": "/health"}}),
           state({"healthCheck": {"protocol": "TCP"}}))],
     [("judge", "TargetGroup live-tg", False)]),
    ("another certificate is served",
     [step("update", LAUNCH_TEMPLATE, "live-service", state({"userData": serving("arn:a")}),
           state({"userData": serving("arn:b")}))],
     [("certificate", "LaunchTemplate live-service", False)]),
    ("another certificate brings the right to read it, and another secret with it",
     [step("update", LAUNCH_TEMPLATE, "live-service", state({"userData": serving("arn:a")}),
           state({"userData": serving("arn:b")})),
      step("update", ROLE_POLICY, "live-service", reading("arn:a"), reading("arn:b", "arn:c"))],
     [("certificate", "LaunchTemplate live-service", False), ("widen", "RolePolicy live-service", False)]),
    ("another release with the same certificate, and a first certificate",
     [step("update", LAUNCH_TEMPLATE, "live-service", state({"userData": serving("arn:a", "1.4.0")}),
           state({"userData": serving("arn:a", "1.5.0")})),
      step("update", LAUNCH_TEMPLATE, "live-other", state({"userData": serving("")}),
           state({"userData": serving("arn:a")}))],
     []),
    ("a record is deleted", [step("delete", RECORD, "live-record", state({"name": "dos"}), None)],
     [("delete", "DNS record live-record", True)]),
    ("a record gets another name",
     replacement(RECORD, "live-record", state({"name": "dos"}), state({"name": "dos2"})),
     [("replace", "DNS record live-record", True)]),
    ("a record leads elsewhere",
     [step("update", RECORD, "live-record", state({"aliases": [{"name": "a"}]}), state({"aliases": [{"name": "b"}]}))],
     [("redirect", "DNS record live-record", False)]),
    ("a record would take over somebody else's",
     [step("update", RECORD, "live-record", state({"allowOverwrite": False}), state({"allowOverwrite": True}))],
     [("unprotect", "DNS record live-record", False)]),
    ("a dataset is deleted", [step("delete", BUCKET, "live-dataset", state({"bucket": "b"}), None)],
     [("delete", "dataset live-dataset", True)]),
    ("a dataset may be deleted with all that is in it",
     [step("update", BUCKET, "live-dataset", state({"forceDestroy": False}), state({"forceDestroy": True}))],
     [("unprotect", "dataset live-dataset", False)]),
    ("a dataset keeps no versions any more",
     [step("delete", "aws:s3/bucketVersioning:BucketVersioning", "live-dataset", state({}), None)],
     [("unprotect", "BucketVersioning live-dataset", False)]),
    ("protection is lifted, which the engine calls no change",
     [step("same", EIP, "live-vip-a", state({}, protect=True, retainOnDelete=True), state({}))],
     [("unprotect", "virtual IP live-vip-a", False)]),
    ("an operation that isn't known",
     [step("transmogrify", "aws:ec2/subnet:Subnet", "live-a", state({}), state({}))],
     [("unknown", "Subnet live-a", False)]),
    ("a step without any state", [step("transmogrify", EIP, "live-vip-a", None, None)],
     [("unknown", "virtual IP live-vip-a", False)]),
    ("an operation that is counted and not shown", [{"summaryEvent": {"resourceChanges": {"warp": 2, "same": 7}}}],
     [("unknown", "stack live", False)]),
]  # fmt: skip


@pytest.mark.parametrize(("events", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_dangerous(events: list[Json], expected: list[tuple[str, str, bool]]) -> None:
    assert told(*events) == expected


CALM: list[tuple[str, list[Json]]] = [
    ("capacity", [step("update", SCALING_GROUP, "live-service", state({"minSize": 3}), state({"minSize": 6}))]),
    ("a zone is attached: a mapping more",
     [step("update", LOAD_BALANCER, "live-lb", state(mappings("a")), state(mappings("a", UNKNOWN_TEXT)))]),
    ("an address is reserved", [step("create", EIP, "live-vip-c", None, state({}))]),
    ("an address becomes protected",
     [step("same", EIP, "live-vip-a", state({}), state({}, protect=True, retainOnDelete=True))]),
    ("the release", [step("update", "eps-dos:index:Rollout", "live-rollout", state({"release": "1"}),
                          state({"release": "2"}))]),
    ("a subnet is replaced", replacement("aws:ec2/subnet:Subnet", "live-a", state({}), state({}))),
    ("what an earlier update left over goes", [step("delete", EIP, "live-vip-a", state({}, delete=True), None)]),
    ("a stack is made", [step("create", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "live-in", None,
                              state({"ipProtocol": "tcp", "cidrIpv4": "192.0.2.0/28"}))]),
    ("tags", [step("update", BUCKET, "live-dataset", state({"tags": {"a": "b"}}), state({"tags": {"a": "c"}}))]),
]  # fmt: skip


@pytest.mark.parametrize("events", [case[1] for case in CALM], ids=[case[0] for case in CALM])
def test_calm(events: list[Json]) -> None:
    assert told(*events) == []


def test_an_address_that_was_brought_is_lost_with_its_zone_and_its_publication() -> None:
    stack = step("same", "pulumi:pulumi:Stack", "eps-dos-api-live",
                 state({}, {"virtualIps": {"eu-west-2a": "192.0.2.1"}}), state({}))  # fmt: skip
    subnet = state({"availabilityZone": "eu-west-2a"}, id="subnet-1")
    before = state({"subnetMappings": [{"subnetId": "subnet-1", "allocationId": "eipalloc-elsewhere"}]})
    after = state({"subnetMappings": [{"subnetId": "subnet-1", "allocationId": "eipalloc-other"}]})
    (danger,) = found(
        stack,
        step("same", "aws:ec2/subnet:Subnet", "live-a", subnet, subnet),
        step("update", LOAD_BALANCER, "live-lb", before, after),
        published=PUBLISHED,
    )
    assert danger.addresses == (Address(address="192.0.2.1", zone="eu-west-2a", published=True),)


def test_capacity_that_falls_elsewhere_is_no_danger() -> None:
    smaller = step("update", SCALING_GROUP, "live-service", state({"maxSize": 12}), state({"maxSize": 3}))
    assert dangers(plan(smaller, stack="nft"), Declared()) == ()


def test_a_lost_address_is_known_to_be_published_from_the_stack_file_or_from_the_state() -> None:
    settings = {"settings": {"eps-dos-api:virtualIps": '{"eu-west-2b": "192.0.2.2"}'}, "virtualIps": {"c": "192.0.2.3"}}
    stack = step("same", "pulumi:pulumi:Stack", "eps-dos-api-live", state({}, settings), state({}))
    lost = [
        one.addresses
        for one in found(
            stack,
            eip("delete", "a"),
            eip("delete", "b", "192.0.2.2"),
            eip("delete", "c", "192.0.2.3"),
            published=PUBLISHED,
        )
    ]
    assert lost == [
        (Address(address="192.0.2.1", zone="eu-west-2a", published=True),),
        (Address(address="192.0.2.2", zone="eu-west-2b", published=True),),
        (Address(address="192.0.2.3", zone="c", published=False),),
    ]


def test_an_address_that_a_load_balancer_drops_is_lost_though_it_stays() -> None:
    events = [
        eip("same", "a"),
        eip("same", "b", "192.0.2.2"),
        *replacement(
            LOAD_BALANCER, "live-lb", state(mappings("eipalloc-a", "eipalloc-b")), state(mappings("eipalloc-b"))
        ),
    ]
    (danger,) = found(*events, published=PUBLISHED)
    assert danger.addresses == (Address(address="192.0.2.1", zone="eu-west-2a", published=True),)


def test_what_was_deleted_by_hand_is_dangerous_though_it_is_only_made_anew() -> None:
    old = state({}, {"publicIp": "192.0.2.1"})
    ended = {"resOutputsEvent": step("refresh", EIP, "live-vip-a", old, None)["resourcePreEvent"]}
    events = [
        step("refresh", EIP, "live-vip-a", old, old),
        ended,
        step("create", EIP, "live-vip-a", None, state({})),
    ]
    (danger,) = found(*events, published=PUBLISHED)
    assert (danger.action, danger.addresses[0].address) == ("replace", "192.0.2.1")


def test_lost_published_addresses_come_first_then_outages_then_the_rest() -> None:
    order = [
        one.what
        for one in found(
            step("same", EIP, "live-vip-b", state({}, protect=True), state({})),
            step("transmogrify", "aws:ec2/subnet:Subnet", "live-a", state({}), state({})),
            *replacement(LOAD_BALANCER, "live-lb", state(mappings("x")), state(mappings("x"))),
            step("delete", RECORD, "live-record", state({"name": "dos"}), None),
            eip("delete", "live-vip-a"),
            published=PUBLISHED,
        )
    ]
    assert order == [
        "virtual IP live-vip-a",
        "load balancer live-lb",
        "DNS record live-record",
        "virtual IP live-vip-b",
        "Subnet live-a",
    ]


STATE_WITH_TWO = {"settings": {"eps-dos-api:virtualIps": {"eu-west-2a": "192.0.2.1", "eu-west-2b": "192.0.2.2"}}}


def refused(published: dict[str, str] | None) -> tuple[Danger, ...]:
    """Return what is dangerous in a change whose stack file is refused before any resource is looked at."""
    stack = step("same", "pulumi:pulumi:Stack", "eps-dos-api-live", state({}, STATE_WITH_TWO), state({}))
    return dangers(plan(stack, errors=["zones are 2; allowed on Live: 3 or more"]), Declared(published=published))


def test_an_address_taken_out_of_the_stack_file_is_told_though_the_preview_fails() -> None:
    (danger,) = refused(PUBLISHED)
    assert danger.addresses == (Address(address="192.0.2.2", zone="eu-west-2b", published=True),)
    assert "no longer in the stack file" in danger.message


def test_an_address_that_the_file_calls_published_and_the_stack_does_not_have_is_told() -> None:
    outputs = {"virtualIps": {"eu-west-2a": "192.0.2.1", "eu-west-2b": "192.0.2.9"}}
    stack = step("same", "pulumi:pulumi:Stack", "eps-dos-api-live", state({}, outputs), state({}))
    (danger,) = dangers(plan(stack), Declared(published={"eu-west-2a": "192.0.2.1", "eu-west-2b": "192.0.2.2"}))
    assert danger.addresses == (Address(address="192.0.2.2", zone="eu-west-2b", published=True),)
    assert "the stack has 192.0.2.9 there" in danger.message


def test_a_stack_file_that_cannot_be_read_says_nothing_of_addresses() -> None:
    assert refused(None) == ()
