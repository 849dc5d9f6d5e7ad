"""Deployments from a backend's files, laid out as Pulumi's own backends lay them out."""

import gzip
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.errors import ConfigError
from infra.promotion import Deployment, runs
from infra.types import ROLLOUT
from ops.release.history import deployments, from_store
from ops.stacks.store import Folder

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STARTED = 1_790_000_000
PREFIX = ".pulumi/history/eps-dos-api/nft/nft-"


def entry(at: int, kind: str = "update", result: str = "succeeded") -> bytes:
    # What pkg/backend writes: UpdateInfo, times in seconds.
    return json.dumps({"kind": kind, "startTime": at - 60, "endTime": at, "result": result, "config": {}}).encode()


def checkpoint(release: str | None, image: str = "ami-1") -> bytes:
    resources: list[dict[str, Any]] = [{"type": "pulumi:pulumi:Stack", "urn": "urn:pulumi:nft::p::t::n"}]
    if release:
        old = {"type": ROLLOUT, "delete": True, "outputs": {"release": "0.0.1", "imageId": "ami-0"}}
        resources += [old, {"type": ROLLOUT, "outputs": {"release": release, "imageId": image}}]
    return json.dumps({"version": 3, "checkpoint": {"stack": "nft", "latest": {"resources": resources}}}).encode()


FILES = {
    f"{PREFIX}1790000000000000001.history.json": entry(STARTED),
    f"{PREFIX}1790000000000000001.history.json.attrs": b'{"user.content_type": "text/plain"}',
    f"{PREFIX}1790000000000000001.checkpoint.json": checkpoint("1.4.0"),
    f"{PREFIX}1790000000000000001.checkpoint.json.attrs": b"{}",
    f"{PREFIX}1790000000000000002.history.json.gz": gzip.compress(entry(STARTED + 10, result="failed")),
    f"{PREFIX}1790000000000000002.checkpoint.json.gz": gzip.compress(checkpoint("1.5.0", "ami-2")),
    f"{PREFIX}1790000000000000003.history.json": entry(STARTED + 20, kind="refresh"),
    f"{PREFIX}1790000000000000003.checkpoint.json": checkpoint("1.5.0", "ami-2"),
    f"{PREFIX}1790000000000000004.history.json": entry(STARTED + 30, kind="destroy"),
    f"{PREFIX}1790000000000000004.checkpoint.json": checkpoint(None),
    # Cut short by an interruption: without its state it says nothing.
    f"{PREFIX}1790000000000000005.history.json": entry(STARTED + 40),
}


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(STARTED + seconds, UTC)


EXPECTED = (
    Deployment(at=at(0), succeeded=True, release="1.4.0", image_id="ami-1"),
    Deployment(at=at(10), succeeded=False, release="1.5.0", image_id="ami-2"),
    Deployment(at=at(20), succeeded=False, release="1.5.0", image_id="ami-2"),
    Deployment(at=at(30), succeeded=False, release=None),
)
NOWHERE = (Path("/nowhere/pulumi"), Path("/nowhere"))


def test_a_folder_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    for name, content in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert deployments(tmp_path.as_uri(), "eps-dos-api", "nft", *NOWHERE) == EXPECTED
    assert deployments(tmp_path.as_uri(), "eps-dos-api", "int", *NOWHERE) == ()


@mock_aws
def test_a_folder_in_a_bucket_is_read_as_a_folder_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="states")
    for name, content in FILES.items():
        s3.put_object(Bucket="states", Key=f"team/{name}", Body=content)
    assert deployments("s3://states/team?region=us-east-1", "eps-dos-api", "nft", *NOWHERE) == EXPECTED


def test_a_history_is_read_to_its_beginning(tmp_path: Path) -> None:
    (tmp_path / PREFIX).parent.mkdir(parents=True)
    for number in range(1000, 1250):
        (tmp_path / f"{PREFIX}{number}.history.json").write_bytes(entry(STARTED + number))
        (tmp_path / f"{PREFIX}{number}.checkpoint.json").write_bytes(checkpoint("1.4.0"))
    expected = [at(number) for number in range(1000, 1250)]
    assert [one.at for one in from_store(Folder(tmp_path), "eps-dos-api", "nft")] == expected


def test_an_entry_that_cannot_be_read_proves_nothing_and_the_others_are_read(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi/history/eps-dos-api/nft"
    folder.mkdir(parents=True)
    states = [
        checkpoint("1.4.0"),
        zstd.compress(checkpoint("1.4.0"))[:-3],
        b"[]",
        b'{"checkpoint": {"latest": {"resources": 7}}}',
        zstd.compress(checkpoint("1.4.0")),
    ]
    for number, state in enumerate(states):
        # Named by the nanosecond that it was written in.
        (folder / f"nft-{STARTED + number}000000000.history.json.zst").write_bytes(entry(STARTED + number))
        (folder / f"nft-{STARTED + number}000000000.checkpoint.json.zst").write_bytes(state)
    read = from_store(Folder(tmp_path), "eps-dos-api", "nft")
    assert [(one.at, one.release) for one in read] == [
        (at(0), "1.4.0"), (at(1), None), (at(2), None), (at(3), None), (at(4), "1.4.0"),
    ]  # fmt: skip
    # What ran is interrupted by what nobody can see.
    assert [(run.since, run.until) for run in runs("nft", read)] == [(at(0), at(1)), (at(4), None)]


def test_the_old_layout_has_a_folder_for_each_stack_of_any_project(tmp_path: Path) -> None:
    old = {name.replace("/eps-dos-api/", "/"): content for name, content in FILES.items()}
    for name, content in {**old, ".pulumi/stacks/nft.json": b"{}"}.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert deployments(tmp_path.as_uri(), "eps-dos-api", "nft", *NOWHERE) == EXPECTED


def test_pulumi_cloud_is_asked_page_by_page_and_for_the_state_of_each_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stands for the engine: Pulumi Cloud is somebody else's.
    cli = tmp_path / "pulumi"
    state = json.loads(checkpoint("1.4.0"))["checkpoint"]["latest"]
    old = {"version": 6, "kind": "update", "result": "succeeded", "endTime": "2026-09-21T14:13:10.000Z"}
    history = [
        {"version": 8, "kind": "update", "result": "in-progress"},
        {"version": 7, "kind": "update", "result": "succeeded", "endTime": "2026-09-21T14:13:20.000Z"},
    ]
    cli.write_text(
        "#!/bin/sh\n"
        f"case \"$*\" in *'export --version 7 --stack nft') echo '{json.dumps({'deployment': state})}';; "
        f"*'export --version 6 --stack nft') echo '{json.dumps({'deployment': state})}';; "
        f"*'--page 1 '*) echo '{json.dumps(history)}';; *'--page 2 '*) echo '{json.dumps([old])}';; *) exit 1;; esac\n"
    )
    cli.chmod(0o755)
    monkeypatch.setattr("ops.release.history.PAGE", 2)
    found = deployments("https://app.pulumi.com/team", "eps-dos-api", "nft", cli, tmp_path)
    assert [(one.at, one.succeeded, one.release, one.image_id) for one in found] == [
        (at(-10), True, "1.4.0", "ami-1"), (at(0), True, "1.4.0", "ami-1"),
    ]  # fmt: skip


def test_a_backend_whose_history_cannot_be_read_is_named() -> None:
    with pytest.raises(ConfigError, match=r"backend azblob:// has a history that can't be read here"):
        deployments("azblob://states", "eps-dos-api", "nft", *NOWHERE)
