"""Whom a plan cuts off: any resource on the way, by name and range, also for a moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Network
from typing import Any

import pytest

from infra import types
from infra.environment import ClientEntry, ClientsPlan
from infra.graph import Graph, Resource
from infra.recording import record
from ops.review.dangers import Danger, Declared, dangers
from ops.review.plan import Plan, read_plan
from tests.infra.sample import environment

SUPPLIERS = {"192.0.2.0/28": ("Example Prescribing",), "198.51.100.16/28": ("Example Prescribing", "Sample Dispensing")}
KNOWN = Declared(suppliers={IPv4Network(cidr): names for cidr, names in SUPPLIERS.items()})
EVERYBODY = "Example Prescribing 192.0.2.0/28; Example Prescribing, Sample Dispensing 198.51.100.16/28"


@cache
def deployed() -> Graph:
    entries = tuple(ClientEntry(cidr=cidr, names=names) for cidr, names in SUPPLIERS.items())
    return record(environment("live", clients=ClientsPlan(entries=entries, max_entries=50)))


def edited(type_: str, name: str, /, **inputs: Any) -> Graph:
    resource = deployed().one(type_, name)
    changed = replace(resource, inputs={**resource.inputs, **inputs})
    return Graph("live", {**deployed().resources, resource.urn: changed})


def entries(*cidrs: str) -> list[Mapping[str, str]]:
    return [{"cidr": cidr, "description": cidr} for cidr in cidrs]


def without(type_: str, name: str) -> Graph:
    gone = deployed().one(type_, name).urn
    return Graph("live", {urn: resource for urn, resource in deployed().resources.items() if urn != gone})


def state(resource: Resource) -> Mapping[str, Any]:
    return {"inputs": resource.inputs, "outputs": resource.outputs, "id": resource.outputs.get("id", "")}


def plan(after: Graph, *replaced_first: str) -> Plan:
    """The engine's events of an update from what is deployed to `after`."""

    def steps() -> Iterator[tuple[str, str, Mapping[str, Any] | None, Mapping[str, Any] | None]]:
        for urn, resource in deployed().resources.items():
            new = after.resources.get(urn)
            # An update's new state has no id in the engine's events.
            planned = {**state(new), "id": ""} if new else None
            if urn in replaced_first:
                yield from ((one, urn, state(resource), planned) for one in ("delete-replaced", "create-replacement"))
            else:
                operation = "delete" if new is None else "same" if new == resource else "update"
                yield operation, urn, state(resource), planned
        for urn in after.resources.keys() - deployed().resources.keys():
            yield "create", urn, None, {**state(after.resources[urn]), "id": ""}

    events = [
        {"resourcePreEvent": {"metadata": {"op": operation, "urn": urn, "old": old, "new": new}}}
        for operation, urn, old, new in steps()
    ]
    return read_plan("live", events)


def cut(made: Plan) -> list[tuple[str, str]]:
    """Which resource cuts off whom."""
    return [(danger.what, danger.message) for danger in of(made) if danger.action == "cut"]


def of(made: Plan) -> tuple[Danger, ...]:
    return dangers(made, KNOWN)


def test_a_supplier_that_leaves_is_named_with_its_range() -> None:
    after = edited(types.PREFIX_LIST, "live-clients", entries=entries("198.51.100.16/28"))
    assert cut(plan(after)) == [("ManagedPrefixList live-clients", "cuts off Example Prescribing 192.0.2.0/28")]


def test_a_range_that_narrows_cuts_off_the_rest_of_it() -> None:
    after = edited(types.PREFIX_LIST, "live-clients", entries=entries("192.0.2.0/29", "198.51.100.16/28"))
    assert cut(plan(after)) == [("ManagedPrefixList live-clients", "cuts off Example Prescribing 192.0.2.8/29")]


@pytest.mark.parametrize(
    ("type_", "name", "what"),
    [
        (types.INGRESS, "live-clients-in", "SecurityGroupIngressRule live-clients-in"),
        (types.ROUTE, "live-public-internet", "Route live-public-internet"),
        (types.EGRESS, "live-load-balancer-out", "SecurityGroupEgressRule live-load-balancer-out"),
        (types.INTERNET_GATEWAY, "live-gateway", "InternetGateway live-gateway"),
        (types.PREFIX_LIST, "live-clients", "ManagedPrefixList live-clients"),
    ],
)
def test_whatever_goes_from_the_way_is_the_cause(type_: str, name: str, what: str) -> None:
    assert cut(plan(without(type_, name))) == [(what, f"cuts off {EVERYBODY}")]


def test_a_client_that_is_in_no_file_any_more_has_its_name_from_the_last_deployment() -> None:
    stack = deployed().of_type(types.STACK)[0]
    outputs = {**stack.outputs, "clients": {"192.0.2.0/28": "Gone Prescribing"}}
    before = Graph("live", {**deployed().resources, stack.urn: replace(stack, outputs=outputs)})
    made = plan(edited(types.PREFIX_LIST, "live-clients", entries=entries("198.51.100.16/28")))
    changes = tuple(
        replace(change, old=replace(change.old, raw=state(before.resources[stack.urn])))
        if change.urn == stack.urn and change.old
        else change
        for change in made.changes
    )
    (danger,) = [one for one in dangers(replace(made, changes=changes), Declared()) if one.action == "cut"]
    assert danger.message == "cuts off Gone Prescribing 192.0.2.0/28"


