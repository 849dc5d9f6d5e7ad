"""The emulator for tests: in a thread of the test's own process, one per session, emptied before each test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.client
import botocore.config
import pytest
from werkzeug.serving import make_server

from lab.emulator import clock
from lab.emulator.app import Emulator, RequestHandler

FAST_PACE = 600.0
REGION = "eu-west-2"


@dataclass(frozen=True)
class RunningEmulator:
    """An emulator that answers at `endpoint`."""

    endpoint: str
    app: Emulator

    def client(self, service: str, region: str = REGION, **settings: Any) -> Any:
        """Return a boto3 client of `service` that talks to this emulator, and doesn't try again unless told to."""
        settings.setdefault("retries", {"total_max_attempts": 1})
        return boto3.client(
            service,  # type: ignore[call-overload]  # the name is a variable: no stub fits
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  # the emulator checks none
            config=botocore.config.Config(**settings),
        )

    def advance(self, seconds: float) -> None:
        """Let emulated seconds pass at once."""
        clock.CLOCK.advance(seconds)


@pytest.fixture(scope="session")
def emulator_for_session() -> Iterator[RunningEmulator]:
    clock.CLOCK.pace = FAST_PACE
    app = Emulator()
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=RequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield RunningEmulator(endpoint=f"http://127.0.0.1:{server.server_port}", app=app)
    server.shutdown()
    thread.join()


@pytest.fixture
def emulator(emulator_for_session: RunningEmulator) -> RunningEmulator:
    """An emulator with nothing in it but what a new AWS account has."""
    emulator_for_session.app.account.reset()
    return emulator_for_session


@pytest.fixture
def stopped_clock(emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Emulated time that passes only where a test calls `emulator.advance`: for tests that see what comes between."""
    monkeypatch.setattr(clock.CLOCK, "pace", 1e-9)
    clock.CLOCK.reset()
