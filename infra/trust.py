"""Which of GitHub's jobs may take on which role: a row for each workflow, and the trust conditions made of it.

A job proves itself by a token of GitHub's, whose claims AWS compares with the role's trust. `sub` alone says too
little: any branch may hold a workflow with `environment: dev`, and its subject is then that of the real deployment. So
a role asks for the file and the ref that the job is from as well. `*` is IAM's, in StringLike.

Sources. Claims: GitHub docs, "OpenID Connect reference"; a pull request's `ref` is refs/pull/N/merge, and once it is
merged the branch that it was merged into (GitHub docs, "Contexts", `github.ref`). AWS: the keys `job_workflow_ref`,
`ref`, `environment` and `repository_id` of this provider exist since January 2026 (AWS What's New, "AWS STS supports
validation of identity provider claims"). Subjects with ids, `repo:OWNER@ID/NAME@ID:...`: repositories that were made,
renamed or moved since 15 July 2026, or opted in (GitHub changelog of 23 April 2026). Not found in writing: an example
of a merge queue's subject, taken here to be that of its branch, as for every event that isn't a pull request's; and
what `job_workflow_ref` is where a ruleset runs the workflow.

Left out: what the roles may do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.access import Document, Statement, document
from infra.naming import PERMANENT

ISSUER: Final = "token.actions.githubusercontent.com"
AUDIENCE: Final = "sts.amazonaws.com"
"""What aws-actions/configure-aws-credentials asks a token for."""

MAIN: Final = "refs/heads/main"
PULL_REQUEST: Final = "refs/pull/*/merge"
QUEUE: Final = "refs/heads/gh-readonly-queue/main/*"
"""The branch that a merge queue makes for each group."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What GitHub's token says of a job."""

    workflow: str
    """The file that has the job, in .github/workflows; of a reusable workflow its own, not the caller's."""
    ref: str
    pull_request: bool = False
    """Whether a pull request's event started it: the subject then says so in place of the ref."""
    environment: str | None = None

    @property
    def context(self) -> str:
        """The end of the subject."""
        if self.environment is not None:
            return f"environment:{self.environment}"
        return "pull_request" if self.pull_request else f"ref:{self.ref}"


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role for workflows: who takes it on, and for how long."""

    variable: str
    """The variable of the repository, or of the GitHub environment, that holds its ARN."""
    jobs: tuple[Job, ...]
    session_seconds: int = 3600
    """The longest session that a job asks for."""


def _deploy(stack: str) -> Role:
    job = Job(workflow="deploy-stack.yml", ref=MAIN, environment=stack)
    return Role(variable="DEPLOY_ROLE_ARN", jobs=(job,), session_seconds=14400)


ROLES: Final[Mapping[str, Role]] = {
    **{f"deploy-{stack}": _deploy(stack) for stack in PERMANENT},
    "preview": Role(
        variable="PREVIEW_ROLE_ARN",
        jobs=(
            Job(workflow="preview.yml", ref=PULL_REQUEST, pull_request=True),
            Job(workflow="preview.yml", ref=QUEUE),
            Job(workflow="deploy-stack.yml", ref=MAIN),
        ),
    ),
    "drift": Role(variable="DRIFT_ROLE_ARN", jobs=(Job(workflow="drift.yml", ref=MAIN),)),
    "ephemeral": Role(
        variable="EPHEMERAL_ROLE_ARN",
        jobs=(
            Job(workflow="ephemeral.yml", ref=PULL_REQUEST, pull_request=True),
            # A merge closes the pull request, and the event's ref is then the branch's.
            Job(workflow="ephemeral.yml", ref=MAIN, pull_request=True),
            # GitHub's form.
            Job(workflow="ephemeral.yml", ref=MAIN),
            Job(workflow="reap.yml", ref=MAIN),
        ),
        session_seconds=14400,
    ),
}
"""By purpose. Tests hold every job that asks for credentials against it."""


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository on GitHub: its names, and the numbers that outlive them; each may be CloudFormation's `${Name}`."""

    owner: str
    name: str
    owner_id: str
    """`gh api repos/OWNER/NAME --jq .owner.id`"""
    id: str
    """`gh api repos/OWNER/NAME --jq .id`"""

    def subjects(self, context: str) -> list[str]:
        """Return the subject of a job in both forms, without and with ids."""
        return [
            f"repo:{self.owner}/{self.name}:{context}",
            f"repo:{self.owner}@{self.owner_id}/{self.name}@{self.id}:{context}",
        ]


def conditions(role: Role, repository: Repository) -> dict[str, dict[str, str | list[str]]]:
    """Return the conditions of `role`'s trust, by operator and key, as IAM reads them: all must hold.

    The values of all its jobs stand in one list for each key: a trust policy holds 2,048 characters (IAM quotas), and
    which file at which ref goes together is in `job_workflow_ref`.
    """
    like: dict[str, list[str]] = {
        "sub": [subject for job in role.jobs for subject in repository.subjects(job.context)],
        "job_workflow_ref": [
            f"{repository.owner}/{repository.name}/.github/workflows/{job.workflow}@{job.ref}" for job in role.jobs
        ],
        "ref": [job.ref for job in role.jobs],
    }
    equal: dict[str, str | list[str]] = {"aud": AUDIENCE, "repository_id": repository.id}
    environments = sorted({job.environment for job in role.jobs if job.environment is not None})
    if environments:
        equal["environment"] = environments
    return {
        "StringEquals": {f"{ISSUER}:{key}": value for key, value in equal.items()},
        "StringLike": {f"{ISSUER}:{key}": list(dict.fromkeys(values)) for key, values in like.items()},
    }


def trust_policy(role: Role, repository: Repository, provider_arn: str) -> Document:
    """Return the trust policy of `role`; `provider_arn` is that of GitHub's OIDC provider; an account has one."""
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": conditions(role, repository),
    }
    return document([statement])
