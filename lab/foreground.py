"""Runs a command as if it had been typed: its input and output are this process's, and so are its signals.

A signal must reach the command exactly once, since Pulumi takes a second Ctrl-C for "now, whatever it leaves behind".
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType

SIGNALLED = 128
"""A command that a signal ended has this plus the signal's number as its exit code, as in a shell."""

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_GATE = ("/bin/sh", "-c", 'read -r _ < "/dev/fd/$1" && shift && exec "$@"', "sh")
"""The command after a file's number begins, as the same process, when a line can be read there; else it never does."""

Announce = Callable[[int], None]


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    announce: Announce | None = None,
) -> int:
    """Run `command` to its end and return its exit code; a signal that ended it counts as in a shell.

    `announce` is told the process's number before the command begins in it.

    While it runs, SIGINT, SIGTERM and SIGHUP to this process are the command's to answer. Call it from the main thread;
    elsewhere signals can't be passed on. Raises OSError if the command can't be started.
    """
    # On a terminal, Ctrl-C goes to the whole foreground group: the command is in it and needs nobody to pass it on.
    # Elsewhere whoever sends a signal knows this process only, so the command is kept out of its group and gets a copy.
    by_terminal = _in_foreground()
    sys.stdout.flush()
    sys.stderr.flush()
    with _Relay({signal.SIGTERM} if by_terminal else set(_WATCHED)) as relay:
        go, said = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603 - what to run is the caller's decision; the shell gets it in words
                [*_GATE, str(go), *command] if announce else list(command),
                cwd=cwd,
                env=dict(environment),
                process_group=None if by_terminal else 0,
                pass_fds=(go,) if announce else (),
            )
            relay.attach(process)
            if announce:
                announce(process.pid)
                os.write(said, b"\n")
        finally:
            os.close(go)
            os.close(said)
        code = process.wait()
    return code if code >= 0 else SIGNALLED - code


def _in_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


class _Relay:
    """While entered, no watched signal ends this process; those in `passed_on` go to the attached process."""

    def __init__(self, passed_on: set[signal.Signals]) -> None:
        self._passed_on = passed_on
        self._early: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._previous: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> _Relay:
        if threading.current_thread() is threading.main_thread():
            for number in _WATCHED:
                # One that is ignored (nohup) stays so, here and in the command.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._receive)
        return self

    def attach(self, process: subprocess.Popen[bytes]) -> None:
        """Pass signals on to `process`, beginning with those that came before it was there."""
        self._process = process
        for number in self._early:
            process.send_signal(number)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if number not in self._passed_on:
            return
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
