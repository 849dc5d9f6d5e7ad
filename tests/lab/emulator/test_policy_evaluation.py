"""IAM's evaluation logic: a denial wins, conditions count, and missing keys fail what isn't negated."""

from __future__ import annotations

from typing import Any

import pytest

from lab.emulator.policy_evaluation import (
    Decision,
    Principal,
    Request,
    Statement,
    evaluate,
    evaluate_identity,
    missing_context_keys,
    statements_of,
)

ROLE = Principal("arn:aws:iam::123456789012:role/service")
OBJECT = "arn:aws:s3:::dataset/gp/A81001.json"


def statement(effect: str = "Allow", action: object = "s3:GetObject", **rest: Any) -> Statement:
    body = {"Effect": effect, "Action": action, "Resource": "*", **rest}
    return Statement("policy", "role", {key: value for key, value in body.items() if value is not None})


def decision(*statements: Statement, action: str = "s3:GetObject", resource: str = OBJECT, **context: Any) -> Decision:
    keys = {key.replace("__", ":"): value if isinstance(value, list) else [value] for key, value in context.items()}
    return evaluate_identity(statements, Request(action, resource, keys)).decision


def test_nothing_is_allowed_unless_something_allows_it() -> None:
    assert decision() is Decision.IMPLICIT_DENY
    assert decision(statement()) is Decision.ALLOWED


def test_a_denial_wins_wherever_it_stands() -> None:
    assert decision(statement(), statement("Deny")) is Decision.EXPLICIT_DENY
    assert decision(statement("Deny"), statement()) is Decision.EXPLICIT_DENY


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [("s3:Get*", True), ("S3:getobject", True), ("*", True), ("s3:Ge?Object", True), ("s3:Put*", False), ("s3", False)],
)
def test_actions_are_patterns_without_case(pattern: str, fits: bool) -> None:
    assert (decision(statement(action=pattern)) is Decision.ALLOWED) is fits


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("arn:aws:s3:::dataset/*", True),
        ("arn:aws:s3:::dataset/gp/*.json", True),
        ("arn:aws:s3:::dataset", False),
        ("arn:aws:s3:::Dataset/*", False),
        ("arn:aws:s3:::dataset/[gp]/*", False),
    ],
)
def test_resources_are_patterns_with_case(pattern: str, fits: bool) -> None:
    assert (decision(statement(Resource=pattern)) is Decision.ALLOWED) is fits


