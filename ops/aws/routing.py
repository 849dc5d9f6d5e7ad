"""Routes, internet gateways and network ACLs of networks, as AWS has them: what stands between a client and a subnet.

All of a network's are read, also what bears no tag: whoever cuts a way by hand doesn't tag what cuts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.aws.clients import Aws
from ops.aws.network import in_networks


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where a route table sends an IPv4 range."""

    cidr: str
    gateway_id: str | None
    """An internet gateway's; `local`; None: something that is no gateway."""


@dataclass(frozen=True, kw_only=True)
class RouteTable:
    """A route table, and who uses it."""

    id: str
    vpc_id: str
    main: bool
    """Whether subnets that name no table use this one."""
    subnet_ids: tuple[str, ...]
    """Those that name it."""
    routes: tuple[Route, ...]


@dataclass(frozen=True, kw_only=True)
class InternetGateway:
    """An internet gateway, and the networks that it is attached to."""

    id: str
    vpc_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AclRule:
    """A rule of a network ACL, for an IPv4 range."""

    number: int
    inbound: bool
    allows: bool
    protocol: str
    """By number; `-1` for all."""
    cidr: str
    ports: tuple[int, int] | None
    """The first and the last; None: all."""


@dataclass(frozen=True, kw_only=True)
class NetworkAcl:
    """A network ACL with its rules, and the subnets that it guards."""

    id: str
    subnet_ids: tuple[str, ...]
    rules: tuple[AclRule, ...]


def read_route_tables(aws: Aws, vpc_ids: Sequence[str]) -> tuple[RouteTable, ...]:
    """Return the route tables of these networks."""
    return tuple(
        RouteTable(
            id=table["RouteTableId"],
            vpc_id=table["VpcId"],
            main=any(association.get("Main") for association in table["Associations"]),
            subnet_ids=tuple(
                association["SubnetId"] for association in table["Associations"] if association.get("SubnetId")
            ),
            routes=tuple(
                Route(cidr=route["DestinationCidrBlock"], gateway_id=route.get("GatewayId"))
                for route in table["Routes"]
                if route.get("DestinationCidrBlock")
            ),
        )
        for table in in_networks(aws, "describe_route_tables", "RouteTables[]", "vpc-id", vpc_ids)
    )


def read_internet_gateways(aws: Aws, vpc_ids: Sequence[str]) -> tuple[InternetGateway, ...]:
    """Return the internet gateways that are attached to these networks."""
    gateways = in_networks(aws, "describe_internet_gateways", "InternetGateways[]", "attachment.vpc-id", vpc_ids)
    return tuple(
        InternetGateway(
            id=gateway["InternetGatewayId"],
            vpc_ids=tuple(attachment["VpcId"] for attachment in gateway["Attachments"]),
        )
        for gateway in gateways
    )


def read_network_acls(aws: Aws, vpc_ids: Sequence[str]) -> tuple[NetworkAcl, ...]:
    """Return the network ACLs of these networks, those that AWS makes included."""
    return tuple(
        NetworkAcl(
            id=acl["NetworkAclId"],
            subnet_ids=tuple(association["SubnetId"] for association in acl["Associations"]),
            rules=tuple(_acl_rule(entry) for entry in acl["Entries"] if entry.get("CidrBlock")),
        )
        for acl in in_networks(aws, "describe_network_acls", "NetworkAcls[]", "vpc-id", vpc_ids)
    )


def _acl_rule(entry: Mapping[str, Any]) -> AclRule:
    ports = entry.get("PortRange") or {}
    return AclRule(
        number=entry["RuleNumber"],
        inbound=not entry["Egress"],
        allows=entry["RuleAction"] == "allow",
        protocol=entry["Protocol"],
        cidr=entry["CidrBlock"],
        ports=(ports["From"], ports["To"]) if ports else None,
    )
