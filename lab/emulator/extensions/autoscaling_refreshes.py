"""Instance refreshes: a group's members replaced by those of another template version, and back again if that fails.

Rules: EC2 Auto Scaling API reference (StartInstanceRefresh, DescribeInstanceRefreshes, CancelInstanceRefresh,
RollbackInstanceRefresh, RefreshPreferences, DesiredConfiguration) and User Guide (how an instance refresh works; undo
changes with a rollback). moto has none of it.

Alarms: "Undo changes with a manual or auto rollback", considerations. A refresh is refused unless each of its alarms is
OK (one that doesn't exist isn't), fails if one goes to ALARM, and replaces nobody while one has INSUFFICIENT_DATA. The
code and the words of that refusal aren't documented.

The group takes over the desired configuration when a refresh succeeds, and not before. Shortened: AWS tries for an hour
before it gives up on members that don't get healthy, the lab for HEALTH_LIMIT_SECONDS. Left out: checkpoints, which are
refused, and the Standby and scale-in protection preferences, which have nothing to act on.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil, floor
from typing import Any, Literal

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import autoscaling_backends
from moto.autoscaling.responses import AutoScalingResponse
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult

from lab.emulator.extensions.autoscaling_groups import Group, Groups, Member
from lab.emulator.extensions.hooks import adds_to, extends

HEALTH_LIMIT_SECONDS = 600.0
ACTIVE = frozenset({"Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress"})
MOST_ALARMS = 10
LONGEST_BAKE_SECONDS = 172_800
DEFAULT_PREFERENCES = {
    "MinHealthyPercentage": 90,
    "MaxHealthyPercentage": 100,
    "SkipMatching": False,
    "AutoRollback": False,
}

Status = Literal[
    "Pending",
    "InProgress",
    "Baking",
    "Successful",
    "Cancelling",
    "Cancelled",
    "RollbackInProgress",
    "RollbackSuccessful",
    "RollbackFailed",
    "Failed",
]


class InstanceRefreshInProgress(ServiceException):
    """StartInstanceRefresh: one at a time in a group."""

    code = "InstanceRefreshInProgress"
    message = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."


class ActiveInstanceRefreshNotFound(ServiceException):
    """CancelInstanceRefresh, RollbackInstanceRefresh: there is none to act on."""

    code = "ActiveInstanceRefreshNotFound"
    message = "No in progress or pending Instance Refresh found for this Auto Scaling Group"


class IrreversibleInstanceRefresh(ServiceException):
    """RollbackInstanceRefresh: the group has no explicit version to go back to."""

    code = "IrreversibleInstanceRefresh"


@dataclass
class Refresh:
    """One refresh of a group, and the machine that drives it."""

    group: Group
    desired: dict[str, Any] | None
    """DesiredConfiguration as given; None: the group's own."""
    preferences: dict[str, Any]
    target_version: str
    source_version: str
    status: Status = "Pending"
    reason: str = ""
    refresh_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    replaced_at_start: frozenset[str] = frozenset()
    """Ids of the members that shall go."""
    bake_until: float | None = None
    rollback: dict[str, Any] | None = None
    stuck_since: float | None = None
    """From when on EC2 has refused to launch what is needed."""

    @property
    def active(self) -> bool:
        """Whether it isn't over."""
        return self.status in ACTIVE

    @property
    def remaining(self) -> int:
        """How many members are still to go."""
        return len([member for member in self.group.members if not self._right(member)])

    def _right(self, member: Member) -> bool:
        """Tell whether a member is what it shall be: of the version wanted, and no longer one of those to go."""
        return member.version == self.wanted_version and member.instance_id not in self.replaced_at_start

    @property
    def wanted_version(self) -> str:
        """The version that members are made from now: the old one again while rolling back."""
        return self.source_version if self.status == "RollbackInProgress" else self.target_version

    def step(self, now: float) -> None:
        """Do what is due at `now`."""
        if self.status == "Cancelling":
            self._end("Cancelled", self.reason or "Cancelled by user.")
            return
        if self.status == "Pending":
            self.status = "InProgress"
        if self.status != "RollbackInProgress" and (failure := self._failure(now)):
            self._fail(failure)
            return
        if self.status != "RollbackInProgress" and self._alarms_in("INSUFFICIENT_DATA"):
            return
        self._replace(now)
        if self.status == "RollbackInProgress" and self._is_stuck(now):
            self._end("RollbackFailed", f"{self.reason} {self.group.unfit(self.wanted_version)}.")
            return
        missing = len(self.group.members) < self.group.desired_capacity
        if self.remaining or missing or not all(self.group.serves(member, now) for member in self.group.members):
            return
        if self.status == "RollbackInProgress":
            self._end("RollbackSuccessful", self.reason)
        elif self.bake_until is None and self.preferences.get("BakeTime"):
            self.status, self.bake_until = "Baking", now + float(self.preferences["BakeTime"])
        elif self.bake_until is None or now >= self.bake_until:
            self._adopt()
            self._end("Successful", "")

    def _replace(self, now: float) -> None:
        """Terminate what may go and launch what is needed, so that as many serve as shall."""
        group = self.group
        serving = [member for member in group.members if group.serves(member, now)]
        least = ceil(group.desired_capacity * self.preferences["MinHealthyPercentage"] / 100)
        for member in [one for one in group.members if not self._right(one)]:
            if member not in serving and member.lifecycle_state == "InService":
                group.terminate(member, "an instance refresh replaced an instance that failed its health check")
        spare = len(serving) - least
        going = [member for member in serving if not self._right(member)]
        while spare > 0 and going:
            leaving = group.most_crowded(going)
            going.remove(leaving)
            group.terminate(leaving, "an instance refresh replaced an instance")
            spare -= 1
        most = self.preferences["MaxHealthyPercentage"]
        extra = max(floor(group.desired_capacity * (most - 100) / 100), 1 if most > 100 else 0)
        room = group.desired_capacity + (extra if self.remaining else 0)
        while len(group.members) < room:
            staying = [member for member in group.members if self._right(member)]
            if group.launch(self.wanted_version, staying) is None:
                self.stuck_since = now if self.stuck_since is None else self.stuck_since
                break
            self.stuck_since = None
        surplus = [member for member in group.members if member not in serving]
        while len(group.members) > room and surplus:
            group.terminate(surplus.pop(), "there were more instances than desired")

    def _failure(self, now: float) -> str:
        """Return why it fails, in a sentence; empty if it doesn't."""
        if ringing := self._alarms_in("ALARM"):
            return f"The following alarms were in the ALARM state: {', '.join(ringing)}."
        late = [
            member.instance_id
            for member in self.group.members
            if self._right(member)
            and now >= member.launched_at + HEALTH_LIMIT_SECONDS
            and not self.group.serves(member, now)
        ]
        if self._is_stuck(now):
            return f"Instances failed to launch: {self.group.unfit(self.wanted_version)}."
        if late:
            for instance_id in late:
                message = f"Instance failed to complete ELB health check: {instance_id}: Target.FailedHealthChecks"
                self.group.record(f"Launching a new EC2 instance: {instance_id}", message=message, failed=True)
            return f"Instances failed to become healthy: {', '.join(late)} failed the load balancer's health check."
        return ""

    def _is_stuck(self, now: float) -> bool:
        return self.stuck_since is not None and now >= self.stuck_since + HEALTH_LIMIT_SECONDS

    def _alarms_in(self, state: str) -> list[str]:
        return [name for name, now in _alarm_states(self.group, self.preferences).items() if now == state]

    def _fail(self, reason: str) -> None:
        if not self.preferences.get("AutoRollback"):
            self._end("Failed", reason)
            return
        self.roll_back(reason)

    def roll_back(self, reason: str) -> None:
        """Go back to the group's own version."""
        self.rollback = {
            "RollbackReason": reason,
            "RollbackStartTime": datetime.now(UTC).isoformat(),
            "PercentageCompleteOnRollback": self.percentage(),
            "InstancesToUpdateOnRollback": self.remaining,
        }
        self.status, self.reason, self.replaced_at_start = "RollbackInProgress", reason, frozenset()
        self.stuck_since = None

    def _adopt(self) -> None:
        """Make the desired configuration the group's."""
        if self.desired:
            template = {**self.desired["LaunchTemplate"], "Version": self.target_version}
            self.group._set_launch_configuration("", template, None)

    def _end(self, status: Status, reason: str) -> None:
        self.status, self.reason, self.ended = status, reason, datetime.now(UTC)
        self.group.settle()

    def percentage(self) -> int:
        """Return how much is done, in percent of the members."""
        if self.status in {"Successful", "Baking", "RollbackSuccessful"}:
            return 100
        count = max(self.group.desired_capacity, 1)
        return max(0, 100 * (count - self.remaining) // count) if self.status != "Pending" else 0

    def as_json(self) -> dict[str, Any]:
        """Return it as DescribeInstanceRefreshes does."""
        shown: dict[str, Any] = {
            "InstanceRefreshId": self.refresh_id,
            "AutoScalingGroupName": self.group.name,
            "Status": self.status,
            "StartTime": self.started.isoformat(),
            "PercentageComplete": self.percentage(),
            "InstancesToUpdate": self.remaining,
            "Preferences": self.preferences,
            "Strategy": "Rolling",
        }
        optional = {
            "StatusReason": self.reason or None,
            "EndTime": self.ended and self.ended.isoformat(),
            "DesiredConfiguration": self.desired,
            "RollbackDetails": self.rollback,
        }
        return {**shown, **{key: value for key, value in optional.items() if value is not None}}


@extends(autoscaling_backends)
class Refreshes(Groups):
    """The backend, with the refreshes of its groups; the newest first."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.refreshes: dict[str, list[Refresh]] = {}

    def start_instance_refresh(
        self, group_name: str, strategy: str, desired: dict[str, Any] | None, asked: dict[str, Any]
    ) -> Refresh:
        group = self.known(group_name)
        if group.refresh is not None and group.refresh.active:
            raise InstanceRefreshInProgress
        preferences = {**DEFAULT_PREFERENCES, **asked}
        _check_preferences(preferences, strategy)
        source = str(group.launch_template_version)
        if preferences["AutoRollback"] and (
            not desired or not str(desired.get("LaunchTemplate", {}).get("Version", "")).isdigit()
        ):
            raise ValidationError(
                "Auto rollback requires a desired configuration with an explicit launch template version."
            )
        if preferences["AutoRollback"] and not source.isdigit():
            raise ValidationError(
                "Auto rollback requires that the Auto Scaling group's launch template has a version number."
            )
        target = group.own_version
        if desired:
            template = desired["LaunchTemplate"]
            if template.get("LaunchTemplateId") != group.ec2_launch_template.id:
                # AWS takes another template; the lab's groups have one each.
                raise ValidationError("The lab refreshes a group to another version of its own launch template only.")
            target = group.number(template["Version"])
        states = _alarm_states(group, preferences)
        if any(state != "OK" for state in states.values()):
            shown = ", ".join(f"{name} is {state or 'missing'}" for name, state in states.items() if state != "OK")
            raise ValidationError(f"The alarms of an instance refresh must be in the OK state to start it: {shown}.")
        refresh = Refresh(
            group=group,
            desired=desired,
            preferences=preferences,
            target_version=target,
            source_version=group.own_version,
            replaced_at_start=frozenset()
            if preferences["SkipMatching"]
            else frozenset(member.instance_id for member in group.members),
        )
        group.refresh = refresh
        self.refreshes.setdefault(group_name, []).insert(0, refresh)
        return refresh

    def active_refresh(self, group_name: str) -> Refresh:
        """Return the one under way, or AWS's refusal."""
        group = self.known(group_name)
        if group.refresh is None or not group.refresh.active:
            raise ActiveInstanceRefreshNotFound
        refresh: Refresh = group.refresh
        return refresh

    def delete_auto_scaling_group(self, group_name: str, force: bool = False) -> None:
        """DeleteAutoScalingGroup: its refreshes go with it."""
        super().delete_auto_scaling_group(group_name, force)
        self.refreshes.pop(group_name, None)


@adds_to(AutoScalingResponse)
class RefreshActions(AutoScalingResponse):
    """The four actions."""

    def start_instance_refresh(self) -> ActionResult:
        refresh = _backend(self).start_instance_refresh(
            self._get_param("AutoScalingGroupName"),
            self._get_param("Strategy", "Rolling"),
            self._get_param("DesiredConfiguration"),
            self._get_param("Preferences") or {},
        )
        return ActionResult({"InstanceRefreshId": refresh.refresh_id})

    def describe_instance_refreshes(self) -> ActionResult:
        """DescribeInstanceRefreshes: all of a group, or those asked for."""
        group = _backend(self).known(self._get_param("AutoScalingGroupName"))
        asked = self._get_param("InstanceRefreshIds") or []
        found = [
            refresh
            for refresh in _backend(self).refreshes.get(group.name, [])
            if not asked or refresh.refresh_id in asked
        ]
        return ActionResult({"InstanceRefreshes": [refresh.as_json() for refresh in found]})

    def cancel_instance_refresh(self) -> ActionResult:
        """CancelInstanceRefresh: what is replaced stays so."""
        refresh = _backend(self).active_refresh(self._get_param("AutoScalingGroupName"))
        refresh.status = "Cancelling"
        return ActionResult({"InstanceRefreshId": refresh.refresh_id})

    def rollback_instance_refresh(self) -> ActionResult:
        """RollbackInstanceRefresh: only with a desired configuration."""
        refresh = _backend(self).active_refresh(self._get_param("AutoScalingGroupName"))
        if not refresh.desired:
            raise IrreversibleInstanceRefresh("The instance refresh has no desired configuration to roll back from.")
        refresh.roll_back("Rollback requested by user.")
        return ActionResult({"InstanceRefreshId": refresh.refresh_id})


def _backend(response: AutoScalingResponse) -> Any:
    return response.autoscaling_backend


def _alarm_states(group: Group, preferences: dict[str, Any]) -> dict[str, str]:
    """Return the state of each alarm of a refresh, by name; empty for one that doesn't exist."""
    alarms = cloudwatch_backends[group.account_id][group.region].alarms
    names = preferences.get("AlarmSpecification", {}).get("Alarms", [])
    return {name: str(alarms[name].state_value) if name in alarms else "" for name in names}


def _check_preferences(preferences: dict[str, Any], strategy: str) -> None:
    if strategy != "Rolling":
        raise ValidationError(f"The lab's instance refreshes are Rolling; {strategy} is not implemented.")
    least, most = preferences["MinHealthyPercentage"], preferences["MaxHealthyPercentage"]
    if not 0 <= least <= 100:
        raise ValidationError(f"MinHealthyPercentage {least} must be between 0 and 100.")
    if not 100 <= most <= 200:
        raise ValidationError(f"MaxHealthyPercentage {most} must be between 100 and 200.")
    if not 0 <= preferences.get("BakeTime", 0) <= LONGEST_BAKE_SECONDS:
        raise ValidationError(f"BakeTime must be between 0 and {LONGEST_BAKE_SECONDS} seconds.")
    if len(preferences.get("AlarmSpecification", {}).get("Alarms", [])) > MOST_ALARMS:
        raise ValidationError(f"An instance refresh has {MOST_ALARMS} alarms at most.")
    if preferences.get("CheckpointPercentages"):
        raise ValidationError("The lab's instance refreshes have no checkpoints.")
