"""What was promised of an environment, held against what AWS has: pure, one check for each line of its table.

`up` prints it; what else there is to verify of an environment builds on the same inventory. Left out: reading
(`inventory`), waiting (`up`), and what a client sees from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, TypeVar

from infra.environment import PORT, Environment
from infra.reach import EVERYBODY, Ranges, Reach, named, reach
from ops.aws.compute import IN_SERVICE, ScalingGroup
from ops.aws.inventory import Inventory
from ops.aws.load_balancing import TargetGroup
from ops.output.report import Check, Report
from ops.verify.graph import as_graph

Resource = TypeVar("Resource")

HEALTHY = "healthy"

SETTLING = frozenset({"release", "targets"})
"""Checks that may fail for a while after `up`: instances take their time to start."""


@dataclass(frozen=True, kw_only=True)
class Promised:
    """What an environment shall be: as decided, and what its stack says that AWS made of it."""

    environment: Environment
    outputs: Mapping[str, Any]
    """docs/configuration.md; empty if the stack was never brought up."""


def report(promised: Promised, inventory: Inventory) -> Report:
    """Return the environment's table, every line checked."""
    environment = promised.environment
    mirror = f", the mirror of {environment.mirrors} at scale {environment.scale}" if environment.mirrors else ""
    return Report(
        title=f"{environment.name}{mirror}",
        checks=(
            check_name(promised, inventory),
            check_virtual_ips(promised, inventory),
            check_port(inventory),
            check_dataset(promised, inventory),
            check_release(promised, inventory),
            check_capacity(promised, inventory),
            check_targets(promised, inventory),
            check_clients(promised, inventory),
        ),
    )


def check_name(promised: Promised, inventory: Inventory) -> Check:
    """The name's one address record is an alias of the load balancer."""
    dns = promised.environment.dns
    balancer, missing = _single("load balancer", inventory.load_balancers)
    addressing = [record for record in inventory.records if record.type in ("A", "AAAA", "CNAME")]
    if balancer is None:
        return Check.of("name", dns.name, missing)
    if [record.type for record in addressing] != ["A"]:
        there = ", ".join(record.type for record in addressing) or "none"
        return Check.of(
            "name", dns.name, f"one A record is needed in the zone {dns.hosted_zone}, and there is: {there}"
        )
    target = addressing[0].alias_target
    if target != balancer.dns_name.lower():
        return Check.of(
            "name", dns.name, f"its record is an alias of {target}, the load balancer is {balancer.dns_name}"
        )
    return Check.of("name", dns.name, "", f"alias of {balancer.dns_name}")


def check_answers(promised: Promised, answers: Sequence[str]) -> Check:
    """The name is answered with the address of every attached zone.

    A zone's address leaves the answers while its node fails, or traffic is shifted away from the zone; clients then go
    to the others (User Guide for Network Load Balancers, load balancer zonal health, zonal shift).
    """
    environment = promised.environment
    outputs = promised.outputs.get("virtualIps")
    by_zone: Mapping[str, str] = outputs if isinstance(outputs, Mapping) else {}
    zones = sorted(environment.network.zones)
    value = f"{environment.dns.name} leads to {', '.join(zones)}"
    if not environment.virtual_ips:
        few = f"answered with {len(answers)} addresses, for {len(zones)} zones" if len(answers) < len(zones) else ""
        return Check.of("answers", value, few, f"{len(answers)} addresses")
    lost = {zone: by_zone[zone] for zone in zones if zone in by_zone and by_zone[zone] not in answers}
    wrong = [
        f"{address} ({zone}) is not answered: who connects anew is led to the other zones"
        for zone, address in lost.items()
    ]
    wrong += [
        f"{address} is answered, and is none of the virtual IPs"
        for address in answers
        if address not in by_zone.values()
    ]
    return Check.of("answers", value, wrong, f"{', '.join(answers)}")


def check_virtual_ips(promised: Promised, inventory: Inventory) -> Check:
    """The load balancer has, in each attached zone, the address that was promised, and it is an Elastic IP.

    A reserved zone's address must exist and be nobody's. An environment without addresses of its own has AWS's.
    """
    plans = promised.environment.virtual_ips
    balancer, missing = _single("load balancer", inventory.load_balancers)
    outputs = promised.outputs.get("virtualIps")
    addresses: Mapping[str, str] = outputs if isinstance(outputs, Mapping) else {}
    value = _by_zone(addresses) or "assigned by AWS"
    if balancer is None:
        return Check.of("virtual IPs", value, missing)
    if not plans:
        return Check.of("virtual IPs", value, "", "this environment has no addresses of its own")
    elastic = {address.public_ip: address for address in inventory.addresses}
    wrong = []
    for zone, plan in sorted(plans.items()):
        address = addresses.get(zone)
        at_balancer = balancer.addresses.get(zone, ())
        if address is None:
            wrong.append(f"{zone} has no address in the stack's outputs")
        elif plan.published is not None and address != plan.published:
            wrong.append(f"{zone} is published as {plan.published}, the stack has {address}")
        elif plan.allocation_id is None and address not in elastic:
            wrong.append(f"{address} ({zone}) is no Elastic IP of this environment")
        elif plan.attached and at_balancer != (address,):
            wrong.append(f"the load balancer has {', '.join(at_balancer) or 'none'} in {zone}, not {address}")
        elif not plan.attached and address in elastic and elastic[address].association_id is not None:
            wrong.append(f"{address} ({zone}) is reserved, and in use")
    surplus = sorted(balancer.addresses.keys() - {zone for zone, plan in plans.items() if plan.attached})
    wrong += [f"the load balancer is in {zone} too" for zone in surplus]
    reserved = "; reserved ones are free" if any(not plan.attached for plan in plans.values()) else ""
    return Check.of("virtual IPs", value, wrong, f"Elastic IPs, one per zone, at the load balancer{reserved}")


