"""Roles of IAM, as AWS has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.values import mapping
from ops.aws.clients import Aws, listed
from ops.aws.ownership import Document, Tags, is_of, name_prefixes, tags_of


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role with all its policies."""

    name: str
    inline: Mapping[str, Document]
    attached: tuple[str, ...]
    """ARNs of managed policies."""
    tags: Tags
    boundary_arn: str | None
    """Of its permissions boundary."""


def read_roles(aws: Aws, environment: str) -> tuple[Role, ...]:
    """Return the environment's roles with all their policies."""
    roles = []
    for name in listed(aws.iam, "list_roles", "Roles[].RoleName"):
        # Tags are a call per role; roles of others, of which there may be hundreds, are left out by name.
        if not name.startswith(name_prefixes(environment)):
            continue
        role = aws.iam.get_role(RoleName=name)["Role"]
        tags = tags_of(role.get("Tags"))
        if not is_of(tags, environment):
            continue
        roles.append(
            Role(
                name=name,
                inline={
                    policy: mapping(aws.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
                    for policy in listed(aws.iam, "list_role_policies", "PolicyNames[]", RoleName=name)
                },
                attached=tuple(
                    listed(aws.iam, "list_attached_role_policies", "AttachedPolicies[].PolicyArn", RoleName=name)
                ),
                tags=tags,
                boundary_arn=role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            )
        )
    return tuple(roles)
