"""A template of roles, policies and a bucket: made as AWS makes it, brought up to date, refused where AWS refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator

STATEMENT = {"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"}
TRUST = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
POLICY_ARN = "arn:aws:iam::123456789012:policy/reading"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def template(action: str = "ec2:DescribeVpcs", session: int = 7200, **resources: Any) -> str:
    bucket = {"Fn::Sub": "arn:${AWS::Partition}:s3:::${Bucket}/*"}
    secure = {"Bool": {"aws:SecureTransport": "false"}}
    made: dict[str, Any] = {
        "Provider": {
            "Type": "AWS::IAM::OIDCProvider",
            "Properties": {"Url": "https://token.example", "ClientIdList": ["sts.amazonaws.com"]},
        },
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "Properties": {
                "BucketName": "states-1",
                "VersioningConfiguration": {"Status": "Enabled"},
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "RestrictPublicBuckets": False},
            },
        },
        "BucketPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "Bucket"},
                "PolicyDocument": document(
                    {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": bucket, "Condition": secure}
                ),
            },
        },
        "Reading": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"ManagedPolicyName": "reading", "PolicyDocument": document({**STATEMENT, "Action": action})},
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": "looking",
                "AssumeRolePolicyDocument": document(TRUST),
                "ManagedPolicyArns": [{"Ref": "Reading"}],
                "MaxSessionDuration": session,
                "Policies": [{"PolicyName": "own", "PolicyDocument": document(STATEMENT)}],
                "Tags": [{"Key": "Environment", "Value": "live"}],
            },
        },
        **resources,
    }
    return json.dumps({"Resources": made, "Outputs": {"Provider": {"Value": {"Ref": "Provider"}}}})


def deploy(emulator: RunningEmulator, body: str, *capabilities: str) -> dict[str, Any]:
    client = emulator.client("cloudformation")
    there = bool(client.describe_stacks()["Stacks"])
    made = client.create_change_set(
        StackName="account",
        ChangeSetName="deploy",
        ChangeSetType="UPDATE" if there else "CREATE",
        TemplateBody=body,
        Capabilities=list(capabilities),
    )
    client.execute_change_set(ChangeSetName=made["Id"])
    stack: dict[str, Any] = client.describe_stacks(StackName="account")["Stacks"][0]
    return stack


NAMED_IAM = "CAPABILITY_NAMED_IAM"


def test_what_the_template_says_is_made(emulator: RunningEmulator) -> None:
    stack = deploy(emulator, template(), NAMED_IAM)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    provider = "arn:aws:iam::123456789012:oidc-provider/token.example"
    assert stack["Outputs"][0]["OutputValue"] == provider
    iam, s3 = emulator.client("iam"), emulator.client("s3")
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)["ClientIDList"] == ["sts.amazonaws.com"]
    role = iam.get_role(RoleName="looking")["Role"]
    assert (role["MaxSessionDuration"], role["Tags"]) == (7200, [{"Key": "Environment", "Value": "live"}])
    assert iam.get_role_policy(RoleName="looking", PolicyName="own")["PolicyDocument"] == document(STATEMENT)
    attached = iam.list_attached_role_policies(RoleName="looking")["AttachedPolicies"]
    assert [one["PolicyArn"] for one in attached] == [POLICY_ARN]
    assert s3.get_bucket_versioning(Bucket="states-1")["Status"] == "Enabled"
    assert s3.get_bucket_ownership_controls(Bucket="states-1")["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": "BucketOwnerEnforced"}
    ]
    block = s3.get_public_access_block(Bucket="states-1")["PublicAccessBlockConfiguration"]
    assert (block["BlockPublicAcls"], block["RestrictPublicBuckets"]) == (True, False)
    policy = json.loads(s3.get_bucket_policy(Bucket="states-1")["Policy"])
    assert policy["Statement"][0]["Resource"] == "arn:aws:s3:::states-1/*"


def test_a_changed_template_changes_what_is_there(emulator: RunningEmulator) -> None:
    deploy(emulator, template(), NAMED_IAM)
    deploy(emulator, template("ec2:DescribeSubnets", 3600), NAMED_IAM)
    iam = emulator.client("iam")
    role = iam.get_role(RoleName="looking")["Role"]
    assert (role["MaxSessionDuration"], role["Tags"]) == (3600, [{"Key": "Environment", "Value": "live"}])
    version = iam.get_policy(PolicyArn=POLICY_ARN)["Policy"]["DefaultVersionId"]
    there = iam.get_policy_version(PolicyArn=POLICY_ARN, VersionId=version)["PolicyVersion"]["Document"]
    assert (version, there["Statement"][0]["Action"]) == ("v2", "ec2:DescribeSubnets")


def test_a_change_set_without_changes_has_failed(emulator: RunningEmulator) -> None:
    deploy(emulator, template(), NAMED_IAM)
    client = emulator.client("cloudformation")
    again: Any = {"ChangeSetType": "UPDATE", "TemplateBody": template(), "Capabilities": [NAMED_IAM]}
    made = client.create_change_set(StackName="account", ChangeSetName="again", **again)
    assert client.describe_change_set(ChangeSetName=made["Id"])["Status"] == "FAILED"


@pytest.mark.parametrize(
    ("body", "capabilities", "words"),
    [
        (template(), (), "Requires capabilities : [CAPABILITY_NAMED_IAM]"),
        (template(Padding={"Type": "AWS::SNS::Topic", "Metadata": "x" * 51_200}), (NAMED_IAM,), "less than or equal"),
        (template(Other={"Type": "AWS::SAM::Thing"}), (NAMED_IAM,), "has no AWS::SAM::Thing"),
    ],
)
def test_what_aws_refuses_or_the_lab_lacks_is_refused(
    emulator: RunningEmulator, body: str, capabilities: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ClientError, match=words.replace("[", r"\[")):
        deploy(emulator, body, *capabilities)
