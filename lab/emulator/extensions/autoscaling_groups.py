"""Auto Scaling groups as AWS keeps them: members in all zones, that need time to start and are replaced when they fail.

Rules: EC2 Auto Scaling User Guide (instance lifecycle; distribution across Availability Zones; health checks for
instances; scaling limits; suspended processes) and API reference (CreateAutoScalingGroup, UpdateAutoScalingGroup,
SetDesiredCapacity, DeleteAutoScalingGroup, DescribeScalingActivities). A group whose instance type one of its zones
doesn't offer is refused when it is made (EC2 API, DescribeInstanceTypeOfferings; the words as users report them). In
moto all members are in the first subnet, serve at once, are all said to be of the template's default version, and an
unhealthy one stays.

How many are desired follows scheduled actions (`autoscaling_schedules`) and the load that the faults say
(`target_tracking`). Rebalancing moves one member at a time: AWS may move as many as a tenth of the maximum at once.
Left out: lifecycle hooks, warm pools, mixed instances, other policies. Rolling a new version out is in
`autoscaling_refreshes`.
"""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from moto.autoscaling import models
from moto.autoscaling.exceptions import ResourceContentionError, ValidationError
from moto.autoscaling.models import (
    FakeAutoScalingGroup,
    FakeScheduledAction,
    InstanceState,
    autoscaling_backends,
)
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.elbv2.models import elbv2_backends

from lab.emulator import clock, faults
from lab.emulator.extensions.autoscaling_schedules import AlreadyExists, Schedules
from lab.emulator.extensions.elbv2_target_groups import INITIAL_SECONDS, TargetGroups
from lab.emulator.extensions.hooks import adds_to, each, extends, is_true
from lab.emulator.target_tracking import PERIOD_SECONDS, Fleet, Tracking

BOOT_SECONDS = 30.0
STEP_SECONDS = 10.0
"""How finely time is looked at when much of it has passed since the last request."""

IMAGE_SIZE_GIB = 8
DEFAULT_WARMUP_SECONDS = 300.0
"""The default cooldown, which stands in where a group has no warm-up (EC2 Auto Scaling API, DefaultInstanceWarmup)."""

KEPT_AS_SENT = {
    "DefaultInstanceWarmup": "default_instance_warmup",
    "MaxInstanceLifetime": "max_instance_lifetime",
    "DefaultCooldown": "default_cooldown",
    "TerminationPolicies": "termination_policies",
    "CapacityRebalance": "capacity_rebalance",
    "ServiceLinkedRoleARN": "service_linked_role_arn",
}
"""Parameters of create and update that moto drops, and under which attribute a group shows them."""


class ResourceInUse(ServiceException):
    """DeleteAutoScalingGroup: the group has instances and ForceDelete wasn't asked for."""

    code = "ResourceInUse"


class Member(InstanceState):
    """An instance of a group, with the launch template version that it was really made from."""

    def __init__(self, instance: Any, group: Group, version: str) -> None:
        super().__init__(
            instance,
            lifecycle_state="Pending",
            protected_from_scale_in=group.new_instances_protected_from_scale_in,
            autoscaling_group=group,
        )
        self.version = version
        self.launched_at = group.looked_at

    @property
    def settled_at(self) -> float:
        """When its warm-up is over, which begins when it is in service."""
        return float(self.launched_at + BOOT_SECONDS + self.auto_scaling_group.warmup_seconds)

    @property
    def launch_template(self) -> dict[str, Any] | None:
        """The template and version, as DescribeAutoScalingGroups has it."""
        template = self.auto_scaling_group.ec2_launch_template
        if template is None:
            return None
        return {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "Version": self.version}


