"""Who asks, and which policies are theirs: shared by what simulates policies and what enforces them.

Any access key that the lab didn't hand out itself is the root of the account, as are the lab's own (`test`). Those of
AssumeRole are the role's.
"""

from __future__ import annotations

import re
from typing import Any

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from lab.emulator.policy_evaluation import Principal, Statement, statements_of


def caller(authorization: str, account_id: str) -> Principal:
    """Return who signed a request, by its Authorization header (or a presigned URL's credential)."""
    match = re.search(r"Credential=([^/,&]+)/", authorization)
    if match:
        assumed = sts_backends[account_id]["global"].get_assumed_role_from_access_key(match.group(1))
        if assumed is not None:
            return Principal(str(assumed.role_arn))
    return Principal(f"arn:aws:iam::{account_id}:root")


def identity_statements(principal: Principal) -> list[Statement]:
    """Return the statements of all policies of a role or user: inline, managed, and of the user's groups.

    Raises KeyError if there is no such identity in its account. An account's root has none.
    """
    if principal.arn == principal.root_arn:
        return []
    backend = iam_backends[principal.account]["global"]
    kind, _, path = principal.arn.split(":", 5)[5].partition("/")
    name = path.rpartition("/")[2]
    if kind == "role":
        role = next((role for role in backend.get_roles() if role.arn == principal.arn), None)
        if role is None:
            raise KeyError(principal.arn)
        return _statements(role, "role")
    if kind == "user":
        user = backend.users.get(name)
        if user is None or user.arn != principal.arn:
            raise KeyError(principal.arn)
        groups = [group for group in backend.groups.values() if user in group.users]
        return _statements(user, "user") + [one for group in groups for one in _statements(group, "group")]
    if kind == "group" and name in backend.groups:
        return _statements(backend.groups[name], "group")
    raise KeyError(principal.arn)


def boundary_statements(principal: Principal) -> list[Statement] | None:
    """Return the statements of a role's permissions boundary; None if it has none, or is no role."""
    backend = iam_backends[principal.account]["global"]
    role = next((role for role in backend.get_roles() if role.arn == principal.arn), None)
    if role is None or not role.permissions_boundary_arn:
        return None
    policy = backend.get_policy(role.permissions_boundary_arn)
    return statements_of(_default_version(policy).document, policy.name, "user-managed")


def _statements(identity: Any, kind: str) -> list[Statement]:
    inline = [
        statement
        for name, document in identity.policies.items()
        for statement in statements_of(document, f"{kind}_{identity.name}_{name}", kind)
    ]
    managed = [
        statement
        for arn, policy in identity.managed_policies.items()
        for statement in statements_of(
            _default_version(policy).document, policy.name, "aws-managed" if ":iam::aws:" in arn else "user-managed"
        )
    ]
    return inline + managed


def _default_version(policy: Any) -> Any:
    return next(version for version in policy.versions if version.is_default)
