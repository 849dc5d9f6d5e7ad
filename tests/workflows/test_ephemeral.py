"""Environments for one test, by label, by GitHub's form, and their end: the workflows run as GitHub runs them."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from infra.times import stamp
from ops import cli
from ops.ephemeral.comment import marker
from tests.workflows.running import ROOT, GitHub, Yaml, evaluated, steps, workflow

ROLE = "arn:aws:iam::111111111111:role/ephemeral"

EPS_DOS = f"""#!{sys.executable} -S
# A stand-in that keeps environments in a file: create, list, destroy, reap. $FAILS are commands that fail at their end.
import json, os, sys
from pathlib import Path
home, words = Path(os.environ["HOME"]), sys.argv[1:]
with (home / "words").open("a") as log:
    log.write(json.dumps(words) + "\\n")
kept = home / "kept.json"
rows = json.loads(kept.read_text()) if kept.exists() else []
command, name = words[1], words[-1]
given = dict(word[2:].split("=", 1) for word in words if word.startswith("--") and "=" in word)
fails = command in os.environ.get("FAILS", "").split()
if command == "create" and not fails:
    row = json.loads(os.environ["MADE"])
    rows.append({{**row, "name": name, "askedIn": int(given["asked-in"]) if "asked-in" in given else None}})
    print(json.dumps({{"expiresAt": row["expiresAt"], "reports": [{{"checks": []}}]}}))
if command == "destroy":
    rows = [row for row in rows if row["name"] not in words]
if command == "list":
    print(json.dumps(rows))
if command == "reap":
    gone = [] if "--dry-run" in words else [row for row in rows if row["over"]]
    print(json.dumps([{{**row, "gone": row in gone}} for row in rows]))
    print("stay    int: is permanent\\ndestroying 1 (12 s)", file=sys.stderr)
    rows = [row for row in rows if row not in gone]
kept.write_text(json.dumps(rows))
sys.exit(1 if fails else 0)
"""
PYTHON = f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} "$@"\n'
"""This checkout's modules, which make comments and notices."""

GOOD_RUNS = [["reap.yml", "2026-11-29T11:23:00Z"], ["drift.yml", "2026-11-29T02:20:00Z"]]


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed; GitHub's machines have it")
    github = GitHub(
        tmp_path,
        checkout={".venv/bin/eps-dos": EPS_DOS, ".venv/bin/python": PYTHON},
        variables={"EPHEMERAL_ROLE_ARN": ROLE, "EPHEMERAL_CLIENTS": "198.51.100.0/28 203.0.113.7/32"},
    )
    github.set(runs=GOOD_RUNS)
    lives(github, timedelta(hours=24))
    return github


def lives(github: GitHub, left: timedelta, life: timedelta = timedelta(days=3), *, fails: str = "") -> None:
    """What is made from here on ends so long from now, having been made to live for `life`."""
    ends = datetime.now(UTC) + left
    row = {
        "name": "",
        "state": "up",
        "owner": "somebody",
        "createdAt": stamp(ends - life),
        "expiresAt": stamp(ends),
        "over": left <= timedelta(),
    }
    github.environment = {"MADE": json.dumps(row), "FAILS": fails}


def kept(github: GitHub) -> list[dict[str, Any]]:
    file = github.folder / "kept.json"
    return json.loads(file.read_text()) if file.exists() else []


def time_passes(github: GitHub, left: timedelta) -> None:
    """Bring the end of all environments nearer."""
    now = datetime.now(UTC)
    later = [
        {
            **row,
            "expiresAt": stamp(now + left),
            "createdAt": stamp(now + left - timedelta(days=3)),
            "over": left <= timedelta(),
        }
        for row in kept(github)
    ]
    (github.folder / "kept.json").write_text(json.dumps(later))


def parsed_calls(github: GitHub) -> list[tuple[str, dict[str, Any]]]:
    """Return what the real command line reads in each call of `eps-dos`. Fails if it refuses one."""
    found = []
    file = github.folder / "words"
    for line in file.read_text().splitlines() if file.exists() else ():
        words = json.loads(line)
        command: Any = typer.main.get_command(cli.app)
        path = []
        while hasattr(command, "commands"):
            path.append(words.pop(0))
            command = command.commands[path[-1]]
        found.append((" ".join(path), command.make_context(path[-1], words).params))
    return found


def created(github: GitHub) -> dict[str, Any]:
    (given,) = [given for command, given in parsed_calls(github) if command == "ephemeral create"]
    return given


