"""Stacks from a backend's files: packed, half written, locked by the living and the dead, empty."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.reaping import StackFacts, verdict
from ops.stacks.fleet import from_store
from ops.stacks.store import opened
from tests.infra.test_reaping import COMMITTED, LIMITS, NOW, said

STACKS = ".pulumi/stacks/eps-dos-api"
LOCKS = ".pulumi/locks/organization/eps-dos-api"
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
    latest = {"resources": [*OWN, *resources], "pending_operations": [{}] * pending}
    return json.dumps({"version": 3, "checkpoint": {"stack": "a", "latest": latest}}).encode()


def lock(pid: int, hostname: str, taken: str = TAKEN) -> bytes:
    return json.dumps({"pid": pid, "username": "tester", "hostname": hostname, "timestamp": taken}).encode()


def dead_process() -> int:
    """Return the number of a process that was, and is gone."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def files() -> dict[str, bytes]:
    here = socket.gethostname()
    return {
        f"{STACKS}/gzipped.json.gz": gzip.compress(state(MARK, VPC)),
        f"{STACKS}/plain.json": state(MARK, VPC, pending=2),
        f"{STACKS}/plain.json.bak": b"an older one",
        f"{STACKS}/plain.json.attrs": b"{}",
        f"{STACKS}/half.json": state(MARK)[:-40],
        f"{STACKS}/half-packed.json.gz": gzip.compress(state(MARK))[:-12],
        f"{STACKS}/not-text.json": b"\xff\xfe\x00",
        f"{STACKS}/zipped.json": b"\x28\xb5\x2f\xfd00",
        f"{STACKS}/array.json": b"[]",
        f"{STACKS}/permanent.json": state(resource("aws:lb:Lb", protect=True)),
        f"{STACKS}/empty.json": state(),
        f"{STACKS}/empty.pulumi-tags": json.dumps({"tags": TAGS}).encode(),
        f"{STACKS}/untold.json": state(),
        f"{STACKS}/untold.pulumi-tags": b'{"tags": {"eps-dos:own',
        f"{STACKS}/living.json": state(MARK),
        f"{LOCKS}/living/1.json": lock(os.getpid(), here, datetime.now(UTC).isoformat()),
        f"{STACKS}/dead.json": state(MARK),
        f"{LOCKS}/dead/1.json": lock(dead_process(), here),
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
    assert set(unreadable) == {"half", "half-packed", "not-text", "zipped"}
    assert "is compressed with zstd" in str(unreadable["zipped"])
    assert by_name["gzipped"] == StackFacts(
        name="gzipped", resources=2, marks=(said(),), environments=frozenset({"pr-1"})
    )
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
        "edited": [(f"tester on {socket.gethostname()}", True), ("tester on another-machine", None)],
        "elsewhere": [("tester on another-machine", None)],
    }  # fmt: skip
    decided = {name: verdict(one, NOW, COMMITTED, LIMITS).decision for name, one in by_name.items()}
    assert decided == {
        "array": "stay",
        "dead": "reap",
        "edited": "reap",
        "elsewhere": "refuse",
        "empty": "reap",
        "gzipped": "refuse",
        "half": "refuse",
        "half-packed": "refuse",
        "living": "refuse",
        "not-text": "refuse",
        "permanent": "refuse",
        "plain": "refuse",
        "untold": "stay",
        "zipped": "refuse",
        "zipped-tags": "stay",
    }


def test_a_folder_is_read(tmp_path: Path) -> None:
    for name, content in files().items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    store = opened(tmp_path.as_uri())
    assert store is not None
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


def test_other_backends_have_no_files() -> None:
    assert opened("https://app.pulumi.com/team") is None
    assert opened("azblob://states") is None
