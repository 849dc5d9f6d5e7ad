"""The rollout's decisions, against a group that is played; the real refresh is in tests/shows."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from rollout.aws import Aws
from rollout.refresh import (
    LONGEST_POLL_SECONDS,
    LONGEST_WITHOUT_DATA_SECONDS,
    Newcomers,
    Rollout,
    RolloutFailedError,
    Target,
    roll_out,
    template_version,
    wait_for_end,
)


class Group:
    """An Auto Scaling group that answers as AWS would: refreshes end as it was told."""

    def __init__(self, version: str = "1", active: dict[str, Any] | None = None, ends: str = "Successful") -> None:
        self.version = version
        self.refreshes = [active] if active else []
        self.ends = ends
        self.started: list[dict[str, Any]] = []
        self.alarm_states = ["OK"]
        """Of its one alarm, at each look; the last stays."""

    def describe_auto_scaling_groups(self, **_: Any) -> dict[str, Any]:
        template = {"LaunchTemplateId": "lt-1", "Version": self.version}
        return {"AutoScalingGroups": [{"LaunchTemplate": template, "Instances": [{"LaunchTemplate": template}]}]}

    def describe_instance_refreshes(self, InstanceRefreshIds: list[str] | None = None, **_: Any) -> dict[str, Any]:  # noqa: N803 - AWS's name
        if InstanceRefreshIds is None:
            return {"InstanceRefreshes": self.refreshes}
        (found,) = [one for one in self.refreshes if one["InstanceRefreshId"] in InstanceRefreshIds]
        ended = {**found, "Status": found.get("ends", self.ends), "PercentageComplete": 100, "StatusReason": "Because."}
        self.refreshes = [ended if one is found else one for one in self.refreshes]
        return {"InstanceRefreshes": [ended]}

    def start_instance_refresh(self, **request: Any) -> dict[str, Any]:
        self.started.append(request)
        self.refreshes.insert(0, refresh("new", request["DesiredConfiguration"]["LaunchTemplate"]["Version"]))
        return {"InstanceRefreshId": "new"}

    def describe_alarms(self, AlarmNames: list[str], AlarmTypes: list[str]) -> dict[str, Any]:  # noqa: N803 - AWS's names
        state = self.alarm_states.pop(0) if len(self.alarm_states) > 1 else self.alarm_states[0]
        (name,) = AlarmNames
        assert AlarmTypes == ["MetricAlarm", "CompositeAlarm"]
        alarms = [{"AlarmName": name, "StateValue": state}] if state else []
        return {"MetricAlarms": alarms, "CompositeAlarms": []}

    def autoscaling(self) -> Any:
        return self

    def cloudwatch(self) -> Any:
        return self

    def load_balancing(self) -> Any:
        return self


def refresh(identifier: str, version: str, status: str = "InProgress", **more: Any) -> dict[str, Any]:
    desired = {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": version}}
    return {"InstanceRefreshId": identifier, "Status": status, "DesiredConfiguration": desired, **more}


def to_next(group: Group, *, overridden: bool = False) -> Rollout:
    """The rollout of 1.5.0, the template's version 2, to a group that runs 1.4.0."""
    return Rollout(
        stack="nft",
        release="1.5.0",
        group="nft-service-1234567",
        target=Target("lt-1", "2"),
        minimum_healthy_percent=100,
        maximum_healthy_percent=110,
        instance_warmup_seconds=120,
        bake_seconds=300,
        alarm_names=("nft-unhealthy-hosts",),
        alarms_overridden=overridden,
        aws=cast(Aws, group),
    )


def at_once(_seconds: float) -> bool:
    """A wait that takes no time, and that nobody interrupts."""
    return False


def run(group: Group, said: list[str] | None = None, *, overridden: bool = False) -> None:
    """Roll 1.5.0 out where 1.4.0 runs."""
    roll_out(
        to_next(group, overridden=overridden),
        at_once,
        (said if said is not None else []).append,
        replaced_release="1.4.0",
    )


def test_a_new_release_is_one_refresh_to_the_explicit_template_version() -> None:
    group = Group()
    run(group)
    assert group.started == [
        {
            "AutoScalingGroupName": "nft-service-1234567",
            "Strategy": "Rolling",
            "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "2"}},
            "Preferences": {
                "MinHealthyPercentage": 100,
                "MaxHealthyPercentage": 110,
                "InstanceWarmup": 120,
                "BakeTime": 300,
                "AutoRollback": True,
                "SkipMatching": True,
                "AlarmSpecification": {"Alarms": ["nft-unhealthy-hosts"]},
            },
        }
    ]


