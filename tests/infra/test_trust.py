"""Who may take on which role: every job that asks for credentials gets its own, and nobody else gets any."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.access import LONGEST_TRUST
from infra.naming import PERMANENT
from infra.trust import ISSUER, ROLES, Job, Repository, Role, conditions, trust_policy

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"
OURS = Repository(owner="NHSDigital", name="eps-dos-api-infrastructure", owner_id="15036619", id="1304267049")

REFS: Mapping[str, tuple[str, ...]] = {
    "pull_request": ("refs/pull/7/merge",),
    "merge_group": ("refs/heads/gh-readonly-queue/main/pr-7-8df5847569e6427dd6c4fb1cf565c83acfa8afa7",),
    "push": ("refs/heads/main",),
    "schedule": ("refs/heads/main",),
    "workflow_dispatch": ("refs/heads/main",),
}
"""What `github.ref` is, by event, where the event is one that is to get credentials."""


def token(workflow: str, ref: str, event: str, environment: str = "", *, with_ids: bool = False) -> dict[str, str]:
    """Return the claims that GitHub gives a job."""
    repository = "repo:NHSDigital@15036619/eps-dos-api-infrastructure@1304267049"
    context = f"environment:{environment}" if environment else event if event == "pull_request" else f"ref:{ref}"
    claims = {
        "aud": "sts.amazonaws.com",
        "sub": f"{repository if with_ids else re.sub(r'@[0-9]+', '', repository)}:{context}",
        "repository_id": "1304267049",
        "job_workflow_ref": f"NHSDigital/eps-dos-api-infrastructure/.github/workflows/{workflow}@{ref}",
        "ref": ref,
    }
    return {**claims, "environment": environment} if environment else claims


def admits(role: Role, claims: Mapping[str, str]) -> bool:
    """Whether AWS lets a job with these claims take on `role`: each key of each operator, any of its values."""
    compare: Mapping[str, Callable[[str, str], bool]] = {"StringEquals": operator.eq, "StringLike": fnmatchcase}
    for kind, keys in conditions(role, OURS).items():
        for key, allowed in keys.items():
            value = claims.get(key.removeprefix(f"{ISSUER}:"))
            values = [allowed] if isinstance(allowed, str) else allowed
            if value is None or not any(compare[kind](value, pattern) for pattern in values):
                return False
    return True


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A job of a workflow that asks for credentials."""

    workflow: str
    name: str
    variable: str
    environment: bool
    events: tuple[str, ...]
    session_seconds: int