class Group(FakeAutoScalingGroup):
    """moto's group, whose members live."""

    # moto has these as optional; a group that was made has them.
    desired_capacity: int
    min_size: int
    max_size: int
    ec2_launch_template: Any
    health_check_grace_period: int
    autoscaling_backend: Any

    def __init__(self, *args: Any, **settings: Any) -> None:
        self.activities: list[dict[str, Any]] = []
        self.refresh: Any = None
        self.looked_at = clock.now()
        self.day = clock.calendar()
        self.replacement: Member | None = None  # launched so that one in a fuller zone can go
        self.trackings: dict[tuple[str, float, bool], Tracking] = {}
        super().__init__(*args, **settings)

    # What a request asks for.

    def set_desired_capacity(self, new_capacity: int | None) -> None:
        """Launch or terminate until there are as many members as desired."""
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity
        self.settle()

    def update(self, *args: Any, **settings: Any) -> None:
        """UpdateAutoScalingGroup: a desired capacity outside new bounds moves to the nearer of them."""
        asked = settings.pop("desired_capacity", None)
        template = settings.get("launch_template")
        before = (self.mixed_instances_policy, self.desired_capacity)
        super().update(*args, **{**settings, "desired_capacity": before[1]})
        if not template and settings.get("mixed_instances_policy") is None:
            self.mixed_instances_policy = before[0]
        wanted = self.desired_capacity if asked is None else asked
        if asked is None:
            wanted = min(max(wanted, self.min_size), self.max_size)
        self.check_bounds(wanted)
        self.set_desired_capacity(wanted)

    def check_instance_type(self) -> None:
        """Refuse a template whose instance type a zone of the group doesn't offer."""
        wanted = self.ec2_launch_template.get_version(self.own_version).instance_type
        offers = self.ec2_backend.describe_instance_type_offerings("availability-zone", {"instance-type": [wanted]})
        offered = sorted(str(offer["Location"]) for offer in offers)
        for subnet in self.subnets:
            if subnet.availability_zone not in offered:
                raise ValidationError(
                    f"You must use a valid fully-formed launch template. Your requested instance type ({wanted}) is "
                    f"not supported in your requested Availability Zone ({subnet.availability_zone}). Please retry "
                    f"your request by not specifying an Availability Zone or choosing {', '.join(offered)}."
                )

    def check_bounds(self, wanted: int) -> None:
        """Refuse a desired capacity outside minimum and maximum."""
        if self.min_size > self.max_size:
            raise ValidationError(
                f"Max bound, {self.max_size}, must be greater than or equal to min bound, {self.min_size}"
            )
        if wanted > self.max_size:
            raise ValidationError(
                f"New SetDesiredCapacity value {wanted} is above max value {self.max_size} for the AutoScalingGroup."
            )
        if wanted < self.min_size:
            raise ValidationError(
                f"New SetDesiredCapacity value {wanted} is below min value {self.min_size} for the AutoScalingGroup."
            )

    def replace_autoscaling_group_instances(self, count_needed: int, propagated_tags: dict[str, str]) -> None:  # noqa: ARG002 - moto's signature
        """Launch `count_needed` members of the group's own version."""
        for _ in range(count_needed):
            if self.launch(self.own_version) is None:
                return

    # Members.

    @property
    def own_version(self) -> str:
        """The template version that the group launches, as a number."""
        return self.number(self.launch_template_version)

    def number(self, version: str) -> str:
        """Return the number of a template version, which may be given as $Latest or $Default."""
        return str(self.ec2_launch_template.get_version(version).number)

    @property
    def members(self) -> list[Member]:
        """Those that are not terminated."""
        return [state for state in self.instance_states if isinstance(state, Member)]

    def settle(self) -> None:
        """Bring the number of members to the desired one, unless a refresh is at it."""
        if self.refresh is not None and self.refresh.active:
            return
        self.replace_autoscaling_group_instances(self.desired_capacity - len(self.members), {})
        if self.replacement not in self.members or self.serves(self.replacement, self.looked_at):
            self.replacement = None
        # Rebalancing launches first and terminates when what it launched serves.
        while len(self.members) > self.desired_capacity + (self.replacement is not None):
            self.terminate(
                self.most_crowded(self.members), "in response to a difference between desired and actual capacity"
            )

    def most_crowded(self, candidates: list[Member]) -> Member:
        """Return the oldest of `candidates` in the zone that has most members, so that zones stay balanced.

        Those in a zone that the group has left come first.
        """
        by_zone = Counter(member.availability_zone for member in self.members)
        own = {subnet.availability_zone for subnet in self.subnets}

        def order(member: Member) -> tuple[bool, int, float, str]:
            zone = member.availability_zone
            return (zone in own, -by_zone[zone], member.launched_at, member.instance_id)

        return min(candidates, key=order)

    @property
    def subnets(self) -> list[Any]:
        """The group's subnets, one in a zone."""
        return [self.ec2_backend.get_subnet(name) for name in (self.vpc_zone_identifier or "").split(",") if name]

    @property
    def lit_subnets(self) -> list[Any]:
        """Those whose zone works; all where none does, since there is nowhere else to try."""
        subnets = self.subnets
        return [one for one in subnets if one.availability_zone not in faults.current().dark_zones] or subnets

    @property
    def is_unbalanced(self) -> bool:
        """Whether moving a member to another zone would make zones more alike."""
        subnets = self.lit_subnets
        if not subnets or "AZRebalance" in self._suspended_processes:
            return False
        by_subnet = Counter(member.instance.subnet_id for member in self.members)
        counts = [by_subnet[subnet.id] for subnet in subnets]
        strays = bool(by_subnet.keys() - {subnet.id for subnet in self.subnets})
        return strays or max(counts) - min(counts) > 1

    def unfit(self, version: str) -> str:
        """Return why EC2 launches nothing of a template version; empty if it does."""
        images: Any = self.ec2_backend
        try:
            images.check_launchable(self.ec2_launch_template.get_version(version).image_id)
        except EC2ClientError as error:
            return str(error.message)
        return ""

    def launch(self, version: str, staying: list[Member] | None = None) -> Member | None:
        """Launch a member of a template version in the zone with the fewest of those that stay (None: all).

        Returns None where EC2 refuses it: a failed activity, and tried again at the next look (EC2 Auto Scaling guide,
        "Troubleshoot Amazon EC2 Auto Scaling: AMI issues").
        """
        if refused := self.unfit(version):
            message = f"{refused}. Launching EC2 instance failed."
            if not self.activities or self.activities[0]["StatusMessage"] != message:
                self.record(f"Launching a new EC2 instance.  Status Reason: {message}", message=message, failed=True)
            return None
        template = self.ec2_launch_template.get_version(version)
        data = template.data
        subnets = self.lit_subnets
        by_subnet = Counter(member.instance.subnet_id for member in (self.members if staying is None else staying))
        subnet = min(subnets, key=lambda one: (by_subnet[one.id], one.availability_zone)) if subnets else None
        interfaces = data.get("NetworkInterfaces") or [{}]
        tags = {
            one["ResourceType"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]}
            for one in data.get("TagSpecifications") or []
        }
        reservation = self.ec2_backend.run_instances(
            template.image_id,
            1,
            template.user_data,
            [],
            instance_type=template.instance_type,
            tags={
                "instance": {**tags.get("instance", {}), **self.get_propagated_tags(), models.ASG_NAME_TAG: self.name},
                "volume": tags.get("volume", {}),
            },
            placement=subnet.availability_zone if subnet else self.availability_zones[0],
            launch_template={"LaunchTemplateId": self.ec2_launch_template.id, "Version": version},
            is_instance_type_default=False,
            associate_public_ip=False,
            subnet_id=subnet.id if subnet else None,
            security_group_ids=list(interfaces[0].get("Groups") or data.get("SecurityGroupIds") or []),
            region_name=self.region,
            metadata_options=data.get("MetadataOptions"),
            **_volumes(data),
        )
        instance: Any = reservation.instances[0]
        instance.autoscaling_group = self
        instance._state.name, instance._state.code = "pending", 0
        member = Member(instance, self, version)
        self.instance_states.append(member)
        self.record(f"Launching a new EC2 instance: {member.instance_id}")
        return member

    def terminate(self, member: Member, cause: str) -> None:
        """Deregister and terminate a member."""
        self.instance_states.remove(member)
        for arn in self.target_group_arns:
            if arn in self.autoscaling_backend.elbv2_backend.target_groups:
                self.autoscaling_backend.elbv2_backend.deregister_targets(arn, [{"Id": member.instance_id}])
        self.ec2_backend.terminate_instances([member.instance_id])
        self.record(f"Terminating EC2 instance: {member.instance_id}", cause)

    def serves(self, member: Member, now: float) -> bool:
        """Tell whether a member is in service and, at each of the group's target groups, healthy."""
        return member.lifecycle_state == "InService" and all(
            self._healthy_at(arn, member, now) for arn in self.target_group_arns
        )

    def _healthy_at(self, target_group_arn: str, member: Member, now: float) -> bool:
        backend: TargetGroups = self.autoscaling_backend.elbv2_backend
        since = backend.checked_since.get((target_group_arn, member.instance_id))
        return (
            since is not None
            and since + INITIAL_SECONDS <= now
            and not faults.is_unhealthy(member.instance.image_id, str(member.availability_zone))
        )

    def record(self, description: str, cause: str = "", message: str = "", failed: bool = False) -> None:
        """Note a scaling activity; the newest is first."""
        at = datetime.now(UTC)
        self.activities.insert(
            0,
            {
                "ActivityId": str(uuid.uuid4()),
                "AutoScalingGroupName": self.name,
                "Description": description,
                "Cause": f"At {at:%Y-%m-%dT%H:%M:%SZ} {cause or 'an instance was started'}.",
                "StartTime": at.isoformat(),
                "EndTime": at.isoformat(),
                "StatusCode": "Failed" if failed else "Successful",
                "StatusMessage": message,
                "Progress": 100,
                "Details": "{}",
            },
        )

    # Time.

    def advance(self, now: float) -> None:
        """Move on to `now`, in steps, as if somebody had looked all the while, and do what was scheduled meanwhile."""
        today = clock.calendar()
        while (due := self.autoscaling_backend.due(self.name, today)) is not None:
            at, action = due
            # The calendar and emulated time pass at different paces; between two looks, both evenly.
            share = (at - self.day) / (today - self.day) if today > self.day else 1.0
            self._pass(self.looked_at + min(max(share, 0.0), 1.0) * (now - self.looked_at))
            self.day = max(self.day, at)
            self._follow(action)
            self.autoscaling_backend.has_run(action, at)
        self._pass(now)
        self.day = today

    def _pass(self, until: float) -> None:
        while self.looked_at < until:
            before = self.looked_at
            if self.quiet():
                self.looked_at = until
            self.looked_at = min(self.looked_at + STEP_SECONDS, until)
            for backend in each(elbv2_backends, TargetGroups):
                backend.advance(self.looked_at)
            self._step(self.looked_at, last=self.looked_at >= until)
            if before // PERIOD_SECONDS < self.looked_at // PERIOD_SECONDS:
                self._track()

    def _follow(self, action: FakeScheduledAction) -> None:
        """Do what a scheduled action says; a desired capacity outside the bounds moves to the nearer of them."""
        if "ScheduledActions" in self._suspended_processes:
            return
        self.min_size = self.min_size if action.min_size is None else action.min_size
        self.max_size = self.max_size if action.max_size is None else action.max_size
        before = self.desired_capacity
        wanted = before if action.desired_capacity is None else action.desired_capacity
        self.set_desired_capacity(min(max(wanted, self.min_size), self.max_size))
        self.record(
            f"Executing scheduled action {action.scheduled_action_name}",
            f"a scheduled action update of AutoScalingGroup constraints to min: {self.min_size}, max: {self.max_size}, "
            f"desired: {self.desired_capacity} changing the desired capacity from {before} to {self.desired_capacity}",
        )

    @property
    def warmup_seconds(self) -> float:
        """How long an instance counts as new once it is in service."""
        warmup = getattr(self, "default_instance_warmup", None)
        return DEFAULT_WARMUP_SECONDS if warmup is None or int(warmup) < 0 else float(warmup)

    def _fleet(self) -> Fleet:
        in_service = [member for member in self.members if member.lifecycle_state == "InService"]
        settled = [member for member in in_service if self.looked_at >= member.settled_at]
        return Fleet(
            desired=self.desired_capacity,
            minimum=self.min_size,
            maximum=self.max_size,
            settled=len(settled),
            warming=len(self.members) - len(settled),
            sharing=len(in_service),
            load=faults.current().loads.get(self.name, 0.0),
        )

    def _policies(self) -> dict[str, Tracking]:
        """Return what tracks the group's CPU, by policy. A policy that is put anew begins anew if it says otherwise."""
        tracking: dict[str, Tracking] = {}
        for policy in self.autoscaling_backend.policies.values():
            settings = policy.target_tracking_configuration
            metric = getattr(settings, "PredefinedMetricSpecification", None) or {}
            if (
                policy.auto_scaling_group_name == self.name
                and policy.enabled
                and metric.get("PredefinedMetricType") == "ASGAverageCPUUtilization"
            ):
                scales_in = not is_true(getattr(settings, "DisableScaleIn", False))
                key = (policy.name, float(settings.TargetValue), scales_in)
                tracking[policy.name] = self.trackings.setdefault(
                    key, Tracking(target_percent=key[1], scales_in=scales_in)
                )
        return tracking

    def _track(self) -> None:
        """Let the policies look at one period. With several the largest number counts ("Multiple scaling policies")."""
        fleet, policies = self._fleet(), self._policies()
        wanted = {name: tracking.period(fleet) for name, tracking in policies.items()}
        if not wanted or "AlarmNotification" in self._suspended_processes:
            return
        name = max(wanted, key=lambda one: wanted[one])
        if wanted[name] != fleet.desired:
            self.set_desired_capacity(wanted[name])
            alarm = f"TargetTracking-{self.name}-Alarm{'High' if wanted[name] > fleet.desired else 'Low'}"
            self.record(
                f"Setting desired capacity to {wanted[name]}",
                f"a monitor alarm {alarm} in state ALARM triggered policy {name} changing the desired capacity from "
                f"{fleet.desired} to {wanted[name]}",
            )

    def quiet(self) -> bool:
        """Tell whether time alone changes nothing here."""
        busy = self.refresh is not None and self.refresh.active
        settled = len(self.members) == self.desired_capacity and not self.is_unbalanced
        fleet = self._fleet()
        at_rest = not (fleet.load and fleet.warming) and all(
            tracking.is_at_rest(fleet) for tracking in self._policies().values()
        )
        # One that fails on purpose is replaced at the next look, however many seconds were between.
        serving = all(self.serves(one, clock.now()) or _fails(one) for one in self.members)
        return not busy and settled and at_rest and serving

    def _step(self, now: float, *, last: bool) -> None:
        for member in self.members:
            if member.lifecycle_state == "Pending" and now >= member.launched_at + BOOT_SECONDS:
                member.instance._state.name, member.instance._state.code = "running", 16
                member.lifecycle_state = "InService"
                self.autoscaling_backend.update_attached_target_groups(self.name)
        if self.refresh is not None and self.refresh.active:
            self.refresh.step(now)
            return
        # Once a request at most: where every instance fails, as many would be replaced as time has room for.
        if self.health_check_type == "ELB" and last:
            for member in self.members:
                grace = BOOT_SECONDS + float(self.health_check_grace_period)
                if now >= member.launched_at + grace and not self.serves(member, now) and self._failed(member):
                    cause = "an instance was taken out of service in response to an ELB system health check failure"
                    self.terminate(member, cause)
        self.settle()
        if self.replacement is None and self.is_unbalanced and len(self.members) == self.desired_capacity:
            self.replacement = self.launch(self.own_version)

    def _failed(self, member: Member) -> bool:
        """Tell whether a member fails its checks; one that nobody checks (no listener yet) doesn't."""
        checked = self.autoscaling_backend.elbv2_backend.checked_since
        return any((arn, member.instance_id) in checked for arn in self.target_group_arns)


