"""Bucket policies: evaluated with their conditions, refused where S3 refuses them.

Rules: S3 User Guide, "Bucket policies", "How Amazon S3 authorizes a request", "Blocking public access" (what is
public); S3 API reference, PutBucketPolicy (which the owner's root may always call). A policy has at most 20 KB (Bucket
policies), counted without white space between its parts (seen: github.com/MIT-LCP/physionet-build/issues/2094; S3 names
no code of its own for the refusal, and other servers of its API say PolicyTooLarge). In moto a Deny hits everybody,
whatever its conditions, and an allowance nobody needs.

The caller is the account's root, unless it signs with what AssumeRole gave it: then the role's own policies count too.
Who doesn't sign is anonymous, and needs a policy that lets in everybody.
A request to the lab comes over plain HTTP on loopback, where nobody listens: it counts as TLS (aws:SecureTransport).
Left out: ACLs (moto's answer about objects stands), access points, object ownership across accounts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import flask
from moto.iam.access_control import PermissionResult
from moto.iam.models import iam_backends
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, S3Backend, s3_backends
from moto.s3.responses import S3Response
from werkzeug.wrappers import Request as WSGIRequest

from lab.emulator.extensions.hooks import adds_to, extends, is_true
from lab.emulator.extensions.iam_identities import caller, identity_statements
from lab.emulator.policy_evaluation import (
    Decision,
    Principal,
    Request,
    Statement,
    evaluate,
    evaluate_resource,
    is_known_operator,
    statements_of,
)

# moto's name of an action, where IAM's is another ("Actions, resources, and condition keys for Amazon S3").
ACTIONS = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeleteObjects": "DeleteObject",
}
# What the name of the sub-resource makes of moto's default: it knows no others.
SUBRESOURCES = {
    "encryption": "EncryptionConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "object-lock": "BucketObjectLockConfiguration",
    "replication": "ReplicationConfiguration",
    "inventory": "InventoryConfiguration",
}
LONGEST_POLICY_BYTES = 20_480
ANYBODY = Principal("arn:aws:iam::000000000000:user/anybody")
POLICY_ACTIONS = ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy")

# Conditions whose fixed value keeps a statement for everybody from being public.
NARROWING_KEYS = frozenset(
    key.lower()
    for key in (
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:PrincipalOrgID",
        "aws:SourceAccount",
        "aws:SourceArn",
        "aws:SourceIp",
        "aws:SourceOwner",
        "aws:SourceVpc",
        "aws:SourceVpce",
        "aws:userid",
        "s3:DataAccessPointAccount",
        "s3:DataAccessPointArn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    )
)
NARROWING_OPERATORS = frozenset({"StringEquals", "StringLike", "ArnEquals", "ArnLike", "IpAddress"})
WIDEST_NETWORKS = ("0.0.0.0/0", "::/0")


@adds_to(S3Response)
class PolicyEnforcement(S3Response):
    """The one place that every action passes."""

    def _authenticate_and_authorize_s3_action(
        self, bucket_name: str | None = None, key_name: str | None = None
    ) -> None:
        if bucket_name is None or bucket_name not in self.backend.buckets:
            return
        query = set(self.normalized_request.args)
        action = f"s3:{_action(str(self.data.get('Action', '')), self.method, query)}"
        if action == "s3:DeleteObject" and key_name is None:
            return  # of many objects, each by itself: see Bucket
        bucket = self.backend.buckets[bucket_name]
        resource = f"arn:aws:s3:::{bucket_name}" + (f"/{key_name}" if key_name else "")
        principal = _caller(self.normalized_request, bucket)
        if principal is None and key_name is not None and key_name in bucket.keys:
            return  # anonymous, and past moto's look at the object's ACL
        if action in POLICY_ACTIONS and principal is not None and principal.arn == principal.root_arn:
            return
        if not is_allowed(bucket, action, resource, self.normalized_request):
            raise access_denied(principal, action, resource)


@adds_to(FakeBucket)
class Bucket(FakeBucket):
    """A bucket whose policy's conditions count."""

    def get_permission(self, action: str, resource: str) -> PermissionResult:
        """Tell moto: of each object of many to delete, and before it looks at an object's ACL for someone anonymous."""
        http = flask.request
        if http.method == "POST" and action == "s3:DeleteObject":
            allowed = is_allowed(self, action, resource, http)
            return PermissionResult.PERMITTED if allowed else PermissionResult.DENIED
        if _caller(http, self) is None and is_allowed(self, action.replace("Head", "Get"), resource, http):
            return PermissionResult.PERMITTED
        return PermissionResult.NEUTRAL


