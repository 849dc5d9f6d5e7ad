"""Which release each deployment of a stack left behind, from the history that the backend keeps.

A history entry tells its configuration, and that may say `live+1`; what that meant then is only in the state that was
saved with the entry. Backends in a folder or a bucket keep it beside the entry (pkg/backend/diy, addToHistory:
`.pulumi/history/PROJECT/STACK/STACK-NANOSECONDS.{history,checkpoint}.json`), Pulumi Cloud gives it by version.
Left out: what the deployments prove (`infra.promotion`).
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra import types
from infra.errors import ConfigError
from infra.promotion import Deployment
from infra.values import mapping, objects
from ops.stacks.layout import STATES, Layout
from ops.stacks.store import AT_ONCE, Store, UnreadableError, opened, parsed

PAGE = 100
"""Entries that Pulumi Cloud is asked for at a time."""

ENTRIES = tuple(f".history{ending}" for ending in STATES)
"""How an entry's name ends; a folder also has a file of attributes beside each."""


def deployments(url: str, project: str, stack: str, cli: Path, folder: Path) -> tuple[Deployment, ...]:
    """Return the deployments of `stack` in the backend at `url`, in the order of time; none if it has none.

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
        "eps-dos preflight STACK, which names the account's own",
    )


def from_store(store: Store, project: str, stack: str) -> tuple[Deployment, ...]:
    """Return the deployments that `store` has of `stack`, in the order of time.

    One whose entry or state can't be read says no release, so it proves nothing and ends what ran before it.
    """
    names = set(store.names(f"{Layout.of(store, project).history}{stack}/"))
    entries = [(name, name.replace(".history.json", ".checkpoint.json")) for name in names if name.endswith(ENTRIES)]

    def read(entry: str, state: str) -> Deployment:
        try:
            checkpoint = mapping(parsed(store.read(state)).get("checkpoint"))
            return _deployment(parsed(store.read(entry)), mapping(checkpoint.get("latest")))
        except (UnreadableError, FileNotFoundError, KeyError, ValueError, TypeError, OverflowError):
            return Deployment(at=_written(entry), succeeded=False, release=None)

    # Cut short by an interruption: without its state an entry says nothing.
    whole = sorted((entry, state) for entry, state in entries if state in names and _NAME.search(entry))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(pool.map(lambda pair: read(*pair), whole))


def _written(entry: str) -> datetime:
    """Return when an entry was written, by its name (pkg/backend/diy, addToHistory: nanoseconds since 1970)."""
    named = _NAME.search(entry)
    return datetime.fromtimestamp(int(named[1]) // 10**9 if named else 0, UTC)


_NAME = re.compile(r"-(\d{1,19})\.history\.json")


def released(resources: Iterable[Mapping[str, Any]]) -> tuple[str | None, str]:
    """Return (release, image id) of a state's resources; (None, "") if it has no rollout."""
    for resource in resources:
        if resource.get("type") == types.ROLLOUT and not resource.get("delete"):
            outputs = mapping(resource.get("outputs"))
            release = outputs.get("release")
            return release if isinstance(release, str) else None, str(outputs.get("imageId", ""))
    return None, ""


def _deployment(entry: Mapping[str, Any], state: Mapping[str, Any]) -> Deployment:
    release, image_id = released(objects(state.get("resources")))
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
    entries: list[Any] = []
    for page in count(1):
        newest_first = pulumi("history", "--json", "--page-size", str(PAGE), "--page", str(page)) or []
        entries += newest_first
        if len(newest_first) < PAGE:
            break
    for entry in reversed(entries):
        if entry.get("version") and entry.get("endTime"):
            state = pulumi("export", "--version", str(entry["version"])) or {}
            yield _deployment(entry, state.get("deployment") or {})
