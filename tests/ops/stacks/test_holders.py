"""Who holds a lock: only what `eps-dos` wrote of its own processes says that one is dead."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import boto3
import pytest

from lab import foreground
from ops.stacks import holders
from ops.stacks.holders import Holder, announced, is_of_this_machine
from ops.stacks.locks import Lock, locks, release
from ops.stacks.store import Bucket, Folder, Store
from tests.labs import LOCKS

Locks: TypeAlias = Callable[[], dict[str, Lock]]
PROJECT, STACK = "eps-dos-api", "pr-7"
GONE = 2**30
"""No process has this number: Linux has at most 2 ** 22 (proc(5), pid_max). One that was used could be used again."""
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, moto_account: None) -> Store:
    """A backend of each kind, of a machine that has run for long."""
    request.getfixturevalue("monkeypatch").setattr("ops.stacks.locks.booted", lambda: LONG_AGO)
    if request.param == "folder":
        return Folder(tmp_path)
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="states")
    return Bucket("s3://states/team?region=us-east-1")


@pytest.fixture
def found(store: Store, tmp_path: Path) -> Locks:
    """The locks of the stack, by name."""
    url = tmp_path.as_uri() if isinstance(store, Folder) else "s3://states/team?region=us-east-1"
    return lambda: {lock.path.rpartition("/")[2]: lock for lock in locks(url, PROJECT, STACK)}


@contextmanager
def asleep() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def take(store: Store, name: str, pid: int, hostname: str = "", taken: datetime | None = None) -> None:
    moment = (taken or datetime.now(UTC)).isoformat()
    content = {"pid": pid, "username": "ci", "hostname": hostname or socket.gethostname(), "timestamp": moment}
    store.write(f"{LOCKS}/{STACK}/{name}", json.dumps(content).encode())


def test_what_eps_dos_began_is_dead_as_soon_as_it_is(store: Store, found: Locks) -> None:
    with asleep() as process, announced(store, PROJECT, STACK) as announce:
        announce(process.pid)
        take(store, "a.json", process.pid)
        assert found()["a.json"].dead is False
        process.kill()
        # A zombie by now: nobody has asked yet.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert found()["a.json"].dead is True
        process.wait()
        assert found()["a.json"].dead is True
    # In order to its end, it leaves nothing, and a lock that is left is one like any other.
    assert store.names(".pulumi/eps-dos/") == []
    assert found()["a.json"].dead is None


@pytest.mark.parametrize("what", ["_boot_id", "_pid_namespace"])
def test_what_another_boot_or_namespace_wrote_says_nothing(
    store: Store, found: Locks, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with asleep() as process, announced(store, PROJECT, STACK) as announce:
        announce(process.pid)
        (path,) = store.names(".pulumi/eps-dos/")
        written = Holder(**json.loads(store.read(path)))
        store.write(path, json.dumps(asdict(replace(written, pid=GONE))).encode())
        take(store, "a.json", GONE)
        assert found()["a.json"].dead is True
        monkeypatch.setattr(holders, what, lambda: "another")
        assert found()["a.json"].dead is None


def test_a_lock_that_is_not_the_holder_s_is_not_dead_with_it(store: Store, found: Locks) -> None:
    """The same number on another host, before its time, long after, or of somebody else."""
    pid, now = GONE, datetime.now(UTC)
    mine = Holder.of(os.getpid())
    assert mine is not None
    store.write(f".pulumi/eps-dos/{PROJECT}/{STACK}/a.json", json.dumps(asdict(replace(mine, pid=pid))).encode())
    take(store, "its.json", pid)
    take(store, "host.json", pid, "another")
    take(store, "before.json", pid, taken=now - timedelta(hours=1))
    take(store, "after.json", pid, taken=now + timedelta(hours=1))
    take(store, "other.json", GONE - 1)
    assert {name: lock.dead for name, lock in found().items()} == {
        "its.json": True, "host.json": None, "before.json": None, "after.json": None, "other.json": None,
    }  # fmt: skip


def test_a_number_that_is_used_again_is_another_process(store: Store, found: Locks) -> None:
    mine = Holder.of(os.getpid())
    assert mine is not None
    earlier = replace(mine, started_ticks=mine.started_ticks - 1)
    store.write(f".pulumi/eps-dos/{PROJECT}/{STACK}/a.json", json.dumps(asdict(earlier)).encode())
    take(store, "a.json", os.getpid())
    assert found()["a.json"].dead is True


def test_plain_pulumi_s_lock_is_never_called_dead_but_may_be_seen_alive(store: Store, found: Locks) -> None:
    take(store, "gone.json", GONE)
    take(store, "here.json", os.getpid())
    take(store, "number.json", os.getpid(), taken=datetime(2026, 2, 1, tzinfo=UTC))
    take(store, "elsewhere.json", os.getpid(), "another")
    assert {name: lock.dead for name, lock in found().items()} == {
        "gone.json": None, "here.json": False, "number.json": None, "elsewhere.json": None,
    }  # fmt: skip


def test_what_was_locked_before_this_machine_s_boot_is_dead_in_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.stacks.locks.booted", lambda: LONG_AGO)
    store = Folder(tmp_path)
    take(store, "old.json", 1, "a-container", LONG_AGO - timedelta(seconds=1))
    take(store, "new.json", 1, "a-container", LONG_AGO + timedelta(seconds=1))
    for own in (True, False):
        monkeypatch.setattr("ops.stacks.locks.is_of_this_machine", lambda _folder, own=own: own)
        old, new = locks(tmp_path.as_uri(), PROJECT, STACK)
        assert (old.dead, new.dead) == (True if own else None, None)


def test_a_folder_that_others_may_share_is_not_this_machine_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path.stat().st_dev
    mount = "1 2 {}:{} / / rw - {} x rw"
    for kind, own in (("ext4", True), ("overlay", True), ("nfs4", False), ("fuse.sshfs", False), ("virtiofs", False)):
        line = mount.format(os.major(device), os.minor(device), kind)
        monkeypatch.setattr(Path, "read_text", lambda _self, line=line, **_: f"3 4 0:99 / /x rw - ext4 y rw\n{line}\n")
        assert is_of_this_machine(tmp_path) is own
    monkeypatch.setattr(Path, "read_text", lambda _self, **_: "")
    assert not is_of_this_machine(tmp_path)
    assert not is_of_this_machine(tmp_path / "gone")


def test_releasing_removes_what_was_judged_and_what_the_dead_wrote_and_no_more(store: Store, found: Locks) -> None:
    with asleep() as process, announced(store, PROJECT, STACK) as announce:
        announce(process.pid)
        take(store, "dead.json", process.pid)
        process.kill()
        process.wait()
        judged = [lock.path for lock in found().values()]
        # Somebody begins in this moment.
        with announced(store, PROJECT, STACK) as announce_other:
            announce_other(os.getpid())
            take(store, "new.json", os.getpid())
            release(store, PROJECT, STACK, judged)
            assert list(found()) == ["new.json"]
            assert len(store.names(".pulumi/eps-dos/")) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"pid": 1}',
        b'{"pid": 1, "started_ticks": 1, "boot_id": "", "pid_namespace": "", "hostname": "", "at": 7}',
    ],
    ids=range(5),
)
def test_what_cannot_be_read_of_a_holder_says_nothing(store: Store, found: Locks, content: bytes) -> None:
    store.write(f".pulumi/eps-dos/{PROJECT}/{STACK}/a.json", content)
    take(store, "a.json", GONE)
    assert found()["a.json"].dead is None


def test_nothing_begins_before_it_is_written_down(tmp_path: Path) -> None:
    began = tmp_path / "began"

    def announce(pid: int) -> None:
        assert Holder.of(pid) is not None
        assert not began.exists()

    command = ["/bin/sh", "-c", f"echo $$ > {began}; exit 7"]
    assert foreground.run(command, cwd=tmp_path, environment={"PATH": os.defpath}, announce=announce) == 7
    assert began.exists()


def test_a_backend_that_takes_no_such_file_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / ".pulumi").write_text("no folder")
    with announced(Folder(tmp_path), PROJECT, STACK) as announce:
        announce(os.getpid())
    with announced(None, PROJECT, STACK) as announce:
        announce(os.getpid())
