"""A lab that is looked at from elsewhere: its endpoint is asked before a process's number is believed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from lab.control import Control, Health, Running
from lab.errors import LabError
from lab.processes import is_emulator, may_run_unseen, number_space
from lab.session import Lab

RUN = "a-run"
HERE = number_space()
BOOT = HERE.split()[0]
ELSEWHERE = f"{BOOT} pid:[7]"
Recorded: TypeAlias = Callable[[str], Lab]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """A lab whose folder says that an emulator runs, of a number that nobody has here; it has a stack."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    lab = Lab(tmp_path / ".lab", tmp_path)
    (lab.root / "backend/.pulumi/stacks/p").mkdir(parents=True)
    (lab.root / "backend/.pulumi/stacks/p/dev.json").write_text("{}")

    def with_space(space: str) -> Lab:
        running = Running(port=1, pid=gone.pid, run=RUN, number_space=space)
        (lab.root / "emulator.json").write_text(json.dumps(running.document()))
        return lab

    return with_space


def answering(monkeypatch: pytest.MonkeyPatch, run: str | None) -> None:
    def health(_self: Control) -> Health:
        if run is None:
            raise LabError("the emulator doesn't answer", "eps-dos lab start")
        return Health(run=run, started_at="", requests=3, emulated_seconds=0)

    monkeypatch.setattr(Control, "health", health)
    monkeypatch.setattr(Control, "unhealthy_images", lambda _self: ())


@pytest.mark.parametrize("space", [HERE, ELSEWHERE, ""])
def test_an_emulator_that_answers_runs_whatever_its_number_means_here(
    recorded: Recorded, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, RUN)
    status = recorded(space).status()
    assert status.running is not None
    assert (status.requests, status.stacks) == (3, ("dev",))


@pytest.mark.parametrize("space", [HERE, "", "another-boot pid:[7]"])
def test_one_that_does_not_answer_and_has_no_process_has_ended(
    recorded: Recorded, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, None)
    assert recorded(space).status().running is None


def test_one_that_may_run_in_another_container_is_left_alone(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, None)
    lab = recorded(ELSEWHERE)
    for ask in (lab.status, lambda: lab.stop(lambda _line: None)):
        with pytest.raises(LabError, match="was started in another container of this machine"):
            ask()
    assert lab.stacks() == ("dev",)


def test_one_that_answers_for_another_life_is_not_this_lab_s(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, "another-run")
    assert recorded(HERE).status().running is None


def test_what_a_number_belongs_to() -> None:
    assert not may_run_unseen(HERE)
    assert not may_run_unseen("")
    assert not may_run_unseen("another-boot pid:[7]")
    assert may_run_unseen(ELSEWHERE)
    # This process has a number here, and is no emulator.
    assert not is_emulator(1)
