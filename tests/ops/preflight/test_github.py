"""GitHub's side: who may deploy and who approves, as its API says it, by rulesets or by a branch's protection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ops.output.report import Check
from ops.preflight.github import NoAnswerError, by_gh, checks

REVIEWERS: Mapping[str, Any] = {
    "type": "required_reviewers",
    "prevent_self_review": True,
    "reviewers": [{"type": "Team", "reviewer": {"slug": "owners"}}, {"type": "User", "reviewer": {"login": "a"}}],
}
ENVIRONMENT: Mapping[str, Any] = {
    "name": "live",
    "can_admins_bypass": False,
    "protection_rules": [{"type": "branch_policy"}, REVIEWERS],
    "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
}
REVIEWS = {"require_code_owner_review": True, "require_last_push_approval": True}
RULES: list[dict[str, Any]] = [
    {"type": "deletion"},
    {"type": "non_fast_forward"},
    {"type": "pull_request", "parameters": REVIEWS},
    {"type": "workflows", "parameters": {"workflows": [{"path": ".github/workflows/preview.yml", "ref": "main"}]}},
]
GOOD: Mapping[str, Any] = {
    "environments/live": ENVIRONMENT,
    "environments/dev": {**ENVIRONMENT, "protection_rules": [{"type": "branch_policy"}]},
    "environments/live/deployment-branch-policies": {"branch_policies": [{"name": "main", "type": "branch"}]},
    "environments/dev/deployment-branch-policies": {"branch_policies": [{"name": "main"}]},
    "rules/branches/main": RULES,
    "codeowners/errors": {"errors": []},
    "actions/oidc/customization/sub": {"use_default": True, "use_immutable_subject": True},
}


def looked(answers: Mapping[str, Any], stack: str = "live") -> dict[str, Check]:
    return {check.name: check for check in checks(stack, answers.get)}


def failed(answers: Mapping[str, Any], stack: str = "live") -> dict[str, str]:
    return {name: check.evidence for name, check in looked(answers, stack).items() if check.verdict == "failed"}


def changed(path: str, **values: Any) -> dict[str, Any]:
    answers = deepcopy(dict(GOOD))
    answers[path] = {**answers[path], **values}
    return answers


@pytest.mark.parametrize("stack", ["live", "dev"])
def test_what_is_as_it_should_be_is_said_with_who_approves(stack: str) -> None:
    found = looked(GOOD, stack)
    assert {check.verdict for check in found.values()} == {"ok"}
    by = "live, approved by owners, a" if stack == "live" else "dev, which nobody has to approve"
    assert found["GitHub environment"].evidence == by
    assert found["GitHub subject"].evidence == "with ids"


def test_an_empty_repository_lacks_everything_by_name() -> None:
    lacking = failed({})
    assert lacking.keys() == {"GitHub environment", "GitHub branches", "GitHub rules", "GitHub code owners"}
    assert "there is no environment live; fix: on GitHub, in the repository's settings" in lacking["GitHub environment"]
    assert "any branch may deploy to live" in lacking["GitHub branches"]
    for part in ("no code owner", "who pushed last", "neither .github/workflows/preview.yml nor", "may be rewritten"):
        assert part in lacking["GitHub rules"]


@pytest.mark.parametrize(
    ("changes", "evidence"),
    [
        ({"protection_rules": []}, "live has no required reviewers"),
        (
            {"protection_rules": [{"type": "required_reviewers", "reviewers": []}]},
            "live has no required reviewers, lets",
        ),
        (
            {"protection_rules": [{**REVIEWERS, "prevent_self_review": False}]},
            "live lets people approve their own deployment",
        ),
        ({"can_admins_bypass": True}, "live lets administrators pass it by"),
    ],
)
def test_live_is_approved_by_somebody_else(changes: dict[str, Any], evidence: str) -> None:
    answers = changed("environments/live", **changes)
    assert failed(answers)["GitHub environment"].startswith(evidence)
    # Nobody has to approve dev.
    assert failed(answers, "dev") == {}


@pytest.mark.parametrize(
    ("policies", "evidence"),
    [
        ([{"name": "main"}, {"name": "release/*"}], "main, release/* may deploy to live; allowed: main"),
        ([{"name": "main", "type": "tag"}], "main (tag) may deploy to live"),
        ([], "nothing may deploy to live"),
    ],
)
def test_only_main_deploys(policies: list[dict[str, str]], evidence: str) -> None:
    answers = changed("environments/live/deployment-branch-policies", branch_policies=policies)
    assert failed(answers)["GitHub branches"].startswith(evidence)
    protected = changed("environments/live", deployment_branch_policy={"protected_branches": True})
    assert "any protected branch" in failed(protected)["GitHub branches"]


@pytest.mark.parametrize(
    ("without", "evidence"),
    [
        ("pull_request", "main: no code owner has to approve, who pushed last may approve it; fix"),
        ("workflows", "main: neither .github/workflows/preview.yml nor the check review is required; fix"),
        ("non_fast_forward", "main: its history may be rewritten; fix"),
    ],
)
def test_each_rule_that_is_missing_is_named(without: str, evidence: str) -> None:
    answers = {**GOOD, "rules/branches/main": [rule for rule in RULES if rule["type"] != without]}
    assert failed(answers)["GitHub rules"].startswith(evidence)


def test_a_branchs_protection_does_where_there_is_no_ruleset() -> None:
    protection = {
        "required_pull_request_reviews": {"require_code_owner_reviews": True, "require_last_push_approval": True},
        "required_status_checks": {"contexts": ["review"]},
        "allow_force_pushes": {"enabled": False},
    }
    answers = {**GOOD, "rules/branches/main": [], "branches/main/protection": protection}
    by_protection = looked(answers)["GitHub rules"]
    assert by_protection.verdict == "ok"
    assert by_protection.evidence.endswith("the check review, which a branch can edit")
    check = {"type": "required_status_checks", "parameters": {"required_status_checks": [{"context": "review"}]}}
    rules = [*(rule for rule in RULES if rule["type"] != "workflows"), check]
    # What rulesets say is enough: only administrators may read the protection.
    assert looked({**GOOD, "rules/branches/main": rules})["GitHub rules"].verdict == "ok"
    assert (
        "rewritten"
        in failed({**answers, "branches/main/protection": {**protection, "allow_force_pushes": {}}})["GitHub rules"]
    )


def test_an_owner_that_github_does_not_know_and_a_subject_of_ones_own_are_named() -> None:
    errors = {"errors": [{"line": 10, "kind": "Unknown owner", "path": "CODEOWNERS"}]}
    assert failed({**GOOD, "codeowners/errors": errors})["GitHub code owners"].startswith("line 10: Unknown owner; fix")
    own = {"use_default": False, "include_claim_keys": ["repo", "context", "job_workflow_ref"]}
    assert (
        "a subject of repo, context, job_workflow_ref"
        in failed({**GOOD, "actions/oidc/customization/sub": own})["GitHub subject"]
    )


@pytest.fixture
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    command = tmp_path / "gh"
    command.write_text(
        '#!/bin/sh\necho "$PWD $*" >> calls\ncase $2 in */environments/*) echo "$ANSWER";; '
        '*/codeowners/*) echo "gh: Not Found (HTTP 404)" >&2; exit 1;; '
        '*) echo "To get started with GitHub CLI, please run:  gh auth login" >&2; exit 4;; esac\n'
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("ANSWER", json.dumps(ENVIRONMENT))
    return tmp_path


def test_gh_is_asked_about_the_checkouts_repository_and_what_it_cannot_say_was_not_checked(gh: Path) -> None:
    found = {check.name: check for check in checks("live", by_gh(gh))}
    assert found["GitHub environment"].verdict == "ok"
    assert found["GitHub code owners"].verdict == "failed"
    assert found["GitHub rules"].verdict == "not checked"
    assert found["GitHub rules"].evidence.endswith("please run:  gh auth login")
    assert (gh / "calls").read_text().splitlines()[0] == f"{gh} api repos/{{owner}}/{{repo}}/environments/live"


def test_without_gh_nothing_was_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoAnswerError, match="gh is not on PATH"):
        by_gh(tmp_path)("environments/live")
    assert {check.verdict for check in checks("live", by_gh(tmp_path))} == {"not checked"}