def test_not_action_and_not_resource_mean_all_others() -> None:
    everything_else = statement(action=None, NotAction=["s3:GetObject", "s3:ListBucket"])
    assert decision(everything_else) is Decision.IMPLICIT_DENY
    assert decision(everything_else, action="s3:PutObject") is Decision.ALLOWED
    elsewhere = statement(Resource=None, NotResource="arn:aws:s3:::dataset/*")
    assert decision(elsewhere) is Decision.IMPLICIT_DENY
    assert decision(elsewhere, resource="arn:aws:s3:::other/x") is Decision.ALLOWED


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "values", "fits"),
    [
        ("StringEquals", "aws:PrincipalAccount", "1", ["1"], True),
        ("StringEquals", "aws:PrincipalAccount", ["1", "2"], ["2"], True),
        ("StringEquals", "aws:PrincipalAccount", "1", None, False),
        ("StringEquals", "AWS:principalaccount", "1", ["1"], True),
        ("StringEqualsIfExists", "aws:PrincipalAccount", "1", None, True),
        ("StringNotEquals", "aws:PrincipalAccount", "1", None, True),
        ("StringNotEquals", "aws:PrincipalAccount", ["1", "2"], ["2"], False),
        ("StringLike", "s3:prefix", "gp/*", ["gp/A"], True),
        ("StringNotLike", "s3:prefix", "gp/*", ["gp/A"], False),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/eps-*", ["arn:aws:iam::12:role/eps-a"], True),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::12:*", ["arn:aws:iam::12:role/eps-a"], True),
        ("ArnLike", "aws:PrincipalArn", "arn:*role/eps-a", ["arn:aws:iam::12:role/eps-a"], False),
        ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::12:role/*", ["arn:aws:iam::13:role/a"], True),
        ("Bool", "aws:SecureTransport", "false", ["false"], True),
        ("Bool", "aws:SecureTransport", False, ["true"], False),
        ("Null", "aws:PrincipalArn", "true", None, True),
        ("Null", "aws:PrincipalArn", "false", ["x"], True),
        ("IpAddress", "aws:SourceIp", "192.0.2.0/24", ["192.0.2.9"], True),
        ("NotIpAddress", "aws:SourceIp", "192.0.2.0/24", ["192.0.2.9"], False),
        ("NumericLessThan", "s3:max-keys", "10", ["9"], True),
        ("NumericGreaterThanEquals", "s3:TlsVersion", "1.2", ["1.3"], True),
        ("NumericLessThan", "s3:max-keys", "10", ["many"], False),
        ("DateGreaterThan", "aws:CurrentTime", "2026-01-01T00:00:00Z", ["2026-02-01T00:00:00Z"], True),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["Owner"], ["Owner", "Other"], True),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["Owner"], ["Owner", "Other"], False),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["Owner"], None, True),
    ],
)
def test_conditions(operator: str, key: str, wanted: object, values: list[str] | None, fits: bool) -> None:
    conditional = statement(Condition={operator: {key: wanted}})
    context = {} if values is None else {key.lower(): values}
    verdict = evaluate_identity([conditional], Request("s3:GetObject", OBJECT, context))
    assert (verdict.decision is Decision.ALLOWED) is fits


def test_all_conditions_must_hold() -> None:
    both = statement(Condition={"StringEquals": {"aws:PrincipalAccount": "1"}, "Bool": {"aws:SecureTransport": "true"}})
    assert decision(both, aws__PrincipalAccount="1", aws__SecureTransport="true") is Decision.ALLOWED
    assert decision(both, aws__PrincipalAccount="1", aws__SecureTransport="false") is Decision.IMPLICIT_DENY


def test_policy_variables_take_the_callers_values() -> None:
    own_prefix = statement(Resource="arn:aws:s3:::dataset/${aws:PrincipalAccount}/*")
    request = {"aws__PrincipalAccount": "111111111111"}
    assert decision(own_prefix, resource="arn:aws:s3:::dataset/111111111111/x", **request) is Decision.ALLOWED
    assert decision(own_prefix, resource="arn:aws:s3:::dataset/222222222222/x", **request) is Decision.IMPLICIT_DENY


def both(identity: list[Statement], resource: list[Statement], owner: str = "123456789012") -> Decision:
    return evaluate(identity, resource, Request("s3:GetObject", OBJECT), ROLE, owner).decision


def test_in_one_account_either_policy_may_allow_the_principal_itself() -> None:
    named = statement(Principal={"AWS": ROLE.arn})
    assert both([statement()], []) is Decision.ALLOWED
    assert both([], [named]) is Decision.ALLOWED
    assert both([statement("Deny")], [named]) is Decision.EXPLICIT_DENY
    assert both([statement()], [statement("Deny", Principal="*")]) is Decision.EXPLICIT_DENY


def test_naming_the_account_leaves_it_to_the_identity() -> None:
    account = statement(Principal={"AWS": "arn:aws:iam::123456789012:root"})
    assert both([], [account]) is Decision.IMPLICIT_DENY
    assert both([statement()], [account]) is Decision.ALLOWED


def test_across_accounts_both_must_allow() -> None:
    account = statement(Principal={"AWS": "123456789012"})
    assert both([statement()], [], owner="999999999999") is Decision.IMPLICIT_DENY
    assert both([], [account], owner="999999999999") is Decision.IMPLICIT_DENY
    assert both([statement()], [account], owner="999999999999") is Decision.ALLOWED


def test_the_keys_that_a_request_lacks_are_named() -> None:
    conditional = statement(Condition={"StringEquals": {"aws:PrincipalAccount": "1", "s3:prefix": "x"}})
    request = Request("s3:GetObject", OBJECT, {"S3:Prefix": ["x"]})
    assert missing_context_keys([conditional], request) == ["aws:PrincipalAccount"]


def test_what_is_no_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="no statements"):
        statements_of('{"Version": "2012-10-17"}', "p", "role")
