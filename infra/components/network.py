"""Network: the VPC of one environment, public subnets for the load balancer and private ones for instances.

Nothing in it reaches the internet but the load balancer's subnets: there is no NAT, so instances speak to AWS through
endpoints. Left out: interface endpoints (`endpoints`, they need a security group) and who may connect to what
(`security_groups`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import access
from infra.environment import NetworkPlan


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What the network is made from."""

    plan: NetworkPlan
    tags: Mapping[str, str]
    region: str
    account_id: pulumi.Input[str]
    permissions_boundary_arn: pulumi.Input[str]
    s3_endpoint_policy: pulumi.Input[str]


class Network(pulumi.ComponentResource):
    """A VPC with a public and a private subnet in each zone, keyed by zone, and a log of its traffic."""

    vpc_id: pulumi.Output[str]
    public_subnet_ids: Mapping[str, pulumi.Output[str]]
    private_subnet_ids: Mapping[str, pulumi.Output[str]]
    s3_prefix_list_id: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eps-dos-api:infra:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        def tags(label: str) -> dict[str, str]:
            return {**args.tags, "Name": f"{name}-{label}"}

        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.plan.cidr,
            # Both are needed for the private names of interface endpoints (Amazon VPC guide, DNS attributes).
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=tags("vpc"),
            opts=child,
        )
        # AWS makes this group and it can't be deleted; adopted without rules it opens nothing.
        aws.ec2.DefaultSecurityGroup(f"{name}-default", vpc_id=vpc.id, tags=tags("default-unused"), opts=child)
        gateway = aws.ec2.InternetGateway(f"{name}-gateway", vpc_id=vpc.id, tags=tags("gateway"), opts=child)
        public_routes = aws.ec2.RouteTable(f"{name}-public", vpc_id=vpc.id, tags=tags("public"), opts=child)
        aws.ec2.Route(
            f"{name}-public-internet",
            route_table_id=public_routes.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=child,
        )
        private_routes = aws.ec2.RouteTable(f"{name}-private", vpc_id=vpc.id, tags=tags("private"), opts=child)

        def subnet(kind: str, zone: str, cidr: str, routes: aws.ec2.RouteTable) -> aws.ec2.Subnet:
            made = aws.ec2.Subnet(
                f"{name}-{kind}-{zone}",
                vpc_id=vpc.id,
                availability_zone=zone,
                cidr_block=cidr,
                map_public_ip_on_launch=False,
                tags=tags(f"{kind}-{zone}"),
                opts=child,
            )
            aws.ec2.RouteTableAssociation(
                f"{name}-{kind}-{zone}", subnet_id=made.id, route_table_id=routes.id, opts=child
            )
            return made

        zones = sorted(args.plan.zones.items())
        public = {zone: subnet("public", zone, ranges.public_cidr, public_routes) for zone, ranges in zones}
        private = {zone: subnet("private", zone, ranges.private_cidr, private_routes) for zone, ranges in zones}

        s3 = aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[private_routes.id],
            policy=args.s3_endpoint_policy,
            tags=tags("s3"),
            opts=child,
        )
        self._log_traffic(name, args, vpc.id, tags("flow-log"))

        self.vpc_id = vpc.id
        self.public_subnet_ids = {zone: made.id for zone, made in public.items()}
        self.private_subnet_ids = {zone: made.id for zone, made in private.items()}
        self.s3_prefix_list_id = s3.prefix_list_id
        # The load balancer needs the way out to exist, which no reference of its own says.
        self.internet_gateway = gateway
        self.register_outputs({"vpcId": self.vpc_id})

    def _log_traffic(self, name: str, args: NetworkArgs, vpc_id: pulumi.Output[str], tags: dict[str, str]) -> None:
        child = pulumi.ResourceOptions(parent=self)
        logs = aws.cloudwatch.LogGroup(
            f"{name}-flow-log",
            name=access.named(name, "flow-log"),
            retention_in_days=args.plan.log_retention_days,
            tags=tags,
            opts=child,
        )
        role = aws.iam.Role(
            f"{name}-flow-log",
            name=access.named(name, "flow-log"),
            assume_role_policy=pulumi.Output.from_input(args.account_id).apply(
                lambda account_id: access.as_json(access.flow_log_trust(account_id))
            ),
            permissions_boundary=args.permissions_boundary_arn,
            tags=tags,
            opts=child,
        )
        aws.iam.RolePolicy(
            f"{name}-flow-log",
            role=role.id,
            policy=logs.arn.apply(lambda arn: access.as_json(access.flow_log_permissions(arn))),
            opts=child,
        )
        aws.ec2.FlowLog(
            f"{name}-flow-log",
            vpc_id=vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=logs.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=60,
            tags=tags,
            opts=child,
        )
