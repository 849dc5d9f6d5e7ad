"""What AWS has for one environment, read with boto3: the side of things that no state can know.

Things are found by their tags (Project, Environment), by the network that they are part of, or, the record and the
dataset, by the environment's name for them. What is read is facts, typed and frozen; whether they are as they should
be, others say. Left out: the account itself (quotas, hosted zones), and what only the provider sees (`pulumi refresh`).

The calls are those of the API references of EC2, Elastic Load Balancing, EC2 Auto Scaling, S3, IAM, Route 53,
CloudWatch, CloudWatch Logs and Resource Groups Tagging; each function's are in its body.
"""

from __future__ import annotations

from dataclasses import dataclass

from ops.aws.clients import Aws
from ops.aws.compute import (
    Instance,
    LaunchTemplate,
    ScalingGroup,
    read_instances,
    read_launch_templates,
    read_scaling_groups,
)
from ops.aws.dns import Record, read_records
from ops.aws.identity import Role, read_roles
from ops.aws.load_balancing import LoadBalancer, TargetGroup, read_load_balancers, read_target_groups
from ops.aws.monitoring import LogGroup, read_log_groups
from ops.aws.network import (
    Address,
    PrefixList,
    SecurityGroup,
    Subnet,
    Vpc,
    read_addresses,
    read_prefix_lists,
    read_security_groups,
    read_subnets_in,
    read_vpcs,
)
from ops.aws.ownership import Subject
from ops.aws.routing import (
    InternetGateway,
    NetworkAcl,
    RouteTable,
    read_internet_gateways,
    read_network_acls,
    read_route_tables,
)
from ops.aws.storage import Bucket, read_bucket


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Everything that AWS has for one environment."""

    subject: Subject
    vpcs: tuple[Vpc, ...]
    subnets: tuple[Subnet, ...]
    route_tables: tuple[RouteTable, ...]
    internet_gateways: tuple[InternetGateway, ...]
    network_acls: tuple[NetworkAcl, ...]
    addresses: tuple[Address, ...]
    prefix_lists: tuple[PrefixList, ...]
    security_groups: tuple[SecurityGroup, ...]
    load_balancers: tuple[LoadBalancer, ...]
    target_groups: tuple[TargetGroup, ...]
    scaling_groups: tuple[ScalingGroup, ...]
    instances: tuple[Instance, ...]
    launch_templates: tuple[LaunchTemplate, ...]
    bucket: Bucket | None
    """The dataset, also one that is another environment's."""
    roles: tuple[Role, ...]
    records: tuple[Record, ...]
    """All of the environment's name."""
    log_groups: tuple[LogGroup, ...]


def read(aws: Aws, subject: Subject) -> Inventory:
    """Return what AWS has for `subject`. Raises botocore's errors if it can't be read."""
    name = subject.environment
    vpcs = read_vpcs(aws, name)
    vpc_ids = [vpc.id for vpc in vpcs]
    return Inventory(
        subject=subject,
        vpcs=vpcs,
        subnets=read_subnets_in(aws, vpc_ids),
        route_tables=read_route_tables(aws, vpc_ids),
        internet_gateways=read_internet_gateways(aws, vpc_ids),
        network_acls=read_network_acls(aws, vpc_ids),
        addresses=read_addresses(aws, name),
        prefix_lists=read_prefix_lists(aws, name),
        security_groups=read_security_groups(aws, name),
        load_balancers=read_load_balancers(aws, name),
        target_groups=read_target_groups(aws, name),
        scaling_groups=read_scaling_groups(aws, name),
        instances=read_instances(aws, name),
        launch_templates=read_launch_templates(aws, name),
        bucket=read_bucket(aws, subject.bucket),
        roles=read_roles(aws, name),
        records=read_records(aws, subject),
        log_groups=read_log_groups(aws, name),
    )
