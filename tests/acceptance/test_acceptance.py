"""The acceptance of an environment is carried out in the lab; what is only for AWS is tried on samples."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.__main__ import STEPS
from tests.acceptance.seen import calls_between, calls_of_the_lab, calls_of_the_trail, differences, kinds, resources
from tests.labs import ROOT

START = datetime.fromisoformat("2026-11-29T10:00:00+00:00")


@pytest.mark.engine
@pytest.mark.scenario
def test_the_lab_passes(tmp_path: Path) -> None:
    report = tmp_path / "lab.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.acceptance", "--lab", "--report", str(report)],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    kept = json.loads(report.read_text())
    assert [step["step"] for step in kept["steps"]] == list(STEPS)
    assert [line.split("  ")[-1] for line in done.stdout.splitlines()[1:]] == list(STEPS)
    by_name = {step["step"]: step for step in kept["steps"]}
    up, rolled = by_name["up"], by_name["a release rolled"]
    assert up["calls"]["elbv2.CreateLoadBalancer"] == 1
    assert rolled["calls"]["autoscaling.StartInstanceRefresh"] == 1
    assert "arn" in up["seen"]["resources"]["aws:lb/loadBalancer:LoadBalancer dev-lb"]
    assert by_name["destroy, nothing left"]["seen"] == {"left over": 0}


def test_calls_of_both_are_counted_alike() -> None:
    trail = [
        {"eventTime": "2026-11-29T10:00:01Z", "eventSource": "ec2.amazonaws.com", "eventName": "RunInstances"},
        {
            "eventTime": "2026-11-29T10:00:02Z", "eventSource": "elasticloadbalancing.amazonaws.com",
            "eventName": "DeleteTargetGroup", "errorCode": "ResourceInUse",
        },
        {"eventTime": "2026-11-29T10:01:00Z", "eventSource": "ec2.amazonaws.com", "eventName": "RunInstances"},
    ]  # fmt: skip
    log = [
        {"at": "2026-11-29T10:00:01+00:00", "service": "ec2", "action": "RunInstances", "status": 200},
        {"at": "2026-11-29T10:00:02+00:00", "service": "elbv2", "action": "DeleteTargetGroup", "status": 400},
        {"at": "2026-11-29T10:01:00+00:00", "service": "ec2", "action": "RunInstances", "status": 200},
    ]
    minute = (START, START + timedelta(minutes=1))
    counted = {"ec2.RunInstances": 1, "elbv2.DeleteTargetGroup!": 1}
    assert calls_between(calls_of_the_trail(trail), *minute) == counted
    assert calls_between(calls_of_the_lab(log), *minute) == counted


def test_what_aws_answers_otherwise_is_named_and_what_differs_anyway_is_not() -> None:
    def export(address: str, **outputs: object) -> dict[str, object]:
        urn = "urn:pulumi:dev::eps-dos-api::aws:ec2/eip:Eip::dev-vip-eu-west-2a"
        return {
            "deployment": {
                "resources": [{"type": "aws:ec2/eip:Eip", "urn": urn, "outputs": {"publicIp": address, **outputs}}]
            }
        }

    lab = resources(export("203.0.113.1", domain="vpc", tags={}, mapped=[1, 2], protected=True))
    assert [*differences(lab, resources(export("192.0.2.9", domain="vpc", tags={}, mapped=[3], protected=True)))] == []
    aws = resources(export("192.0.2.9", domain=None, tags={}, mapped=["3"], protected=False, ptrRecord="x"))
    place = "aws:ec2/eip:Eip dev-vip-eu-west-2a"
    assert [*differences(lab, aws)] == [
        f"{place}: domain: 'str' in the lab, None in AWS",
        f"{place}: mapped[]: 'int' in the lab, 'str' in AWS",
        f"{place}: protected: True in the lab, False in AWS",
        f"{place}: ptrRecord: only in AWS, 'str'",
    ]
    assert [*differences({"a": 1, "b": {}}, {"b": {}})] == ["a: only in the lab, 1"]
    assert kinds([]) == []
