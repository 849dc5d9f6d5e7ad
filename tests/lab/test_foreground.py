"""Commands run in the foreground: their exit code, and each signal exactly once."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import foreground

# Counts the interrupts that it gets, and ends a while after the first.
COUNTER = """\
import signal, sys, time
got = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: got.append(number))
print("ready", flush=True)
while not got:
    time.sleep(0.05)
time.sleep(0.7)
print("got", *[int(number) for number in got], flush=True)
sys.exit(7)
"""
RUNNER = f"""\
import os, sys
from pathlib import Path
from lab import foreground
code = foreground.run([sys.executable, "-c", {COUNTER!r}], cwd=Path("/"), environment=os.environ)
print("code", code, flush=True)
"""


def run(*command: str, **variables: str) -> int:
    return foreground.run(command, cwd=Path("/"), environment={**os.environ, **variables})


def test_the_exit_code_is_the_commands(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("sh", "-c", "echo $WORD; exit 3", WORD="hello") == 3
    assert capfd.readouterr().out == "hello\n"


def test_a_command_that_a_signal_ends_exits_as_in_a_shell() -> None:
    assert run("sh", "-c", "kill -9 $$") == 128 + signal.SIGKILL


def test_a_command_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(str(tmp_path / "none"))


def test_handlers_are_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    run("true")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("whole_group", [False, True], ids=["to the process", "to its group"])
def test_without_a_terminal_a_signal_is_passed_on_once(number: signal.Signals, whole_group: bool) -> None:
    runner = subprocess.Popen([sys.executable, "-c", RUNNER], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert runner.stdout is not None
    assert runner.stdout.readline() == "ready\n"
    (os.killpg if whole_group else os.kill)(runner.pid, number)
    assert runner.stdout.read() == f"got {int(number)}\ncode 7\n"
    assert runner.wait(60) == 0


def test_ctrl_c_on_a_terminal_reaches_the_command_once() -> None:
    runner, terminal = pty.fork()
    if runner == 0:
        os.execv(sys.executable, [sys.executable, "-c", RUNNER])  # noqa: S606 - no shell on purpose
    printed = b""
    deadline = time.monotonic() + 60
    pressed = False
    while not printed.endswith(b"code 7\r\n") and time.monotonic() < deadline:
        printed += os.read(terminal, 1024)
        if b"ready" in printed and not pressed:
            pressed = True
            os.write(terminal, b"\x03")
    os.waitpid(runner, 0)
    os.close(terminal)
    assert printed.endswith(b"got 2\r\ncode 7\r\n")
