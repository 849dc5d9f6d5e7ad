"""Service: the instances behind the load balancer, what they are made from and what they may do.

Which release runs is decided when the group is made and afterwards changed by `rollout` alone, so the group ignores its
launch template; how many run is scaling's, so it ignores its desired capacity.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import access, user_data
from infra.components.image import Image, look_up
from infra.environment import DatasetPlan, RolloutPlan, ServicePlan
from infra.tags import ACCOUNTING_TAGS

GRACE_PERIOD_SECONDS = 300
"""How long an instance may start before a failing health check counts; the default of AWS's console."""

SCHEDULE_UNCHANGED = -1
"""The provider's value for "leave this number as it is" in a scheduled action."""


LAUNCHED = (
    "imageId",
    "instanceType",
    "userData",
    "iamInstanceProfile",
    "metadataOptions",
    "monitoring",
    "networkInterfaces",
    "blockDeviceMappings",
    "tagSpecifications",
)
"""Inputs of a launch template that say what is launched: each change of one is a new version."""


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """What the service is made from."""

    plan: ServicePlan
    rollout: RolloutPlan
    dataset: DatasetPlan
    environment: str
    log_retention_days: int
    partition: pulumi.Input[str]
    permissions_boundary_arn: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Private subnets by zone."""
    security_group_id: pulumi.Input[str]
    target_group_arn: pulumi.Input[str]
    tags: Mapping[str, str]
    template_tags: Mapping[str, str]
    """Of the launch template; what it launches gets those of them that don't account for money."""


