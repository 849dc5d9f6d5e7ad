"""The files of a backend: where its URL says, unpacked, and whole or not at all."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable
from errno import EACCES
from pathlib import Path
from typing import NoReturn

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from ops.stacks.layout import current
from ops.stacks.store import LARGEST_BYTES, Bucket, Folder, Store, UnreadableError, opened, parsed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


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
    for packed in (bytes, gzip.compress, zstd.compress):
        assert parsed(packed(b'{"a": 1}')) == {"a": 1}
    # As a packer may write it in parts.
    assert parsed(zstd.compress(b'{"a"') + zstd.compress(b": 1}")) == {"a": 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no JSON"),
        (b'{"a": ', "is no JSON"),
        (b"\xff", "is no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is no JSON"),
        (b"[]", "is JSON, but no object"),
        (b"[" * 200_000, "is nested too deeply"),
        (gzip.compress(b'{"a": 1}')[:-9], "can't be unpacked"),
        (gzip.compress(b'{"a": ', mtime=0), "is no JSON"),
        (zstd.compress(b'{"a": 1}' * 99)[:-3], "can't be unpacked"),
        (b"\x28\xb5\x2f\xfd00", "can't be unpacked"),
        # Holds nothing, and wants a window of 128 MiB (RFC 8878, 3.1.1.1.2: exponent 17 over 2 ** 10).
        (b"\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00", "can't be unpacked"),
    ],
    ids=range(11),
)
def test_what_says_nothing_is_one_error_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason) as caught:
        parsed(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("packed", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_what_is_small_packed_and_large_unpacked_is_not_unpacked(packed: Callable[[bytes], bytes]) -> None:
    bomb = packed(b" " * (LARGEST_BYTES + 1))
    assert len(bomb) < LARGEST_BYTES // 500
    with pytest.raises(UnreadableError, match="is larger than 32 MiB"):
        parsed(bomb)


@mock_aws
def test_what_is_too_large_or_refused_is_that_file_s_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("ops.stacks.store.LARGEST_BYTES", 1)
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="states")
    s3.put_object(Bucket="states", Key="large", Body=b"{}")
    (tmp_path / "large").write_bytes(b"{}")
    bucket = Bucket("s3://states?region=us-east-1")
    for store in (Folder(tmp_path), bucket):
        with pytest.raises(UnreadableError, match="is larger than"):
            store.read("large")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnreadableError, match="can't be read: Is a directory"):
        Folder(tmp_path).read("folder")
    with Stubber(bucket._client) as answers:
        answers.add_client_error("get_object", "AccessDenied", "User: x is not authorized")
        with pytest.raises(UnreadableError, match="can't be read: AccessDenied: User: x is not authorized"):
            bucket.read("large")


def test_a_folder_that_may_not_be_listed_is_not_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_path: object) -> NoReturn:
        raise PermissionError(EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr("os.scandir", refused)
    with pytest.raises(PermissionError):
        Folder(tmp_path).names("a/")


@mock_aws
def test_which_of_two_forms_counts_is_the_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="states")
    for name, second in (("a.json", 9), ("a.json.gz", 7)):
        (tmp_path / name).write_bytes(b"{}")
        os.utime(tmp_path / name, (second, second))
        s3.put_object(Bucket="states", Key=name, Body=b"{}")
    assert current(("a.json.gz", "a.json"), Folder(tmp_path)) == "a.json"
    os.utime(tmp_path / "a.json.gz", (9, 9))
    assert current(("a.json.gz", "a.json"), Folder(tmp_path)) == "a.json.gz"
    bucket = Bucket("s3://states?region=us-east-1")
    assert bucket.modified("a.json") > 0
    for store in (Folder(tmp_path), bucket):
        with pytest.raises(FileNotFoundError):
            store.modified("gone.json")
