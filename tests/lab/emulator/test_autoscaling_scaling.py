"""How many instances a group has: by load, by schedule, and in which zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.emulator import clock
from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.service import Service

pytestmark = pytest.mark.usefixtures("stopped_clock")

FRIDAY_EVENING = datetime(2026, 11, 27, 18, tzinfo=UTC)
MINUTE = 60
HOUR = 3600


@pytest.fixture
def service(emulator: RunningEmulator) -> Service:
    service = Service.made(emulator, size=3)
    service.settled()
    service.emulator.advance(3 * MINUTE)
    return service


@pytest.fixture
def friday(monkeypatch: pytest.MonkeyPatch, emulator: RunningEmulator) -> None:
    """The account's calendar shows a Friday evening, and passes only with `emulator.advance`."""
    monkeypatch.setattr(clock.CLOCK, "_today", lambda: FRIDAY_EVENING)


def track(service: Service, **more: Any) -> None:
    service.autoscaling.put_scaling_policy(
        AutoScalingGroupName="service", PolicyName="cpu", PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
            "TargetValue": 50, **more,
        },
    )  # fmt: skip


def after(service: Service, seconds: float) -> int:
    service.emulator.advance(seconds)
    return int(service.group()["DesiredCapacity"])


# --- load


def test_load_drives_a_group_to_its_maximum_and_back(service: Service) -> None:
    track(service)
    service.fail(loads={"service": 2.4})
    assert after(service, 2 * MINUTE) == 3
    assert after(service, MINUTE) == 5
    service.fail(loads={"service": 20})
    assert after(service, HOUR) == 6
    assert service.by_zone() == {"eu-west-2a": 2, "eu-west-2b": 2, "eu-west-2c": 2}
    service.fail()
    assert after(service, 14 * MINUTE) == 6
    assert after(service, 2 * MINUTE) == 3
    causes = [one["Cause"] for one in service.activities() if "desired capacity to" in one["Description"]]
    assert len(causes) == 3
    assert "AlarmLow in state ALARM triggered policy cpu changing the desired capacity from 6 to 3" in causes[0]
    assert "AlarmHigh in state ALARM" in causes[-1]


def test_what_warms_up_is_not_asked_for_twice(service: Service) -> None:
    track(service)
    service.fail(loads={"service": 2.4})
    assert after(service, 3 * MINUTE) == 5
    # The high alarm rings on, and what was launched isn't measured until 120 seconds after it is in service.
    assert [after(service, 30) for _ in range(5)] == [5] * 5


def test_with_scale_in_off_an_idle_group_stays(service: Service) -> None:
    track(service, DisableScaleIn=True)
    service.autoscaling.update_auto_scaling_group(AutoScalingGroupName="service", MinSize=0)
    assert after(service, 24 * HOUR) == 3
    track(service)
    assert after(service, HOUR) == 0


def test_a_load_on_one_group_is_none_of_another(service: Service) -> None:
    track(service)
    service.fail(loads={"another": 6})
    assert after(service, HOUR) == 3


# --- schedules


def schedule(service: Service, name: str, **settings: Any) -> dict[str, Any]:
    settings.setdefault("DesiredCapacity", 3)
    service.autoscaling.put_scheduled_update_group_action(
        AutoScalingGroupName="service", ScheduledActionName=name, **settings
    )
    return scheduled(service)[name]


def scheduled(service: Service) -> dict[str, dict[str, Any]]:
    actions = service.autoscaling.describe_scheduled_actions(AutoScalingGroupName="service")
    return {one["ScheduledActionName"]: one for one in actions["ScheduledUpdateGroupActions"]}


@pytest.mark.usefixtures("friday")
def test_a_group_lives_through_an_evening_a_weekend_and_a_working_day(service: Service) -> None:
    service.autoscaling.update_auto_scaling_group(AutoScalingGroupName="service", MinSize=0)
    track(service, DisableScaleIn=True)
    schedule(service, "morning", Recurrence="0 7 * * 1-5", TimeZone="Europe/London")
    evening = schedule(service, "evening", Recurrence="0 19 * * 1-5", TimeZone="Europe/London", DesiredCapacity=0)
    assert evening["StartTime"] == FRIDAY_EVENING + timedelta(hours=1)
    assert after(service, HOUR) == 0
    assert after(service, 48 * HOUR) == 0
    assert scheduled(service)["evening"]["StartTime"] == datetime(2026, 11, 30, 19, tzinfo=UTC)
    assert after(service, 13 * HOUR) == 3
    assert after(service, 10 * HOUR) == 3
    assert after(service, HOUR) == 0
    assert after(service, 12 * HOUR) == 3
    described = [one["Description"] for one in service.activities()]
    assert described.count("Executing scheduled action evening") == 2
    assert described.count("Executing scheduled action morning") == 2