class Service(pulumi.ComponentResource):
    """An Auto Scaling group over all zones, its launch template, its role, its scaling."""

    group_name: pulumi.Output[str]
    launch_template_id: pulumi.Output[str]
    launch_template_version: pulumi.Output[str]
    image: Image

    def __init__(self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eps-dos-api:infra:Service", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role_policy, profile = self._role(name, args)
        image = look_up(args.plan, self)
        if image.missing:
            pulumi.log.warn(f"release {args.plan.release}: {image.missing}; what runs stays", resource=self)
        template = self._launch_template(name, args, image, profile)
        group = aws.autoscaling.Group(
            f"{name}-service",
            vpc_zone_identifiers=[args.subnet_ids[zone] for zone in sorted(args.subnet_ids)],
            launch_template=aws.autoscaling.GroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            min_size=args.plan.capacity.minimum,
            max_size=args.plan.capacity.maximum,
            desired_capacity=args.plan.initial_capacity,
            target_group_arns=[args.target_group_arn],
            health_check_type="ELB",
            health_check_grace_period=GRACE_PERIOD_SECONDS,
            default_instance_warmup=args.rollout.instance_warmup_seconds,
            # What runs is verified after `up`; waiting here would end in a failed create with instances left behind.
            wait_for_capacity_timeout="0",
            metrics_granularity="1Minute",
            enabled_metrics=["GroupDesiredCapacity", "GroupInServiceInstances", "GroupMaxSize", "GroupMinSize"],
            # What the launch template gives to instances is not given here as well: two sources of one fact.
            tags=[
                aws.autoscaling.GroupTagArgs(key=key, value=value, propagate_at_launch=key in ACCOUNTING_TAGS)
                for key, value in sorted({**args.tags, "Name": f"{name}-service"}.items())
            ],
            opts=pulumi.ResourceOptions(
                parent=self, ignore_changes=["launchTemplate", "desiredCapacity"], depends_on=[role_policy]
            ),
        )
        aws.autoscaling.Policy(
            f"{name}-cpu",
            autoscaling_group_name=group.name,
            policy_type="TargetTrackingScaling",
            target_tracking_configuration=aws.autoscaling.PolicyTargetTrackingConfigurationArgs(
                predefined_metric_specification=aws.autoscaling.PolicyTargetTrackingConfigurationPredefinedMetricSpecificationArgs(
                    predefined_metric_type="ASGAverageCPUUtilization"
                ),
                target_value=float(args.plan.capacity.target_cpu_percent),
                # A schedule sets the desired capacity and no minimum: scaling in would undo it within the hour.
                disable_scale_in=args.plan.capacity.may_be_empty,
            ),
            opts=child,
        )
        for schedule in args.plan.schedules:
            aws.autoscaling.Schedule(
                f"{name}-{schedule.name}",
                scheduled_action_name=f"{name}-{schedule.name}",
                autoscaling_group_name=group.name,
                recurrence=schedule.recurrence,
                time_zone=schedule.time_zone,
                start_time=schedule.start,
                desired_capacity=schedule.desired,
                min_size=SCHEDULE_UNCHANGED,
                max_size=SCHEDULE_UNCHANGED,
                # An update would send back the start that AWS worked out by the old rule, which then holds once more or
                # is past and refused (terraform-provider-aws #38983); AWS moves it on after each firing.
                opts=pulumi.ResourceOptions(
                    parent=self, replace_on_changes=["*"], delete_before_replace=True, ignore_changes=["startTime"]
                ),
            )
        self.group_name = group.name
        self.launch_template_id = template.id
        self.launch_template_version = template.latest_version.apply(str)
        self.image = image
        self.register_outputs({"autoScalingGroup": self.group_name})

    def _role(self, name: str, args: ServiceArgs) -> tuple[aws.iam.RolePolicy, aws.iam.InstanceProfile]:
        child = pulumi.ResourceOptions(parent=self)
        logs = aws.cloudwatch.LogGroup(
            f"{name}-service",
            name=access.named(name, "service"),
            retention_in_days=args.log_retention_days,
            tags=dict(args.tags),
            opts=child,
        )
        role = aws.iam.Role(
            f"{name}-service",
            name=access.service_role_name(args.environment),
            assume_role_policy=access.as_json(access.trust("ec2.amazonaws.com")),
            permissions_boundary=args.permissions_boundary_arn,
            tags=dict(args.tags),
            opts=child,
        )
        policy = aws.iam.RolePolicy(
            f"{name}-service",
            role=role.id,
            policy=pulumi.Output.all(args.partition, logs.arn).apply(
                lambda where: access.as_json(
                    access.service_permissions(args.plan, args.dataset, args.environment, *where)
                )
            ),
            opts=child,
        )
        profile = aws.iam.InstanceProfile(
            f"{name}-service",
            name=access.named(name, "service"),
            role=role.name,
            tags=dict(args.tags),
            opts=child,
        )
        return policy, profile

    def _launch_template(
        self,
        name: str,
        args: ServiceArgs,
        image: Image,
        profile: aws.iam.InstanceProfile,
    ) -> aws.ec2.LaunchTemplate:
        tags = {**args.template_tags, "Name": f"{name}-service"}
        launched = {key: value for key, value in tags.items() if key not in ACCOUNTING_TAGS}
        return aws.ec2.LaunchTemplate(
            f"{name}-service",
            image_id=image.id,
            instance_type=args.plan.instance_type,
            user_data=user_data.encoded(args.plan.instance_configuration),
            update_default_version=True,
            iam_instance_profile=aws.ec2.LaunchTemplateIamInstanceProfileArgs(arn=profile.arn),
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled",
                http_tokens="required",
                # One hop: what runs in a container beside the service does not get the role.
                http_put_response_hop_limit=1,
            ),
            monitoring=aws.ec2.LaunchTemplateMonitoringArgs(enabled=True),
            network_interfaces=[
                aws.ec2.LaunchTemplateNetworkInterfaceArgs(
                    device_index=0,
                    # Strings, because that is what the provider's schema has.
                    associate_public_ip_address="false",
                    delete_on_termination="true",
                    security_groups=[args.security_group_id],
                )
            ],
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name=image.root_device_name,
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        encrypted="true", delete_on_termination="true", volume_type="gp3"
                    ),
                )
            ],
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=launched)
                for kind in ("instance", "network-interface", "volume")
            ],
            tags=tags,
            # Without an image nothing can be launched from a new version either: there is none.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=list(LAUNCHED) if image.missing else None),
        )
