"""Scaling policies that show what their type has, and nothing of other types.

Rule: Auto Scaling API reference, ScalingPolicy: PredictiveScalingConfiguration is a predictive scaling policy's. moto
shows an empty one for each, which the AWS provider takes for a change by hand: its plan never settles.
"""

from __future__ import annotations

from typing import Any

from moto.autoscaling.models import AutoScalingBackend, autoscaling_backends

from lab.emulator.extensions.hooks import extends


@extends(autoscaling_backends)
class Policies(AutoScalingBackend):
    """moto's backend, without that."""

    def put_scaling_policy(self, *args: Any, **settings: Any) -> Any:
        settings["predictive_scaling_configuration"] = settings.get("predictive_scaling_configuration") or None
        return super().put_scaling_policy(*args, **settings)
