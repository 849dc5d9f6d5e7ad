"""The workflows that review pull requests: few rights, nothing unpinned, and no old answer below a new commit."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[3] / ".github" / "workflows"
NAMES = ("preview.yml", "preview-post.yml", "preview-comment.yml")
MARKER = "<!-- eps-dos-review -->"


def workflow(name: str) -> dict[str, Any]:
    """Return a workflow; `on` is read as the word that it is."""
    document = yaml.load((FOLDER / name).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - texts only
    assert isinstance(document, dict)
    return document


def steps(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for job_name, job in workflow(name)["jobs"].items():
        yield from ((job_name, step) for step in job.get("steps", ()))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_runs_with_more_than_it_is_given(name: str) -> None:
    document = workflow(name)
    assert document["permissions"] == {}
    assert "pull_request_target" not in document["on"]
    assert all("permissions" in job for job in document["jobs"].values())


@pytest.mark.parametrize("name", NAMES)
def test_every_action_of_others_is_pinned_by_its_commit(name: str) -> None:
    used = [step["uses"] for _, step in steps(name) if "uses" in step]
    others = [one for one in used if not one.startswith("./")]
    assert [one for one in others if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one)] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_job_both_runs_a_pull_requests_code_and_may_write(name: str) -> None:
    for job in workflow(name)["jobs"].values():
        checks_out = any("actions/checkout" in step.get("uses", "") for step in job.get("steps", ()))
        assert not (
            checks_out and "write" in {job["permissions"].get("pull-requests"), job["permissions"].get("contents")}
        )


SETUP = yaml.safe_load((FOLDER.parent / "actions" / "setup" / "action.yml").read_text(encoding="utf-8"))["runs"][
    "steps"
]


def test_the_aws_plugin_is_installed_in_the_version_of_the_requirements(tmp_path: Path) -> None:
    (script,) = (step["run"] for step in SETUP if "aws-plugin" in step.get("if", ""))
    shutil.copy(FOLDER.parents[1] / "requirements.txt", tmp_path)
    pulumi, python = tmp_path / "pulumi", tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "Pulumi 3.274.1 (built with Go): {pulumi}"\n')
    pulumi.write_text('#!/bin/sh\necho "$@"\n')
    for one in (python, pulumi):
        one.chmod(0o755)
    ran = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == f"plugin install resource aws {version('pulumi-aws')}\n"


@pytest.mark.parametrize("name", sorted(file.name for file in FOLDER.glob("*.yml")))
def test_who_gets_credentials_has_set_up_with_the_aws_plugin_before(name: str) -> None:
    for job in workflow(name)["jobs"].values():
        used = [step.get("uses", "").partition("@")[0] for step in job.get("steps", ())]
        if "aws-actions/configure-aws-credentials" not in used:
            continue
        before = job["steps"][used.index("./.github/actions/setup")]
        assert used.index("./.github/actions/setup") < used.index("aws-actions/configure-aws-credentials")
        assert before.get("with", {}).get("aws-plugin", "true") in ("true", "${{ vars.PREVIEW_ROLE_ARN != '' }}")


@pytest.mark.parametrize("name", NAMES)
def test_what_others_may_write_reaches_a_command_by_the_environment_only(name: str) -> None:
    for _, step in steps(name):
        assert "${{" not in step.get("run", "")


def test_a_forks_review_gets_no_credentials() -> None:
    fork = workflow("preview.yml")["jobs"]["fork"]
    assert fork["permissions"] == {"contents": "read"}
    assert "secrets." not in json.dumps(fork)


def test_of_what_a_fork_sends_only_figures_and_texts_are_read() -> None:
    """Its review.md could say anything, its number could be another pull request's, its code could do anything."""
    render = workflow("preview-comment.yml")["jobs"]["render"]
    reading = [step["run"] for step in render["steps"] if "untrusted" in step.get("run", "")]
    assert len(reading) == 1
    assert "review --from untrusted/review.json" in reading[0]
    assert set(re.findall(r"untrusted\S*", reading[0])) == {"untrusted/review.json"}
    (number,) = [step for step in render["steps"] if step.get("id") == "pull"]
    assert "untrusted" not in json.dumps(number)
    (checkout,) = [step for step in render["steps"] if "actions/checkout" in step.get("uses", "")]
    assert not {"ref", "repository"} & checkout["with"].keys()
    assert set(render["permissions"].values()) == {"read"}


