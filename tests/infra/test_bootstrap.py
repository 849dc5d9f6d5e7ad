"""The template of an account: within AWS's limits, and with the rights that are tested elsewhere."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra import access, bootstrap, deploying_role
from infra.bootstrap import Account, Role
from infra.deciding import load_environment
from infra.environment import Environment
from infra.errors import ConfigError
from infra.naming import PERMANENT
from infra.recording import record
from infra.rules import document_length
from infra.trust import Repository
from lab.emulator.policy_evaluation import Decision, Request, evaluate_identity, statements_of

CHECKOUT, ACCOUNT, PROJECT = Path(__file__).parents[2], "123456789012", "eps-dos-api"
# As long as names get on GitHub.
REPOSITORY = Repository(owner="o" * 39, name="eps-dos-api-infrastructure", owner_id="1" * 10, id="2" * 10)
ACCOUNT_OF_ALL = Account(
    id=ACCOUNT,
    partition="aws",
    region="eu-west-2",
    repository=REPOSITORY,
    provider_arn=f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com",
    bucket="eps-dos-api-states-123456789012",
    key_arn=f"arn:aws:kms:eu-west-2:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555",
)
STATES = "arn:aws:s3:::eps-dos-api-states-123456789012/.pulumi"


@cache
def environments() -> dict[str, Environment]:
    return {stack: load_environment(stack, CHECKOUT) for stack in PERMANENT}


@cache
def template() -> dict[str, Any]:
    return bootstrap.template(environments(), PROJECT)


def role(purpose: str) -> Role:
    roles = bootstrap.roles(ACCOUNT_OF_ALL, environments(), PROJECT)
    return next(one for one in roles if one.name == f"eps-dos-{purpose}")


def decided(purpose: str, request: Request) -> Decision:
    """What the role's policies together say of a request."""
    asking = role(purpose)
    shared = bootstrap.policies(ACCOUNT_OF_ALL)
    documents = [*(shared[name] for name in asking.policies), *([asking.inline] if asking.inline else [])]
    statements = [one for document in documents for one in statements_of(document, purpose, "role")]
    tags = {f"aws:PrincipalTag/{key}": [value] for key, value in asking.tags.items()}
    return evaluate_identity(statements, replace(request, context={**tags, **request.context})).decision


def test_the_template_is_printed_whole_and_fits_a_request() -> None:
    printed = bootstrap.printed(template())
    assert json.loads(printed) == template()
    assert len(printed.encode()) <= bootstrap.LONGEST_TEMPLATE


def test_policies_and_trusts_are_within_iam_s_quotas() -> None:
    shared = {**bootstrap.policies(ACCOUNT_OF_ALL), **bootstrap.boundaries(environments(), "aws")}
    assert {name for name, one in shared.items() if document_length(one) > access.LONGEST_MANAGED_POLICY} == set()
    for one in bootstrap.roles(ACCOUNT_OF_ALL, environments(), PROJECT):
        assert document_length(one.inline) <= access.LONGEST_INLINE_POLICIES
        assert document_length(one.trust) <= access.LONGEST_TRUST
        # How many a role may have (IAM quotas).
        assert len(one.policies) <= 10


def test_everything_that_differs_has_a_default_and_what_can_t_be_had_back_is_retained() -> None:
    assert [name for name, facts in template()["Parameters"].items() if "Default" not in facts] == []
    resources = template()["Resources"]
    kept = {name for name, one in resources.items() if one.get("DeletionPolicy") == "Retain"}
    assert {"StateBucket", "SecretsKey", "SecretsKeyAlias"} <= kept
    assert {name for name, one in resources.items() if one.get("UpdateReplacePolicy") == "Retain"} == kept


@pytest.mark.parametrize("stack", PERMANENT)
def test_what_roles_share_comes_to_what_each_must_be_allowed(stack: str) -> None:
    """Tests of the deploying role's policy are of one with its name in place of the variable."""
    environment = environments()[stack]
    deploying = role(f"deploy-{stack}")
    assert deploying.tags["Environment"] == stack
    shared = bootstrap.policies(ACCOUNT_OF_ALL)
    statements = [
        statement
        for document in (*(shared[name] for name in deploying.policies), deploying.inline or {})
        for statement in json.loads(json.dumps(document).replace("${aws:PrincipalTag/Environment}", stack))["Statement"]
    ]
    alone: Any = deploying_role.policy(environment, record(environment), ACCOUNT, "aws")
    of_states = {"ListStates", "ReadStates", "ReadSecrets", "WriteStates", "KeepSecrets"}
    assert {one["Sid"] for one in statements} - {one["Sid"] for one in alone["Statement"]} == of_states
    assert [one for one in json.loads(json.dumps(alone["Statement"])) if one not in statements] == []


def test_the_role_of_tests_has_what_it_must_be_allowed() -> None:
    of_tests = role("ephemeral")
    shared = bootstrap.policies(ACCOUNT_OF_ALL)
    documents: list[Any] = [*(shared[name] for name in of_tests.policies), of_tests.inline]
    statements = [statement for document in documents for statement in document["Statement"]]
    in_order = [environments()[stack] for stack in sorted(PERMANENT)]
    alone: Any = deploying_role.policy_of_tests(in_order, ACCOUNT, "aws")
    assert [one for one in alone["Statement"] if one not in statements] == []


