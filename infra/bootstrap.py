"""What an account has before any stack: roles for workflows, permissions boundaries, where states are, their key.

One CloudFormation template of it all, in the way of `cdk bootstrap`: `aws cloudformation deploy` makes it and brings it
up to date. Whatever differs from account to account is a parameter, as is what people may have already: GitHub's OIDC
provider, of which an account has one for an issuer, and the organisation's own permissions boundary. The same functions
make the documents for the template and for a comparison with what is there, with `${Name}` or the real value.

The roles that deploy share their policies: `aws:PrincipalTag/Environment`, a tag of each, says whose things they may
change. A session can't bring a tag of its own, which takes sts:TagSession in a role's trust (IAM guide, session tags),
and they may tag no role but those of their environment. A template for each stack by itself would be too long.

Left out: who deploys by hand (the account's own roles for people), and what is in the bucket.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra import access, deploying_role, states, trust
from infra.access import OF_TESTS, Document, Statement, allow
from infra.environment import Environment
from infra.errors import ConfigError
from infra.graph import PREFIX
from infra.tags import FIXED_TAGS
from infra.trust import ISSUER, Repository

STACK: Final = "eps-dos-account"
"""What the CloudFormation stack is called."""
KEY_ALIAS: Final = "alias/eps-dos-api-states"
"""The key in KMS that encrypts secrets in states."""

LONGEST_TEMPLATE: Final = 51_200
"""Bytes of a template that is handed over in the request (CloudFormation quotas)."""

LONGEST_LINE: Final = 120

_TAG = "${aws:PrincipalTag/Environment}"
_DEPLOYING = deploying_role.Owner(name=_TAG, tag=_TAG)


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account as its policies name it: real values, or what CloudFormation puts in their place."""

    id: str
    partition: str
    region: str
    repository: Repository
    provider_arn: str
    """Of GitHub's OIDC provider."""
    bucket: str
    """Where states are kept."""
    key_arn: str
    zone_id: str = "*"
    """Of the hosted zone; `*`: any, as long as the name is the environment's own."""
    boundary_arn: str | None = None
    """The organisation's own permissions boundary; None: one for each stack, made here."""

    def boundary_of(self, stack: str) -> str:
        """Return the ARN of the boundary that the roles of `stack` must have."""
        return self.boundary_arn or access.boundary_arn_of(stack, self.id, self.partition)

    @property
    def bucket_arn(self) -> str:
        """The ARN of the bucket that keeps states."""
        return access.bucket_arns(self.bucket, self.partition)[0]


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role that workflows take on."""

    name: str
    trust: Document
    policies: tuple[str, ...]
    """Names of the managed policies that it has."""
    inline: Document | None
    """What no other role has."""
    session_seconds: int
    tags: Mapping[str, str]


READING, BY_TAG = "eps-dos-reading", "eps-dos-changing-by-tag"
BY_NAME, TESTS_BY_NAME = "eps-dos-changing-by-name", "eps-dos-changing-tests-by-name"
INLINE = "own"
"""The name of each role's inline policy."""


def state_bucket(account_id: str) -> str:
    """Return the name of the bucket that keeps states, where nobody gave another: unique in all of AWS."""
    return f"{PREFIX}-states-{account_id}"


def output_of(purpose: str) -> str:
    """Return the name of the template's output with the ARN of a role: `DeployLiveArn`."""
    return f"{_logical(purpose)}Arn"


def boundaries(environments: Mapping[str, Environment], partition: str) -> dict[str, Document]:
    """Return the permissions boundaries, by name: for each stack, and for all that are made for one test."""
    documents = {
        access.boundary_name(stack): access.boundary(stack, environment.dataset.bucket, partition)
        for stack, environment in environments.items()
    }
    tests = access.boundary(OF_TESTS, f"{PREFIX}-*-dataset", partition)
    return {**documents, access.boundary_name(OF_TESTS): tests}


def policies(account: Account) -> dict[str, Document]:
    """Return the managed policies that roles share, by name."""

    reading = states.reading(account.bucket_arn, account.key_arn)

    def by_name(owner: deploying_role.Owner, stack: str) -> Document:
        boundary = account.boundary_of(stack)
        return access.document(deploying_role.by_name(owner, boundary, account.id, account.partition))

    return {
        READING: access.document([allow("Read", deploying_role.READING, "*"), *reading]),
        BY_TAG: access.document(deploying_role.by_tag(account.region, account.id, account.partition)),
        BY_NAME: by_name(_DEPLOYING, _TAG),
        TESTS_BY_NAME: by_name(deploying_role.OF_TESTS, OF_TESTS),
    }


