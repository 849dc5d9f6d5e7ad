"""Roles of IAM, as AWS has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.values import mapping
from ops.aws.clients import Aws
from ops.aws.ownership import Document, Tags, is_of, name_prefixes, tags_of


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role with all its policies."""

    name: str
    arn: str
    trust: Document
    inline: Mapping[str, Document]
    attached: tuple[str, ...]
    """ARNs of managed policies."""
    tags: Tags


def read_roles(aws: Aws, environment: str) -> tuple[Role, ...]:
    """Return the environment's roles with all their policies."""
    names = [
        one["RoleName"]
        for page in aws.iam.get_paginator("list_roles").paginate()
        for one in page["Roles"]
        # Tags are a call per role; roles of others, of which there may be hundreds, are left out by name.
        if one["RoleName"].startswith(name_prefixes(environment))
    ]
    roles = []
    for name in names:
        one = aws.iam.get_role(RoleName=name)["Role"]
        if not is_of(tags_of(one.get("Tags")), environment):
            continue
        inline = [
            policy
            for page in aws.iam.get_paginator("list_role_policies").paginate(RoleName=name)
            for policy in page["PolicyNames"]
        ]
        attached = aws.iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        roles.append(
            Role(
                name=name,
                arn=one["Arn"],
                trust=mapping(one["AssumeRolePolicyDocument"]),
                inline={
                    policy: mapping(aws.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
                    for policy in inline
                },
                attached=tuple(policy["PolicyArn"] for page in attached for policy in page["AttachedPolicies"]),
                tags=tags_of(one.get("Tags")),
            )
        )
    return tuple(roles)