@extends(autoscaling_backends)
class Groups(Schedules):
    """moto's backend, whose groups have members that live."""

    def update_attached_target_groups(self, group_name: str) -> None:
        """Register the members that are in service: a load balancer takes instances that run."""
        group, balancing = self.known(group_name), self._balancing
        for arn in group.target_group_arns:
            target_group = balancing.target_groups.get(arn)
            if target_group is not None:
                running = [member.instance_id for member in group.members if member.lifecycle_state == "InService"]
                new = [one for one in running if one not in target_group.targets]
                balancing.register_targets(arn, [{"Id": one, "Port": target_group.port} for one in new])
                for key in [(arn, one) for one in new]:
                    # Registered when the group was last looked at, which may be long before this request.
                    if key in balancing.checked_since:
                        balancing.checked_since[key] = group.looked_at

    @property
    def _balancing(self) -> Any:
        return self.elbv2_backend

    def set_desired_capacity(self, group_name: str, desired_capacity: int | None) -> None:
        """SetDesiredCapacity: within the group's bounds."""
        group = self.known(group_name)
        group.check_bounds(group.min_size if desired_capacity is None else desired_capacity)
        group.set_desired_capacity(desired_capacity)

    def known(self, group_name: str) -> Group:
        """Return a group, or AWS's refusal."""
        if group_name not in self.autoscaling_groups:
            raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{group_name}' not found")
        group: Any = self.autoscaling_groups[group_name]
        return group  # type: ignore[no-any-return]  # moto makes none but these

    def delete_auto_scaling_group(self, group_name: str, force: bool = False) -> None:
        """DeleteAutoScalingGroup: refused while there are instances, unless forced; then they go too.

        Policies and scheduled actions are the group's and go with it.
        """
        group = self.known(group_name)
        if group.members and not force:
            raise ResourceInUse(
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) "
                "still in the group."
            )
        if group.refresh is not None and group.refresh.active and not force:
            raise ResourceContentionError
        for member in group.members:
            group.terminate(member, "the group was deleted")
        del self.autoscaling_groups[group_name]
        for kept in (self.policies, self.scheduled_actions):
            for key in [key for key, one in kept.items() if one.auto_scaling_group_name == group_name]:
                del kept[key]

    def notify_terminate_instances(self, instance_ids: list[str]) -> None:
        """A member that somebody terminated is gone, and is replaced at the next look."""
        for group in self.autoscaling_groups.values():
            group.instance_states = [one for one in group.instance_states if one.instance_id not in instance_ids]


