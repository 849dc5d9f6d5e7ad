"""A pull request's review, run as GitHub runs it: of a branch, of a fork, in a merge queue, and where GitHub fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workflows.running import GitHub, Yaml, action, evaluated, steps, workflow

MARKER = "<!-- eps-dos-review -->"
HEAD = "3f2a1bc9" + "0" * 32
BASE = "8f35de3a" + "0" * 32

REVIEW = """#!/bin/sh
# A review's stand-in: says in the review whose code it is, and exits as $CODE or $BASE_CODE say.
echo "$0 $*" >> "$HOME/reviews"
case $0 in base/*) code=${BASE_CODE:-$CODE} whose=base;; *) code=$CODE whose=own;; esac
if [ "$code" -gt 1 ]; then exit "$code"; fi
printf '%s\\n' '<!-- eps-dos-review -->' "## judged by $whose code" > review.md
echo '{}' > review.json
exit "$code"
"""
MAKE = "#!/bin/sh\nexit 0\n"


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed; GitHub's machines have it")
    made = GitHub(
        tmp_path,
        checkout={".venv/bin/eps-dos": REVIEW},
        variables={"PREVIEW_ROLE_ARN": "arn:aws:iam::111111111111:role/preview"},
        environment={"CODE": "0"},
    )
    (tmp_path / "bin" / "make").write_text(MAKE)
    (tmp_path / "bin" / "make").chmod(0o755)
    return made


def pull_request(repository: str = "o/r") -> Yaml:
    head = {"sha": HEAD, "ref": "mine", "repo": {"full_name": repository}, "user": {"login": repository.split("/")[0]}}
    return {"number": 7, "state": "open", "head": head, "base": {"sha": BASE, "ref": "main"}}


def gate(github: GitHub) -> str:
    return github.jobs["preview.yml/gate"].result


def reviews(github: GitHub) -> list[str]:
    file = github.folder / "reviews"
    return file.read_text().splitlines() if file.exists() else []


def test_a_branchs_review_is_in_one_comment_and_passes(github: GitHub) -> None:
    github.run("preview.yml", github.event("pull_request", pull_request=pull_request()))
    (comment,) = github.comments(7)
    assert comment == f"{MARKER}\n## judged by base code\n"
    assert gate(github) == "success"
    assert github["calls"] == [
        "GET repos/o/r/issues/7/comments",
        "POST repos/o/r/issues/7/comments",
        "GET repos/o/r/issues/7/comments",
        "PATCH repos/o/r/issues/comments/1000",
    ]
    assert github.jobs["preview.yml/preview"].summary == comment
    assert reviews(github) == ["base/.venv/bin/eps-dos review --commit 3f2a1bc --output review.json --output review.md"]


def test_the_comment_says_running_until_the_review_is_there(github: GitHub) -> None:
    event = github.event("pull_request", pull_request=pull_request())
    github.run("preview-post.yml", {**event, "inputs": {"number": "7", "head": HEAD, "state": "running"}})
    (comment,) = github.comments(7)
    assert comment.startswith(
        f"{MARKER}\n## ⏳ Preview of `3f2a1bc`: [running](https://github.invalid/o/r/actions/runs/99)"
    )
    assert "no approval" in comment


@pytest.mark.parametrize(("code", "text"), [("1", "judged by base code"), ("3", "it came to no end")])
def test_a_review_that_says_no_or_fails_is_red_and_in_the_comment(github: GitHub, code: str, text: str) -> None:
    github.environment = {"CODE": code}
    github.run("preview.yml", github.event("pull_request", pull_request=pull_request()))
    (comment,) = github.comments(7)
    assert text in comment
    assert gate(github) == "failure"


@pytest.mark.parametrize(("code", "passes"), [("0", "success"), ("1", "failure")])
def test_what_the_bases_code_cannot_judge_the_changes_own_does_and_the_comment_says_so(
    github: GitHub, code: str, passes: str
) -> None:
    github.environment = {"CODE": code, "BASE_CODE": "2"}
    github.run("preview.yml", github.event("pull_request", pull_request=pull_request()))
    assert [line.split()[0] for line in reviews(github)] == ["base/.venv/bin/eps-dos", ".venv/bin/eps-dos"]
    assert github.comments(7) == [f"{MARKER}\n## judged by own code\n"]
    assert "::warning::" in github.jobs["preview.yml/preview"].log
    assert gate(github) == passes


def test_the_bases_own_no_is_final(github: GitHub) -> None:
    github.environment = {"CODE": "0", "BASE_CODE": "1"}
    github.run("preview.yml", github.event("pull_request", pull_request=pull_request()))
    assert len(reviews(github)) == 1
    assert gate(github) == "failure"


@pytest.mark.parametrize(("code", "passes"), [("0", "success"), ("1", "failure"), ("3", "failure")])
def test_a_forks_review_is_in_the_lab_posts_nothing_by_itself_and_is_the_gates(
    github: GitHub, code: str, passes: str
) -> None:
    github.environment = {"CODE": code}
    done = github.run("preview.yml", github.event("pull_request", pull_request=pull_request("fork/r")))
    assert {name: job.result for name, job in done.items()} == {
        "running": "skipped",
        "preview": "skipped",
        "comment": "skipped",
        "fork": passes,
        "gate": passes,
    }
    assert github["calls"] == []
    assert reviews(github)[0].endswith(f"--output review.md --base {BASE}")
    assert "aws-actions/configure-aws-credentials" not in done["fork"].used


def run_of_a_fork(action_: str, **changed: Any) -> Yaml:
    run = {
        "event": "pull_request",
        "head_repository": {"full_name": "fork/r", "owner": {"login": "fork"}},
        "head_branch": "mine",
        "head_sha": HEAD,
        "conclusion": "success",
        "id": 5,
    }
    return {"action": action_, "workflow_run": {**run, **changed}}


def test_a_forks_review_is_posted_from_its_figures_by_this_branchs_code(github: GitHub) -> None:
    github.set(pulls=[pull_request("other/r"), {**pull_request("fork/r"), "number": 8}])
    github.run("preview.yml", github.event("pull_request", pull_request=pull_request("fork/r")))
    (github.folder / "reviews").unlink()
    github.run("preview-comment.yml", github.event("workflow_run", **run_of_a_fork("completed")))
    assert github.comments(8) == [f"{MARKER}\n## judged by own code\n"]
    assert reviews(github) == [
        ".venv/bin/eps-dos review --from untrusted/review.json --commit 3f2a1bc --output review.md"
    ]
    render = github.jobs["preview-comment.yml/render"]
    assert "aws-actions/configure-aws-credentials" not in render.used


@pytest.mark.parametrize(
    "changed", [{"conclusion": "cancelled"}, {"head_repository": {"full_name": "o/r"}}, {"event": "push"}]
)
def test_nothing_is_posted_for_a_run_that_is_no_forks_or_was_cancelled(github: GitHub, changed: Yaml) -> None:
    github.run("preview-comment.yml", github.event("workflow_run", **run_of_a_fork("completed", **changed)))
    assert github["calls"] == []


def test_a_fork_whose_commit_is_no_longer_the_pull_requests_is_not_answered(github: GitHub) -> None:
    github.set(pulls=[pull_request("fork/r")])
    github.run("preview-comment.yml", github.event("workflow_run", **run_of_a_fork("completed", head_sha="f" * 40)))
    assert github["comments"] == []
    assert github.jobs["preview-comment.yml/post"].result == "skipped"


def test_a_merge_queue_is_reviewed_against_its_own_base_and_has_no_comment(github: GitHub) -> None:
    github.variables = {}
    group = {"head_sha": HEAD, "base_sha": BASE}
    done = github.run("preview.yml", github.event("merge_group", merge_group=group))
    assert {name: job.result for name, job in done.items()} == {
        "running": "skipped",
        "preview": "success",
        "comment": "skipped",
        "fork": "skipped",
        "gate": "success",
    }
    assert github["calls"] == []
    assert reviews(github)[0].endswith(f"--base {BASE}")
    assert "aws-actions/configure-aws-credentials" not in done["preview"].used


def test_two_groups_of_a_queue_dont_end_each_other_and_a_newer_push_ends_the_older(github: GitHub) -> None:
    (expression,) = [workflow("preview.yml")["concurrency"]["group"].removeprefix("preview-${{").removesuffix("}}")]
    events = [
        {"github": {"ref": "refs/heads/gh-readonly-queue/main/pr-7-aa", "event": {"merge_group": {}}}},
        {"github": {"ref": "refs/heads/gh-readonly-queue/main/pr-8-bb", "event": {"merge_group": {}}}},
        {"github": {"ref": "refs/pull/7/merge", "event": {"pull_request": pull_request()}}},
        {"github": {"ref": "refs/pull/7/merge", "event": {"pull_request": pull_request("fork/r")}}},
    ]
    groups = [evaluated(expression, event) for event in events]
    assert len(set(groups[:3])) == 3
    assert groups[2] == groups[3]
    assert workflow("preview.yml")["concurrency"]["cancel-in-progress"] == "true"


def test_a_review_that_github_cancelled_or_never_ran_is_red(github: GitHub) -> None:
    job = workflow("preview.yml")["jobs"]["gate"]
    assert (job["if"], job["permissions"]) == ("always()", {})
    for fork, branch, own, passes in [
        ("false", "cancelled", "skipped", False),
        ("false", "skipped", "success", False),
        ("true", "success", "skipped", False),
        ("", "", "", False),
        ("false", "success", "skipped", True),
        ("true", "skipped", "success", True),
    ]:
        values = {"FORK": fork, "OF_BRANCH": branch, "OF_FORK": own}
        done = github.steps_of("preview.yml", "gate", values)
        assert (done.result == "success") is passes
        assert ("::error::" in done.log) is not passes


def test_a_listing_that_fails_half_way_posts_nothing_and_fails(github: GitHub) -> None:
    github.set(
        fails="GET repos/o/r/issues/7/comments",
        comments=[{"id": 5, "issue": 7, "user": {"login": "github-actions[bot]"}, "body": f"{MARKER}\n"}],
    )
    done = github.run("preview.yml", github.event("pull_request", pull_request=pull_request()))
    assert done["running"].result == "failure"
    assert github["calls"] == ["GET repos/o/r/issues/7/comments"]
    # Whatever can't be commented is judged all the same.
    assert gate(github) == "success"


def test_only_the_workflows_own_comment_is_updated_and_of_two_the_first(github: GitHub) -> None:
    bot = {"login": "github-actions[bot]"}
    github.set(
        comments=[
            {"id": 1, "issue": 7, "user": {"login": "somebody"}, "body": f"{MARKER}\n"},
            {"id": 2, "issue": 7, "user": bot, "body": f"text first {MARKER}"},
            {"id": 3, "issue": 7, "user": bot, "body": f"{MARKER}\nold"},
            {"id": 4, "issue": 7, "user": bot, "body": f"{MARKER}\nolder"},
        ]
    )
    github.run("preview.yml", github.event("pull_request", pull_request=pull_request()))
    assert [call for call in github["calls"] if not call.startswith("GET")] == ["PATCH repos/o/r/issues/comments/3"] * 2


@pytest.mark.parametrize("review", [None, "## approved, really\n", f"{MARKER}\n" + "x" * 65_001])
def test_what_is_no_review_is_said_to_be_none(github: GitHub, review: str | None) -> None:
    if review is not None:
        (github.folder / "artifacts" / "review").mkdir(parents=True)
        (github.folder / "artifacts" / "review" / "review.md").write_text(review, encoding="utf-8")
    inputs = {"number": "7", "head": HEAD, "state": "done"}
    github.run("preview-post.yml", {**github.event("workflow_call"), "inputs": inputs})
    (comment,) = github.comments(7)
    assert "it came to no end" in comment
    assert "no approval" in comment
    assert "really" not in comment


def jobs_with(action_: str) -> Iterator[tuple[str, Yaml]]:
    for name in ("preview.yml", "preview-post.yml", "preview-comment.yml"):
        for job_name, job in workflow(name)["jobs"].items():
            if any(step.get("uses", "").startswith(action_) for step in job.get("steps", ())):
                yield f"{name}/{job_name}", job


def test_no_job_both_runs_a_pull_requests_code_and_may_write() -> None:
    for name, job in jobs_with("actions/checkout"):
        assert "write" not in {job["permissions"].get("pull-requests"), job["permissions"].get("contents")}, name


def test_of_what_a_fork_sends_only_figures_and_texts_are_read() -> None:
    """Its review.md could say anything, its number could be another pull request's, its code could do anything."""
    render = workflow("preview-comment.yml")["jobs"]["render"]
    (number,) = [step for step in render["steps"] if step.get("id") == "pull"]
    assert "untrusted" not in json.dumps(number)
    (checkout,) = [step for step in render["steps"] if "actions/checkout" in step.get("uses", "")]
    assert not {"ref", "repository"} & checkout["with"].keys()
    assert set(render["permissions"].values()) == {"read"}
    assert "secrets." not in json.dumps(workflow("preview.yml")["jobs"]["fork"])


def test_the_code_that_judges_is_the_bases_and_set_up_before_credentials() -> None:
    """So are the actions: a ruleset that requires main's preview.yml would else run the change's own steps in it."""
    for job in ("preview", "fork"):
        listed = [step for name, step in steps("preview.yml") if name == job]
        (base,) = [step["with"] for step in listed if step.get("with", {}).get("path") == "base"]
        assert base["ref"] == "${{ env.BASE }}"
        (made,) = [at for at, step in enumerate(listed) if step.get("run") == "make -C base setup"]
        used = [step.get("uses", "").partition("@")[0] for step in listed]
        assert "aws-actions/configure-aws-credentials" not in used[:made]
        own = [name for name in used if name.startswith("./")]
        assert own == ["./base/.github/actions/setup", "./base/.github/actions/review"]
    (review,) = action("review")["runs"]["steps"]
    assert '"$PWD/base/policy" base/.venv/bin/eps-dos review' in review["run"]
