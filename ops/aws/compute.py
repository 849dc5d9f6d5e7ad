"""Scaling groups, instances and launch templates, as AWS has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.values import mapping
from ops.aws.clients import Aws, listed
from ops.aws.images import read_images
from ops.aws.ownership import Document, Tags, tagged, tags_of

IN_SERVICE = "InService"


@dataclass(frozen=True, kw_only=True)
class Member:
    """An instance as its Auto Scaling group sees it."""

    id: str
    zone: str
    lifecycle: str
    """`Pending`, `InService`, `Terminating`, ..."""
    template_id: str
    template_version: str


@dataclass(frozen=True, kw_only=True)
class ScalingGroup:
    """An Auto Scaling group."""

    name: str
    minimum: int
    maximum: int
    desired: int
    template_id: str
    template_version: str
    subnet_ids: tuple[str, ...]
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

    def number(self, named: str) -> int | None:
        """Return the version that a group means: a number, `$Latest` or `$Default`; None if there is no such version.

        Source: EC2 Auto Scaling API, LaunchTemplateSpecification.
        """
        if named == "$Latest":
            return self.versions[-1].number
        return next(
            (
                version.number
                for version in self.versions
                if named == str(version.number) or (named == "$Default" and version.default)
            ),
            None,
        )


def read_scaling_groups(aws: Aws, environment: str) -> tuple[ScalingGroup, ...]:
    """Return the environment's Auto Scaling groups with instances, policies and schedules."""
    groups = listed(aws.autoscaling, "describe_auto_scaling_groups", "AutoScalingGroups[]", Filters=tagged(environment))
    return tuple(_scaling_group(aws, group) for group in groups)


def _scaling_group(aws: Aws, group: Mapping[str, Any]) -> ScalingGroup:
    name = group["AutoScalingGroupName"]
    policies = listed(aws.autoscaling, "describe_policies", "ScalingPolicies[]", AutoScalingGroupName=name)
    actions = listed(
        aws.autoscaling, "describe_scheduled_actions", "ScheduledUpdateGroupActions[]", AutoScalingGroupName=name
    )
    template = group.get("LaunchTemplate", {})
    return ScalingGroup(
        name=name,
        minimum=group["MinSize"],
        maximum=group["MaxSize"],
        desired=group["DesiredCapacity"],
        template_id=template.get("LaunchTemplateId", ""),
        template_version=template.get("Version", ""),
        subnet_ids=tuple(filter(None, group.get("VPCZoneIdentifier", "").split(","))),
        target_group_arns=tuple(group.get("TargetGroupARNs", [])),
        members=tuple(
            Member(
                id=member["InstanceId"],
                zone=member["AvailabilityZone"],
                lifecycle=member["LifecycleState"],
                template_id=member.get("LaunchTemplate", {}).get("LaunchTemplateId", ""),
                template_version=member.get("LaunchTemplate", {}).get("Version", ""),
            )
            for member in group["Instances"]
        ),
        policies={policy["PolicyName"]: mapping(policy) for policy in policies},
        schedules={action["ScheduledActionName"]: mapping(action) for action in actions},
        tags=tags_of(group.get("Tags")),
    )


def list_instances(aws: Aws, environment: str, *states: str) -> Iterator[Mapping[str, Any]]:
    """Yield the environment's instances that are in one of `states`, as in the API."""
    filters = [*tagged(environment), {"Name": "instance-state-name", "Values": [*states]}]
    return listed(aws.ec2, "describe_instances", "Reservations[].Instances[]", Filters=filters)


def read_instances(aws: Aws, environment: str) -> tuple[Instance, ...]:
    """Return the environment's instances that aren't terminated, with the names of their images."""
    instances = [*list_instances(aws, environment, "pending", "running", "stopping", "stopped")]
    names = {
        image.id: image.name for image in read_images(aws, "image-id", {instance["ImageId"] for instance in instances})
    }
    return tuple(
        Instance(
            id=instance["InstanceId"],
            image_id=instance["ImageId"],
            image_name=names.get(instance["ImageId"], ""),
            public_ip=instance.get("PublicIpAddress") or None,
            tokens_required=instance.get("MetadataOptions", {}).get("HttpTokens") == "required",
            tags=tags_of(instance.get("Tags")),
        )
        for instance in instances
    )


def read_launch_templates(aws: Aws, environment: str) -> tuple[LaunchTemplate, ...]:
    """Return the environment's launch templates with every version."""
    return tuple(
        LaunchTemplate(
            id=template["LaunchTemplateId"],
            name=template["LaunchTemplateName"],
            versions=_versions(aws, template["LaunchTemplateId"]),
            tags=tags_of(template.get("Tags")),
        )
        for template in listed(aws.ec2, "describe_launch_templates", "LaunchTemplates[]", Filters=tagged(environment))
    )


def _versions(aws: Aws, template_id: str) -> tuple[TemplateVersion, ...]:
    versions = listed(
        aws.ec2, "describe_launch_template_versions", "LaunchTemplateVersions[]", LaunchTemplateId=template_id
    )
    return tuple(
        TemplateVersion(
            number=version["VersionNumber"],
            default=version["DefaultVersion"],
            data=mapping(version["LaunchTemplateData"]),
        )
        for version in sorted(versions, key=lambda version: version["VersionNumber"])
    )
