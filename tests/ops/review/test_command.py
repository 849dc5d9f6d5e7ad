"""The command: what it answers and writes, over reviews that were made elsewhere, so without an engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.yamlfile import as_yaml
from ops.cli import run
from ops.review.acknowledgements import FILE
from ops.review.document import as_json
from tests.ops.review.recording import Recorded

CALM, DANGEROUS, FAILED = "scale", "subnet-mapping-edited", "failing"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with reviews in it that somebody sent."""
    (tmp_path / "Pulumi.yaml").write_text("name: eps-dos-api\n")
    for name in (CALM, DANGEROUS, FAILED):
        (tmp_path / f"{name}.json").write_text(as_json(Recorded.read(name).review()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def acknowledge(project: Path, entries: Sequence[dict[str, str]], days: int) -> None:
    """Acknowledge dangers for some days from now; the day in UTC, as the command takes it."""
    expires = (datetime.now(UTC) + timedelta(days=days)).date()
    listed = [{**one, "reason": "Agreed with all who are concerned.", "expires": expires} for one in entries]
    (project / FILE).write_text(as_yaml({"acknowledgements": listed}))


def dangers(project: Path) -> list[dict[str, str]]:
    """Return what there is to acknowledge."""
    (stack,) = json.loads((project / f"{DANGEROUS}.json").read_text())["stacks"]
    return [{"stack": stack["stack"], "urn": one["urn"], "action": one["action"]} for one in stack["dangers"]]


@pytest.mark.parametrize(("name", "code"), [(CALM, 0), (DANGEROUS, 1), (FAILED, 1)])
def test_the_exit_code_is_the_answer(project: Path, name: str, code: int) -> None:
    assert run(["review", "--from", f"{name}.json"]) == code


def test_an_acknowledged_danger_is_let_through_and_one_that_is_not_holds_all_back(project: Path) -> None:
    entries = dangers(project)
    assert len(entries) == 3
    acknowledge(project, entries, days=14)
    assert run(["review", "--from", f"{DANGEROUS}.json"]) == 0
    acknowledge(project, entries[1:], days=14)
    assert run(["review", "--from", f"{DANGEROUS}.json"]) == 1


def test_an_expired_entry_holds_no_longer_and_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    acknowledge(project, dangers(project), days=-1)
    assert run(["review", "--from", f"{DANGEROUS}.json"]) == 1
    assert "expired" in capsys.readouterr().out


def test_an_entry_that_nothing_needs_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    acknowledge(project, [{**dangers(project)[0], "urn": "urn:pulumi:dev::eps-dos-api::a::b"}], days=3)
    assert run(["review", "--from", f"{DANGEROUS}.json"]) == 1
    assert "urn:pulumi:dev::eps-dos-api::a::b" in capsys.readouterr().out


def test_an_acknowledgement_for_longer_than_a_fortnight_is_wrong_use(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    acknowledge(project, dangers(project), days=15)
    assert run(["review", "--from", f"{DANGEROUS}.json"]) == 2
    assert "allowed: at most 14 days ahead" in capsys.readouterr().err


def test_each_file_is_in_the_form_that_its_name_says(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = [part for name in ("a.json", "a.md", "a.txt") for part in ("--output", name)]
    assert run(["review", "--from", f"{CALM}.json", *outputs]) == 0
    assert capsys.readouterr().out == ""
    assert json.loads((project / "a.json").read_text())["verdict"] == "calm"
    assert (project / "a.md").read_text().startswith("<!-- eps-dos-review -->\n## ")
    assert "minimum" in (project / "a.txt").read_text()


def test_what_is_no_review_is_one_error(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "other.json").write_text('{"format": 1, "stacks": "@team"}')
    assert run(["review", "--from", "other.json"]) == 2
    said = capsys.readouterr().err
    assert "--from other.json" in said
    assert "@team" not in said
    assert "Traceback" not in said


def test_a_name_that_no_stack_can_have_is_wrong_use(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", "../live"]) == 2
    assert "../live" in capsys.readouterr().err