def check_port(inventory: Inventory) -> Check:
    """The load balancer listens on one port, TCP 443, and hands it to one group."""
    value = f"TCP {PORT}"
    balancer, missing = _single("load balancer", inventory.load_balancers)
    if balancer is None:
        return Check.of("port", value, missing)
    listening = sorted(f"{listener.protocol} {listener.port}" for listener in balancer.listeners)
    if listening != [value]:
        return Check.of("port", value, f"the load balancer listens on {', '.join(listening) or 'nothing'}")
    return Check.of("port", value, "", "the load balancer's only listener")


def check_dataset(promised: Promised, inventory: Inventory) -> Check:
    """The bucket is there, versioned, encrypted and private."""
    dataset = promised.environment.dataset
    value = f"{dataset.kind} ({dataset.bucket})"
    bucket = inventory.bucket
    if bucket is None:
        return Check.of("dataset", value, f"there is no bucket {dataset.bucket}, or it is another account's")
    wrong = []
    if bucket.versioning != "Enabled":
        wrong.append(f"versioning is {bucket.versioning or 'off'}")
    if not bucket.encryption:
        wrong.append("it isn't encrypted")
    if not bucket.public_access_blocked:
        wrong.append("public access isn't blocked")
    if bucket.ownership != "BucketOwnerEnforced":
        wrong.append(f"access lists are in force (ownership {bucket.ownership or 'not set'})")
    whose = "" if dataset.owned else f"; {promised.environment.mirrors}'s, to read"
    return Check.of("dataset", value, wrong, f"versioned, encrypted ({bucket.encryption}), private{whose}")


def check_release(promised: Promised, inventory: Inventory) -> Check:
    """Every instance of the group was made from the release's image."""
    service = promised.environment.service
    group, missing = _single("Auto Scaling group", inventory.scaling_groups)
    if group is None:
        return Check.of("release", service.release, missing)
    if not group.members:
        return _without_instances("release", service.release, promised, group)
    wanted = service.image_id or service.image_name
    images = {
        instance.id: instance.image_id if service.image_id else instance.image_name or instance.image_id
        for instance in inventory.instances
    }
    others = {images.get(member.id, "nothing") for member in group.members} - {wanted}
    # Of one that is gone, AWS has the id and no name.
    gone = others & {instance.image_id for instance in inventory.instances if not instance.image_name}
    if others - gone:
        evidence = f"some instances run {', '.join(sorted(others))}, not {wanted}"
        return Check.of("release", service.release, evidence)
    if gone:
        evidence = f"instances run {', '.join(sorted(gone))}, an image that is gone, and its name with it"
        return Check(name="release", value=service.release, verdict="not checked", evidence=evidence)
    return Check.of("release", service.release, "", f"all {len(group.members)} instances run {wanted}")


def check_capacity(promised: Promised, inventory: Inventory) -> Check:
    """The group's bounds and the target of its scaling are those decided."""
    capacity = promised.environment.service.capacity
    value = f"{capacity.minimum} to {capacity.maximum} instances, aiming at {capacity.target_cpu_percent} % CPU"
    group, missing = _single("Auto Scaling group", inventory.scaling_groups)
    if group is None:
        return Check.of("capacity", value, missing)
    wrong = []
    if (group.minimum, group.maximum) != (capacity.minimum, capacity.maximum):
        wrong.append(f"the group has {group.minimum} to {group.maximum}")
    targets = [policy.get("TargetTrackingConfiguration", {}).get("TargetValue") for policy in group.policies.values()]
    if targets != [capacity.target_cpu_percent]:
        wrong.append(f"its scaling aims at {', '.join(map(str, targets)) or 'nothing'}")
    return Check.of("capacity", value, wrong, f"{group.name}, {group.desired} wanted now")