def roles(account: Account, environments: Mapping[str, Environment], project: str) -> tuple[Role, ...]:
    """Return the roles: one that deploys each of `environments`, those of all permanent ones' reviews, drift and tests.

    `project` is the name of the Pulumi project, under which states are kept.
    """
    environments = dict(sorted(environments.items()))

    def writing(stack: str, denied: tuple[str, ...] = ()) -> list[Statement]:
        return states.writing(account.bucket_arn, account.key_arn, project, stack, denied)

    def role(purpose: str, own: list[Statement], *shared: str, **tags: str) -> Role:
        for_workflows = trust.ROLES[purpose]
        return Role(
            name=f"eps-dos-{purpose}",
            trust=trust.trust_policy(for_workflows, account.repository, account.provider_arn),
            policies=(READING, *shared),
            inline=access.document(own) if own else None,
            session_seconds=for_workflows.session_seconds,
            tags={**FIXED_TAGS, "ManagedBy": "cloudformation", **tags},
        )

    deploying = [
        role(
            f"deploy-{stack}",
            [*deploying_role.settled(environment, account.partition, account.zone_id), *writing(stack)],
            BY_TAG,
            BY_NAME,
            Environment=stack,
        )
        for stack, environment in environments.items()
    ]
    tests = deploying_role.settled_of_tests(environments.values(), account.id, account.partition, account.zone_id)
    return (
        *deploying,
        role("preview", []),
        role("drift", []),
        role("ephemeral", [*tests, *writing("*", tuple(environments))], BY_TAG, TESTS_BY_NAME),
    )


PARAMETERS: Final[Mapping[str, Mapping[str, str]]] = {
    "GitHubOwner": {
        "Description": "The organisation or user that has the repository.",
        "Default": "NHSDigital",
        "AllowedPattern": "[A-Za-z0-9-]+",
    },
    "GitHubRepository": {
        "Description": "The repository's name.",
        "Default": "eps-dos-api-infrastructure",
        "AllowedPattern": "[A-Za-z0-9._-]+",
    },
    "GitHubOwnerId": {
        "Description": "The owner's number: gh api repos/OWNER/NAME --jq .owner.id",
        "Default": "0",
        "AllowedPattern": "[0-9]+",
    },
    "GitHubRepositoryId": {
        "Description": "The repository's number: gh api repos/OWNER/NAME --jq .id. With 0 nobody gets a role.",
        "Default": "0",
        "AllowedPattern": "[0-9]+",
    },
    "GitHubProviderArn": {
        "Description": "GitHub's OIDC provider, if the account has it already. Empty: it is made.",
        "Default": "",
        "AllowedPattern": "|arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/.+",
    },
    "PermissionsBoundaryArn": {
        "Description": "The organisation's own permissions boundary, as in the stack files. Empty: one for each stack.",
        "Default": "",
        "AllowedPattern": "|arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+",
    },
    "StateBucketName": {
        "Description": "Where states are kept. Empty: eps-dos-api-states-ACCOUNT.",
        "Default": "",
        "AllowedPattern": "|[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    },
    "KeyAlias": {
        "Description": "The name of the key that encrypts secrets in states.",
        "Default": KEY_ALIAS,
        "AllowedPattern": "alias/[A-Za-z0-9/_-]+",
    },
    "HostedZoneId": {
        "Description": "The hosted zone whose records are changed. *: any; the records' names are held to in any case.",
        "Default": "*",
        "AllowedPattern": "[*]|Z[A-Z0-9]+",
    },
}

_RETAINED = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
PRIVATE: Final = {
    "BlockPublicAcls": True,
    "BlockPublicPolicy": True,
    "IgnorePublicAcls": True,
    "RestrictPublicBuckets": True,
}

_PLACES = Account(
    id="${AWS::AccountId}",
    partition="aws",
    region="${AWS::Region}",
    repository=Repository(
        owner="${GitHubOwner}", name="${GitHubRepository}", owner_id="${GitHubOwnerId}", id="${GitHubRepositoryId}"
    ),
    provider_arn="${GitHubProviderArn}",
    bucket="${StateBucket}",
    key_arn="${SecretsKey.Arn}",
    zone_id="${HostedZoneId}",
)


def template(environments: Mapping[str, Environment], project: str) -> dict[str, Any]:
    """Return the CloudFormation template of an account that holds `environments`.

    Raises ConfigError if their files name different permissions boundaries, or lie in different regions.
    """
    environments = dict(sorted(environments.items()))
    parameters = {name: {"Type": "String", **facts} for name, facts in PARAMETERS.items()}
    parameters["PermissionsBoundaryArn"]["Default"] = _agreed(
        {stack: environment.permissions_boundary_arn or "" for stack, environment in environments.items()},
        "permissionsBoundary",
    )
    _agreed({stack: environment.aws.region for stack, environment in environments.items()}, "aws:region")
    made = _of_states()
    for name, document in boundaries(environments, _PLACES.partition).items():
        made[_logical(name)] = {**_policy(name, document), "Condition": "OwnBoundaries"}
    made |= {_logical(name): _policy(name, document) for name, document in policies(_PLACES).items()}
    outputs = {
        "PulumiBackendUrl": "s3://${StateBucket}?region=${AWS::Region}",
        "SecretsProvider": "awskms://${KeyAlias}?region=${AWS::Region}",
    }
    for role in roles(_PLACES, environments, project):
        made[_logical(role.name)] = _role(role)
        outputs[output_of(role.name)] = f"${{{_logical(role.name)}.Arn}}"
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What an account has before any stack of the EPS Directory of Services API is deployed to it.",
        "Parameters": parameters,
        "Conditions": {
            "MakesProvider": {"Fn::Equals": [{"Ref": "GitHubProviderArn"}, ""]},
            "OwnBoundaries": {"Fn::Equals": [{"Ref": "PermissionsBoundaryArn"}, ""]},
            "NamesBucket": {"Fn::Equals": [{"Ref": "StateBucketName"}, ""]},
        },
        "Resources": made,
        "Outputs": {name: {"Value": {"Fn::Sub": value}} for name, value in outputs.items()},
    }