@extends(s3_backends)
class BucketPolicies(S3Backend):
    """moto's backend, with a check of policies before they are taken."""

    def put_bucket_policy(self, bucket_name: str, policy: bytes) -> None:
        bucket = self.get_bucket(bucket_name)
        statements = _checked_statements(policy, bucket_name, self.account_id)
        block = bucket.public_access_block
        if block is not None and is_true(block.block_public_policy) and any(map(is_public, statements)):
            resource = f"arn:aws:s3:::{bucket_name}"
            raise S3ClientError(
                "AccessDenied",
                f"User: arn:aws:iam::{self.account_id}:root is not authorized to perform: s3:PutBucketPolicy on "
                f'resource: "{resource}" because public policies are prevented by the BlockPublicPolicy setting in '
                "S3 Block Public Access.",
            )
        super().put_bucket_policy(bucket_name, policy)


def is_allowed(bucket: FakeBucket, action: str, resource: str, http: WSGIRequest) -> bool:
    """Tell whether the bucket's policy, and those of the caller, allow the caller's `action` on `resource`."""
    statements = statements_of(bucket.policy.decode(), "bucket", "resource") if bucket.policy else []
    principal = _caller(http, bucket)
    request = Request(action, resource, request_context(principal or ANYBODY, http))
    if principal is None:
        restricted = bucket.public_access_block is not None and is_true(
            bucket.public_access_block.restrict_public_buckets
        )
        return not restricted and evaluate_resource(statements, request, ANYBODY).decision is Decision.ALLOWED
    try:
        identity = identity_statements(principal)
    except KeyError:
        identity = []
    verdict = evaluate(identity, statements, request, principal, bucket.account_id)
    return verdict.decision is Decision.ALLOWED


def request_context(principal: Principal, http: WSGIRequest) -> dict[str, list[str]]:
    """Return the context keys that S3 gives a request ("Actions, resources, and condition keys for Amazon S3")."""
    context = {
        "aws:PrincipalAccount": [principal.account],
        "aws:PrincipalArn": [principal.arn],
        "aws:PrincipalType": ["Account" if principal.arn == principal.root_arn else "AssumedRole"],
        "aws:SecureTransport": ["true"],
        "aws:SourceIp": ["127.0.0.1"],
        "s3:TlsVersion": ["1.3"],
    }
    keys = {"prefix": "prefix", "delimiter": "delimiter", "max-keys": "max-keys", "versionId": "VersionId"}
    context |= {f"s3:{keys[name]}": http.args.getlist(name) for name in keys if name in http.args}
    for header in ("x-amz-acl", "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"):
        if header in http.headers:
            context[f"s3:{header}"] = [http.headers[header]]
    return context


def access_denied(principal: Principal | None, action: str, resource: str) -> S3ClientError:
    """Return S3's refusal."""
    if principal is None:
        return S3ClientError("AccessDenied", "Access Denied")
    return S3ClientError(
        "AccessDenied", f'User: {principal.arn} is not authorized to perform: {action} on resource: "{resource}"'
    )