def test_the_job_that_may_write_and_the_end_of_an_environment_take_the_bases_code() -> None:
    for job in ("comment", "destroy"):
        listed = [step for name, step in steps("ephemeral.yml") if name == job]
        (checkout,) = [step["with"] for step in listed if step.get("uses", "").startswith("actions/checkout")]
        assert checkout["ref"].startswith("${{ github.event.pull_request.base.ref")


@dataclass(frozen=True, kw_only=True)
class Event:
    """What GitHub tells a run of a pull request."""

    action: str
    label: str | None = None
    labels: tuple[str, ...] = ()
    state: str = "open"
    fork: bool = False

    def payload(self) -> Yaml:
        head = {"repo": {"full_name": "somebody/fork" if self.fork else "o/r"}}
        labels = [{"name": name} for name in self.labels]
        pull_request = {"number": 7, "state": self.state, "labels": labels, "head": head, "base": {"ref": "main"}}
        return {"action": self.action, "label": {"name": self.label}, "pull_request": pull_request}


MINE = ("ephemeral",)
SET = Event(action="labeled", label="ephemeral", labels=MINE)
TAKEN_OFF = Event(action="unlabeled", label="ephemeral")


@pytest.mark.parametrize(
    ("event", "does"),
    [
        (Event(action="labeled", label="ephemeral", labels=("bug", "ephemeral")), "create"),
        (Event(action="labeled", label="bug", labels=("bug", "ephemeral")), None),
        (Event(action="unlabeled", label="bug", labels=MINE), None),
        (Event(action="unlabeled", label="ephemeral", labels=("bug",)), "destroy"),
        (Event(action="unlabeled", label="ephemeral", state="closed"), "destroy"),
        (Event(action="closed", labels=MINE, state="closed"), "destroy"),
        (Event(action="closed", state="closed"), "destroy"),
        (Event(action="reopened", labels=MINE), "create"),
        # It may have taken the place of the run that was to destroy it.
        (Event(action="reopened"), "destroy"),
        (Event(action="labeled", label="ephemeral", labels=MINE, state="closed"), "destroy"),
        (Event(action="labeled", label="ephemeral", labels=MINE, fork=True), None),
        (Event(action="closed", labels=MINE, state="closed", fork=True), None),
    ],
    ids=str,
)
def test_what_a_pull_requests_event_does(github: GitHub, event: Event, does: str | None) -> None:
    context = {**github.event("pull_request", **event.payload()), "env": {}, "needs": {}}
    jobs = workflow("ephemeral.yml")["jobs"]

    def goes() -> list[str]:
        return [name for name in ("create", "destroy") if evaluated(jobs[name]["if"], context)]

    assert goes() == ([does] if does else [])
    (expression,) = re.findall(r"\$\{\{(.*?)\}\}", workflow("ephemeral.yml")["concurrency"]["group"], re.DOTALL)
    # Of those that wait in a group only the newest stays: one that does nothing must not push another out.
    if does:
        assert evaluated(expression, context) == "pr-7"
    elif not event.fork:
        assert evaluated(expression, context) == "not-99"
    context["vars"] = {}
    assert goes() == []


def label(github: GitHub, event: Event, actor: str = "somebody") -> None:
    context = github.event("pull_request", **event.payload())
    context["github"]["actor"] = actor
    github.run("ephemeral.yml", context)


def form(github: GitHub, **inputs: str) -> None:
    given = {"name": "soak", "like": "int", "until": "", "release": "", "clients": "", "issue": "12", **inputs}
    github.run("ephemeral.yml", github.event("workflow_dispatch", inputs=given))


def test_a_label_gets_one_like_int_for_a_day_and_taking_it_off_ends_it_in_one_comment(github: GitHub) -> None:
    label(github, SET, "renovate[bot]")
    given = created(github)
    wanted = {"name": "pr-7", "like": "int", "ttl": "24h", "dataset": "int", "owner": "renovate-bot-", "asked_in": 7}
    assert {key: given[key] for key in wanted} == wanted
    assert [*given["clients"]] == ["198.51.100.0/28", "203.0.113.7/32"]
    (comment,) = github.comments(7)
    assert comment.startswith(f"{marker('pr-7')}\n## ✅ `pr-7` [is there]")
    assert "`reap` last succeeded: 2026-11-29T11:23:00Z. `drift` last succeeded: 2026-11-29T02:20:00Z." in comment
    assert comment in github.jobs["ephemeral.yml/create"].summary + comment[comment.index("\n`reap`") :]
    label(github, TAKEN_OFF)
    (comment,) = github.comments(7)
    assert comment.startswith(f"{marker('pr-7')}\n## ⚪ `pr-7` [is gone]")
    assert kept(github) == []


