"""What recorded calls need of a policy."""

from __future__ import annotations

from tests.conformance.calls import iam_actions, not_allowed

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["ec2:Describe*", "s3:ListBucket"], "Resource": "*"},
        {
            "Effect": "Allow", "Action": "ec2:CreateVpc", "Resource": "arn:aws:ec2:*:*:vpc/*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-2"}},
        },
        {"Effect": "Deny", "Action": "ec2:DescribeImages", "Resource": "arn:aws:ec2:*:*:image/*"},
    ],
}  # fmt: skip


def test_actions_are_iams_and_not_the_apis() -> None:
    assert iam_actions(["s3.HeadBucket", "elbv2.SetSubnets", "ec2.CreateVpc"]) == {
        "s3:ListBucket",
        "elasticloadbalancing:SetSubnets",
        "ec2:CreateVpc",
    }


def test_what_no_statement_allows_is_named_and_who_one_is_needs_no_permission() -> None:
    actions = iam_actions(
        ["ec2.CreateVpc", "ec2.DescribeVpcs", "ec2.DeleteVpc", "s3.ListObjectsV2", "sts.GetCallerIdentity"]
    )
    assert not_allowed(actions, POLICY, {"aws:RequestedRegion": ["eu-west-2"]}) == ("ec2:DeleteVpc",)
    assert not_allowed(actions, POLICY, {"aws:RequestedRegion": ["us-east-1"]}) == ("ec2:CreateVpc", "ec2:DeleteVpc")


def test_what_is_denied_is_not_allowed() -> None:
    assert not_allowed(["ec2:DescribeImages"], POLICY, {}) == ("ec2:DescribeImages",)


def test_what_is_denied_on_all_but_its_own_is_allowed_on_its_own() -> None:
    spared = {"Effect": "Deny", "Action": "ec2:Create*", "NotResource": "arn:aws:ec2:*:*:vpc/own"}
    guarded = {**POLICY, "Statement": [*POLICY["Statement"], spared]}
    assert not_allowed(["ec2:CreateVpc"], guarded, {"aws:RequestedRegion": ["eu-west-2"]}) == ()
