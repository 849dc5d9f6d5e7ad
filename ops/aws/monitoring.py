"""Alarms and log groups, as AWS has them."""

from __future__ import annotations

from dataclasses import dataclass

from infra.values import mapping
from ops.aws.clients import Aws
from ops.aws.ownership import Document, Tags, is_of, name_prefixes, tags_of


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A metric's or a composite alarm."""

    name: str
    arn: str
    state: str
    composite: bool
    definition: Document
    """As in the API (MetricAlarm, CompositeAlarm)."""
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class LogGroup:
    """Logs, and for how many days; None: for ever."""

    name: str
    retention_days: int | None
    tags: Tags


def read_alarms(aws: Aws, environment: str) -> tuple[Alarm, ...]:
    """Return the environment's alarms, composite ones too."""
    found: list[Alarm] = []
    for prefix in name_prefixes(environment):
        pages = aws.cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        for page in pages:
            metric = [(mapping(one), False) for one in page.get("MetricAlarms", [])]
            composite = [(mapping(one), True) for one in page.get("CompositeAlarms", [])]
            for definition, is_composite in (*metric, *composite):
                arn = definition["AlarmArn"]
                tags = tags_of(aws.cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"])
                if is_of(tags, environment):
                    found.append(
                        Alarm(
                            name=definition["AlarmName"],
                            arn=arn,
                            state=definition["StateValue"],
                            composite=is_composite,
                            definition=definition,
                            tags=tags,
                        )
                    )
    return tuple(found)


def read_log_groups(aws: Aws, environment: str) -> tuple[LogGroup, ...]:
    """Return the environment's log groups."""
    pages = aws.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"{environment}-")
    found = []
    for one in (group for page in pages for group in page["logGroups"]):
        # The API's older ARN ends with `:*`, which tags aren't kept under.
        arn = one["arn"].removesuffix(":*")
        tags = aws.logs.list_tags_for_resource(resourceArn=arn).get("tags", {})
        if is_of(tags, environment):
            found.append(LogGroup(name=one["logGroupName"], retention_days=one.get("retentionInDays"), tags=tags))
    return tuple(found)