def test_nobody_hears_of_the_end_of_what_never_was(github: GitHub) -> None:
    label(github, TAKEN_OFF)
    assert [command for command, _ in parsed_calls(github)] == ["ephemeral list", "ephemeral list"]
    assert github.comments(7) == []


def test_a_create_that_fails_fails_the_run_and_the_comment_says_so(github: GitHub) -> None:
    lives(github, timedelta(hours=24), fails="create")
    label(github, SET)
    assert github.jobs["ephemeral.yml/create"].result == "failure"
    (comment,) = github.comments(7)
    assert "## ❌ `pr-7` [could not be made]" in comment


@pytest.mark.parametrize("text", [None, "## approved, really\n", f"{marker('pr-7')}\n" + "x" * 65_001])
def test_what_is_no_comment_is_said_to_be_none(github: GitHub, text: str | None) -> None:
    if text is not None:
        (github.folder / "artifacts" / "comment").mkdir(parents=True)
        (github.folder / "artifacts" / "comment" / "comment.md").write_text(text, encoding="utf-8")
    github.checkout = {}
    label(github, SET)
    (comment,) = github.comments(7)
    assert comment.startswith(f"{marker('pr-7')}\n## ❌ `pr-7`: [the run came to no end]")
    assert "goes when the label is taken off, or when its time is over." in comment
    assert "really" not in comment


def test_the_form_makes_what_it_says_and_answers_where_it_was_asked(github: GitHub) -> None:
    form(github, like="nft", until="friday", release="live+1", clients="192.0.2.0/30 192.0.2.9/32")
    given = created(github)
    wanted = {"name": "soak", "like": "nft", "ttl": None, "until": "friday", "release": "live+1", "dataset": "int"}
    assert {key: given[key] for key in wanted} == wanted
    assert ([*given["clients"]], given["owner"], given["asked_in"]) == (
        ["192.0.2.0/30", "192.0.2.9/32"],
        "somebody",
        12,
    )
    (comment,) = github.comments(12)
    assert comment.startswith(f"{marker('soak')}\n## ✅ `soak` [is there](https://github.invalid/o/r/actions/runs/99)")
    assert "start the workflow `ephemeral` again" in comment
    assert "`soak` [is there]" in github.jobs["ephemeral.yml/create"].summary
    # An issue may ask for several.
    form(github, name="other", like="dev")
    assert len(github.comments(12)) == 2


def test_a_form_without_an_issue_answers_in_the_summary_and_has_defaults(github: GitHub) -> None:
    form(github, like="dev", issue="")
    given = created(github)
    wanted = {"like": "dev", "dataset": "dev", "ttl": "24h", "until": None, "release": None, "asked_in": None}
    assert {key: given[key] for key in wanted} == wanted
    assert [*given["clients"]] == ["198.51.100.0/28", "203.0.113.7/32"]
    assert github["comments"] == []
    assert "`soak` [is there]" in github.jobs["ephemeral.yml/create"].summary


@pytest.mark.parametrize(
    "inputs",
    [
        {"name": "pr-7"},
        {"name": "--lab"},
        {"name": "a --> b"},
        {"issue": "12; ls"},
        {"issue": "0"},
    ],
)
def test_a_form_that_makes_no_sense_makes_nothing(github: GitHub, inputs: dict[str, str]) -> None:
    form(github, **inputs)
    assert github.jobs["ephemeral.yml/create"].result == "failure"
    assert "::error::" in github.jobs["ephemeral.yml/create"].log
    assert [command for command, _ in parsed_calls(github) if command == "ephemeral create"] == []
    assert "aws-actions/configure-aws-credentials" not in github.jobs["ephemeral.yml/create"].used


def test_the_form_works_on_main_alone_as_the_role_trusts_it(github: GitHub) -> None:
    context = github.event("workflow_dispatch", inputs={"name": "soak", "like": "int"})
    context["github"]["ref"] = "refs/heads/mine"
    github.run("ephemeral.yml", context)
    assert "allowed: the branch main" in github.jobs["ephemeral.yml/create"].log
    assert kept(github) == []


def test_what_people_write_stays_one_word_and_no_option(github: GitHub) -> None:
    form(github, until="$(touch bad)", release="--lab --live-data", clients="--live-data *")
    given = created(github)
    assert (given["until"], given["release"], given["in_lab"], given["live_data"]) == (
        "$(touch bad)",
        "--lab --live-data",
        False,
        False,
    )
    assert "--live-data" in given["clients"]
    assert not list(github.folder.rglob("bad"))