OWN = ("stacks/eps-dos-api/{}.json", "stacks/eps-dos-api/{}.json.bak", "history/eps-dos-api/{}/{}-1.history.json",
       "backups/eps-dos-api/{}/{}.1.json", "eps-dos/eps-dos-api/{}/1.json", "locks/organization/eps-dos-api/{}/1.json",
       "stacks/eps-dos-api/{}.pulumi-tags")  # fmt: skip
"""What a stack has in its backend (pkg/backend/diy, and ops/stacks/holders)."""

WRITTEN = [
    ("deploy-live", "live", True),
    ("deploy-dev", "live", False),
    ("deploy-nft", "nft-2", False),
    ("ephemeral", "load-2026", True),
    *(("ephemeral", stack, False) for stack in PERMANENT),
    ("preview", "live", False),
    ("drift", "live", False),
]


@pytest.mark.parametrize(("purpose", "stack", "may"), WRITTEN)
def test_a_role_writes_the_states_of_its_own_stacks_only(purpose: str, stack: str, *, may: bool) -> None:
    for key in OWN:
        arn = f"{STATES}/{key.format(stack, stack)}"
        for action in ("s3:PutObject", "s3:DeleteObject"):
            assert (decided(purpose, Request(action, arn)) is Decision.ALLOWED) is may, (action, arn)
        # A mirror is held against Live's, and a release against the history of the stack before it.
        assert decided(purpose, Request("s3:GetObject", arn)) is Decision.ALLOWED
        assert decided(purpose, Request("s3:DeleteObjectVersion", arn)) is not Decision.ALLOWED


def test_without_its_guard_the_role_of_tests_would_write_live_s_state() -> None:
    inline: Any = role("ephemeral").inline
    opened = {**inline, "Statement": [one for one in inline["Statement"] if one["Sid"] != "StatesOfOthers"]}
    request = Request("s3:PutObject", f"{STATES}/stacks/eps-dos-api/live.json")
    assert evaluate_identity(statements_of(opened, "opened", "role"), request).decision is Decision.ALLOWED


@pytest.mark.parametrize("purpose", ["preview", "drift"])
def test_who_only_looks_may_change_nothing_and_read_no_data(purpose: str) -> None:
    changing = {action for actions in deploying_role.ACTIONS.values() for action in actions}
    own = {
        "aws:RequestedRegion": ["eu-west-2"],
        **{f"aws:{key}/Environment": ["live"] for key in ("ResourceTag", "RequestTag")},
        **{f"aws:{key}/Project": ["eps-dos-api"] for key in ("ResourceTag", "RequestTag")},
    }
    assert [one for one in changing if decided(purpose, Request(one, "*", own)) is Decision.ALLOWED] == []
    for action, resource in (
        ("s3:GetObject", "arn:aws:s3:::eps-dos-api-live-dataset/x"),
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:eu-west-2:{ACCOUNT}:secret:eps-dos-api/live/c-1"),
        ("kms:Encrypt", ACCOUNT_OF_ALL.key_arn),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/eps-dos-deploy-live"),
    ):
        assert decided(purpose, Request(action, resource)) is not Decision.ALLOWED
    assert decided(purpose, Request("ec2:DescribeVpcs", "*")) is Decision.ALLOWED
    assert decided(purpose, Request("kms:Decrypt", ACCOUNT_OF_ALL.key_arn)) is Decision.ALLOWED


def test_a_role_that_has_lost_its_tag_changes_nothing() -> None:
    shared = bootstrap.policies(ACCOUNT_OF_ALL)
    statements = [
        one
        for name in (bootstrap.BY_TAG, bootstrap.BY_NAME)
        for one in statements_of(shared[name], name, "user-managed")
    ]
    tags = {"aws:ResourceTag/Project": ["eps-dos-api"], "aws:ResourceTag/Environment": ["live"]}
    request = Request("ec2:DeleteVpc", "*", {"aws:RequestedRegion": ["eu-west-2"], **tags})
    assert evaluate_identity(statements, request).decision is Decision.EXPLICIT_DENY


def test_the_organisation_s_own_boundary_is_the_default_and_files_must_agree() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/organisation/limit"
    named = {stack: replace(one, permissions_boundary_arn=arn) for stack, one in environments().items()}
    assert bootstrap.template(named, PROJECT)["Parameters"]["PermissionsBoundaryArn"]["Default"] == arn
    with pytest.raises(ConfigError, match="permissionsBoundary"):
        bootstrap.template({**environments(), "live": named["live"]}, PROJECT)


def test_an_account_of_one_stack_has_no_role_for_the_others() -> None:
    alone = bootstrap.template({"live": environments()["live"]}, PROJECT)
    assert bootstrap.output_of("deploy-live") in alone["Outputs"]
    assert bootstrap.output_of("deploy-dev") not in alone["Outputs"]
