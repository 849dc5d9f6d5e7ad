"""VPCs, subnets, addresses, prefix lists and security groups, as AWS has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.aws.clients import Aws
from ops.aws.ownership import Tags, tagged, tags_of

if TYPE_CHECKING:
    # Stubs, which only the development environment has.
    from mypy_boto3_ec2.type_defs import PrefixListEntryTypeDef


@dataclass(frozen=True, kw_only=True)
class Vpc:
    """A network."""

    id: str
    cidr: str
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """A part of a network, in one zone."""

    id: str
    vpc_id: str
    zone: str
    cidr: str
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Address:
    """An Elastic IP."""

    allocation_id: str
    public_ip: str
    association_id: str | None
    """None: nothing has it."""
    tags: Tags


@dataclass(frozen=True, kw_only=True, order=True)
class Entry:
    """A line of a prefix list."""

    cidr: str
    description: str


@dataclass(frozen=True, kw_only=True)
class PrefixList:
    """A customer-managed prefix list; its entries by address."""

    id: str
    name: str
    max_entries: int
    entries: tuple[Entry, ...]
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class SecurityRule:
    """A rule of a security group. Ports are -1 where all are meant."""

    id: str
    inbound: bool
    protocol: str
    """`tcp`, ..., or `-1` for all."""
    from_port: int
    to_port: int
    peer: str
    """A range, or the id of a prefix list or security group."""
    description: str


@dataclass(frozen=True, kw_only=True)
class SecurityGroup:
    """A security group with its rules, in the order of their ids."""

    id: str
    name: str
    vpc_id: str
    rules: tuple[SecurityRule, ...]
    tags: Tags


def read_vpcs(aws: Aws, environment: str) -> tuple[Vpc, ...]:
    """Return the environment's networks."""
    pages = aws.ec2.get_paginator("describe_vpcs").paginate(Filters=tagged(environment))
    return tuple(
        Vpc(id=one["VpcId"], cidr=one["CidrBlock"], tags=tags_of(one.get("Tags")))
        for page in pages
        for one in page["Vpcs"]
    )


def read_subnets(aws: Aws, environment: str) -> tuple[Subnet, ...]:
    """Return the environment's subnets."""
    pages = aws.ec2.get_paginator("describe_subnets").paginate(Filters=tagged(environment))
    return tuple(
        Subnet(
            id=one["SubnetId"],
            vpc_id=one["VpcId"],
            zone=one["AvailabilityZone"],
            cidr=one["CidrBlock"],
            tags=tags_of(one.get("Tags")),
        )
        for page in pages
        for one in page["Subnets"]
    )


def read_addresses(aws: Aws, environment: str) -> tuple[Address, ...]:
    """Return the environment's own Elastic IPs, attached or not."""
    found = aws.ec2.describe_addresses(Filters=tagged(environment))["Addresses"]
    return tuple(
        Address(
            allocation_id=one["AllocationId"],
            public_ip=one["PublicIp"],
            association_id=one.get("AssociationId"),
            tags=tags_of(one.get("Tags")),
        )
        for one in found
    )


def read_prefix_lists(aws: Aws, environment: str) -> tuple[PrefixList, ...]:
    """Return the environment's prefix lists with their entries."""
    pages = aws.ec2.get_paginator("describe_managed_prefix_lists").paginate(Filters=tagged(environment))
    return tuple(
        PrefixList(
            id=one["PrefixListId"],
            name=one["PrefixListName"],
            max_entries=one["MaxEntries"],
            entries=tuple(sorted(_entry(entry) for entry in _entries(aws, one["PrefixListId"]))),
            tags=tags_of(one.get("Tags")),
        )
        for page in pages
        for one in page["PrefixLists"]
    )


def _entries(aws: Aws, prefix_list_id: str) -> Iterator[PrefixListEntryTypeDef]:
    for page in aws.ec2.get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=prefix_list_id):
        yield from page["Entries"]


def _entry(entry: PrefixListEntryTypeDef) -> Entry:
    return Entry(cidr=entry["Cidr"], description=entry.get("Description", ""))


def read_security_groups(aws: Aws, environment: str) -> tuple[SecurityGroup, ...]:
    """Return the environment's security groups with all their rules, whoever made those."""
    pages = aws.ec2.get_paginator("describe_security_groups").paginate(Filters=tagged(environment))
    groups = [one for page in pages for one in page["SecurityGroups"]]
    rules: dict[str, list[SecurityRule]] = {group["GroupId"]: [] for group in groups}
    if rules:
        found = aws.ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": sorted(rules)}]
        )
        for rule in (one for page in found for one in page["SecurityGroupRules"]):
            peers = (
                rule.get("PrefixListId"),
                rule.get("ReferencedGroupInfo", {}).get("GroupId"),
                rule.get("CidrIpv4"),
                rule.get("CidrIpv6"),
            )
            rules[rule["GroupId"]].append(
                SecurityRule(
                    id=rule["SecurityGroupRuleId"],
                    inbound=not rule["IsEgress"],
                    protocol=rule["IpProtocol"],
                    from_port=rule.get("FromPort", -1),
                    to_port=rule.get("ToPort", -1),
                    peer=next((peer for peer in peers if peer), ""),
                    description=rule.get("Description", ""),
                )
            )
    return tuple(
        SecurityGroup(
            id=group["GroupId"],
            name=group["GroupName"],
            vpc_id=group.get("VpcId", ""),
            rules=tuple(sorted(rules[group["GroupId"]], key=lambda rule: rule.id)),
            tags=tags_of(group.get("Tags")),
        )
        for group in groups
    )
