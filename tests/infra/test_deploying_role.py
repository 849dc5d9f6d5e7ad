"""The deploying role's policy: complete for the program, true to AWS's names, no wider than it must be."""

from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from infra import deploying_role
from infra.access import boundary, flow_log_permissions, service_permissions
from infra.deciding import load_environment
from infra.deploying_role import ACTIONS, EMPTYING, LEFTOVERS, MAKING, READING, policy, policy_of_tests
from infra.environment import Environment
from infra.errors import ConfigError
from infra.graph import Graph, Resource
from infra.naming import PERMANENT, stack_names
from infra.recording import record
from infra.types import ROLE
from lab.emulator.policy_evaluation import Decision, Request, evaluate_identity, statements_of
from tests.infra.sample import environment

CHECKOUT = Path(__file__).parents[2]
ACCOUNT = "123456789012"

API_SERVICES = {"elasticloadbalancing": "elbv2", "servicequotas": "service-quotas"}
"""Where IAM's prefix of a service isn't its name in botocore."""

IAM_ONLY = {
    "iam:PassRole",
    "s3:GetEncryptionConfiguration",
    "s3:GetAccelerateConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketPublicAccessBlock",
    "s3:DeleteObjectVersion",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    # Those of S3 Control.
    "s3:ListTagsForResource",
    "s3:TagResource",
    "s3:UntagResource",
}
"""Actions that no call of the API is named after (Service Authorization Reference, Amazon S3 and IAM)."""


def of(sample: Environment) -> dict[str, Any]:
    return policy(sample, record(sample), ACCOUNT, "aws")


@pytest.fixture(scope="module")
def live() -> dict[str, Any]:
    return of(load_environment("live", CHECKOUT))


def allowed(document: dict[str, Any]) -> set[str]:
    statements = document["Statement"]
    return {
        action
        for one in statements
        if one["Effect"] == "Allow"
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }


@pytest.mark.parametrize("stack", stack_names(CHECKOUT))
def test_every_type_of_the_program_is_described(stack: str) -> None:
    assert all(one["Action"] for one in of(load_environment(stack, CHECKOUT))["Statement"])


def test_a_type_that_is_not_described_is_an_error() -> None:
    graph = Graph.of("live", [Resource(urn="u", type="aws:sqs/queue:Queue", inputs={}, outputs={})])
    sample = environment()
    with pytest.raises(ConfigError, match="aws:sqs/queue:Queue is used by the program"):
        policy(sample, graph, ACCOUNT, "aws")


@pytest.mark.parametrize(
    "action", sorted({*(one for some in ACTIONS.values() for one in some), *READING, *EMPTYING, *LEFTOVERS})
)
def test_each_action_is_one_of_awss(action: str) -> None:
    if action in IAM_ONLY:
        return
    service, name = action.split(":")
    assert any(fnmatchcase(operation, name) for operation in operations(API_SERVICES.get(service, service)))


@cache
def operations(service: str) -> tuple[str, ...]:
    return tuple(botocore.session.get_session().get_service_model(service).operation_names)


def test_what_is_in_a_dataset_may_be_neither_read_nor_written(live: dict[str, Any]) -> None:
    objects = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectAcl"}
    assert not [one for one in objects for action in allowed(live) if fnmatchcase(one, action)]


@cache
def of_tests() -> dict[str, Any]:
    """The policy of the role that makes environments for one test."""
    return policy_of_tests([load_environment(stack, CHECKOUT) for stack in PERMANENT], ACCOUNT, "aws")


def test_an_environment_for_one_test_may_be_emptied() -> None:
    assert {*EMPTYING, *LEFTOVERS} <= allowed(of_tests())


def test_a_permanent_environments_leftovers_are_nobodys_to_remove(live: dict[str, Any]) -> None:
    assert not {"ec2:DeleteNetworkInterface", "ec2:DeleteVolume", "ec2:TerminateInstances"} & allowed(live)


def test_nothing_is_allowed_outright(live: dict[str, Any]) -> None:
    assert not [action for action in allowed(live) if action.endswith(":*") or action == "*"]


def test_roles_and_buckets_are_the_environments_own(live: dict[str, Any]) -> None:
    by_sid = {one["Sid"]: one for one in live["Statement"]}
    assert by_sid["Roles"]["Resource"] == [
        f"arn:aws:iam::{ACCOUNT}:{name}"
        for name in (
            "instance-profile/eps-dos-api-live-service",
            "role/eps-dos-api-live-flow-log",
            "role/eps-dos-api-live-service",
        )
    ]
    bucket = "arn:aws:s3:::eps-dos-api-live-dataset"
    assert by_sid["Dataset"]["Resource"] == [bucket, f"{bucket}/*"]
    for sid in ("ByTag", "MakeWithTags", "MakeRules", "TagGroups", "DefaultGroup", "Start"):
        assert by_sid[sid]["Condition"]["StringEquals"]["aws:RequestedRegion"] == "eu-west-2"


