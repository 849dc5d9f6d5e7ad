"""Rollout: the one way in which a release reaches the instances, as a resource whose update is an instance refresh.

The provider's own refresh (a block of the group) updates the group before it starts, so that AWS would roll back to the
new version, and it doesn't wait. Here the group is left alone: AWS gets the new template version, by number, as desired
configuration, and writes it to the group only when the refresh succeeds. If it doesn't, `up` fails, the state keeps the
old release, and the next preview shows the new one as pending again.

Left out: a first deployment (the group starts with its release) and changes of capacity, which replace nobody.
"""

import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import grpc
import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from infra.environment import AwsPlan, RolloutPlan

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef, RefreshPreferencesTypeDef
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

ACTIVE = frozenset({"Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress"})
"""Statuses of a refresh that isn't over (EC2 Auto Scaling API, InstanceRefresh.Status)."""

POLL_SECONDS = (1, 2, 4, 8)
"""Waits between looks; from then on `LONGEST_POLL_SECONDS`. A rollout takes minutes."""
LONGEST_POLL_SECONDS = 15

SESSION_SECONDS = 1200
"""After so long roles are assumed anew: they are given for an hour at most when one assumes another (IAM guide, role
chaining), and a large group takes longer."""

ATTEMPTS = 10
"""A call that fails for a moment mustn't fail a deployment that goes on without us (boto3 guide, retries)."""


class RolloutFailedError(Exception):
    """A release didn't reach the instances; the message is one sentence that says what runs now and what to do."""


@dataclass(frozen=True, kw_only=True)
class RolloutArgs:
    """What a rollout is made from."""

    plan: RolloutPlan
    aws: AwsPlan
    release: pulumi.Input[str]
    image_id: pulumi.Input[str]
    auto_scaling_group: pulumi.Input[str]
    launch_template_id: pulumi.Input[str]
    launch_template_version: pulumi.Input[str]
    alarm_names: Sequence[pulumi.Input[str]]
    """Alarms that stop the rollout; its instances are then replaced by the old release again."""


@dataclass(frozen=True)
class Target:
    """A launch template's version: what instances are, or shall be, made from."""

    launch_template_id: str
    version: str


@dataclass
class Newcomers:
    """What became of the instances that a rollout started; AWS forgets those that it replaces again."""

    look: Callable[[], Iterator[tuple[str, str]]]
    """Yields instances of the new version with what is wrong with them; nothing wrong is an empty text."""
    seen: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)
    """By instance, with its zone: the last that was wrong."""

    def update(self, say: Callable[[str], None]) -> None:
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
    def told(self) -> str:
        """A clause for the sentence that says that the rollout failed."""
        if not self.failures:
            return ""
        return f"; of {len(self.seen)} new instances {len(self.failures)} failed: " + ", ".join(
            f"{instance}: {wrong}" for instance, wrong in sorted(self.failures.items())
        )