_create = AutoScalingResponse.create_auto_scaling_group
_update = AutoScalingResponse.update_auto_scaling_group


@adds_to(AutoScalingResponse)
class GroupActions(AutoScalingResponse):
    """What moto's answers leave out."""

    def create_auto_scaling_group(self) -> ActionResult:
        """CreateAutoScalingGroup: keeps every parameter; the name must be new; bounds must hold."""
        name = self._get_param("AutoScalingGroupName")
        if name in self.autoscaling_backend.autoscaling_groups:
            raise AlreadyExists(
                f"AutoScalingGroup by this name already exists - A group with the name {name} already exists"
            )
        answer = _create(self)
        group = _backend(self).autoscaling_groups[name]
        try:
            _check_template(group)
            group.check_instance_type()
        except ValidationError:
            _backend(self).delete_auto_scaling_group(name, force=True)
            raise
        _keep_as_sent(self, group)
        return answer

    def update_auto_scaling_group(self) -> ActionResult:
        """UpdateAutoScalingGroup: keeps every parameter."""
        answer = _update(self)
        _keep_as_sent(self, _backend(self).autoscaling_groups[self._get_param("AutoScalingGroupName")])
        return answer

    def delete_auto_scaling_group(self) -> ActionResult:
        """DeleteAutoScalingGroup, with ForceDelete."""
        force = self._get_bool_param("ForceDelete", False)
        _backend(self).delete_auto_scaling_group(self._get_param("AutoScalingGroupName"), force)
        return EmptyResult()

    def describe_scaling_activities(self) -> ActionResult:
        """DescribeScalingActivities: the newest first."""
        name = self._get_param("AutoScalingGroupName")
        groups = _backend(self).autoscaling_groups
        found = [groups[name]] if name in groups else ([] if name else list(groups.values()))
        return ActionResult({"Activities": [activity for group in found for activity in group.activities]})


