"""Security groups: every rule of an environment, in one place to read.

Clients reach the load balancer, it reaches the instances, they reach AWS's endpoints; all of it TCP 443 and nothing
else. Rules are resources of their own: rules inside a group and rules beside it undo each other (provider's
documentation of SecurityGroup). The rule that AWS gives each new group, everything out, the provider revokes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.environment import PORT


@dataclass(frozen=True, kw_only=True)
class SecurityGroupsArgs:
    """What the groups are made from."""

    vpc_id: pulumi.Input[str]
    clients_prefix_list_id: pulumi.Input[str]
    s3_prefix_list_id: pulumi.Input[str]
    tags: Mapping[str, str]


class SecurityGroups(pulumi.ComponentResource):
    """Three groups: load balancer, service, endpoints."""

    load_balancer_id: pulumi.Output[str]
    service_id: pulumi.Output[str]
    endpoints_id: pulumi.Output[str]

    def __init__(self, name: str, args: SecurityGroupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eps-dos-api:infra:SecurityGroups", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        def group(label: str, description: str) -> aws.ec2.SecurityGroup:
            return aws.ec2.SecurityGroup(
                f"{name}-{label}",
                # Can't be edited later: a change replaces the group (EC2 API, CreateSecurityGroup).
                description=description,
                vpc_id=args.vpc_id,
                tags={**args.tags, "Name": f"{name}-{label}"},
                opts=child,
            )

        load_balancer = group("load-balancer", "Clients of the API")
        service = group("service", "Instances of the API")
        endpoints = group("endpoints", "AWS endpoints of the instances")

        def rule(
            kind: type[aws.vpc.SecurityGroupIngressRule | aws.vpc.SecurityGroupEgressRule],
            label: str,
            group: aws.ec2.SecurityGroup,
            description: str,
            **peer: pulumi.Input[str],
        ) -> None:
            kind(
                f"{name}-{label}",
                security_group_id=group.id,
                description=description,
                ip_protocol="tcp",
                from_port=PORT,
                to_port=PORT,
                tags={**args.tags, "Name": f"{name}-{label}"},
                opts=child,
                **peer,
            )

        admit, release = aws.vpc.SecurityGroupIngressRule, aws.vpc.SecurityGroupEgressRule
        rule(admit, "clients-in", load_balancer, "Clients, by prefix list", prefix_list_id=args.clients_prefix_list_id)
        rule(release, "load-balancer-out", load_balancer, "To the instances", referenced_security_group_id=service.id)
        rule(admit, "service-in", service, "From the load balancer", referenced_security_group_id=load_balancer.id)
        rule(release, "service-out-endpoints", service, "To AWS endpoints", referenced_security_group_id=endpoints.id)
        rule(release, "service-out-s3", service, "To S3, by its gateway", prefix_list_id=args.s3_prefix_list_id)
        rule(admit, "endpoints-in", endpoints, "From the instances", referenced_security_group_id=service.id)

        self.load_balancer_id = load_balancer.id
        self.service_id = service.id
        self.endpoints_id = endpoints.id
        self.register_outputs({})