def check_targets(promised: Promised, inventory: Inventory) -> Check:
    """Behind the listener, every zone has healthy instances of the group, and nothing else is there.

    Where fewer instances are wanted than there are zones, as many zones have one as there are instances: AWS moves none
    to a zone that another would lack it for (EC2 Auto Scaling guide, distributing instances across Availability Zones).
    """
    zones = sorted(promised.environment.network.zones)
    value = f"healthy in {', '.join(zones)}"
    balancer, no_balancer = _single("load balancer", inventory.load_balancers)
    group, no_group = _single("Auto Scaling group", inventory.scaling_groups)
    if balancer is None or group is None:
        return Check.of("targets", value, no_balancer or no_group)
    behind = {arn for listener in balancer.listeners for arn in listener.target_group_arns}
    if len(behind) != 1 or behind != set(group.target_group_arns):
        return Check.of("targets", value, "the listener's targets are not the Auto Scaling group's")
    targets = next((targets for targets in inventory.target_groups if targets.arn in behind), None)
    if targets is None:
        return Check.of("targets", value, f"{behind.pop()} isn't tagged as this environment's")
    if not group.members and not targets.targets:
        return _without_instances("targets", value, promised, group)
    return _healthy(value, zones, group, targets)


def _healthy(value: str, zones: Sequence[str], group: ScalingGroup, targets: TargetGroup) -> Check:
    in_service = {member.id: member.zone for member in group.members if member.lifecycle == IN_SERVICE}
    members = {member.id for member in group.members}
    healthy = dict.fromkeys(zones, 0)
    wrong = []
    for target in targets.targets:
        if target.state == HEALTHY and target.id in in_service:
            healthy[in_service[target.id]] = healthy.get(in_service[target.id], 0) + 1
        # One that is being taken out belongs to no group any more.
        elif target.id not in members and target.state != "draining":
            wrong.append(f"{target.id} is a target, and no instance of the group")
    empty = [zone for zone in zones if healthy[zone] == 0]
    if len(zones) - len(empty) < min(group.desired, len(zones)):
        wrong += [f"{zone} has none" for zone in empty]
    states = sorted(f"{target.id} is {target.state}" for target in targets.targets if target.state != HEALTHY)
    if wrong:
        return Check.of("targets", value, [*wrong, *states])
    return Check.of("targets", value, "", ", ".join(f"{count} in {zone}" for zone, count in sorted(healthy.items())))


def check_clients(promised: Promised, inventory: Inventory) -> Check:
    """All who were decided reach the service in every zone, and nobody else does, by the way that AWS has for them."""
    plan = promised.environment.clients
    name, value = "who may connect", "; ".join(f"{entry.who} {entry.cidr}" for entry in plan.entries) or "nobody"
    balancer, missing = _single("load balancer", inventory.load_balancers)
    if balancer is None:
        return Check.of(name, value, missing)
    there = reach(as_graph(inventory, owns_dataset=promised.environment.dataset.owned))
    names = {IPv4Network(entry.cidr): entry.names for entry in plan.entries}
    decided = Ranges.of(names)
    cut = decided - there.clients
    wrong = [f"{named(cut, names)} can't reach it: {_stopped(there, cut)}"] if cut else []
    wrong += [
        f"{named(lost, names)} can't reach it in {way.zone}, stopped by {' and '.join(way.stopping(lost))}"
        for way in there.ways
        if (lost := decided - way.clients - cut)
    ]
    wrong += [f"{whose} may not" for whose in _beyond(there.clients, decided)]
    wrong += [f"whoever {stranger} admits may, too" for stranger in sorted(there.strangers)]
    return Check.of(name, value, wrong, f"{len(plan.entries)} ranges, in every zone, and nobody else")


def _stopped(there: Reach, cut: Ranges) -> str:
    zones: dict[str, list[str]] = {}
    for way in there.ways:
        zones.setdefault(" and ".join(way.stopping(cut)), []).append(way.zone)
    if not zones:
        return "its name leads to no load balancer of this environment"
    where = (f"{steps} ({', '.join(some) if len(zones) > 1 else 'every zone'})" for steps, some in zones.items())
    return f"stopped by {'; '.join(where)}"


def _beyond(there: Ranges, decided: Ranges) -> Sequence[str]:
    """Return who is in `there` and not decided: just these, or the ranges that hold them, or the rest of the world."""
    exactly = there - decided
    wider = Ranges.of(network for network in there.networks if Ranges((network,)) - decided)
    fewest = min(exactly, wider, key=lambda ranges: len(ranges.networks))
    rest = EVERYBODY - fewest
    if 0 < len(rest.networks) < len(fewest.networks):
        return [f"whoever is outside {rest}"]
    return [str(network) for network in fewest.networks]


def _without_instances(name: str, value: str, promised: Promised, group: ScalingGroup) -> Check:
    # Empty at night is a state that was asked for, and shows neither that it works nor that it doesn't.
    if promised.environment.service.capacity.may_be_empty and group.desired == 0:
        return Check(name=name, value=value, verdict="not checked", evidence="no instances are wanted at this time")
    return Check.of(name, value, f"{group.name} has no instances")


def _single(kind: str, resources: Sequence[Resource]) -> tuple[Resource | None, str]:
    """Return the one of its kind that there must be; or None, and why not."""
    if len(resources) == 1:
        return resources[0], ""
    return None, f"one {kind} is needed, and there are {len(resources)}"


def _by_zone(addresses: Mapping[str, str]) -> str:
    return ", ".join(f"{address} ({zone})" for zone, address in sorted(addresses.items()))
