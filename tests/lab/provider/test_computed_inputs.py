"""What a program leaves to AWS, an update sends again as it was: as the real provider does."""

from __future__ import annotations

from typing import Any

import pytest

from lab.provider import lifecycle
from lab.provider.connection import Connection
from lab.provider.errors import ProviderError
from lab.provider.rows import ROWS
from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.service import Service

SCHEDULE = ROWS["aws:autoscaling/schedule:Schedule"]
MORNING = {
    "scheduledActionName": "morning", "autoscalingGroupName": "service", "recurrence": "0 7 * * *", "timeZone": "UTC",
    "desiredCapacity": 3, "minSize": -1, "maxSize": -1,
}  # fmt: skip


@pytest.fixture
def made(connection: Connection, emulator: RunningEmulator) -> dict[str, Any]:
    """The state of a schedule whose start AWS has worked out."""
    Service.made(emulator, size=3)
    return dict(lifecycle.create(SCHEDULE, connection, MORNING).state)


def edited(connection: Connection, made: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    news = {**MORNING, **inputs}
    return dict(lifecycle.update(SCHEDULE, connection, "morning", MORNING, made, news).state)


def test_an_edited_schedule_keeps_the_start_of_the_old_one(connection: Connection, made: dict[str, Any]) -> None:
    """terraform-provider-aws #38983: the next firing is by the old rule."""
    late = edited(connection, made, recurrence="0 20 * * *")
    assert (late["recurrence"], late["startTime"]) == ("0 20 * * *", made["startTime"])
    assert late["startTime"].endswith("T07:00:00Z")


def test_an_edited_schedule_that_has_fired_is_refused(
    connection: Connection, made: dict[str, Any], emulator: RunningEmulator
) -> None:
    """pulumi-aws #2473: the state still has the start that is past."""
    emulator.advance(25 * 3600)
    with pytest.raises(ProviderError, match="Given start time is in the past"):
        edited(connection, made, desiredCapacity=2)


def test_a_start_that_the_program_says_is_sent(connection: Connection, made: dict[str, Any]) -> None:
    said = edited(connection, made, startTime="2099-01-01T00:00:00Z")
    assert said["startTime"] == "2099-01-01T00:00:00Z"
