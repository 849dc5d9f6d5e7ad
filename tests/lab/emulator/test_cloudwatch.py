"""Alarms and dashboards behave as CloudWatch's do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator

TAGS = [{"Key": "Environment", "Value": "live"}]


@pytest.fixture
def cloudwatch(emulator: RunningEmulator, stopped_clock: None) -> Any:
    return emulator.client("cloudwatch")


def put_alarm(cloudwatch: Any, name: str, **changes: Any) -> None:
    settings = {
        "MetricName": "UnHealthyHostCount",
        "Namespace": "AWS/NetworkELB",
        "Dimensions": [{"Name": "LoadBalancer", "Value": "net/entrance/1"}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 0.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": ["arn:aws:sns:eu-west-2:123456789012:alarms"],
        **changes,
    }
    settings = {key: value for key, value in settings.items() if value is not None}
    cloudwatch.put_metric_alarm(AlarmName=name, **settings)


def alarm_of(cloudwatch: Any, name: str) -> dict[str, Any]:
    described = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    (alarm,) = described["MetricAlarms"] + described["CompositeAlarms"]
    return alarm  # type: ignore[no-any-return]


def state_of(cloudwatch: Any, name: str) -> str:
    return str(alarm_of(cloudwatch, name)["StateValue"])


def test_an_alarm_comes_back_as_it_was_put(cloudwatch: Any) -> None:
    put_alarm(cloudwatch, "unhealthy", Tags=TAGS)
    alarm = alarm_of(cloudwatch, "unhealthy")
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Period"], alarm["DatapointsToAlarm"]) == (
        "UnHealthyHostCount",
        "Maximum",
        60,
        2,
    )
    assert (alarm["Threshold"], alarm["TreatMissingData"], alarm["ActionsEnabled"]) == (0.0, "notBreaching", True)
    assert alarm["Dimensions"] == [{"Name": "LoadBalancer", "Value": "net/entrance/1"}]
    assert cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"] == TAGS


def test_an_alarm_of_metric_math_comes_back_as_it_was_put(cloudwatch: Any) -> None:
    queries = [
        {
            "Id": "healthy",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/NetworkELB",
                    "MetricName": "HealthyHostCount",
                    "Dimensions": [{"Name": "AvailabilityZone", "Value": "eu-west-2a"}],
                },
                "Period": 60,
                "Stat": "Minimum",
            },
            "ReturnData": False,
        },
        {"Id": "filled", "Expression": "FILL(healthy, 0)", "Label": "healthy targets", "ReturnData": True},
    ]
    plain = dict.fromkeys(("MetricName", "Namespace", "Dimensions", "Statistic", "Period"))
    put_alarm(cloudwatch, "zone-empty", Metrics=queries, **plain)
    assert alarm_of(cloudwatch, "zone-empty")["Metrics"] == queries


@pytest.mark.parametrize(
    "changes",
    [
        {"MetricName": None},
        {"Statistic": None},
        {"Period": 45},
        {"DatapointsToAlarm": 4},
        {"TreatMissingData": "fine"},
    ],
)
def test_alarms_that_aws_refuses_are_refused(cloudwatch: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=r"\(ValidationError\)"):
        put_alarm(cloudwatch, "wrong", **changes)


def test_an_alarm_without_data_settles_as_it_treats_missing_data(emulator: RunningEmulator, cloudwatch: Any) -> None:
    put_alarm(cloudwatch, "fine")
    put_alarm(cloudwatch, "breaching", TreatMissingData="breaching")
    put_alarm(cloudwatch, "unknown", TreatMissingData=None)
    names = ("fine", "breaching", "unknown")
    assert [state_of(cloudwatch, name) for name in names] == ["INSUFFICIENT_DATA"] * 3
    emulator.advance(60)
    assert [state_of(cloudwatch, name) for name in names] == ["OK", "ALARM", "INSUFFICIENT_DATA"]


def test_an_update_keeps_state_and_tags(cloudwatch: Any) -> None:
    put_alarm(cloudwatch, "unhealthy", Tags=TAGS)
    cloudwatch.set_alarm_state(AlarmName="unhealthy", StateValue="ALARM", StateReason="a test")
    put_alarm(cloudwatch, "unhealthy", Threshold=2.0, Tags=[{"Key": "Environment", "Value": "int"}])
    alarm = alarm_of(cloudwatch, "unhealthy")
    assert (alarm["StateValue"], alarm["StateReason"], alarm["Threshold"]) == ("ALARM", "a test", 2.0)
    assert cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"] == TAGS


def test_a_composite_alarm_follows_the_alarms_that_it_names(cloudwatch: Any) -> None:
    put_alarm(cloudwatch, "a")
    put_alarm(cloudwatch, "b")
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule='ALARM("a") AND ALARM("b")', Tags=TAGS)
    composite = alarm_of(cloudwatch, "both")
    assert composite["AlarmRule"] == 'ALARM("a") AND ALARM("b")'
    assert cloudwatch.list_tags_for_resource(ResourceARN=composite["AlarmArn"])["Tags"] == TAGS
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="a test")
    assert state_of(cloudwatch, "both") == "OK"
    cloudwatch.set_alarm_state(AlarmName="b", StateValue="ALARM", StateReason="a test")
    assert state_of(cloudwatch, "both") == "ALARM"


def test_a_composite_alarm_names_alarms_that_exist_in_a_rule_that_can_be_read(cloudwatch: Any) -> None:
    with pytest.raises(ClientError, match=r"\(ValidationError\).*alarms \[a\] in the alarm rule do not exist"):
        cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(a)")
    with pytest.raises(ClientError, match=r"\(ValidationError\).*AlarmRule is invalid"):
        cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(a")


def test_an_alarm_that_another_depends_on_is_not_deleted(cloudwatch: Any) -> None:
    put_alarm(cloudwatch, "a")
    cloudwatch.put_composite_alarm(AlarmName="outer", AlarmRule="ALARM(a)")
    with pytest.raises(ClientError, match=r"\(ValidationError\).*composite alarm\(s\) depending on it"):
        cloudwatch.delete_alarms(AlarmNames=["a"])
    cloudwatch.delete_alarms(AlarmNames=["outer", "a", "unknown"])
    described = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert described["MetricAlarms"] + described["CompositeAlarms"] == []


def test_composite_alarms_are_described_only_when_asked_for(cloudwatch: Any) -> None:
    put_alarm(cloudwatch, "a")
    cloudwatch.put_composite_alarm(AlarmName="outer", AlarmRule="ALARM(a)")

    def names(**asked: Any) -> list[str]:
        described = cloudwatch.describe_alarms(**asked)
        return [alarm["AlarmName"] for alarm in described["MetricAlarms"] + described["CompositeAlarms"]]

    assert names() == ["a"]
    assert names(AlarmTypes=["CompositeAlarm"]) == ["outer"]
    assert names(ChildrenOfAlarmName="outer") == ["a"]
    assert names(ParentsOfAlarmName="a") == ["outer"]


def test_alarms_come_in_pages(cloudwatch: Any) -> None:
    for number in range(5):
        put_alarm(cloudwatch, f"alarm-{number}")
    pages = list(cloudwatch.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["MetricAlarms"]) for page in pages] == [2, 2, 1]


def test_tags_of_what_is_not_there_are_an_error(cloudwatch: Any) -> None:
    arn = "arn:aws:cloudwatch:eu-west-2:123456789012:alarm:nobody"
    with pytest.raises(ClientError, match=r"\(ResourceNotFound"):
        cloudwatch.list_tags_for_resource(ResourceARN=arn)


def test_a_dashboard_is_kept_and_deleted(cloudwatch: Any) -> None:
    widget = {"type": "text", "x": 0, "y": 0, "width": 24, "height": 2, "properties": {"markdown": "# live"}}
    body = json.dumps({"widgets": [widget]})
    assert cloudwatch.put_dashboard(DashboardName="live", DashboardBody=body)["DashboardValidationMessages"] == []
    assert cloudwatch.get_dashboard(DashboardName="live")["DashboardBody"] == body
    cloudwatch.delete_dashboards(DashboardNames=["live"])
    for gone in (
        lambda: cloudwatch.get_dashboard(DashboardName="live"),
        lambda: cloudwatch.delete_dashboards(DashboardNames=["live"]),
    ):
        with pytest.raises(ClientError, match=r"\(ResourceNotFound\)"):
            gone()  # type: ignore[no-untyped-call]  # boto3's


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("two words", {"widgets": []}),
        ("d", []),
        ("d", {}),
        ("d", {"widgets": [{"type": "text"}]}),
        ("d", {"widgets": [{"type": "picture", "properties": {}}]}),
        ("d", {"widgets": [{"type": "text", "properties": {}, "width": 25}]}),
    ],
)
def test_dashboards_that_aws_refuses_are_refused(cloudwatch: Any, name: str, body: object) -> None:
    with pytest.raises(ClientError, match=r"\(InvalidParameterInput\)"):
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody=json.dumps(body))