def test_a_mirror_may_not_touch_the_dataset_that_it_reads() -> None:
    document = of(load_environment("nft", CHECKOUT))
    assert "Dataset" not in [one["Sid"] for one in document["Statement"]]


NAMES = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
ZONE = "arn:aws:route53:::hostedzone/Z1"
HELD = {"aws:RequestedRegion": ["eu-west-2"]}


def tagged(key: str, environment: str, project: str = "eps-dos-api") -> dict[str, list[str]]:
    """Return the context keys of what has these tags, or gets them."""
    return {**HELD, f"aws:{key}/Environment": [environment], f"aws:{key}/Project": [project]}


ADDRESS = f"arn:aws:ec2:eu-west-2:{ACCOUNT}:elastic-ip/eipalloc-1"
VPC = f"arn:aws:ec2:eu-west-2:{ACCOUNT}:vpc/vpc-1"
SUBNET = f"arn:aws:ec2:eu-west-2:{ACCOUNT}:subnet/*"
GROUP = f"arn:aws:ec2:eu-west-2:{ACCOUNT}:security-group/sg-1"
TOPIC = f"arn:aws:sns:eu-west-2:{ACCOUNT}"
CUSTOM = f"arn:aws:iam::{ACCOUNT}:role/live-x"
SERVICE = f"arn:aws:iam::{ACCOUNT}:role/eps-dos-api-live-service"
FLOW_LOG = f"arn:aws:iam::{ACCOUNT}:role/eps-dos-api-live-flow-log"
DEPLOYING = f"arn:aws:iam::{ACCOUNT}:role/eps-dos-deploy-live"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/eps-dos-api-live-boundary"
LIMIT = "iam:PermissionsBoundary"
BOUNDED = {LIMIT: [BOUNDARY]}

PATHS = {
    "releases an address of another": (("NothingOfOthers",),
        Request("ec2:ReleaseAddress", ADDRESS, tagged("ResourceTag", "nft"))),
    "releases an address of another project's": (("ByTag", "Condition"),
        Request("ec2:ReleaseAddress", ADDRESS, tagged("ResourceTag", "live", "payments"))),
    "releases an address without tags": (("ByTag", "Condition"), Request("ec2:ReleaseAddress", ADDRESS, HELD)),
    "claims an address by a tag": (("TagWhatIsMade0", "Condition"),
        Request("ec2:CreateTags", ADDRESS, tagged("RequestTag", "live"))),
    "claims a load balancer by a tag": (("TagWhatIsMade1", "Condition"),
        Request("elasticloadbalancing:AddTags", "*", tagged("RequestTag", "live"))),
    "claims a scaling group by a tag": (("TagGroups", "Condition"),
        Request("autoscaling:CreateOrUpdateTags",
                f"arn:aws:autoscaling:eu-west-2:{ACCOUNT}:autoScalingGroup:1:autoScalingGroupName/theirs",
                tagged("RequestTag", "live"))),
    "gives an own thing to another": (("NothingForOthers",),
        Request("ec2:CreateTags", ADDRESS, {**tagged("ResourceTag", "live"), **tagged("RequestTag", "nft")})),
    "makes a thing as another's": (("NothingForOthers",),
        Request("ec2:AllocateAddress", ADDRESS, tagged("RequestTag", "nft"))),
    "makes a thing without tags": (("MakeWithTags", "Condition"), Request("ec2:AllocateAddress", ADDRESS, HELD)),
    "makes a subnet in another's network": (("NothingOfOthers",),
        Request("ec2:CreateSubnet", VPC, tagged("ResourceTag", "nft"))),
    "starts instances from no launch template": (("Start", "Condition"), Request("ec2:RunInstances", "*", HELD)),
    "deletes another's topic": (("OwnByName", "Condition"),
        Request("sns:DeleteTopic", f"{TOPIC}:eps-dos-api-nft-alarms", HELD)),
    "deletes another project's topic": (("OwnByName", "Condition"),
        Request("sns:DeleteTopic", f"{TOPIC}:live-payments", HELD)),
    "makes a role without the boundary": (("BoundedRoles", "Condition"), Request("iam:CreateRole", FLOW_LOG)),
    "makes a role with another boundary": (("BoundedRoles", "Condition"),
        Request("iam:CreateRole", FLOW_LOG, {LIMIT: [f"arn:aws:iam::{ACCOUNT}:policy/mine"]})),
    "makes a role with another environment's boundary": (("BoundedRoles", "Condition"),
        Request("iam:CreateRole", FLOW_LOG, {LIMIT: [f"arn:aws:iam::{ACCOUNT}:policy/eps-dos-api-nft-boundary"]})),
    "gives a role any policy that has no boundary": (("BoundedRoles", "Condition"),
        Request("iam:PutRolePolicy", SERVICE)),
    "puts another boundary on a role": (("BoundedRoles", "Condition"),
        Request("iam:PutRolePermissionsBoundary", SERVICE, {LIMIT: ["arn:aws:iam::aws:policy/AdministratorAccess"]})),
    "takes a policy away from a role without the boundary": (("BoundedRoles", "Condition"),
        Request("iam:DeleteRolePolicy", SERVICE)),
    "hands a role to another service": (("PassRoles", "Condition"),
        Request("iam:PassRole", SERVICE, {"iam:PassedToService": ["lambda.amazonaws.com"]})),
    "changes another's record": (("OwnRecord", "Condition"),
        Request("route53:ChangeResourceRecordSets", ZONE, {NAMES: ["dos-nft.eps.digital.nhs.uk"]})),
    "changes another's record beside its own": (("OwnRecord", "Condition"),
        Request("route53:ChangeResourceRecordSets", ZONE,
                {NAMES: ["dos.eps.digital.nhs.uk", "dos-nft.eps.digital.nhs.uk"]})),
}  # fmt: skip
"""Ways into what isn't Live's, with the guard that closes each: a statement, or what narrows a statement."""


