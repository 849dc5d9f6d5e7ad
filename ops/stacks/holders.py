"""Who holds a lock, as far as that can be known: what `eps-dos` writes beside the locks that it causes.

Pulumi's own lock has a process's number, a user, a host's name and a time. Runners share host names, and containers
have numbers of their own, so none of it says that a holder is dead. `eps-dos` adds which boot and which pid namespace
the number belongs to (proc(5): sys/kernel/random/boot_id; namespaces(7)), before Pulumi can take the lock. Left out:
Pulumi Cloud, whose locks end by themselves, and machines without /proc, where nothing is written.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.states import HOLDERS
from ops.stacks.store import Store, UnreadableError, parsed

CLOCK_TICK = timedelta(seconds=2)
"""A process, its record and its lock are dated by different clocks."""
LONGEST_START = timedelta(minutes=10)
"""Pulumi takes its lock first of all (pkg/backend/diy, Update); a machine can be slow."""

ENDED = frozenset("ZXx")
"""States of a process that has ended (proc(5)): a zombie has a number until its parent asks, which may be never."""

LOCAL = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"})
"""File systems that one machine has at a time (proc(5), mountinfo): whoever wrote there ran on it."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A process that `eps-dos` has started on a stack."""

    pid: int
    started_ticks: int
    """When it began, in clock ticks after the boot: with the boot's id that tells it from a later one of its number."""
    boot_id: str
    pid_namespace: str
    hostname: str
    at: str
    """When that was written, as ISO 8601 has it, with a zone."""

    @classmethod
    def of(cls, pid: int) -> Holder | None:
        """Return what is to be written of process `pid`; None where that can't be known."""
        fields = _process(pid)
        boot_id, pid_namespace = _boot_id(), _pid_namespace()
        if fields is None or not boot_id or not pid_namespace:
            return None
        return cls(
            pid=pid,
            started_ticks=int(fields[19]),
            boot_id=boot_id,
            pid_namespace=pid_namespace,
            hostname=socket.gethostname(),
            at=datetime.now(UTC).isoformat(),
        )

    def took(self, pid: int, hostname: str, taken: datetime) -> bool:
        """Whether a lock that says this is its."""
        since = datetime.fromisoformat(self.at)
        in_time = since - CLOCK_TICK <= taken <= since + LONGEST_START
        return (self.pid, self.hostname) == (pid, hostname) and in_time

    def is_dead(self) -> bool | None:
        """Whether it has ended; None if its numbers are another boot's or another pid namespace's."""
        if (self.boot_id, self.pid_namespace) != (_boot_id(), _pid_namespace()):
            return None
        fields = _process(self.pid)
        return fields is None or fields[0] in ENDED or int(fields[19]) != self.started_ticks


@contextmanager
def announced(store: Store | None, project: str, stack: str) -> Iterator[Callable[[int], None]]:
    """Give what writes down the process that is about to lock `stack`; what it wrote is gone after the block.

    Where it can't be written, the lock is one like plain Pulumi's.
    """
    name = f"{HOLDERS}{project}/{stack}/{secrets.token_hex(8)}.json"

    def announce(pid: int) -> None:
        holder = Holder.of(pid)
        if holder is not None and store is not None:
            with suppress(OSError, BotoCoreError, ClientError):
                store.write(name, json.dumps(asdict(holder)).encode())

    try:
        yield announce
    finally:
        if store is not None:
            with suppress(OSError, BotoCoreError, ClientError):
                store.delete(name)


def read_holders(store: Store, project: str, stack: str) -> dict[str, Holder]:
    """Return what was written of the stack's holders, by path; what can't be read says nothing."""
    holders = {}
    for path in store.names(f"{HOLDERS}{project}/{stack}/"):
        with suppress(FileNotFoundError, UnreadableError, TypeError, ValueError):
            holder = Holder(**parsed(store.read(path)))
            if datetime.fromisoformat(holder.at).tzinfo is not None:
                holders[path] = holder
    return holders


def seems_alive(pid: int, hostname: str, taken: datetime) -> bool:
    """Whether a process of this number and host runs here that is older than the lock: reason enough to wait for it."""
    fields = _process(pid) if hostname == socket.gethostname() else None
    if fields is None or fields[0] in ENDED:
        return False
    began = booted() + timedelta(seconds=int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    return began <= taken + CLOCK_TICK


def booted() -> datetime:
    """Return when this machine was started."""
    return datetime.fromtimestamp(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME), UTC)


def is_of_this_machine(folder: Path) -> bool:
    """Whether nobody on another machine can have written in `folder`. When in doubt, somebody can."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
        place = folder.stat().st_dev
    except OSError:
        return False
    device = f"{os.major(place)}:{os.minor(place)}"
    kinds = {fields[fields.index("-") + 1] for fields in mounts if fields[2] == device and "-" in fields}
    return bool(kinds) and kinds <= LOCAL


def _process(pid: int) -> list[str] | None:
    """Return what /proc says of a process, from its state on (proc(5), stat); None if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
