"""Which of IAM's actions an API call needs, so that recorded calls can be held to a policy.

Most actions are named as the call; those of S3 often aren't. Left out: what a call needs beside its own action (passing
a role, decrypting with a key), and on which resource: a recording has neither.

Source: Service Authorization Reference, "Actions, resources, and condition keys" of each service; Amazon S3 User Guide,
"Required permissions for Amazon S3 API operations".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lab.emulator.policy_evaluation import Decision, Request, evaluate_identity, statements_of

PREFIXES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas", "resourcegroupstaggingapi": "tag"}
"""Where IAM's prefix of a service isn't boto3's name."""

S3_ACTIONS = {
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "ListObjectsV2": "ListBucket",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}

FREE = frozenset({"sts:GetCallerIdentity"})
"""Needs no permission (STS API reference, GetCallerIdentity)."""


def iam_actions(calls: Iterable[str]) -> frozenset[str]:
    """Return IAM's names of recorded calls: `elbv2.SetSubnets` is `elasticloadbalancing:SetSubnets`."""
    return frozenset(_iam_action(*call.split(".", 1)) for call in calls)


def not_allowed(
    actions: Iterable[str], policy: Mapping[str, Any], context: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Return the actions that `policy` allows on no resource at all in `context` (values by condition key), sorted."""
    # What is denied on all but some resources is not denied on those.
    anywhere = [{**statement, "Resource": "*"} for statement in policy["Statement"] if "NotResource" not in statement]
    statements = statements_of({**policy, "Statement": anywhere}, "policy", "role")
    return tuple(
        action
        for action in sorted(set(actions) - FREE)
        if evaluate_identity(statements, Request(action, "*", context)).decision is not Decision.ALLOWED
    )


def _iam_action(service: str, operation: str) -> str:
    return f"{PREFIXES.get(service, service)}:{S3_ACTIONS.get(operation, operation) if service == 's3' else operation}"