def decided(document: dict[str, Any], request: Request) -> Decision:
    return evaluate_identity(statements_of(document, "deploy-live", "role"), request).decision


BESIDE_ADMINISTRATOR = {
    "lifts the boundary": ("KeepBoundary", Request("iam:DeleteRolePermissionsBoundary", SERVICE, BOUNDED)),
    "edits the boundary": ("NoOtherIdentities", Request("iam:CreatePolicyVersion", BOUNDARY)),
    "goes back to another version of it": ("NoOtherIdentities", Request("iam:SetDefaultPolicyVersion", BOUNDARY)),
    "deletes the boundary": ("NoOtherIdentities", Request("iam:DeletePolicy", BOUNDARY)),
    "gives itself a policy": ("NoOtherIdentities", Request("iam:PutRolePolicy", DEPLOYING, BOUNDED)),
    "attaches one to itself": ("NoOtherIdentities", Request("iam:AttachRolePolicy", DEPLOYING)),
    "changes whom it trusts": ("NoOtherIdentities", Request("iam:UpdateAssumeRolePolicy", DEPLOYING)),
    "tells whose things are its own by a tag": ("NoOtherIdentities", Request("iam:TagRole", DEPLOYING)),
    "makes live-x": ("NoOtherIdentities", Request("iam:CreateRole", CUSTOM, BOUNDED)),
    "makes itself a user": ("NoOtherIdentities", Request("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/me")),
}
"""Ways that stay closed whatever other policies the role has, with the statement that closes each."""


@pytest.mark.parametrize("path", BESIDE_ADMINISTRATOR)
def test_beside_any_other_policy_the_boundary_and_other_identities_stay(live: dict[str, Any], path: str) -> None:
    sid, request = BESIDE_ADMINISTRATOR[path]
    everything = {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}
    widened = {**live, "Statement": [*live["Statement"], everything]}
    assert decided(live, request) is not Decision.ALLOWED
    assert decided(widened, request) is Decision.EXPLICIT_DENY
    assert decided(without(widened, (sid,)), request) is Decision.ALLOWED, "closed by something else than the guard"


