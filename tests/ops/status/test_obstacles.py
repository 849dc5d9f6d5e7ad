"""What stops the next command on a stack, each with the command that mends it."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import boto3
import pytest

from infra.reaping import LockFacts, StackFacts, Verdict, verdict
from ops import cli
from ops.stacks.place import Place
from ops.stacks.store import Bucket, Folder, UnreadableError
from ops.status import command
from ops.status.obstacles import of_facts, of_files
from tests.infra.stackfiles import CHECKOUT, project
from tests.infra.test_reaping import COMMITTED, HOUR, LIMITS, NOW, said, stack
from tests.ops.stacks.test_fleet import MARK, VPC, folder, state

STACKS, BACKUPS = ".pulumi/stacks/eps-dos-api", ".pulumi/backups/eps-dos-api/pr-7"
HISTORY = ".pulumi/history/eps-dos-api/pr-7"
META = {".pulumi/meta.yaml": b"version: 1"}
STALE = LIMITS.stale_lock
FIRST, SECOND, THIRD = (1_790_000_000 + number * 3600 for number in range(3))


def locked(*, dead: bool | None, age: timedelta = HOUR) -> StackFacts:
    return stack(locks=(LockFacts(holder="ci on a-runner", taken=NOW - age, dead=dead),), marks=())


def told(facts: StackFacts, judgement: Verdict | None = None) -> list[tuple[str, str]]:
    return [(one.what, one.fix) for one in of_facts(facts, judgement, NOW, STALE, "pulumi")]


@pytest.mark.parametrize(
    ("facts", "whether", "fix"),
    [
        (locked(dead=True), "which is dead", "pulumi cancel --yes --stack pr-7"),
        (locked(dead=False), "which is at work", "wait for its end; if you know that it is gone: pulumi cancel"),
        (locked(dead=None), "of whom nobody knows whether they live", "wait for its end; if you know that it is gone"),
        (locked(dead=None, age=9 * HOUR), "which is too old to be at work", "wait for its end"),
    ],
)
def test_a_lock_is_named_with_who_has_it_since_when(facts: StackFacts, whether: str, fix: str) -> None:
    ((what, remedy),) = told(facts)
    assert what.startswith("is locked by ci on a-runner since 2026-10-2")
    assert what.endswith(whether)
    assert remedy.startswith(fix)


def test_what_was_begun_and_never_ended_is_named() -> None:
    ((what, fix),) = told(stack(pending=2, marks=()))
    assert what.startswith("has 2 operations that were begun and never ended")
    assert fix == "pulumi refresh --yes --clear-pending-creates --stack pr-7"


def test_an_environment_that_is_over_its_time_and_still_there_ends_by_its_own_command() -> None:
    late = stack(pending=1)
    ((pending, first), (over, second)) = told(late, verdict(late, NOW, COMMITTED, LIMITS))
    assert (first, second) == ("eps-dos ephemeral destroy pr-7", "eps-dos ephemeral destroy pr-7")
    assert over == "is over its time since 2026-10-24T17:30:00Z, and still there"
    assert "never ended" in pending
    # Somebody is at it.
    ((what, _),) = told(held := stack(locks=locked(dead=False).locks), verdict(held, NOW, COMMITTED, LIMITS))
    assert what.startswith("is locked by")
    alive = stack(marks=(said(expires=NOW + HOUR),))
    assert told(alive, verdict(alive, NOW, COMMITTED, LIMITS)) == []


def backed_up(broken: bytes = b'{"version": 3') -> dict[str, bytes]:
    """A state that is cut short, backups that can be read and some that can't, the newest last in no order of names."""
    return {
        **META,
        f"{STACKS}/pr-7.json": broken,
        f"{STACKS}/pr-7.json.bak": b"",
        f"{STACKS}/pr-70.json": b"another's",
        f"{BACKUPS}/pr-7.{FIRST}000000000.json": state(MARK),
        f"{BACKUPS}/pr-7.{THIRD}000000000.json": b"[]",
        f"{HISTORY}/pr-7-{SECOND}000000000.checkpoint.json.gz": gzip.compress(state(MARK, VPC)),
        f"{HISTORY}/pr-7-{SECOND}000000000.history.json.gz": gzip.compress(b"{}"),
    }


