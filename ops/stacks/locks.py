"""Who is changing a stack, or died doing so: the locks of a folder or bucket backend, and truncated files.

Pulumi prints locks only when they are in the way, and never says whether their holder is still alive. The layout is
that of Pulumi's own backends (`ops.stacks.layout`; a lock is ID.json). Left out: Pulumi Cloud, whose locks end by
themselves.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infra.yamlfile import read_mapping
from ops.output.visible import visible
from ops.stacks.layout import Layout
from ops.stacks.store import Folder, Store, UnreadableError, folder_of, opened, parsed

CLOCK_TICK_SECONDS = 2.0
"""A process and its lock are dated by different clocks."""

ENDED = frozenset("ZXx")
"""States of a process that has ended (proc(5)): a zombie has a number until its parent asks, which may be never."""

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

    @property
    def holder(self) -> str:
        """Who it is, for people."""
        if not self.hostname:
            return f"somebody whose lock can't be read ({visible(self.path.rpartition('/')[2])})"
        return f"{visible(self.username)} on {visible(self.hostname)}"

    def holder_is_dead(self) -> bool | None:
        """Whether the process that took it is gone; None if it is another machine's, where that can't be seen."""
        if self.hostname != socket.gethostname():
            return None
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            # No process has a number larger than the system's.
            return True
        except PermissionError:
            return False
        fields = _process(self.pid)
        return fields is not None and (fields[0] in ENDED or self._is_another(int(fields[19])))

    def _is_another(self, started_ticks: int) -> bool:
        """Whether the process of that number, started so many ticks after the boot, is younger than the lock."""
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        began = booted + started_ticks / os.sysconf("SC_CLK_TCK")
        return began > self.taken.timestamp() + CLOCK_TICK_SECONDS


def _process(pid: int) -> list[str] | None:
    """Return what /proc says of a process, from its state on (proc(5), stat); None where there is no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None


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
    return read_locks(store, store.names(f"{Layout.of(store, project).locks}{stack}/"))


def read_locks(store: Store, paths: Iterable[str]) -> tuple[Lock, ...]:
    """Return the locks that the files at `paths` are, the oldest first: every one that stops Pulumi.

    One that can't be read does, too (pkg/backend/diy/lock.go, checkForLock). Raises botocore's errors.
    """
    held = []
    for path in paths:
        # A folder has a description beside each file.
        if not path.endswith(".json"):
            continue
        try:
            held.append(_parsed_lock(path, store))
        except FileNotFoundError:
            # Released meanwhile.
            continue
    return tuple(sorted(held, key=lambda lock: lock.taken))


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


def mend(url: str, project: str, stack: str) -> tuple[str, ...]:
    """Remove the stack's files that a killed run left truncated; return their names.

    A folder has a description beside each file (NAME.attrs), and Pulumi writes it in place, other than the file itself
    (gocloud.dev/blob/fileblob: setAttrs, Close). One that is cut short makes a whole file unreadable: "failed to load
    checkpoint: EOF". Without one it is read; type and checksum are all that is in there. The caller has made sure that
    nobody is at work. In other kinds of backend each file is written at once, and there is nothing to do.
    """
    root = folder_of(url)
    if root is None:
        return ()
    broken = []
    for path in sorted((root / Layout.of(Folder(root), project).stacks).glob("*")):
        kind = _UNFINISHED.fullmatch(path.name.removeprefix(stack)) if path.name.startswith(stack) else None
        if kind is not None and not (kind["kind"] == ".attrs" and _is_json(path)):
            path.unlink(missing_ok=True)
            broken.append(path.name)
    return tuple(broken)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True
