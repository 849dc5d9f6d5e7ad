"""What a new bucket is today, and what moto still makes of it: public access not blocked, nothing encrypted, ACLs on.

Rules: S3 User Guide, "Default settings for new buckets" (since April 2023: public access blocked, ACLs disabled;
since January 2023: SSE-S3 for every object, which can be changed and never switched off), "Bucket naming rules",
"Controlling ownership of objects" (with BucketOwnerEnforced, ACLs are refused); S3 API reference, CreateBucket (an ACL
that gives others access is then refused as InvalidBucketAclWithObjectOwnership; `private` gives nobody any) and
PutBucketAcl. moto sets the ACL of a new bucket by PutBucketAcl, after it has made it.
"""

from __future__ import annotations

import re
from typing import Any

import flask
from moto.s3.exceptions import InvalidBucketName, S3ClientError
from moto.s3.models import FakeBucket, PublicAccessBlock, S3Backend, s3_backends

from lab.emulator.extensions.hooks import extends

NAME = re.compile(r"(?!.*\.\.)(?!xn--)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?<!-s3alias)")
OWNER_ENFORCED = "BucketOwnerEnforced"
ACLS_FOR_THE_OWNER = ("private", "bucket-owner-full-control")
"""S3 User Guide, "Canned ACL": the one is the default, the other is ignored for a bucket."""


@extends(s3_backends)
class Buckets(S3Backend):
    """moto's backend, with today's defaults."""

    def create_bucket(self, bucket_name: str, region_name: str, bucket_namespace: str | None = None) -> FakeBucket:
        if not NAME.fullmatch(bucket_name):
            raise InvalidBucketName
        headers = flask.request.headers
        ownership = headers.get("x-amz-object-ownership", OWNER_ENFORCED)
        grants = any(name.lower().startswith("x-amz-grant-") for name, _ in headers)
        if ownership == OWNER_ENFORCED and (grants or headers.get("x-amz-acl", "private") not in ACLS_FOR_THE_OWNER):
            raise S3ClientError(
                "InvalidBucketAclWithObjectOwnership",
                "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
            )
        bucket = super().create_bucket(bucket_name, region_name, bucket_namespace)
        bucket.public_access_block = PublicAccessBlock(
            block_public_acls="true",
            ignore_public_acls="true",
            block_public_policy="true",
            restrict_public_buckets="true",
        )
        bucket.ownership_rule = ownership  # type: ignore[assignment]  # moto's own setter takes a string, too
        bucket.encryption = _default_encryption()
        return bucket

    def delete_bucket_encryption(self, bucket_name: str) -> None:
        """DeleteBucketEncryption: back to the default, not to none."""
        self.get_bucket(bucket_name).encryption = _default_encryption()

    def put_bucket_acl(self, bucket_name: str, acl: Any) -> None:
        """PutBucketAcl: refused where ACLs are disabled."""
        ownership: object = self.get_bucket(bucket_name).ownership_rule
        if ownership == OWNER_ENFORCED:
            if "acl" not in flask.request.args:
                return  # CreateBucket, with an ACL that was let through there
            raise S3ClientError("AccessControlListNotSupported", "The bucket does not allow ACLs")
        super().put_bucket_acl(bucket_name, acl)


def _default_encryption() -> dict[str, Any]:
    # As moto keeps what it parses from XML.
    return {
        "Rule": {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BucketKeyEnabled": "false",
        }
    }
