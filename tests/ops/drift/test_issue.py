"""The issue that tells of drift: since when, with nothing in it that means anything to GitHub, and no secrets."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from ops.drift.findings import Expected, Finding, Night
from ops.drift.issue import LIMIT, MARKER, compose, remembered

MIRROR, VERIFY = Expected(stack="nft", check="mirror"), Expected(stack="int", check="verify")
MONDAY = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
WEDNESDAY = MONDAY + timedelta(days=2)
RUN = "https://github.example/run/1"
CLEAR = Night(findings=(), unchecked={})
EVERYTHING = """@team #1 <b>|x|</b> [a](https://e.example) `b` $c$ <!-- --> ![i](j) www.e.example\n| d |"""


def finding(path: str = "healthCheck.interval", **texts: str) -> Finding:
    given = {"what": "aws:lb/targetGroup:TargetGroup::<stack>-tg", "should": "10", "instead": "30", **texts}
    return Finding(source=MIRROR, path=path, **given)


def night(*findings: Finding, unchecked: tuple[Expected, ...] = ()) -> Night:
    return Night(findings=findings, unchecked=dict.fromkeys(unchecked, "it came to no end"))


def rows(body: str) -> list[str]:
    return [line for line in body.splitlines() if line.startswith("| ") and " UTC |" in line]


def test_what_drifts_is_told_with_the_first_night_that_saw_it() -> None:
    first = compose(night(finding()), None, MONDAY, RUN)
    assert (first.action, first.new, first.title) == ("report", 1, "Drift: AWS is not as it was deployed (nft)")
    assert "| **new** 2026-11-23 02:00 UTC | `TargetGroup` `tg` |" in first.body
    second = compose(night(finding(instead="31"), finding("port")), first.body, TUESDAY, RUN)
    assert second.new == 1
    old, new = rows(second.body)
    assert old.startswith("| 2026-11-23 02:00 UTC |")
    assert old.endswith("| `healthCheck.interval` | `10` | `31` |  |")
    assert new.startswith("| **new** 2026-11-24 02:00 UTC |")


def test_a_resource_that_only_one_has_is_named_once() -> None:
    what = "eps-dos-api:infra:Service$aws:autoscaling/policy:Policy::<stack>-cpu"
    body = compose(night(finding("", what=what, should=what, instead="[absent]")), None, MONDAY, RUN).body
    (row,) = rows(body)
    assert row.endswith("UTC | `Policy` `cpu` |  | `there` | `none` |  |")


def test_what_was_gone_for_a_night_is_new_again() -> None:
    first = compose(night(finding(), finding("port")), None, MONDAY, RUN)
    second = compose(night(finding("port")), first.body, TUESDAY, RUN)
    third = compose(night(finding(), finding("port")), second.body, WEDNESDAY, RUN)
    assert [row[:30] for row in rows(third.body)] == [
        "| 2026-11-23 02:00 UTC | `Targ",
        "| **new** 2026-11-25 02:00 UTC",
    ]


def test_the_issue_is_closed_once_nothing_drifts_and_made_only_when_something_does() -> None:
    open_issue = compose(night(finding()), None, MONDAY, RUN).body
    closed = compose(CLEAR, open_issue, TUESDAY, RUN)
    assert closed.action == "close"
    assert closed.body.startswith(MARKER)
    assert "Nothing drifts any more" in closed.body
    assert compose(CLEAR, None, TUESDAY, RUN).action == "nothing"


def test_not_to_have_looked_is_no_all_clear_and_forgets_nothing() -> None:
    first = compose(night(finding(), finding("port")), None, MONDAY, RUN)
    second = compose(night(unchecked=(MIRROR,)), first.body, TUESDAY, RUN)
    assert second.action == "report"
    assert "| **new** 2026-11-24 02:00 UTC | nft: mirror | it came to no end | 2 |" in second.body
    third = compose(night(finding()), second.body, WEDNESDAY, RUN)
    (row,) = rows(third.body)
    assert row.startswith("| 2026-11-23 02:00 UTC |")


