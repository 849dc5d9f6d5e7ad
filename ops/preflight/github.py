"""GitHub's side of a deployment, one check per question: who may deploy, who approves, and what a merge must pass.

A role's trust (`infra.trust`) leans on it: whoever gets a commit onto the main branch, or a job into the GitHub
environment, gets the role. It asks by `gh api` and changes nothing. Left out: secrets, and the variables' values.

Source: GitHub REST API, "Deployment environments", "Deployment branch policies", "Rules" (Get rules for a branch, which
has those of the repository, the organisation and the enterprise), "Branches" (Get branch protection), "List CODEOWNERS
errors", "Get the customization template for an OIDC subject claim for a repository".
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from infra.trust import MAIN
from ops.output.report import Check
from ops.preflight.account import lacking, ok

Ask: TypeAlias = Callable[[str], Any]
"""Returns what GitHub has at a path of the repository (`environments/live`); None if it has nothing there.

Raises NoAnswerError."""

BRANCH = MAIN.removeprefix("refs/heads/")
GATE = "review"
"""The job of preview.yml that is required where there is no ruleset that requires the workflow."""
WORKFLOW = ".github/workflows/preview.yml"
APPROVED = ("live", "nft")
"""Stacks that nobody deploys alone."""

SETTINGS = "on GitHub, in the repository's settings"


class NoAnswerError(Exception):
    """GitHub can't be asked; the message says why."""


def checks(stack: str, ask: Ask) -> Iterator[Check]:
    """Yield GitHub's side of `stack`; of what can't be asked, that it wasn't."""
    questions: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("GitHub environment", lambda: check_environment(stack, ask)),
        ("GitHub branches", lambda: check_deployment_branches(stack, ask)),
        ("GitHub rules", lambda: check_rules(ask)),
        ("GitHub code owners", lambda: check_code_owners(ask)),
        ("GitHub subject", lambda: check_subject(ask)),
    )
    for name, question in questions:
        try:
            yield question()
        except NoAnswerError as error:
            yield Check(name=name, verdict="not checked", evidence=f"{error}")


def check_environment(stack: str, ask: Ask) -> Check:
    """The GitHub environment is there, and of Live and its mirror somebody else than who started it approves."""
    name = "GitHub environment"
    found = ask(f"environments/{stack}")
    if found is None:
        return lacking(name, f"there is no environment {stack}", f"{SETTINGS}, Environments: make {stack}")
    if stack not in APPROVED:
        return ok(name, f"{stack}, which nobody has to approve")
    rules = [rule for rule in found.get("protection_rules", ()) if rule["type"] == "required_reviewers"]
    reviewers = [_called(entry["reviewer"]) for rule in rules for entry in rule.get("reviewers", ())]
    wrong = [
        *([] if reviewers else ["has no required reviewers"]),
        *(
            []
            if all(rule.get("prevent_self_review") for rule in rules)
            else ["lets people approve their own deployment"]
        ),
        *(["lets administrators pass it by"] if found.get("can_admins_bypass", True) else []),
    ]
    if wrong:
        return lacking(name, f"{stack} {', '.join(wrong)}", f"{SETTINGS}, Environments, {stack}")
    return ok(name, f"{stack}, approved by {', '.join(reviewers)}")


def check_deployment_branches(stack: str, ask: Ask) -> Check:
    """Only the main branch deploys to the GitHub environment."""
    name = "GitHub branches"
    fix = f"{SETTINGS}, Environments, {stack}, Deployment branches and tags: Selected, only {BRANCH}"
    policy = (ask(f"environments/{stack}") or {}).get("deployment_branch_policy")
    if policy is None:
        return lacking(name, f"any branch may deploy to {stack}", fix)
    if policy.get("protected_branches"):
        return lacking(name, f"any protected branch may deploy to {stack}", fix)
    listed = (ask(f"environments/{stack}/deployment-branch-policies") or {}).get("branch_policies", ())
    names = sorted(f"{entry['name']}{' (tag)' if entry.get('type') == 'tag' else ''}" for entry in listed)
    if names != [BRANCH]:
        return lacking(name, f"{', '.join(names) or 'nothing'} may deploy to {stack}; allowed: {BRANCH}", fix)
    return ok(name, f"only {BRANCH} deploys to {stack}")


