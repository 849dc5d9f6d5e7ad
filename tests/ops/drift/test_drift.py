"""`eps-dos drift`: which checks a night makes, and the issue made of what they printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.cli import run
from ops.drift.issue import MARKER
from ops.mirror.actual import alone
from tests.infra.stackfiles import project
from tests.ops.mirror.test_actual import TARGETS, seen

CLEAR = {
    "mirror": [{"level": "actual", "checked": True, "differences": []}],
    "drift": [{"level": "actual", "checked": True, "differences": []}],
    "verify": [{"title": "", "passed": True, "checks": []}],
}
URL = "https://github.example/run/1"


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A project whose checks all found nothing."""
    monkeypatch.chdir(project(tmp_path))
    folder = tmp_path / "found"
    folder.mkdir()
    assert run(["drift", "checks"]) == 0
    for line in capsys.readouterr().out.splitlines():
        stack, check = line.split()
        (folder / f"{stack}.{check}.json").write_text(json.dumps(CLEAR[check]))
    return folder


def reported(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[dict[str, object], str]:
    output = folder.parent / "issue.md"
    assert run(["drift", "report", str(folder), "--run", URL, "--output", str(output), *options]) == 0
    return json.loads(capsys.readouterr().out), output.read_text()


def test_each_stack_is_looked_at_by_what_fits_it(night: Path) -> None:
    names = sorted(file.name for file in night.iterdir())
    assert names == [
        f"{name}.json"
        for name in ("dev.drift", "dev.verify", "int.drift", "int.verify", "live.verify", "nft.mirror", "nft.verify")
    ]


def test_a_night_that_found_nothing_makes_no_issue_and_closes_the_open_one(
    night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reported(night, capsys)[0]["action"] == "nothing"
    previous = night.parent / "previous.md"
    previous.write_text(f"{MARKER} {{}} -->")
    assert reported(night, capsys, "--previous", str(previous))[0]["action"] == "close"


def test_a_check_that_left_nothing_is_told(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (night / "live.verify.json").unlink()
    decided, body = reported(night, capsys)
    assert (decided["action"], decided["new"]) == ("report", 1)
    assert decided["title"] == "Drift: not looked at (live)"
    assert "live: verify | it came to no end" in body


def test_a_folder_that_is_not_there_is_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project(tmp_path))
    assert run(["drift", "report", "nowhere", "--run", URL, "--output", "issue.md"]) == 2
    assert "nowhere: is no folder" in capsys.readouterr().err


def test_alone_an_environment_is_held_against_what_was_deployed() -> None:
    assert alone(seen("mirror")) == ()
    (found,) = alone(seen("live", {(TARGETS, "tg"): {"deregistrationDelay": 5.0}}))
    assert (found.difference.path, found.difference.left, found.difference.right) == ("deregistrationDelay", 120.0, 5.0)
