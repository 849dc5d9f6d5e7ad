"""What an owner hears: a day and an hour before the end, once it is gone, and nothing that means anything to GitHub."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.times import stamp
from ops.ephemeral.notices import main, notices

NOW = datetime(2026, 11, 29, 12, 23, tzinfo=UTC)
RUN = "https://github.example/run/1"


def row(left: timedelta, life: timedelta = timedelta(days=3), **changed: Any) -> dict[str, Any]:
    times = {"createdAt": stamp(NOW + left - life), "expiresAt": stamp(NOW + left)}
    return {"name": "soak", "owner": "somebody", "askedIn": 12, **times, "gone": False, **changed}


def said(*rows: dict[str, Any]) -> list[str]:
    return [notice.mark.split()[-2] for notice in notices(rows, rows, NOW, RUN)]


@pytest.mark.parametrize(
    ("left", "life", "says"),
    [
        (timedelta(hours=25, seconds=1), timedelta(days=3), []),
        (timedelta(hours=25), timedelta(days=3), ["day"]),
        (timedelta(hours=3), timedelta(days=3), ["day"]),
        (timedelta(hours=2), timedelta(days=3), ["hour"]),
        (timedelta(seconds=1), timedelta(days=3), ["hour"]),
        # Over, and not gone: the reaper's own line says why.
        (timedelta(0), timedelta(days=3), []),
        # Whoever made it for a day knows.
        (timedelta(hours=20), timedelta(hours=24), []),
        (timedelta(hours=1), timedelta(hours=24), ["hour"]),
        (timedelta(hours=1), timedelta(minutes=90), []),
    ],
)
def test_a_warning_is_due_a_run_of_the_reaper_earlier(left: timedelta, life: timedelta, says: list[str]) -> None:
    assert said(row(left, life)) == says


def test_what_is_gone_is_said_and_no_more_that_it_will_go() -> None:
    gone = row(timedelta(minutes=-5), gone=True)
    assert said(gone) == ["gone"]
    (notice,) = notices([gone], [gone], NOW, RUN)
    ends = "2026-11-29T12:18:00Z"
    assert notice.body == (
        f"<!-- eps-dos-ephemeral-notice soak {ends} gone -->\n"
        f"@somebody: ⚪ `soak` [is gone]({RUN}): its time was over at `{ends}`.\n"
    )
    assert notice.number == 12


def test_one_that_is_extended_is_warned_of_anew() -> None:
    first, second = (notices([row(left)], [], NOW, RUN)[0].mark for left in (timedelta(hours=20), timedelta(hours=21)))
    assert first != second


@pytest.mark.parametrize("changed", [{"askedIn": None}, {"askedIn": "12"}, {"name": "a -->\n# b"}, {"expiresAt": None}])
def test_what_names_no_issue_or_has_another_name_than_one_may_have_is_silent(changed: dict[str, Any]) -> None:
    assert said(row(timedelta(hours=1), **changed)) == []


def test_an_owner_who_is_no_login_is_not_called() -> None:
    (notice,) = notices([row(timedelta(hours=1), owner="a team @all")], [], NOW, RUN)
    assert "@" not in notice.body


def test_it_is_made_from_what_the_commands_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ends = datetime.now(UTC) + timedelta(minutes=90)
    listed = [row(timedelta(), createdAt=stamp(ends - timedelta(days=2)), expiresAt=stamp(ends))]
    (tmp_path / "listed").write_text(json.dumps(listed))
    # A reaping that came to no end printed nothing.
    (tmp_path / "reaped").write_text("")
    main(["--listed", str(tmp_path / "listed"), "--reaped", str(tmp_path / "reaped"), "--run", RUN])
    (notice,) = json.loads(capsys.readouterr().out)
    assert (notice["number"], notice["body"].startswith(notice["mark"])) == (12, True)
