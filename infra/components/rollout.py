"""Rollout: the one way in which a release reaches the instances, as a resource whose update is an instance refresh.

The project's own provider does it (rollout/). Left out: everything that happens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from infra.environment import AwsPlan, RolloutPlan
from infra.types import ROLLOUT


@dataclass(frozen=True, kw_only=True)
class RolloutArgs:
    """What a rollout is made from."""

    plan: RolloutPlan
    aws: AwsPlan
    release: pulumi.Input[str]
    image_id: pulumi.Input[str]
    auto_scaling_group: pulumi.Input[str]
    launch_template_id: pulumi.Input[str]
    launch_template_version: pulumi.Input[str]
    alarm_names: Sequence[pulumi.Input[str]]
    """Alarms that stop the rollout; its instances are then replaced by the old release again."""


class Rollout(pulumi.CustomResource):
    """The release of an environment: its update is the rollout. A preview shows `release: 1.4.0 => 1.5.0`."""

    def __init__(self, name: str, args: RolloutArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        properties = {
            "release": args.release,
            "imageId": args.image_id,
            "autoScalingGroup": args.auto_scaling_group,
            "launchTemplateId": args.launch_template_id,
            "launchTemplateVersion": args.launch_template_version,
            "minimumHealthyPercent": args.plan.minimum_healthy_percent,
            "maximumHealthyPercent": args.plan.maximum_healthy_percent,
            "instanceWarmupSeconds": args.plan.instance_warmup_seconds,
            "bakeSeconds": args.plan.bake_seconds,
            "alarmNames": list(args.alarm_names),
            "region": args.aws.region,
            "profile": args.aws.profile or "",
            "assumeRoleArns": list(args.aws.assume_role_arns),
        }
        super().__init__(ROLLOUT, f"{name}-rollout", properties, opts)
