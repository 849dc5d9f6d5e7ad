"""Who is changing a stack: the locks of a backend that is a folder or a bucket.

Pulumi prints them only when they are in the way, and never says whether their holder is still alive. The layout is that
of Pulumi's own backends (pkg/backend/diy: `.pulumi/locks/organization/PROJECT/STACK/ID.json`). Left out: Pulumi Cloud,
whose locks end by themselves.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.config import Config

from infra.yamlfile import read_mapping

LOCKS = ".pulumi/locks/organization"


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Who took the lock of a stack, where and when."""

    path: str
    """Within the backend."""
    pid: int
    username: str
    hostname: str
    taken: datetime

    def holder_is_dead(self) -> bool | None:
        """Whether the process that took it is gone; None if it is another machine's, where that can't be seen."""
        if self.hostname != socket.gethostname():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def project_name(folder: Path) -> str:
    """Return the name of the project in `folder`. Raises ConfigError if its Pulumi.yaml can't be read."""
    return str(read_mapping(folder / "Pulumi.yaml").get("name", ""))


def locks(url: str, project: str, stack: str) -> tuple[Lock, ...]:
    """Return the locks of `stack` in the backend at `url`, the oldest first; none for other kinds of backend.

    Raises botocore's errors if a bucket can't be read.
    """
    parts = urlsplit(url)
    prefix = f"{LOCKS}/{project}/{stack}/"
    if parts.scheme == "file":
        found = _in_folder(Path(unquote(parts.path)), prefix)
    elif parts.scheme == "s3":
        options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        found = _in_bucket(parts.netloc, parts.path.strip("/"), prefix, options)
    else:
        return ()
    return tuple(
        sorted((lock for lock in (_lock(path, text) for path, text in found) if lock), key=lambda one: one.taken)
    )


def _in_folder(folder: Path, prefix: str) -> Iterator[tuple[str, str]]:
    for path in sorted((folder / prefix).glob("*.json")):
        try:
            yield str(path.relative_to(folder)), path.read_text(encoding="utf-8")
        except FileNotFoundError:
            # Given back between the two.
            continue


def _in_bucket(bucket: str, folder: str, prefix: str, options: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    # The options of the backend's URL that lead to another S3 than AWS's (gocloud.dev/aws, URL parameters).
    by_path = options.get("s3ForcePathStyle") == "true"
    endpoint = options.get("endpoint")
    if endpoint and "://" not in endpoint:
        endpoint = f"{'http' if options.get('disableSSL') == 'true' else 'https'}://{endpoint}"
    client = boto3.Session(profile_name=options.get("profile"), region_name=options.get("region")).client(
        "s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path" if by_path else "auto"})
    )
    whole = f"{folder}/{prefix}" if folder else prefix
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=whole):
        for entry in page.get("Contents", []):
            try:
                body = client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            except client.exceptions.NoSuchKey:
                continue
            yield entry["Key"], body.decode()


def _lock(path: str, text: str) -> Lock | None:
    try:
        content: Mapping[str, Any] = json.loads(text)
        return Lock(
            path=path,
            pid=int(content["pid"]),
            username=str(content["username"]),
            hostname=str(content["hostname"]),
            taken=datetime.fromisoformat(content["timestamp"]),
        )
    except (ValueError, KeyError, TypeError):
        # Half written: its holder is at it.
        return None
