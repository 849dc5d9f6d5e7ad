"""The bucket of states: everything that it must be, at once or after somebody undid it, and nothing else changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from infra.errors import ConfigError
from ops.backend import made, missing, url

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NAME, REGION = "states-of-a-test", "eu-west-2"
ALL = ["private", "only its owner's objects", "versioned", "encrypted", "TLS only"]


@pytest.fixture
def s3(moto_account: None) -> S3Client:
    """S3 as moto plays it."""
    return boto3.client("s3", region_name=REGION)


def test_it_is_made_with_everything_and_then_left_alone(s3: S3Client) -> None:
    first, *_ = made(s3, NAME, REGION)
    assert first == "made"
    assert missing(s3, NAME) == []
    assert list(made(s3, NAME, REGION)) == []
    assert s3.get_bucket_location(Bucket=NAME)["LocationConstraint"] == REGION
    assert s3.get_bucket_versioning(Bucket=NAME)["Status"] == "Enabled"


def test_a_bucket_that_has_none_of_it_is_mended(s3: S3Client) -> None:
    s3.create_bucket(Bucket=NAME, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    s3.delete_bucket_encryption(Bucket=NAME)
    lacking = missing(s3, NAME)
    assert set(ALL) - {"encrypted"} <= set(lacking)
    assert list(made(s3, NAME, REGION)) == lacking
    assert missing(s3, NAME) == []


def undo_private(s3: S3Client) -> None:
    s3.delete_public_access_block(Bucket=NAME)


def undo_versioned(s3: S3Client) -> None:
    s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Suspended"})


def undo_tls(s3: S3Client) -> None:
    s3.delete_bucket_policy(Bucket=NAME)


def undo_ownership(s3: S3Client) -> None:
    rules: Any = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3.put_bucket_ownership_controls(Bucket=NAME, OwnershipControls=rules)


@pytest.mark.parametrize(
    ("undo", "name"),
    [
        (undo_private, "private"),
        (undo_ownership, "only its owner's objects"),
        (undo_versioned, "versioned"),
        (undo_tls, "TLS only"),
    ],
)
def test_what_was_undone_is_named_and_mended(s3: S3Client, undo: Any, name: str) -> None:
    list(made(s3, NAME, REGION))
    undo(s3)
    assert missing(s3, NAME) == [name]
    assert list(made(s3, NAME, REGION)) == [name]
    assert missing(s3, NAME) == []


def test_what_a_team_added_to_the_policy_stays(s3: S3Client) -> None:
    list(made(s3, NAME, REGION))
    own = {"Sid": "Own", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "*"}
    s3.put_bucket_policy(Bucket=NAME, Policy=json.dumps({"Version": "2012-10-17", "Statement": [own]}))
    list(made(s3, NAME, REGION))
    statements = json.loads(s3.get_bucket_policy(Bucket=NAME)["Policy"])["Statement"]
    assert [one["Sid"] for one in statements] == ["TlsOnly", "Own"]


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["*"]}], ids=["star", "mapping", "list"])
def test_every_legal_form_of_a_policy_is_read(s3: S3Client, principal: object) -> None:
    """A statement without its list, a list of one, and everybody as a mapping (IAM JSON policy grammar)."""
    list(made(s3, NAME, REGION))
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=NAME)["Policy"])["Statement"]
    other = {**statement, "Principal": principal, "Action": ["S3:*"], "Sid": "TheirsSaysTheSame"}
    s3.put_bucket_policy(Bucket=NAME, Policy=json.dumps({"Version": "2012-10-17", "Statement": other}))
    assert missing(s3, NAME) == []
    own = {"Sid": "Own", "Effect": "Deny", "Principal": principal, "Action": "s3:DeleteBucket", "Resource": "*"}
    s3.put_bucket_policy(Bucket=NAME, Policy=json.dumps({"Version": "2012-10-17", "Statement": own}))
    assert list(made(s3, NAME, REGION)) == ["TLS only"]
    assert json.loads(s3.get_bucket_policy(Bucket=NAME)["Policy"])["Statement"] == [statement, own]


def test_a_bucket_elsewhere_is_refused_and_left_alone(s3: S3Client) -> None:
    elsewhere = boto3.client("s3", region_name="eu-west-1")
    elsewhere.create_bucket(Bucket=NAME, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with pytest.raises(ConfigError, match="eu-west-1"):
        list(made(s3, NAME, REGION))
    assert s3.get_bucket_versioning(Bucket=NAME).get("Status") is None


def test_the_url_is_what_pulumi_logs_in_to() -> None:
    assert url(NAME, REGION, "https://s3.eu-west-2.amazonaws.com") == "s3://states-of-a-test?region=eu-west-2"
    assert url(NAME, REGION, "http://127.0.0.1:5000") == (
        "s3://states-of-a-test?region=eu-west-2&endpoint=http://127.0.0.1:5000&s3ForcePathStyle=true"
    )
