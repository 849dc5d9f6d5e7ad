"""Emulated time passes faster than real time, and can be moved on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lab.emulator.clock import Clock, pace_from


def test_time_passes_at_its_pace() -> None:
    real = [100.0]
    clock = Clock(60, lambda: real[0])
    assert clock.now() == 0
    real[0] += 2
    assert clock.now() == 120


def test_time_can_be_moved_on_and_started_again() -> None:
    real = [100.0]
    clock = Clock(60, lambda: real[0])
    clock.advance(30)
    real[0] += 1
    assert clock.now() == 90
    clock.reset()
    assert clock.now() == 0


def test_the_calendar_is_real_time_and_what_was_skipped_whatever_the_pace() -> None:
    real = [100.0]
    started = datetime(2026, 11, 27, 18, tzinfo=UTC)
    clock = Clock(60, lambda: real[0], lambda: started + timedelta(seconds=real[0] - 100))
    real[0] += 60
    assert clock.calendar() == started + timedelta(minutes=1)
    clock.advance(12 * 3600)
    assert clock.calendar() == started + timedelta(hours=12, minutes=1)
    clock.reset()
    assert clock.calendar() == started + timedelta(minutes=1)


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="allowed: 0 to"):
        Clock(60).advance(-1)


@pytest.mark.parametrize(("asked", "pace"), [("", 60), ("600", 600), ("0.5", 0.5)])
def test_the_pace_comes_from_the_environment(asked: str, pace: float) -> None:
    assert pace_from({"EPS_DOS_LAB_PACE": asked}) == pace


@pytest.mark.parametrize("asked", ["fast", "0", "-1", "nan", "inf"])
def test_a_pace_that_is_none_is_refused(asked: str) -> None:
    with pytest.raises(ValueError, match=r"EPS_DOS_LAB_PACE is .*; allowed: a number more than 0"):
        pace_from({"EPS_DOS_LAB_PACE": asked})