def _of_states() -> dict[str, Any]:
    bucket = access.bucket_arns(_PLACES.bucket, _PLACES.partition)
    administrators: Statement = {
        "Sid": "Account",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{_PLACES.partition}:iam::{_PLACES.id}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return {
        "GitHubProvider": {
            "Type": "AWS::IAM::OIDCProvider",
            "Condition": "MakesProvider",
            **_RETAINED,
            "Properties": {"Url": f"https://{ISSUER}", "ClientIdList": [trust.AUDIENCE]},
        },
        "StateBucket": {
            "Type": "AWS::S3::Bucket",
            **_RETAINED,
            "Properties": {
                "BucketName": {
                    "Fn::If": [
                        "NamesBucket",
                        {"Fn::Sub": state_bucket(_PLACES.id)},
                        {"Ref": "StateBucketName"},
                    ]
                },
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
                },
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PublicAccessBlockConfiguration": dict(PRIVATE),
                "VersioningConfiguration": {"Status": "Enabled"},
            },
        },
        "StateBucketPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            **_RETAINED,
            "Properties": {
                "Bucket": {"Ref": "StateBucket"},
                "PolicyDocument": _filled(access.document([access.tls_only("s3:*", list(bucket))])),
            },
        },
        "SecretsKey": {
            "Type": "AWS::KMS::Key",
            **_RETAINED,
            "Properties": {
                "Description": "Encrypts secrets in the states of stacks.",
                "EnableKeyRotation": True,
                "KeyPolicy": _filled(access.document([administrators])),
            },
        },
        "SecretsKeyAlias": {
            "Type": "AWS::KMS::Alias",
            **_RETAINED,
            "Properties": {"AliasName": {"Ref": "KeyAlias"}, "TargetKeyId": {"Ref": "SecretsKey"}},
        },
    }


def _policy(name: str, document: Document) -> dict[str, Any]:
    properties = {"ManagedPolicyName": name, "PolicyDocument": _filled(document)}
    return {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}


def _role(role: Role) -> dict[str, Any]:
    inline = {"Policies": [{"PolicyName": INLINE, "PolicyDocument": _filled(role.inline)}]} if role.inline else {}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": role.name,
            "AssumeRolePolicyDocument": _filled(role.trust),
            "ManagedPolicyArns": [{"Ref": _logical(name)} for name in role.policies],
            "MaxSessionDuration": role.session_seconds,
            **inline,
            "Tags": [{"Key": key, "Value": value} for key, value in sorted(role.tags.items())],
        },
    }


def _filled(value: object) -> object:
    """Return `value` with CloudFormation's functions where it has places to fill in."""
    if isinstance(value, Mapping):
        return {key: _filled(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(part) for part in value]
    if value == _PLACES.provider_arn:
        return {"Fn::If": ["MakesProvider", {"Ref": "GitHubProvider"}, {"Ref": "GitHubProviderArn"}]}
    if not isinstance(value, str) or not re.search(r"\$\{(?!aws:)", value):
        return value
    # IAM has variables of the same looks.
    text = {"Fn::Sub": value.replace("${aws:", "${!aws:")}
    if re.fullmatch(f"arn:.*:policy/{access.boundary_name('.*')}", value):
        return {"Fn::If": ["OwnBoundaries", text, {"Ref": "PermissionsBoundaryArn"}]}
    return text


def _logical(name: str) -> str:
    return "".join(word.title() for word in re.split("[-_]", name.removeprefix("eps-dos-")))


def _agreed(values: Mapping[str, str], setting: str) -> str:
    """Return the one value of all. Raises ConfigError if there are several."""
    if len(set(values.values())) > 1:
        listed = ", ".join(f"{stack}: {value or 'none'}" for stack, value in values.items())
        raise ConfigError.of(
            setting,
            f"is {listed}; allowed: one for all stacks of an account",
            "print a template for the stacks of each account: eps-dos preflight live nft --template",
        )
    return next(iter(values.values()), "")


def printed(value: object, depth: int = 0) -> str:
    """Return a template as JSON, a line for each statement of a policy: laid out further it would be too long."""
    compact = json.dumps(value, separators=(",", ":"))
    if isinstance(value, Mapping):
        parts = [f"{json.dumps(key)}:{printed(part, depth + 1)}" for key, part in value.items()]
        opening, closing = "{}"
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        parts, (opening, closing) = [printed(part, depth + 1) for part in value], "[]"
    else:
        return compact
    if len(compact) <= LONGEST_LINE or (isinstance(value, Mapping) and "Effect" in value):
        return compact
    indent = "\n" + " " * depth
    return f"{opening}{indent} {f',{indent} '.join(parts)}{indent}{closing}"
