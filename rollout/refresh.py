"""A rollout is an instance refresh that is waited for.

The AWS provider's own refresh (a block of the group) updates the group before it starts, so that AWS would roll back to
the new version, and it doesn't wait. Here the group is left alone: AWS gets the new template version, by number, as
desired configuration, and writes it to the group only when the refresh succeeds. If it doesn't, `up` fails, the state
keeps the old release, and the next preview shows the new one as pending again.

The alarm that rings when instances fail would stop the remedy, too, fix or rollback: AWS starts no refresh unless
each of its alarms is OK (EC2 Auto Scaling guide, auto rollback, considerations). So they are read first, and a sentence
says the way: an override, recorded in the stack's file, with which the refresh starts without alarms.

Left out: a first deployment (the group starts with its release) and changes of capacity, which replace nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from infra.refreshes import ACTIVE, NO_DATA, in_words, unfit_alarms
from rollout.aws import Aws

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef, RefreshPreferencesTypeDef

POLL_SECONDS = (1, 2, 4, 8)
"""Waits between looks; from then on `LONGEST_POLL_SECONDS`. A rollout takes minutes."""
LONGEST_POLL_SECONDS = 15

LONGEST_WITHOUT_DATA_SECONDS = 900
"""An alarm that was just made has a state as soon as it is evaluated; one that still has none will get none."""

Say = Callable[[str], None]
Pause = Callable[[float], bool]
"""Waits for so many seconds; true if the wait was interrupted, and nobody wants to wait any longer."""


class RolloutFailedError(Exception):
    """A release didn't reach the instances; the message is one sentence that says what runs now and what to do."""


