"""Rollout: the one way in which a release reaches the instances, as a resource whose update is an instance refresh.

The project's own provider does it (rollout/). Left out: everything that happens.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from infra.components.image import Image
from infra.environment import AwsPlan, RolloutPlan
from infra.types import ROLLOUT


class RolloutProvider(pulumi.ProviderResource):
    """Where and as whom rollouts work. On the resource itself, a refresh would use what the state has."""

    def __init__(self, plan: AwsPlan) -> None:
        # As the AWS provider's: texts, with JSON for lists.
        roles = [{"roleArn": arn} for arn in plan.assume_role_arns]
        properties = {
            "region": plan.region,
            "profile": plan.profile,
            "assumeRoles": json.dumps(roles) if roles else None,
        }
        super().__init__("eps-dos", "eps-dos", properties)


@dataclass(frozen=True, kw_only=True)
class RolloutArgs:
    """What a rollout is made from."""

    plan: RolloutPlan
    release: pulumi.Input[str]
    image: Image
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
            "image": args.image.name,
            "imageId": args.image.id,
            "autoScalingGroup": args.auto_scaling_group,
            "launchTemplateId": args.launch_template_id,
            "launchTemplateVersion": args.launch_template_version,
            "minimumHealthyPercent": args.plan.minimum_healthy_percent,
            "maximumHealthyPercent": args.plan.maximum_healthy_percent,
            "instanceWarmupSeconds": args.plan.instance_warmup_seconds,
            "bakeSeconds": args.plan.bake_seconds,
            "alarmNames": list(args.alarm_names),
            "alarmsOverridden": args.plan.alarms_overridden,
        }
        if args.image.missing:
            properties["imageMissing"] = args.image.missing
            opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["imageId"]))
        super().__init__(ROLLOUT, f"{name}-rollout", properties, opts)
