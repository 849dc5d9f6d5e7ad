"""Buckets and their policies work as S3's do."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import boto3
import botocore.config
import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator

ACCOUNT = "123456789012"
IN_LONDON = {"LocationConstraint": "eu-west-2"}
TRUST_ACCOUNT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(effect: str, action: object, **rest: Any) -> dict[str, Any]:
    resources = ["arn:aws:s3:::dataset", "arn:aws:s3:::dataset/*"]
    return {"Effect": effect, "Principal": "*", "Action": action, "Resource": resources, **rest}


TLS_ONLY = statement("Deny", "s3:*", Condition={"Bool": {"aws:SecureTransport": "false"}})


@pytest.fixture
def s3(emulator: RunningEmulator) -> Any:
    client = emulator.client("s3")
    client.create_bucket(Bucket="dataset", CreateBucketConfiguration=IN_LONDON)
    return client


def as_role(emulator: RunningEmulator, name: str, *statements: dict[str, Any]) -> Any:
    """Return an S3 client with the rights of a role that has these statements."""
    iam = emulator.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST_ACCOUNT)
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=policy(*statements))
    credentials = emulator.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="test"
    )["Credentials"]
    return boto3.client(
        "s3",
        region_name="eu-west-2",
        endpoint_url=emulator.endpoint,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def refused() -> Any:
    return pytest.raises(ClientError, match=r"\(AccessDenied\)")


def test_a_new_bucket_is_private_encrypted_and_without_acls(s3: Any) -> None:
    block = s3.get_public_access_block(Bucket="dataset")["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    encryption = s3.get_bucket_encryption(Bucket="dataset")["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption == [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
    controls = s3.get_bucket_ownership_controls(Bucket="dataset")["OwnershipControls"]["Rules"]
    assert controls == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    with pytest.raises(ClientError, match=r"\(AccessControlListNotSupported\)"):
        s3.put_bucket_acl(Bucket="dataset", ACL="public-read")


def test_a_new_bucket_takes_the_acl_that_changes_nothing_and_is_not_made_with_another(
    emulator: RunningEmulator,
) -> None:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="quiet", ACL="private", CreateBucketConfiguration=IN_LONDON)
    with pytest.raises(ClientError, match=r"\(InvalidBucketAclWithObjectOwnership\)"):
        s3.create_bucket(Bucket="loud", ACL="public-read", CreateBucketConfiguration=IN_LONDON)
    with pytest.raises(ClientError, match=r"\(InvalidBucketAclWithObjectOwnership\)"):
        s3.create_bucket(Bucket="loud", GrantRead="id=somebody", CreateBucketConfiguration=IN_LONDON)
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["quiet"]
    with pytest.raises(ClientError, match=r"\(AccessControlListNotSupported\)"):
        s3.put_bucket_acl(Bucket="quiet", ACL="private")


def test_encryption_cannot_be_switched_off(s3: Any) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket="dataset", ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.delete_bucket_encryption(Bucket="dataset")
    rules = s3.get_bucket_encryption(Bucket="dataset")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


@pytest.mark.parametrize("name", ["Dataset", "a..b", "under_score", "-start", "xn--name"])
def test_names_that_s3_refuses_are_refused(emulator: RunningEmulator, name: str) -> None:
    s3 = emulator.client("s3")
    s3.meta.events.unregister("before-parameter-build.s3")
    with pytest.raises(ClientError, match=r"\(InvalidBucketName\)"):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=IN_LONDON)


def test_a_public_policy_is_refused_while_they_are_blocked(s3: Any) -> None:
    public = policy(statement("Allow", "s3:GetObject"))
    with pytest.raises(ClientError, match=r"\(AccessDenied\).*BlockPublicPolicy setting in S3 Block Public Access"):
        s3.put_bucket_policy(Bucket="dataset", Policy=public)
    s3.delete_public_access_block(Bucket="dataset")
    s3.put_bucket_policy(Bucket="dataset", Policy=public)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/eps-*"}},
        {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
    ],
)
def test_a_policy_for_everybody_that_a_fixed_value_narrows_is_not_public(s3: Any, condition: Any) -> None:
    s3.put_bucket_policy(
        Bucket="dataset", Policy=policy(TLS_ONLY, statement("Allow", "s3:GetObject", Condition=condition))
    )


@pytest.mark.parametrize(
    "condition",
    [
        {"Bool": {"aws:SecureTransport": "true"}},
        {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}},
        {"StringLike": {"aws:PrincipalAccount": "*"}},
        {"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}},
    ],
)
def test_a_condition_that_everybody_can_meet_leaves_it_public(s3: Any, condition: Any) -> None:
    with refused():
        s3.put_bucket_policy(Bucket="dataset", Policy=policy(statement("Allow", "s3:GetObject", Condition=condition)))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{nope", "valid JSON"),
        (policy(statement("Allow", "s3:GetObject", Resource="arn:aws:s3:::other/*")), "invalid resource"),
        (policy(statement("Allow", "ec2:RunInstances")), "invalid action"),
        (
            policy(statement("Allow", "s3:GetObject", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/nobody"})),
            "Invalid principal in policy",
        ),
        (policy(statement("Deny", "s3:*", Condition={"StringIs": {"s3:prefix": "x"}})), "Invalid Condition type"),
    ],
)
def test_a_malformed_policy_is_refused(s3: Any, document: str, message: str) -> None:
    with pytest.raises(ClientError, match=rf"\(MalformedPolicy\).*{message}"):
        s3.put_bucket_policy(Bucket="dataset", Policy=document)


def test_a_policy_has_a_longest_length_without_white_space(s3: Any) -> None:
    def of_length(length: int) -> str:
        short = json.dumps({**json.loads(policy(TLS_ONLY)), "Id": ""}, separators=(",", ":"))
        return json.dumps({**json.loads(policy(TLS_ONLY)), "Id": "x" * (length - len(short))}, indent=4)

    s3.put_bucket_policy(Bucket="dataset", Policy=of_length(20_480))
    with pytest.raises(ClientError, match=r"\(PolicyTooLarge\)"):
        s3.put_bucket_policy(Bucket="dataset", Policy=of_length(20_481))


def test_a_denial_of_plain_http_does_not_hit_the_lab(s3: Any) -> None:
    s3.put_bucket_policy(Bucket="dataset", Policy=policy(TLS_ONLY))
    s3.put_object(Bucket="dataset", Key="x", Body=b"1")
    assert s3.get_object(Bucket="dataset", Key="x")["Body"].read() == b"1"


def test_a_denial_with_conditions_hits_whom_it_means(emulator: RunningEmulator, s3: Any) -> None:
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    reader = as_role(emulator, "reader", everything)
    operator = as_role(emulator, "operator", everything)
    only_operator_writes = statement(
        "Deny",
        ["s3:PutObject", "s3:DeleteObject*"],
        Condition={"ArnNotLike": {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:role/operator"]}},
    )
    s3.put_bucket_policy(Bucket="dataset", Policy=policy(TLS_ONLY, only_operator_writes))
    operator.put_object(Bucket="dataset", Key="x", Body=b"1")
    with refused():
        reader.put_object(Bucket="dataset", Key="x", Body=b"2")
    with refused():
        reader.put_object(Bucket="dataset", Key="y", Body=b"2")
    deleted = reader.delete_objects(Bucket="dataset", Delete={"Objects": [{"Key": "x"}]})
    assert [error["Code"] for error in deleted["Errors"]] == ["AccessDenied"]
    assert reader.get_object(Bucket="dataset", Key="x")["Body"].read() == b"1"


def test_a_role_needs_rights_of_its_own_or_to_be_named(emulator: RunningEmulator, s3: Any) -> None:
    s3.put_object(Bucket="dataset", Key="x", Body=b"1")
    role = as_role(emulator, "service")
    with refused():
        role.get_object(Bucket="dataset", Key="x")
    with refused():
        role.list_objects_v2(Bucket="dataset")
    named = statement(
        "Allow", ["s3:GetObject", "s3:ListBucket"], Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/service"}
    )
    s3.put_bucket_policy(Bucket="dataset", Policy=policy(named))
    assert role.get_object(Bucket="dataset", Key="x")["Body"].read() == b"1"
    assert role.list_objects_v2(Bucket="dataset")["KeyCount"] == 1


def test_listing_can_be_limited_to_a_prefix(emulator: RunningEmulator, s3: Any) -> None:
    own = {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": "arn:aws:s3:::dataset",
        "Condition": {"StringLike": {"s3:prefix": "gp/*"}},
    }
    role = as_role(emulator, "supplier", own)
    role.list_objects_v2(Bucket="dataset", Prefix="gp/A81001")
    with refused():
        role.list_objects_v2(Bucket="dataset", Prefix="pharmacy/")
    with refused():
        role.list_objects_v2(Bucket="dataset")


def test_the_owner_can_always_undo_a_policy_that_shuts_everybody_out(s3: Any) -> None:
    s3.put_bucket_policy(Bucket="dataset", Policy=policy(statement("Deny", "s3:*")))
    with refused():
        s3.list_objects_v2(Bucket="dataset")
    with refused():
        s3.get_bucket_encryption(Bucket="dataset")
    s3.delete_bucket_policy(Bucket="dataset")
    s3.list_objects_v2(Bucket="dataset")


def test_who_does_not_sign_gets_nothing(emulator: RunningEmulator, s3: Any) -> None:
    s3.put_object(Bucket="dataset", Key="x", Body=b"1")
    for path in ("/dataset", "/dataset/x"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{emulator.endpoint}{path}")  # noqa: S310  # the emulator's


def test_a_presigned_address_needs_no_signature_of_its_own(s3: Any) -> None:
    s3.put_object(Bucket="dataset", Key="x", Body=b"1")
    address = s3.generate_presigned_url("get_object", Params={"Bucket": "dataset", "Key": "x"})
    with urllib.request.urlopen(address) as answer:  # noqa: S310  # the emulator's
        assert answer.read() == b"1"


def test_an_objects_head_tells_its_length(s3: Any) -> None:
    s3.put_object(Bucket="dataset", Key="x", Body=b"12345", ContentType="application/json")
    head = s3.head_object(Bucket="dataset", Key="x")
    assert (head["ContentLength"], head["ContentType"]) == (5, "application/json")
    with pytest.raises(ClientError, match=r"\(404\)"):
        s3.head_object(Bucket="dataset", Key="y")


def test_a_bucket_with_anything_in_it_is_not_deleted(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="dataset", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="dataset", Key="x", Body=b"1")
    s3.delete_object(Bucket="dataset", Key="x")
    with pytest.raises(ClientError, match=r"\(BucketNotEmpty\)"):
        s3.delete_bucket(Bucket="dataset")
    listed = s3.list_object_versions(Bucket="dataset")
    versions = [*listed["Versions"], *listed["DeleteMarkers"]]
    s3.delete_objects(
        Bucket="dataset",
        Delete={"Objects": [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions]},
    )
    s3.delete_bucket(Bucket="dataset")


def test_settings_come_back_as_they_were_put(s3: Any) -> None:
    rule = {
        "ID": "old-versions",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 365},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    tags = [{"Key": "Environment", "Value": "live"}, {"Key": "Owner", "Value": "x"}]
    s3.put_bucket_lifecycle_configuration(Bucket="dataset", LifecycleConfiguration={"Rules": [rule]})
    s3.put_bucket_tagging(Bucket="dataset", Tagging={"TagSet": tags})
    s3.put_bucket_policy(Bucket="dataset", Policy=policy(TLS_ONLY))
    assert s3.get_bucket_lifecycle_configuration(Bucket="dataset")["Rules"] == [rule]
    assert s3.get_bucket_tagging(Bucket="dataset")["TagSet"] == tags
    assert json.loads(s3.get_bucket_policy(Bucket="dataset")["Policy"]) == json.loads(policy(TLS_ONLY))
    assert s3.get_bucket_policy_status(Bucket="dataset")["PolicyStatus"]["IsPublic"] is False
    assert s3.get_bucket_location(Bucket="dataset")["LocationConstraint"] == "eu-west-2"


def test_a_bucket_can_be_addressed_by_its_host(emulator: RunningEmulator, s3: Any) -> None:
    s3.put_object(Bucket="dataset", Key="a/b", Body=b"1")
    port = emulator.endpoint.rpartition(":")[2]
    by_host = boto3.client(
        "s3",
        region_name="eu-west-2",
        endpoint_url=f"http://s3.localhost:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  # the emulator checks none
        config=botocore.config.Config(s3={"addressing_style": "virtual"}),
    )
    request = by_host.meta.events
    hosts: list[str] = []

    def to_loopback(request: Any, **_: Any) -> None:
        hosts.append(request.url.split("/")[2])
        request.headers["Host"] = hosts[-1]
        request.url = request.url.replace(hosts[-1], f"127.0.0.1:{port}")

    request.register("before-send.s3", to_loopback)
    assert by_host.get_object(Bucket="dataset", Key="a/b")["Body"].read() == b"1"
    assert hosts == [f"dataset.s3.localhost:{port}"]
