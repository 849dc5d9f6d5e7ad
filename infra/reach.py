"""Reach: which addresses of clients get through to the instances of an environment, and which way.

A client follows the published name to a load balancer, comes in by the address of a zone, over that subnet's route from
the internet gateway, past network ACLs and the balancer's security groups to the listener, and from there through the
target group to the Auto Scaling group's instances, past their security groups. `reach` follows the same way through a
Graph and returns who gets to its end; whichever resource cuts the way, the answer shows it.

One definition for the plan (two graphs of a preview), for the state and for what AWS has. Left out: what a client's own
network lets through, IPv6 (the load balancer listens on IPv4), health of instances (`verify` asks AWS), what the API
itself refuses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network, collapse_addresses
from typing import Literal

from infra import types
from infra.environment import PORT
from infra.graph import UNKNOWN, Graph, Resource, Value
from infra.values import objects

ANYBODY = IPv4Network("0.0.0.0/0")
EPHEMERAL_PORTS = (1024, 65535)
"""Where answers to clients go (Amazon VPC guide, network ACLs, ephemeral ports)."""
EVERY_PORT, NO_PORT = (0, 65535), (1, 0)
"""The first and the last of them."""
TCP = ("tcp", "6", "-1", "all")
"""Protocols of rules that let TCP through: by name, by number (IANA), or all of them (EC2 API, IpPermission)."""


@dataclass(frozen=True)
class Ranges:
    """A set of IPv4 addresses, as the fewest networks that hold just these, in order."""

    networks: tuple[IPv4Network, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[IPv4Network]) -> Ranges:
        """Return the set of all addresses in `networks`."""
        return cls(tuple(collapse_addresses(networks)))

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __or__(self, other: Ranges) -> Ranges:
        return Ranges.of([*self.networks, *other.networks])

    def __and__(self, other: Ranges) -> Ranges:
        # Of two networks that overlap, one holds the other.
        return Ranges.of(
            network if network.subnet_of(another) else another
            for network in self.networks
            for another in other.networks
            if network.overlaps(another)
        )

    def __sub__(self, other: Ranges) -> Ranges:
        left = self.networks
        for taken in other.networks:
            left = tuple(piece for network in left for piece in _without(network, taken))
        return Ranges.of(left)

    def __str__(self) -> str:
        return ", ".join(str(network) for network in self.networks)


EVERYBODY = Ranges((ANYBODY,))
NOBODY = Ranges()


def _without(network: IPv4Network, taken: IPv4Network) -> Iterator[IPv4Network]:
    if not network.overlaps(taken):
        yield network
    elif not network.subnet_of(taken):
        yield from network.address_exclude(taken)


Step = Literal[
    "the load balancer's security groups and prefix list",
    "the route to the internet gateway",
    "the network ACL",
    "the way on to the instances",
]
"""What a client has to pass, in this order. The last: listener, target group, scaling group, and what guards those."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way in: a zone's address of a load balancer, and who gets through by it."""

    zone: str
    """Empty where the subnet is known only after the update, or is none of the stack's."""
    address: str
    """The virtual IP; the id of an allocation that the stack doesn't own; empty where AWS assigns one."""
    passing: Mapping[Step, Ranges]
    """Whom each step lets through."""

    @cached_property
    def clients(self) -> Ranges:
        """Who gets through."""
        through = EVERYBODY
        for ranges in self.passing.values():
            through = through & ranges
        return through

    def stopping(self, clients: Ranges) -> tuple[Step, ...]:
        """Return the steps that some of `clients` don't pass."""
        return tuple(step for step, ranges in self.passing.items() if clients - ranges)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Who reaches the service of one environment."""

    ways: tuple[Way, ...] = ()
    strangers: frozenset[str] = frozenset()
    """What admits clients besides, and whom, no graph tells: ids of prefix lists and security groups made elsewhere."""

    @cached_property
    def clients(self) -> Ranges:
        """All who reach it, by whichever address."""
        return Ranges.of(network for way in self.ways for network in way.clients.networks)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What becomes of who reaches the service."""

    cut: Ranges = NOBODY
    """Who reached it and does no longer, by any address."""
    gained: Ranges = NOBODY
    narrowed: Mapping[str, Ranges] = field(default_factory=dict)
    """By address (or zone): who no longer gets through by that one, though by another."""


