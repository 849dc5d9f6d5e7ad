"""Who is changing a stack, or died doing so: the locks of a folder or bucket backend, and truncated files.

Pulumi prints locks only when they are in the way, and never says whether their holder is still alive, as
`ops.stacks.holders` does. The layout is that of Pulumi's own backends (`ops.stacks.layout`; a lock is ID.json). Left
out: Pulumi Cloud, whose locks end by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from infra.yamlfile import read_mapping
from ops.output.visible import visible
from ops.stacks.holders import Holder, booted, is_of_this_machine, read_holders, seems_alive
from ops.stacks.layout import Layout
from ops.stacks.store import Folder, Store, UnreadableError, opened, parsed

_UNFINISHED = re.compile(r"\.(json|pulumi-tags)(\.gz|\.zst)?(\.bak)?(?P<kind>\.attrs|\.[0-9a-f]+\.tmp)")
"""What stands beside a stack's files, after the stack's name: a description, a file being written."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Who took the lock of a stack, where and when."""

    path: str
    """Within the backend."""
    pid: int
    username: str
    hostname: str
    """Empty if the lock can't be read."""
    taken: datetime
    """With its zone."""
    dead: bool | None = None
    """Whether who took it has ended; None where that can't be known, as of plain Pulumi's."""

    @property
    def holder(self) -> str:
        """Who it is, for people."""
        if not self.hostname:
            return f"somebody whose lock can't be read ({visible(self.path.rpartition('/')[2])})"
        return f"{visible(self.username)} on {visible(self.hostname)}"


def project_name(folder: Path) -> str:
    """Return the name of the project in `folder`. Raises ConfigError if its Pulumi.yaml can't be read."""
    return str(read_mapping(folder / "Pulumi.yaml").get("name", ""))


def locks(url: str, project: str, stack: str) -> tuple[Lock, ...]:
    """Return the locks of `stack` in the backend at `url`, the oldest first; none for other kinds of backend.

    Raises botocore's errors if a bucket can't be read.
    """
    store = opened(url)
    if store is None:
        return ()
    return read_locks(store, project, stack, store.names(f"{Layout.of(store, project).locks}{stack}/"))


def read_locks(store: Store, project: str, stack: str, paths: Iterable[str]) -> tuple[Lock, ...]:
    """Return the locks that the files at `paths` are, the oldest first: every one that stops Pulumi.

    One that can't be read does, too (pkg/backend/diy/lock.go, checkForLock). Raises botocore's errors.
    """
    held = []
    # A folder has a description beside each file.
    paths = [path for path in paths if path.endswith(".json")]
    holders = tuple(read_holders(store, project, stack).values()) if paths else ()
    for path in paths:
        try:
            lock = _parsed_lock(path, store)
        except FileNotFoundError:
            # Released meanwhile.
            continue
        held.append(replace(lock, dead=_is_dead(lock, holders, store)))
    return tuple(sorted(held, key=lambda lock: lock.taken))


def release(store: Store, project: str, stack: str, paths: Iterable[str]) -> None:
    """Remove these locks and nobody else's: whoever takes another one meanwhile keeps it."""
    for path in paths:
        store.delete(path)
    for path, holder in read_holders(store, project, stack).items():
        if holder.is_dead():
            store.delete(path)


def _is_dead(lock: Lock, holders: Iterable[Holder], store: Store) -> bool | None:
    for holder in holders:
        if holder.took(lock.pid, lock.hostname, lock.taken) and (dead := holder.is_dead()) is not None:
            return dead
    if seems_alive(lock.pid, lock.hostname, lock.taken):
        return False
    return True if isinstance(store, Folder) and is_of_this_machine(store.root) and lock.taken < booted() else None


def _parsed_lock(path: str, store: Store) -> Lock:
    try:
        content = parsed(store.read(path))
        pid, taken = int(content["pid"]), datetime.fromisoformat(content["timestamp"])
        if pid < 1:
            raise ValueError(f"{pid} is no process's number")
        return Lock(
            path=path,
            pid=pid,
            username=str(content["username"]),
            hostname=str(content["hostname"]),
            # Pulumi writes a time zone; an edited lock without one is no reason to stop.
            taken=taken if taken.tzinfo else taken.replace(tzinfo=UTC),
        )
    except (UnreadableError, ValueError, KeyError, TypeError, OverflowError):
        taken = datetime.fromtimestamp(store.modified(path), UTC)
        return Lock(path=path, pid=0, username="", hostname="", taken=taken)


def cut_short(store: Store, layout: Layout, stack: str) -> tuple[str, ...]:
    """Return the paths of the stack's files that a killed run left truncated.

    A folder has a description beside each file (NAME.attrs), and Pulumi writes it in place, other than the file itself
    (gocloud.dev/blob/fileblob: setAttrs, Close). One that is cut short makes a whole file unreadable: "failed to load
    checkpoint: EOF". Without one it is read; type and checksum are all that is in there. In other kinds of backend each
    file is written at once.
    """
    broken = []
    for path in store.names(layout.stacks) if isinstance(store, Folder) else ():
        name = path.removeprefix(layout.stacks)
        kind = _UNFINISHED.fullmatch(name.removeprefix(stack)) if name.startswith(stack) else None
        if kind is not None and not (kind["kind"] == ".attrs" and _is_json(store, path)):
            broken.append(path)
    return tuple(broken)


def mend(url: str, project: str, stack: str) -> tuple[str, ...]:
    """Remove the stack's files that a killed run left truncated; return their names. Nobody may be at work on it."""
    store = opened(url)
    if store is None:
        return ()
    broken = cut_short(store, Layout.of(store, project), stack)
    for path in broken:
        store.delete(path)
    return tuple(path.rpartition("/")[2] for path in broken)


def _is_json(store: Store, path: str) -> bool:
    try:
        parsed(store.read(path))
    except (FileNotFoundError, UnreadableError):
        return False
    return True