@pytest.mark.parametrize(
    "memory",
    [
        "",
        "<!-- eps-dos-drift -->",
        "<!-- eps-dos-drift {not JSON} -->",
        '<!-- eps-dos-drift {"since": 1} -->',
        '<!-- eps-dos-drift {"since": {"nft.mirror": {"x": "2026-11-23T02:00:00+00:00"}}} -->',
        '<!-- eps-dos-drift {"since": {"nft.mirror": [1]}} -->',
        f"text first\n{MARKER} {{}} -->",
    ],
)
def test_a_memory_that_somebody_edited_is_forgotten(memory: str) -> None:
    issue = compose(night(finding()), f"{memory}\nmore", MONDAY, RUN)
    (row,) = rows(issue.body)
    assert row.startswith("| **new** 2026-11-23")


def test_a_change_to_a_stack_that_mirrors_nothing_has_a_table_of_its_own() -> None:
    changed = Finding(
        source=Expected(stack="dev", check="drift"), what="aws:lb/targetGroup:TargetGroup::<stack>-tg",
        path="healthCheck.interval", should="10", instead="30", note="changed",
    )  # fmt: skip
    body = compose(night(changed), None, MONDAY, RUN).body
    assert "### dev\n\n| since | what | property | deployed | in AWS | |\n" in body
    assert "`TargetGroup` `tg` | `healthCheck.interval` | `10` | `30` | changed |" in body


def test_a_time_that_is_none_or_is_yet_to_come_or_has_no_zone_is_not_remembered() -> None:
    identity = finding().identity
    for written in ("soon", WEDNESDAY.isoformat(), "2026-11-22T02:00:00", None):
        body = f"{MARKER} {json.dumps({'since': {'nft.mirror': {identity: written}}})} -->"
        assert remembered(body, TUESDAY) == {"nft.mirror": {}}


def test_texts_from_anywhere_mean_nothing() -> None:
    what = f"aws:a:B::{EVERYTHING}"
    found = [
        Finding(source=one, what=what, path=EVERYTHING, should=EVERYTHING, instead=EVERYTHING, note=EVERYTHING)
        for one in (MIRROR, VERIFY)
    ]
    body = compose(Night(findings=tuple(found), unchecked={VERIFY: EVERYTHING}), None, MONDAY, RUN).body
    shown = body.partition("\n")[2].replace(f"[the run]({RUN})", "")
    for meaningful in ("@team", "<b>", "](", "<!--", "$c$", "|x|"):
        assert meaningful not in shown
    # In code GitHub looks for no links.
    text = re.sub(r"<code>.*?</code>", "", shown)
    assert not re.search(r"(?<!&)#|www\.|://", text.replace("### ", ""))
    # A row has the cells of its head, whatever is in it.
    table = [line.count("|") for line in shown.splitlines() if line.startswith("|")]
    assert table == [*[5] * 3, *[7] * 3, *[5] * 3]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("password", "correct horse battery"),
        ("userData", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
        ("policy", '{"key": "AKIAIOSFODNN7EXAMPLE"}'),
    ],
)
def test_what_looks_like_a_secret_is_not_shown(path: str, value: str) -> None:
    secret = value.strip('{}"').split('"')[-1]
    body = compose(night(finding(path, should=value, instead=value, note=value)), None, MONDAY, RUN).body
    assert "[secret]" in body or "&#91;secret&#93;" in body
    assert secret not in body.replace(value, "") or path == "password"


def test_however_much_drifts_there_is_room_for_it_in_an_issue() -> None:
    many = night(*(finding(f"tags.{number}", should="<" * 5000, instead="|" * 5000) for number in range(2000)))
    first = compose(many, None, MONDAY, RUN)
    assert len(first.body) <= LIMIT
    assert "more lines, in the run" in first.body
    assert first.new == 2000
    assert len(remembered(first.body, TUESDAY)["nft.mirror"]) == 400
