"""VPCs, subnets, addresses, prefix lists and security groups, as AWS has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.aws.clients import Aws, listed
from ops.aws.ownership import Tags, tagged, tags_of


@dataclass(frozen=True, kw_only=True)
class Vpc:
    """A network."""

    id: str
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

    @property
    def ports(self) -> str:
        """As a person would write them: `443`, `1024-65535`."""
        return str(self.from_port) if self.from_port == self.to_port else f"{self.from_port}-{self.to_port}"


@dataclass(frozen=True, kw_only=True)
class SecurityGroup:
    """A security group with its rules, in the order of their ids."""

    id: str
    name: str
    rules: tuple[SecurityRule, ...]
    tags: Tags


def read_vpcs(aws: Aws, environment: str) -> tuple[Vpc, ...]:
    """Return the environment's networks."""
    return tuple(
        Vpc(id=vpc["VpcId"], tags=tags_of(vpc.get("Tags")))
        for vpc in listed(aws.ec2, "describe_vpcs", "Vpcs[]", Filters=tagged(environment))
    )


def ranges_of(vpc: Mapping[str, Any]) -> list[str]:
    """Return every IPv4 range of a network that EC2 described (DescribeVpcs)."""
    return [block["CidrBlock"] for block in vpc.get("CidrBlockAssociationSet") or [vpc]]


def read_subnets(aws: Aws, environment: str) -> tuple[Subnet, ...]:
    """Return the environment's subnets."""
    return tuple(map(_subnet, listed(aws.ec2, "describe_subnets", "Subnets[]", Filters=tagged(environment))))


def read_subnets_in(aws: Aws, vpc_ids: Sequence[str]) -> tuple[Subnet, ...]:
    """Return the subnets of these networks, whosever they are."""
    return tuple(map(_subnet, in_networks(aws, "describe_subnets", "Subnets[]", "vpc-id", vpc_ids)))


def _subnet(subnet: Mapping[str, Any]) -> Subnet:
    return Subnet(
        id=subnet["SubnetId"],
        vpc_id=subnet["VpcId"],
        zone=subnet["AvailabilityZone"],
        cidr=subnet["CidrBlock"],
        tags=tags_of(subnet.get("Tags")),
    )


def in_networks(aws: Aws, operation: str, path: str, filter_: str, vpc_ids: Sequence[str]) -> list[Any]:
    """Return what `operation` lists of these networks, which `filter_` takes; all of it, whether tagged or not."""
    filters = [{"Name": filter_, "Values": [*vpc_ids]}]
    # A filter without values would be refused.
    return [*listed(aws.ec2, operation, path, Filters=filters)] if vpc_ids else []


def read_addresses(aws: Aws, environment: str) -> tuple[Address, ...]:
    """Return the environment's own Elastic IPs, attached or not."""
    return tuple(
        Address(
            allocation_id=address["AllocationId"],
            public_ip=address["PublicIp"],
            association_id=address.get("AssociationId"),
            tags=tags_of(address.get("Tags")),
        )
        for address in aws.ec2.describe_addresses(Filters=tagged(environment))["Addresses"]
    )


def read_prefix_lists(aws: Aws, environment: str) -> tuple[PrefixList, ...]:
    """Return the environment's prefix lists with their entries."""
    return tuple(
        PrefixList(
            id=prefix_list["PrefixListId"],
            name=prefix_list["PrefixListName"],
            entries=_entries(aws, prefix_list["PrefixListId"]),
            tags=tags_of(prefix_list.get("Tags")),
        )
        for prefix_list in listed(
            aws.ec2, "describe_managed_prefix_lists", "PrefixLists[]", Filters=tagged(environment)
        )
    )


def _entries(aws: Aws, prefix_list_id: str) -> tuple[Entry, ...]:
    entries = listed(aws.ec2, "get_managed_prefix_list_entries", "Entries[]", PrefixListId=prefix_list_id)
    return tuple(sorted(Entry(cidr=entry["Cidr"], description=entry.get("Description", "")) for entry in entries))


def read_security_groups(aws: Aws, environment: str) -> tuple[SecurityGroup, ...]:
    """Return the environment's security groups with all their rules, whoever made those."""
    groups = [*listed(aws.ec2, "describe_security_groups", "SecurityGroups[]", Filters=tagged(environment))]
    rules: dict[str, list[SecurityRule]] = {group["GroupId"]: [] for group in groups}
    if rules:
        of_groups = [{"Name": "group-id", "Values": sorted(rules)}]
        for rule in listed(aws.ec2, "describe_security_group_rules", "SecurityGroupRules[]", Filters=of_groups):
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
                )
            )
    return tuple(
        SecurityGroup(
            id=group["GroupId"],
            name=group["GroupName"],
            rules=tuple(sorted(rules[group["GroupId"]], key=lambda rule: rule.id)),
            tags=tags_of(group.get("Tags")),
        )
        for group in groups
    )
