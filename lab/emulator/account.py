"""The emulated account as one thing: which life of it this is, what was called, how everything in it is forgotten."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data

from lab.emulator import addresses, clock, faults, quotas
from lab.emulator.operations import Operation

CALLS_REMEMBERED = 20_000


@dataclass(frozen=True)
class Asked:
    """What a call asked for, and of what: enough to say which rights it took."""

    parameters: Mapping[str, Any]
    """As boto3's client takes them."""
    tags: Mapping[str, Mapping[str, str]]
    """Of each thing that the parameters name, by that name (an id, an ARN), as they were before the call."""
    caller: str
    """The id of the access key that it was signed with; empty: it wasn't."""


@dataclass(frozen=True)
class Call:
    """One call that was answered."""

    at: datetime
    emulated_seconds: float
    operation: Operation
    status: int
    asked: Asked = field(default_factory=lambda: Asked({}, {}, ""))

    def as_json(self) -> dict[str, Any]:
        """Return what `GET /_lab/calls/log` shows of it."""
        return {
            "at": self.at.isoformat(),
            "emulatedSeconds": round(self.emulated_seconds, 3),
            "service": self.operation.service,
            "action": self.operation.action,
            "status": self.status,
            "parameters": self.asked.parameters,
            "tags": self.asked.tags,
            "caller": self.asked.caller,
        }


@dataclass
class Calls:
    """How often what was called, and the last of them in order."""

    counts: Counter[str] = field(default_factory=Counter)
    log: deque[Call] = field(default_factory=lambda: deque(maxlen=CALLS_REMEMBERED))

    def record(self, operation: Operation, status: int, asked: Asked) -> None:
        """Remember that `operation` was answered with the HTTP status `status`."""
        self.counts[str(operation)] += 1
        self.log.append(Call(datetime.now(UTC), clock.now(), operation, status, asked))

    def clear(self) -> None:
        """Forget them all."""
        self.counts.clear()
        self.log.clear()


class Account:
    """What the process serves. moto's backends are the process's own, so one process should hold one of these."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.copy: Callable[[], Mapping[str, object]] | None = None
        """Makes a copy of the process that serves this, and returns where it serves; None where that isn't possible."""
        self.begin_life()

    def begin_life(self) -> None:
        """Be another than before, with the same in it: for a new process that has it."""
        self.run_id = uuid4().hex
        self.started_at = datetime.now(UTC)
        self.lock = threading.RLock()
        self.calls.clear()

    def reset(self) -> None:
        """Empty the account, forget faults, quotas and calls, and start the clock again."""
        with self.lock:
            # Before the account is made anew: its default network is within the quota, too.
            quotas.reset()
            faults.inject(faults.Faults())
            BackendDict.reset()
            reset_model_data()
            addresses.tell(addresses.Addresses())
            clock.CLOCK.reset()
            self.calls.clear()