@dataclass(frozen=True)
class Target:
    """A launch template's version: what instances are, or shall be, made from."""

    launch_template_id: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What the resource says: which release is to reach which group, and how."""

    stack: str
    release: str
    group: str
    target: Target
    minimum_healthy_percent: int
    maximum_healthy_percent: int
    instance_warmup_seconds: int
    bake_seconds: int
    alarm_names: tuple[str, ...]
    """Alarms that stop the rollout; its instances are then replaced by the old release again."""
    alarms_overridden: bool
    """Whether it starts although one of them rings; it does without them then."""
    aws: Aws

    @classmethod
    def of(cls, urn: str, properties: Mapping[str, Any], aws: Aws) -> Rollout:
        """Return what a resource's properties say; numbers are floats there. The URN has the stack's name."""
        return cls(
            stack=urn.split("::")[0].rsplit(":", 1)[-1],
            release=properties["release"],
            group=properties["autoScalingGroup"],
            target=Target(properties["launchTemplateId"], properties["launchTemplateVersion"]),
            minimum_healthy_percent=int(properties["minimumHealthyPercent"]),
            maximum_healthy_percent=int(properties["maximumHealthyPercent"]),
            instance_warmup_seconds=int(properties["instanceWarmupSeconds"]),
            bake_seconds=int(properties["bakeSeconds"]),
            alarm_names=tuple(properties["alarmNames"]),
            # States from before there was this property lack it.
            alarms_overridden=bool(properties.get("alarmsOverridden")),
            aws=aws,
        )


@dataclass
class Newcomers:
    """What became of the instances that a rollout started; AWS forgets those that it replaces again."""

    look: Callable[[], Iterator[tuple[str, str]]]
    """Yields instances of the new version with what is wrong with them; nothing wrong is an empty text."""
    seen: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)
    """By instance, with its zone: the last that was wrong."""

    def update(self, say: Say) -> None:
        """Look once, and tell `say` of each instance that begins to fail."""
        for instance, wrong in self.look():
            self.seen.add(instance)
            if wrong and instance not in self.failures:
                say(f"{instance} fails: {wrong}")
            if wrong:
                self.failures[instance] = wrong
            else:
                # It recovered, or was only slow.
                self.failures.pop(instance, None)

    @property
    def clause(self) -> str:
        """A clause for the sentence that says that the rollout failed."""
        if not self.failures:
            return ""
        return f"; of {len(self.seen)} new instances {len(self.failures)} failed: " + ", ".join(
            f"{instance}: {wrong}" for instance, wrong in sorted(self.failures.items())
        )


def roll_out(rollout: Rollout, pause: Pause, say: Say, replaced_release: str | None = None) -> None:
    """Bring the group and each of its instances to the rollout's template version, and wait for the end.

    One in progress to the same version is joined; one that is rolling back is waited for first. Nothing is started if
    all are there already. `replaced_release` is what an automatic rollback brings back.

    Raises RolloutFailedError if it ended otherwise, can't be started, or `pause` was interrupted.
    """
    with _explained(rollout):
        _roll_out(rollout, pause, say, replaced_release)


def template_version(rollout: Rollout) -> str | None:
    """Return the template version that the group has now; None if it has none, or is gone.

    Raises RolloutFailedError if AWS doesn't answer.
    """
    with _explained(rollout):
        described = rollout.aws.autoscaling().describe_auto_scaling_groups(AutoScalingGroupNames=[rollout.group])
        groups = described["AutoScalingGroups"]
        template = groups[0].get("LaunchTemplate") if groups else None
        return template.get("Version") if template else None


def wait_for_end(look: Callable[[], Mapping[str, Any]], say: Say, pause: Pause) -> Mapping[str, Any] | None:
    """Return the refresh as `look` gives it once it is over; None if the wait was interrupted.

    Tells each change of status or percentage to `say`.
    """
    last = ""
    for seconds in chain(POLL_SECONDS, repeat(LONGEST_POLL_SECONDS)):
        refresh = look()
        line = f"{refresh['Status']}, {refresh.get('PercentageComplete', 0)} % of the instances replaced"
        if line != last:
            say(line)
            last = line
        if refresh["Status"] not in ACTIVE:
            return refresh
        if pause(seconds):
            return None
    raise AssertionError("the waits never end")


@contextmanager
def _explained(rollout: Rollout) -> Iterator[None]:
    """Say in a sentence what AWS refused."""
    # As boto3: slow to load, and a preview never comes here.
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise RolloutFailedError(f"rollout of {rollout.release} to {rollout.group}: {error}") from error


def _roll_out(rollout: Rollout, pause: Pause, say: Say, replaced_release: str | None) -> None:
    group = rollout.group

    def look(refresh_id: str) -> Mapping[str, Any]:
        described = rollout.aws.autoscaling().describe_instance_refreshes(
            AutoScalingGroupName=group, InstanceRefreshIds=[refresh_id]
        )
        return described["InstanceRefreshes"][0]

    active = _active_refresh(rollout.aws.autoscaling(), group)
    if active is not None and active["Status"] in {"RollbackInProgress", "Cancelling"}:
        ending = active["InstanceRefreshId"]
        say("waiting for the end of the one before it")
        if wait_for_end(lambda: look(ending), say, pause) is None:
            raise _not_started(rollout)
        active = None
    if active is not None and _desired(active) != rollout.target:
        raise RolloutFailedError(
            f"Auto Scaling group {group}: refresh {active['InstanceRefreshId']} to another template version is in "
            f"progress; wait for it, or run: aws autoscaling cancel-instance-refresh --auto-scaling-group-name {group}"
        )
    if active is not None:
        say("joining the one in progress")
        refresh_id = active["InstanceRefreshId"]
    elif _runs(rollout):
        return
    else:
        refresh_id = _start(rollout, watched=_may_be_watched(rollout, pause, say, replaced_release))
    newcomers = Newcomers(lambda: _newcomers(rollout))

    def look_around() -> Mapping[str, Any]:
        refresh = look(refresh_id)
        # Once it rolls back, those of the new version are going, and no news.
        if refresh["Status"] in {"InProgress", "Baking"}:
            newcomers.update(say)
        return refresh

    ended = wait_for_end(look_around, say, pause)
    if ended is None:
        raise RolloutFailedError(
            f"rollout of {rollout.release} to {group} goes on in AWS, and nobody waits for it; to join it, "
            "run: pulumi up"
        )
    if ended["Status"] != "Successful":
        now = f"{replaced_release} runs again" if ended["Status"] == "RollbackSuccessful" else "what runs is mixed"
        reason = ended.get("StatusReason", "AWS gave no reason")
        raise RolloutFailedError(
            f"rollout of {rollout.release} to {group} ended as {ended['Status']}: {now}; reason: {reason.rstrip('.')}"
            f"{newcomers.clause}"
        )


def _may_be_watched(rollout: Rollout, pause: Pause, say: Say, replaced_release: str | None) -> bool:
    """Return whether its alarms can watch the refresh; False: one can't, and that is overridden.

    Raises RolloutFailedError if one can't and nobody overrode it, or if `pause` was interrupted.
    """
    unfit = _unfit_alarms(rollout, pause, say)
    if unfit and not rollout.alarms_overridden:
        raise RolloutFailedError(
            f"rollout of {rollout.release} to {rollout.group} was not started, since AWS starts none unless its alarms "
            f"are OK, and {in_words(unfit)}{f'; {replaced_release} stays' if replaced_release else ''}; to roll it "
            f"out all the same: eps-dos release promote {rollout.release} --to {rollout.stack} --override alarms "
            '--reason "..."'
        )
    if unfit:
        say(f"{in_words(unfit)}, which is overridden: no alarm stops it, and nothing is rolled back by itself")
    return not unfit


def _unfit_alarms(rollout: Rollout, pause: Pause, say: Say) -> Mapping[str, str]:
    """Return the state of each alarm that isn't OK; one that has no data yet is waited for."""
    waited = 0.0
    for seconds in chain(POLL_SECONDS, repeat(LONGEST_POLL_SECONDS)):
        unfit = unfit_alarms(rollout.aws.cloudwatch(), rollout.alarm_names)
        if set(unfit.values()) != {NO_DATA} or waited >= LONGEST_WITHOUT_DATA_SECONDS:
            return unfit
        if not waited:
            say(f"waiting, since {in_words(unfit)}")
        if pause(seconds):
            raise _not_started(rollout)
        waited += seconds
    raise AssertionError("the waits never end")


