"""Which release each deployment of a stack left behind, from the history that the backend keeps.

A history entry tells its configuration, and that may say `live+1`; what that meant then is only in the state that was
saved with the entry. Backends in a folder or a bucket keep it beside the entry (pkg/backend/diy, addToHistory:
`.pulumi/history/PROJECT/STACK/STACK-NANOSECONDS.{history,checkpoint}.json`), Pulumi Cloud gives it by version.
Left out: what the deployments prove (`infra.promotion`).
"""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.config import Config

from infra.errors import ConfigError, Problem
from infra.promotion import Deployment

ROLLOUT = "pulumi-python:dynamic/infra:Rollout"
"""The type of the resource whose update is the rollout (infra/components/rollout.py)."""

NEWEST = 100
"""So many entries are read; each brings a whole state along."""

HISTORY = ".pulumi/history"
ENTRIES = (".history.json", ".history.json.gz", ".history.json.zst")
"""How an entry's name ends; a folder also has a file of attributes beside each."""


class Store(Protocol):
    """The files of a backend."""

    def names(self, prefix: str) -> list[str]:
        """Return the paths within the backend that begin with `prefix`, in the order of their names."""

    def read(self, name: str) -> bytes:
        """Return what is in a file."""


class Folder:
    """A backend that is a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, prefix: str) -> list[str]:
        """Return the files under `prefix`, a folder."""
        return sorted(str(path.relative_to(self._root)) for path in (self._root / prefix).glob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        """Return what is in a file."""
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
            "s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path" if by_path else "auto"})
        )

    def names(self, prefix: str) -> list[str]:
        """Return the keys under `prefix`, without the folder that the backend has in its bucket."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._folder}{prefix}"
        )
        return sorted(one["Key"].removeprefix(self._folder) for page in pages for one in page.get("Contents", []))

    def read(self, name: str) -> bytes:
        """Return what is in an object."""
        return self._client.get_object(Bucket=self._bucket, Key=f"{self._folder}{name}")["Body"].read()


def deployments(url: str, project: str, stack: str, cli: Path, folder: Path) -> tuple[Deployment, ...]:
    """Return the newest deployments of `stack` in the backend at `url`, in the order of time; none if it has none.

    Raises ConfigError for a kind of backend whose history can't be read, botocore's errors if a bucket can't be read.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return from_store(Folder(Path(unquote(parts.path))), project, stack)
    if parts.scheme == "s3":
        return from_store(Bucket(url), project, stack)
    if parts.scheme in {"https", "http"}:
        return tuple(_from_cloud(_pulumi(cli, folder, stack)))
    raise ConfigError(
        [
            Problem(
                where=f"backend {parts.scheme}://",
                message="has a history that can't be read here; allowed: a folder, an S3 bucket, Pulumi Cloud",
                fix="eps-dos backend init --bucket NAME, then pulumi login with the URL that it prints",
            )
        ]
    )


def from_store(store: Store, project: str, stack: str) -> tuple[Deployment, ...]:
    """Return the newest deployments that `store` has of `stack`, in the order of time."""
    names = set(store.names(f"{HISTORY}/{project}/{stack}/"))
    entries = sorted(name for name in names if name.endswith(ENTRIES))[-NEWEST:]
    found = []
    for name in entries:
        state = name.replace(".history.json", ".checkpoint.json")
        if state in names:
            checkpoint = _parsed(name, store.read(state)).get("checkpoint") or {}
            found.append(_deployment(_parsed(name, store.read(name)), checkpoint.get("latest") or {}))
    return tuple(found)


def released(resources: Iterable[Mapping[str, Any]]) -> tuple[str | None, str]:
    """Return (release, image id) of a state's resources; (None, "") if it has no rollout."""
    for resource in resources:
        if resource.get("type") == ROLLOUT and not resource.get("delete"):
            outputs = resource.get("outputs") or {}
            return outputs.get("release"), str(outputs.get("imageId", ""))
    return None, ""


def _deployment(entry: Mapping[str, Any], state: Mapping[str, Any]) -> Deployment:
    release, image_id = released(state.get("resources") or ())
    ended = entry["endTime"]
    at = datetime.fromtimestamp(ended, UTC) if isinstance(ended, int) else datetime.fromisoformat(ended)
    return Deployment(
        at=at,
        succeeded=entry.get("kind") == "update" and entry.get("result") == "succeeded",
        release=release,
        image_id=image_id,
    )


def _parsed(name: str, content: bytes) -> Mapping[str, Any]:
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        raise ConfigError(
            [
                Problem(
                    where=f"backend: {name}",
                    message="is compressed with zstd, which can't be read here; allowed: none, gzip",
                    fix="unset PULUMI_DIY_BACKEND_ZSTD where stacks are deployed from",
                )
            ]
        )
    document = json.loads(content)
    return document if isinstance(document, dict) else {}


def _pulumi(cli: Path, folder: Path, stack: str) -> Callable[..., Any]:
    def run(*arguments: str) -> Any:  # noqa: ANN401 - whatever JSON it prints
        printed = subprocess.run(  # noqa: S603 - the engine, with a validated stack's name
            [str(cli), "stack", *arguments, "--stack", stack], cwd=folder, capture_output=True, text=True, check=True
        ).stdout
        return json.loads(printed or "null")

    return run


def _from_cloud(pulumi: Callable[..., Any]) -> Iterator[Deployment]:
    entries = pulumi("history", "--json", "--page-size", str(NEWEST), "--page", "1") or []
    for entry in reversed(entries):
        if entry.get("version") and entry.get("endTime"):
            state = pulumi("export", "--version", str(entry["version"])) or {}
            yield _deployment(entry, state.get("deployment") or {})
