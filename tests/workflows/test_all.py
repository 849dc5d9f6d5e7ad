"""What holds of every workflow and action: few rights, nothing unpinned, no value of others in a script."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.workflows.running import FOLDER, NAMES, Yaml, action, steps, workflow

ACTIONS = sorted(folder.name for folder in (FOLDER.parent / "actions").iterdir())
CREDENTIALS = "aws-actions/configure-aws-credentials"


def everything() -> Iterator[tuple[str, Yaml]]:
    """Yield every step of every workflow and action, with where it is."""
    for name in NAMES:
        yield from ((f"{name}, {job}", step) for job, step in steps(name))
    for name in ACTIONS:
        yield from ((name, step) for step in action(name)["runs"]["steps"])


def test_every_action_of_others_is_pinned_by_its_commit() -> None:
    used = [step["uses"] for _, step in everything() if not step.get("uses", "./").startswith("./")]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name)] == []


def test_no_script_is_put_together_from_values() -> None:
    assert [where for where, step in everything() if "${{" in step.get("run", "")] == []


def test_no_step_reads_whole_output_through_a_reader_that_ends_early() -> None:
    """With pipefail the writer's SIGPIPE would be the answer."""
    assert [where for where, step in everything() if re.search(r"\|\s*(head|grep -q)", step.get("run", ""))] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_gives_no_right_by_itself_and_its_steps_count_a_failure_inside_a_pipe(name: str) -> None:
    document = workflow(name)
    assert document["permissions"] == {}
    assert document["defaults"] == {"run": {"shell": "bash"}}
    assert "pull_request_target" not in document["on"]
    for job in document["jobs"].values():
        assert job["permissions"] != {} or "checkout" not in str(job)


@pytest.mark.parametrize("name", ACTIONS)
def test_an_actions_steps_count_a_failure_inside_a_pipe(name: str) -> None:
    assert {step.get("shell") for step in action(name)["runs"]["steps"] if "run" in step} <= {"bash"}


def test_every_script_is_one_that_bash_can_read() -> None:
    for where, step in everything():
        if "run" in step:
            parsed = subprocess.run(["bash", "-n"], input=step["run"], capture_output=True, text=True, check=False)
            assert (parsed.returncode, parsed.stderr) == (0, ""), where


@pytest.mark.parametrize("name", NAMES)
def test_a_job_with_credentials_writes_nothing_on_github_and_is_set_up_before_it_gets_them(name: str) -> None:
    for job_name, job in workflow(name)["jobs"].items():
        used = [step.get("uses", "").partition("@")[0] for step in job.get("steps", ())]
        if CREDENTIALS in used:
            assert job["permissions"] == {"contents": "read", "id-token": "write"}, job_name
            (setup,) = [at for at, action_ in enumerate(used) if action_.endswith("/.github/actions/setup")]
            assert setup < used.index(CREDENTIALS)
            verified = job["steps"][setup].get("with", {}).get("credentials", "true")
            assert verified in ("true", "${{ vars.PREVIEW_ROLE_ARN != '' }}")
        elif "id-token" in job["permissions"]:
            assert "./.github/actions/deploy" in used or "uses" in job, job_name


@pytest.mark.parametrize("name", NAMES)
def test_no_checkout_keeps_githubs_token(name: str) -> None:
    checkouts = [step["with"] for _, step in steps(name) if "actions/checkout" in step.get("uses", "")]
    assert {given["persist-credentials"] for given in checkouts} <= {"false"}


@pytest.mark.parametrize("name", ["deploy.yml", "drift.yml", "ephemeral.yml", "reap.yml"])
def test_no_run_with_credentials_ends_another_in_the_middle(name: str) -> None:
    assert workflow(name)["concurrency"]["cancel-in-progress"] == "false"
