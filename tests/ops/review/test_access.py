"""Access that a change widens is found; what narrows it, or only says it otherwise, isn't."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import Any

import pytest

from infra.types import EGRESS, INGRESS, LOAD_BALANCER, PREFIX_LIST, PUBLIC_ACCESS_BLOCK
from ops.review.access import widened
from tests.ops.review.plans import UNKNOWN_TEXT, plan, state, step

BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"


def of(type_: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> tuple[str, ...]:
    """Return what a change of one resource widens."""
    operation = "create" if before is None else "delete" if after is None else "update"
    states = [None if one is None else state(one) for one in (before, after)]
    (change,) = plan(step(operation, type_, "live-x", states[0], states[1])).changes
    return widened(change, {IPv4Network("203.0.113.0/27"): ["New Prescribing"]})


def entries(*cidrs: str) -> dict[str, Any]:
    return {"entries": [{"cidr": cidr, "description": f"of {cidr}"} for cidr in cidrs]}


def rule(**changes: Any) -> dict[str, Any]:
    return {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "192.0.2.0/28", **changes}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"policy": json.dumps({"Version": "2012-10-17", "Statement": list(statements)})}


def allow(action: Any = "s3:GetObject", who: Any = "arn:aws:iam::1:role/a", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": who}, "Action": action, "Resource": "arn:aws:s3:::b/*", **more}


DENY_HTTP = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
             "Condition": {"Bool": {"aws:SecureTransport": "false"}}}  # fmt: skip

ARN_CONDITION = {"ArnLike": {"aws:PrincipalArn": ["arn:a", "arn:b"]}}
FEWER = {"ArnLike": {"aws:PrincipalArn": ["arn:a"]}}
MORE = {"ArnLike": {"aws:PrincipalArn": ["arn:a", "arn:b", "arn:c"]}}

WIDENED: list[tuple[str, dict[str, Any] | None, dict[str, Any] | None, str]] = [
    (PREFIX_LIST, entries("192.0.2.0/28"), entries("192.0.2.0/28", "203.0.113.0/27"), "27 (New Prescribing)"),
    (PREFIX_LIST, entries("192.0.2.0/28"), entries("192.0.2.0/24"), "admits 192.0.2.0/24"),
    (PREFIX_LIST, entries("192.0.2.0/28"), {"entries": UNKNOWN_TEXT}, "known only after"),
    (INGRESS, None, rule(), "opens tcp 443 to or from 192.0.2.0/28"),
    (INGRESS, rule(), rule(toPort=8443), "opens tcp 443-8443"),
    (INGRESS, rule(), rule(cidrIpv4="192.0.0.0/16"), "192.0.0.0/16"),
    (INGRESS, rule(), rule(ipProtocol="-1"), "opens -1"),
    (EGRESS, rule(), rule(prefixListId="pl-1", cidrIpv4=None), "pl-1"),
    (LOAD_BALANCER, {"securityGroups": ["sg-1"]}, {"securityGroups": ["sg-1", "sg-2"]}, "whom the security group sg-2"),
    (PUBLIC_ACCESS_BLOCK, {"blockPublicAcls": True}, {"blockPublicAcls": False}, "no longer blocks public access"),
    (BUCKET_POLICY, policy(allow()), policy(allow(["s3:GetObject", "s3:PutObject"])), "allows s3:PutObject"),
    (BUCKET_POLICY, policy(allow()), policy(allow("s3:*")), "allows s3:*"),
    (BUCKET_POLICY, policy(allow()), policy(allow(who="*")), "to AWS *"),
    (BUCKET_POLICY, policy(allow(), DENY_HTTP), policy(allow()), "no longer denies s3:*"),
    (BUCKET_POLICY, policy(allow(Condition=ARN_CONDITION)), policy(allow(Condition=MORE)), "arn:c"),
    (BUCKET_POLICY, policy(allow(Condition=ARN_CONDITION)), policy(allow()), "allows s3:GetObject"),
    (BUCKET_POLICY, policy(allow()), {"policy": UNKNOWN_TEXT}, "known only after"),
    (ROLE_POLICY, None, policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}), "allows s3:* on *"),
    ("aws:iam/role:Role", {"assumeRolePolicy": policy(allow())["policy"]},
     {"assumeRolePolicy": policy(allow(who=["arn:aws:iam::1:role/a", "arn:aws:iam::2:root"]))["policy"]},
     "iam::2:root"),
    ("aws:ec2/vpcEndpoint:VpcEndpoint", policy(allow()), {"policy": None}, "loses its policy"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "before", "after", "said"), WIDENED)
def test_widened_access_is_found(
    type_: str, before: dict[str, Any] | None, after: dict[str, Any] | None, said: str
) -> None:
    found = of(type_, before, after)
    assert len(found) == 1
    assert said in found[0]


NOT_WIDENED: list[tuple[str, dict[str, Any] | None, dict[str, Any] | None]] = [
    (PREFIX_LIST, entries("192.0.2.0/28", "203.0.113.0/27"), entries("203.0.113.0/27")),
    (PREFIX_LIST, entries("192.0.2.0/24"), entries("192.0.2.16/28")),
    (PREFIX_LIST, None, entries("192.0.2.0/28")),
    (INGRESS, rule(), rule(description="other words")),
    (INGRESS, rule(fromPort=400, toPort=500), rule()),
    (INGRESS, rule(), rule(cidrIpv4="192.0.2.0/30")),
    (INGRESS, rule(), None),
    (BUCKET_POLICY, policy(allow(["s3:GetObject", "s3:PutObject"])), policy(allow())),
    (BUCKET_POLICY, policy(allow("s3:*")), policy(allow("s3:GetObject"))),
    (BUCKET_POLICY, policy(allow(["a:B", "c:D"])), policy(allow("c:D"), allow("a:B"))),
    (BUCKET_POLICY, policy(allow()), policy(allow(), DENY_HTTP)),
    (BUCKET_POLICY, policy(allow(Condition=ARN_CONDITION)), policy(allow(Condition=FEWER))),
    (BUCKET_POLICY, policy(allow()), policy(allow(Condition=FEWER))),
    (LOAD_BALANCER, {"securityGroups": ["sg-1", "sg-2"]}, {"securityGroups": ["sg-1"]}),
    (PUBLIC_ACCESS_BLOCK, {"blockPublicAcls": False}, {"blockPublicAcls": True}),
    ("aws:ec2/subnet:Subnet", {}, {"cidrIpv4": "0.0.0.0/0"}),
]


@pytest.mark.parametrize(("type_", "before", "after"), NOT_WIDENED)
def test_what_narrows_access_or_says_the_same_is_not_found(
    type_: str, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    assert of(type_, before, after) == ()
