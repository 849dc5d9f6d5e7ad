"""Monitoring: alarms, the topic that carries them, a dashboard.

The alarms ask what a tester or a supplier would: does a target fail, does a zone have none, is there room to grow.
Left out: what the service itself counts; it writes its own metrics, under its own namespace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import access, dashboard
from infra.components.service import GRACE_PERIOD_SECONDS
from infra.environment import Capacity, MonitoringPlan

PERIOD_SECONDS = 60
"""Network Load Balancers report once a minute (Elastic Load Balancing guide)."""

UNHEALTHY_MINUTES = GRACE_PERIOD_SECONDS // PERIOD_SECONDS + 1
"""Longer than an instance may take to start: a slow start is no failure, and a rollout stops at this alarm."""


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What is watched, and for whom."""

    plan: MonitoringPlan
    capacity: Capacity
    region: str
    account_id: pulumi.Input[str]
    zones: Sequence[str]
    load_balancer_arn_suffix: pulumi.Input[str]
    target_group_arn_suffix: pulumi.Input[str]
    auto_scaling_group: pulumi.Input[str]
    tags: Mapping[str, str]


class Monitoring(pulumi.ComponentResource):
    """Alarms, topic and dashboard of an environment."""

    rollout_alarm_names: Sequence[pulumi.Output[str]]
    """Those that speak against a release: a rollout stops at them."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eps-dos-api:infra:Monitoring", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        topic = self._topic(name, args)
        targets = {"LoadBalancer": args.load_balancer_arn_suffix, "TargetGroup": args.target_group_arn_suffix}

        def alarm(
            label: str,
            description: str,
            metric: tuple[str, str],
            dimensions: Mapping[str, pulumi.Input[str]],
            statistic: str,
            comparison: str,
            threshold: float,
            *,
            minutes: int,
            missing: str,
        ) -> aws.cloudwatch.MetricAlarm:
            namespace, metric_name = metric
            return aws.cloudwatch.MetricAlarm(
                f"{name}-{label}",
                name=access.named(name, label),
                alarm_description=description,
                namespace=namespace,
                metric_name=metric_name,
                dimensions=dict(dimensions),
                statistic=statistic,
                comparison_operator=comparison,
                threshold=threshold,
                period=PERIOD_SECONDS,
                evaluation_periods=minutes,
                treat_missing_data=missing,
                alarm_actions=[topic.arn],
                ok_actions=[topic.arn],
                tags={**args.tags, "Name": f"{name}-{label}"},
                opts=child,
            )

        unhealthy = alarm(
            "unhealthy-hosts",
            "A target fails its health check.",
            ("AWS/NetworkELB", "UnHealthyHostCount"),
            targets,
            "Maximum",
            "GreaterThanOrEqualToThreshold",
            1,
            minutes=UNHEALTHY_MINUTES,
            missing="notBreaching",
        )
        empty_zones = [
            alarm(
                f"empty-{zone}",
                f"{zone} has no healthy target.",
                ("AWS/NetworkELB", "HealthyHostCount"),
                {**targets, "AvailabilityZone": zone},
                "Minimum",
                "LessThanThreshold",
                1,
                minutes=3,
                # An environment that may be empty reports nothing while it is, and nobody shall be woken by that.
                missing="notBreaching" if args.capacity.may_be_empty else "breaching",
            )
            for zone in args.zones
        ]
        alarm(
            "at-maximum",
            f"All {args.capacity.maximum} instances that may run do run: there is no room to grow.",
            ("AWS/AutoScaling", "GroupInServiceInstances"),
            {"AutoScalingGroupName": args.auto_scaling_group},
            "Minimum",
            "GreaterThanOrEqualToThreshold",
            args.capacity.maximum,
            minutes=5,
            missing="notBreaching",
        )
        aws.cloudwatch.CompositeAlarm(
            f"{name}-down",
            alarm_name=access.named(name, "down"),
            alarm_description="No zone has a healthy target: the environment doesn't answer.",
            alarm_rule=pulumi.Output.all(*(zone.name for zone in empty_zones)).apply(
                lambda names: " AND ".join(f'ALARM("{alarm}")' for alarm in names)
            ),
            alarm_actions=[topic.arn],
            ok_actions=[topic.arn],
            tags={**args.tags, "Name": f"{name}-down"},
            opts=child,
        )
        aws.cloudwatch.Dashboard(
            f"{name}-dashboard",
            dashboard_name=f"eps-dos-api-{name}",
            dashboard_body=pulumi.Output.all(
                load_balancer=args.load_balancer_arn_suffix,
                target_group=args.target_group_arn_suffix,
                auto_scaling_group=args.auto_scaling_group,
            ).apply(
                lambda measured: access.as_json(
                    dashboard.body(dashboard.Measured(region=args.region, zones=args.zones, **measured), args.capacity)
                )
            ),
            opts=child,
        )
        self.rollout_alarm_names = [unhealthy.name]
        self.register_outputs({"topic": topic.arn})

    def _topic(self, name: str, args: MonitoringArgs) -> aws.sns.Topic:
        child = pulumi.ResourceOptions(parent=self)
        topic = aws.sns.Topic(
            f"{name}-alarms",
            name=access.named(name, "alarms"),
            # Not under alias/aws/sns: CloudWatch can't use that key and its alarms would be lost (Amazon SNS guide,
            # server-side encryption). An alarm names resources and counts, nothing else.
            tags={**args.tags, "Name": f"{name}-alarms"},
            opts=child,
        )
        aws.sns.TopicPolicy(
            f"{name}-alarms",
            arn=topic.arn,
            policy=pulumi.Output.all(topic.arn, args.account_id).apply(
                lambda arn_and_account: access.as_json(access.alarm_topic_policy(*arn_and_account))
            ),
            opts=child,
        )
        for email in args.plan.subscriber_emails:
            aws.sns.TopicSubscription(
                f"{name}-alarms-{email}", topic=topic.arn, protocol="email", endpoint=email, opts=child
            )
        return topic
