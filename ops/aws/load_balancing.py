"""Load balancers, their listeners, target groups and targets, as AWS has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.aws.clients import Aws, batched, listed
from ops.aws.ownership import Tags, is_of, tags_of

TAGS_AT_ONCE = 20
"""Elastic Load Balancing API, DescribeTags: at most so many resources."""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A port that a load balancer listens on."""

    arn: str
    protocol: str
    port: int
    target_group_arns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LoadBalancer:
    """A load balancer with its listeners."""

    arn: str
    name: str
    dns_name: str
    addresses: Mapping[str, tuple[str, ...]]
    """Fixed addresses by zone; none where AWS chooses and doesn't say."""
    subnet_ids: Mapping[str, str]
    """By zone."""
    security_group_ids: tuple[str, ...]
    attributes: Mapping[str, str]
    listeners: tuple[Listener, ...]
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Target:
    """Something that a load balancer sends connections to."""

    id: str
    port: int
    state: str
    """`initial`, `healthy`, `unhealthy`, `unused`, `draining`, `unavailable`."""


@dataclass(frozen=True, kw_only=True)
class TargetGroup:
    """A group of targets, with their health."""

    arn: str
    name: str
    port: int
    """Where its targets listen unless registered with another port."""
    health_check: Mapping[str, Any]
    """`HealthCheckProtocol`, `HealthCheckIntervalSeconds`, ..., as in the API."""
    attributes: Mapping[str, str]
    targets: tuple[Target, ...]
    tags: Tags


def read_load_balancers(aws: Aws, environment: str) -> tuple[LoadBalancer, ...]:
    """Return the environment's load balancers with listeners and attributes."""
    balancers = listed(aws.elbv2, "describe_load_balancers", "LoadBalancers[]")
    every = {balancer["LoadBalancerArn"]: balancer for balancer in balancers}
    return tuple(_load_balancer(aws, every[arn], tags) for arn, tags in _tags(aws, every, environment))


def _load_balancer(aws: Aws, balancer: Mapping[str, Any], tags: Tags) -> LoadBalancer:
    arn = balancer["LoadBalancerArn"]
    return LoadBalancer(
        arn=arn,
        name=balancer["LoadBalancerName"],
        dns_name=balancer["DNSName"],
        addresses={
            zone["ZoneName"]: tuple(
                address["IpAddress"] for address in zone.get("LoadBalancerAddresses", []) if address.get("IpAddress")
            )
            for zone in balancer["AvailabilityZones"]
        },
        subnet_ids={zone["ZoneName"]: zone["SubnetId"] for zone in balancer["AvailabilityZones"]},
        security_group_ids=tuple(balancer.get("SecurityGroups", [])),
        attributes=_attributes(aws.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)),
        listeners=tuple(
            Listener(
                arn=listener["ListenerArn"],
                protocol=listener["Protocol"],
                port=listener["Port"],
                target_group_arns=tuple(
                    action["TargetGroupArn"] for action in listener["DefaultActions"] if action.get("TargetGroupArn")
                ),
            )
            for listener in listed(aws.elbv2, "describe_listeners", "Listeners[]", LoadBalancerArn=arn)
        ),
        tags=tags,
    )


def read_target_groups(aws: Aws, environment: str) -> tuple[TargetGroup, ...]:
    """Return the environment's target groups with the health of their targets."""
    groups = listed(aws.elbv2, "describe_target_groups", "TargetGroups[]")
    every = {group["TargetGroupArn"]: group for group in groups}
    return tuple(_target_group(aws, every[arn], tags) for arn, tags in _tags(aws, every, environment))


def _target_group(aws: Aws, group: Mapping[str, Any], tags: Tags) -> TargetGroup:
    arn = group["TargetGroupArn"]
    return TargetGroup(
        arn=arn,
        name=group["TargetGroupName"],
        port=group["Port"],
        health_check={
            key: value for key, value in group.items() if "HealthCheck" in key or key.endswith("ThresholdCount")
        },
        attributes=_attributes(aws.elbv2.describe_target_group_attributes(TargetGroupArn=arn)),
        targets=read_targets(aws, arn),
        tags=tags,
    )


def read_targets(aws: Aws, target_group_arn: str) -> tuple[Target, ...]:
    """Return the targets of a group with their health, in the order of their ids."""
    described = aws.elbv2.describe_target_health(TargetGroupArn=target_group_arn)["TargetHealthDescriptions"]
    targets = [
        Target(id=target["Target"]["Id"], port=target["Target"].get("Port", 0), state=target["TargetHealth"]["State"])
        for target in described
    ]
    return tuple(sorted(targets, key=lambda target: target.id))


def _attributes(answer: Mapping[str, Any]) -> dict[str, str]:
    return {attribute["Key"]: attribute["Value"] for attribute in answer["Attributes"]}


def _tags(aws: Aws, arns: Iterable[str], environment: str) -> Iterator[tuple[str, Tags]]:
    """Yield those of `arns` that are the environment's, with their tags."""
    for some in batched(sorted(arns), TAGS_AT_ONCE):
        for described in aws.elbv2.describe_tags(ResourceArns=some)["TagDescriptions"]:
            tags = tags_of(described["Tags"])
            if is_of(tags, environment):
                yield described["ResourceArn"], tags
