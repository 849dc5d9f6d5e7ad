"""Who is changing a stack, or died doing so: the locks of a folder or bucket backend, and truncated files.

Pulumi prints locks only when they are in the way, and never says whether their holder is still alive. The layout is
that of Pulumi's own backends (pkg/backend/diy: `.pulumi/locks/organization/PROJECT/STACK/ID.json`). Left out: Pulumi
Cloud, whose locks end by themselves.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.yamlfile import read_mapping
from ops.stacks.store import folder_of, opened

CLOCK_TICK_SECONDS = 2.0
"""A process and its lock are dated by different clocks."""

ENDED = frozenset("ZXx")
"""States of a process that has ended (proc(5)): a zombie has a number until its parent asks, which may be never."""

LOCKS = ".pulumi/locks/organization"
STACKS = ".pulumi/stacks"

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
    taken: datetime

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
    held = []
    for name in store.names(f"{LOCKS}/{project}/{stack}/"):
        try:
            lock = parsed_lock(name, store.read(name).decode())
        except FileNotFoundError:
            # Released meanwhile.
            continue
        if lock is not None:
            held.append(lock)
    return tuple(sorted(held, key=lambda lock: lock.taken))


def parsed_lock(path: str, text: str) -> Lock | None:
    """Return the lock that the file at `path` is; None while it is being written."""
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
        # Still being written.
        return None


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
    for path in sorted((root / STACKS / project).glob("*")):
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
