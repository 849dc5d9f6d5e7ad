"""The files of a Pulumi backend that is a folder or a bucket, read directly.

`pulumi` starts an engine for each stack it is asked about, which a thousand stacks can't wait for, and shows neither
locks nor old states. The layout is that of Pulumi's own backends (pkg/backend/diy). Nothing is ever written here. Left
out: Pulumi Cloud, which is asked through `pulumi`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.config import Config

from infra.errors import ConfigError

AT_ONCE = 16
"""Files of a bucket that are read at the same time."""


class Folder:
    """A backend that is a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, prefix: str) -> list[str]:
        """Return the paths within the backend that begin with `prefix`, a folder, in the order of their names."""
        return sorted(str(path.relative_to(self._root)) for path in (self._root / prefix).rglob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        """Return what is in a file. Raises FileNotFoundError if it is gone."""
        return (self._root / name).read_bytes()


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

    def names(self, prefix: str) -> list[str]:
        """Return the keys under `prefix`, without the folder that the backend has in its bucket."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._folder}{prefix}"
        )
        return sorted(item["Key"].removeprefix(self._folder) for page in pages for item in page.get("Contents", []))

    def read(self, name: str) -> bytes:
        """Return what is in an object. Raises FileNotFoundError if it is gone."""
        try:
            return self._client.get_object(Bucket=self._bucket, Key=f"{self._folder}{name}")["Body"].read()
        except self._client.exceptions.NoSuchKey:
            raise FileNotFoundError(name) from None


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


def parsed(name: str, content: bytes) -> Mapping[str, Any]:
    """Return the JSON object of a backend's file, unpacked if it is packed.

    Raises ConfigError if it is packed in a way that can't be read here, ValueError if it is no JSON, or cut short.
    """
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"is no whole gzip file: {error}") from None
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        raise ConfigError.of(
            f"backend: {name}",
            "is compressed with zstd, which can't be read here; allowed: none, gzip",
            "unset PULUMI_DIY_BACKEND_ZSTD where stacks are deployed from",
        )
    try:
        document = json.loads(content)
    except RecursionError:
        raise ValueError("is nested too deeply to be read") from None
    return document if isinstance(document, dict) else {}
