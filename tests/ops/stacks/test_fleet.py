"""Stacks from a backend's files: packed, half written, locked by the living and the dead, empty."""

from __future__ import annotations

import gzip
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.errors import ConfigError
from infra.reaping import StackFacts, verdict
from ops.ephemeral.listing import COLUMNS, shown
from ops.output.progress import say
from ops.stacks.fleet import from_store
from ops.stacks.holders import Holder
from ops.stacks.store import LARGEST_BYTES, Folder, Store, UnreadableError, opened
from tests.infra.test_reaping import COMMITTED, LIMITS, NOW, said
from tests.labs import LOCKS, STACKS
from tests.ops.stacks.test_holders import GONE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TAKEN = "2026-10-25T00:30:00.123456789Z"
"""As Go writes a time."""
TAGS = {
    "eps-dos:created-at": "2026-10-21T17:30:00Z",
    "eps-dos:expires-at": "2026-10-24T17:30:00Z",
    "eps-dos:owner": "tester",
    "eps-dos:like": "int",
}


def resource(kind: str, **facts: Any) -> Mapping[str, Any]:
    return {"urn": f"urn:pulumi:a::eps-dos-api::{kind}::one", "type": kind, **facts}


MARK = resource("eps-dos-api:infra:Lifetime", inputs={"settings": said()})
VPC = resource("aws:ec2/vpc:Vpc", inputs={"tags": {"Environment": "pr-1"}})
OWN = (resource("pulumi:pulumi:Stack"), resource("pulumi:providers:aws"))


def state(*resources: Mapping[str, Any], pending: int = 0) -> bytes:
    return checkpoint({"resources": [*OWN, *resources], "pending_operations": [{}] * pending})


def checkpoint(latest: Mapping[str, Any]) -> bytes:
    return json.dumps({"version": 3, "checkpoint": {"stack": "a", "latest": latest}}).encode()


def lock(pid: int, hostname: str, taken: str = TAKEN) -> bytes:
    return json.dumps({"pid": pid, "username": "tester", "hostname": hostname, "timestamp": taken}).encode()


def written(pid: int) -> bytes:
    """Return what `eps-dos` has written of a process that is gone."""
    mine = Holder.of(os.getpid())
    assert mine is not None
    return json.dumps(asdict(replace(mine, pid=pid, at=TAKEN))).encode()


