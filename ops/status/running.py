"""What the instances of each environment run, and how its newest rollout went: AWS's side of `status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from infra.environment import Environment
from infra.promotion import Pipeline
from infra.refreshes import ACTIVE
from infra.releases import LIVE
from ops.aws.clients import Aws
from ops.aws.compute import IN_SERVICE, Instance, ScalingGroup, read_instances, read_scaling_groups
from ops.output.progress import Tell
from ops.stacks.place import Place
from ops.status.picture import Position

SUCCESSFUL = "Successful"


def positions(
    stacks: Sequence[str],
    environments: Mapping[str, Environment],
    pipeline: Pipeline,
    at: Place,
    tell: Tell,
) -> tuple[Position, ...]:
    """Return where each of `stacks` is. Raises botocore's errors if AWS can't be asked."""
    read = []
    for stack in stacks:
        tell(stack)
        running: Mapping[str, int] = {}
        rollout = ""
        if pipeline.stages[stack].deployed is not None:
            aws = Aws(environments[stack].aws, at)
            groups = read_scaling_groups(aws, stack)
            versions = {
                image: release.version
                for release in pipeline.releases
                for image in (release.image, *release.former_images)
            }
            running = in_service(groups, read_instances(aws, stack), versions)
            rollout = rollouts(aws, groups)
        read.append(
            Position(
                stack=stack,
                wanted=pipeline.stages[stack].wanted or LIVE,
                resolved=pipeline.version(stack),
                deployed=pipeline.stages[stack].deployed,
                running=running,
                rollout=rollout,
            )
        )
    return tuple(read)


def rollouts(aws: Aws, groups: Sequence[ScalingGroup]) -> str:
    """Return a sentence about the newest rollout of each of `groups`, or nothing if all went well."""
    refreshes = [
        aws.autoscaling.describe_instance_refreshes(AutoScalingGroupName=group.name)["InstanceRefreshes"]
        for group in groups
    ]
    return "; ".join(sentence for newest_first in refreshes if (sentence := newest_rollout(newest_first)))


def in_service(
    groups: Sequence[ScalingGroup], instances: Sequence[Instance], versions: Mapping[str, str]
) -> dict[str, int]:
    """Return counts of instances in service by version; by image where no release has it."""
    serving = {member.id for group in groups for member in group.members if member.lifecycle == IN_SERVICE}
    counts = Counter(
        versions.get(instance.image_name, instance.image_name or instance.image_id)
        for instance in instances
        if instance.id in serving
    )
    return dict(sorted(counts.items()))


def newest_rollout(refreshes: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence about the newest of a group's refreshes, or nothing if it went well.

    AWS lists the newest first (EC2 Auto Scaling API, DescribeInstanceRefreshes).
    """
    if not refreshes:
        return ""
    newest = refreshes[0]
    state, started = newest["Status"], newest.get("StartTime")
    since = f" since {started:%Y-%m-%d %H:%M} UTC" if started else ""
    reason = str(newest.get("StatusReason", "")).rstrip(".")
    if state in ACTIVE:
        return f"rollout in progress{since}: {state}, {newest.get('PercentageComplete', 0)} % of the instances replaced"
    if state == SUCCESSFUL:
        return ""
    return f"the last rollout{since.replace('since', 'of')} ended as {state}: {reason or 'AWS gave no reason'}"
