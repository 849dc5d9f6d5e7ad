"""The files of a backend: where its URL says, unpacked, and whole or not at all."""

from __future__ import annotations

import gzip
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from infra.errors import ConfigError
from ops.stacks.store import Store, opened, parsed


def check(store: Store) -> None:
    assert store.names("a/") == ["a/b/c.json", "a/d.json"]
    assert store.names("nothing/") == []
    assert store.read("a/d.json") == b"{}"
    with pytest.raises(FileNotFoundError):
        store.read("a/gone.json")


def test_a_folder_whose_name_needs_quoting(tmp_path: Path) -> None:
    root = tmp_path / "a folder, 100% ü"
    for name in ("a/d.json", "a/b/c.json", "ab/e.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"{}")
    store = opened(root.as_uri())
    assert store is not None
    check(store)


@mock_aws
@pytest.mark.parametrize("folder", ["", "team/", "team/one/"])
def test_a_bucket_and_a_folder_in_it(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="states")
    for name in ("a/d.json", "a/b/c.json", "ab/e.json"):
        s3.put_object(Bucket="states", Key=f"{folder}{name}", Body=b"{}")
    store = opened(f"s3://states/{folder}?region=us-east-1&s3ForcePathStyle=true")
    assert store is not None
    check(store)


@mock_aws
def test_more_objects_than_one_answer_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="states")
    for number in range(1001):
        s3.put_object(Bucket="states", Key=f"a/{number:04}", Body=b"")
    store = opened("s3://states?region=us-east-1")
    assert store is not None
    assert store.names("a/") == [f"a/{number:04}" for number in range(1001)]


def test_files_are_unpacked_by_what_is_in_them() -> None:
    assert parsed("a.json", b'{"a": 1}') == {"a": 1}
    assert parsed("a.json", gzip.compress(b'{"a": 1}')) == {"a": 1}
    assert parsed("a.json.gz", b"[]") == {}


@pytest.mark.parametrize(
    "content",
    [b"", b'{"a": ', b"\xff", gzip.compress(b'{"a": 1}')[:-9], gzip.compress(b'{"a": ')],
    # By name: what is packed has the time in it, and two processes would collect two cases.
    ids=["nothing", "text", "no text", "packed", "packed text"],
)
def test_what_is_cut_short_is_no_json(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind: it is shown to nobody but as it is
        parsed("a.json", content)


def test_what_is_nested_without_end_is_told() -> None:
    with pytest.raises(ValueError, match="is nested too deeply"):
        parsed("a.json", b"[" * 200_000)


def test_what_cannot_be_unpacked_here_is_named() -> None:
    with pytest.raises(ConfigError, match=r"backend: a\.json is compressed with zstd"):
        parsed("a.json", b"\x28\xb5\x2f\xfd00")
