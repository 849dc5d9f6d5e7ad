"""Emulated time: boots, health checks, warm-ups and bake times pass faster than they would in AWS.

State moves lazily: nothing runs in the background. Whatever has to happen as time passes (an instance boots, a rollout
goes on) is registered with `at_each_request` and happens when the next request arrives, under the lock of that request.

What goes by the day rather than by the minute (scheduled actions) goes by the calendar: real time, and what was
skipped. The pace shortens waiting, not days. Left out: other dates that AWS reports. Those stay in real time, as moto
makes them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

DEFAULT_PACE = 60.0
PACE_VARIABLE = "EPS_DOS_LAB_PACE"
LONGEST_SKIP_SECONDS = 100 * 365.25 * 86_400

Advance = Callable[[float], None]


class Clock:
    """A clock that shows emulated seconds since it was made (or reset), `pace` of them to each real one.

    `real` gives real seconds that never go backwards, `today` the real date and time. `pace` must be more than 0:
    ValueError otherwise.
    """

    def __init__(
        self,
        pace: float,
        real: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not 0 < pace < float("inf"):
            raise ValueError(f"pace is {pace}; allowed: a number more than 0 (emulated seconds per real second)")
        self.pace = pace
        self._real = real
        self._today = today
        self.reset()

    def reset(self) -> None:
        """Show 0 again."""
        self._started = self._real()
        self._skipped = 0.0

    def now(self) -> float:
        """Return the emulated seconds that have passed."""
        return (self._real() - self._started) * self.pace + self._skipped

    def calendar(self) -> datetime:
        """Return the date and time, in UTC: the real one, and what was skipped."""
        return self._today() + timedelta(seconds=self._skipped)

    def advance(self, seconds: float) -> None:
        """Let `seconds` emulated seconds pass at once. Raises ValueError if they would run backwards."""
        if not 0 <= seconds <= LONGEST_SKIP_SECONDS:
            raise ValueError(f"seconds is {seconds}; allowed: 0 to {LONGEST_SKIP_SECONDS:g}, a century")
        self._skipped += seconds


def pace_from(environ: Mapping[str, str]) -> float:
    """Return the pace that EPS_DOS_LAB_PACE asks for, in emulated seconds per real one. Raises ValueError."""
    asked = environ.get(PACE_VARIABLE, "")
    if not asked:
        return DEFAULT_PACE
    try:
        pace = float(asked)
    except ValueError:
        pace = 0
    if not 0 < pace < float("inf"):
        raise ValueError(f"{PACE_VARIABLE} is {asked!r}; allowed: a number more than 0, such as {DEFAULT_PACE:g}")
    return pace


CLOCK = Clock(pace_from(os.environ))
_advances: list[Advance] = []


def now() -> float:
    """Return the emulated seconds since the emulator started, or was reset."""
    return CLOCK.now()


def calendar() -> datetime:
    """Return the account's date and time, in UTC."""
    return CLOCK.calendar()


def at_each_request(advance: Advance) -> Advance:
    """Have `advance(now)` called before each request is answered, in the order of registration. Usable as decorator.

    What it leaves undone, it finds at the next request: it works out from `now` what should have happened by then.
    A callable that is registered already stays registered once.
    """
    if advance not in _advances:
        _advances.append(advance)
    return advance


def tick() -> None:
    """Let everything registered happen that should have happened by now. The caller holds the emulator's lock."""
    moment = now()
    for advance in _advances:
        advance(moment)