def _not_started(rollout: Rollout) -> RolloutFailedError:
    return RolloutFailedError(f"rollout of {rollout.release} to {rollout.group} was not started; run: pulumi up")


def _start(rollout: Rollout, *, watched: bool) -> str:
    preferences: RefreshPreferencesTypeDef = {
        "MinHealthyPercentage": rollout.minimum_healthy_percent,
        "MaxHealthyPercentage": rollout.maximum_healthy_percent,
        "InstanceWarmup": rollout.instance_warmup_seconds,
        "BakeTime": rollout.bake_seconds,
        # Back to instances that fail is no way out, and AWS says that it would end in failure itself (EC2 Auto Scaling
        # guide, auto rollback: what is gone back to must be stable).
        "AutoRollback": watched,
        # Instances that already are what they shall be stay: a rollout taken up again doesn't start from nothing.
        "SkipMatching": True,
    }
    if watched and rollout.alarm_names:
        preferences["AlarmSpecification"] = {"Alarms": list(rollout.alarm_names)}
    started = rollout.aws.autoscaling().start_instance_refresh(
        AutoScalingGroupName=rollout.group,
        Strategy="Rolling",
        DesiredConfiguration={
            "LaunchTemplate": {
                "LaunchTemplateId": rollout.target.launch_template_id,
                "Version": rollout.target.version,
            }
        },
        Preferences=preferences,
    )
    return started["InstanceRefreshId"]


def _runs(rollout: Rollout) -> bool:
    """Whether the group and each of its instances already are at the rollout's template version."""
    group = _group(rollout)
    templates = [group.get("LaunchTemplate"), *(instance.get("LaunchTemplate") for instance in group["Instances"])]
    return all(template is not None and _as_target(template) == rollout.target for template in templates)


def _newcomers(rollout: Rollout) -> Iterator[tuple[str, str]]:
    """Yield the instances of the new version, with what their health checks say against them."""
    group = _group(rollout)
    new = {
        instance["InstanceId"]: instance
        for instance in group["Instances"]
        if _as_target(instance.get("LaunchTemplate", {})) == rollout.target and "InstanceId" in instance
    }
    health = _target_health(rollout.aws, group.get("TargetGroupARNs", [])) if new else {}
    for identifier, instance in new.items():
        wrong = health.get(identifier, "")
        if not wrong and instance["HealthStatus"].lower() != "healthy":
            wrong = "the group's health check calls it unhealthy"
        yield f"{identifier} ({instance['AvailabilityZone']})", wrong


def _target_health(aws: Aws, target_group_arns: Sequence[str]) -> dict[str, str]:
    """Return what the load balancer says against instances; one that is only starting has nothing against it."""
    balancing = aws.load_balancing()
    return {
        target["Target"]["Id"]: target["TargetHealth"].get("Description")
        or target["TargetHealth"].get("Reason", "unhealthy")
        for arn in target_group_arns
        for target in balancing.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        if target["TargetHealth"]["State"] == "unhealthy"
    }


def _group(rollout: Rollout) -> AutoScalingGroupTypeDef:
    described = rollout.aws.autoscaling().describe_auto_scaling_groups(AutoScalingGroupNames=[rollout.group])
    if not described["AutoScalingGroups"]:
        raise RolloutFailedError(
            f"Auto Scaling group {rollout.group} does not exist; run: pulumi refresh, then pulumi up"
        )
    return described["AutoScalingGroups"][0]


def _active_refresh(autoscaling: AutoScalingClient, group: str) -> Mapping[str, Any] | None:
    # AWS allows one at a time in a group, and lists the newest first (EC2 Auto Scaling API, DescribeInstanceRefreshes).
    refreshes = autoscaling.describe_instance_refreshes(AutoScalingGroupName=group)["InstanceRefreshes"]
    return next((refresh for refresh in refreshes if refresh["Status"] in ACTIVE), None)


def _desired(refresh: Mapping[str, Any]) -> Target | None:
    template = refresh.get("DesiredConfiguration", {}).get("LaunchTemplate")
    return _as_target(template) if template else None


def _as_target(template: Mapping[str, Any]) -> Target:
    return Target(template.get("LaunchTemplateId", ""), template.get("Version", ""))
