"""Alarms and log groups, as AWS has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.refreshes import NO_DATA, unfit_alarms
from ops.aws.clients import Aws, listed
from ops.aws.ownership import Tags, is_of, name_prefixes, tags_of


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A metric's or a composite alarm."""

    name: str
    composite: bool
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class LogGroup:
    """A group of logs."""

    name: str
    tags: Tags


def read_alarms(aws: Aws, environment: str) -> tuple[Alarm, ...]:
    """Return the environment's alarms, composite ones too."""
    read = []
    for prefix in name_prefixes(environment):
        asked = {"AlarmNamePrefix": prefix, "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
        for alarm in listed(aws.cloudwatch, "describe_alarms", "[MetricAlarms, CompositeAlarms][]", **asked):
            tags = tags_of(aws.cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"])
            if is_of(tags, environment):
                # Only a composite one has a rule (CompositeAlarm).
                read.append(Alarm(name=alarm["AlarmName"], composite="AlarmRule" in alarm, tags=tags))
    return tuple(read)


def ringing_alarms(aws: Aws, names: Sequence[str]) -> Mapping[str, str]:
    """Return the states of those alarms beside which no rollout would start; one without data yet is waited for."""
    unfit = unfit_alarms(aws.cloudwatch, names)
    return {name: state for name, state in unfit.items() if state != NO_DATA}


def read_log_groups(aws: Aws, environment: str) -> tuple[LogGroup, ...]:
    """Return the environment's log groups."""
    read = []
    for prefix in name_prefixes(environment):
        for group in listed(aws.logs, "describe_log_groups", "logGroups[]", logGroupNamePrefix=prefix):
            # The API's older ARN ends with `:*`, which tags aren't kept under.
            tags = aws.logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*")).get("tags", {})
            if is_of(tags, environment):
                read.append(LogGroup(name=group["logGroupName"], tags=tags))
    return tuple(read)