def change(before: Reach, after: Reach) -> Change:
    """Return who reaches the service no longer, who does from now on, and who loses one address of several."""
    cut = before.clients - after.clients
    through = {way.address or way.zone: way.clients for way in after.ways}
    narrowed = {
        way.address or way.zone: lost
        for way in before.ways
        if (lost := way.clients - through.get(way.address or way.zone, NOBODY) - cut)
    }
    return Change(cut=cut, gained=after.clients - before.clients, narrowed=narrowed)


def named(clients: Ranges, names: Mapping[IPv4Network, Collection[str]]) -> str:
    """Return who `clients` are: `Example Prescribing 192.0.2.8/29; 198.51.100.0/24 (nobody in suppliers.yaml)`."""
    words: list[str] = []
    left = clients
    for network, owners in sorted(names.items()):
        theirs = clients & Ranges.of([network])
        if theirs:
            words.append(f"{', '.join(sorted(owners))} {theirs}")
            left = left - theirs
    return "; ".join([*words, *([f"{left} (nobody in suppliers.yaml)"] if left else [])])


def reach(graph: Graph, port: int = PORT) -> Reach:
    """Return who reaches the service that `graph` describes, on `port`, by each address that a name leads to.

    A reference that is known only after the update counts as leading to what the same update makes of the right type.
    """
    parts = _Parts(graph)
    aliases = [alias for record in graph.of_type(types.RECORD) for alias in objects(record.inputs.get("aliases"))]
    ways: list[Way] = []
    strangers: set[str] = set()
    for balancer in graph.of_type(types.LOAD_BALANCER):
        if not any(parts.leads(alias, "name", balancer) for alias in aliases):
            continue
        admitted = parts.into_balancer(balancer, port)
        arriving = _Admitted(NOBODY)
        for group, subnets in parts.groups_behind(balancer, port):
            arriving = arriving | parts.into_instances(balancer, group, subnets, port)
        strangers |= admitted.strangers | arriving.strangers
        for mapping in _zone_mappings(balancer):
            zone, address, subnets = parts.entrance(mapping)
            passing: dict[Step, Ranges] = {
                "the load balancer's security groups and prefix list": admitted.ranges,
                "the route to the internet gateway": parts.routed(subnets),
                "the network ACL": parts.past_acls(subnets, port),
                "the way on to the instances": arriving.ranges,
            }
            ways.append(Way(zone=zone, address=address, passing=passing))
    return Reach(ways=tuple(sorted(ways, key=lambda way: (way.zone, way.address))), strangers=frozenset(strangers))


def _zone_mappings(balancer: Resource) -> Iterator[Mapping[str, Value]]:
    yield from objects(balancer.inputs.get("subnetMappings"))
    yield from ({"subnetId": subnet} for subnet in _listed(balancer.inputs.get("subnets")))


@dataclass(frozen=True)
class _Admitted:
    ranges: Ranges
    groups: tuple[Resource, ...] = ()
    """Security groups whose members are admitted."""
    strangers: frozenset[str] = frozenset()

    def __or__(self, other: _Admitted) -> _Admitted:
        return _Admitted(self.ranges | other.ranges, (*self.groups, *other.groups), self.strangers | other.strangers)


