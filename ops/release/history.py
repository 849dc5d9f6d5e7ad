"""Which release each deployment of a stack left behind, from the history that the backend keeps.

A history entry tells its configuration, and that may say `live+1`; what that meant then is only in the state that was
saved with the entry. Backends in a folder or a bucket keep it beside the entry (pkg/backend/diy, addToHistory:
`.pulumi/history/PROJECT/STACK/STACK-NANOSECONDS.{history,checkpoint}.json`), Pulumi Cloud gives it by version.
Left out: what the deployments prove (`infra.promotion`).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra import types
from infra.errors import ConfigError
from infra.promotion import Deployment
from ops.stacks.store import Store, opened, parsed

NEWEST = 100
"""Entries that are read at most; each comes with a whole state."""

HISTORY = ".pulumi/history"
ENTRIES = (".history.json", ".history.json.gz", ".history.json.zst")
"""How an entry's name ends; a folder also has a file of attributes beside each."""


def deployments(url: str, project: str, stack: str, cli: Path, folder: Path) -> tuple[Deployment, ...]:
    """Return the newest deployments of `stack` in the backend at `url`, in the order of time; none if it has none.

    Raises ConfigError for a kind of backend whose history can't be read, botocore's errors if a bucket can't be read.
    """
    store = opened(url)
    if store is not None:
        return from_store(store, project, stack)
    scheme = urlsplit(url).scheme
    if scheme in {"https", "http"}:
        return tuple(_from_cloud(_pulumi(cli, folder, stack)))
    raise ConfigError.of(
        f"backend {scheme}://",
        "has a history that can't be read here; allowed: a folder, an S3 bucket, Pulumi Cloud",
        "eps-dos backend init --bucket NAME, then pulumi login with the URL that it prints",
    )


def from_store(store: Store, project: str, stack: str) -> tuple[Deployment, ...]:
    """Return the newest deployments that `store` has of `stack`, in the order of time."""
    names = set(store.names(f"{HISTORY}/{project}/{stack}/"))
    entries = sorted(name for name in names if name.endswith(ENTRIES))[-NEWEST:]
    found = []
    for name in entries:
        state = name.replace(".history.json", ".checkpoint.json")
        if state in names:
            checkpoint = parsed(name, store.read(state)).get("checkpoint") or {}
            found.append(_deployment(parsed(name, store.read(name)), checkpoint.get("latest") or {}))
    return tuple(found)


def released(resources: Iterable[Mapping[str, Any]]) -> tuple[str | None, str]:
    """Return (release, image id) of a state's resources; (None, "") if it has no rollout."""
    for resource in resources:
        if resource.get("type") == types.ROLLOUT and not resource.get("delete"):
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
