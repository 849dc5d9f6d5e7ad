"""Scaling policies."""

from __future__ import annotations

from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.service import Service


def test_target_tracking_shows_nothing_of_predictive_scaling(emulator: RunningEmulator) -> None:
    service = Service.made(emulator, size=0)
    metric = {"PredefinedMetricType": "ASGAverageCPUUtilization"}
    service.autoscaling.put_scaling_policy(
        AutoScalingGroupName="service",
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={"PredefinedMetricSpecification": metric, "TargetValue": 50.0},
    )
    (policy,) = service.autoscaling.describe_policies(PolicyNames=["cpu"])["ScalingPolicies"]
    assert "PredictiveScalingConfiguration" not in policy
    assert policy["TargetTrackingConfiguration"]["TargetValue"] == 50.0