def test_the_newest_backup_that_can_be_read_is_named_and_its_command_restores_it(tmp_path: Path) -> None:
    store = folder(tmp_path, backed_up())
    (obstacle,) = of_files(store, "eps-dos-api", "pr-7")
    moment = f"{datetime.fromtimestamp(SECOND).astimezone():%Y-%m-%d %H:%M}"
    assert obstacle.what.startswith("has a state that is no JSON: ")
    assert f"; the newest backup that can be read is of {moment}" in obstacle.what
    (tmp_path / f"{STACKS}/pr-7.json.attrs").write_text("{}")
    subprocess.run(obstacle.fix, shell=True, check=True)  # noqa: S602 - the command that a person would type
    assert list(of_files(store, "eps-dos-api", "pr-7")) == []
    assert not (tmp_path / f"{STACKS}/pr-7.json.attrs").exists()


def test_in_a_bucket_it_is_copied_by_the_aws_command(moto_account: None) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="states")
    for name, content in backed_up().items():
        s3.put_object(Bucket="states", Key=f"team/{name}", Body=content)
    (obstacle,) = of_files(Bucket("s3://states/team?region=us-east-1"), "eps-dos-api", "pr-7")
    source = f"s3://states/team/{HISTORY}/pr-7-{SECOND}000000000.checkpoint.json.gz"
    assert obstacle.fix == f"aws s3 cp {source} s3://states/team/{STACKS}/pr-7.json"


def test_without_a_backup_that_can_be_read_the_backend_s_own_versions_are_named(tmp_path: Path) -> None:
    store = folder(tmp_path, {**META, f"{STACKS}/pr-7.json": b"{}"})
    (obstacle,) = of_files(store, "eps-dos-api", "pr-7")
    assert obstacle.what.endswith(", and no backup that can be read")
    assert "list-object-versions" in obstacle.fix


def test_a_state_that_may_not_be_read_is_not_to_be_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = folder(tmp_path, backed_up(state(MARK)))
    read = Folder.read

    def refused(self: Folder, name: str) -> bytes:
        if name.endswith("/pr-7.json"):
            raise UnreadableError("can't be read: AccessDenied")
        return read(self, name)

    monkeypatch.setattr(Folder, "read", refused)
    (obstacle,) = of_files(store, "eps-dos-api", "pr-7")
    assert (obstacle.what, obstacle.fix.partition(" the right")[0]) == (
        "has a state that can't be read: AccessDenied", "ask who owns the backend for",
    )  # fmt: skip


def test_a_description_that_is_cut_short_is_named(tmp_path: Path) -> None:
    content = {**META, f"{STACKS}/pr-7.json": state(MARK), f"{STACKS}/pr-7.json.attrs": b'{"user'}
    store = folder(tmp_path, {**content, f"{STACKS}/pr-7.json.18bc.tmp": b""})
    (obstacle,) = of_files(store, "eps-dos-api", "pr-7")
    subprocess.run(obstacle.fix, shell=True, check=True)  # noqa: S602 - the command that a person would type
    assert list(of_files(store, "eps-dos-api", "pr-7")) == []


def test_the_command_says_all_of_it_and_exits_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checkout").mkdir()
    checkout = project(tmp_path / "checkout")
    shutil.copy(CHECKOUT / "ephemeral-limits.yaml", checkout)
    monkeypatch.chdir(checkout)
    at = Place(folder=checkout, checkout=checkout, cli=checkout, version="", in_lab=True, check_endpoint=str)
    url = (tmp_path / "backend").as_uri()
    monkeypatch.setattr(command, "place", lambda _in_lab: at)
    monkeypatch.setattr(command, "backend_url", lambda _at: url)
    monkeypatch.setattr("ops.stacks.fleet.backend_url", lambda _at: url)
    folder(tmp_path / "backend", {**backed_up(), f"{STACKS}/int.json": state()})
    assert cli.run(["status", "pr-7", "--lab", "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["fix"].startswith("cp ")
    assert cli.run(["status", "int", "--lab"]) == 0
    assert capsys.readouterr().out == "int: nothing stops the next command\n"
    # One that was never brought up, and one that nobody knows.
    assert (cli.run(["status", "nft", "--lab"]), cli.run(["status", "pr-9", "--lab"])) == (0, 2)