def is_public(statement: Statement) -> bool:
    """Tell whether a statement lets in everybody ("The meaning of 'public'")."""
    if statement.denies or not statement.names_itself(ANYBODY):
        return False
    return not any(
        operator.removesuffix("IfExists").removeprefix("ForAnyValue:") in NARROWING_OPERATORS
        and not operator.endswith("IfExists")
        and any(key.lower() in NARROWING_KEYS and _is_fixed(values) for key, values in tests.items())
        for operator, tests in statement.body.get("Condition", {}).items()
    )


def _is_fixed(values: object) -> bool:
    listed = values if isinstance(values, list) else [values]
    return bool(listed) and all(str(value).strip("*") and value not in WIDEST_NETWORKS for value in listed)


def _action(known: str, method: str, query: set[str]) -> str:
    for subresource, name in SUBRESOURCES.items():
        if subresource in query and known in ("ListBucket", "CreateBucket", "DeleteBucket", "ListObjects", ""):
            return f"{'Get' if method == 'GET' else 'Put'}{name}"
    return ACTIONS.get(known, known)


def _caller(http: WSGIRequest, bucket: FakeBucket) -> Principal | None:
    """Return who signed; None if nobody did."""
    signed = http.headers.get("Authorization") or (
        f"Credential={http.args['X-Amz-Credential']}" if "X-Amz-Credential" in http.args else ""
    )
    if signed or "Signature" in http.args:
        return caller(signed, bucket.account_id)
    return None


def _checked_statements(policy: bytes, bucket_name: str, account_id: str) -> list[Statement]:
    try:
        document = json.loads(policy)
        statements = statements_of(document, "bucket", "resource")
    except ValueError:
        raise S3ClientError("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'") from None
    if len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()) > LONGEST_POLICY_BYTES:
        raise S3ClientError("PolicyTooLarge", "Policy exceeds the maximum allowed document size.")
    for statement in statements:
        _check_statement(statement.body, bucket_name, account_id)
    return statements


def _check_statement(body: Mapping[str, Any], bucket_name: str, account_id: str) -> None:
    if body.get("Effect") not in ("Allow", "Deny"):
        raise S3ClientError("MalformedPolicy", f"Invalid effect: {body.get('Effect')}")
    if "Principal" not in body and "NotPrincipal" not in body:
        raise S3ClientError("MalformedPolicy", "Missing required field Principal")
    actions = body.get("Action", body.get("NotAction"))
    actions = actions if isinstance(actions, list) else [actions]
    if not all(isinstance(action, str) and (action == "*" or action.lower().startswith("s3:")) for action in actions):
        raise S3ClientError("MalformedPolicy", "Policy has invalid action")
    resources = body.get("Resource", body.get("NotResource"))
    resources = resources if isinstance(resources, list) else [resources]
    own = f"arn:aws:s3:::{bucket_name}"
    if not all(resource == own or str(resource).startswith((f"{own}/", f"{own}*")) for resource in resources):
        raise S3ClientError("MalformedPolicy", "Policy has invalid resource")
    for operator in body.get("Condition", {}):
        if not is_known_operator(operator):
            raise S3ClientError("MalformedPolicy", f"Invalid Condition type : {operator}")
    if not _principals_exist(body.get("Principal", body.get("NotPrincipal")), account_id):
        raise S3ClientError("MalformedPolicy", "Invalid principal in policy")


def _principals_exist(principal: object, account_id: str) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, Mapping):
        return False
    named = principal.get("AWS", [])
    return all(_exists(str(one), account_id) for one in (named if isinstance(named, list) else [named]))


def _exists(principal: str, account_id: str) -> bool:
    if principal == "*" or (principal.isdigit() and len(principal) == 12):
        return True
    parts = principal.split(":", 5)
    if len(parts) < 6 or parts[:3] != ["arn", "aws", "iam"] or not (parts[4].isdigit() and len(parts[4]) == 12):
        return False
    if parts[4] != account_id or parts[5] == "root":
        return True  # The lab can't look into other accounts.
    backend = iam_backends[account_id]["global"]
    identities: list[Any] = [*backend.get_roles(), *backend.users.values()]
    return any(identity.arn == principal for identity in identities)
