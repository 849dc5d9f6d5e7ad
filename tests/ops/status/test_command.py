"""What `status` prints, for people and for programs, and what it exits with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ops import cli
from ops.status import command
from tests.infra.stackfiles import CHECKOUT, project
from tests.infra.test_promotion import pipeline
from tests.ops.status.test_picture import position

ROW = {
    "name": "pr-7", "owner": "a.tester", "like": "int", "createdAt": "2026-11-28T10:00:00Z", "startsAt": None,
    "expiresAt": "2026-11-29T10:00:00Z", "expiresIn": "8 h", "state": "up", "resources": 60, "decision": "stay",
    "judged": True, "reason": "its time isn't over",
}  # fmt: skip


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, int]]:
    """What the instances of each environment run, as AWS says; a test changes it. One environment is for a test."""
    shutil.copy(CHECKOUT / "ephemeral-limits.yaml", project(tmp_path))
    monkeypatch.chdir(tmp_path)
    counts = {"dev": {"1.4.0": 1}, "int": {"1.4.0": 3}, "nft": {"1.4.0": 3}, "live": {"1.4.0": 6}}
    monkeypatch.setattr(command, "look", lambda *_, **__: ({}, pipeline(int_="live+1"), None))
    monkeypatch.setattr(
        command,
        "positions",
        lambda stacks, _environments, of, _at, _tell: [
            position(stack, resolved=of.version(stack), running=counts[stack]) for stack in stacks
        ],
    )
    monkeypatch.setattr(command, "for_tests", lambda *_: [ROW])
    return counts


def test_programs_read_environments_releases_and_environments_for_tests(
    running: dict[str, dict[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["status", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert {one["stack"]: one["inOrder"] for one in said["environments"]} == {
        "dev": True, "int": False, "nft": True, "live": True,
    }  # fmt: skip
    assert {one["version"]: (one["configured"], one["deployed"]) for one in said["releases"]} == {
        "1.3.0": ([], []),
        "1.4.0": (["live", "nft", "dev"], ["live", "nft", "int", "dev"]),
        "1.5.0": (["int"], []),
        "1.6.0": ([], []),
    }
    assert said["forTests"] == [ROW]


def test_people_see_what_is_pending_and_which_word_says_so(
    running: dict[str, dict[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["status"]) == 1
    said = capsys.readouterr().out
    assert "int: 1.5.0 is pending: pulumi up --stack int" in said
    assert "int (live+1)" in said
    assert "nft (live)" in said
    assert "a.tester" in said


def test_an_instance_that_runs_something_else_is_not_in_order(
    running: dict[str, dict[str, int]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "look", lambda *_, **__: ({}, pipeline(), None))
    assert cli.run(["status", "--mermaid"]) == 0
    running["live"] = {"1.4.0": 5, "1.5.0": 1}
    assert cli.run(["status", "--mermaid"]) == 1
    assert "class stack_live pending" in capsys.readouterr().out
