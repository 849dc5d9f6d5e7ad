"""Scaling groups, instances and launch templates, as AWS has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.values import mapping
from ops.aws.clients import Aws
from ops.aws.ownership import Document, Tags, tagged, tags_of

if TYPE_CHECKING:
    # Stubs, which only the development environment has.
    from mypy_boto3_ec2.type_defs import FilterTypeDef


IN_SERVICE = "InService"


@dataclass(frozen=True, kw_only=True)
class Member:
    """An instance as its Auto Scaling group sees it."""

    id: str
    zone: str
    lifecycle: str
    """`Pending`, `InService`, `Terminating`, ..."""
    health: str
    template_id: str
    template_version: str


@dataclass(frozen=True, kw_only=True)
class ScalingGroup:
    """An Auto Scaling group."""

    name: str
    minimum: int
    maximum: int
    desired: int
    zones: tuple[str, ...]
    subnet_ids: tuple[str, ...]
    health_check_type: str
    template_id: str
    template_version: str
    target_group_arns: tuple[str, ...]
    members: tuple[Member, ...]
    policies: Mapping[str, Document]
    """Scaling policies by name, as in the API."""
    schedules: Mapping[str, Document]
    """Scheduled actions by name, as in the API."""
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A machine that isn't terminated."""

    id: str
    image_id: str
    image_name: str
    """Empty if the image is gone."""
    type: str
    zone: str
    state: str
    public_ip: str | None
    tokens_required: bool
    """Instance metadata by version 2 only."""
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class TemplateVersion:
    """One version of a launch template."""

    number: int
    default: bool
    data: Document
    """As in the API (ResponseLaunchTemplateData)."""


@dataclass(frozen=True, kw_only=True)
class LaunchTemplate:
    """What instances are made from; versions in order."""

    id: str
    name: str
    versions: tuple[TemplateVersion, ...]
    tags: Tags


def read_scaling_groups(aws: Aws, environment: str) -> tuple[ScalingGroup, ...]:
    """Return the environment's Auto Scaling groups with instances, policies and schedules."""
    pages = aws.autoscaling.get_paginator("describe_auto_scaling_groups").paginate(Filters=tagged(environment))
    groups = []
    for one in (group for page in pages for group in page["AutoScalingGroups"]):
        name = one["AutoScalingGroupName"]
        policies = aws.autoscaling.get_paginator("describe_policies").paginate(AutoScalingGroupName=name)
        actions = aws.autoscaling.get_paginator("describe_scheduled_actions").paginate(AutoScalingGroupName=name)
        template = one.get("LaunchTemplate", {})
        groups.append(
            ScalingGroup(
                name=name,
                minimum=one["MinSize"],
                maximum=one["MaxSize"],
                desired=one["DesiredCapacity"],
                zones=tuple(sorted(one["AvailabilityZones"])),
                subnet_ids=tuple(sorted(filter(None, one.get("VPCZoneIdentifier", "").split(",")))),
                health_check_type=one["HealthCheckType"],
                template_id=template.get("LaunchTemplateId", ""),
                template_version=template.get("Version", ""),
                target_group_arns=tuple(one.get("TargetGroupARNs", [])),
                members=tuple(
                    Member(
                        id=member["InstanceId"],
                        zone=member["AvailabilityZone"],
                        lifecycle=member["LifecycleState"],
                        health=member["HealthStatus"],
                        template_id=member.get("LaunchTemplate", {}).get("LaunchTemplateId", ""),
                        template_version=member.get("LaunchTemplate", {}).get("Version", ""),
                    )
                    for member in one["Instances"]
                ),
                policies={
                    policy["PolicyName"]: mapping(policy) for page in policies for policy in page["ScalingPolicies"]
                },
                schedules={
                    action["ScheduledActionName"]: mapping(action)
                    for page in actions
                    for action in page["ScheduledUpdateGroupActions"]
                },
                tags=tags_of(one.get("Tags")),
            )
        )
    return tuple(groups)


def read_instances(aws: Aws, environment: str) -> tuple[Instance, ...]:
    """Return the environment's instances that aren't terminated, with the names of their images."""
    alive: list[FilterTypeDef] = [
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}
    ]
    pages = aws.ec2.get_paginator("describe_instances").paginate(Filters=[*tagged(environment), *alive])
    found = [one for page in pages for reservation in page["Reservations"] for one in reservation["Instances"]]
    names = _image_names(aws, {one["ImageId"] for one in found})
    return tuple(
        Instance(
            id=one["InstanceId"],
            image_id=one["ImageId"],
            image_name=names.get(one["ImageId"], ""),
            type=one["InstanceType"],
            zone=one["Placement"]["AvailabilityZone"],
            state=one["State"]["Name"],
            public_ip=one.get("PublicIpAddress") or None,
            tokens_required=one.get("MetadataOptions", {}).get("HttpTokens") == "required",
            tags=tags_of(one.get("Tags")),
        )
        for one in found
    )


def _image_names(aws: Aws, image_ids: Iterable[str]) -> dict[str, str]:
    # By filter, and not by id: one that was deregistered is an empty answer then, and no error.
    wanted: list[FilterTypeDef] = [{"Name": "image-id", "Values": sorted(image_ids)}]
    if not wanted[0].get("Values"):
        return {}
    return {one["ImageId"]: one.get("Name", "") for one in aws.ec2.describe_images(Filters=wanted)["Images"]}


def read_launch_templates(aws: Aws, environment: str) -> tuple[LaunchTemplate, ...]:
    """Return the environment's launch templates with every version."""
    pages = aws.ec2.get_paginator("describe_launch_templates").paginate(Filters=tagged(environment))
    templates = []
    for one in (template for page in pages for template in page["LaunchTemplates"]):
        versions = aws.ec2.get_paginator("describe_launch_template_versions").paginate(
            LaunchTemplateId=one["LaunchTemplateId"]
        )
        templates.append(
            LaunchTemplate(
                id=one["LaunchTemplateId"],
                name=one["LaunchTemplateName"],
                versions=tuple(
                    sorted(
                        (
                            TemplateVersion(
                                number=version["VersionNumber"],
                                default=version["DefaultVersion"],
                                data=mapping(version["LaunchTemplateData"]),
                            )
                            for page in versions
                            for version in page["LaunchTemplateVersions"]
                        ),
                        key=lambda version: version.number,
                    )
                ),
                tags=tags_of(one.get("Tags")),
            )
        )
    return tuple(templates)
