"""Fixtures of every part's tests."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lab import exclusive
from lab.engine.errors import EngineError
from lab.engine.setup import Engine, ensure
from tests.labs import LabCopy, copied, small
from tests.operations import by_file, counted
from tests.shows.environments import Environments

# No test depends on how fast the machine is.
settings.register_profile("any machine", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

SHARED = "EPS_DOS_TESTS_SHARED"
"""Names a folder of all processes of a run: Pulumi's operations, and a lab whose stacks are up."""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The real Pulumi engine, set up if this machine has none yet: minutes once, a moment ever after.

    Where there can be none, what needs it is skipped; in CI, where everything is to be tested, it fails.
    """
    try:
        engine = ensure(lambda line: print(f"engine: {line}", file=sys.__stderr__, flush=True))
    except EngineError:
        if os.environ.get("CI"):
            raise
        pytest.skip("there is no Pulumi engine here; `make engine` says why, and what to do")
    return counted(engine, tmp_path_factory.mktemp("engine"), operations_log())


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[LabCopy]:
    """A started lab in a copy of this checkout, for all tests of a process: whoever edits a file there mends it."""
    with copied(tmp_path_factory.mktemp("lab")) as made:
        made.eps_dos("lab", "start", check=True)
        yield made


@pytest.fixture(scope="session")
def all_up(engine: Engine) -> Environments:
    """A lab with the four permanent environments up, built once for all processes: copy it, and leave it as it is."""
    folder = Path(os.environ[SHARED]) / "all-up"
    made = Environments.at(folder)
    with exclusive.hold(folder.with_suffix(".lock"), lambda _waited: None):
        ready = folder.with_suffix(".ready")
        if not ready.exists():
            made.prepare()
            # NFT brings up the Live that it mirrors, and each line of both tables is held against AWS.
            made.up("nft")
            made.deploy_all("int", "dev")
            ready.touch()
    return made


@pytest.fixture
def small_lab(tmp_path: Path, engine: Engine) -> Iterator[LabCopy]:
    """The lab of a small project that needs no AWS, not started: for tests of the lab itself."""
    with small(tmp_path) as made:
        yield made


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run say how many operations of Pulumi's it may take."""
    parser.addoption("--most-operations", type=int, help="fail if the tests run more operations of Pulumi's")


def pytest_configure() -> None:
    """Let what the tests start be interrupted and hung up, and have a folder for what the run's processes share.

    A shell that starts the tests in the background, or nohup, has that ignored by all that they start. What has a
    handler here is at its default there.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    # Processes that run tests for this one have it in their environment.
    if SHARED not in os.environ:
        os.environ[SHARED] = tempfile.mkdtemp(prefix="eps-dos-tests-")


def operations_log() -> Path:
    return Path(os.environ[SHARED]) / "operations"


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the shared lab, and fail a run that took more operations of Pulumi's than it may."""
    if is_worker(session.config):
        return
    Environments.at(Path(os.environ[SHARED]) / "all-up").lab.stop(lambda _line: None)
    most = session.config.getoption("--most-operations")
    if most is not None and by_file(operations_log()).total() > most:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many operations there were, and of whom."""
    counts, most = by_file(operations_log()), config.getoption("--most-operations")
    if counts:
        terminalreporter.section("Pulumi operations")
        for name, count in sorted(counts.items()):
            terminalreporter.line(f"{count:4}  {name}")
        terminalreporter.line(f"{counts.total():4}  in all{'' if most is None else f'; allowed: {most}'}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    if not is_worker(config):
        shutil.rmtree(os.environ.pop(SHARED), ignore_errors=True)


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
