"""The workflow that looks every night: few rights, nothing unpinned, and an issue that is kept as it should be."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.naming import PERMANENT
from ops.drift.issue import MARKER
from tests.ops.review.test_workflows import steps, workflow

NAME = "drift.yml"


def test_nothing_runs_with_more_than_it_is_given() -> None:
    document = workflow(NAME)
    jobs = document["jobs"]
    assert document["permissions"] == {}
    assert jobs["look"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert jobs["report"]["permissions"] == {"contents": "read", "issues": "write"}
    assert set(document["on"]) == {"schedule", "workflow_dispatch"}


def test_what_is_used_is_pinned_and_no_command_is_put_together_from_values() -> None:
    used = [step["uses"] for _, step in steps(NAME) if not step.get("uses", "./").startswith("./")]
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one)] == []
    assert all("${{" not in step.get("run", "") for _, step in steps(NAME))


def test_every_permanent_stack_is_looked_at_and_the_report_is_made_also_of_what_could_not_be() -> None:
    jobs = workflow(NAME)["jobs"]
    assert sorted(jobs["look"]["strategy"]["matrix"]["stack"]) == sorted(PERMANENT)
    assert jobs["look"]["strategy"]["fail-fast"] == "false"
    assert jobs["report"]["if"].startswith("always()")
    assert jobs["report"]["env"]["MARKER"] == MARKER


def script(name: str) -> str:
    (found,) = [step["run"] for _, step in steps(NAME) if step.get("name") == name]
    return str(found)


def stand_in(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


def run(folder: Path, text: str, variables: Mapping[str, str]) -> int:
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **variables}
    return subprocess.run(["bash", "-e", "-c", text], cwd=folder, env=environment, check=False).returncode


@pytest.mark.parametrize(("code", "kept", "exit_code"), [(0, True, 0), (1, True, 0), (3, False, 3)])
def test_what_came_to_no_end_leaves_no_answer(tmp_path: Path, code: int, kept: bool, exit_code: int) -> None:
    stand_in(
        tmp_path / ".venv" / "bin" / "eps-dos",
        'if [ "$2" = checks ]; then printf "live verify\\nnft mirror\\nnft verify\\nnft drift\\n"; exit 0; fi\n'
        f'echo "$*" >> calls; echo "[]"; if [ "$1" = mirror ]; then exit {code}; fi\n',
    )
    assert run(tmp_path, script("Look"), {"STACK": "nft"}) == exit_code
    assert (tmp_path / "calls").read_text().splitlines() == [
        "mirror nft --level actual --json",
        "verify nft --json",
        "verify nft --drift --json",
    ]
    there = {file.name for file in (tmp_path / "found").iterdir()}
    assert there == {"nft.verify.json", "nft.drift.json", *(["nft.mirror.json"] if kept else [])}


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A folder with stand-ins for GitHub's command, which keeps what it is told to send, and for `drift report`."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed; GitHub's machines have it")
    stand_in(
        tmp_path / "bin" / "gh",
        'echo "$*" >> calls\n'
        'case "$*" in *--paginate*) echo "$EXISTING";; *--jq\\ .body*) echo before;;'
        " *comments*) cp comment.json said.json;; *) cp issue.json sent.json;; esac\n",
    )
    stand_in(
        tmp_path / ".venv" / "bin" / "eps-dos", 'echo "$*" >> calls; echo "the text" > issue.md; echo "$DECIDED"\n'
    )
    return tmp_path


def told(folder: Path, decided: Mapping[str, Any], existing: str = "") -> tuple[dict[str, Any], str]:
    """Run the step that keeps the issue; return what it would send, and its calls."""
    variables = {
        "EXISTING": existing,
        "DECIDED": json.dumps(decided),
        "GITHUB_SERVER_URL": "https://github.invalid",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_RUN_ID": "7",
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        **{key: workflow(NAME)["jobs"]["report"]["env"][key] for key in ("MARKER", "LABEL")},
    }
    assert run(folder, script("Bring the issue up to date, make it, or close it"), variables) == 0
    sent = folder / "sent.json"
    return json.loads(sent.read_text()) if sent.exists() else {}, (folder / "calls").read_text()


def test_the_issue_is_the_one_that_the_workflow_itself_wrote(night: Path) -> None:
    (query,) = re.findall(r"--jq '(\.\[\].*?)'", script("Bring the issue up to date, make it, or close it"), re.DOTALL)
    own, text = {"login": "github-actions[bot]"}, f"{MARKER} {{}} -->"
    issues = [
        {"number": 1, "user": {"login": "somebody"}, "body": text},
        {"number": 2, "user": own, "body": "text first"},
        {"number": 3, "user": own, "body": text, "pull_request": {}},
        {"number": 4, "user": own, "body": text},
        {"number": 5, "user": own, "body": None},
    ]
    found = subprocess.run(
        ["jq", query],
        input=json.dumps(issues),
        env={**os.environ, "MARKER": MARKER},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["4"]


def test_the_first_drift_makes_an_issue(night: Path) -> None:
    sent, calls = told(night, {"action": "report", "title": "a title", "new": 2})
    assert sent == {"title": "a title", "body": "the text\n", "labels": ["drift"]}
    assert "--method POST repos/o/r/issues --input" in calls
    assert "--previous" not in calls
    assert "comments" not in calls


def test_an_open_issue_is_brought_up_to_date_and_what_is_new_is_said(night: Path) -> None:
    sent, calls = told(night, {"action": "report", "title": "a title", "new": 2}, existing="12")
    assert sent["body"] == "the text\n"
    assert "--method PATCH repos/o/r/issues/12 --input" in calls
    assert "drift report found --run https://github.invalid/o/r/actions/runs/7 --output issue.md --previous" in calls
    assert (night / "previous.md").read_text() == "before\n"
    assert "New since the last night: 2" in json.loads((night / "said.json").read_text())["body"]


def test_once_nothing_drifts_the_issue_is_closed(night: Path) -> None:
    sent, calls = told(night, {"action": "close", "title": "", "new": 0}, existing="12")
    assert (sent["state"], sent["state_reason"]) == ("closed", "completed")
    assert "comments" not in calls


def test_a_night_that_found_nothing_sends_nothing(night: Path) -> None:
    sent, calls = told(night, {"action": "nothing", "title": "", "new": 0})
    assert sent == {}
    assert "PATCH" not in calls
    assert "POST" not in calls
