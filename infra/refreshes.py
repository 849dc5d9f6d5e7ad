"""Instance refreshes as AWS describes them, for whoever looks at one: the rollout's provider, release and review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

ACTIVE = frozenset({"Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress"})
"""Statuses of a refresh that isn't over (EC2 Auto Scaling API, InstanceRefresh.Status)."""

NO_DATA = "INSUFFICIENT_DATA"
"""The state of an alarm that was not evaluated yet (CloudWatch API, MetricAlarm.StateValue)."""


def unfit_alarms(cloudwatch: CloudWatchClient, names: Sequence[str]) -> Mapping[str, str]:
    """Return those of `names` beside which AWS starts no refresh, with the state that each is in.

    An alarm must be OK (EC2 Auto Scaling guide, auto rollback, considerations). `missing`: AWS has none of that name.
    """
    if not names:
        # CloudWatch would describe all alarms.
        return {}
    described = cloudwatch.describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    alarms = [*described["MetricAlarms"], *described["CompositeAlarms"]]
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}
    return {name: states.get(name, "missing") for name in names if states.get(name) != "OK"}


def in_words(unfit: Mapping[str, str]) -> str:
    """Return alarms and their states as a sentence goes on with them."""
    return ", ".join(f"{name} is {state}" for name, state in unfit.items())