ESCALATIONS = (
    Request("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/me"),
    Request("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
    Request("s3:PutObject", "arn:aws:s3:::eps-dos-api-dev-dataset/x"),
    Request("s3:GetObject", "arn:aws:s3:::eps-dos-api-live-dataset/x"),
    Request(
        "secretsmanager:GetSecretValue",
        f"arn:aws:secretsmanager:eu-west-2:{ACCOUNT}:secret:eps-dos-api/live/certificate-a1b2c3",
    ),
    Request("s3:GetObject", f"arn:aws:s3:::eps-dos-api-states-{ACCOUNT}/.pulumi/stacks/eps-dos-api/live.json"),
    Request("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:eu-west-2:{ACCOUNT}:secret:others-a1b2c3"),
)


@pytest.mark.parametrize("request_", ESCALATIONS, ids=lambda request: f"{request.action}")
def test_a_role_that_was_given_every_right_can_do_no_more_than_the_boundary(request_: Request) -> None:
    given = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    everything, limit = (
        statements_of(given, "given", "role"),
        statements_of(boundary("dev", "eps-dos-api-dev-dataset", "aws"), "boundary", "user-managed"),
    )
    assert evaluate_identity(everything, request_).decision is Decision.ALLOWED
    assert evaluate_identity(everything, request_, limit).decision is Decision.IMPLICIT_DENY


def test_the_boundary_is_as_wide_as_what_the_program_s_roles_do() -> None:
    secret = f"arn:aws:secretsmanager:eu-west-2:{ACCOUNT}:secret:eps-dos-api/live/certificate-a1b2c3"
    sample = environment()
    sample = replace(sample, service=replace(sample.service, certificate_secret_arn=secret, operator_sessions=True))
    limit = statements_of(boundary("live", sample.dataset.bucket, "aws"), "boundary", "user-managed")
    group = f"arn:aws:logs:eu-west-2:{ACCOUNT}:log-group:eps-dos-api-live-service"
    documents = (
        service_permissions(sample.service, sample.dataset, "live", "aws", group),
        flow_log_permissions(group),
    )
    allowing = [one for document in documents for one in statements_of(document, "s", "role") if not one.denies]
    requests = [
        Request(action, str(resource).replace("*", "x"), {"cloudwatch:namespace": ["eps-dos-api/live"]})
        for one in allowing
        for action in ([one.body["Action"]] if isinstance(one.body["Action"], str) else one.body["Action"])
        for resource in ([one.body["Resource"]] if isinstance(one.body["Resource"], str) else one.body["Resource"])
    ]
    assert len(requests) >= 10
    assert [one for one in requests if evaluate_identity(limit, one).decision is not Decision.ALLOWED] == []


def test_the_organisation_s_own_boundary_takes_the_place_of_the_program_s() -> None:
    own = f"arn:aws:iam::{ACCOUNT}:policy/organisation/limit"
    sample = replace(environment(), permissions_boundary_arn=own)
    request = Request("iam:CreateRole", FLOW_LOG, {LIMIT: [own]})
    assert decided(of(sample), request) is Decision.ALLOWED
    assert decided(of(environment()), request) is not Decision.ALLOWED
    assert {one.inputs["permissionsBoundary"] for one in record(sample).of_type(ROLE)} == {own}


def without(document: dict[str, Any], guard: tuple[str, ...]) -> dict[str, Any]:
    """Return the policy without a guard: a statement that denies, or a condition or names that narrow one."""
    sid, *part = guard
    kept = [one for one in document["Statement"] if one["Sid"] != sid]
    if part:
        (guarded,) = (one for one in document["Statement"] if one["Sid"] == sid)
        wider = {key: value for key, value in guarded.items() if key != part[0]}
        kept.append({**wider, "Resource": "*"})
    return {**document, "Statement": kept}


@pytest.mark.parametrize("path", PATHS)
def test_a_way_into_what_is_not_the_environments_is_closed(live: dict[str, Any], path: str) -> None:
    guard, request = PATHS[path]
    assert decided(live, request) is not Decision.ALLOWED
    assert decided(without(live, guard), request) is Decision.ALLOWED, "closed by something else than the guard"


OWN = (
    Request("ec2:ReleaseAddress", ADDRESS, tagged("ResourceTag", "live")),
    Request("ec2:AllocateAddress", ADDRESS, tagged("RequestTag", "live")),
    Request("ec2:CreateTags", ADDRESS, {**tagged("RequestTag", "live"), "ec2:CreateAction": ["AllocateAddress"]}),
    Request("ec2:CreateSubnet", VPC, tagged("ResourceTag", "live")),
    Request("ec2:CreateSubnet", SUBNET, tagged("RequestTag", "live")),
    Request("ec2:CreateTags", GROUP, tagged("RequestTag", "live")),
    Request("ec2:RevokeSecurityGroupEgress", GROUP, HELD),
    Request(
        "ec2:RunInstances",
        f"arn:aws:ec2:eu-west-2:{ACCOUNT}:network-interface/*",
        {**HELD, "ec2:LaunchTemplate": [f"arn:aws:ec2:eu-west-2:{ACCOUNT}:launch-template/lt-1"]},
    ),
    Request("sns:DeleteTopic", f"{TOPIC}:eps-dos-api-live-alarms", HELD),
    Request("cloudwatch:PutDashboard", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/eps-dos-api-live", HELD),
    Request("iam:CreateRole", SERVICE, BOUNDED),
    Request("iam:CreateRole", FLOW_LOG, BOUNDED),
    Request("iam:PutRolePolicy", FLOW_LOG, BOUNDED),
    Request("iam:PutRolePermissionsBoundary", SERVICE, BOUNDED),
    Request("iam:DeleteRole", FLOW_LOG),
    Request("iam:PassRole", SERVICE, {"iam:PassedToService": ["ec2.amazonaws.com"]}),
    Request("route53:ChangeResourceRecordSets", ZONE, {NAMES: ["dos.eps.digital.nhs.uk"]}),
)


@pytest.mark.parametrize("request_", OWN, ids=lambda request: f"{request.action}")
def test_its_own_is_the_environments_to_change(live: dict[str, Any], request_: Request) -> None:
    assert decided(live, request_) is Decision.ALLOWED


PATHS_OF_TESTS = {
    "releases an address of Live": (("NothingOfOthers",),
        Request("ec2:ReleaseAddress", ADDRESS, tagged("ResourceTag", "live"))),
    "makes a thing as Live's": (("NothingForOthers",),
        Request("ec2:AllocateAddress", ADDRESS, tagged("RequestTag", "live"))),
    "deletes Live's role": (("NoNamesOfOthers",), Request("iam:DeleteRole", SERVICE)),
    "deletes Live's topic": (("NoNamesOfOthers",), Request("sns:DeleteTopic", f"{TOPIC}:eps-dos-api-live-alarms")),
    "empties Live's dataset": (("NoNamesOfOthers",),
        Request("s3:DeleteObject", "arn:aws:s3:::eps-dos-api-live-dataset/x")),
    "changes whom operators trust": (("Roles", "Condition"),
        Request("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/eps-dos-api-operators")),
    "changes the record of NFT": (("NoRecordsOfOthers",),
        Request("route53:ChangeResourceRecordSets", ZONE, {NAMES: ["dos-nft.eps.digital.nhs.uk"]})),
    "changes Live's record": (("RecordsOfTests", "Condition"),
        Request("route53:ChangeResourceRecordSets", ZONE, {NAMES: ["dos.eps.digital.nhs.uk"]})),
}  # fmt: skip
"""Ways for the role of environments for one test into permanent ones, with the guard that closes each."""


@pytest.mark.parametrize("path", PATHS_OF_TESTS)
def test_a_way_into_a_permanent_environment_is_closed_to_tests(path: str) -> None:
    guard, request = PATHS_OF_TESTS[path]
    assert decided(of_tests(), request) is not Decision.ALLOWED
    opened = without(of_tests(), guard)
    # Where another guard stands behind it, that goes, too.
    for behind in ("NoOtherIdentities", "NoRecordsOfOthers"):
        if guard in (("Roles", "Condition"), ("RecordsOfTests", "Condition")):
            opened = without(opened, (behind,))
    assert decided(opened, request) is Decision.ALLOWED, "closed by something else than the guard"


@pytest.mark.parametrize(
    "request_",
    [
        Request("ec2:ReleaseAddress", ADDRESS, tagged("ResourceTag", "load-2026")),
        Request("ec2:TerminateInstances", "*", tagged("ResourceTag", "load-2026")),
        Request("iam:DeleteRole", f"arn:aws:iam::{ACCOUNT}:role/eps-dos-api-load-2026-service"),
        Request("s3:DeleteObjectVersion", "arn:aws:s3:::eps-dos-api-load-2026-dataset/x"),
        Request("route53:ChangeResourceRecordSets", ZONE, {NAMES: ["dos-load-2026.eps.digital.nhs.uk"]}),
    ],
    ids=lambda request: f"{request.action}",
)
def test_what_is_made_for_one_test_may_be_ended(request_: Request) -> None:
    assert decided(of_tests(), request_) is Decision.ALLOWED


def test_nobody_takes_on_a_role_by_deploying(live: dict[str, Any]) -> None:
    assert not [action for action in allowed(live) if action.startswith("sts:")]


def test_what_the_program_uses_is_allowed(live: dict[str, Any]) -> None:
    graph = record(load_environment("live", CHECKOUT))
    types = {one.type for one in graph} & ACTIONS.keys()
    assert {action for one in types for action in deploying_role.ACTIONS[one]} <= allowed(live)


def test_what_makes_a_thing_is_what_the_program_makes_things_with() -> None:
    assert {action for actions in ACTIONS.values() for action in actions} >= MAKING