class _Parts:
    """The resources of a graph, and what refers to which."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._by_identity: dict[tuple[str, str], Resource] = {}
        for resource in graph:
            for name in _IDENTITIES:
                value = resource.outputs.get(name)
                if isinstance(value, str) and value:
                    self._by_identity.setdefault((resource.type, value), resource)

    def referred(self, value: Value, type_: str) -> tuple[Resource, ...]:
        """Return the resources of `type_` that a reference leads to; what is only being made, if it isn't known yet."""
        if value is UNKNOWN:
            return tuple(resource for resource in self.graph.of_type(type_) if not resource.outputs.get("id"))
        resource = self._by_identity.get((type_, str(value))) if isinstance(value, str) else None
        return (resource,) if resource else ()

    def leads(self, properties: Mapping[str, Value], name: str, target: Resource) -> bool:
        return target in self.referred(properties.get(name), target.type)

    def groups_behind(self, balancer: Resource, port: int) -> Iterator[tuple[Resource, Sequence[Resource]]]:
        """Yield the scaling groups that the balancer's listener on `port` leads to, each with its subnets."""
        targets = [
            group
            for listener in self.graph.of_type(types.LISTENER)
            if self.leads(listener.inputs, "loadBalancerArn", balancer)
            and listener.inputs.get("port") == port
            and listener.inputs.get("protocol") in ("TCP", "TLS", "TCP_UDP")
            for arn in _forwarded(listener)
            for group in self.referred(arn, types.TARGET_GROUP)
            if group.inputs.get("port") == port
        ]
        for group in self.graph.of_type(types.SCALING_GROUP):
            attached = [*_listed(group.inputs.get("targetGroupArns")), *self._attached(group)]
            joined = any(target in self.referred(arn, types.TARGET_GROUP) for arn in attached for target in targets)
            subnets = [
                subnet
                for subnet_id in _listed(group.inputs.get("vpcZoneIdentifiers"))
                for subnet in self.referred(subnet_id, types.SUBNET)
            ]
            if joined and subnets and group.inputs.get("maxSize") != 0:
                yield group, subnets

    def _attached(self, group: Resource) -> Iterator[Value]:
        for attachment in self.graph.of_type(types.SCALING_GROUP_ATTACHMENT):
            if self.leads(attachment.inputs, "autoscalingGroupName", group):
                yield attachment.inputs.get("lbTargetGroupArn")

    def into_balancer(self, balancer: Resource, port: int) -> _Admitted:
        """Return whom the balancer's security groups admit; without any it admits everybody (ELB guide)."""
        ids = _listed(balancer.inputs.get("securityGroups"))
        elsewhere = (id_ for id_ in ids if isinstance(id_, str) and not self.referred(id_, types.SECURITY_GROUP))
        admitted = self.admitted(self._security_groups(ids), types.INGRESS, port) if ids else _Admitted(EVERYBODY)
        return admitted | _Admitted(NOBODY, strangers=frozenset(elsewhere))

    def into_instances(self, balancer: Resource, group: Resource, subnets: Sequence[Resource], port: int) -> _Admitted:
        """Return whom the instances of `group` admit of what the balancer passes on, client addresses preserved.

        A rule that names a security group of the balancer admits all that comes through the balancer (ELB guide,
        security groups of Network Load Balancers).
        """
        own = self._security_groups(balancer.inputs.get("securityGroups"))
        ids = [
            value
            for template in _launch_templates(self, group)
            for value in (
                *_listed(template.inputs.get("vpcSecurityGroupIds")),
                *(
                    security_group
                    for interface in objects(template.inputs.get("networkInterfaces"))
                    for security_group in _listed(interface.get("securityGroups"))
                ),
            )
        ]
        theirs = self._security_groups(ids)
        if own and not self._let_out(own, theirs, subnets, port):
            return _Admitted(NOBODY)
        admitted = self.admitted(theirs, types.INGRESS, port)
        by_group = any(group in own for group in admitted.groups)
        ranges = EVERYBODY if by_group else admitted.ranges
        ranges = ranges & self.past_acls(subnets, port)
        return _Admitted(ranges, strangers=frozenset() if by_group else admitted.strangers)

    def _let_out(
        self, own: Sequence[Resource], theirs: Sequence[Resource], subnets: Sequence[Resource], port: int
    ) -> bool:
        admitted = self.admitted(own, types.EGRESS, port)
        inside = Ranges.of(network for subnet in subnets if (network := network_of(subnet.inputs.get("cidrBlock"))))
        return any(group in theirs for group in admitted.groups) or (bool(inside) and not inside - admitted.ranges)

    def _security_groups(self, ids: Value) -> tuple[Resource, ...]:
        return tuple(group for value in _listed(ids) for group in self.referred(value, types.SECURITY_GROUP))

    def admitted(self, groups: Sequence[Resource], rule_type: str, port: int) -> _Admitted:
        """Return whom the rules of these security groups let in, or out, by TCP on `port`."""
        admitted = _Admitted(NOBODY)
        for rule in self.graph.of_type(rule_type):
            if _covers(rule.inputs, port) and any(
                self.leads(rule.inputs, "securityGroupId", group) for group in groups
            ):
                admitted = admitted | self._peers(rule)
        return admitted

    def _peers(self, rule: Resource) -> _Admitted:
        list_id = rule.inputs.get("prefixListId")
        lists = self.referred(list_id, types.PREFIX_LIST)
        networks = [
            network
            for prefix_list in lists
            for entry in objects(prefix_list.inputs.get("entries"))
            if (network := network_of(entry.get("cidr")))
        ]
        if network := network_of(rule.inputs.get("cidrIpv4")):
            networks.append(network)
        stranger = isinstance(list_id, str) and not lists
        return _Admitted(
            Ranges.of(networks),
            self.referred(rule.inputs.get("referencedSecurityGroupId"), types.SECURITY_GROUP),
            frozenset({str(list_id)}) if stranger else frozenset(),
        )

    def entrance(self, mapping: Mapping[str, Value]) -> tuple[str, str, tuple[Resource, ...]]:
        """Return zone and address of a balancer's node, and the subnets that it is, or may be, in."""
        subnets = self.referred(mapping.get("subnetId"), types.SUBNET)
        allocation = mapping.get("allocationId")
        addresses = self.referred(allocation, types.EIP)
        public = addresses[0].outputs.get("publicIp") if len(addresses) == 1 else None
        address = public if isinstance(public, str) else allocation if isinstance(allocation, str) else ""
        # Several, where this very update makes it with others of its kind: it may be any of them.
        zone = str(subnets[0].inputs.get("availabilityZone") or "") if len(subnets) == 1 else ""
        return zone, address, subnets

    def routed(self, subnets: Sequence[Resource]) -> Ranges:
        """Return the addresses that the routes of each of these subnets lead to the internet."""
        routed = EVERYBODY if subnets else NOBODY
        for subnet in subnets:
            routed = routed & self._routed(subnet)
        return routed

    def _routed(self, subnet: Resource) -> Ranges:
        """Return the addresses that the subnet's routes lead to the internet; the most specific route counts."""
        routed = NOBODY
        for network, to_internet in sorted(self._routes(subnet), key=lambda route: route[0].prefixlen):
            routed = routed | Ranges((network,)) if to_internet else routed - Ranges((network,))
        return routed

    def _routes(self, subnet: Resource) -> Iterator[tuple[IPv4Network, bool]]:
        tables = [
            table
            for association in self.graph.of_type(types.ROUTE_TABLE_ASSOCIATION)
            if self.leads(association.inputs, "subnetId", subnet)
            for table in self.referred(association.inputs.get("routeTableId"), types.ROUTE_TABLE)
        ]
        for table in tables:
            inline = ((route.get("cidrBlock"), route) for route in objects(table.inputs.get("routes")))
            beside = (
                (route.inputs.get("destinationCidrBlock"), route.inputs)
                for route in self.graph.of_type(types.ROUTE)
                if self.leads(route.inputs, "routeTableId", table)
            )
            for destination, route in (*inline, *beside):
                if network := network_of(destination):
                    gateways = self.referred(route.get("gatewayId"), types.INTERNET_GATEWAY)
                    yield network, any(self._attached_to(gateway, subnet) for gateway in gateways)

    def _attached_to(self, gateway: Resource, subnet: Resource) -> bool:
        vpc = subnet.inputs.get("vpcId")
        attachments = (
            attachment.inputs.get("vpcId")
            for attachment in self.graph.of_type(types.INTERNET_GATEWAY_ATTACHMENT)
            if self.leads(attachment.inputs, "internetGatewayId", gateway)
        )
        return any(attached is not None and attached == vpc for attached in (gateway.inputs.get("vpcId"), *attachments))

    def past_acls(self, subnets: Sequence[Resource], port: int) -> Ranges:
        """Return the addresses that the network ACLs of all these subnets let in, and their answers out.

        A subnet without one of its own has the VPC's default, which lets everything through (Amazon VPC guide).
        """
        passing = EVERYBODY
        for acl in self.graph.of_type(types.NETWORK_ACL):
            if any(
                subnet in self.referred(subnet_id, types.SUBNET)
                for subnet_id in _listed(acl.inputs.get("subnetIds"))
                for subnet in subnets
            ):
                passing = passing & _allowed(acl.inputs.get("ingress"), (port, port))
                passing = passing & _allowed(acl.inputs.get("egress"), EPHEMERAL_PORTS)
        return passing


