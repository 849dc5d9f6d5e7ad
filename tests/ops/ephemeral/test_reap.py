"""Whose clock counts, and that one stack's trouble is no other's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from infra.reaping import StackFacts
from ops import cli
from ops.aws.clients import Aws
from ops.ephemeral import reap
from ops.ephemeral.notices import notices
from ops.stacks.place import Place
from tests.infra.stackfiles import CHECKOUT, project
from tests.infra.test_reaping import COMMITTED, HOUR, LIMITS, said, stack

NOWHERE = "xx-none-1"


@pytest.fixture
def at(tmp_path: Path) -> Place:
    """A place that nothing is started in."""
    return Place(
        folder=tmp_path, checkout=tmp_path, cli=tmp_path, version="", in_lab=False, check_endpoint=lambda one: one
    )


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """An AWS whose clock is an hour ahead of this machine's; one region of it doesn't answer. Counts who asked."""
    asked: dict[str, int] = {}

    def now(self: Aws) -> datetime:
        asked[self.region] = asked.get(self.region, 0) + 1
        if self.region == NOWHERE:
            raise EndpointConnectionError(endpoint_url=f"https://sts.{NOWHERE}.example.invalid")
        return datetime.now(UTC) + HOUR

    monkeypatch.setattr(Aws, "now", now)
    return asked


def expiring(name: str, left: timedelta, **settings: Any) -> StackFacts:
    """Return a stack with so much of its time left, by this machine's clock."""
    here = datetime.now(UTC)
    mark: Mapping[str, Any] = {**said(here - 2 * HOUR, here + left), **settings}
    return stack(name, marks=(mark,), environments=frozenset({name}))


def test_the_clock_that_counts_is_awss_and_a_machine_that_is_an_hour_off_is_told(
    at: Place, aws: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = [expiring("pr-1", 0.5 * HOUR), expiring("pr-2", 1.5 * HOUR), stack("int", marks=())]
    found = reap.judged(fleet, COMMITTED, LIMITS, at)
    assert [(one.name, one.decision) for one in found] == [("pr-1", "reap"), ("pr-2", "stay"), ("int", "stay")]
    assert "this machine's clock is 1 h from AWS's, which counts" in capsys.readouterr().err
    assert aws == {"eu-west-2": 1}


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ({"aws:region": NOWHERE}, "Could not connect to the endpoint URL"),
        ({"aws:assumeRoles": "edited by hand"}, "TypeError"),
    ],
)
def test_one_that_is_where_nobody_answers_is_refused_and_the_others_go(
    where: Mapping[str, Any], reason: str, at: Place, aws: dict[str, int]
) -> None:
    lost = expiring("pr-1", -HOUR, **where)
    unseen, other = reap.judged([lost, expiring("pr-2", -HOUR)], COMMITTED, LIMITS, at)
    assert (unseen.decision, other.decision) == ("refuse", "reap")
    assert unseen.reason.startswith("is where nobody can be asked for the time: ")
    assert reason in unseen.reason
    # Somebody has to look.
    assert reap.overdue(unseen, lost)


def test_a_permanent_one_stays_wherever_it_is_and_aws_is_not_asked(at: Place, aws: dict[str, int]) -> None:
    marked = expiring("int", -HOUR, **{"aws:region": NOWHERE})
    (found,) = reap.judged([marked], COMMITTED, LIMITS, at)
    assert (found.decision, found.reason) == ("refuse", "is permanent")
    assert aws == {}


def fleet_of(facts: list[StackFacts], at: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a checkout whose backend has these stacks, and go there."""
    project(at.folder)
    shutil.copy(CHECKOUT / "ephemeral-limits.yaml", at.folder)
    monkeypatch.chdir(at.folder)
    monkeypatch.setattr("ops.stacks.fleet.read", lambda _at: tuple(facts))
    for module in ("reap", "command"):
        monkeypatch.setattr(f"ops.ephemeral.{module}.place", lambda _in_lab: at)
    return at.folder


@pytest.mark.parametrize("odd", [{"unreadable": "is no JSON"}, {"marks": ({},)}])
def test_one_that_cannot_be_judged_is_one_line_and_the_exit_code(
    odd: Mapping[str, Any], at: Place, aws: dict[str, int],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    unreadable = StackFacts(name="pr-1", **odd)
    fleet_of([unreadable, expiring("pr-2", -HOUR), expiring("pr-3", 8 * HOUR)], at, monkeypatch)
    ended: list[str] = []

    def end(names: list[str], *_: object) -> tuple[reap.Ending, ...]:
        ended.extend(names)
        return ()

    monkeypatch.setattr(reap, "ended", end)
    assert cli.run(["ephemeral", "list", "--json"]) == 1
    assert [(one["name"], one["judged"]) for one in json.loads(capsys.readouterr().out)] == [
        ("pr-1", False), ("pr-2", True), ("pr-3", True),
    ]  # fmt: skip
    assert cli.run(["ephemeral", "reap", "--dry-run"]) == 1
    said = capsys.readouterr()
    assert said.out == "1 would go, 1 can't be judged; 1 stay\n"
    assert len([line for line in said.err.splitlines() if "pr-1" in line]) == 1
    assert cli.run(["ephemeral", "reap"]) == 1
    assert ended == ["pr-2"]


def test_a_fleet_that_can_be_judged_exits_with_0(
    at: Place, aws: dict[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet_of([expiring("pr-2", -HOUR), stack("int", unreadable="is no JSON", marks=())], at, monkeypatch)
    for command in (["list"], ["reap", "--dry-run"]):
        assert cli.run(["ephemeral", *command]) == 0


def test_what_list_and_reap_print_for_programs_is_what_owners_hear_of(
    at: Place, aws: dict[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)

    def asked(name: str, left: timedelta) -> StackFacts:
        mark = said(now - 80 * HOUR, now + left, askedIn=12)
        return stack(name, marks=(mark,), environments=frozenset({name}))

    facts = [asked("pr-1", -HOUR), asked("soak", 5 * HOUR), expiring("pr-3", -HOUR), expiring("pr-4", HOUR)]
    fleet_of(facts, at, monkeypatch)

    def end(names: list[str], *_: object) -> tuple[reap.Ending, ...]:
        return tuple(reap.Ending(name=name, gone=True, reason="expired") for name in names)

    monkeypatch.setattr(reap, "ended", end)
    assert cli.run(["ephemeral", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert cli.run(["ephemeral", "reap", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1] == "3 gone, 0 still there; 1 stay"
    told = notices(listed, json.loads(printed.out), now, "https://github.example/run/1")
    assert [(notice.number, notice.mark.split()[2], notice.mark.split()[-2]) for notice in told] == [
        (12, "pr-1", "gone"),
        (12, "soak", "day"),
    ]