def reap(github: GitHub, **inputs: str) -> None:
    github.run("reap.yml", github.event("schedule", inputs=inputs))


def test_an_owner_is_warned_a_day_and_an_hour_before_once_each_and_told_when_it_is_gone(github: GitHub) -> None:
    form(github)
    lives(github, timedelta(days=3))
    time_passes(github, timedelta(hours=26))
    reap(github)
    (made,) = github.comments(12)
    time_passes(github, timedelta(hours=24, minutes=30))
    reap(github)
    _, day = github.comments(12)
    assert "@somebody: ⏰ `soak` goes at " in day
    assert "in 1 d" in day
    reap(github)
    assert len(github.comments(12)) == 2

    time_passes(github, timedelta(minutes=90))
    reap(github)
    reap(github)
    _, _, hour = github.comments(12)
    assert "in 1 h 29 m" in hour or "in 1 h 30 m" in hour
    assert "eps-dos ephemeral extend soak --ttl 24h" in hour

    time_passes(github, timedelta(minutes=-5))
    reap(github)
    assert kept(github) == []
    assert github.comments(12)[0] == made
    assert "@somebody: ⚪ `soak` [is gone](https://github.invalid/o/r/actions/runs/99)" in github.comments(12)[3]
    reap(github)
    assert len(github.comments(12)) == 4


def test_what_nobody_asked_for_in_an_issue_is_reaped_in_silence(github: GitHub) -> None:
    form(github, issue="")
    time_passes(github, timedelta(minutes=-5))
    reap(github)
    assert kept(github) == []
    assert github["comments"] == []


def test_a_listing_that_fails_warns_nobody_twice_and_fails(github: GitHub) -> None:
    form(github)
    time_passes(github, timedelta(hours=20))
    reap(github)
    github.set(fails="GET repos/o/r/issues/12/comments")
    reap(github)
    assert len(github.comments(12)) == 2
    assert github.jobs["reap.yml/tell"].result == "failure"


def test_the_reaper_reaps_unless_it_was_told_only_to_say(github: GitHub) -> None:
    form(github)
    time_passes(github, timedelta(minutes=-5))
    reap(github, dry_run="true")
    assert len(kept(github)) == 1
    ((_, given),) = [call for call in parsed_calls(github) if call[0] == "ephemeral reap"]
    assert (given["dry_run"], given["parallel"], given["for_programs"]) == (True, 4, True)
    reap(github, dry_run="false")
    assert kept(github) == []


def test_what_is_still_there_fails_the_run_is_in_the_summary_and_owners_are_warned_all_the_same(github: GitHub) -> None:
    form(github)
    time_passes(github, timedelta(hours=20))
    lives(github, timedelta(days=3), fails="list reap")
    reap(github)
    assert github.jobs["reap.yml/reap"].result == "failure"
    assert github.jobs["reap.yml/reap"].summary == "\n    stay    int: is permanent\n"
    assert len(github.comments(12)) == 2


def test_who_runs_by_itself_says_when_it_last_ran_and_whether_github_stopped_it(github: GitHub) -> None:
    github.set(stopped={"reap.yml": "disabled_inactivity"}, runs=GOOD_RUNS[1:])
    form(github)
    (comment,) = github.comments(12)
    assert (
        "`reap` last succeeded: never, ⚠️ and GitHub doesn't start it any more (`disabled_inactivity`; fix: " in comment
    )
    reap(github)
    assert "`drift` last succeeded: 2026-11-29T02:20:00Z." in github.jobs["reap.yml/tell"].summary
    assert "::warning::" in github.jobs["reap.yml/tell"].log


def test_without_a_role_nothing_is_reaped(github: GitHub) -> None:
    github.variables = {}
    reap(github)
    assert {github.jobs[f"reap.yml/{job}"].result for job in ("reap", "tell")} == {"skipped"}


def test_the_reaper_looks_every_hour_but_not_when_everybody_does() -> None:
    document = workflow("reap.yml")
    (at,) = document["on"]["schedule"]
    minute, *others = at["cron"].split()
    assert 0 < int(minute) < 60
    assert others == ["*"] * 4


def test_each_has_the_role_of_its_own() -> None:
    for name in ("ephemeral.yml", "reap.yml"):
        roles = {step["with"]["role-to-assume"] for _, step in steps(name) if "role-to-assume" in step.get("with", {})}
        assert roles == {"${{ vars.EPHEMERAL_ROLE_ARN }}"}