def document(name: str) -> dict[str, Any]:
    text = (WORKFLOWS / name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - texts only
    return loaded


def asking() -> Iterator[Asking]:
    """Yield every job that asks for credentials, also through the action that deploys."""
    action = yaml.safe_load((WORKFLOWS.parent / "actions" / "deploy" / "action.yml").read_text(encoding="utf-8"))
    (deploy,) = [step["with"] for step in action["runs"]["steps"] if "configure-aws" in step.get("uses", "")]
    for file in sorted(WORKFLOWS.glob("*.yml")):
        events = tuple(document("deploy.yml")["on"] if file.name == "deploy-stack.yml" else document(file.name)["on"])
        for name, job in document(file.name)["jobs"].items():
            for step in job.get("steps", ()):
                given = step.get("with", {})
                role = given.get("role-to-assume") or given.get("role")
                if not role:
                    continue
                if step["uses"].startswith("./"):
                    given = deploy
                (variable,) = re.findall(r"vars\.(\w+)", role)
                yield Asking(
                    workflow=file.name,
                    name=name,
                    variable=variable,
                    environment="environment" in job,
                    events=events,
                    session_seconds=int(given.get("role-duration-seconds", 3600)),
                )


def tokens(job: Asking) -> Iterator[tuple[dict[str, str], str]]:
    """Yield the claims that the job can have, each with the stack that it deploys."""
    for event in job.events:
        refs = REFS[event]
        if job.workflow == "ephemeral.yml" and event == "pull_request":
            # A merge closes the pull request, and the ref is then the branch's.
            refs = (*refs, "refs/heads/main")
        for ref in refs:
            for stack in PERMANENT if job.environment else ("",):
                for with_ids in (False, True):
                    yield token(job.workflow, ref, event, stack, with_ids=with_ids), stack


ASKING = list(asking())


def test_all_jobs_with_credentials_are_looked_at() -> None:
    assert {(job.workflow, job.variable) for job in ASKING} == {
        (row.workflow, role.variable) for role in ROLES.values() for row in role.jobs
    }


@pytest.mark.parametrize("job", ASKING, ids=lambda job: f"{job.workflow}:{job.name}")
def test_every_job_that_asks_for_credentials_gets_the_role_that_its_variable_names(job: Asking) -> None:
    for claims, stack in tokens(job):
        admitting = [name for name, role in ROLES.items() if admits(role, claims)]
        assert len(admitting) == 1, (claims, admitting)
        role = ROLES[admitting[0]]
        assert role.variable == job.variable
        assert job.session_seconds <= role.session_seconds
        assert not stack or admitting == [f"deploy-{stack}"]


def test_every_row_is_some_jobs() -> None:
    admitted = [claims for job in ASKING for claims, _ in tokens(job)]
    for name, role in ROLES.items():
        for row in role.jobs:
            alone = Role(variable=role.variable, jobs=(row,))
            assert any(admits(alone, claims) for claims in admitted), (name, row)


@pytest.mark.parametrize("stack", PERMANENT)
def test_no_branch_gets_a_deploying_role_by_naming_its_environment(stack: str) -> None:
    assert not admits(ROLES[f"deploy-{stack}"], token("deploy-stack.yml", "refs/heads/main", "push"))
    real = token("deploy-stack.yml", "refs/heads/main", "push", stack)
    assert admits(ROLES[f"deploy-{stack}"], real)
    for claims in (
        token("deploy-stack.yml", "refs/heads/mine", "push", stack),
        token("mine.yml", "refs/heads/mine", "push", stack),
        token("mine.yml", "refs/heads/main", "push", stack),
        token("deploy-stack.yml", "refs/pull/7/merge", "pull_request", stack),
        token("deploy-stack.yml", "refs/tags/main", "push", stack),
        {**real, "repository_id": "1"},
        {**real, "aud": "https://github.com/NHSDigital"},
        {key: value for key, value in real.items() if key != "job_workflow_ref"},
        {**real, "sub": real["sub"].replace("NHSDigital/", "Digital/")},
        {**real, "job_workflow_ref": real["job_workflow_ref"].replace("NHSDigital/", "other/")},
    ):
        assert [name for name, role in ROLES.items() if admits(role, claims)] == [], claims


def test_a_pull_request_gets_no_role_that_runs_on_main_alone() -> None:
    """Its code may name any workflow and no environment: what reads, and what makes environments for one test."""
    for workflow in sorted(file.name for file in WORKFLOWS.glob("*.yml")):
        claims = token(workflow, "refs/pull/7/merge", "pull_request")
        assert {name for name, role in ROLES.items() if admits(role, claims)} <= {"preview", "ephemeral"}
        assert not any(admits(role, token(workflow, "refs/heads/mine", "push")) for role in ROLES.values())


@pytest.mark.parametrize("name", ROLES)
def test_a_trust_policy_is_within_iams_limit(name: str) -> None:
    long = Repository(owner="o" * 24, name="r" * 32, owner_id="9" * 10, id="9" * 10)
    provider = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
    policy = trust_policy(ROLES[name], long, provider)
    assert len(json.dumps(policy, separators=(",", ":"))) <= LONGEST_TRUST


def test_the_subject_says_environment_before_pull_request_before_ref() -> None:
    job = Job(workflow="a.yml", ref="refs/heads/main")
    assert job.context == "ref:refs/heads/main"
    assert Job(workflow="a.yml", ref=job.ref, pull_request=True).context == "pull_request"
    assert Job(workflow="a.yml", ref=job.ref, pull_request=True, environment="dev").context == "environment:dev"


def test_the_page_has_the_table() -> None:
    page = (WORKFLOWS.parents[1] / "docs" / "first-deployment.md").read_text(encoding="utf-8")
    lines = {tuple(re.findall(r"`([^`]+)`", line)[-3:]) for line in page.splitlines() if ".yml` | `refs/" in line}
    rows = {
        (job.workflow, job.ref, "environment:STACK" if job.environment else job.context)
        for role in ROLES.values()
        for job in role.jobs
    }
    assert lines == rows
