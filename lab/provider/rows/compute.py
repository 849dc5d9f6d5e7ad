"""Rows of what runs instances: launch templates, Auto Scaling groups, their policies and schedules.

What replaces is from hashicorp/terraform-provider-aws, internal/service/ec2/ec2_launch_template.go and
internal/service/autoscaling. Left out: instance refreshes of the group (the provider starts them after it has updated
the group), mixed instances, warm pools, lifecycle hooks, classic load balancers, launch configurations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lab.provider.forms import (
    PLAIN,
    Form,
    Joined,
    ListOf,
    Moment,
    Part,
    SetOf,
    TagMap,
    TextFlag,
    Unchanged,
    nested,
)
from lab.provider.lifecycle import described
from lab.provider.model import NOT_SENT, Call, Look, Name, Property, Resource, Update
from lab.provider.rows import tagging
from lab.provider.work import Work

_TARGET_GROUPS_PER_REQUEST = 10
"""EC2 Auto Scaling API reference, AttachLoadBalancerTargetGroups: the most that one request takes."""


def _in_template(parameter: str, form: Form = PLAIN, **facts: Any) -> Property:
    return Property(sends=f"LaunchTemplateData.{parameter}", form=form, **facts)


_FLAG = Part(form=TextFlag())

_TEMPLATE_DATA = {
    "blockDeviceMappings": _in_template(
        "BlockDeviceMappings",
        ListOf(
            nested(
                "deviceName noDevice virtualName",
                ebs=Part(
                    form=nested(
                        "iops kmsKeyId snapshotId throughput volumeSize volumeType",
                        deleteOnTermination=_FLAG,
                        encrypted=_FLAG,
                    )
                ),
            )
        ),
    ),
    "creditSpecification": _in_template("CreditSpecification", nested("cpuCredits")),
    "disableApiStop": _in_template("DisableApiStop"),
    "disableApiTermination": _in_template("DisableApiTermination"),
    "ebsOptimized": _in_template("EbsOptimized", TextFlag()),
    "iamInstanceProfile": _in_template("IamInstanceProfile", nested("arn name")),
    "imageId": _in_template("ImageId"),
    "instanceInitiatedShutdownBehavior": _in_template(
        "InstanceInitiatedShutdownBehavior", allowed=("stop", "terminate")
    ),
    "instanceType": _in_template("InstanceType"),
    "keyName": _in_template("KeyName"),
    "metadataOptions": _in_template(
        "MetadataOptions",
        nested(
            httpEndpoint=Part(computed=True),
            httpProtocolIpv6=Part(computed=True),
            httpPutResponseHopLimit=Part(computed=True),
            httpTokens=Part(computed=True),
            instanceMetadataTags=Part(computed=True),
        ),
        computed=True,
    ),
    "monitoring": _in_template("Monitoring", nested("enabled")),
    "networkInterfaces": _in_template(
        "NetworkInterfaces",
        ListOf(
            nested(
                "description deviceIndex interfaceType ipv6AddressCount networkCardIndex networkInterfaceId"
                " privateIpAddress subnetId",
                associatePublicIpAddress=_FLAG,
                deleteOnTermination=_FLAG,
                ipv4AddressCount=Part("SecondaryPrivateIpAddressCount"),
                securityGroups=Part("Groups", form=SetOf()),
            )
        ),
    ),
    "tagSpecifications": _in_template("TagSpecifications", ListOf(nested("resourceType", tags=Part(form=TagMap())))),
    "userData": _in_template("UserData"),
    "vpcSecurityGroupIds": _in_template("SecurityGroupIds", SetOf()),
}


def _set_default_version(work: Work) -> None:
    if work.inputs.get("defaultVersion") is not None:
        version = work.inputs["defaultVersion"]
    elif work.inputs.get("updateDefaultVersion"):
        found = work.call("describe_launch_templates", LaunchTemplateIds=[work.id])["LaunchTemplates"][0]
        version = found["LatestVersionNumber"]
    else:
        return
    work.call("modify_launch_template", LaunchTemplateId=work.id, DefaultVersion=str(version))


def _described_template(_work: Work, description: dict[str, Any]) -> dict[str, Any]:
    # The tags of the template itself aren't part of what it launches, although moto lists them there.
    data = dict(description.get("LaunchTemplateData") or {})
    launched = [one for one in data.get("TagSpecifications") or [] if one["ResourceType"] != "launch-template"]
    return {**description, "LaunchTemplateData": {**data, "TagSpecifications": launched}}


_VERSIONED = ("description", *_TEMPLATE_DATA)

LAUNCH_TEMPLATE = Resource(  # ec2_launch_template.go: ForceNew name and prefix; CustomizeDiff renews the versions
    type="aws:ec2/launchTemplate:LaunchTemplate",
    label="EC2 Launch Template",
    service="ec2",
    properties={
        "name": Property(sends="LaunchTemplateName", replaces=True, computed=True, longest=128),
        "namePrefix": Property(sends=NOT_SENT, reads=NOT_SENT, replaces=True, longest=99),
        "description": Property(sends="VersionDescription", longest=255),
        "defaultVersion": Property(sends=NOT_SENT, reads="DefaultVersionNumber", computed=True),
        "updateDefaultVersion": Property(sends=NOT_SENT, reads=NOT_SENT),
        **_TEMPLATE_DATA,
    },
    create=(Call(operation="create_launch_template", id="LaunchTemplate.LaunchTemplateId"),),
    updates=(
        Update(
            on=_VERSIONED,
            do=Call(
                operation="create_launch_template_version",
                parameters={"LaunchTemplateId": "{id}"},
                sends=_VERSIONED,
            ),
            everything=True,
        ),
        Update(on=(*_VERSIONED, "defaultVersion", "updateDefaultVersion"), do=_set_default_version),
    ),
    reads=(
        Look(
            operation="describe_launch_templates",
            parameters={"LaunchTemplateIds": ["{id}"]},
            result="LaunchTemplates[0]",
        ),
        Look(
            operation="describe_launch_template_versions",
            parameters={"LaunchTemplateId": "{id}", "Versions": ["$Latest"]},
            result="LaunchTemplateVersions[0].{LaunchTemplateData: LaunchTemplateData,"
            " VersionDescription: VersionDescription}",
        ),
    ),
    describe=_described_template,
    delete=(Call(operation="delete_launch_template", parameters={"LaunchTemplateId": "{id}"}),),
    computed={
        "arn": "arn:{partition}:ec2:{region}:{account}:launch-template/{id}",
        "latestVersion": "LatestVersionNumber",
    },
    renews={"latestVersion": _VERSIONED, "defaultVersion": _VERSIONED},
    tags=tagging.ec2("launch-template"),
    name=Name(longest=128),
    gone=("InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.VersionNotFound"),
    conflicts=(("name", "namePrefix"), ("defaultVersion", "updateDefaultVersion")),
    unimplemented=(
        "capacityReservationSpecification", "cpuOptions", "enclaveOptions", "hibernationOptions",
        "instanceMarketOptions", "instanceRequirements", "kernelId", "licenseSpecifications", "maintenanceOptions",
        "networkPerformanceOptions", "placement", "privateDnsNameOptions", "ramDiskId", "secondaryInterfaces",
        "securityGroupNames",
    ),
)  # fmt: skip

_GROUP = {"AutoScalingGroupName": "{id}"}
# EC2 Auto Scaling has one code for all that it refuses.
_NOT_FOUND = ("ValidationError: not found",)
_UPDATED_IN_PLACE = (
    "capacityRebalance", "context", "defaultCooldown", "defaultInstanceWarmup", "desiredCapacity",
    "desiredCapacityType", "healthCheckGracePeriod", "healthCheckType", "instanceMaintenancePolicy",
    "launchTemplate", "maxInstanceLifetime", "maxSize", "minSize", "placementGroup", "protectFromScaleIn",
    "serviceLinkedRoleArn", "terminationPolicies", "vpcZoneIdentifiers", "availabilityZones",
)  # fmt: skip


def _difference(work: Work, name: str) -> tuple[list[Any], list[Any]]:
    wanted, actual = work.inputs.get(name) or [], work.state.get(name) or []
    return [item for item in wanted if item not in actual], [item for item in actual if item not in wanted]


def _attach_target_groups(work: Work) -> None:
    added, removed = _difference(work, "targetGroupArns")
    for operation, arns in (
        ("detach_load_balancer_target_groups", removed),
        ("attach_load_balancer_target_groups", added),
    ):
        for start in range(0, len(arns), _TARGET_GROUPS_PER_REQUEST):
            work.call(
                operation,
                AutoScalingGroupName=work.id,
                TargetGroupARNs=arns[start : start + _TARGET_GROUPS_PER_REQUEST],
            )


def _collect_metrics(work: Work) -> None:
    added, removed = _difference(work, "enabledMetrics")
    granularity_changed = "metricsGranularity" in work.changed
    if removed:
        work.call("disable_metrics_collection", AutoScalingGroupName=work.id, Metrics=removed)
    wanted = (work.inputs.get("enabledMetrics") or []) if granularity_changed else added
    if wanted:
        work.call(
            "enable_metrics_collection",
            AutoScalingGroupName=work.id,
            Granularity=work.inputs["metricsGranularity"],
            Metrics=wanted,
        )


def _suspend_processes(work: Work) -> None:
    added, removed = _difference(work, "suspendedProcesses")
    if removed:
        work.call("resume_processes", AutoScalingGroupName=work.id, ScalingProcesses=removed)
    if added:
        work.call("suspend_processes", AutoScalingGroupName=work.id, ScalingProcesses=added)


def _group_tag(work: Work, tag: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ResourceId": work.id or work.inputs["name"],
        "ResourceType": "auto-scaling-group",
        "Key": tag["key"],
        "Value": tag["value"],
        "PropagateAtLaunch": tag["propagateAtLaunch"],
    }


def _tag_group(work: Work) -> None:
    added, removed = _difference(work, "tags")
    kept = {tag["key"] for tag in work.inputs.get("tags") or []}
    gone = [_group_tag(work, tag) for tag in removed if tag["key"] not in kept]
    if gone:
        work.call("delete_tags", Tags=gone)
    if added:
        work.call("create_or_update_tags", Tags=[_group_tag(work, tag) for tag in added])


_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?")


def duration_seconds(text: str) -> float | None:
    """Return the seconds of a duration in Go's words (`10m`, `1h30m`, `0`), None if it is none."""
    if text == "0":
        return 0.0
    found = _DURATION.fullmatch(text)
    if not text or not found:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def _await_capacity(work: Work) -> None:
    """Wait, as the real provider does, until as many instances as wanted are in service and healthy."""
    patience = duration_seconds(str(work.inputs.get("waitForCapacityTimeout"))) or 0
    wanted = work.inputs.get("desiredCapacity") or work.inputs["minSize"]
    if not patience or not wanted:
        return

    def enough() -> bool:
        found = described(work) or {}
        healthy = [
            instance
            for instance in found.get("Instances", [])
            if instance.get("LifecycleState") == "InService" and instance.get("HealthStatus") == "Healthy"
        ]
        return len(healthy) >= int(wanted)

    work.until(enough, f"{wanted} healthy instance(s) in the group", patience)


