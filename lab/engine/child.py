"""Runs a long child process so that it shows that it is alive, and never outlives the one who waits for it.

Left out: what the child is and what its output means; setup and go_build know that.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

PROGRESS_INTERVAL_SECONDS = 3.0
_GRACE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How a child ended: its exit code, and whether the time limit ended it."""

    code: int
    timed_out: bool = False


@contextlib.contextmanager
def termination_as_exception() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit while the block runs, so that what it started is ended and tidied up.

    Only the main thread can install handlers; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(signum: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signum)

    previous = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    on_line: Callable[[str, str], None],
    on_tick: Callable[[float], None],
    time_limit_seconds: float | None = None,
) -> Finished:
    """Run `command` to its end and return how it ended.

    Calls `on_line(stream, line)` for each line, stream being "stdout" or "stderr", and `on_tick(elapsed seconds)` at
    least every PROGRESS_INTERVAL_SECONDS, both in the caller's thread. The child gets a process group of its own,
    which is ended however this function is left: an exception raised in it, Ctrl-C included, ends the child too.

    Raises OSError if the command can't be started.
    """
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - it comes from this package, never from a user's input
        command,
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    lines: queue.Queue[tuple[str, str] | None] = queue.Queue()
    readers = [
        threading.Thread(target=_read, args=(name, stream, lines), daemon=True)
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
    ]
    try:
        for reader in readers:
            reader.start()
        open_streams = len(readers)
        next_tick = started + PROGRESS_INTERVAL_SECONDS
        while open_streams:
            try:
                item = lines.get(timeout=max(0.0, next_tick - time.monotonic()))
                if item is None:
                    open_streams -= 1
                else:
                    on_line(*item)
            except queue.Empty:
                pass
            now = time.monotonic()
            if time_limit_seconds is not None and now - started > time_limit_seconds:
                return Finished(code=-signal.SIGKILL, timed_out=True)
            if now >= next_tick:
                on_tick(now - started)
                next_tick = now + PROGRESS_INTERVAL_SECONDS
        return Finished(code=process.wait())
    finally:
        _end_group(process)


def _read(name: str, stream: IO[str] | None, lines: queue.Queue[tuple[str, str] | None]) -> None:
    if stream is not None:
        with stream:
            for line in stream:
                lines.put((name, line.rstrip("\n")))
    lines.put(None)


def _end_group(process: subprocess.Popen[str]) -> None:
    """End `process` and what it started: asked first, killed after a grace period."""
    if process.poll() is not None:
        return
    _signal_group(process, signal.SIGTERM)
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # Also after a polite end: a compiler may have outlived the `go` that started it.
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: subprocess.Popen[str], number: int) -> None:
    # The child leads its own session, so its id is its group's.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
