"""Whether what the account's template makes is there, and is as it would be made now: roles, policies, bucket, key.

What was deployed says how: its parameters, and for which stacks there is a role. Left out: the permissions boundary of
the stack (`account`), which the lab has without a template, and outputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from infra import bootstrap
from infra.access import bucket_arns, tls_only
from infra.bootstrap import Account, Role
from infra.environment import Environment
from infra.graph import Value, canonical_statement, policy_statements
from infra.trust import ISSUER, Repository
from ops.aws.clients import Aws, listed, unless
from ops.aws.ownership import tags_of
from ops.aws.storage import read_bucket
from ops.output.report import Check

ALL_STACKS = "eps-dos preflight --template"
DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
"""States of a stack that has come to an end with its resources in place (CloudFormation API, Stack)."""


def deploying(region: str) -> str:
    """Return the command that makes what an account has before any stack, or brings it up to date."""
    return (
        f"{ALL_STACKS} > account.json && aws cloudformation deploy --stack-name {bootstrap.STACK} "
        f"--template-file account.json --capabilities CAPABILITY_NAMED_IAM --region {region}"
    )


def reverting(region: str) -> str:
    """Return the command that brings it up to date and, as a comment, what undoes changes that were made by hand.

    A template that is as it was changes nothing (CloudFormation guide, drift-aware change sets).
    """
    return (
        f"{deploying(region)} # no changes to deploy? Changed by hand, then: aws cloudformation create-change-set "
        f"--stack-name {bootstrap.STACK} --change-set-name revert --deployment-mode REVERT_DRIFT "
        f"--use-previous-template --capabilities CAPABILITY_NAMED_IAM --region {region}, and execute it"
    )


@dataclass(frozen=True)
class Made:
    """What was deployed of the template."""

    aws: Aws
    account_id: str
    partition: str
    stack: Mapping[str, Any]
    """As CloudFormation describes it."""

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """What it was deployed with."""
        return {given["ParameterKey"]: given["ParameterValue"] for given in self.stack.get("Parameters", [])}

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """What it says of itself."""
        return {said["OutputKey"]: said["OutputValue"] for said in self.stack.get("Outputs", [])}

    @property
    def bucket(self) -> str:
        """Where states are kept."""
        return self.parameters.get("StateBucketName") or bootstrap.state_bucket(self.account_id)

    def account(self, key_arn: str) -> Account:
        """Return the account as its policies must name it."""
        given = self.parameters
        return Account(
            id=self.account_id,
            partition=self.partition,
            region=self.aws.region,
            repository=Repository(
                owner=given.get("GitHubOwner", ""),
                name=given.get("GitHubRepository", ""),
                owner_id=given.get("GitHubOwnerId", ""),
                id=given.get("GitHubRepositoryId", ""),
            ),
            provider_arn=given.get("GitHubProviderArn")
            or f"arn:{self.partition}:iam::{self.account_id}:oidc-provider/{ISSUER}",
            bucket=self.bucket,
            key_arn=key_arn,
            zone_id=given.get("HostedZoneId", "*"),
            boundary_arn=given.get("PermissionsBoundaryArn") or None,
        )


def deployed(aws: Aws, account_id: str, partition: str) -> Made | None:
    """Return what was deployed of the template; None if nothing was. Raises botocore's errors."""
    client: Any = aws.cloudformation
    answer = unless(lambda: client.describe_stacks(StackName=bootstrap.STACK), "ValidationError")
    return Made(aws, account_id, partition, answer["Stacks"][0]) if answer else None


def checks(made: Made, stack: str, environments: Mapping[str, Environment], project: str) -> Iterator[Check]:
    """Yield what is so and what isn't; `environments` are those of all stack files, whatever the account holds."""
    aws, again = made.aws, deploying(made.aws.region)
    status = made.stack["StackStatus"]
    held = {name: each for name, each in environments.items() if bootstrap.output_of(f"deploy-{name}") in made.outputs}
    if status not in DONE or stack not in held:
        wrong = f"is {status}" if status not in DONE else f"has a role for {', '.join(held) or 'no stack'}, not {stack}"
        yield Check(name="account template", verdict="failed", evidence=f"{bootstrap.STACK} {wrong}; fix: {again}")
        return
    yield Check(name="account template", verdict="ok", evidence=f"{bootstrap.STACK}, for {', '.join(held)}")
    lacks = _unlike_bucket(aws, made.bucket, made.partition)
    yield _check("state bucket", lacks, f"{made.bucket}, versioned, encrypted, private, TLS only", aws.region)
    alias = made.parameters.get("KeyAlias", bootstrap.KEY_ALIAS)
    key = next((key for key in listed(aws.kms, "list_aliases", "Aliases[]") if key["AliasName"] == alias), None)
    key_id = key.get("TargetKeyId", "") if key else ""
    yield _check("secrets key", [] if key_id else [f"there is no {alias}"], alias, aws.region)
    account = made.account(f"arn:{made.partition}:kms:{aws.region}:{made.account_id}:key/{key_id}")
    unlike = [
        name
        for name, document in bootstrap.policies(account).items()
        if _policy(aws, f"arn:{made.partition}:iam::{made.account_id}:policy/{name}") != _said(document)
    ]
    yield _check("policies", [f"{name} isn't as printed" for name in unlike], "those of the roles", aws.region)
    roles = bootstrap.roles(account, held, project)
    problems = [problem for role in roles for problem in _unlike_role(aws, role, account)]
    yield _check("roles for workflows", problems, ", ".join(role.name for role in roles), aws.region)
    yield _trusted(aws, account, again)