def _drain(work: Work) -> None:
    """Bring the group to nothing first: AWS refuses to delete one that has instances."""
    if work.state.get("forceDelete"):
        work.call("delete_auto_scaling_group", AutoScalingGroupName=work.id, ForceDelete=True)
        return
    if described(work) is None:
        return
    work.call("update_auto_scaling_group", AutoScalingGroupName=work.id, MinSize=0, MaxSize=0, DesiredCapacity=0)
    work.until(lambda: not (described(work) or {}).get("Instances"), "the group's instances to be terminated", 600)


def _group_rules(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    timeout = inputs.get("waitForCapacityTimeout")
    if isinstance(timeout, str) and duration_seconds(timeout) is None:
        return [("waitForCapacityTimeout", f'"waitForCapacityTimeout" cannot be parsed as a duration: {timeout!r}')]
    return []


def _described_group(work: Work, description: dict[str, Any]) -> dict[str, Any]:
    metrics = description.get("EnabledMetrics") or []
    policies = description.get("TerminationPolicies")
    if policies == ["Default"] and not work.value("terminationPolicies"):
        policies = None
    return {
        **description,
        "EnabledMetricNames": [metric["Metric"] for metric in metrics],
        "Granularity": metrics[0].get("Granularity") if metrics else "1Minute",
        "TerminationPolicies": policies,
        "SuspendedProcessNames": [process["ProcessName"] for process in description.get("SuspendedProcesses") or []],
        # Here tags are a property like others, whose reading leaves ignored ones out, too (group.go, Read).
        "Tags": [tag for tag in description.get("Tags") or [] if tag["Key"] not in work.connection.ignored_tags],
    }


AUTO_SCALING_GROUP = Resource(  # group.go: ForceNew name, prefix, initial lifecycle hooks
    type="aws:autoscaling/group:Group",
    label="Auto Scaling Group",
    service="autoscaling",
    properties={
        "name": Property(sends="AutoScalingGroupName", replaces=True, computed=True, longest=255),
        "namePrefix": Property(sends=NOT_SENT, reads=NOT_SENT, replaces=True, longest=229),
        "launchTemplate": Property(
            form=nested(
                id=Part("LaunchTemplateId", computed=True),
                name=Part("LaunchTemplateName", computed=True),
                version=Part("Version", computed=True),
            ),
            computed=True,
        ),
        "minSize": Property(),
        "maxSize": Property(),
        "desiredCapacity": Property(computed=True),
        "desiredCapacityType": Property(allowed=("units", "vcpu", "memory-mib")),
        "vpcZoneIdentifiers": Property(sends="VPCZoneIdentifier", form=Joined(), computed=True),
        "availabilityZones": Property(form=SetOf(), computed=True),
        "targetGroupArns": Property(sends="TargetGroupARNs", form=SetOf(), computed=True),
        "healthCheckType": Property(computed=True),
        "healthCheckGracePeriod": Property(default=300),
        "defaultCooldown": Property(computed=True),
        "defaultInstanceWarmup": Property(cleared=-1),
        "maxInstanceLifetime": Property(cleared=0),
        "capacityRebalance": Property(cleared=False),
        "context": Property(),
        "instanceMaintenancePolicy": Property(
            form=nested("minHealthyPercentage maxHealthyPercentage"),
            cleared={"MinHealthyPercentage": -1, "MaxHealthyPercentage": -1},
        ),
        "placementGroup": Property(),
        "protectFromScaleIn": Property(sends="NewInstancesProtectedFromScaleIn", default=False),
        "serviceLinkedRoleArn": Property(sends="ServiceLinkedRoleARN", computed=True),
        "terminationPolicies": Property(form=ListOf(), cleared=["Default"]),
        "enabledMetrics": Property(sends=NOT_SENT, reads="EnabledMetricNames", form=SetOf()),
        "metricsGranularity": Property(sends=NOT_SENT, reads="Granularity", default="1Minute"),
        "suspendedProcesses": Property(sends=NOT_SENT, reads="SuspendedProcessNames", form=SetOf()),
        "tags": Property(form=SetOf(nested("key value propagateAtLaunch"), key="key")),
        "waitForCapacityTimeout": Property(sends=NOT_SENT, reads=NOT_SENT, default="10m"),
        "forceDelete": Property(sends=NOT_SENT, reads=NOT_SENT, default=False),
        "forceDeleteWarmPool": Property(sends=NOT_SENT, reads=NOT_SENT, default=False),
        "ignoreFailedScalingActivities": Property(sends=NOT_SENT, reads=NOT_SENT, default=False),
    },
    create=(
        Call(operation="create_auto_scaling_group", id="{name}"),
        _await_capacity,
    ),
    updates=(
        Update(
            on=_UPDATED_IN_PLACE,
            do=Call(operation="update_auto_scaling_group", parameters=_GROUP, sends=_UPDATED_IN_PLACE),
        ),
        Update(on=("targetGroupArns",), do=_attach_target_groups),
        Update(on=("tags",), do=_tag_group),
        Update(on=("enabledMetrics", "metricsGranularity"), do=_collect_metrics, after_create=True),
        Update(on=("suspendedProcesses",), do=_suspend_processes, after_create=True),
        Update(on=("desiredCapacity", "minSize"), do=_await_capacity),
    ),
    reads=(
        Look(
            operation="describe_auto_scaling_groups",
            parameters={"AutoScalingGroupNames": ["{id}"]},
            result="AutoScalingGroups[0]",
        ),
    ),
    describe=_described_group,
    delete=(
        _drain,
        Call(
            operation="delete_auto_scaling_group",
            parameters=_GROUP,
            retries=("ResourceInUse", "ScalingActivityInProgress"),
            patience_seconds=600,
        ),
    ),
    gone=_NOT_FOUND,
    computed={
        "arn": "AutoScalingGroupARN",
        "predictedCapacity": "PredictedCapacity",
        "warmPoolSize": "WarmPoolSize",
    },
    name=Name(),
    conflicts=(("name", "namePrefix"), ("vpcZoneIdentifiers", "availabilityZones")),
    one_of=(("launchTemplate", "launchConfiguration", "mixedInstancesPolicy"),),
    checks=(_group_rules,),
    unimplemented=(
        "availabilityZoneDistribution", "capacityReservationSpecification", "initialLifecycleHooks",
        "instanceLifecyclePolicy", "instanceRefresh", "launchConfiguration", "loadBalancers", "minElbCapacity",
        "mixedInstancesPolicy", "trafficSources", "waitForElbCapacity", "warmPool",
    ),
)  # fmt: skip

_METRIC = nested(
    "metricName namespace statistic unit period",
    metricDimensions=Part("Dimensions", form=ListOf(nested("name value"))),
)


def _described_policy(_work: Work, description: dict[str, Any]) -> dict[str, Any]:
    # A policy is enabled unless it says otherwise; moto says nothing.
    return {"Enabled": True, **description}


SCALING_POLICY = Resource(  # policy.go: ForceNew name and group
    type="aws:autoscaling/policy:Policy",
    label="Auto Scaling Policy",
    service="autoscaling",
    properties={
        "name": Property(sends="PolicyName", replaces=True),
        "autoscalingGroupName": Property(sends="AutoScalingGroupName", replaces=True),
        "policyType": Property(
            default="SimpleScaling",
            allowed=("SimpleScaling", "StepScaling", "TargetTrackingScaling", "PredictiveScaling"),
        ),
        "adjustmentType": Property(),
        "scalingAdjustment": Property(),
        "cooldown": Property(),
        "enabled": Property(default=True),
        "estimatedInstanceWarmup": Property(),
        "metricAggregationType": Property(computed=True),
        "targetTrackingConfiguration": Property(
            form=nested(
                "targetValue",
                disableScaleIn=Part(default=False),
                predefinedMetricSpecification=Part(form=nested("predefinedMetricType resourceLabel")),
                customizedMetricSpecification=Part(form=_METRIC),
            )
        ),
    },
    create=(Call(operation="put_scaling_policy", id="{name}"),),
    updates=(
        Update(
            on=(
                "policyType", "adjustmentType", "scalingAdjustment", "cooldown", "enabled", "estimatedInstanceWarmup",
                "metricAggregationType", "targetTrackingConfiguration",
            ),
            do=Call(operation="put_scaling_policy"),
            everything=True,
        ),
    ),
    reads=(
        Look(
            operation="describe_policies",
            parameters={"AutoScalingGroupName": "{autoscalingGroupName}", "PolicyNames": ["{id}"]},
            result="ScalingPolicies[0]",
        ),
    ),
    describe=_described_policy,
    delete=(
        Call(
            operation="delete_policy",
            parameters={"AutoScalingGroupName": "{autoscalingGroupName}", "PolicyName": "{id}"},
        ),
    ),
    computed={"arn": "PolicyARN"},
    gone=_NOT_FOUND,
    name=Name(prefix_property=""),
    unimplemented=("minAdjustmentMagnitude", "predictiveScalingConfiguration", "stepAdjustments"),
)  # fmt: skip


SCHEDULE = Resource(  # schedule.go: ForceNew action and group
    type="aws:autoscaling/schedule:Schedule",
    label="Auto Scaling Scheduled Action",
    service="autoscaling",
    properties={
        "scheduledActionName": Property(replaces=True, longest=255),
        "autoscalingGroupName": Property(sends="AutoScalingGroupName", replaces=True),
        "desiredCapacity": Property(form=Unchanged(), computed=True),
        "minSize": Property(form=Unchanged(), computed=True),
        "maxSize": Property(form=Unchanged(), computed=True),
        "recurrence": Property(computed=True),
        "timeZone": Property(computed=True),
        "startTime": Property(form=Moment(), computed=True),
        "endTime": Property(form=Moment(), computed=True),
    },
    create=(Call(operation="put_scheduled_update_group_action", id="{scheduledActionName}"),),
    updates=(
        Update(
            on=("desiredCapacity", "minSize", "maxSize", "recurrence", "timeZone", "startTime", "endTime"),
            do=Call(operation="put_scheduled_update_group_action"),
            everything=True,
        ),
    ),
    reads=(
        Look(
            operation="describe_scheduled_actions",
            parameters={"AutoScalingGroupName": "{autoscalingGroupName}", "ScheduledActionNames": ["{id}"]},
            result="ScheduledUpdateGroupActions[0]",
        ),
    ),
    delete=(
        Call(
            operation="delete_scheduled_action",
            parameters={"AutoScalingGroupName": "{autoscalingGroupName}", "ScheduledActionName": "{id}"},
        ),
    ),
    computed={"arn": "ScheduledActionARN"},
    gone=_NOT_FOUND,
)

ROWS = (LAUNCH_TEMPLATE, AUTO_SCALING_GROUP, SCALING_POLICY, SCHEDULE)