def test_nothing_is_started_where_group_and_instances_have_the_version_already() -> None:
    group = Group(version="2")
    run(group)
    assert group.started == []


@pytest.mark.parametrize(("state", "shown"), [("ALARM", "ALARM"), ("", "missing")])
def test_none_is_started_beside_an_alarm_and_one_sentence_says_the_way(state: str, shown: str) -> None:
    group = Group()
    group.alarm_states = [state]
    with pytest.raises(RolloutFailedError) as failed:
        run(group)
    assert str(failed.value) == (
        "rollout of 1.5.0 to nft-service-1234567 was not started, since AWS starts none unless its alarms are OK, and "
        f"nft-unhealthy-hosts is {shown}; 1.4.0 stays; to roll it out all the same: eps-dos release promote 1.5.0 "
        '--to nft --override alarms --reason "..."'
    )
    assert group.started == []


def test_where_alarms_are_overridden_nothing_stops_it_and_nothing_brings_the_failing_release_back() -> None:
    group, said = Group(), list[str]()
    group.alarm_states = ["ALARM"]
    run(group, said, overridden=True)
    (request,) = group.started
    assert request["Preferences"]["AutoRollback"] is False
    assert "AlarmSpecification" not in request["Preferences"]
    assert said[0].startswith("nft-unhealthy-hosts is ALARM, which is overridden")


def test_an_override_changes_nothing_while_no_alarm_rings() -> None:
    group = Group()
    run(group, overridden=True)
    (request,) = group.started
    assert request["Preferences"]["AutoRollback"] is True
    assert request["Preferences"]["AlarmSpecification"] == {"Alarms": ["nft-unhealthy-hosts"]}


def test_an_alarm_without_data_is_waited_for() -> None:
    group, said = Group(), list[str]()
    group.alarm_states = ["INSUFFICIENT_DATA", "INSUFFICIENT_DATA", "OK"]
    run(group, said)
    assert said[0] == "waiting, since nft-unhealthy-hosts is INSUFFICIENT_DATA"
    assert len(group.started) == 1


def test_an_alarm_that_never_has_data_is_not_waited_for_for_ever() -> None:
    group, waits = Group(), list[float]()
    group.alarm_states = ["INSUFFICIENT_DATA"]

    def pause(seconds: float) -> bool:
        waits.append(seconds)
        return False

    with pytest.raises(RolloutFailedError, match="nft-unhealthy-hosts is INSUFFICIENT_DATA"):
        roll_out(to_next(group), pause, lambda _line: None)
    assert LONGEST_WITHOUT_DATA_SECONDS <= sum(waits) < LONGEST_WITHOUT_DATA_SECONDS + LONGEST_POLL_SECONDS


def test_who_is_interrupted_while_an_alarm_has_no_data_leaves_nothing_behind() -> None:
    group = Group()
    group.alarm_states = ["INSUFFICIENT_DATA"]
    with pytest.raises(RolloutFailedError, match="was not started; run: pulumi up"):
        roll_out(to_next(group), lambda _seconds: True, lambda _line: None)
    assert group.started == []


def test_one_in_progress_to_the_same_version_is_joined() -> None:
    group, said = Group(active=refresh("earlier", "2")), list[str]()
    run(group, said)
    assert group.started == []
    assert said[0] == "joining the one in progress"


def test_one_in_progress_to_another_version_is_not_disturbed() -> None:
    with pytest.raises(RolloutFailedError, match="refresh earlier to another template version is in progress"):
        run(Group(active=refresh("earlier", "9")))


def test_the_end_of_a_rollback_is_waited_for() -> None:
    group = Group(active=refresh("earlier", "2", "RollbackInProgress", ends="RollbackSuccessful"))
    run(group)
    assert len(group.started) == 1


def test_a_rollback_fails_with_one_sentence_that_says_what_runs() -> None:
    with pytest.raises(RolloutFailedError) as failed:
        run(Group(ends="RollbackSuccessful"))
    assert str(failed.value) == (
        "rollout of 1.5.0 to nft-service-1234567 ended as RollbackSuccessful: 1.4.0 runs again; reason: Because"
    )


def test_who_is_interrupted_says_that_aws_goes_on_and_how_to_join() -> None:
    group = Group(ends="InProgress")
    with pytest.raises(RolloutFailedError) as failed:
        roll_out(to_next(group), lambda _seconds: True, lambda _line: None)
    assert str(failed.value) == (
        "rollout of 1.5.0 to nft-service-1234567 goes on in AWS, and nobody waits for it; to join it, run: pulumi up"
    )
    assert len(group.started) == 1