def check_rules(ask: Ask) -> Check:
    """A merge is approved by code owners, after the last push, and has passed the review; by rulesets or protection."""
    name = "GitHub rules"
    rules: Sequence[Mapping[str, Any]] = ask(f"rules/branches/{BRANCH}") or ()
    wrong, how = _merging(rules, {})
    if wrong:
        # Which only administrators may read.
        wrong, how = _merging(rules, ask(f"branches/{BRANCH}/protection") or {})
    if wrong:
        return lacking(name, f"{BRANCH}: {', '.join(wrong)}", f"{SETTINGS}, Rules, Rulesets (docs/reviewing.md)")
    return ok(name, f"{BRANCH} takes what code owners approved after the last push; required is {how}")


def _merging(rules: Sequence[Mapping[str, Any]], protection: Mapping[str, Any]) -> tuple[list[str], str]:
    """Return what a merge lacks, and what it must pass, by the rules of a branch and its protection."""

    def parameters(kind: str) -> list[Mapping[str, Any]]:
        return [rule.get("parameters") or {} for rule in rules if rule["type"] == kind]

    reviews = [*parameters("pull_request"), _translated(protection.get("required_pull_request_reviews"))]
    workflows = [file["path"] for rule in parameters("workflows") for file in rule.get("workflows", ())]
    contexts = [
        *(
            check["context"]
            for rule in parameters("required_status_checks")
            for check in rule["required_status_checks"]
        ),
        *(protection.get("required_status_checks") or {}).get("contexts", ()),
    ]
    holds = {
        "no code owner has to approve": any(review.get("require_code_owner_review") for review in reviews),
        "who pushed last may approve it": any(review.get("require_last_push_approval") for review in reviews),
        f"neither {WORKFLOW} nor the check {GATE} is required": WORKFLOW in workflows or GATE in contexts,
        "its history may be rewritten": any(rule["type"] == "non_fast_forward" for rule in rules)
        or _forbids(protection, "allow_force_pushes"),
    }
    how = f"the workflow {WORKFLOW}" if WORKFLOW in workflows else f"the check {GATE}, which a branch can edit"
    return [problem for problem, fine in holds.items() if not fine], how


def check_code_owners(ask: Ask) -> Check:
    """Every line of CODEOWNERS has an owner that GitHub knows: it ignores one that it doesn't."""
    name = "GitHub code owners"
    answer = ask("codeowners/errors")
    if answer is None:
        return lacking(name, "there is no CODEOWNERS on GitHub", f"push it to {BRANCH}")
    errors = [f"line {error['line']}: {error['kind']}" for error in answer.get("errors", ())]
    if errors:
        return lacking(name, "; ".join(errors), "name a team that exists and may write, in CODEOWNERS")
    return ok(name, "CODEOWNERS has no error")


def check_subject(ask: Ask) -> Check:
    """Tokens have GitHub's own subject, which the roles' trust names in both of its forms."""
    name = "GitHub subject"
    answer = ask("actions/oidc/customization/sub") or {"use_default": True}
    if not answer.get("use_default", True):
        keys = ", ".join(answer.get("include_claim_keys", ()))
        return lacking(
            name,
            f"tokens have a subject of {keys}, which no role of the template trusts",
            "gh api --method PUT 'repos/{owner}/{repo}/actions/oidc/customization/sub' -F use_default=true",
        )
    return ok(name, "with ids" if answer.get("use_immutable_subject") else "names without ids, or GitHub doesn't say")


def by_gh(folder: Path) -> Ask:
    """Return how to ask GitHub about the repository that the checkout `folder` is of."""
    gh = shutil.which("gh")

    def ask(path: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        if gh is None:
            raise NoAnswerError("gh is not on PATH; look by hand, or install it and: gh auth login")
        asked = subprocess.run(  # noqa: S603 - GitHub's own command, on a path made here
            [gh, "api", f"repos/{{owner}}/{{repo}}/{path}"],
            cwd=folder,
            env={**os.environ, "GH_PROMPT_DISABLED": "1", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0:
            return json.loads(asked.stdout)
        if "(HTTP 404)" in asked.stderr:
            return None
        raise NoAnswerError(f"gh can't ask: {(asked.stderr.strip().splitlines() or ['no answer'])[-1]}")

    return ask


def _called(reviewer: Mapping[str, Any]) -> str:
    return str(reviewer.get("slug") or reviewer.get("login"))


def _translated(reviews: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return what a branch's protection says of reviews, in a ruleset's words."""
    given = reviews or {}
    return {
        "require_code_owner_review": given.get("require_code_owner_reviews"),
        "require_last_push_approval": given.get("require_last_push_approval"),
    }


def _forbids(protection: Mapping[str, Any], what: str) -> bool:
    return what in protection and not protection[what].get("enabled", True)
