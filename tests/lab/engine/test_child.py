"""A long child process shows that it is alive and ends when its time is up."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from lab.engine import child


def test_lines_come_with_their_stream_and_ticks_while_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence of the child is no silence for the one who waits."""
    monkeypatch.setattr(child, "PROGRESS_INTERVAL_SECONDS", 0.1)
    lines: list[tuple[str, str]] = []
    ticks: list[float] = []
    finished = child.run(
        ["/bin/sh", "-c", "echo out; echo err >&2; sleep 0.5; exit 3"],
        cwd=tmp_path,
        environment=os.environ,
        on_line=lambda stream, line: lines.append((stream, line)),
        on_tick=ticks.append,
    )
    assert (finished, sorted(lines)) == (child.Finished(code=3), [("stderr", "err"), ("stdout", "out")])
    assert len(ticks) >= 3
    assert ticks == sorted(ticks)


def test_the_time_limit_ends_the_child_and_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that ignores being asked, once the grace period is over."""
    monkeypatch.setattr(child, "PROGRESS_INTERVAL_SECONDS", 0.1)
    monkeypatch.setattr(child, "_GRACE_SECONDS", 0.2)
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    begun = time.monotonic()
    finished = child.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        environment=os.environ,
        on_line=lambda _stream, _line: None,
        on_tick=lambda _elapsed: None,
        time_limit_seconds=0.5,
    )
    assert finished.timed_out
    assert time.monotonic() - begun < 300