_IDENTITIES = ("id", "arn", "name", "allocationId", "dnsName", "prefixListId")
"""Outputs by which one resource refers to another."""


def _launch_templates(parts: _Parts, group: Resource) -> Iterator[Resource]:
    template = group.inputs.get("launchTemplate")
    if isinstance(template, Mapping):
        for name in ("id", "name"):
            yield from parts.referred(template.get(name), types.LAUNCH_TEMPLATE)


def _forwarded(listener: Resource) -> Iterator[Value]:
    for action in objects(listener.inputs.get("defaultActions")):
        if action.get("type") == "forward":
            yield action.get("targetGroupArn")
            forward = action.get("forward")
            if isinstance(forward, Mapping):
                yield from (target.get("arn") for target in objects(forward.get("targetGroups")))


def _covers(rule: Mapping[str, Value], port: int) -> bool:
    protocol, ports = str(rule.get("ipProtocol")), _ports(rule)
    return protocol in TCP and (protocol in ("-1", "all") or (ports is not None and ports[0] <= port <= ports[1]))


def _ports(rule: Mapping[str, Value]) -> tuple[float, float] | None:
    lowest, highest = rule.get("fromPort"), rule.get("toPort")
    return (lowest, highest) if isinstance(lowest, int | float) and isinstance(highest, int | float) else None


