"""The files of a Pulumi backend that is a folder or a bucket, read directly.

`pulumi` starts an engine for each stack it is asked about, which a thousand stacks can't wait for, and shows neither
locks nor old states. The layout is that of Pulumi's own backends (`ops.stacks.layout`); Pulumi's own files are never
written here. Left out: Pulumi Cloud, which is asked through `pulumi`.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import threading
import zlib
from collections.abc import Mapping
from contextlib import nullcontext
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import IO, Any, TypeAlias, cast
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import ReportedError

AT_ONCE = 16
"""Files of a bucket that are read at the same time."""

LARGEST_BYTES = 32 * 2**20
"""Of a file, unpacked: a whole environment's state has a hundredth of it."""

_ALONE_BYTES = 2 * 2**20
"""A larger document is made into objects while no other is: they take many times as much memory."""
_ALONE = threading.Lock()

_WINDOW_LOG = 25
"""What a packed file may ask for to be unpacked: 32 MiB. Pulumi packs with 8 MiB (klauspost/compress, SpeedDefault)."""

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
"""How packed files begin (RFC 1952, RFC 8878), whatever they are called (pkg/backend/diy: DetectCompression)."""


_ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


class UnreadableError(ReportedError):
    """A file of a backend that is there and says nothing: refused, cut short, too large, no JSON. One line says why."""


class Folder:
    """A backend that is a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def address(self, name: str) -> str:
        """Return where a file is, as other programs take it."""
        return str(self.root / name)

    def names(self, prefix: str) -> list[str]:
        """Return the paths within the backend that begin with `prefix`, a folder, in the order of their names."""
        return sorted(
            str(path.relative_to(self.root))
            for folder, _, files in os.walk(self.root / prefix, onerror=_raise_unless_gone)
            for path in (Path(folder, file) for file in files)
            if path.is_file()
        )

    def modified(self, name: str) -> float:
        """Return when a file was written last, in seconds since 1970. Raises FileNotFoundError if it is gone."""
        return (self.root / name).stat().st_mtime

    def read(self, name: str) -> bytes:
        """Return what is in a file. Raises FileNotFoundError if it is gone, UnreadableError if it can't be had."""
        try:
            with (self.root / name).open("rb") as file:
                return _bounded(cast(IO[bytes], file))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise UnreadableError(f"can't be read: {error.strerror or error}") from None

    def write(self, name: str, content: bytes) -> None:
        """Write a file, at once or not at all. Raises OSError."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        part.write_bytes(content)
        part.replace(path)

    def delete(self, name: str) -> None:
        """Remove a file, if it is there. Raises OSError."""
        (self.root / name).unlink(missing_ok=True)


class Bucket:
    """A backend that is a bucket, as its URL says (gocloud.dev/aws: region, profile, endpoint, s3ForcePathStyle)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        endpoint = options.get("endpoint")
        if endpoint and "://" not in endpoint:
            endpoint = f"{'http' if options.get('disableSSL') == 'true' else 'https'}://{endpoint}"
        by_path = options.get("s3ForcePathStyle") == "true"
        self._bucket = parts.netloc
        self._folder = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        self._client = boto3.Session(profile_name=options.get("profile"), region_name=options.get("region")).client(
            "s3",
            endpoint_url=endpoint,
            config=Config(
                s3={"addressing_style": "path" if by_path else "auto"},
                retries={"mode": "standard", "max_attempts": 5},
                max_pool_connections=AT_ONCE,
            ),
        )

    def address(self, name: str) -> str:
        """Return where an object is, as other programs take it."""
        return f"s3://{self._bucket}/{self._folder}{name}"

    def names(self, prefix: str) -> list[str]:
        """Return the keys under `prefix`, without the folder that the backend has in its bucket."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._folder}{prefix}"
        )
        return sorted(item["Key"].removeprefix(self._folder) for page in pages for item in page.get("Contents", []))

    def modified(self, name: str) -> float:
        """Return when an object was written last, in seconds since 1970. Raises FileNotFoundError if it is gone."""
        try:
            return self._client.head_object(Bucket=self._bucket, Key=f"{self._folder}{name}")[
                "LastModified"
            ].timestamp()
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                raise FileNotFoundError(name) from None
            raise

    def read(self, name: str) -> bytes:
        """Return what is in an object. Raises FileNotFoundError if it is gone, UnreadableError if it can't be had."""
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=f"{self._folder}{name}")["Body"]
            with body:
                return _bounded(cast(IO[bytes], body))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _GONE:
                raise FileNotFoundError(name) from None
            raise UnreadableError(f"can't be read: {code}: {error.response['Error'].get('Message', '')}") from None
        except BotoCoreError as error:
            raise UnreadableError(f"can't be read: {error}") from None

    def write(self, name: str, content: bytes) -> None:
        """Write an object. Raises botocore's errors."""
        self._client.put_object(Bucket=self._bucket, Key=f"{self._folder}{name}", Body=content)

    def delete(self, name: str) -> None:
        """Remove an object, if it is there. Raises botocore's errors."""
        self._client.delete_object(Bucket=self._bucket, Key=f"{self._folder}{name}")


Store: TypeAlias = Folder | Bucket


def opened(url: str) -> Store | None:
    """Return the files of the backend at `url`, as `pulumi whoami --json` gives it; None for other kinds of backend."""
    folder = folder_of(url)
    if folder is not None:
        return Folder(folder)
    return Bucket(url) if urlsplit(url).scheme == "s3" else None


def folder_of(url: str) -> Path | None:
    """Return the folder that the backend at `url` is; None for other kinds of backend."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def parsed(content: bytes) -> Mapping[str, Any]:
    """Return the JSON object of a backend's file, unpacked if it is packed.

    Raises UnreadableError if it is cut short, too large unpacked, or no JSON object.
    """
    text = _unpacked(content)
    with _ALONE if len(text) > _ALONE_BYTES else nullcontext():
        try:
            document = json.loads(text)
        except RecursionError:
            raise UnreadableError("is nested too deeply to be read") from None
        except ValueError as error:
            raise UnreadableError(f"is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise UnreadableError("is JSON, but no object")
    return document


def _unpacked(content: bytes) -> bytes:
    try:
        if content.startswith(GZIP):
            with gzip.GzipFile(fileobj=BytesIO(content)) as packed:
                return _bounded(cast(IO[bytes], packed))
    except (EOFError, OSError, zlib.error) as error:
        raise UnreadableError(f"can't be unpacked: {error}") from None
    return _zstd_unpacked(content) if content.startswith(ZSTD) else content


def _zstd_unpacked(content: bytes) -> bytes:
    # By name: which of the two there is depends on the Python, and few backends need either.
    zstd: Any = import_module(_ZSTD)
    try:
        with zstd.ZstdFile(BytesIO(content), options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}) as file:
            return _bounded(cast(IO[bytes], file))
    except (EOFError, zstd.ZstdError) as error:
        raise UnreadableError(f"can't be unpacked: {error}") from None


def _bounded(file: IO[bytes]) -> bytes:
    content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise UnreadableError(f"is larger than {LARGEST_BYTES // 2**20} MiB, which no state of this project is")
    return content


_GONE = frozenset({"NoSuchKey", "404"})
"""What GetObject and HeadObject answer (Amazon S3 API); a HEAD has no body that could say more."""


def _raise_unless_gone(error: OSError) -> None:
    # Without this, a folder that may not be listed looks empty.
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