class RolloutProvider(ResourceProvider):
    """Drives instance refreshes. Pickled by reference, so a change of this code alone changes no resource."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Note what the group was made with; start a refresh only if it was made with something else."""
        with _told_as_it_is():
            _roll_out(props)
        return CreateResult(id_=props["autoScalingGroup"], outs=dict(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Report any change; another group is another rollout."""
        changed = sorted(
            key for key in _olds.keys() | _news.keys() if key != "__provider" and _olds.get(key) != _news.get(key)
        )
        return DiffResult(
            changes=bool(changed), replaces=[key for key in changed if key == "autoScalingGroup"], stables=[]
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Bring the group to the new template version, if it is another; preferences alone start nothing."""
        if _target(_olds) != _target(_news):
            with _told_as_it_is():
                _roll_out(_news, replaced_release=_olds["release"])
        return UpdateResult(outs=dict(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Report the template version that the group has, so that a refreshed state shows a change made by hand."""
        groups = _client(props).describe_auto_scaling_groups(AutoScalingGroupNames=[id_])["AutoScalingGroups"]
        known = {key: value for key, value in props.items() if key != "__provider"}
        template = groups[0].get("LaunchTemplate") if groups else None
        if template:
            known["launchTemplateVersion"] = template.get("Version", known["launchTemplateVersion"])
        return ReadResult(id_=id_, outs=dict(known), inputs=dict(known))


class Rollout(Resource, module="infra", name="Rollout"):
    """The release of an environment: its update is the rollout. A preview shows `release: 1.4.0 => 1.5.0`."""

    def __init__(self, name: str, args: RolloutArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        properties = {
            "release": args.release,
            "imageId": args.image_id,
            "autoScalingGroup": args.auto_scaling_group,
            "launchTemplateId": args.launch_template_id,
            "launchTemplateVersion": args.launch_template_version,
            "minimumHealthyPercent": args.plan.minimum_healthy_percent,
            "maximumHealthyPercent": args.plan.maximum_healthy_percent,
            "instanceWarmupSeconds": args.plan.instance_warmup_seconds,
            "bakeSeconds": args.plan.bake_seconds,
            "alarmNames": list(args.alarm_names),
            "region": args.aws.region,
            "profile": args.aws.profile or "",
            "assumeRoleArns": list(args.aws.assume_role_arns),
        }
        super().__init__(RolloutProvider(), f"{name}-rollout", properties, opts)


@contextmanager
def _told_as_it_is() -> Iterator[None]:
    """Let Pulumi show the sentence of a rollout that failed, and nothing else.

    What a provider raises, Pulumi answers the call with as a traceback (`_abort_with_traceback` of
    pulumi/dynamic/__main__.py). Only the context of the call can say something else, and Pulumi hands it to no
    provider: it is found with those who called. Where it isn't found, the sentence ends a traceback.
    """
    try:
        yield
    except RolloutFailedError as error:
        frame = inspect.currentframe()
        while frame is not None:
            context = frame.f_locals.get("context")
            if isinstance(context, grpc.ServicerContext):
                # Whoever ends the call from now on, also Pulumi itself, ends it with the sentence.
                context.abort = _ending_with(context.abort, str(error))
                break
            frame = frame.f_back
        raise


def _ending_with(abort: Callable[[grpc.StatusCode, str], None], sentence: str) -> Callable[[object, object], None]:
    return lambda _code, _details: abort(grpc.StatusCode.UNKNOWN, sentence)


def wait_for_end(
    look: Callable[[], Mapping[str, Any]],
    say: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> Mapping[str, Any]:
    """Return the refresh as `look` gives it once it is over, telling each change of status or percentage to `say`."""
    told = ""
    for seconds in _waits():
        refresh = look()
        line = f"{refresh['Status']}, {refresh.get('PercentageComplete', 0)} % of the instances replaced"
        if line != told:
            say(line)
            told = line
        if refresh["Status"] not in ACTIVE:
            return refresh
        pause(seconds)
    raise AssertionError("the waits never end")


def _waits() -> Iterator[float]:
    return chain(POLL_SECONDS, repeat(LONGEST_POLL_SECONDS))


def _roll_out(props: Mapping[str, Any], replaced_release: str | None = None) -> None:
    autoscaling = _client(props)
    group, target, release = props["autoScalingGroup"], _target(props), props["release"]

    def look(refresh_id: str) -> Mapping[str, Any]:
        # A client anew, since the rights of an assumed role end before a long rollout does.
        found = _client(props).describe_instance_refreshes(AutoScalingGroupName=group, InstanceRefreshIds=[refresh_id])
        return found["InstanceRefreshes"][0]

    def say(line: str) -> None:
        print(f"rollout of {release}: {line}", flush=True)  # noqa: T201 - a provider's stdout is Pulumi's progress

    active = _active_refresh(autoscaling, group)
    if active is not None and active["Status"] in {"RollbackInProgress", "Cancelling"}:
        ending = active["InstanceRefreshId"]
        say("waiting for the end of the one before it")
        wait_for_end(lambda: look(ending), say)
        active = None
    if active is not None and _desired(active) != target:
        raise RolloutFailedError(
            f"Auto Scaling group {group}: refresh {active['InstanceRefreshId']} to another template version is in "
            f"progress; wait for it, or run: aws autoscaling cancel-instance-refresh --auto-scaling-group-name {group}"
        )
    if active is not None:
        say("joining the one in progress")
        refresh_id = active["InstanceRefreshId"]
    elif _runs(autoscaling, group, target):
        return
    else:
        refresh_id = _start(autoscaling, props)
    newcomers = Newcomers(lambda: _newcomers(_client(props), props))

    def look_around() -> Mapping[str, Any]:
        refresh = look(refresh_id)
        # Once it rolls back, those of the new version are going, and no news.
        if refresh["Status"] in {"InProgress", "Baking"}:
            newcomers.update(say)
        return refresh

    ended = wait_for_end(look_around, say)
    if ended["Status"] != "Successful":
        now = f"{replaced_release} runs again" if ended["Status"] == "RollbackSuccessful" else "what runs is mixed"
        reason = ended.get("StatusReason", "AWS gave no reason")
        raise RolloutFailedError(
            f"rollout of {release} to {group} ended as {ended['Status']}: {now}; reason: {reason.rstrip('.')}"
            f"{newcomers.told}"
        )


def _start(autoscaling: "AutoScalingClient", props: Mapping[str, Any]) -> str:
    target = _target(props)
    preferences: RefreshPreferencesTypeDef = {
        "MinHealthyPercentage": int(props["minimumHealthyPercent"]),
        "MaxHealthyPercentage": int(props["maximumHealthyPercent"]),
        "InstanceWarmup": int(props["instanceWarmupSeconds"]),
        "BakeTime": int(props["bakeSeconds"]),
        "AutoRollback": True,
        # Instances that already are what they shall be stay: a rollout taken up again doesn't start from nothing.
        "SkipMatching": True,
    }
    if props["alarmNames"]:
        preferences["AlarmSpecification"] = {"Alarms": list(props["alarmNames"])}
    started = autoscaling.start_instance_refresh(
        AutoScalingGroupName=props["autoScalingGroup"],
        Strategy="Rolling",
        DesiredConfiguration={
            "LaunchTemplate": {"LaunchTemplateId": target.launch_template_id, "Version": target.version}
        },
        Preferences=preferences,
    )
    return started["InstanceRefreshId"]


def _runs(autoscaling: "AutoScalingClient", group: str, target: Target) -> bool:
    """Whether the group and each of its instances already are at `target`."""
    found = _group(autoscaling, group)
    templates = [found.get("LaunchTemplate"), *(one.get("LaunchTemplate") for one in found["Instances"])]
    return all(template is not None and _as_target(template) == target for template in templates)


def _newcomers(autoscaling: "AutoScalingClient", props: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the instances of the new version, with what their health checks say against them."""
    group = _group(autoscaling, props["autoScalingGroup"])
    new = {
        one["InstanceId"]: one
        for one in group["Instances"]
        if _as_target(one.get("LaunchTemplate", {})) == _target(props) and "InstanceId" in one
    }
    health = _target_health(props, group.get("TargetGroupARNs", [])) if new else {}
    for identifier, one in new.items():
        wrong = health.get(identifier, "")
        if not wrong and one["HealthStatus"].lower() != "healthy":
            wrong = "the group's health check calls it unhealthy"
        yield f"{identifier} ({one['AvailabilityZone']})", wrong


def _target_health(props: Mapping[str, Any], target_group_arns: Sequence[str]) -> dict[str, str]:
    """Return what the load balancer says against instances; one that is only starting has nothing against it."""
    balancing = _balancing(props)
    return {
        one["Target"]["Id"]: one["TargetHealth"].get("Description") or one["TargetHealth"].get("Reason", "unhealthy")
        for arn in target_group_arns
        for one in balancing.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        if one["TargetHealth"]["State"] == "unhealthy"
    }


def _group(autoscaling: "AutoScalingClient", name: str) -> "AutoScalingGroupTypeDef":
    found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    if not found:
        raise RolloutFailedError(f"Auto Scaling group {name} does not exist; run: pulumi refresh, then pulumi up")
    return found[0]


def _active_refresh(autoscaling: "AutoScalingClient", group: str) -> Mapping[str, Any] | None:
    # AWS allows one at a time in a group, and lists the newest first (EC2 Auto Scaling API, DescribeInstanceRefreshes).
    found = autoscaling.describe_instance_refreshes(AutoScalingGroupName=group)["InstanceRefreshes"]
    return next((refresh for refresh in found if refresh["Status"] in ACTIVE), None)


def _desired(refresh: Mapping[str, Any]) -> Target | None:
    template = refresh.get("DesiredConfiguration", {}).get("LaunchTemplate")
    return _as_target(template) if template else None


def _as_target(template: Mapping[str, Any]) -> Target:
    return Target(template.get("LaunchTemplateId", ""), template.get("Version", ""))


def _target(props: Mapping[str, Any]) -> Target:
    return Target(props["launchTemplateId"], props["launchTemplateVersion"])


def _client(props: Mapping[str, Any]) -> "AutoScalingClient":
    return _session(props).client("autoscaling", config=_patient())


def _balancing(props: Mapping[str, Any]) -> "ElasticLoadBalancingv2Client":
    return _session(props).client("elbv2", config=_patient())


def _patient() -> "Config":
    # As boto3 below: slow to load, and a preview needs neither.
    from botocore.config import Config

    return Config(retries={"mode": "standard", "max_attempts": ATTEMPTS})


def _session(props: Mapping[str, Any]) -> "boto3.Session":
    """Return a session with the rights of the stack's provider: its profile, then its roles, one after the other."""
    period = int(time.monotonic() // SESSION_SECONDS)
    return _session_of(props["profile"] or None, props["region"], tuple(props["assumeRoleArns"]), period)


@lru_cache(maxsize=1)
def _session_of(profile: str | None, region: str, role_arns: tuple[str, ...], _period: int) -> "boto3.Session":
    import boto3

    session = boto3.Session(profile_name=profile, region_name=region)
    for arn in role_arns:
        granted = session.client("sts").assume_role(RoleArn=arn, RoleSessionName="eps-dos-api-rollout")["Credentials"]
        session = boto3.Session(
            aws_access_key_id=granted["AccessKeyId"],
            aws_secret_access_key=granted["SecretAccessKey"],
            aws_session_token=granted["SessionToken"],
            region_name=region,
        )
    return session
