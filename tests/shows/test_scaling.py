"""What makes environments larger and smaller: load, the hours, a zone that goes dark. Previews stay empty."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from tests.shows.environments import Environments

pytestmark = [pytest.mark.engine, pytest.mark.scenario]

LONDON = ZoneInfo("Europe/London")
MONDAY, FRIDAY, SUNDAY = 0, 4, 6


def advance(environments: Environments, length: str) -> None:
    environments.eps_dos("lab", "clock", "advance", length)


def schedules(environments: Environments) -> dict[str, datetime]:
    """Return when each of Dev's schedules fires next."""
    name = environments.outputs("dev")["autoScalingGroup"]
    actions = environments.client("autoscaling").describe_scheduled_actions(AutoScalingGroupName=name)
    return {
        one["ScheduledActionName"].removeprefix("dev-"): one["StartTime"]
        for one in actions["ScheduledUpdateGroupActions"]
    }


def today(environments: Environments) -> datetime:
    """Return the lab's date and time."""
    calendar = requests.get(f"{environments.endpoint}/_lab/clock", timeout=60).json()["calendar"]
    return datetime.fromisoformat(calendar).astimezone(LONDON)


def wait_for(environments: Environments, schedule: str) -> datetime:
    """Let time pass until a minute after a schedule of Dev's has fired; return when that is."""
    ahead = schedules(environments)[schedule] - today(environments)
    advance(environments, f"{int(ahead.total_seconds()) + 60}s")
    return today(environments)


def expect_no_changes(environments: Environments, stack: str) -> None:
    environments.pulumi("preview", "--stack", stack, "--refresh", "--expect-no-changes")


def verified(environments: Environments, stack: str) -> dict[str, str]:
    """Return the evidence of each check of `verify` that failed."""
    (report,) = json.loads(environments.eps_dos("verify", stack, "--json", check=False).stdout)
    return {one["name"]: one["evidence"] for one in report["checks"] if one["verdict"] == "failed"}


def test_load_drives_nft_to_its_maximum_and_back(environments: Environments) -> None:
    environments.eps_dos("lab", "fault", "load", "nft", "5.5")
    advance(environments, "30m")
    assert environments.group("nft")["DesiredCapacity"] == 6
    expect_no_changes(environments, "nft")
    environments.eps_dos("lab", "fault", "clear")
    advance(environments, "30m")
    assert environments.group("nft")["DesiredCapacity"] == 3
    expect_no_changes(environments, "nft")


def test_dev_is_there_in_working_hours_and_empty_at_night_and_at_weekends(environments: Environments) -> None:
    """From a morning to the next until a weekend has passed, whatever day it was when the test began."""
    nights = set()
    while FRIDAY not in nights:
        morning = wait_for(environments, "morning")
        assert morning.hour == 7
        assert environments.group("dev")["DesiredCapacity"] == 3
        evening = wait_for(environments, "evening")
        assert (evening.hour, evening.date()) == (19, morning.date())
        assert environments.group("dev")["DesiredCapacity"] == 0
        nights.add(evening.weekday())
    # Nothing wakes it on Saturday or Sunday, and nothing is amiss meanwhile.
    for _ in range(2):
        advance(environments, "24h")
        assert environments.group("dev")["DesiredCapacity"] == 0
    assert today(environments).weekday() == SUNDAY
    assert verified(environments, "dev") == {}
    expect_no_changes(environments, "dev")
    monday = wait_for(environments, "morning")
    assert (monday.weekday(), monday.hour) == (MONDAY, 7)
    assert environments.group("dev")["DesiredCapacity"] == 3


def test_dev_lives_through_an_evening_and_a_morning_whatever_cpu_says(environments: Environments) -> None:
    def desired() -> Any:
        return environments.group("dev")["DesiredCapacity"]

    wait_for(environments, "evening")
    assert desired() == 0
    expect_no_changes(environments, "dev")
    wait_for(environments, "morning")
    assert desired() == 3
    # Idle for hours, and none goes.
    advance(environments, "4h")
    assert desired() == 3
    assert verified(environments, "dev") == {}
    environments.eps_dos("lab", "fault", "load", "dev", "2.5")
    advance(environments, "30m")
    assert desired() == 5
    environments.eps_dos("lab", "fault", "clear")
    advance(environments, "2h")
    assert desired() == 5
    expect_no_changes(environments, "dev")


def test_an_edited_schedule_fires_next_by_the_new_rule(environments: Environments) -> None:
    before = schedules(environments)
    environments.edit("dev", "recurrence: 0 19 * * 1-5", "recurrence: 30 21 * * *")
    environments.deploy("dev")
    after = schedules(environments)
    assert after["morning"] == before["morning"]
    evening = after["evening"].astimezone(LONDON)
    assert (evening.hour, evening.minute) == (21, 30)
    assert 0 < (after["evening"] - today(environments)).total_seconds() <= 86_400
    expect_no_changes(environments, "dev")


def test_a_zone_goes_dark_and_comes_back(environments: Environments) -> None:
    environments.eps_dos("lab", "fault", "zone", "eu-west-2b")
    advance(environments, "10m")
    zones = {one["AvailabilityZone"] for one in environments.group("int")["Instances"]}
    assert zones == {"eu-west-2a", "eu-west-2c"}
    assert len(environments.healthy_targets("int")) == 3
    assert "eu-west-2b has none" in verified(environments, "int")["targets"]
    expect_no_changes(environments, "int")
    environments.eps_dos("lab", "fault", "clear")
    advance(environments, "30m")
    assert verified(environments, "int") == {}


def test_a_balancers_node_fails_and_verify_says_which_address_is_lost(environments: Environments) -> None:
    address = environments.outputs("int")["virtualIps"]["eu-west-2b"]
    environments.eps_dos("lab", "fault", "zone", "eu-west-2b", "--node")
    lost = f"{address} (eu-west-2b) is not answered: who connects anew is led to the other zones"
    assert verified(environments, "int") == {"answers": lost}
    environments.eps_dos("lab", "fault", "clear")
    assert verified(environments, "int") == {}
