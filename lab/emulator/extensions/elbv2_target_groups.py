"""Target groups as AWS keeps them: health that takes time, draining, attributes, limits.

Rules: Elastic Load Balancing API reference (CreateTargetGroup, ModifyTargetGroup, RegisterTargets, DeregisterTargets,
DescribeTargetHealth, TargetHealth, TargetGroupAttribute) and the User Guide for Network Load Balancers (health checks,
target groups, registered targets). In moto a target is healthy at once and stays so after its instance is gone.

What decides about health in the lab: an instance of an image among the faults' `unhealthyImages`, or in one of its
`darkZones`, fails its checks, any other passes. Left out: targets that aren't instances (moto's answer stands),
thresholds (a first verdict takes INITIAL_SECONDS whatever the interval).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.elbv2.exceptions import (
    DuplicateTargetGroupName,
    ELBClientError,
    TargetGroupNotFoundError,
    ValidationError,
)
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup, elbv2_backends
from moto.elbv2.responses import ELBV2Response

from lab.emulator import clock, faults
from lab.emulator.extensions.elbv2_load_balancers import check_zonal_shift
from lab.emulator.extensions.hooks import adds_to, each, extends

INITIAL_SECONDS = 30.0
NETWORK_PROTOCOLS = ("TCP", "TLS", "UDP", "TCP_UDP")

# TargetGroupAttribute: what a group of instances behind a network load balancer has, and its defaults.
NETWORK_ATTRIBUTES = {
    "deregistration_delay.connection_termination.enabled": "false",
    "deregistration_delay.timeout_seconds": "300",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    "preserve_client_ip.enabled": "true",
    "proxy_protocol_v2.enabled": "false",
    "stickiness.enabled": "false",
    "stickiness.type": "source_ip",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
    "target_health_state.unhealthy.connection_termination.enabled": "true",
    "target_health_state.unhealthy.draining_interval_seconds": "0",
}
LONGEST_DEREGISTRATION_SECONDS = 3600

# CreateTargetGroup and ModifyTargetGroup: the ranges of the health check, by parameter.
RANGES = {
    "healthCheckIntervalSeconds": (5, 300),
    "healthCheckTimeoutSeconds": (2, 120),
    "healthyThresholdCount": (2, 10),
    "unhealthyThresholdCount": (2, 10),
}

# DescribeTargetHealth: state, reason and AWS's description of it.
INITIAL = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
NOT_REGISTERED = ("unused", "Target.NotRegistered", "Target is not registered to the target group")
NOT_IN_USE = (
    "unused",
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
)
ZONE_NOT_ENABLED = (
    "unused",
    "Target.NotInUse",
    "Target is in an Availability Zone that is not enabled for the load balancer",
)
STOPPED = ("unused", "Target.InvalidState", "Target is in the stopped state")
DRAINING = ("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
UNHEALTHY = ("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
HEALTHY = ("healthy", None, None)


@extends(elbv2_backends)
class TargetGroups(ELBv2Backend):
    """moto's backend, with time between registration and health, and between deregistration and absence."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        # By group and target: since when it has been running, registered and of use; until when it drains.
        self.checked_since: dict[tuple[str, str], float] = {}
        self.draining_until: dict[tuple[str, str], float] = {}

    def create_target_group(self, name: str, **settings: Any) -> FakeTargetGroup:
        """CreateTargetGroup: the same again is the same group; other settings under its name are refused."""
        _check_ranges(
            settings.get("healthcheck_interval_seconds"),
            settings.get("healthcheck_timeout_seconds"),
            settings.get("healthy_threshold_count"),
            settings.get("unhealthy_threshold_count"),
        )
        existing = next((group for group in self.target_groups.values() if group.name == name), None)
        if existing is not None:
            if _same_settings(existing, settings):
                return existing
            raise DuplicateTargetGroupName(
                f"A target group with the same name '{name}' exists, but with different settings"
            )
        check = settings.get("healthcheck_protocol")
        if settings.get("protocol") in NETWORK_PROTOCOLS and check in ("HTTP", "HTTPS"):
            settings["healthcheck_path"] = settings.get("healthcheck_path") or "/"
            settings["matcher"] = settings.get("matcher") or {"HttpCode": "200-399"}
            settings["healthcheck_timeout_seconds"] = settings.get("healthcheck_timeout_seconds") or (
                6 if check == "HTTP" else 10
            )
        tags = settings.pop("tags", None)
        group = super().create_target_group(name, **settings)
        if group.protocol in NETWORK_PROTOCOLS:
            group.attributes = dict(NETWORK_ATTRIBUTES)
        self.tagging_service.tag_resource(group.arn, tags)
        return group

    def modify_target_group(self, arn: str, *asked: Any, **settings: Any) -> FakeTargetGroup:
        """ModifyTargetGroup: within the ranges of CreateTargetGroup, and the timeout within the interval."""
        group = self._group(arn)
        # In moto's order.
        _protocol, _port, _path, *ranged, http_codes = asked
        _check_ranges(*ranged)
        interval = ranged[0] or group.health_check_interval_seconds
        timeout = ranged[1] or group.health_check_timeout_seconds
        if int(timeout) > int(interval):
            raise ValidationError(
                f"Health check timeout '{timeout}' must be smaller than or equal to the interval '{interval}'"
            )
        modified = super().modify_target_group(arn, *asked, **settings)
        if modified.health_check_protocol in ("HTTP", "HTTPS"):
            codes = {"HttpCode": http_codes} if http_codes else getattr(modified, "matcher", None)
            modified.matcher = codes or {"HttpCode": "200-399"}
            modified.health_check_path = modified.health_check_path or "/"
        return modified

    def modify_target_group_attributes(self, target_group_arn: str, attributes: dict[str, Any]) -> None:
        """ModifyTargetGroupAttributes: only those that exist, each within its range."""
        group = self._group(target_group_arn)
        for key, value in attributes.items():
            if group.protocol in NETWORK_PROTOCOLS and key not in NETWORK_ATTRIBUTES:
                raise ValidationError(f"Target group attribute key '{key}' is not recognized")
            if (
                key.endswith(".enabled")
                and key != "load_balancing.cross_zone.enabled"
                and value not in ("true", "false")
            ):
                raise ValidationError(f"Target group attribute '{key}' value '{value}' must be 'true' or 'false'")
        for arn in group.load_balancer_arns:
            check_zonal_shift(self.load_balancers[arn].attrs, [{**group.attributes, **attributes}])
        delay = attributes.get("deregistration_delay.timeout_seconds")
        if delay is not None and not (delay.isdigit() and int(delay) <= LONGEST_DEREGISTRATION_SECONDS):
            raise ValidationError(
                f"'deregistration_delay.timeout_seconds' value '{delay}' must be between "
                f"'0-{LONGEST_DEREGISTRATION_SECONDS}' inclusive"
            )
        # moto's own check of this one leaves out the longest.
        rest = {key: value for key, value in attributes.items() if key != "deregistration_delay.timeout_seconds"}
        super().modify_target_group_attributes(target_group_arn, rest)
        group.attributes.update(attributes)

    def delete_target_group(self, target_group_arn: str) -> FakeTargetGroup:
        """DeleteTargetGroup: refused while a listener uses it (moto's rule); its targets and tags go with it."""
        group = super().delete_target_group(target_group_arn)
        self.tagging_service.delete_all_tags_for_resource(target_group_arn)
        for register in (self.checked_since, self.draining_until):
            for key in [key for key in register if key[0] == target_group_arn]:
                del register[key]
        return group

    def register_targets(self, target_group_arn: str, instances: list[Any]) -> None:
        """RegisterTargets: instances that exist and run, of the group's VPC. Health starts anew if it drained."""
        group = self._group(target_group_arn)
        for target in instances:
            if group.target_type == "instance":
                self._check_instance(group, target["Id"])
        super().register_targets(target_group_arn, instances)
        for target in instances:
            self.draining_until.pop((target_group_arn, target["Id"]), None)
        self.advance(clock.now())

    def deregister_targets(self, target_group_arn: str, instances: list[dict[str, Any]]) -> None:
        """DeregisterTargets: they drain for the deregistration delay; an unknown one is no error."""
        group = self._group(target_group_arn)
        for target in instances:
            self._start_draining(group, target["Id"], clock.now())

    def notify_terminate_instances(self, instance_ids: list[str]) -> None:
        """Deregister the targets that ended: Elastic Load Balancing does so of itself."""
        for group in self.target_groups.values():
            for instance_id in instance_ids:
                self._start_draining(group, instance_id, clock.now())

    def describe_target_health(self, target_group_arn: str, targets: list[dict[str, Any]]) -> list[FakeHealthStatus]:
        """DescribeTargetHealth: of those asked for, or of all that are registered or draining."""
        group = self._group(target_group_arn)
        if group.target_type != "instance":
            health: list[FakeHealthStatus] = super().describe_target_health(target_group_arn, targets)
            return health
        draining = [target_id for arn, target_id in self.draining_until if arn == target_group_arn]
        asked = targets or [{"Id": target_id} for target_id in [*group.targets, *draining]]
        return [self._health(group, target) for target in asked]

    def healthy_zones(self, balancer_arn: str) -> set[str]:
        """Return the zones in which a load balancer has healthy targets."""
        return {
            str(self._instance(target_id).placement.zone)
            for group in self.target_groups.values()
            if balancer_arn in group.load_balancer_arns
            for target_id in group.targets
            if self._verdict(group, target_id) == HEALTHY
        }

    def advance(self, now: float) -> None:
        """Move on to `now`: checks start for what came into use, and ended instances drain and go."""
        for group in self.target_groups.values():
            for target_id in list(group.targets):
                if not target_id.startswith("i-"):
                    continue
                instance = self._instance(target_id)
                key = (group.arn, target_id)
                if instance is None or instance.state in ("shutting-down", "terminated"):
                    self._start_draining(group, target_id, now)
                elif instance.state != "running" or self._out_of_use(group, instance) is not None:
                    self.checked_since.pop(key, None)
                else:
                    self.checked_since.setdefault(key, now)
        for key, until in list(self.draining_until.items()):
            if until <= now:
                del self.draining_until[key]

    def _health(self, group: FakeTargetGroup, target: dict[str, Any]) -> FakeHealthStatus:
        target_id = target["Id"]
        registered = group.targets.get(target_id, {})
        port = target.get("Port") or registered.get("Port") or group.port
        state, reason, description = self._verdict(group, target_id)
        return FakeHealthStatus(target_id, port, _checked_port(group, port), state, reason, description)

    def _verdict(self, group: FakeTargetGroup, target_id: str) -> tuple[str, str | None, str | None]:
        if (group.arn, target_id) in self.draining_until:
            return DRAINING
        instance = self._instance(target_id)
        if target_id not in group.targets or instance is None:
            return NOT_REGISTERED
        if instance.state in ("stopping", "stopped"):
            return STOPPED
        out_of_use = self._out_of_use(group, instance)
        if out_of_use is not None:
            return out_of_use
        since = self.checked_since.get((group.arn, target_id))
        if since is None or clock.now() < since + INITIAL_SECONDS:
            return INITIAL
        return UNHEALTHY if faults.is_unhealthy(instance.image_id, instance.placement.zone) else HEALTHY

    def _out_of_use(self, group: FakeTargetGroup, instance: Any) -> tuple[str, str, str] | None:
        if not group.load_balancer_arns:
            return NOT_IN_USE
        balancer = self.load_balancers[group.load_balancer_arns[0]]
        enabled = {zone.zone_name for zone in balancer.availability_zones}
        across_zones = group.attributes.get("load_balancing.cross_zone.enabled") == "true" or (
            group.attributes.get("load_balancing.cross_zone.enabled") != "false"
            and balancer.attrs.get("load_balancing.cross_zone.enabled") == "true"
        )
        return None if across_zones or instance.placement.zone in enabled else ZONE_NOT_ENABLED

    def _start_draining(self, group: FakeTargetGroup, target_id: str, now: float) -> None:
        if group.targets.pop(target_id, None) is None:
            return
        self.checked_since.pop((group.arn, target_id), None)
        delay = float(str(group.attributes["deregistration_delay.timeout_seconds"]))
        if delay > 0 and group.load_balancer_arns:
            self.draining_until[group.arn, target_id] = now + delay

    def _check_instance(self, group: FakeTargetGroup, instance_id: str) -> None:
        instance = self._instance(instance_id)
        if instance is None or instance.state == "terminated":
            raise ELBClientError("InvalidTarget", f"The following targets are not valid instances: '{instance_id}'")
        if instance.vpc_id != group.vpc_id:
            raise ELBClientError(
                "InvalidTarget",
                f"The following targets are not in the target group VPC '{group.vpc_id}': '{instance_id}'",
            )

    def _instance(self, instance_id: str) -> Any:
        # moto's own look-up copies all reservations, with their tags; this is asked for each target at each request.
        reservations = list(ec2_backends[self.account_id][self.region_name].reservations.values())
        return next((one for known in reservations for one in known.instances if one.id == instance_id), None)

    def _group(self, arn: str) -> FakeTargetGroup:
        group = self.target_groups.get(arn)
        if group is None:
            raise TargetGroupNotFoundError
        return group


