"""`python -m lab.emulator` serves on loopback, says when it is ready, and ends when told to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

WAIT_SECONDS = 120


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab.emulator", *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        env={**os.environ, **environment},
        check=False,
    )


@contextmanager
def started(tmp_path: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "lab.emulator", "--port", "0", "--ready-file", str(ready), *arguments]
    with (tmp_path / "output").open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            deadline = time.monotonic() + WAIT_SECONDS
            while not ready.exists():
                assert process.poll() is None, (tmp_path / "output").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield process, json.loads(ready.read_text())
        finally:
            process.kill()


def health_of(port: int) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_lab/health") as answer:
        return json.load(answer)


def test_it_says_where_it_answers_and_ends_when_told(tmp_path: Path) -> None:
    with started(tmp_path) as (process, ready):
        assert (ready["pid"], ready["port"] > 0) == (process.pid, True)
        health = health_of(ready["port"])
        assert (health["run"], health["startedAt"]) == (ready["run"], ready["startedAt"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0
    assert (tmp_path / "output").read_text() == ""


def test_a_port_in_use_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("--port", str(port))
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == (
        f"error: port {port} of 127.0.0.1 can't be listened on: Address already in use; "
        "choose another --port, or 0 for any\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com", ""])  # noqa: S104  # refused
def test_only_loopback_is_served(host: str) -> None:
    ended = run("--port", "0", "--host", host)
    assert (ended.returncode, ended.stderr) == (
        2,
        f"error: --host is {host}; allowed: a loopback address, such as 127.0.0.1\n",
    )


def test_a_pace_that_is_none_is_one_clear_error() -> None:
    ended = run("--port", "0", EPS_DOS_LAB_PACE="fast")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: EPS_DOS_LAB_PACE is 'fast'; allowed:")
    assert len(ended.stderr.splitlines()) == 1
