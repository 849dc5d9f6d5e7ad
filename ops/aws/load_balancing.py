"""Load balancers, their listeners, target groups and targets, as AWS has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ops.aws.clients import Aws, batched
from ops.aws.ownership import Tags, is_of, tags_of

if TYPE_CHECKING:
    # Stubs, which only the development environment has.
    from mypy_boto3_elbv2.type_defs import LoadBalancerTypeDef, TargetGroupTypeDef


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
    type: str
    scheme: str
    state: str
    addresses: Mapping[str, tuple[str, ...]]
    """Fixed addresses by zone; none where AWS chooses and doesn't say."""
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
    reason: str


@dataclass(frozen=True, kw_only=True)
class TargetGroup:
    """A group of targets, with their health."""

    arn: str
    name: str
    protocol: str
    port: int
    load_balancer_arns: tuple[str, ...]
    health_check: Mapping[str, Any]
    """`HealthCheckProtocol`, `HealthCheckIntervalSeconds`, ..., as in the API."""
    attributes: Mapping[str, str]
    targets: tuple[Target, ...]
    tags: Tags


def read_load_balancers(aws: Aws, environment: str) -> tuple[LoadBalancer, ...]:
    """Return the environment's load balancers with listeners and attributes."""
    pages = aws.elbv2.get_paginator("describe_load_balancers").paginate()
    every = {one["LoadBalancerArn"]: one for page in pages for one in page["LoadBalancers"]}
    return tuple(
        _load_balancer(aws, every[arn], tags) for arn, tags in _elb_tags(aws, every).items() if is_of(tags, environment)
    )


def _load_balancer(aws: Aws, one: LoadBalancerTypeDef, tags: Tags) -> LoadBalancer:
    arn = one["LoadBalancerArn"]
    attributes = aws.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    pages = aws.elbv2.get_paginator("describe_listeners").paginate(LoadBalancerArn=arn)
    listeners = [listener for page in pages for listener in page["Listeners"]]
    return LoadBalancer(
        arn=arn,
        name=one["LoadBalancerName"],
        dns_name=one["DNSName"],
        type=one["Type"],
        scheme=one["Scheme"],
        state=one.get("State", {}).get("Code", ""),
        addresses={
            zone["ZoneName"]: tuple(
                address["IpAddress"] for address in zone.get("LoadBalancerAddresses", []) if address.get("IpAddress")
            )
            for zone in one["AvailabilityZones"]
        },
        security_group_ids=tuple(one.get("SecurityGroups", [])),
        attributes={attribute["Key"]: attribute["Value"] for attribute in attributes},
        listeners=tuple(
            Listener(
                arn=listener["ListenerArn"],
                protocol=listener["Protocol"],
                port=listener["Port"],
                target_group_arns=tuple(
                    action["TargetGroupArn"] for action in listener["DefaultActions"] if action.get("TargetGroupArn")
                ),
            )
            for listener in listeners
        ),
        tags=tags,
    )


def read_target_groups(aws: Aws, environment: str) -> tuple[TargetGroup, ...]:
    """Return the environment's target groups with the health of their targets."""
    pages = aws.elbv2.get_paginator("describe_target_groups").paginate()
    every = {one["TargetGroupArn"]: one for page in pages for one in page["TargetGroups"]}
    return tuple(
        _target_group(aws, every[arn], tags) for arn, tags in _elb_tags(aws, every).items() if is_of(tags, environment)
    )


def _target_group(aws: Aws, one: TargetGroupTypeDef, tags: Tags) -> TargetGroup:
    arn = one["TargetGroupArn"]
    attributes = aws.elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    checks = {key: value for key, value in one.items() if "HealthCheck" in key or key.endswith("ThresholdCount")}
    return TargetGroup(
        arn=arn,
        name=one["TargetGroupName"],
        protocol=one["Protocol"],
        port=one["Port"],
        load_balancer_arns=tuple(one["LoadBalancerArns"]),
        health_check=checks,
        attributes={attribute["Key"]: attribute["Value"] for attribute in attributes},
        targets=read_targets(aws, arn),
        tags=tags,
    )


def read_targets(aws: Aws, target_group_arn: str) -> tuple[Target, ...]:
    """Return the targets of a group with their health, in the order of their ids."""
    described = aws.elbv2.describe_target_health(TargetGroupArn=target_group_arn)["TargetHealthDescriptions"]
    targets = [
        Target(
            id=one["Target"]["Id"],
            port=one["Target"].get("Port", 0),
            state=one["TargetHealth"]["State"],
            reason=one["TargetHealth"].get("Description", ""),
        )
        for one in described
    ]
    return tuple(sorted(targets, key=lambda target: target.id))


def _elb_tags(aws: Aws, arns: Iterable[str]) -> dict[str, Tags]:
    found: dict[str, Tags] = {}
    for some in batched(sorted(arns), TAGS_AT_ONCE):
        for one in aws.elbv2.describe_tags(ResourceArns=some)["TagDescriptions"]:
            found[one["ResourceArn"]] = tags_of(one["Tags"])
    return found