@adds_to(ELBV2Response)
class TargetGroupActions(ELBV2Response):
    """What moto's answers leave out."""

    def modify_target_group_attributes(self) -> ActionResult:
        """ModifyTargetGroupAttributes: answers with all attributes, not with the changed ones alone."""
        arn = self._get_param("TargetGroupArn")
        attributes = {attribute["Key"]: attribute["Value"] for attribute in self._get_param("Attributes", [])}
        self.elbv2_backend.modify_target_group_attributes(arn, attributes)
        return ActionResult({"Attributes": self.elbv2_backend.target_groups[arn].attributes})


def advance(now: float) -> None:
    """Move every account's targets on to `now`."""
    for backend in each(elbv2_backends, TargetGroups):
        backend.advance(now)


def _checked_port(group: FakeTargetGroup, port: Any) -> str:
    return str(port if group.health_check_port == "traffic-port" else group.health_check_port)


def _check_ranges(*values: Any) -> None:
    """Refuse what is out of RANGES; the values are in their order."""
    for (name, (least, most)), value in zip(RANGES.items(), values, strict=True):
        if value is not None and not least <= int(value) <= most:
            bound = f"greater than or equal to {least}" if int(value) < least else f"less than or equal to {most}"
            raise ValidationError(
                f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: "
                f"Member must have value {bound}"
            )


def _same_settings(group: FakeTargetGroup, settings: Mapping[str, Any]) -> bool:
    has = {
        "protocol": group.protocol,
        "port": str(group.port),
        "vpc_id": group.vpc_id,
        "target_type": group.target_type,
        "healthcheck_protocol": group.health_check_protocol,
        "healthcheck_port": str(group.health_check_port),
        "healthcheck_interval_seconds": group.health_check_interval_seconds,
        "healthcheck_timeout_seconds": group.health_check_timeout_seconds,
    }
    asked = {name: str(settings[name]) for name in has if settings.get(name) is not None}
    return all(str(has[name]) == value for name, value in asked.items())
