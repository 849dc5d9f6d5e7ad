"""What the check fills in and refuses, and what a diff says: without AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import boto3
import pytest

from lab.provider import planning
from lab.provider.connection import Connection, decoded
from lab.provider.planning import Autonaming, Checked
from lab.provider.rows import ROWS
from lab.provider.wire import UNKNOWN
from tests.lab.provider.cases import CASES, TAGS, Case

VPC, GROUP, BALANCER = "aws:ec2/vpc:Vpc", "aws:ec2/securityGroup:SecurityGroup", "aws:lb/loadBalancer:LoadBalancer"
TEMPLATE, ROLE, RECORD = "aws:ec2/launchTemplate:LaunchTemplate", "aws:iam/role:Role", "aws:route53/record:Record"
TARGETS, RULE = "aws:lb/targetGroup:TargetGroup", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


@pytest.fixture(scope="module")
def connection() -> Connection:
    """A connection that nothing is asked of."""
    return Connection(boto3.Session(region_name="eu-west-2"), decoded({}), "eu-west-2", "123456789012")


def check(
    connection: Connection, token: str, news: Mapping[str, Any], olds: Mapping[str, Any] | None = None, **more: Any
) -> Checked:
    return planning.check(ROWS[token], "one", news, olds or {}, connection, b"seed", **more)


def reasons(checked: Checked) -> dict[str, str]:
    return {problem.path: problem.reason for problem in checked.problems}


def plan(
    token: str, before: Mapping[str, Any], news: Mapping[str, Any], state: Mapping[str, Any] | None = None
) -> tuple[set[str], set[str]]:
    """Return the paths that change, and those among them that replace."""
    found = planning.diff(ROWS[token], before, state or before, news)
    return {change.path for change in found.changes}, set(found.replacing)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_type_refuses_a_property_that_it_lacks(connection: Connection, case: Case) -> None:
    checked = check(connection, case.type, {**case.inputs, "nonsense": 1})
    assert reasons(checked) == {"nonsense": 'an argument named "nonsense" is not expected here'}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_type_refuses_a_value_of_the_wrong_type(connection: Connection, case: Case) -> None:
    name = next(iter(case.inputs), "tags")
    right = case.inputs.get(name, {})
    wrong: Any = "text" if isinstance(right, dict | list | bool) else [1]
    assert name in " ".join(reasons(check(connection, case.type, {**case.inputs, name: wrong})))


@pytest.mark.parametrize("token", [t for t, row in ROWS.items() if row.unimplemented])
def test_what_the_stand_in_lacks_is_said_and_never_ignored(connection: Connection, token: str) -> None:
    name = ROWS[token].unimplemented[0]
    case = next(case for case in CASES if case.type == token)
    found = reasons(check(connection, token, {**case.inputs, name: UNKNOWN}))
    assert found.get(name) == f"the lab's stand-in doesn't implement {name} of {token}"


def test_a_missing_required_argument_is_named_as_the_real_provider_does(connection: Connection) -> None:
    assert reasons(check(connection, ROLE, {})) == {
        "assumeRolePolicy": 'Missing required argument: The argument "assumeRolePolicy" is required, '
        "but no definition was found."
    }


def test_a_typing_error_gets_its_nearest_name(connection: Connection) -> None:
    assert reasons(check(connection, VPC, {"cidrBlok": "10.0.0.0/16"}))["cidrBlok"].endswith("did you mean cidrBlock?")


def test_true_and_numbers_may_be_texts_as_in_the_real_provider(connection: Connection) -> None:
    inputs = check(
        connection, TARGETS, {"port": "443", "protocol": "TCP", "vpcId": "v", "proxyProtocolV2": "true"}
    ).inputs
    assert (inputs["port"], inputs["proxyProtocolV2"]) == (443, True)


def test_defaults_name_region_and_tags_are_filled_in(connection: Connection) -> None:
    tagged = replace(connection, default_tags={"Project": "p", "Owner": "default"})
    inputs = check(tagged, GROUP, {"vpcId": "v", "tags": {"Owner": "own"}}).inputs
    assert inputs == {
        "vpcId": "v",
        "description": "Managed by Pulumi",
        "name": inputs["name"],
        "region": "eu-west-2",
        "revokeRulesOnDelete": False,
        "tags": {"Owner": "own"},
        "tagsAll": {"Owner": "own", "Project": "p"},
        "__defaults": ["description", "name", "revokeRulesOnDelete"],
    }


def test_a_made_up_name_has_seven_characters_of_the_seed_and_is_kept(connection: Connection) -> None:
    first = check(connection, ROLE, {"assumeRolePolicy": "{}"}).inputs
    prefix, made_up = first["name"].split("-")
    assert (prefix, len(made_up)) == ("one", 7)
    again = planning.check(ROWS[ROLE], "one", {"assumeRolePolicy": "{}"}, first, connection, b"another seed")
    assert again.inputs["name"] == first["name"]
    replacement = planning.check(ROWS[ROLE], "one", {"assumeRolePolicy": "{}"}, {}, connection, b"another seed")
    assert replacement.inputs["name"] != first["name"]


def test_a_given_name_or_prefix_is_used(connection: Connection) -> None:
    assert check(connection, GROUP, {"name": "mine"}).inputs["name"] == "mine"
    assert "name" not in check(connection, GROUP, {"namePrefix": "mine-"}).inputs
    assert reasons(check(connection, GROUP, {"name": "a", "namePrefix": "b"}))["namePrefix"].startswith("Conflicting")


def test_a_name_that_gets_too_long_is_refused(connection: Connection) -> None:
    long = "n" * 25
    found = planning.check(
        ROWS[TARGETS], long, {"port": 1, "protocol": "TCP", "vpcId": "v"}, {}, connection, b"seed"
    ).problems
    assert found[0].reason == f"name '{long}-' plus 7 random chars is longer than maximum length 32"


def test_the_engines_own_naming_is_followed(connection: Connection) -> None:
    assert check(connection, GROUP, {}, autonaming=Autonaming(proposed="proposed")).inputs["name"] == "proposed"
    assert "name" in reasons(check(connection, GROUP, {}, autonaming=Autonaming(disabled=True)))


BASE = {
    "loadBalancerType": "network",
    "securityGroups": ["sg-1"],
    "subnetMappings": [{"subnetId": "a", "allocationId": "1"}, {"subnetId": "b", "allocationId": "2"}],
}


@pytest.mark.parametrize(
    ("news", "replaces"),
    [
        ({"subnetMappings": [*BASE["subnetMappings"], {"subnetId": "c", "allocationId": "3"}]}, False),
        ({"subnetMappings": list(reversed(BASE["subnetMappings"]))}, None),
        ({"subnetMappings": [{"subnetId": "a", "allocationId": "1"}]}, True),
        ({"subnetMappings": [{"subnetId": "a", "allocationId": "9"}, BASE["subnetMappings"][1]]}, True),
        ({"subnetMappings": [BASE["subnetMappings"][0], {"subnetId": "c", "allocationId": "2"}]}, True),
        ({"securityGroups": ["sg-2"]}, False),
        ({"securityGroups": []}, True),
        ({"enableDeletionProtection": True}, False),
        ({"loadBalancerType": "gateway"}, True),
    ],
)  # fmt: skip
def test_a_load_balancer_is_replaced_for_what_cannot_be_added(news: dict[str, Any], replaces: bool | None) -> None:
    """None: no change at all."""
    changed, replacing = plan(BALANCER, BASE, {**BASE, **news})
    assert (bool(changed), bool(replacing)) == (replaces is not None, bool(replaces))


def test_a_first_security_group_replaces_a_load_balancer() -> None:
    without = {"loadBalancerType": "network"}
    assert plan(BALANCER, without, {**without, "securityGroups": ["sg-1"]})[1] == {"securityGroups"}


def test_the_kind_of_a_rules_source_replaces_and_its_value_does_not() -> None:
    rule = {"ipProtocol": "tcp", "cidrIpv4": "192.0.2.0/24"}
    assert plan(RULE, rule, {**rule, "cidrIpv4": "198.51.100.0/24"})[1] == set()
    assert plan(RULE, rule, {"ipProtocol": "tcp", "prefixListId": "pl-1"})[1] == {"cidrIpv4", "prefixListId"}


@pytest.mark.parametrize(
    ("token", "name"),
    [
        ("aws:ec2/eip:Eip", "domain"),
        ("aws:ec2/eip:Eip", "publicIpv4Pool"),
        ("aws:ec2/managedPrefixList:ManagedPrefixList", "addressFamily"),
        (TARGETS, "protocol"),
        (TARGETS, "vpcId"),
        (RECORD, "name"),
        (RECORD, "zoneId"),
        ("aws:autoscaling/group:Group", "name"),
        ("aws:s3/bucketPolicy:BucketPolicy", "bucket"),
        ("aws:ec2/internetGateway:InternetGateway", "region"),
    ],
)
def test_what_the_real_provider_replaces_for(token: str, name: str) -> None:
    assert plan(token, {name: "one.example"}, {name: "other.example"}) == ({name}, {name})


def test_a_name_that_is_kept_must_be_free_before_it_is_used_again() -> None:
    chosen = {"name": "mine", "path": "/", "__defaults": []}
    made_up = {"name": "mine-1234567", "path": "/", "__defaults": ["name"]}
    moved = {"path": "/other/"}
    assert planning.diff(ROWS[ROLE], chosen, chosen, {**chosen, **moved}).delete_before_replace
    assert not planning.diff(ROWS[ROLE], made_up, made_up, {**made_up, **moved}).delete_before_replace


def test_ignored_changes_are_none() -> None:
    before = {"tags": {"a": "1", "b": "2"}, "tagsAll": {"a": "1", "b": "2"}, "cidrBlock": "10.0.0.0/16"}
    news = {"tags": {"a": "9", "b": "2"}, "tagsAll": {"a": "9", "b": "2"}, "cidrBlock": "10.1.0.0/16"}
    found = planning.diff(ROWS[VPC], before, before, news, ["tags.a", "tagsAll", "cidrBlock"])
    assert found.changes == []


def test_what_aws_decides_stays_when_the_program_stops_saying_it() -> None:
    group = "aws:autoscaling/group:Group"
    assert plan(group, {"desiredCapacity": 3, "maxSize": 3}, {"maxSize": 3}) == (set(), set())


def test_a_preview_of_a_create_knows_what_the_program_says_and_nothing_of_awss() -> None:
    planned = planning.planned_create(ROWS["aws:ec2/eip:Eip"], {"tags": TAGS, "__defaults": []})
    assert planned["tags"] == TAGS
    assert {planned[name] for name in ("allocationId", "publicIp", "arn", "domain")} == {UNKNOWN}
    assert "__defaults" not in planned


def test_a_preview_of_a_new_version_does_not_know_its_number() -> None:
    before = {"instanceType": "t3.micro", "updateDefaultVersion": True}
    state = {**before, "latestVersion": 1, "defaultVersion": 1, "arn": "arn"}
    news = {**before, "instanceType": "t3.small"}
    changes = planning.diff(ROWS[TEMPLATE], before, state, news).changes
    planned = planning.planned_update(ROWS[TEMPLATE], before, state, news, changes)
    assert planned == {**news, "latestVersion": UNKNOWN, "defaultVersion": UNKNOWN, "arn": "arn"}
