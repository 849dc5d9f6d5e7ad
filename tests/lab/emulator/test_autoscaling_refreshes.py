"""Instance refreshes: a new version rolls in with never fewer serving, or the old one comes back."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.service import Service

pytestmark = pytest.mark.usefixtures("stopped_clock")


@pytest.fixture
def service(emulator: RunningEmulator) -> Service:
    made = Service.made(emulator, size=4)
    made.settled()
    return made


def start(service: Service, version: str, **preferences: Any) -> str:
    started = service.autoscaling.start_instance_refresh(
        AutoScalingGroupName="service",
        DesiredConfiguration={"LaunchTemplate": {"LaunchTemplateId": service.template_id, "Version": version}},
        Preferences={
            "MinHealthyPercentage": 100, "MaxHealthyPercentage": 110, "AutoRollback": True, "SkipMatching": True,
            **preferences,
        },
    )  # fmt: skip
    return str(started["InstanceRefreshId"])


def refresh(service: Service) -> dict[str, Any]:
    return dict(service.autoscaling.describe_instance_refreshes(AutoScalingGroupName="service")["InstanceRefreshes"][0])


def watch(service: Service, seconds: int = 3000) -> list[int]:
    """Let time pass in small steps until the refresh is over; return how many served at each."""
    seen = []
    for _ in range(seconds // 10):
        service.emulator.advance(10)
        status = refresh(service)["Status"]
        seen.append(service.health().count("healthy"))
        if status in {"Successful", "Failed", "RollbackSuccessful", "Cancelled"}:
            break
    return seen


def test_a_new_version_rolls_in_with_never_fewer_serving(service: Service) -> None:
    version, image = service.new_version("service-2.0.0")
    start(service, version)
    assert min(watch(service)) >= 4
    assert refresh(service)["Status"] == "Successful"
    assert refresh(service)["PercentageComplete"] == 100
    assert {one["ImageId"] for one in service.instances()} == {image}
    assert service.versions() == [version] * 4
    assert service.group()["LaunchTemplate"]["Version"] == version


@pytest.mark.parametrize("size", [3, 4, 6])
def test_the_new_version_is_in_every_zone_as_the_old_one_was(emulator: RunningEmulator, size: int) -> None:
    emulator.app.account.reset()
    service = Service.made(emulator, size)
    service.settled()
    before = service.by_zone()
    version, _ = service.new_version("service-2.0.0")
    start(service, version)
    watch(service)
    after = service.by_zone()
    assert sorted(after.values()) == sorted(before.values())
    assert after.keys() == {"eu-west-2a", "eu-west-2b", "eu-west-2c"}


def test_at_most_a_tenth_more_run_meanwhile_but_one(service: Service) -> None:
    version, _ = service.new_version("service-2.0.0")
    start(service, version)
    running = []
    for _ in range(60):
        service.emulator.advance(10)
        running.append(len(service.ids()))
    assert max(running) == 5


def test_a_long_silence_changes_nothing_about_the_end(service: Service) -> None:
    version, _ = service.new_version("service-2.0.0")
    start(service, version)
    service.emulator.advance(5000)
    assert refresh(service)["Status"] == "Successful"


def test_the_new_version_bakes_before_it_is_done(service: Service) -> None:
    version, _ = service.new_version("service-2.0.0")
    start(service, version, BakeTime=600)
    service.emulator.advance(600)
    assert refresh(service)["Status"] == "Baking"
    assert service.group()["LaunchTemplate"]["Version"] == "1"
    service.emulator.advance(600)
    assert refresh(service)["Status"] == "Successful"


def test_a_version_that_never_gets_healthy_is_rolled_back(service: Service) -> None:
    version, image = service.new_version("service-bad")
    service.make_unhealthy(image)
    start(service, version)
    assert min(watch(service)) >= 4
    ended = refresh(service)
    assert ended["Status"] == "RollbackSuccessful"
    assert "failed the load balancer's health check" in ended["StatusReason"]
    assert ended["RollbackDetails"]["RollbackReason"] == ended["StatusReason"]
    assert {one["ImageId"] for one in service.instances()} == {service.image}
    assert service.group()["LaunchTemplate"]["Version"] == "1"
    failed = [one for one in service.activities() if one["StatusCode"] == "Failed"]
    assert "Target.FailedHealthChecks" in failed[0]["StatusMessage"]


def test_without_rollback_it_just_fails(service: Service) -> None:
    version, image = service.new_version("service-bad")
    service.make_unhealthy(image)
    start(service, version, AutoRollback=False)
    watch(service)
    assert refresh(service)["Status"] == "Failed"


@pytest.fixture
def cloudwatch(service: Service) -> Any:
    """CloudWatch, with one alarm, `stop`, that has just been made: it has no data yet."""
    client = service.emulator.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="stop", Namespace="x", MetricName="y", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold", Statistic="Sum", TreatMissingData="notBreaching",
    )  # fmt: skip
    return client


STOP: dict[str, Any] = {"AlarmSpecification": {"Alarms": ["stop"]}}


def test_an_alarm_stops_it_even_while_it_bakes(service: Service, cloudwatch: Any) -> None:
    service.emulator.advance(60)
    version, _ = service.new_version("service-2.0.0")
    start(service, version, BakeTime=6000, **STOP)
    service.emulator.advance(1000)
    assert refresh(service)["Status"] == "Baking"
    cloudwatch.set_alarm_state(AlarmName="stop", StateValue="ALARM", StateReason="test")
    watch(service)
    assert refresh(service)["Status"] == "RollbackSuccessful"
    assert "stop" in refresh(service)["StatusReason"]
    assert service.versions() == ["1"] * 4


def test_an_alarm_fails_it_where_there_is_no_rollback(service: Service, cloudwatch: Any) -> None:
    service.emulator.advance(60)
    version, _ = service.new_version("service-2.0.0")
    start(service, version, AutoRollback=False, **STOP)
    cloudwatch.set_alarm_state(AlarmName="stop", StateValue="ALARM", StateReason="test")
    watch(service)
    assert refresh(service)["Status"] == "Failed"


def test_none_is_started_beside_an_alarm_that_rings_or_has_no_data(service: Service, cloudwatch: Any) -> None:
    """EC2 Auto Scaling guide, auto rollback: in INSUFFICIENT_DATA or ALARM, an error; 10 alarms at most."""
    version, _ = service.new_version("service-2.0.0")
    with pytest.raises(ClientError, match="stop is INSUFFICIENT_DATA"):
        start(service, version, **STOP)
    cloudwatch.set_alarm_state(AlarmName="stop", StateValue="ALARM", StateReason="test")
    with pytest.raises(ClientError, match="stop is ALARM"):
        start(service, version, **STOP)
    with pytest.raises(ClientError, match="other is missing"):
        start(service, version, AlarmSpecification={"Alarms": ["other"]})
    with pytest.raises(ClientError, match="10 alarms at most"):
        start(service, version, AlarmSpecification={"Alarms": ["stop"] * 11})
    # Without the alarm, nobody asks it.
    start(service, version)


def test_nobody_is_replaced_while_an_alarm_has_no_data(service: Service, cloudwatch: Any) -> None:
    """EC2 Auto Scaling guide, auto rollback: it cannot replace instances until new data points are found."""
    service.emulator.advance(60)
    version, _ = service.new_version("service-2.0.0")
    start(service, version, **STOP)
    cloudwatch.set_alarm_state(AlarmName="stop", StateValue="INSUFFICIENT_DATA", StateReason="test")
    before = service.ids()
    service.emulator.advance(1000)
    assert service.ids() == before
    cloudwatch.set_alarm_state(AlarmName="stop", StateValue="OK", StateReason="test")
    watch(service)
    assert service.versions() == [version] * 4


def test_members_that_match_already_stay(service: Service) -> None:
    before = service.ids()
    start(service, "1")
    watch(service)
    assert service.ids() == before


def test_without_skip_matching_every_member_is_replaced(service: Service) -> None:
    before = service.ids()
    start(service, "1", SkipMatching=False)
    assert min(watch(service)) >= 4
    assert not set(before) & set(service.ids())


def test_one_at_a_time(service: Service) -> None:
    version, _ = service.new_version("service-2.0.0")
    start(service, version)
    with pytest.raises(ClientError, match="InstanceRefreshInProgress"):
        start(service, version)


def test_a_cancelled_one_leaves_things_as_they_are(service: Service) -> None:
    version, _ = service.new_version("service-2.0.0")
    start(service, version)
    service.autoscaling.cancel_instance_refresh(AutoScalingGroupName="service")
    watch(service)
    assert refresh(service)["Status"] == "Cancelled"
    with pytest.raises(ClientError, match="ActiveInstanceRefreshNotFound"):
        service.autoscaling.cancel_instance_refresh(AutoScalingGroupName="service")


def test_one_can_be_rolled_back_by_hand(service: Service) -> None:
    version, _ = service.new_version("service-2.0.0")
    start(service, version)
    service.emulator.advance(200)
    service.autoscaling.rollback_instance_refresh(AutoScalingGroupName="service")
    assert min(watch(service)) >= 4
    assert refresh(service)["Status"] == "RollbackSuccessful"
    assert service.versions() == ["1"] * 4


@pytest.mark.parametrize(
    ("preferences", "message"),
    [
        ({"MinHealthyPercentage": 101}, "must be between 0 and 100"),
        ({"MaxHealthyPercentage": 201}, "must be between 100 and 200"),
        ({"BakeTime": 172_801}, "between 0 and 172800"),
        ({"CheckpointPercentages": [50]}, "no checkpoints"),
    ],
)
def test_preferences_outside_their_bounds_are_refused(
    service: Service, preferences: dict[str, Any], message: str
) -> None:
    with pytest.raises((ClientError, ParamValidationError), match=f"{message}|valid m"):
        start(service, "1", **preferences)


def test_rollback_needs_an_explicit_version(service: Service) -> None:
    with pytest.raises(ClientError, match="explicit launch template version"):
        start(service, "$Latest")
