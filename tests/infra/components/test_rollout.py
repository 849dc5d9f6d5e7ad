"""The rollout's decisions, against a group that is played; the real refresh is in tests/test_lab_*.py."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.components import rollout
from infra.components.rollout import Newcomers, RolloutFailedError, RolloutProvider, wait_for_end

PROPS: dict[str, Any] = {
    "release": "1.4.0",
    "imageId": "ami-1",
    "autoScalingGroup": "nft-service-1234567",
    "launchTemplateId": "lt-1",
    "launchTemplateVersion": "1",
    "minimumHealthyPercent": 100.0,
    "maximumHealthyPercent": 110.0,
    "instanceWarmupSeconds": 120.0,
    "bakeSeconds": 300.0,
    "alarmNames": ["nft-unhealthy-hosts"],
    "region": "eu-west-2",
    "profile": "",
    "assumeRoleArns": [],
}
NEXT = {**PROPS, "release": "1.5.0", "launchTemplateVersion": "2"}


class Group:
    """An Auto Scaling group that answers as AWS would: refreshes end as it was told."""

    def __init__(self, version: str = "1", active: dict[str, Any] | None = None, ends: str = "Successful") -> None:
        self.version = version
        self.refreshes = [active] if active else []
        self.ends = ends
        self.started: list[dict[str, Any]] = []

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


def refresh(identifier: str, version: str, status: str = "InProgress", **more: Any) -> dict[str, Any]:
    desired = {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": version}}
    return {"InstanceRefreshId": identifier, "Status": status, "DesiredConfiguration": desired, **more}


def using(monkeypatch: pytest.MonkeyPatch, group: Group) -> Group:
    monkeypatch.setattr(rollout, "_client", lambda _: group)
    return group


def test_a_new_release_is_one_refresh_to_the_explicit_template_version(monkeypatch: pytest.MonkeyPatch) -> None:
    group = using(monkeypatch, Group())
    assert RolloutProvider().update("id", PROPS, NEXT).outs == NEXT
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


def test_creating_starts_nothing_since_the_group_was_made_with_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    group = using(monkeypatch, Group(version="1"))
    assert RolloutProvider().create(PROPS).id == "nft-service-1234567"
    assert group.started == []


def test_preferences_alone_start_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    group = using(monkeypatch, Group(version="7"))
    RolloutProvider().update("id", PROPS, {**PROPS, "bakeSeconds": 600.0})
    assert group.started == []


def test_one_in_progress_to_the_same_version_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    group = using(monkeypatch, Group(active=refresh("earlier", "2")))
    RolloutProvider().update("id", PROPS, NEXT)
    assert group.started == []


def test_one_in_progress_to_another_version_is_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    using(monkeypatch, Group(active=refresh("earlier", "9")))
    with pytest.raises(RolloutFailedError, match="refresh earlier to another template version is in progress"):
        RolloutProvider().update("id", PROPS, NEXT)


def test_the_end_of_a_rollback_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rolling_back = refresh("earlier", "2", "RollbackInProgress", ends="RollbackSuccessful")
    group = using(monkeypatch, Group(active=rolling_back))
    RolloutProvider().update("id", PROPS, NEXT)
    assert len(group.started) == 1


def test_one_that_ended_while_nobody_looked_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    group = using(monkeypatch, Group(version="2"))
    RolloutProvider().update("id", PROPS, NEXT)
    assert group.started == []


def test_a_rollback_fails_with_one_sentence_that_says_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    using(monkeypatch, Group(ends="RollbackSuccessful"))
    with pytest.raises(RolloutFailedError) as failed:
        RolloutProvider().update("id", PROPS, NEXT)
    assert str(failed.value) == (
        "rollout of 1.5.0 to nft-service-1234567 ended as RollbackSuccessful: 1.4.0 runs again; reason: Because"
    )


def test_a_change_is_seen_and_another_group_is_another_rollout() -> None:
    provider = RolloutProvider()
    assert provider.diff("id", PROPS, dict(PROPS)).changes is False
    assert provider.diff("id", PROPS, NEXT).replaces == []
    assert provider.diff("id", PROPS, {**PROPS, "autoScalingGroup": "other"}).replaces == ["autoScalingGroup"]


def test_a_refreshed_state_has_the_version_that_the_group_has(monkeypatch: pytest.MonkeyPatch) -> None:
    using(monkeypatch, Group(version="5"))
    read = RolloutProvider().read("nft-service-1234567", {**PROPS, "__provider": "pickled"})
    assert read.inputs == read.outs == {**PROPS, "launchTemplateVersion": "5"}


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
    wait_for_end(lambda: next(looks), told.append, paused.append)
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


def test_a_failed_one_tells_which_new_instances_failed_what_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    why = "Health checks failed with these codes: [503]"
    group = GroupWithNewcomers([{"i-old-a": "busy"}, {"i-new-a": why}, {}])
    using(monkeypatch, group)
    monkeypatch.setattr(rollout, "_balancing", lambda _: group)
    monkeypatch.setattr(rollout, "POLL_SECONDS", (0, 0, 0))
    with pytest.raises(RolloutFailedError) as failed:
        RolloutProvider().update("id", PROPS, NEXT)
    assert str(failed.value).endswith(
        f"1.4.0 runs again; reason: Because; of 2 new instances 1 failed: i-new-a (eu-west-2a): {why}"
    )
    assert f"rollout of 1.5.0: i-new-a (eu-west-2a) fails: {why}\n" in capsys.readouterr().out


def test_one_that_was_only_slow_is_no_failure() -> None:
    looks = iter([[("i-1", "no answer")], [("i-1", "")]])
    newcomers = Newcomers(lambda: iter(next(looks)))
    told: list[str] = []
    newcomers.update(told.append)
    newcomers.update(told.append)
    assert (told, newcomers.told) == (["i-1 fails: no answer"], "")
