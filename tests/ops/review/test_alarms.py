"""What a review says of alarms that ring as a release is to be rolled out, asked of CloudWatch as moto plays it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.types import ROLLOUT
from ops.review.alarms import alarm_warnings
from ops.stacks.place import Place
from tests.infra.stackfiles import CHECKOUT
from tests.ops.review.plans import UNKNOWN_TEXT, plan, state, step

DEPLOYED = {
    "release": "1.4.0", "launchTemplateId": "lt-1", "launchTemplateVersion": "1", "alarmNames": ["live-unhealthy"],
    "alarmsOverridden": False,
}  # fmt: skip
NEXT = {**DEPLOYED, "release": "1.5.0", "launchTemplateVersion": UNKNOWN_TEXT}


@pytest.fixture
def cloudwatch(moto_account: None) -> Any:
    """CloudWatch, with the rollout's alarm, ringing."""
    client = boto3.client("cloudwatch", region_name="eu-west-2")
    client.put_metric_alarm(
        AlarmName="live-unhealthy", Namespace="x", MetricName="y", Period=60, EvaluationPeriods=6, Threshold=1,
        ComparisonOperator="GreaterThanThreshold", Statistic="Maximum",
    )  # fmt: skip
    client.set_alarm_state(AlarmName="live-unhealthy", StateValue="ALARM", StateReason="test")
    return client


def warnings(old: dict[str, Any] | None, new: dict[str, Any]) -> list[str]:
    """Return what is said of an update of the rollout; its making, where there is no old one."""
    at = Place(
        folder=CHECKOUT, checkout=CHECKOUT, cli=CHECKOUT, version="", in_lab=False, check_endpoint=lambda url: url
    )
    operation = "update" if old else "create"
    made = plan(step(operation, ROLLOUT, "live-rollout", state(old) if old else None, state(new)))
    return list(alarm_warnings(made, at))


@pytest.mark.usefixtures("cloudwatch")
def test_a_release_that_would_not_start_is_told_with_the_way() -> None:
    assert warnings(DEPLOYED, NEXT) == [
        "live-unhealthy is ALARM: the rollout of 1.5.0 would not start, and all else would be deployed; for the "
        'rollout, too: eps-dos release promote 1.5.0 --to live --override alarms --reason "..."'
    ]


@pytest.mark.usefixtures("cloudwatch")
def test_an_override_is_told_with_what_it_means() -> None:
    assert warnings(DEPLOYED, {**NEXT, "alarmsOverridden": True}) == [
        "live-unhealthy is ALARM: overridden, so 1.5.0 is rolled out without alarms, and nothing is rolled back by "
        "itself"
    ]


@pytest.mark.usefixtures("cloudwatch")
def test_what_replaces_no_instance_is_not_asked_about() -> None:
    assert warnings(DEPLOYED, {**DEPLOYED, "bakeSeconds": 600}) == []
    assert warnings(None, DEPLOYED) == []


@pytest.mark.parametrize("state_value", ["OK", "INSUFFICIENT_DATA"])
def test_a_quiet_alarm_is_no_warning_nor_is_one_that_the_rollout_waits_for(cloudwatch: Any, state_value: str) -> None:
    cloudwatch.set_alarm_state(AlarmName="live-unhealthy", StateValue=state_value, StateReason="test")
    assert warnings(DEPLOYED, NEXT) == []


def test_an_alarm_that_cannot_be_read_is_told_and_stops_no_review(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    (warning,) = warnings(DEPLOYED, NEXT)
    assert warning == "whether an alarm rings that would stop the rollout wasn't read: Unable to locate credentials"