def test_an_entry_that_is_described_otherwise_is_away_for_a_moment() -> None:
    entries = [{"cidr": cidr, "description": cidr if cidr.startswith("198") else "renamed"} for cidr in SUPPLIERS]
    (danger,) = [
        one for one in of(plan(edited(types.PREFIX_LIST, "live-clients", entries=entries))) if one.action == "cut"
    ]
    assert danger.message == ("cuts off Example Prescribing 192.0.2.0/28, for as long as the update is under way")


def test_a_rule_that_goes_before_its_successor_comes_cuts_for_a_moment() -> None:
    rule = deployed().one(types.INGRESS, "live-clients-in").urn
    expected = f"cuts off {EVERYBODY}, for as long as the update is under way"
    assert cut(plan(deployed(), rule)) == [("SecurityGroupIngressRule live-clients-in", expected)]


def test_what_the_engine_calls_the_same_stays_as_it_is() -> None:
    made = plan(edited(types.INTERNET_GATEWAY, "live-gateway", vpcId=None))
    assert cut(made)
    same = tuple(replace(change, operation="same") for change in made.changes)
    assert cut(replace(made, changes=same)) == []


def test_an_address_that_nobody_gets_through_by_any_more_is_named() -> None:
    after = without(types.ROUTE_TABLE_ASSOCIATION, "live-public-eu-west-2b")
    message = f"cuts off {EVERYBODY} by 0.0.0.0/live-vip-eu-west-2b"
    assert cut(plan(after)) == [("RouteTableAssociation live-public-eu-west-2b", message)]


def test_whoever_has_the_former_name_is_cut_off() -> None:
    (danger,) = of(plan(edited(types.RECORD, "live-record", name="dos-new.eps.digital.nhs.uk")))
    assert danger.message == f"cuts off {EVERYBODY}"


def test_a_network_acl_that_denies_a_part_of_a_range_cuts_off_that_part() -> None:
    public = [one.outputs["id"] for one in deployed().of_type(types.SUBNET) if "public" in one.name]
    everything = {"protocol": "-1", "cidrBlock": "0.0.0.0/0", "action": "allow", "fromPort": 0, "toPort": 0}
    denied = {**everything, "ruleNo": 90, "cidrBlock": "192.0.2.0/30", "action": "deny"}
    rules = {"ingress": [denied, {**everything, "ruleNo": 100}], "egress": [{**everything, "ruleNo": 100}]}
    acl = Resource(
        urn=f"urn:pulumi:live::eps-dos-api::{types.NETWORK_ACL}::live-acl",
        type=types.NETWORK_ACL,
        inputs={"subnetIds": public, **rules},
        outputs={},
    )
    made = plan(Graph("live", {**deployed().resources, acl.urn: acl}))
    assert cut(made) == [("NetworkAcl live-acl", "cuts off Example Prescribing 192.0.2.0/30")]


@pytest.mark.parametrize(
    ("inputs", "dangerous"), [({"tags": {"Owner": "somebody"}}, False), ({"vpcId": "vpc-2"}, True)]
)
def test_a_route_table_that_changes_and_cuts_nobody_off_is_looked_at(
    inputs: Mapping[str, Any], dangerous: bool
) -> None:
    made = of(plan(edited(types.ROUTE_TABLE, "live-private", **inputs)))
    message = "lets packets take another way, though no known client is cut off"
    assert [(danger.action, danger.message) for danger in made] == ([("reroute", message)] if dangerous else [])


def test_what_takes_the_service_away_and_whom_it_cuts_off_is_one_danger() -> None:
    (danger,) = of(plan(without(types.LISTENER, "live-listener")))
    assert (danger.action, danger.message) == ("outage", f"is deleted; cuts off {EVERYBODY}")


@pytest.mark.parametrize(
    "after",
    [
        deployed(),
        edited(types.PREFIX_LIST, "live-clients", maxEntries=60),
        edited(types.INGRESS, "live-clients-in", description="Clients, as the prefix list has them"),
        edited(types.SCALING_GROUP, "live-service", maxSize=24),
        edited(types.SUBNET, "live-private-eu-west-2a", tags={"Owner": "somebody"}),
        without(types.VPC_ENDPOINT, "live-s3"),
    ],
    ids=["nothing", "capacity", "description of the rule", "scaled", "tags", "endpoint"],
)
def test_what_cuts_nobody_off_is_no_such_danger(after: Graph) -> None:
    assert cut(plan(after)) == []


def test_a_preview_that_failed_says_nothing_of_what_it_did_not_get_to() -> None:
    made = replace(plan(without(types.ROUTE, "live-public-internet")), errors=("no image is called so",))
    assert cut(made) == []
