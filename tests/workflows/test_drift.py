"""The workflow that looks every night, run as GitHub runs it: what can't be looked at, and an issue that is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from infra.naming import PERMANENT
from ops.drift.issue import MARKER
from tests.workflows.running import GitHub, Yaml, workflow

NAME = "drift.yml"
ISSUES = "repos/o/r/issues"

EPS_DOS = """#!/bin/sh
echo "$*" >> "$HOME/calls"
case "$1 $2" in
"drift checks") printf 'live verify\\nnft mirror\\nnft verify\\nnft drift\\n';;
"drift report") cat previous.md >> "$HOME/previous" 2>/dev/null; echo 'the text' > issue.md; echo "$DECIDED";;
*) echo '[]'; if [ "$1" = mirror ]; then exit "$CODE"; fi;;
esac
"""


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed; GitHub's machines have it")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "make").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "make").chmod(0o755)
    made = GitHub(tmp_path, checkout={".venv/bin/eps-dos": EPS_DOS}, variables={"DRIFT_ROLE_ARN": "arn"})
    made.set(runs=[["reap.yml", "2026-11-29T11:23:00Z"]])
    return made


def night(github: GitHub, decided: Yaml, code: int = 0) -> list[str]:
    """Run the workflow, for NFT; return the calls of GitHub that change something."""
    github.environment = {"DECIDED": json.dumps(decided), "CODE": str(code)}
    before = len(github["calls"])
    github.run(NAME, {**github.event("schedule"), "matrix": {"stack": "nft"}})
    return [call for call in github["calls"][before:] if not call.startswith("GET")]


REPORT = {"action": "report", "title": "a title", "new": 2}
NOTHING = {"action": "nothing", "title": "", "new": 0}


def issue(number: int, body: str | None, login: str = "github-actions[bot]", **others: Any) -> Yaml:
    labels = [{"name": "drift"}]
    return {"number": number, "state": "open", "user": {"login": login}, "labels": labels, "body": body, **others}


def test_every_permanent_stack_is_looked_at_and_the_report_is_made_also_of_what_could_not_be() -> None:
    jobs = workflow(NAME)["jobs"]
    assert sorted(jobs["look"]["strategy"]["matrix"]["stack"]) == sorted(PERMANENT)
    assert jobs["look"]["strategy"]["fail-fast"] == "false"
    assert jobs["report"]["permissions"] == {"actions": "read", "contents": "read", "issues": "write"}
    assert jobs["report"]["env"]["MARKER"] == MARKER
    assert set(workflow(NAME)["on"]) == {"schedule", "workflow_dispatch"}


@pytest.mark.parametrize(
    ("code", "kept", "result"), [(0, True, "success"), (1, True, "success"), (3, False, "failure")]
)
def test_what_came_to_no_end_leaves_no_answer_and_is_reported(
    github: GitHub, code: int, kept: bool, result: str
) -> None:
    night(github, NOTHING, code)
    assert github.jobs[f"{NAME}/look"].result == result
    assert (github.folder / "calls").read_text().splitlines() == [
        "drift checks",
        "mirror nft --level actual --json",
        "verify nft --json",
        "verify nft --drift --json",
        "drift report found --run https://github.invalid/o/r/actions/runs/99 --output issue.md",
    ]
    there = {file.name for file in (github.folder / "artifacts" / "found-nft").iterdir()}
    assert there == {"nft.verify.json", "nft.drift.json", *(["nft.mirror.json"] if kept else [])}
    report = github.jobs[f"{NAME}/report"]
    assert report.result == "success"
    last = "`reap` last succeeded: 2026-11-29T11:23:00Z. `drift` last succeeded: never."
    assert report.summary == f"\n{last}\nthe text\n"


def test_without_a_role_nothing_is_looked_at_and_nothing_reported(github: GitHub) -> None:
    github.variables = {}
    assert night(github, REPORT) == []
    assert {github.jobs[f"{NAME}/{job}"].result for job in ("look", "report")} == {"skipped"}


def test_the_issue_is_the_workflows_own(github: GitHub) -> None:
    text = f"{MARKER} {{}} -->"
    github.set(
        issues=[
            issue(1, text, "somebody"),
            issue(2, "text first"),
            issue(3, text, pull_request={}),
            issue(5, None),
            issue(4, text),
            issue(6, text),
        ]
    )
    assert night(github, {**REPORT, "new": 0}) == [f"PATCH {ISSUES}/4"]


def test_a_listing_that_fails_makes_no_second_issue(github: GitHub) -> None:
    github.set(issues=[issue(4, f"{MARKER} {{}} -->")], fails=f"GET {ISSUES}")
    assert night(github, REPORT) == []
    assert github.jobs[f"{NAME}/report"].result == "failure"


def test_an_issue_is_made_brought_up_to_date_with_what_is_new_and_closed(github: GitHub) -> None:
    assert night(github, REPORT) == [f"POST {ISSUES}"]
    (made,) = github["issues"]
    assert (made["title"], made["body"], made["labels"]) == ("a title", "the text\n", [{"name": "drift"}])
    github.set(issues=[{**made, "body": f"{MARKER} {{}} -->"}])

    number = made["number"]
    assert night(github, REPORT) == [f"PATCH {ISSUES}/{number}", f"POST {ISSUES}/{number}/comments"]
    assert (github.folder / "previous").read_text() == f"{MARKER} {{}} -->\n"
    (comment,) = github.comments(number)
    assert comment == "New since the last night: 2. [The run](https://github.invalid/o/r/actions/runs/99)"
    github.set(issues=[{**made, "body": f"{MARKER} {{}} -->"}])

    assert night(github, {"action": "close", "title": "", "new": 0}) == [f"PATCH {ISSUES}/{number}"]
    (closed,) = github["issues"]
    assert (closed["state"], closed["state_reason"]) == ("closed", "completed")
    assert night(github, NOTHING) == []
