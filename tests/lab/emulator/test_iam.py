"""IAM refuses what AWS's refuses, and simulates policies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"},
        ],
    }
)
ROLE_ARN = "arn:aws:iam::123456789012:role/service"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::dataset/*"}
WRITE_NOWHERE = {"Effect": "Deny", "Action": ["s3:Put*", "s3:Delete*"], "Resource": "arn:aws:s3:::dataset*"}
SECURE = {"Bool": {"aws:SecureTransport": "true"}}


@pytest.fixture
def iam(emulator: RunningEmulator) -> Any:
    client = emulator.client("iam")
    client.create_role(RoleName="service", AssumeRolePolicyDocument=TRUST)
    return client


def test_a_role_keeps_its_tags_and_its_trust(iam: Any) -> None:
    iam.tag_role(RoleName="service", Tags=[{"Key": "Environment", "Value": "live"}])
    role = iam.get_role(RoleName="service")["Role"]
    assert (role["Tags"], role["AssumeRolePolicyDocument"]) == (
        [{"Key": "Environment", "Value": "live"}],
        json.loads(TRUST),
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"RoleName": "r" * 65}, "ValidationError"),
        ({"RoleName": "SERVICE"}, "EntityAlreadyExists"),
        ({"AssumeRolePolicyDocument": "{}"}, "MalformedPolicyDocument"),
    ],
)
def test_roles_that_aws_refuses_are_refused(iam: Any, changes: dict[str, str], code: str) -> None:
    with pytest.raises(ClientError, match=rf"\({code}\)"):
        iam.create_role(**{"RoleName": "other", "AssumeRolePolicyDocument": TRUST, **changes})


def test_the_inline_policies_of_a_role_have_a_quota_together(iam: Any) -> None:
    long = policy({**READ, "Resource": [f"arn:aws:s3:::dataset/{number:0100}" for number in range(50)]})
    iam.put_role_policy(RoleName="service", PolicyName="first", PolicyDocument=long)
    iam.put_role_policy(RoleName="service", PolicyName="first", PolicyDocument=long)
    with pytest.raises(ClientError, match=r"\(LimitExceeded\).*10240 bytes exceeded for role service"):
        iam.put_role_policy(RoleName="service", PolicyName="second", PolicyDocument=long)


def test_trust_and_managed_policies_have_a_longest_length_without_white_space(iam: Any) -> None:
    def of_length(length: int, statement: dict[str, Any]) -> str:
        short = json.dumps({"Id": "", "Statement": [statement], "Version": "2012-10-17"}, separators=(",", ":"))
        document = {"Id": "x" * (length - len(short)), "Statement": [statement], "Version": "2012-10-17"}
        return json.dumps(document, indent=2)

    trusted = json.loads(TRUST)["Statement"][0]
    iam.update_assume_role_policy(RoleName="service", PolicyDocument=of_length(2_048, trusted))
    with pytest.raises(ClientError, match=r"\(LimitExceeded\).*Cannot exceed quota for ACLSizePerRole: 2048"):
        iam.update_assume_role_policy(RoleName="service", PolicyDocument=of_length(2_049, trusted))
    with pytest.raises(ClientError, match="ACLSizePerRole: 2048"):
        iam.create_role(RoleName="other", AssumeRolePolicyDocument=of_length(2_049, trusted))
    fitting = of_length(6_144, READ)
    arn = iam.create_policy(PolicyName="fits", PolicyDocument=fitting)["Policy"]["Arn"]
    with pytest.raises(ClientError, match=r"\(LimitExceeded\).*Cannot exceed quota for PolicySize: 6144"):
        iam.create_policy(PolicyName="other", PolicyDocument=of_length(6_145, READ))
    with pytest.raises(ClientError, match="PolicySize: 6144"):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=of_length(6_145, READ), SetAsDefault=True)


def test_a_role_in_use_is_not_deleted(iam: Any) -> None:
    iam.put_role_policy(RoleName="service", PolicyName="read", PolicyDocument=policy(READ))
    iam.create_instance_profile(InstanceProfileName="service")
    iam.add_role_to_instance_profile(InstanceProfileName="service", RoleName="service")
    with pytest.raises(ClientError, match=r"\(DeleteConflict\).*remove roles from instance profile"):
        iam.delete_role(RoleName="service")
    iam.remove_role_from_instance_profile(InstanceProfileName="service", RoleName="service")
    with pytest.raises(ClientError, match=r"\(DeleteConflict\).*delete policies"):
        iam.delete_role(RoleName="service")
    iam.delete_role_policy(RoleName="service", PolicyName="read")
    iam.delete_role(RoleName="service")


def test_instance_profiles_have_ids_and_names_as_in_aws(iam: Any) -> None:
    profile = iam.create_instance_profile(InstanceProfileName="Service")["InstanceProfile"]
    assert profile["InstanceProfileId"].startswith("AIPA")
    assert len(profile["InstanceProfileId"]) == 21
    with pytest.raises(ClientError, match=r"\(EntityAlreadyExists\)"):
        iam.create_instance_profile(InstanceProfileName="service")


def test_policies_that_aws_manages_can_be_attached(iam: Any) -> None:
    arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    iam.attach_role_policy(RoleName="service", PolicyArn=arn)
    simulated = iam.simulate_principal_policy(PolicySourceArn=ROLE_ARN, ActionNames=["ssm:UpdateInstanceInformation"])
    result = simulated["EvaluationResults"][0]
    assert (result["EvalDecision"], result["MatchedStatements"][0]["SourcePolicyType"]) == ("allowed", "aws-managed")


def simulate(iam: Any, *actions: str, resources: tuple[str, ...] = (), **settings: Any) -> dict[tuple[str, str], str]:
    asked = {"ResourceArns": list(resources)} if resources else {}
    simulated = iam.simulate_principal_policy(PolicySourceArn=ROLE_ARN, ActionNames=list(actions), **asked, **settings)
    return {
        (result["EvalActionName"], result["EvalResourceName"]): result["EvalDecision"]
        for result in simulated["EvaluationResults"]
    }


def test_a_simulation_tells_allowed_from_denied_and_from_not_mentioned(iam: Any) -> None:
    iam.put_role_policy(RoleName="service", PolicyName="data", PolicyDocument=policy(READ, WRITE_NOWHERE))
    inside, outside = "arn:aws:s3:::dataset/x", "arn:aws:s3:::other/x"
    assert simulate(iam, "s3:GetObject", "s3:PutObject", resources=(inside, outside)) == {
        ("s3:GetObject", inside): "allowed",
        ("s3:GetObject", outside): "implicitDeny",
        ("s3:PutObject", inside): "explicitDeny",
        ("s3:PutObject", outside): "implicitDeny",
    }


def test_a_simulation_takes_conditions_from_its_context_and_names_what_is_missing(iam: Any) -> None:
    iam.put_role_policy(RoleName="service", PolicyName="data", PolicyDocument=policy({**READ, "Condition": SECURE}))
    entry = {"ContextKeyName": "aws:SecureTransport", "ContextKeyValues": ["true"], "ContextKeyType": "boolean"}
    target = "arn:aws:s3:::dataset/x"
    assert simulate(iam, "s3:GetObject", resources=(target,), ContextEntries=[entry]) == {
        ("s3:GetObject", target): "allowed"
    }
    without = iam.simulate_principal_policy(
        PolicySourceArn=ROLE_ARN, ActionNames=["s3:GetObject"], ResourceArns=[target]
    )["EvaluationResults"][0]
    assert (without["EvalDecision"], without["MissingContextValues"]) == ("implicitDeny", ["aws:SecureTransport"])


def test_a_simulation_can_include_the_resources_policy(iam: Any) -> None:
    target = "arn:aws:s3:::dataset/x"
    named = policy({**READ, "Principal": {"AWS": ROLE_ARN}})
    assert simulate(iam, "s3:GetObject", resources=(target,), ResourcePolicy=named) == {
        ("s3:GetObject", target): "allowed"
    }
    elsewhere = {"ResourcePolicy": named, "ResourceOwner": "999999999999"}
    assert simulate(iam, "s3:GetObject", resources=(target,), **elsewhere) == {("s3:GetObject", target): "implicitDeny"}


def test_a_permissions_boundary_must_be_there_and_limits_what_policies_give(iam: Any) -> None:
    arn = "arn:aws:iam::123456789012:policy/limit"
    refusal = f"Scope ARN: {arn} does not exist"
    with pytest.raises(ClientError, match=refusal):
        iam.create_role(RoleName="bounded", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=arn)
    with pytest.raises(ClientError, match=refusal):
        iam.put_role_permissions_boundary(RoleName="service", PermissionsBoundary=arn)
    assert [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["service"]
    iam.put_role_policy(RoleName="service", PolicyName="all", PolicyDocument=policy({**READ, "Action": "s3:*"}))
    target = "arn:aws:s3:::dataset/x"
    assert simulate(iam, "s3:PutObject", resources=(target,)) == {("s3:PutObject", target): "allowed"}

    iam.create_policy(PolicyName="limit", PolicyDocument=policy(READ))
    iam.put_role_permissions_boundary(RoleName="service", PermissionsBoundary=arn)
    assert simulate(iam, "s3:GetObject", "s3:PutObject", resources=(target,)) == {
        ("s3:GetObject", target): "allowed",
        ("s3:PutObject", target): "implicitDeny",
    }
    asked = iam.simulate_principal_policy(PolicySourceArn=ROLE_ARN, ActionNames=["s3:PutObject"])
    detail = asked["EvaluationResults"][0]["PermissionsBoundaryDecisionDetail"]
    assert detail == {"AllowedByPermissionsBoundary": False}


def test_simulating_nobody_is_an_error(iam: Any) -> None:
    with pytest.raises(ClientError, match=r"\(NoSuchEntity\)"):
        iam.simulate_principal_policy(
            PolicySourceArn="arn:aws:iam::123456789012:role/nobody", ActionNames=["s3:GetObject"]
        )
