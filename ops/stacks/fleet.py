"""Every stack of the backend, by its state; read from files where possible, so that a thousand take seconds.

Left out: what becomes of them (`infra.reaping`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

from infra import types
from infra.deciding import load_environment
from infra.environment import LIFETIME, Environment
from infra.errors import ConfigError
from infra.reaping import LockFacts, StackFacts, settings_of
from infra.settings import NAMESPACE
from infra.sources import unknown_stack
from infra.values import mapping
from ops.stacks import locks as backend
from ops.stacks.engine import PulumiError, StackHandle, backend_url, stack_names
from ops.stacks.place import Place
from ops.stacks.store import AT_ONCE, Store, opened, parsed

STATES = (".json", ".json.gz")
TAGS = ".pulumi-tags"

CREATED, EXPIRES, OWNER, LIKE = "eps-dos:created-at", "eps-dos:expires-at", "eps-dos:owner", "eps-dos:like"
"""The backend's tags of an environment made for one test: short, since Pulumi Cloud takes 256 characters of each."""

_NOT_COUNTED = (types.STACK, types.PROVIDERS)


def read(place: Place) -> tuple[StackFacts, ...]:
    """Return all stacks of the project, by name. Raises botocore's errors or PulumiError if there is no backend."""
    url, project = backend_url(place), backend.project_name(place.folder)
    store = opened(url)
    return _from_cloud(place, project) if store is None else from_store(store, project)


def from_store(store: Store, project: str, only: str | None = None) -> tuple[StackFacts, ...]:
    """Return all stacks of `project` that a folder or a bucket holds, or the one called `only`, by name."""
    folder = f"{backend.STACKS}/{project}/"
    files = store.names(folder)
    states = {name: path for path in files if (name := _stack(path.removeprefix(folder)))}
    if only is not None:
        states = {name: path for name, path in states.items() if name == only}
    prefix = f"{backend.LOCKS}/{project}/"
    locks: dict[str, list[str]] = {}
    for path in store.names(prefix):
        locks.setdefault(path.removeprefix(prefix).partition("/")[0], []).append(path)

    def facts(name: str) -> StackFacts | None:
        tags = f"{folder}{name}{TAGS}"
        return _read(store, name, states[name], tags if tags in files else None, locks.get(name, ()))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(filter(None, pool.map(facts, sorted(states))))


def read_one(place: Place, name: str) -> StackFacts | None:
    """Return one stack; None if the backend has none of that name."""
    url, project = backend_url(place), backend.project_name(place.folder)
    store = opened(url)
    if store is None:
        return _exported(name, place) if StackHandle(name, place).exists() else None
    return next(iter(from_store(store, project, name)), None)


def environment_of(stack: str, folder: Path, place: Place) -> Environment:
    """Return the environment of a stack without a file, by its state and the files in `folder`. Raises ConfigError."""
    facts = read_one(place, stack)
    settings = settings_of(facts) if facts is not None and facts.marks else None
    if settings is None:
        problem = unknown_stack(stack, folder)
        message = f"{problem.message}; no environment made for one test is called {stack} either"
        raise ConfigError([replace(problem, message=message)])
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return load_environment(stack, folder, texts)


def _facts(
    name: str, deployment: Mapping[str, Any], locks: Iterable[LockFacts], read_tags: Callable[[], Mapping[str, Any]]
) -> StackFacts:
    """Return the facts in a state (`deployment` of `pulumi stack export`), and in the tags of an empty one.

    Raises as `read_tags` does.
    """
    resources = [resource for resource in deployment.get("resources") or () if isinstance(resource, Mapping)]
    marks = [resource for resource in resources if resource.get("type") == LIFETIME]
    counted = [resource for resource in resources if not str(resource.get("type")).startswith(_NOT_COUNTED)]
    return StackFacts(
        name=name,
        resources=len(counted),
        pending=len(deployment.get("pending_operations") or ()),
        marks=tuple(mapping(mapping(mark.get("inputs")).get("settings")) for mark in marks),
        environments=frozenset(
            tags["Environment"]
            for resource in resources
            if isinstance((tags := mapping(mapping(resource.get("inputs")).get("tags"))).get("Environment"), str)
        ),
        protected=tuple(str(state.get("urn")).rpartition("::")[2] for state in resources if state.get("protect")),
        locks=tuple(locks),
        said_of_empty=None if counted else _settings_in(read_tags()),
    )


def _read(store: Store, name: str, state: str, tags: str | None, locks: Iterable[str]) -> StackFacts | None:
    try:
        document = parsed(state, store.read(state))
    except FileNotFoundError:
        # Gone since it was listed.
        return None
    except (ValueError, ConfigError) as error:
        return StackFacts(name=name, unreadable=" ".join(str(error).split()))
    deployment = mapping(mapping(document.get("checkpoint")).get("latest"))
    return _facts(name, deployment, _locks(store, locks), lambda: _tags(store, tags) if tags else {})


def _locks(store: Store, paths: Iterable[str]) -> tuple[LockFacts, ...]:
    locks = []
    for path in paths:
        try:
            lock = backend.parsed_lock(path, store.read(path).decode(errors="replace"))
        except FileNotFoundError:
            continue
        if lock is not None:
            holder = f"{lock.username} on {lock.hostname}"
            # Pulumi writes a time zone; an edited lock without one is no reason to stop.
            taken = lock.taken if lock.taken.tzinfo else lock.taken.replace(tzinfo=UTC)
            locks.append(LockFacts(holder=holder, taken=taken, dead=lock.holder_is_dead()))
    return tuple(locks)


def _tags(store: Store, path: str) -> Mapping[str, Any]:
    try:
        return mapping(parsed(path, store.read(path)).get("tags"))
    except (FileNotFoundError, ValueError, ConfigError):
        return {}


def _settings_in(tags: Mapping[str, Any]) -> Mapping[str, Any] | None:
    terms = {
        "createdAt": tags.get(CREATED),
        "expiresAt": tags.get(EXPIRES),
        "owner": tags.get(OWNER),
        "like": tags.get(LIKE),
    }
    return {f"{NAMESPACE}:ephemeral": terms} if all(terms.values()) else None


def _stack(file_name: str) -> str | None:
    ending = next((ending for ending in STATES if file_name.endswith(ending)), None)
    return file_name.removesuffix(ending) if ending and "/" not in file_name else None


def _from_cloud(place: Place, project: str) -> tuple[StackFacts, ...]:
    names = stack_names(place, project)
    with ThreadPoolExecutor(AT_ONCE // 2) as pool:
        return tuple(pool.map(lambda name: _exported(name, place), names))


def _exported(name: str, place: Place) -> StackFacts:
    try:
        handle = StackHandle(name, place)
        return _facts(name, mapping(handle.export().get("deployment")), (), handle.tags)
    except ConfigError as error:
        return StackFacts(name=name, unreadable=error.problems[0].message)
    except PulumiError as error:
        return StackFacts(name=name, unreadable=" ".join(" ".join(error.messages).split()))