def test_the_comment_says_running_before_anything_is_looked_at_and_only_then_what_came_of_it() -> None:
    jobs = workflow("preview.yml")["jobs"]
    assert (jobs["running"]["with"]["state"], jobs["comment"]["with"]["state"]) == ("running", "done")
    assert "needs" not in jobs["running"]
    assert set(jobs["comment"]["needs"]) == {"running", "preview"}
    # It is told also of a review that failed; one that a newer push ended says nothing.
    assert jobs["comment"]["if"].startswith("always()")
    assert workflow("preview.yml")["concurrency"]["cancel-in-progress"] == "true"


def test_all_stacks_that_have_a_file_are_reviewed() -> None:
    for job in ("preview", "fork"):
        (command,) = [
            step["run"] for name, step in steps("preview.yml") if name == job and "dos review" in step.get("run", "")
        ]
        assert not re.search(r"review[^\n]*\b(live|nft|int|dev)\b", command)


@pytest.fixture
def gh(tmp_path: Path) -> Path:
    """A stand-in for GitHub's command, that writes down what it is told to send."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed; GitHub's machines have it")
    command = tmp_path / "bin" / "gh"
    command.parent.mkdir()
    command.write_text(
        '#!/bin/sh\necho "$*" >> "$CALLS"\n'
        'case "$*" in *--paginate*) echo "$EXISTING";; *) cp comment.json sent.json;; esac\n'
    )
    command.chmod(0o755)
    return command


def posted(folder: Path, gh: Path, state: str, review: str | None, existing: str = "") -> tuple[str, str]:
    """Run the step that writes the comment; return what it would send, and how."""
    (step,) = [step for _, step in steps("preview-post.yml") if "run" in step]
    if review is not None:
        (folder / "review.md").write_text(review, encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{gh.parent}:{os.environ['PATH']}",
        "CALLS": str(folder / "calls"),
        "EXISTING": existing,
        "GITHUB_SERVER_URL": "https://github.invalid",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_RUN_ID": "7",
        "NUMBER": "12",
        "HEAD": "3f2a1bc0000",
        "STATE": state,
        "MARKER": MARKER,
    }
    as_github_runs(step["run"], folder, environment).check_returncode()
    return json.loads((folder / "sent.json").read_text())["body"], (folder / "calls").read_text()


def as_github_runs(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does where `shell: bash` is said (GitHub docs, workflow syntax, defaults.run.shell)."""
    (folder / "step.sh").write_text(script, encoding="utf-8")
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "step.sh"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_push_is_marked_as_running_at_once(tmp_path: Path, gh: Path) -> None:
    body, calls = posted(tmp_path, gh, "running", None)
    assert body.startswith(
        f"{MARKER}\n## ⏳ Preview of `3f2a1bc`: [running](https://github.invalid/o/r/actions/runs/7)"
    )
    assert "no approval" in body
    assert "POST repos/o/r/issues/12/comments" in calls


def test_the_comment_is_updated_in_place(tmp_path: Path, gh: Path) -> None:
    review = f"{MARKER}\n## fine\n"
    body, calls = posted(tmp_path, gh, "done", review, existing="99")
    assert body == review
    assert "PATCH repos/o/r/issues/comments/99" in calls


@pytest.mark.parametrize("review", [None, "## approved, really\n", f"{MARKER}\n" + "x" * 65_001])
def test_what_is_no_review_is_told_to_be_none(tmp_path: Path, gh: Path, review: str | None) -> None:
    body, _ = posted(tmp_path, gh, "done", review)
    assert "it came to no end" in body
    assert "no approval" in body
    assert "really" not in body


def test_a_listing_that_fails_posts_nothing_and_fails_the_step(tmp_path: Path, gh: Path) -> None:
    gh.write_text(
        '#!/bin/sh\necho "$*" >> "$CALLS"\n'
        'case "$*" in *--paginate*) echo 99; exit 1;; *) cp comment.json sent.json;; esac\n'
    )
    with pytest.raises(subprocess.CalledProcessError):
        posted(tmp_path, gh, "done", f"{MARKER}\n## fine\n")
    assert "--method" not in (tmp_path / "calls").read_text()


