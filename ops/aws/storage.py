"""Buckets, as AWS has them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from infra.values import mapping
from ops.aws.clients import Aws, unless
from ops.aws.ownership import Document, Tags, tags_of


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A dataset's bucket."""

    name: str
    versioning: str
    """`Enabled`, `Suspended`, or empty if it never was."""
    encryption: str
    """`AES256`, `aws:kms`, or empty."""
    public_access_blocked: bool
    """All four settings."""
    ownership: str
    policy: Document | None
    tags: Tags


def read_bucket(aws: Aws, name: str) -> Bucket | None:
    """Return a bucket's settings; None if there is none of that name, or it is somebody else's."""
    if unless(lambda: aws.s3.head_bucket(Bucket=name), "404", "403", "NoSuchBucket") is None:
        return None
    versioning = aws.s3.get_bucket_versioning(Bucket=name)
    encryption = unless(
        lambda: aws.s3.get_bucket_encryption(Bucket=name), "ServerSideEncryptionConfigurationNotFoundError"
    )
    block = unless(lambda: aws.s3.get_public_access_block(Bucket=name), "NoSuchPublicAccessBlockConfiguration")
    ownership = unless(lambda: aws.s3.get_bucket_ownership_controls(Bucket=name), "OwnershipControlsNotFoundError")
    policy = unless(lambda: aws.s3.get_bucket_policy(Bucket=name), "NoSuchBucketPolicy")
    tags = unless(lambda: aws.s3.get_bucket_tagging(Bucket=name), "NoSuchTagSet")
    settings = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    rules = encryption["ServerSideEncryptionConfiguration"]["Rules"] if encryption else []
    return Bucket(
        name=name,
        versioning=versioning.get("Status", ""),
        encryption=next(
            (rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "") for rule in rules), ""
        ),
        public_access_blocked=block is not None
        and all(mapping(block["PublicAccessBlockConfiguration"]).get(setting) for setting in settings),
        ownership=ownership["OwnershipControls"]["Rules"][0]["ObjectOwnership"] if ownership else "",
        policy=json.loads(policy["Policy"]) if policy else None,
        tags=tags_of(tags["TagSet"]) if tags else {},
    )
