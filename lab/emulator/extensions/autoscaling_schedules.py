"""Scheduled actions as EC2 Auto Scaling keeps them: with a start time that it works out, and fired when that has come.

Rules: EC2 Auto Scaling API reference (PutScheduledUpdateGroupAction: a start in the past is refused;
DescribeScheduledActions: those "that haven't run or that have not reached their end time") and User Guide, "Scheduled
scaling" (a start time is worked out from the recurrence; a start time and a recurrence: at that time, then by the
recurrence; no two actions of a group at one time). A start that is sent is taken, even where it contradicts the
recurrence: terraform-provider-aws #38983, #41200. moto keeps what was sent, under a name for all groups, and fires
none.

Here is what is due; `autoscaling_groups` moves on to that time and does it. Times are the calendar's (`clock`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeScheduledAction
from moto.core.exceptions import ServiceException

from lab.emulator import clock
from lab.emulator.recurrence import Recurrence, parse


class AlreadyExists(ServiceException):
    """A name, or the time of a scheduled action, is taken."""

    code = "AlreadyExists"


class Schedules(AutoScalingBackend):
    """moto's backend, with scheduled actions that come to be due."""

    scheduled_actions: dict[Any, FakeScheduledAction]

    def put_scheduled_update_group_action(
        self,
        name: str,
        desired_capacity: str | int | None,
        max_size: str | int | None,
        min_size: str | int | None,
        scheduled_action_name: str,
        start_time: Any,
        end_time: Any,
        recurrence: str | None,
        timezone: str | None,
    ) -> FakeScheduledAction:
        """PutScheduledUpdateGroupAction: in place of the one with that name, whose start time isn't kept."""
        if name not in self.autoscaling_groups:
            raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
        if desired_capacity is None and max_size is None and min_size is None:
            raise ValidationError("At least one of MinSize, MaxSize and DesiredCapacity must be specified")
        start = _first(_moment(start_time), _recurrence(recurrence, timezone), clock.calendar())
        end = _moment(end_time)
        if end is not None and end <= start:
            raise ValidationError("Given end time is before the start time")
        for other in self.scheduled_actions.values():
            is_other = other.scheduled_action_name != scheduled_action_name
            if is_other and other.auto_scaling_group_name == name and _moment(other.start_time) == start:
                raise AlreadyExists(
                    "A scheduled action with this scheduled start time already exists: " + other.scheduled_action_name
                )
        capacity = (desired_capacity, max_size, min_size)
        times = (_written(start), None if end is None else _written(end))
        super().put_scheduled_update_group_action(name, *capacity, scheduled_action_name, *times, recurrence, timezone)
        action = self.scheduled_actions.pop(scheduled_action_name)
        self.scheduled_actions[name, scheduled_action_name] = action
        return action

    def delete_scheduled_action(self, auto_scaling_group_name: str, scheduled_action_name: str) -> None:
        """DeleteScheduledAction: the group's of that name."""
        if (auto_scaling_group_name, scheduled_action_name) not in self.scheduled_actions:
            raise ValidationError("Scheduled action name not found")
        del self.scheduled_actions[auto_scaling_group_name, scheduled_action_name]

    def due(self, group_name: str, until: datetime) -> tuple[datetime, FakeScheduledAction] | None:
        """Return the first of a group's actions that is due by `until`, with its time; None: none is."""
        starts = [
            (start, action)
            for action in self.scheduled_actions.values()
            if action.auto_scaling_group_name == group_name
            and (start := _moment(action.start_time)) is not None
            and start <= until
        ]
        return min(starts, key=lambda pair: pair[0], default=None)

    def has_run(self, action: FakeScheduledAction, at: datetime) -> None:
        """Give an action that ran at `at` its next time; one that has none is gone."""
        recurrence, end = _recurrence(action.recurrence, action.time_zone), _moment(action.end_time)
        following = recurrence.after(at) if recurrence else None
        if following is None or (end is not None and following > end):
            self.delete_scheduled_action(action.auto_scaling_group_name, action.scheduled_action_name)
        else:
            action.start_time = _written(following)


def _first(start: datetime | None, recurrence: Recurrence | None, now: datetime) -> datetime:
    """Return when an action runs first: as asked, or by its recurrence."""
    if start is not None:
        if start <= now:
            raise ValidationError("Given start time is in the past")
        return start
    following = recurrence.after(now) if recurrence else None
    if following is None:
        raise ValidationError("Either a start time or a recurrence that comes must be specified")
    return following


def _recurrence(text: str | None, time_zone: str | None) -> Recurrence | None:
    try:
        return parse(text, time_zone) if text else None
    except ValueError as error:
        raise ValidationError(f"Given recurrence string: {text} is invalid: {error}") from None


def _moment(written: Any) -> datetime | None:
    if not written:
        return None
    moment = written if isinstance(written, datetime) else datetime.fromisoformat(str(written))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