def test_of_two_comments_the_first_is_updated(tmp_path: Path, gh: Path) -> None:
    _, calls = posted(tmp_path, gh, "done", f"{MARKER}\n## fine\n", existing="99\n100")
    assert "PATCH repos/o/r/issues/comments/99 " in calls


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yml")), ids=lambda file: file.name)
def test_a_failure_inside_a_pipe_counts_in_every_step(file: Path) -> None:
    assert workflow(file.name)["defaults"] == {"run": {"shell": "bash"}}
    # With pipefail, a reader that ends early makes the writer's signal the answer.
    assert "| head" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("fork", "of_fork", "of_branch", "passes"),
    [
        ("false", "skipped", "success", True),
        ("false", "skipped", "failure", False),
        ("false", "skipped", "cancelled", False),
        ("false", "success", "skipped", False),
        ("true", "success", "skipped", True),
        ("true", "failure", "skipped", False),
        ("true", "skipped", "success", False),
        ("", "", "", False),
    ],
)
def test_the_gate_is_red_unless_the_right_review_succeeded(
    tmp_path: Path, fork: str, of_fork: str, of_branch: str, passes: bool
) -> None:
    gate = workflow("preview.yml")["jobs"]["gate"]
    (step,) = gate["steps"]
    done = as_github_runs(step["run"], tmp_path, {"FORK": fork, "OF_FORK": of_fork, "OF_BRANCH": of_branch})
    assert (done.returncode == 0) is passes
    assert ("::error::" in done.stdout) is not passes


def test_the_gate_always_runs_also_in_a_merge_queue() -> None:
    document = workflow("preview.yml")
    gate = document["jobs"]["gate"]
    assert (gate["if"], gate["permissions"], set(gate["needs"])) == ("always()", {}, {"preview", "fork"})
    assert {"pull_request", "merge_group"} <= document["on"].keys()
    # Two groups of a queue have no pull request's number; with one key the second would end the first.
    assert "github.ref" in document["concurrency"]["group"]


REVIEWED = """#!/bin/sh
echo "$*" >> calls
echo '{"stacks": [{"fingerprint": "abc", "verdict": "'$VERDICT'"}]}' > review.json
echo '## review' > review.md
exit $CODE
"""


@pytest.mark.parametrize(
    ("verdict", "code", "outputs"),
    [
        ("calm", 0, "fingerprint=abc\nchanges=some\n"),
        ("unchanged", 0, "fingerprint=abc\nchanges=none\n"),
        ("acknowledged", 0, "fingerprint=abc\nchanges=some\n"),
        ("dangerous", 1, ""),
    ],
)
def test_approvers_read_the_preview_that_the_fingerprint_stands_for(
    tmp_path: Path, verdict: str, code: int, outputs: str
) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed; GitHub's machines have it")
    (step,) = [step for _, step in steps("deploy-stack.yml") if step.get("id") == "review"]
    command = tmp_path / ".venv" / "bin" / "eps-dos"
    command.parent.mkdir(parents=True)
    command.write_text(REVIEWED)
    command.chmod(0o755)
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    done = as_github_runs(step["run"], tmp_path, {**files, "STACK": "nft", "VERDICT": verdict, "CODE": str(code)})
    assert (done.returncode == 0) is (code == 0)
    assert (tmp_path / "calls").read_text() == "review nft --output review.json --output review.md\n"
    assert (tmp_path / "GITHUB_STEP_SUMMARY").read_text() == "## review\n"
    output = tmp_path / "GITHUB_OUTPUT"
    assert (output.read_text() if output.exists() else "") == outputs


def test_nothing_is_approved_where_nothing_changes_and_a_stack_is_deployed_by_one_at_a_time() -> None:
    jobs = workflow("deploy-stack.yml")["jobs"]
    assert jobs["deploy"]["if"] == "needs.plan.outputs.changes != 'none'"
    for name in ("deploy", "again"):
        assert jobs[name]["concurrency"] == {"group": "stack-${{ inputs.stack }}", "cancel-in-progress": "false"}


@pytest.mark.parametrize(("before", "stack"), [("dev", "int"), ("int", "nft"), ("nft", "live")])
def test_a_merge_goes_on_from_stack_to_stack_and_by_hand_one_is_deployed_alone(before: str, stack: str) -> None:
    document = workflow("deploy.yml")
    job = document["jobs"][stack]
    assert job["needs"] == before
    assert f"github.event_name == 'push' && needs.{before}.result == 'success'" in job["if"]
    assert f"inputs.stack == '{stack}'" in job["if"]
    assert document["on"]["workflow_dispatch"]["inputs"]["stack"]["options"] == ["dev", "int", "nft", "live"]