def test_who_is_interrupted_before_it_starts_leaves_nothing_behind() -> None:
    group = Group(active=refresh("earlier", "2", "RollbackInProgress", ends="RollbackInProgress"))
    with pytest.raises(RolloutFailedError, match="was not started; run: pulumi up"):
        roll_out(to_next(group), lambda _seconds: True, lambda _line: None)
    assert group.started == []


def test_what_aws_refuses_is_a_sentence() -> None:
    class Refusing(Group):
        def start_instance_refresh(self, **_: Any) -> dict[str, Any]:
            error = {"Error": {"Code": "AccessDenied", "Message": "not authorized"}}
            raise ClientError(cast(Any, error), "StartInstanceRefresh")

    with pytest.raises(RolloutFailedError) as failed:
        run(Refusing())
    assert str(failed.value) == (
        "rollout of 1.5.0 to nft-service-1234567: An error occurred (AccessDenied) when calling the "
        "StartInstanceRefresh operation: not authorized"
    )


def test_the_version_that_the_group_has_is_read() -> None:
    assert template_version(to_next(Group(version="5"))) == "5"


def test_progress_is_told_when_it_changes_only() -> None:
    looks: Iterator[dict[str, Any]] = iter(
        [
            {"Status": "Pending"},
            {"Status": "InProgress", "PercentageComplete": 50},
            {"Status": "InProgress", "PercentageComplete": 50},
            {"Status": "Successful", "PercentageComplete": 100},
        ]
    )
    told: list[str] = []
    paused: list[float] = []

    def pause(seconds: float) -> bool:
        paused.append(seconds)
        return False

    wait_for_end(lambda: next(looks), told.append, pause)
    assert told == [
        "Pending, 0 % of the instances replaced",
        "InProgress, 50 % of the instances replaced",
        "Successful, 100 % of the instances replaced",
    ]
    assert paused == [1, 2, 4]


class GroupWithNewcomers(Group):
    """A group whose rollout starts two instances of the new version, and ends at the second look after that."""

    def __init__(self, unhealthy: list[dict[str, str]]) -> None:
        super().__init__(ends="RollbackSuccessful")
        self.unhealthy = unhealthy

    def describe_auto_scaling_groups(self, **_: Any) -> dict[str, Any]:
        def instance(identifier: str, version: str) -> dict[str, Any]:
            template = {"LaunchTemplateId": "lt-1", "Version": version}
            zone = f"eu-west-2{identifier[-1]}"
            return {
                "InstanceId": identifier,
                "AvailabilityZone": zone,
                "HealthStatus": "Healthy",
                "LaunchTemplate": template,
            }

        newcomers = [instance("i-new-a", "2"), instance("i-new-b", "2")] if self.started else []
        group = {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "1"}, "TargetGroupARNs": ["arn:tg"]}
        return {"AutoScalingGroups": [{**group, "Instances": [instance("i-old-a", "1"), *newcomers]}]}

    def describe_instance_refreshes(self, InstanceRefreshIds: list[str] | None = None, **_: Any) -> dict[str, Any]:  # noqa: N803 - AWS's name
        if InstanceRefreshIds and len(self.unhealthy) > 1:
            return {"InstanceRefreshes": [refresh("new", "2")]}
        return super().describe_instance_refreshes(InstanceRefreshIds)

    def describe_target_health(self, TargetGroupArn: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        assert TargetGroupArn == "arn:tg"
        described = [
            {"Target": {"Id": one}, "TargetHealth": {"State": "unhealthy", "Description": why}}
            for one, why in self.unhealthy.pop(0).items()
        ]
        starting = {
            "Target": {"Id": "i-new-b"},
            "TargetHealth": {"State": "initial", "Reason": "Elb.InitialHealthChecking"},
        }
        return {"TargetHealthDescriptions": [*described, starting]}


def test_a_failed_one_tells_which_new_instances_failed_what_check() -> None:
    why = "Health checks failed with these codes: [503]"
    said: list[str] = []
    with pytest.raises(RolloutFailedError) as failed:
        run(GroupWithNewcomers([{"i-old-a": "busy"}, {"i-new-a": why}, {}]), said)
    assert str(failed.value).endswith(
        f"1.4.0 runs again; reason: Because; of 2 new instances 1 failed: i-new-a (eu-west-2a): {why}"
    )
    assert f"i-new-a (eu-west-2a) fails: {why}" in said


def test_one_that_was_only_slow_is_no_failure() -> None:
    looks = iter([[("i-1", "no answer")], [("i-1", "")]])
    newcomers = Newcomers(lambda: iter(next(looks)))
    told: list[str] = []
    newcomers.update(told.append)
    newcomers.update(told.append)
    assert (told, newcomers.clause) == (["i-1 fails: no answer"], "")
