"""Fixtures of every part's tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engine.errors import EngineError
from lab.engine.setup import Engine, ensure
from tests.labs import LabCopy, copied, small


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The real Pulumi engine, set up if this machine has none yet: minutes once, a moment ever after.

    Where there can be none, what needs it is skipped; in CI, where everything is to be tested, it fails.
    """
    try:
        return ensure(lambda line: print(f"engine: {line}", file=sys.__stderr__, flush=True))
    except EngineError:
        if os.environ.get("CI"):
            raise
        pytest.skip("there is no Pulumi engine here; `make engine` says why, and what to do")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[LabCopy]:
    """A started lab in a copy of this checkout, for all tests of a process: whoever edits a file there mends it."""
    with copied(tmp_path_factory.mktemp("lab")) as made:
        made.eps_dos("lab", "start", check=True)
        yield made


@pytest.fixture
def small_lab(tmp_path: Path, engine: Engine) -> Iterator[LabCopy]:
    """The lab of a small project that needs no AWS, not started: for tests of the lab itself."""
    with small(tmp_path) as made:
        yield made


def pytest_configure() -> None:
    """Let what the tests start be interrupted and hung up.

    A shell that starts the tests in the background, or nohup, has that ignored by all that they start. What has a
    handler here is at its default there.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)


LONGEST_FIRST = (
    "tests/conformance/test_provider.py",
    "tests/shows/test_ephemeral.py",
    "tests/shows/test_releases.py",
    "tests/shows/",
)
"""Minutes each, on two processes; whoever begins with one of these at the end lets the other wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, for two processes to end together, and the lab's own last; see to the engine first.

    The emulator puts its extensions into moto for good. Tests that have moto to themselves, inside their own process,
    must be over by then.
    """

    def place(item: pytest.Item) -> tuple[bool, int]:
        long = (number for number, start in enumerate(LONGEST_FIRST) if item.nodeid.startswith(start))
        return item.nodeid.startswith("tests/lab/"), next(long, len(LONGEST_FIRST))

    items.sort(key=place)
    for item in items:
        if item.get_closest_marker("engine") and isinstance(item, pytest.Function):
            # Before the fixtures that bring environments up with it.
            item.fixturenames.insert(0, "engine")