@pytest.mark.usefixtures("friday")
def test_a_start_in_the_past_is_refused_and_one_that_is_sent_outlives_a_new_recurrence(service: Service) -> None:
    first = schedule(service, "morning", Recurrence="0 7 * * *")["StartTime"]
    assert first == datetime(2026, 11, 28, 7, tzinfo=UTC)
    # As the provider does it: by the old rule once more.
    assert schedule(service, "morning", Recurrence="0 20 * * *", StartTime=first)["StartTime"] == first
    assert schedule(service, "morning", Recurrence="0 20 * * *")["StartTime"] == datetime(2026, 11, 27, 20, tzinfo=UTC)
    service.emulator.advance(24 * HOUR)
    with pytest.raises(ClientError, match="Given start time is in the past"):
        schedule(service, "morning", Recurrence="0 6 * * *", StartTime=first)


@pytest.mark.usefixtures("friday")
def test_what_has_run_for_the_last_time_is_gone(service: Service) -> None:
    service.autoscaling.update_auto_scaling_group(AutoScalingGroupName="service", MinSize=0)
    schedule(service, "once", StartTime=FRIDAY_EVENING + timedelta(hours=1), DesiredCapacity=5)
    schedule(
        service, "daily", Recurrence="0 20 * * *", EndTime=FRIDAY_EVENING + timedelta(days=2), DesiredCapacity=1,
        MaxSize=4,
    )  # fmt: skip
    assert after(service, HOUR) == 5
    assert scheduled(service).keys() == {"daily"}
    assert after(service, HOUR) == 1
    assert service.group()["MaxSize"] == 4
    assert after(service, 48 * HOUR) == 1
    assert scheduled(service) == {}


@pytest.mark.usefixtures("friday")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"Recurrence": "0 25 * * *"}, "Given recurrence string: 0 25 \\* \\* \\* is invalid"),
        ({}, "Either a start time or a recurrence"),
        ({"Recurrence": "0 7 * * *", "TimeZone": "Europe/Londn"}, "is no time zone"),
        ({"Recurrence": "0 19 * * *"}, "scheduled start time already exists: taken"),
        ({"Recurrence": "0 7 * * *", "EndTime": FRIDAY_EVENING}, "end time is before the start time"),
    ],
)
def test_an_action_that_can_not_be_is_refused(service: Service, settings: dict[str, Any], said: str) -> None:
    schedule(service, "taken", StartTime=FRIDAY_EVENING + timedelta(hours=1))
    with pytest.raises(ClientError, match=said):
        schedule(service, "wrong", **settings)


def test_two_groups_may_have_actions_of_one_name(service: Service) -> None:
    schedule(service, "morning", Recurrence="0 7 * * *")
    other = {"AutoScalingGroupName": "other", "ScheduledActionName": "morning"}
    with pytest.raises(ClientError, match="AutoScalingGroup name not found"):
        service.autoscaling.put_scheduled_update_group_action(**other, Recurrence="0 7 * * *", DesiredCapacity=1)
    with pytest.raises(ClientError, match="Scheduled action name not found"):
        service.autoscaling.delete_scheduled_action(**other)
    assert scheduled(service).keys() == {"morning"}


# --- zones


def in_zones(service: Service, count: int) -> None:
    """Have the group's instances in the first `count` zones."""
    subnets = ",".join(service.network.subnet_ids[:count])
    service.autoscaling.update_auto_scaling_group(AutoScalingGroupName="service", VPCZoneIdentifier=subnets)


def test_a_zone_that_joins_gets_its_share_and_serves_before_another_loses_one(service: Service) -> None:
    in_zones(service, 2)
    service.settled()
    assert sorted(service.by_zone().values()) == [1, 2]
    in_zones(service, 3)
    service.emulator.advance(30)
    assert len(service.group()["Instances"]) == 4
    service.settled()
    assert service.by_zone() == {"eu-west-2a": 1, "eu-west-2b": 1, "eu-west-2c": 1}
    assert service.group()["DesiredCapacity"] == 3


def test_a_zone_for_which_there_is_no_instance_gets_none(service: Service) -> None:
    service.resize(minimum=2, maximum=2)
    in_zones(service, 2)
    service.settled()
    before = service.ids()
    in_zones(service, 3)
    service.settled()
    assert service.ids() == before


def test_a_dark_zone_loses_its_instances_to_the_others_and_gets_its_share_back(service: Service) -> None:
    service.fail(darkZones=["eu-west-2a"])
    service.group()
    assert service.health().count("healthy") == 2
    service.settled()
    service.settled()
    assert service.by_zone() == {"eu-west-2b": 2, "eu-west-2c": 1} or service.by_zone() == {
        "eu-west-2b": 1,
        "eu-west-2c": 2,
    }
    assert service.health().count("healthy") == 3
    service.fail()
    service.settled()
    service.settled()
    assert service.by_zone() == {"eu-west-2a": 1, "eu-west-2b": 1, "eu-west-2c": 1}