def _allowed(rules: Value, ports: tuple[int, int]) -> Ranges:
    """Return the addresses that an ACL's rules allow by TCP on all of `ports`.

    The rule with the lowest number that matches decides (Amazon VPC guide, network ACL rules).
    """
    allowed, decided = NOBODY, NOBODY
    for rule in sorted(objects(rules), key=lambda rule: int(str(rule.get("ruleNo", 0)))):
        network, protocol = network_of(rule.get("cidrBlock")), str(rule.get("protocol"))
        if network is None or protocol not in TCP:
            continue
        denies = rule.get("action") == "deny"
        bounds = EVERY_PORT if protocol in ("-1", "all") else _ports(rule)
        lowest, highest = EVERY_PORT if bounds == (0, 0) else bounds or NO_PORT
        covers = lowest <= ports[0] and ports[1] <= highest
        # A denial of some of the ports is enough; a permission has to be for all of them.
        if covers or (denies and lowest <= ports[1] and ports[0] <= highest):
            matched = Ranges((network,)) - decided
            decided = decided | matched
            allowed = allowed if denies else allowed | matched
    return allowed


def network_of(text: Value) -> IPv4Network | None:
    """Return the IPv4 range that `text` writes; None if it is something else."""
    try:
        return IPv4Network(str(text), strict=False)
    except ValueError:
        return None


def _listed(value: Value) -> Sequence[Value]:
    return value if isinstance(value, list | tuple) else () if value is None else (value,)
