"""What must hold of a graph: each rule with what keeps it and what breaks it."""

import importlib
import inspect
from dataclasses import replace
from typing import Any

import pytest

from infra import rules
from infra.graph import UNKNOWN, Graph, Resource
from infra.recording import record
from tests.infra.sample import environment

INGRESS = rules.INGRESS
TEMPLATE = rules.LAUNCH_TEMPLATE
BUCKET = rules.BUCKET
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"


@pytest.fixture(scope="module")
def recorded() -> Graph:
    return record(environment())


def changed(graph: Graph, type_: str, name: str, /, **inputs: Any) -> Graph:
    """Return `graph` with properties of one resource replaced."""
    resource = graph.one(type_, name)
    broken = replace(resource, inputs={**resource.inputs, **inputs})
    return Graph.of(graph.stack, [broken if one is resource else one for one in graph])


def without(graph: Graph, type_: str) -> Graph:
    """Return `graph` without the resources of a type."""
    return Graph.of(graph.stack, [one for one in graph if one.type != type_])


def broken_rules(graph: Graph) -> dict[str, str]:
    """Return rule -> message of the first that breaks it."""
    found: dict[str, str] = {}
    for violation in rules.violations(graph):
        found.setdefault(violation.rule, violation.message)
    return found


def test_the_program_breaks_none(recorded: Graph) -> None:
    assert rules.violations(recorded) == ()


ONE_FAULT: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("tagged", "aws:ec2/vpc:Vpc", "live-vpc", {"tags": {}}, "lacks the tags CostCentre"),
    ("tagged", rules.GROUP, "live-service", {"tags": []}, "lacks the tags CostCentre"),
    ("tagged", TEMPLATE, "live-service", {"tagSpecifications": []}, "what it launches (instance): lacks the tags"),
    ("only-443", INGRESS, "live-clients-in", {"fromPort": 22, "toPort": 22}, "opens tcp 22-22"),
    ("only-443", INGRESS, "live-clients-in", {"ipProtocol": "-1"}, "opens -1 443-443"),
    ("only-443", rules.EGRESS, "live-service-out-s3", {"toPort": 65535}, "opens tcp 443-65535"),
    ("only-443", "aws:lb/listener:Listener", "live-listener", {"port": 80}, "listens on TCP 80"),
    ("only-443", "aws:ec2/securityGroup:SecurityGroup", "live-service", {"egress": [{}]}, "has rules inside it"),
    ("not-open-to-the-world", INGRESS, "live-clients-in", {"cidrIpv4": "0.0.0.0/0"}, "admits 0.0.0.0/0"),
    ("not-open-to-the-world", INGRESS, "live-clients-in", {"cidrIpv6": "::/0"}, "admits ::/0"),
    ("not-open-to-the-world", "aws:ec2/managedPrefixList:ManagedPrefixList", "live-clients",
     {"entries": [{"cidr": "0.0.0.0/0"}]}, "admits 0.0.0.0/0"),
    ("no-public-instances", "aws:ec2/subnet:Subnet", "live-private-eu-west-2a", {"mapPublicIpOnLaunch": True},
     "gives what starts in it a public address"),
    ("no-public-instances", TEMPLATE, "live-service", {"networkInterfaces": []}, "doesn't refuse a public address"),
    ("private-buckets", BLOCK, "live-dataset", {"blockPublicPolicy": False}, "leaves blockPublicPolicy off"),
    ("encrypted", TEMPLATE, "live-service", {"blockDeviceMappings": []}, "names no volume"),
    ("encrypted", TEMPLATE, "live-service",
     {"blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"encrypted": "false"}}]},
     "doesn't encrypt the volume /dev/xvda"),
    ("versioned", "aws:s3/bucketVersioning:BucketVersioning", "live-dataset",
     {"versioningConfiguration": {"status": "Suspended"}}, "keeps no versions"),
    ("tls-only", "aws:s3/bucketPolicy:BucketPolicy", "live-dataset", {"policy": '{"Statement": []}'},
     "may be spoken to without TLS"),
    ("imds-v2", TEMPLATE, "live-service", {"metadataOptions": {"httpTokens": "optional"}}, "without a token"),
    ("names-fit", "aws:lb/loadBalancer:LoadBalancer", "live-lb", {"name": "x" * 33}, "33 characters; AWS takes 32"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "type_", "name", "inputs", "message"), ONE_FAULT)
def test_one_fault_breaks_one_rule(
    recorded: Graph, rule: str, type_: str, name: str, inputs: dict[str, Any], message: str
) -> None:
    broken = broken_rules(changed(recorded, type_, name, **inputs))
    assert list(broken) == [rule]
    assert message in broken[rule]


@pytest.mark.parametrize(
    ("rule", "type_"),
    [
        ("private-buckets", BLOCK),
        ("encrypted", "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"),
        ("versioned", "aws:s3/bucketVersioning:BucketVersioning"),
        ("tls-only", "aws:s3/bucketPolicy:BucketPolicy"),
    ],
)
def test_a_setting_that_is_missing_breaks_the_rule_as_a_wrong_one_does(recorded: Graph, rule: str, type_: str) -> None:
    assert list(broken_rules(without(recorded, type_))) == [rule]


def test_another_environments_tag_is_found(recorded: Graph) -> None:
    vpc = recorded.one("aws:ec2/vpc:Vpc", "live-vpc")
    tags = {**vpc.inputs["tags"], "Environment": "nft"}  # type: ignore[dict-item]  # a mapping, as the program gives it
    assert "tagged Environment=nft; it belongs to live" in broken_rules(
        changed(recorded, "aws:ec2/vpc:Vpc", "live-vpc", tags=tags)
    )["tagged"]  # fmt: skip


def test_a_policy_that_is_not_known_yet_is_no_violation(recorded: Graph) -> None:
    unknown = changed(recorded, "aws:s3/bucketPolicy:BucketPolicy", "live-dataset", policy=UNKNOWN)
    assert rules.violations(unknown) == ()


def test_a_made_up_name_is_measured_with_what_pulumi_adds(recorded: Graph) -> None:
    long = Resource(
        urn="urn:pulumi:live::eps-dos-api::aws:lb/targetGroup:TargetGroup::" + "x" * 25,
        type="aws:lb/targetGroup:TargetGroup",
        inputs={"tags": recorded.one("aws:ec2/vpc:Vpc", "live-vpc").inputs["tags"]},
        outputs={},
    )
    assert "33 characters" in broken_rules(Graph.of("live", [long]))["names-fit"]


def test_every_rule_has_a_case_that_breaks_it() -> None:
    assert {rule.name for rule in rules.RULES} == {rule for rule, *_ in ONE_FAULT}


def test_every_type_of_the_program_that_takes_tags_is_held_to_them(recorded: Graph) -> None:
    """The provider's classes say which types take a map of tags; the list in the rules can't fall behind them."""
    for type_ in {one.type for one in recorded if one.type.startswith("aws:")}:
        module_name, class_name = type_.removeprefix("aws:").split("/")[0], type_.rsplit(":", 1)[-1]
        resource_class = getattr(importlib.import_module(f"pulumi_aws.{module_name}"), class_name)
        takes_tags = "tags" in inspect.signature(resource_class._internal_init).parameters
        assert (type_ in rules.TAGGABLE or type_ == rules.GROUP) == takes_tags, type_
