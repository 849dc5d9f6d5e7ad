"""What stops the next command on a stack, and the command that mends it: locks, what was interrupted, broken states.

It reads the backend's files and changes nothing. Left out: whether AWS has what was promised (`verify`), and stacks of
Pulumi Cloud beyond what an export says.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.reaping import LockFacts, StackFacts, Verdict, held
from infra.times import in_words, stamp
from ops.output.visible import visible
from ops.stacks.fleet import check_readable
from ops.stacks.layout import STATES, Layout, current
from ops.stacks.locks import cut_short
from ops.stacks.store import Bucket, Store, UnreadableError


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Something that the next command would stop at."""

    what: str
    """A sentence without its end."""
    fix: str
    """The command that mends it."""


def of_facts(
    facts: StackFacts, judgement: Verdict | None, now: datetime, stale: timedelta, pulumi: str
) -> Iterator[Obstacle]:
    """Yield what a stack's facts say; `pulumi` is how Pulumi is called there.

    `judgement` is that on an environment made for one test, whose end mends most; None: it is another.
    """
    working = held(facts.locks, now, stale)
    end = f"eps-dos ephemeral destroy {facts.name}"
    for lock in facts.locks:
        yield Obstacle(what=f"is locked by {_holder(lock, now, stale)}", fix=_unlocking(facts.name, lock, pulumi))
    if facts.pending:
        clear = f"{pulumi} refresh --yes --clear-pending-creates --stack {facts.name}"
        what = f"has {facts.pending} operations that were begun and never ended: AWS may have what the state lacks"
        yield Obstacle(what=what, fix=end if judgement else clear)
    if judgement is not None and judgement.overdue and judgement.expires_at is not None and working is None:
        late = f"is over its time since {stamp(judgement.expires_at)}, and still there"
        reason = "" if judgement.decision == "reap" else f": it {judgement.reason}"
        yield Obstacle(what=f"{late}{reason}", fix=end)


def of_files(store: Store, project: str, stack: str) -> Iterator[Obstacle]:
    """Yield what is wrong with the files that a folder or a bucket has of `stack`. Raises botocore's errors."""
    layout = Layout.of(store, project)
    for path in cut_short(store, layout, stack):
        if path.endswith(".attrs"):
            what = f"has a file that a killed run left cut short, and Pulumi can't read the state: {path}"
            yield Obstacle(what=what, fix=f"rm {shlex.quote(store.address(path))}")
    paths = layout.states(store.names(layout.stacks)).get(stack, [])
    if not paths:
        return
    state = current(paths, store)
    try:
        written = store.read(state)
    except UnreadableError as error:
        # It may be whole: nothing is to be put in its place.
        fix = f"ask who owns the backend for the right to read {store.address(state)}"
        yield Obstacle(what=f"has a state that {visible(str(error))}", fix=fix)
        return
    reason = _broken(written)
    if reason is None:
        return
    what = f"has a state that {reason}"
    whole = next((path for path in _backups(store, layout, stack, paths) if _is_whole(store, path)), None)
    if whole is None:
        fix = "restore it from the backend's own versions: aws s3api list-object-versions, or the disk's backup"
        yield Obstacle(what=f"{what}, and no backup that can be read", fix=fix)
    else:
        what += f"; the newest backup that can be read is of {_when(store, whole)}"
        yield Obstacle(what=what, fix=_copying(store, whole, state))


def _holder(lock: LockFacts, now: datetime, stale: timedelta) -> str:
    old = "which is too old to be at work" if now - lock.taken >= stale else "of whom nobody knows whether they live"
    whether = {True: "which is dead", False: "which is at work", None: old}[lock.dead]
    return f"{lock.holder} since {stamp(lock.taken)} ({in_words(now - lock.taken)}), {whether}"


def _unlocking(stack: str, lock: LockFacts, pulumi: str) -> str:
    cancel = f"{pulumi} cancel --yes --stack {stack}"
    return cancel if lock.dead else f"wait for its end; if you know that it is gone: {cancel}"


def _broken(state: bytes) -> str | None:
    """Return why a state says nothing; None if it can be read."""
    try:
        check_readable(state)
    except UnreadableError as error:
        return visible(str(error))
    return None


def _is_whole(store: Store, path: str) -> bool:
    try:
        return _broken(store.read(path)) is None
    except (FileNotFoundError, UnreadableError):
        return False


def _backups(store: Store, layout: Layout, stack: str, paths: Iterable[str]) -> Sequence[str]:
    """Return the states from before, the newest first: what Pulumi backs up, and what it keeps with its history.

    Source: pkg/backend/diy/state.go, backupTarget (PATH.bak), backupStack (STACK.NANOSECONDS.json) and addToHistory.
    """
    folder, history = f"{layout.backups}{stack}/", f"{layout.history}{stack}/"
    backed_up = [path for path in store.names(folder) if path.endswith(STATES)]
    kept = [path for path in store.names(history) if ".checkpoint." in path and path.endswith(STATES)]
    beside = [path for path in store.names(layout.stacks) if path in {f"{state}.bak" for state in paths}]
    return sorted((*backed_up, *kept, *beside), key=lambda path: _seconds(store, path), reverse=True)


_NANOSECONDS = re.compile(r"[.-](\d{19})\.(?:checkpoint\.)?json")


def _seconds(store: Store, path: str) -> float:
    named = _NANOSECONDS.search(path)
    return int(named[1]) / 10**9 if named else store.modified(path)


def _when(store: Store, path: str) -> str:
    return f"{datetime.fromtimestamp(_seconds(store, path)).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _copying(store: Store, source: str, target: str) -> str:
    to = shlex.quote(store.address(target))
    if isinstance(store, Bucket):
        return f"aws s3 cp {shlex.quote(store.address(source))} {to}"
    # With the description that a folder has of the file that was there.
    return f"cp {shlex.quote(store.address(source))} {to} && rm -f {to}.attrs"