@pytest.fixture(autouse=True)
def booted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has run for long."""
    monkeypatch.setattr("ops.stacks.locks.booted", lambda: datetime(2026, 1, 1, tzinfo=UTC))


def files() -> dict[str, bytes]:
    here, dead = socket.gethostname(), GONE
    return {
        f"{STACKS}/gzipped.json.gz": gzip.compress(state(MARK, VPC)),
        f"{STACKS}/plain.json": state(MARK, VPC, pending=2),
        f"{STACKS}/plain.json.bak": b"an older one",
        f"{STACKS}/plain.json.attrs": b"{}",
        f"{STACKS}/half.json": state(MARK)[:-40],
        f"{STACKS}/half-packed.json.gz": gzip.compress(state(MARK))[:-12],
        f"{STACKS}/not-text.json": b"\xff\xfe\x00",
        f"{STACKS}/half-zipped.json.zst": zstd.compress(state(MARK))[:-9],
        f"{STACKS}/zipped.json.zst": zstd.compress(state(MARK, VPC)),
        f"{STACKS}/bomb.json.gz": gzip.compress(b" " * (LARGEST_BYTES + 1)),
        f"{STACKS}/array.json": b"[]",
        f"{STACKS}/object.json": b"{}",
        f"{STACKS}/newer.json": json.dumps({"version": 5, "checkpoint": {}}).encode(),
        f"{STACKS}/numbers.json": checkpoint({"resources": 7}),
        f"{STACKS}/texts.json": checkpoint({"resources": ["a"]}),
        f"{STACKS}/nameless.json": checkpoint({"resources": [{"type": "aws:ec2/vpc:Vpc"}]}),
        f"{STACKS}/pending.json": checkpoint({"resources": [], "pending_operations": {"a": 1}}),
        f"{STACKS}/untrue.json": json.dumps({"version": True, "checkpoint": {}}).encode(),
        f"{STACKS}/flat.json": json.dumps({"version": 3, "checkpoint": []}).encode(),
        f"{STACKS}/hidden.json": b"\x1b[2J" + state(MARK),
        f"{STACKS}/new.json": json.dumps({"version": 3, "checkpoint": {"stack": "a"}}).encode(),
        ".pulumi/stacks/left.json": state(MARK, VPC),
        ".pulumi/stacks/left-empty.json": state(),
        ".pulumi/stacks/left-stranger.json": state(MARK).replace(b"::eps-dos-api::", b"::another::"),
        ".pulumi/stacks/plain.json": state(MARK),
        f"{STACKS}/permanent.json": state(resource("aws:lb:Lb", protect=True)),
        f"{STACKS}/empty.json": state(),
        f"{STACKS}/empty.pulumi-tags": json.dumps({"tags": TAGS}).encode(),
        f"{STACKS}/untold.json": state(),
        f"{STACKS}/untold.pulumi-tags": b'{"tags": {"eps-dos:own',
        f"{STACKS}/living.json": state(MARK),
        f"{LOCKS}/living/1.json": lock(os.getpid(), here, datetime.now(UTC).isoformat()),
        f"{STACKS}/dead.json": state(MARK),
        f"{LOCKS}/dead/1.json": lock(dead, here),
        ".pulumi/eps-dos/eps-dos-api/dead/1.json": written(dead),
        # Plain Pulumi's: its number is this machine's to look for, or another's of the same name.
        f"{STACKS}/plain-lock.json": state(MARK),
        f"{LOCKS}/plain-lock/1.json": lock(dead, here),
        f"{STACKS}/elsewhere.json": state(MARK),
        f"{LOCKS}/elsewhere/1.json": lock(1, "another-machine"),
        f"{STACKS}/edited.json": state(MARK),
        f"{LOCKS}/edited/1.json": lock(2**80, here),
        f"{LOCKS}/edited/2.json": lock(1, "another-machine", "2026-10-20T00:30:00"),
        f"{LOCKS}/edited/3.json": b"\xff\xfe",
        f"{LOCKS}/edited/4.json": lock(1, "another-machine")[:20],
        f"{STACKS}/zipped-tags.json": state(),
        f"{STACKS}/zipped-tags.pulumi-tags": b"\x28\xb5\x2f\xfd00",
        f"{STACKS}/another/project/nested.json": state(MARK),
        ".pulumi/stacks/another-project/stranger.json": state(MARK),
        ".pulumi/meta.yaml": b"version: 1",
    }


def check(found: tuple[StackFacts, ...]) -> None:
    """Check what was read from `files`."""
    by_name = {one.name: one for one in found}
    assert [one.name for one in found] == sorted(by_name)
    unreadable = {name: one.unreadable for name, one in by_name.items() if one.unreadable is not None}
    reasons = {
        "array": "is JSON, but no object", "bomb": "is larger than 32 MiB", "flat": "is no state: it has no checkpoint",
        "half": "is no JSON", "half-packed": "can't be unpacked", "half-zipped": "can't be unpacked",
        "hidden": "is no JSON", "left": "is kept in the old layout", "nameless": "a resource has no urn",
        "newer": "its version is 5; allowed: 3, 4", "not-text": "is no JSON", "numbers": "its resources are no list",
        "object": "its version is null", "pending": "its pending_operations are no list",
        "texts": "its resources are no list", "untrue": "its version is true",
    }  # fmt: skip
    assert {name: reason for name, reason in reasons.items() if reason in str(unreadable.get(name))} == reasons
    assert set(unreadable) == set(reasons)
    for name in ("gzipped", "zipped"):
        assert by_name[name] == StackFacts(name=name, resources=2, marks=(said(),), environments=frozenset({"pr-1"}))
    assert (by_name["plain"].resources, by_name["plain"].pending) == (2, 2)
    assert by_name["permanent"].protected == ("one",)
    assert by_name["permanent"].marks == ()
    assert by_name["empty"].said_of_empty is not None
    assert by_name["untold"].said_of_empty is None
    assert {
        name: [(lock.holder, lock.dead) for lock in one.locks] for name, one in by_name.items() if one.locks
    } == {
        "living": [(f"tester on {socket.gethostname()}", False)],
        "dead": [(f"tester on {socket.gethostname()}", True)],
        "plain-lock": [(f"tester on {socket.gethostname()}", None)],
        "edited": [
            ("tester on another-machine", None),
            (f"tester on {socket.gethostname()}", None),
            ("somebody whose lock can't be read (3.json)", None),
            ("somebody whose lock can't be read (4.json)", None),
        ],
        "elsewhere": [("tester on another-machine", None)],
    }  # fmt: skip
    decided = {name: verdict(one, NOW, COMMITTED, LIMITS).decision for name, one in by_name.items()}
    assert decided == {
        **dict.fromkeys(unreadable, "refuse"),
        "dead": "reap",
        "edited": "refuse",
        "elsewhere": "refuse",
        "empty": "reap",
        "gzipped": "refuse",
        "living": "refuse",
        "new": "stay",
        "permanent": "refuse",
        "plain": "refuse",
        "plain-lock": "refuse",
        "untold": "stay",
        "zipped": "refuse",
        "zipped-tags": "stay",
    }


def folder(root: Path, content: Mapping[str, bytes]) -> Store:
    for name, written in content.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(written)
    store = opened(root.as_uri())
    assert store is not None
    return store


def test_a_folder_is_read(tmp_path: Path) -> None:
    store = folder(tmp_path, files())
    check(from_store(store, "eps-dos-api"))
    assert [one.name for one in from_store(store, "eps-dos-api", "plain")] == ["plain"]
    assert from_store(store, "eps-dos-api", "missing") == ()
    assert from_store(store, "no-project") == ()


@mock_aws
def test_a_folder_in_a_bucket_is_read_as_a_folder_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="states")
    for name, content in files().items():
        s3.put_object(Bucket="states", Key=f"team/{name}", Body=content)
    store = opened("s3://states/team?region=us-east-1")
    assert store is not None
    check(from_store(store, "eps-dos-api"))


def test_the_old_layout_is_read_where_pulumi_keeps_to_it(tmp_path: Path) -> None:
    content = {
        ".pulumi/stacks/plain.json": state(MARK, VPC),
        ".pulumi/stacks/packed.json.zst": zstd.compress(state(MARK)),
        ".pulumi/stacks/stranger.json": state(MARK).replace(b"::eps-dos-api::", b"::another::"),
        ".pulumi/stacks/half.json": state(MARK)[:-9],
        ".pulumi/stacks/empty.json": state(),
        ".pulumi/stacks/empty.pulumi-tags": json.dumps({"tags": TAGS}).encode(),
        ".pulumi/locks/plain/1.json": lock(1, "another-machine"),
        f"{STACKS}/by-project.json": state(MARK),
    }
    for name, meta in (("none", None), ("zero", b"version: 0\n")):
        store = folder(tmp_path / name, content if meta is None else {**content, ".pulumi/meta.yaml": meta})
        by_name = {one.name: one for one in from_store(store, "eps-dos-api")}
        assert sorted(by_name) == ["empty", "half", "packed", "plain"]
        assert [one.holder for one in by_name["plain"].locks] == ["tester on another-machine"]
        assert by_name["empty"].said_of_empty is not None
        assert by_name["half"].unreadable


@pytest.mark.parametrize("meta", [b"", b"version: 2\n", b"version: true\n", b"[1", b"\xff", b"version: '1'\n"])
def test_a_layout_that_pulumi_does_not_have_is_named(meta: bytes, tmp_path: Path) -> None:
    store = folder(tmp_path, {".pulumi/meta.yaml": meta, f"{STACKS}/plain.json": state(MARK)})
    with pytest.raises(ConfigError, match=r"backend: \.pulumi/meta\.yaml says no version of a layout that Pulumi has"):
        from_store(store, "eps-dos-api")


def test_a_state_that_is_refused_is_that_stack_s_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {f"{STACKS}/{name}.json": state(MARK) for name in ("pr-1", "pr-2", "pr-3")}
    store = folder(tmp_path, {**content, ".pulumi/meta.yaml": b"version: 1", f"{LOCKS}/pr-3/1.json": lock(1, "a")})
    read = Folder.read

    def refused(self: Folder, name: str) -> bytes:
        if name.endswith(("pr-2.json", "pr-3/1.json")):
            raise UnreadableError("can't be read: AccessDenied: x")
        return read(self, name)

    monkeypatch.setattr(Folder, "read", refused)
    first, second, third = from_store(store, "eps-dos-api")
    assert (first.marks, first.unreadable) == ((said(),), None)
    assert second.unreadable == "can't be read: AccessDenied: x"
    assert [one.holder for one in third.locks] == ["somebody whose lock can't be read (1.json)"]


def test_a_state_that_is_written_anew_in_another_form_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = folder(tmp_path, {".pulumi/meta.yaml": b"version: 1", f"{STACKS}/pr-1.json": state(MARK)})
    read = Folder.read

    def packing(self: Folder, name: str) -> bytes:
        file = tmp_path / f"{STACKS}/pr-1.json"
        if name.endswith("pr-1.json") and file.exists():
            file.with_name("pr-1.json.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
        return read(self, name)

    monkeypatch.setattr(Folder, "read", packing)
    assert [one.marks for one in from_store(store, "eps-dos-api")] == [(said(),)]
    assert [one.marks for one in from_store(store, "eps-dos-api")] == [(said(),)]


def test_what_a_state_says_reaches_no_terminal_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    owner = "[bold]\x1b[2J\u202e:smile:"
    mark = resource("eps-dos-api:infra:Lifetime", inputs={"settings": said(owner=owner)})
    lock_of = json.dumps({"pid": 1, "username": owner, "hostname": owner, "timestamp": TAKEN}).encode()
    store = folder(tmp_path, {f"{STACKS}/pr-1.json": state(mark), f"{LOCKS}/pr-1/1.json": lock_of,
                              ".pulumi/meta.yaml": b"version: 1"})  # fmt: skip
    (facts,) = from_store(store, "eps-dos-api")
    shown([{**dict.fromkeys(COLUMNS), "owner": owner, "name": facts.locks[0].holder}])
    say(f"{owner}\nnext")
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith(
        r"[bold]\u{1b}[2J\u{202e}:smile: on [bold]\u{1b}[2J\u{202e}:smile:  [bold]\u{1b}[2J\u{202e}:smile:  unknown"
    )
    assert err == "[bold]\\u{1b}[2J\\u{202e}:smile:\nnext\n"


def test_other_backends_have_no_files() -> None:
    assert opened("https://app.pulumi.com/team") is None
    assert opened("azblob://states") is None
