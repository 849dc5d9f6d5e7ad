"""Endpoints: how instances without a way to the internet speak to AWS.

One interface endpoint per service, in every zone, so that a lost zone takes none of them along. S3 has a gateway
endpoint instead, which is part of `network` because it belongs to the routes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class EndpointsArgs:
    """What the endpoints are made from."""

    services: tuple[str, ...]
    """Short names: `secretsmanager`."""
    region: str
    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Private subnets by zone."""
    security_group_id: pulumi.Input[str]
    policy: pulumi.Input[str]
    tags: Mapping[str, str]


class Endpoints(pulumi.ComponentResource):
    """Interface endpoints, one per service."""

    def __init__(self, name: str, args: EndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eps-dos-api:infra:Endpoints", name, None, opts)
        for service in args.services:
            aws.ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=args.vpc_id,
                service_name=f"com.amazonaws.{args.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[args.subnet_ids[zone] for zone in sorted(args.subnet_ids)],
                security_group_ids=[args.security_group_id],
                policy=args.policy,
                tags={**args.tags, "Name": f"{name}-{service}"},
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
