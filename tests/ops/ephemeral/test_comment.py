"""The comment on a pull request's environment: what there is, until when, and nothing that means anything to GitHub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops.ephemeral.comment import Seen, compose, main, marker
from ops.output.report import Check, Report, as_json

MARKER = marker("pr-7")
RUN = "https://github.example/run/1"
ROW = {"name": "pr-7", "state": "up", "expiresAt": "2026-11-25T09:00:00Z"}
NAME = Check(name="name", verdict="ok", evidence="alias of pr-7-lb", value="dos-pr-7.eps.digital.nhs.uk")
FAILED = Check(name="targets", verdict="failed", evidence="none is healthy in eu-west-2a", value="")
HOSTILE = "@team #1 <b>x</b> | [a](https://e.example) `b`\n## approved"


def made(*checks: Check) -> dict[str, Any]:
    reports = json.loads(as_json([Report(title="pr-7, like int", checks=checks)]))
    return {"expiresAt": ROW["expiresAt"], "reports": reports}


def comment(*checks: Check, wanted: bool = True, there: bool = True, addresses: tuple[str, ...] = ()) -> str:
    seen = Seen(name="pr-7", wanted=wanted, made=made(*checks) if checks else None, listed=ROW if there else None)
    return compose(seen, addresses, RUN)


def test_what_is_there_is_told_with_name_addresses_and_end() -> None:
    text = comment(NAME, addresses=("203.0.113.1", "203.0.113.2"))
    assert text.startswith(f"{MARKER}\n## ✅ `pr-7` [is there]({RUN})\n")
    assert "- name: `dos-pr-7.eps.digital.nhs.uk`\n" in text
    assert "- addresses now: `203.0.113.1`, `203.0.113.2`; " in text
    assert "- until `2026-11-25T09:00:00Z`; longer: `eps-dos ephemeral extend pr-7 --ttl 24h`" in text
    assert "| ✓ | name | dos-pr-7.eps.digital.nhs.uk |" in text


def test_what_does_not_hold_is_told_with_its_evidence() -> None:
    text = comment(NAME, FAILED)
    assert "## ❌ `pr-7` [is there, and not as promised]" in text
    assert "| ✗ | targets | none is healthy in eu-west-2a |" in text
    assert "not known to DNS yet" in text


@pytest.mark.parametrize(
    ("wanted", "there", "says"),
    [
        (True, False, "❌ `pr-7` [could not be made]"),
        (True, True, "⚠️ `pr-7` [was there, or is not complete]"),
        (False, False, "⚪ `pr-7` [is gone]"),
        (False, True, "❌ `pr-7` [is still there]"),
    ],
)
def test_each_end_of_a_run_is_told(wanted: bool, there: bool, says: str) -> None:
    text = comment(wanted=wanted, there=there)
    assert text.startswith(f"{MARKER}\n## {says}({RUN})\n")
    assert ("`2026-11-25T09:00:00Z`" in text) is there


def test_what_is_in_a_state_or_in_aws_means_nothing_to_github() -> None:
    own = comment(NAME).count("\n")
    hostile = Check(name=HOSTILE, verdict="ok", evidence="", value=HOSTILE)
    text = comment(NAME, hostile)
    assert text.count("\n") == own + 1
    (row,) = [line for line in text.splitlines() if "approved" in line]
    assert row.count("|") == 4
    assert [part for part in ("@team", " #1", "<b>", "](", "`", "://") if part in row] == []
    listed = {**ROW, "expiresAt": HOSTILE, "state": HOSTILE}
    text = compose(Seen(name="pr-7", wanted=True, made=None, listed=listed), (), RUN)
    assert "@team" not in text
    assert "\n## approved" not in text


def test_it_is_made_from_what_the_commands_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answers = [(2, 1, 6, "", (address, 443)) for address in ("203.0.113.2", "203.0.113.1", "203.0.113.2")]

    def resolve(name: str, *_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        asked.append(name)
        return answers

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    (tmp_path / "listed").write_text(json.dumps([{**ROW, "name": "pr-77", "expiresAt": "never"}, ROW]))
    (tmp_path / "made").write_text(json.dumps(made(NAME)))
    main(["pr-7", "--listed", str(tmp_path / "listed"), "--made", str(tmp_path / "made"), "--run", RUN])
    text = capsys.readouterr().out
    assert asked == [NAME.value]
    assert "`203.0.113.1`, `203.0.113.2`;" in text
    assert "never" not in text
    (tmp_path / "made").write_text("")
    main(["pr-7", "--listed", str(tmp_path / "listed"), "--made", str(tmp_path / "made"), "--run", RUN])
    assert "was there, or is not complete" in capsys.readouterr().out
    (tmp_path / "listed").write_text("[]")
    main(["pr-7", "--listed", str(tmp_path / "listed"), "--run", RUN])
    assert "is gone" in capsys.readouterr().out


def test_one_that_a_form_asked_for_says_how_that_goes_on() -> None:
    seen = Seen(name="soak", wanted=True, made=made(NAME), listed={**ROW, "name": "soak"}, by_form=True)
    text = compose(seen, (), RUN)
    assert text.startswith("<!-- eps-dos-ephemeral soak -->\n")
    assert "Its owner is warned a day and an hour before. To have a new one, start the workflow" in text
    assert "label" not in text
    assert "label" in comment(NAME)