def _check(name: str, wrong: list[str], evidence: str, region: str) -> Check:
    return Check.of(name, "", f"{'; '.join(wrong)}; fix: {reverting(region)}" if wrong else "", evidence)


def _said(document: object) -> list[Mapping[str, Value]]:
    """Return what a policy says, however it is written."""
    return [canonical_statement(statement) for statement in policy_statements(json.loads(json.dumps(document)))]


def _policy(aws: Aws, arn: str) -> list[Mapping[str, Value]] | None:
    policy = unless(lambda: aws.iam.get_policy(PolicyArn=arn), "NoSuchEntity")
    if policy is None:
        return None
    version = aws.iam.get_policy_version(PolicyArn=arn, VersionId=policy["Policy"]["DefaultVersionId"])
    return _said(version["PolicyVersion"]["Document"])


def _unlike_role(aws: Aws, role: Role, account: Account) -> Iterator[str]:
    answer = unless(lambda: aws.iam.get_role(RoleName=role.name), "NoSuchEntity")
    if answer is None:
        yield f"there is no {role.name}"
        return
    there = answer["Role"]
    inline = {
        policy: _said(aws.iam.get_role_policy(RoleName=role.name, PolicyName=policy)["PolicyDocument"])
        for policy in listed(aws.iam, "list_role_policies", "PolicyNames[]", RoleName=role.name)
    }
    attached = listed(aws.iam, "list_attached_role_policies", "AttachedPolicies[].PolicyArn", RoleName=role.name)
    arns = {f"arn:{account.partition}:iam::{account.id}:policy/{name}" for name in role.policies}
    expected = {
        "whom it trusts": (_said(there["AssumeRolePolicyDocument"]), _said(role.trust)),
        "its longest session": (there.get("MaxSessionDuration"), role.session_seconds),
        "its tags": ({**tags_of(there.get("Tags"))}, {**role.tags}),
        "its policies": (set(attached), arns),
        "its own policy": (inline, {bootstrap.INLINE: _said(role.inline)} if role.inline else {}),
    }
    for what, (is_so, should_be) in expected.items():
        if is_so != should_be:
            yield f"{role.name}: {what}"


def _unlike_bucket(aws: Aws, name: str, partition: str) -> list[str]:
    """Return what the bucket of states isn't and must be."""
    bucket = read_bucket(aws, name)
    if bucket is None:
        return [f"there is no {name} of this account's"]
    tls = _said({"Statement": tls_only("s3:*", list(bucket_arns(name, partition)))})
    holds = {
        "versioned": bucket.versioning == "Enabled",
        "encrypted": bool(bucket.encryption),
        "private": bucket.public_access_blocked,
        "only its owner's objects": bucket.ownership == "BucketOwnerEnforced",
        "TLS only": tls[0] in _said(bucket.policy or {}),
    }
    return [f"{name} is not {what}" for what, is_so in holds.items() if not is_so]


def _trusted(aws: Aws, account: Account, again: str) -> Check:
    name, repository, arn = "GitHub", account.repository, account.provider_arn
    provider = unless(lambda: aws.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn), "NoSuchEntity")
    if provider is None:
        return _check(name, [f"there is no {arn}"], "", aws.region)
    called = f"{repository.owner}/{repository.name}"
    if repository.id == "0":
        ids = (
            f'GitHubOwnerId="$(gh api repos/{called} --jq .owner.id)" '
            f'GitHubRepositoryId="$(gh api repos/{called} --jq .id)"'
        )
        evidence = (
            f"no workflow gets a role before the repository's number is given: {again} --parameter-overrides {ids}"
        )
        return Check(name=name, verdict="not checked", evidence=evidence)
    return Check(name=name, verdict="ok", evidence=f"{called} ({repository.id})")
