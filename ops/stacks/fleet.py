"""Every stack of the backend, by its state; read from files where possible, so that a thousand take seconds.

Left out: what becomes of them (`infra.reaping`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra import types
from infra.deciding import load_environment
from infra.environment import LIFETIME, Environment
from infra.errors import ConfigError
from infra.reaping import LockFacts, StackFacts, settings_of
from infra.settings import NAMESPACE
from infra.sources import unknown_stack
from infra.states import STACKS
from infra.values import mapping
from ops.output.shown import shortened
from ops.stacks import locks as backend
from ops.stacks.engine import PulumiError, StackHandle, backend_url, stack_names
from ops.stacks.layout import TAGS, Layout, current, states_in
from ops.stacks.place import Place
from ops.stacks.store import AT_ONCE, Store, UnreadableError, opened, parsed

CREATED, EXPIRES, OWNER, LIKE = "eps-dos:created-at", "eps-dos:expires-at", "eps-dos:owner", "eps-dos:like"
"""The backend's tags of an environment made for one test: short, since Pulumi Cloud takes 256 characters of each."""

_NOT_COUNTED = (types.STACK, types.PROVIDERS)
_VERSIONS = (3, 4)
"""Of a state that Pulumi writes (apitype, VersionedCheckpoint); it also reads those of before 2018, 1 and 2."""


def read(place: Place) -> tuple[StackFacts, ...]:
    """Return all stacks of the project, by name. Raises botocore's errors or PulumiError if there is no backend."""
    url, project = backend_url(place), backend.project_name(place.folder)
    store = opened(url)
    return _from_cloud(place, project) if store is None else from_store(store, project)


def from_store(store: Store, project: str, only: str | None = None) -> tuple[StackFacts, ...]:
    """Return all stacks of `project` that a folder or a bucket holds, or the one called `only`, by name.

    One that can't be read is among them, with the reason. Raises ConfigError or botocore's errors if the backend as a
    whole can't be read.
    """
    layout = Layout.of(store, project)
    files = set(store.names(STACKS))
    states = layout.states(files)
    # What was left behind when a backend was given today's layout by hand: Pulumi doesn't see it.
    forgotten = states_in(STACKS, files) if layout.by_project else {}
    locks: dict[str, list[str]] = {}
    for path in store.names(layout.locks):
        locks.setdefault(path.removeprefix(layout.locks).partition("/")[0], []).append(path)

    def facts(name: str) -> StackFacts | None:
        if name in states:
            tags = f"{layout.stacks}{name}{TAGS}"
            return _read(
                store, name, layout, states[name], tags if tags in files else None, locks.get(name, ()), project
            )
        unseen = _read(store, name, layout, forgotten[name], None, (), project)
        reason = "is kept in the old layout, where Pulumi doesn't look any more: pulumi state upgrade"
        return StackFacts(name=name, unreadable=unseen.unreadable or reason) if unseen and unseen.resources else None

    names = sorted({*states, *forgotten} if only is None else {*states, *forgotten} & {only})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(filter(None, pool.map(facts, names)))


def read_one(place: Place, name: str) -> StackFacts | None:
    """Return one stack; None if the backend has none of that name."""
    url, project = backend_url(place), backend.project_name(place.folder)
    store = opened(url)
    if store is None:
        return _exported(name, place) if StackHandle(name, place).exists() else None
    return next(iter(from_store(store, project, name)), None)