def _check_template(group: Group) -> None:
    """Refuse a template that nothing can be launched from.

    In AWS's words: terraform-aws-modules and others quote them for an image that isn't there.
    """
    if group.ec2_launch_template is not None and (unfit := group.unfit(group.own_version)):
        raise ValidationError(f"You must use a valid fully-formed launch template. {unfit}")


def _fails(member: Member) -> bool:
    image_id, zone = member.instance.image_id, str(member.availability_zone)
    return member.lifecycle_state == "InService" and faults.is_unhealthy(image_id, zone)


def _volumes(data: dict[str, Any]) -> dict[str, Any]:
    """Return the template's volumes as moto takes them; without any, moto makes the image's own."""
    mappings = data.get("BlockDeviceMappings") or []
    return (
        {
            "block_device_mappings": [
                {
                    "DeviceName": one["DeviceName"],
                    "Ebs": {
                        # The image's own size in AWS; the lab's images are as small as one can be.
                        "VolumeSize": IMAGE_SIZE_GIB,
                        **one.get("Ebs", {}),
                        "Encrypted": is_true(one.get("Ebs", {}).get("Encrypted")),
                        "DeleteOnTermination": is_true(one.get("Ebs", {}).get("DeleteOnTermination")),
                    },
                }
                for one in mappings
            ]
        }
        if mappings
        else {}
    )


def _backend(response: AutoScalingResponse) -> Any:
    return response.autoscaling_backend


def _keep_as_sent(response: Any, group: Group) -> None:
    for parameter, attribute in KEPT_AS_SENT.items():
        value = response._get_param(parameter)
        if value is not None:
            setattr(group, attribute, value)


def advance(now: float) -> None:
    """Move every group on to `now`."""
    for backend in each(autoscaling_backends, Groups):
        for name in list(backend.autoscaling_groups):
            backend.known(name).advance(now)


# moto makes groups by this name.
setattr(models, "FakeAutoScalingGroup", Group)  # noqa: B010 - to a type checker it is a type, not a variable
# ScalingPolicy (EC2 Auto Scaling API): a policy is enabled unless it was made otherwise.
setattr(models.FakeScalingPolicy, "enabled", True)  # noqa: B010 - an attribute moto's class lacks
