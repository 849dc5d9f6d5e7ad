"""The emulated account as one thing: what was called, and how everything in it is forgotten."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lab.emulator import clock
from lab.emulator.operations import Operation

CALLS_REMEMBERED = 10_000


@dataclass(frozen=True)
class Call:
    """One call that was answered."""

    at: datetime
    emulated_seconds: float
    operation: Operation
    status: int

    def as_json(self) -> dict[str, Any]:
        """Return what `GET /_lab/calls/log` shows of it."""
        return {
            "at": self.at.isoformat(),
            "emulatedSeconds": round(self.emulated_seconds, 3),
            "service": self.operation.service,
            "action": self.operation.action,
            "status": self.status,
        }


@dataclass
class Calls:
    """How often what was called, and the last of them in order."""

    counts: Counter[str] = field(default_factory=Counter)
    log: deque[Call] = field(default_factory=lambda: deque(maxlen=CALLS_REMEMBERED))

    def record(self, operation: Operation, status: int) -> None:
        """Remember that `operation` was answered with the HTTP status `status`."""
        self.counts[str(operation)] += 1
        self.log.append(Call(datetime.now(UTC), clock.now(), operation, status))

    def clear(self) -> None:
        """Forget them all."""
        self.counts.clear()
        self.log.clear()