def check_readable(state: bytes) -> None:
    """Raise UnreadableError unless the file of a folder or a bucket is a state."""
    _facts("", _deployment(parsed(state)), (), dict)


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

    Raises UnreadableError if it isn't formed as Pulumi forms one, else as `read_tags` does.
    """
    resources = _items(deployment, "resources")
    pending = _items(deployment, "pending_operations")
    if not all(isinstance(resource.get(key), str) for resource in resources for key in ("urn", "type")):
        raise UnreadableError("is no state: a resource has no urn, or no type")
    marks = [resource for resource in resources if resource["type"] == LIFETIME]
    counted = [resource for resource in resources if not resource["type"].startswith(_NOT_COUNTED)]
    return StackFacts(
        name=name,
        resources=len(counted),
        pending=len(pending),
        marks=tuple(mapping(mapping(mark.get("inputs")).get("settings")) for mark in marks),
        environments=frozenset(
            tags["Environment"]
            for resource in resources
            if isinstance((tags := mapping(mapping(resource.get("inputs")).get("tags"))).get("Environment"), str)
        ),
        protected=tuple(state["urn"].rpartition("::")[2] for state in resources if state.get("protect")),
        locks=tuple(locks),
        said_of_empty=None if counted else _settings_in(read_tags()),
    )


def _items(deployment: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    items = deployment.get(key)
    if not isinstance(items, list | None) or not all(isinstance(item, Mapping) for item in items or ()):
        raise UnreadableError(f"is no state: its {key} are no list of objects")
    return items or []


def _deployment(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the deployment of a state as a folder or a bucket has it. Raises UnreadableError if it isn't one."""
    version, checkpoint = document.get("version"), document.get("checkpoint")
    if version not in _VERSIONS or isinstance(version, bool):
        shown = shortened(json.dumps(version))
        raise UnreadableError(f"is no state: its version is {shown}; allowed: {', '.join(map(str, _VERSIONS))}")
    # One that was just made has no deployment yet.
    latest = checkpoint.get("latest", {}) if isinstance(checkpoint, Mapping) else None
    if not isinstance(latest, Mapping):
        raise UnreadableError("is no state: it has no checkpoint")
    return latest


def _read(
    store: Store,
    name: str,
    layout: Layout,
    paths: Iterable[str],
    tags: str | None,
    locks: Iterable[str],
    project: str,
) -> StackFacts | None:
    """Return what the files of one stack say; None if they are gone since they were listed, or another project's."""
    try:
        try:
            document = parsed(store.read(current(paths, store)))
        except FileNotFoundError:
            # Gone, or written anew in another form: with a compression, or without.
            document = parsed(store.read(current(layout.states(store.names(layout.stacks))[name], store)))
        deployment = _deployment(document)
        held = tuple(map(_lock_facts, backend.read_locks(store, project, name, locks)))
        facts = _facts(name, deployment, held, lambda: _tags(store, tags) if tags else {})
    except (FileNotFoundError, KeyError):
        return None
    except (UnreadableError, ClientError) as error:
        return StackFacts(name=name, unreadable=_one_line(error))
    projects = {resource["urn"].split("::")[1:2] == [project] for resource in deployment.get("resources") or ()}
    return None if projects == {False} else facts


def _one_line(error: Exception) -> str:
    return shortened(" ".join(str(error).split()))


def _lock_facts(lock: backend.Lock) -> LockFacts:
    return LockFacts(holder=lock.holder, taken=lock.taken, dead=lock.dead, path=lock.path)


def _tags(store: Store, path: str) -> Mapping[str, Any]:
    try:
        return mapping(parsed(store.read(path)).get("tags"))
    except (FileNotFoundError, UnreadableError):
        return {}


def _settings_in(tags: Mapping[str, Any]) -> Mapping[str, Any] | None:
    terms = {
        "createdAt": tags.get(CREATED),
        "expiresAt": tags.get(EXPIRES),
        "owner": tags.get(OWNER),
        "like": tags.get(LIKE),
    }
    return {f"{NAMESPACE}:ephemeral": terms} if all(terms.values()) else None


def _from_cloud(place: Place, project: str) -> tuple[StackFacts, ...]:
    names = stack_names(place, project)
    with ThreadPoolExecutor(AT_ONCE // 2) as pool:
        return tuple(pool.map(lambda name: _exported(name, place), names))


def _exported(name: str, place: Place) -> StackFacts:
    try:
        handle = StackHandle(name, place)
        return _facts(name, mapping(handle.export().get("deployment")), (), handle.tags)
    except ConfigError as error:
        return StackFacts(name=name, unreadable=shortened(error.problems[0].message))
    except PulumiError as error:
        return StackFacts(name=name, unreadable=shortened(" ".join(" ".join(error.messages).split())))
    except UnreadableError as error:
        return StackFacts(name=name, unreadable=_one_line(error))
