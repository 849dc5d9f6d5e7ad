"""What AWS has for a mirror and for Live: what somebody could have done to it is told once, and as what it is."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from infra.deciding import load_environment
from infra.graph import ABSENT, UNKNOWN_MARKS, Graph, Resource, Value
from infra.recording import record
from infra.types import SCALING_GROUP
from ops.aws.compute import Instance, LaunchTemplate, Member, ScalingGroup, TemplateVersion
from ops.aws.identity import Role
from ops.aws.inventory import Inventory
from ops.aws.leftovers import Leftover
from ops.aws.load_balancing import Listener, LoadBalancer, Target, TargetGroup
from ops.aws.network import SecurityGroup, SecurityRule
from ops.aws.ownership import Subject
from ops.mirror.actual import (
    AS_DEPLOYED,
    GONE,
    Noted,
    Seen,
    Side,
    alone,
    compared,
    declared,
    refreshed,
    unknown,
    unlike,
)
from ops.mirror.comparison import Comparison, Level, as_text
from tests.infra.stackfiles import CHECKOUT

ENVIRONMENTS = (load_environment("live", CHECKOUT), load_environment("nft", CHECKOUT))
TARGETS, LISTENER = "aws:lb/targetGroup:TargetGroup", "aws:lb/listener:Listener"
SUBJECT = Subject(environment="nft", dns_name="dos-nft.example", hosted_zone="example", bucket="a-dataset")
NOTHING = Inventory(
    subject=SUBJECT,
    vpcs=(),
    subnets=(),
    route_tables=(),
    internet_gateways=(),
    network_acls=(),
    addresses=(),
    prefix_lists=(),
    security_groups=(),
    load_balancers=(),
    target_groups=(),
    scaling_groups=(),
    instances=(),
    launch_templates=(),
    bucket=None,
    roles=(),
    records=(),
    log_groups=(),
)


# --- Behind Pulumi's back, in what the state knows ---


@cache
def state(side: Side) -> Graph:
    """Return the recorded program of Live or NFT as a state has it: what was given came back from the provider."""
    graph = record(ENVIRONMENTS[side == "mirror"])
    return Graph.of(graph.stack, (replace(one, outputs={**one.inputs, **one.outputs}) for one in graph))


def seen(side: Side, edits: Mapping[tuple[str, str], Mapping[str, Value] | None] = {}) -> Seen:
    """Return Live or NFT as AWS has it, edited by (type, name); None: it is gone."""
    before, events = state(side), []
    for (type_, name), edit in edits.items():
        one = before.one(type_, f"{before.stack}-{name}")
        new = None if edit is None else {"inputs": {**one.inputs, **edit}, "outputs": {**one.outputs, **edit}}
        events.append({"resOutputsEvent": {"metadata": {"op": "refresh", "urn": one.urn, "new": new}}})
        if edit is None:
            programs: dict[str, Any] = {
                "custom": True,
                "id": "",
                "inputs": {"name": "as the program has it"},
                "outputs": {},
            }
            events.append({"resOutputsEvent": {"metadata": {"op": "same", "urn": one.urn, "new": programs}}})
    return Seen(side=side, state=before, refreshed=refreshed(before, events), inventory=NOTHING)


def drift(live: Seen, mirror: Seen) -> list[Noted]:
    return [one for one in compared(live, mirror, ENVIRONMENTS) if one.difference.allowed is None]


def test_environments_as_deployed_have_no_drift() -> None:
    assert drift(seen("live"), seen("mirror")) == []


def test_a_change_in_the_mirror_is_one_difference_with_what_was_deployed() -> None:
    (found,) = drift(seen("live"), seen("mirror", {(TARGETS, "tg"): {"deregistrationDelay": 5.0}}))
    assert (found.difference.path, found.difference.left, found.difference.right) == ("deregistrationDelay", 120.0, 5.0)
    assert found.note == "nft was changed: 120 when deployed"


def test_a_tag_that_somebody_added_was_not_there_when_deployed() -> None:
    tags = state("mirror").one(TARGETS, "nft-tg").inputs["tags"]
    assert isinstance(tags, dict)
    (found,) = drift(seen("live"), seen("mirror", {(TARGETS, "tg"): {"tags": {**tags, "Mine": "yes"}}}))
    assert (found.difference.path, found.difference.right) == ("tags.Mine", "yes")
    assert found.note == "nft was changed: not there when deployed"


def test_what_is_changed_in_both_alike_still_is_no_longer_as_deployed() -> None:
    edit = {(TARGETS, "tg"): {"deregistrationDelay": 5.0}}
    (found,) = drift(seen("live", edit), seen("mirror", edit))
    assert (found.difference.left, found.difference.right) == (5.0, 5.0)
    assert found.note == "live was changed: 120 when deployed; nft was changed: 120 when deployed"


def refreshed_by_hand(side: Side, edit: Mapping[str, Value], *more: Mapping[str, Any]) -> Seen:
    """Return Live or NFT after somebody edited the target group, and `pulumi refresh` took that over."""
    after = seen(side, {(TARGETS, "tg"): edit}).refreshed
    one, before = (graph.one(TARGETS, f"{graph.stack}-tg") for graph in (after, state(side)))
    # In one pass: what a refresh reads, and then what the program would do.
    events = [
        {"resOutputsEvent": {"metadata": {"op": "refresh", "urn": one.urn, "new": {"inputs": one.inputs,
                                                                                   "outputs": one.outputs}}}},
        {"resourcePreEvent": {"metadata": {"op": "update", "urn": one.urn, "diffs": sorted(edit),
                                           "new": {"inputs": before.inputs}}}},
        {"resOutputsEvent": {"metadata": {"op": "update", "urn": one.urn, "new": {"inputs": before.inputs}}}},
        *more,
    ]  # fmt: skip
    return Seen(
        side=side, state=after, refreshed=refreshed(after, events), declared=declared(events), inventory=NOTHING
    )


def test_a_change_by_hand_that_the_state_took_over_is_not_as_declared() -> None:
    edited = refreshed_by_hand("mirror", {"deregistrationDelay": 5.0})
    (found,) = alone(edited)
    assert (found.difference.path, found.difference.left, found.difference.right) == ("deregistrationDelay", 120.0, 5.0)
    assert found.note == "not as declared"
    (found,) = drift(seen("live"), edited)
    assert (found.difference.left, found.difference.right) == (120.0, 5.0)
    assert found.note == "nft was changed: 120 is declared"


def test_what_is_changed_in_both_alike_and_taken_over_is_not_as_declared() -> None:
    (found,) = drift(*(refreshed_by_hand(side, {"deregistrationDelay": 5.0}) for side in ("live", "mirror")))
    assert found.note == "live was changed: 120 is declared; nft was changed: 120 is declared"


def test_a_change_that_the_state_has_not_taken_over_is_told_once() -> None:
    edited = replace(refreshed_by_hand("mirror", {"deregistrationDelay": 5.0}), state=state("mirror"))
    assert [(found.note, found.difference.path) for found in alone(edited)] == [("changed", "deregistrationDelay")]


def test_what_is_declared_and_in_no_state_is_gone_and_what_follows_is_not_told() -> None:
    listener, group = state("mirror").one(LISTENER, "nft-listener"), state("mirror").one(SCALING_GROUP, "nft-service")
    unknown_value = min(UNKNOWN_MARKS)
    events = [
        {"resourcePreEvent": {"metadata": {"op": "create", "urn": listener.urn, "new": {"inputs": {}}}}},
        {"resourcePreEvent": {"metadata": {"op": "update", "urn": group.urn, "diffs": ["targetGroupArns"],
                                           "new": {"inputs": {"targetGroupArns": [unknown_value]}}}}},
    ]  # fmt: skip
    without = Graph.of("nft", (one for one in state("mirror") if one is not listener))
    (found,) = alone(
        Seen(side="mirror", state=without, refreshed=without, declared=declared(events), inventory=NOTHING)
    )
    assert (found.difference.path, found.difference.right, found.note) == ("", GONE, "not as declared")


def test_what_may_differ_may_not_be_changed_by_hand() -> None:
    nft = seen("mirror", {("aws:ec2/vpc:Vpc", "vpc"): {"cidrBlock": "10.99.0.0/16"}})
    assert [(one.difference.path, one.difference.right) for one in drift(seen("live"), nft)] == [
        ("cidrBlock", "10.99.0.0/16")
    ]
    tagged = seen("mirror", {(TARGETS, "tg"): {"tags": {"Owner": "me"}}})
    assert {one.difference.path.split(".")[0] for one in drift(seen("live"), tagged)} == {"tags"}


def test_each_client_taken_out_by_hand_is_drift_though_a_mirror_may_admit_others() -> None:
    clients = "aws:ec2/managedPrefixList:ManagedPrefixList"
    entries = state("mirror").one(clients, "nft-clients").inputs["entries"]
    assert isinstance(entries, list)
    found = drift(seen("live"), seen("mirror", {(clients, "clients"): {"entries": []}}))
    assert [(one.difference.left, one.difference.right) for one in found] == [(one, ABSENT) for one in entries]
    assert all(one.note.startswith("nft was changed: {") for one in found)


def test_an_attribute_that_the_program_sets_is_told_once_and_one_that_it_does_not_set_too() -> None:
    def having(one: Seen, attributes: Mapping[str, str]) -> Seen:
        arn = str(one.state.of_type(TARGETS)[0].outputs["arn"])
        targets = replace(TARGET_GROUP, arn=arn, targets=(), attributes=attributes)
        return replace(one, inventory=replace(NOTHING, target_groups=(targets,)))

    live = having(seen("live"), {"deregistration_delay.timeout_seconds": "120", "stickiness.enabled": "false"})
    nft = seen("mirror", {(TARGETS, "tg"): {"deregistrationDelay": 5.0}})
    nft = having(nft, {"deregistration_delay.timeout_seconds": "5", "stickiness.enabled": "true"})
    assert [one.difference.path for one in drift(live, nft)] == ["deregistrationDelay", "attributes.stickiness.enabled"]


def test_what_is_gone_is_told_even_where_the_mirror_has_none() -> None:
    (found,) = drift(seen("live"), seen("mirror", {(LISTENER, "listener"): None}))
    assert (found.difference.path, found.difference.right, found.note) == ("", ABSENT, "gone from nft")
    (found,) = drift(seen("live", {("aws:s3/bucketPolicy:BucketPolicy", "dataset"): None}), seen("mirror"))
    assert (found.difference.left, found.difference.right) == (GONE, AS_DEPLOYED)
    comparison = Comparison(level=Level.actual, resources=79, differences=(found.difference,), notes=(found.note,))
    assert "BucketPolicy dataset: is gone from AWS (gone from live)" in as_text([comparison], "live", "nft")


def test_what_the_program_leaves_to_aws_is_no_drift() -> None:
    group = "aws:autoscaling/group:Group"
    edits = {(group, "service"): {"desiredCapacity": 5.0, "launchTemplate": {"id": "lt-0", "version": "7"}}}
    assert drift(seen("live"), seen("mirror", edits)) == []


# --- What no state knows ---


def resource(type_: str, label: str, /, **outputs: Value) -> Resource:
    urn = f"urn:pulumi:nft::eps-dos-api::{type_}::nft-{label}"
    return Resource(urn=urn, type=type_, inputs={}, outputs=outputs)


STATE = Graph.of(
    "nft",
    [
        resource("aws:ec2/securityGroup:SecurityGroup", "load-balancer", id="sg-1"),
        resource("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "clients-in", id="sgr-1"),
        resource("aws:lb/loadBalancer:LoadBalancer", "lb", id="arn:lb", arn="arn:lb"),
        resource(LISTENER, "listener", id="arn:listener", arn="arn:listener"),
        resource(TARGETS, "tg", id="arn:tg", arn="arn:tg"),
        resource("aws:autoscaling/group:Group", "service", id="nft-group", name="nft-group"),
        resource("aws:autoscaling/policy:Policy", "cpu", id="nft-cpu", name="nft-cpu"),
        resource("aws:ec2/launchTemplate:LaunchTemplate", "service", id="lt-1", latestVersion=2.0),
        resource("eps-dos:index:Rollout", "rollout", id="nft-group", launchTemplateVersion="2"),
        resource("aws:iam/role:Role", "service", id="nft-role", name="nft-role"),
        resource("aws:iam/rolePolicy:RolePolicy", "service", id="nft-role:own", name="own", role="nft-role"),
    ],
)

WAY_IN = SecurityRule(id="sgr-1", inbound=True, protocol="tcp", from_port=443, to_port=443, peer="pl-1")
MEMBER = Member(id="i-1", zone="a", lifecycle="InService", template_id="lt-1", template_version="2")
GROUP = ScalingGroup(
    name="nft-group", minimum=1, maximum=1, desired=1,
    template_id="lt-1", template_version="2", subnet_ids=(), target_group_arns=("arn:tg",), members=(MEMBER,),
    policies={"nft-cpu": {}}, schedules={}, tags={},
)  # fmt: skip
BALANCER = LoadBalancer(
    arn="arn:lb", name="nft-lb", dns_name="", addresses={}, subnet_ids={},
    security_group_ids=("sg-1",), attributes={"a": "1", "deletion_protection.enabled": "false"},
    listeners=(Listener(arn="arn:listener", protocol="TCP", port=443, target_group_arns=("arn:tg",)),), tags={},
)  # fmt: skip
TARGET_GROUP = TargetGroup(
    arn="arn:tg", name="nft-tg", port=443,
    health_check={"HealthCheckTimeoutSeconds": 10}, attributes={"stickiness.enabled": "false"},
    targets=(Target(id="i-1", port=443, state="healthy"),), tags={},
)  # fmt: skip
TEMPLATE = LaunchTemplate(
    id="lt-1",
    name="nft",
    versions=(
        TemplateVersion(number=1, default=False, data={"InstanceType": "t4g.small", "EbsOptimized": True}),
        TemplateVersion(number=2, default=True, data={"InstanceType": "c7g.large", "EbsOptimized": True}),
    ),
    tags={},
)
ROLE = Role(name="nft-role", inline={"own": {}}, attached=(), tags={}, boundary_arn=None)
INSTANCE = Instance(
    id="i-1", image_id="ami-1", image_name="", public_ip=None,
    tokens_required=True, tags={},
)  # fmt: skip
AS_MADE = replace(
    NOTHING,
    security_groups=(SecurityGroup(id="sg-1", name="nft", rules=(WAY_IN,), tags={}),),
    load_balancers=(BALANCER,),
    target_groups=(TARGET_GROUP,),
    scaling_groups=(GROUP,),
    instances=(INSTANCE,),
    launch_templates=(TEMPLATE,),
    roles=(ROLE,),
)


def told(found: Inventory) -> list[tuple[str, str, Value, Value]]:
    """Return (type, path, Live's, the mirror's) of what the mirror's state doesn't know."""
    seen = Seen(side="mirror", state=STATE, refreshed=STATE, inventory=found)
    return [(one.type.rsplit(":", 1)[-1], one.path, one.left, one.right) for one in unknown(seen)]


def test_of_what_the_state_knows_nothing_is_told() -> None:
    assert told(AS_MADE) == []


SSH = replace(WAY_IN, id="sgr-2", from_port=22, to_port=22, peer="0.0.0.0/0")
ALL_OUT = replace(WAY_IN, id="sgr-3", inbound=False, protocol="-1", from_port=-1, to_port=-1, peer="0.0.0.0/0")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"security_groups": (replace(AS_MADE.security_groups[0], rules=(WAY_IN, SSH, ALL_OUT)),)},
            [
                ("SecurityGroup", "ingress[]", ABSENT, "tcp 22 from 0.0.0.0/0 (sgr-2)"),
                ("SecurityGroup", "egress[]", ABSENT, "everything to 0.0.0.0/0 (sgr-3)"),
            ],
        ),
        (
            {
                "load_balancers": (
                    replace(
                        BALANCER,
                        listeners=(
                            *BALANCER.listeners,
                            Listener(arn="arn:2", protocol="TCP", port=80, target_group_arns=()),
                        ),
                    ),
                )
            },
            [("LoadBalancer", "listeners[]", ABSENT, "TCP 80")],
        ),
        (
            {
                "target_groups": (
                    replace(
                        TARGET_GROUP,
                        targets=(
                            *TARGET_GROUP.targets,
                            Target(id="i-9", port=443, state="healthy"),
                            Target(id="i-8", port=443, state="draining"),
                        ),
                    ),
                )
            },
            [("TargetGroup", "targets[]", ABSENT, "i-9, port 443")],
        ),
        (
            {"scaling_groups": (replace(GROUP, policies={"nft-cpu": {}, "mine": {}}, schedules={"night": {}}),)},
            [("Group", "policies[]", ABSENT, "mine"), ("Group", "schedules[]", ABSENT, "night")],
        ),
        (
            {"roles": (replace(ROLE, inline={"own": {}, "more": {"Statement": []}}, attached=("arn:admin",)),)},
            [
                ("Role", "inlinePolicies.more", ABSENT, {"Statement": []}),
                ("Role", "attachedPolicies[]", ABSENT, "arn:admin"),
            ],
        ),
    ],
    ids=["rules", "listener", "target", "scaling", "role"],
)
def test_what_somebody_added_is_told_where_it_hangs(
    change: dict[str, Any], expected: list[tuple[str, str, Value, Value]]
) -> None:
    assert told(replace(AS_MADE, **change)) == expected


def test_what_is_tagged_and_in_no_state_is_told_but_for_what_ends_with_something_else() -> None:
    things = (
        Leftover(kind="security group", id="sg-1", by="tags"),
        Leftover(kind="volume", id="vol-1", by="tags", reason="ends with its instance"),
        Leftover(kind="topic", id="arn:mine", by="tags"),
    )
    (found,) = unknown(Seen(side="live", state=STATE, refreshed=STATE, inventory=AS_MADE, things=things))
    assert (found.type, found.left, found.right) == ("topic", "arn:mine", ABSENT)
    comparison = Comparison(level=Level.actual, resources=1, differences=(found,), notes=("in no state",))
    assert "topic arn:mine: only in live (in no state)" in as_text([comparison], "live", "nft")


def test_a_version_that_nobody_uses_is_told_as_that() -> None:
    versions = (*TEMPLATE.versions, TemplateVersion(number=3, default=False, data={}))
    assert told(replace(AS_MADE, launch_templates=(replace(TEMPLATE, versions=versions),))) == [
        ("LaunchTemplate", "versions[]", ABSENT, "3, made after the last up")
    ]


@pytest.mark.parametrize(
    "group",
    [
        replace(GROUP, template_version="1"),
        replace(GROUP, members=(MEMBER, replace(MEMBER, id="i-2", template_version="1"))),
    ],
    ids=["by the group", "by an instance"],
)
def test_a_version_that_is_used_and_was_not_rolled_out_is_told_by_what_it_has_otherwise(group: ScalingGroup) -> None:
    instances = (INSTANCE, replace(INSTANCE, id="i-2"))
    assert told(replace(AS_MADE, scaling_groups=(group,), instances=instances[: len(group.members)])) == [
        ("LaunchTemplate", "version", AS_DEPLOYED, "1 is used, 2 was deployed"),
        ("LaunchTemplate", "instanceType", AS_DEPLOYED, "t4g.small in version 1, which is used"),
    ]


def test_what_looks_like_a_secret_is_in_no_value_and_in_no_note() -> None:
    data = base64.b64encode(b"export API_KEY=AKIAIOSFODNN7EXAMPLE").decode()
    versions = (*TEMPLATE.versions, TemplateVersion(number=3, default=False, data={"UserData": data}))
    group = replace(GROUP, template_version="3")
    found = told(replace(AS_MADE, launch_templates=(replace(TEMPLATE, versions=versions),), scaling_groups=(group,)))
    assert ("LaunchTemplate", "userData", AS_DEPLOYED, "export API_KEY=[secret] in version 3, which is used") in found
    tags = state("mirror").one(TARGETS, "nft-tg").inputs["tags"]
    assert isinstance(tags, dict)
    nft = seen("mirror", {(TARGETS, "tg"): {"tags": {**tags, "Password": "correct horse"}}})
    before = replace(nft, state=nft.refreshed, refreshed=nft.state)
    assert [one.note for one in drift(seen("live"), before)] == ["nft was changed: [secret] when deployed"]


def test_an_instance_on_its_way_out_may_be_of_an_earlier_version() -> None:
    leaving = replace(MEMBER, id="i-2", template_version="1", lifecycle="Terminating")
    assert told(replace(AS_MADE, scaling_groups=(replace(GROUP, members=(MEMBER, leaving)),))) == []


# --- What neither program says ---


def test_attributes_are_the_same_in_both_but_for_protection() -> None:
    live = Seen(side="live", state=STATE, refreshed=STATE, inventory=AS_MADE)
    balancer = replace(BALANCER, attributes={"a": "2", "deletion_protection.enabled": "true"})
    targets = replace(
        TARGET_GROUP, attributes={"stickiness.enabled": "true"}, health_check={"HealthCheckTimeoutSeconds": 6}
    )
    found = replace(AS_MADE, load_balancers=(balancer,), target_groups=(targets,))
    mirror = Seen(side="mirror", state=STATE, refreshed=STATE, inventory=found)
    assert list(unlike(live, live)) == []
    assert [(one.path, one.left, one.right) for one in unlike(live, mirror)] == [
        ("attributes.a", "1", "2"),
        ("attributes.stickiness.enabled", "false", "true"),
        ("healthCheck.HealthCheckTimeoutSeconds", 10, 6),
    ]
