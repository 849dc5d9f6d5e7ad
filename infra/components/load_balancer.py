"""Load balancer: the way in, TCP 443 passed through to the instances, which end TLS themselves.

Left out: the addresses (`virtual_ips`) and the name (`dns`), so that neither goes when this is rebuilt.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.environment import PORT, LoadBalancerPlan


@dataclass(frozen=True, kw_only=True)
class LoadBalancerArgs:
    """What the load balancer is made from."""

    plan: LoadBalancerPlan
    vpc_id: pulumi.Input[str]
    security_group_id: pulumi.Input[str]
    """AWS takes a first one at creation only."""
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Public subnets by zone."""
    allocation_ids: Mapping[str, pulumi.Input[str]]
    """By zone; a zone without one gets its address from AWS."""
    tags: Mapping[str, str]


class LoadBalancer(pulumi.ComponentResource):
    """A Network Load Balancer with one listener and one target group. Makes no addresses and no names."""

    arn_suffix: pulumi.Output[str]
    dns_name: pulumi.Output[str]
    zone_id: pulumi.Output[str]
    target_group_arn: pulumi.Output[str]
    target_group_arn_suffix: pulumi.Output[str]
    listener: aws.lb.Listener

    def __init__(self, name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eps-dos-api:infra:LoadBalancer", name, None, opts)
        # Changing or dropping a zone's mapping replaces the balancer: one per zone, only ever added.
        mappings = [
            aws.lb.LoadBalancerSubnetMappingArgs(
                subnet_id=args.subnet_ids[zone], allocation_id=args.allocation_ids.get(zone)
            )
            for zone in sorted(args.subnet_ids)
        ]
        targets = _targets(self, name, args)
        balancer = aws.lb.LoadBalancer(
            f"{name}-lb",
            load_balancer_type="network",
            internal=False,
            ip_address_type="ipv4",
            subnet_mappings=mappings,
            security_groups=[args.security_group_id],
            enable_cross_zone_load_balancing=True,
            # So that whoever sees a zone ail can take traffic out of it at once, before AWS does.
            enable_zonal_shift=True,
            enable_deletion_protection=args.plan.deletion_protected,
            tags={**args.tags, "Name": f"{name}-lb"},
            # AWS takes zonal shift, beside cross-zone, only with targets that don't terminate connections.
            opts=pulumi.ResourceOptions(parent=self, protect=args.plan.deletion_protected, depends_on=[targets]),
        )
        self.listener = aws.lb.Listener(
            f"{name}-listener",
            load_balancer_arn=balancer.arn,
            protocol="TCP",
            port=PORT,
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            tags={**args.tags, "Name": f"{name}-listener"},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn_suffix = balancer.arn_suffix
        self.dns_name = balancer.dns_name
        self.zone_id = balancer.zone_id
        self.target_group_arn = targets.arn
        self.target_group_arn_suffix = targets.arn_suffix
        self.register_outputs({"dnsName": self.dns_name})


def _targets(parent: LoadBalancer, name: str, args: LoadBalancerArgs) -> aws.lb.TargetGroup:
    check = args.plan.health_check
    return aws.lb.TargetGroup(
        # Named by Pulumi: a target group in use can't be replaced in place, only beside itself.
        f"{name}-tg",
        vpc_id=args.vpc_id,
        protocol="TCP",
        port=PORT,
        target_type="instance",
        # As a string, because that is what the provider's schema has.
        preserve_client_ip="true",
        deregistration_delay=args.plan.deregistration_delay_seconds,
        connection_termination=False,
        # Connections to a target that turned unhealthy are its own to end: zonal shift, with cross-zone on, needs that
        # (User Guide for Network Load Balancers, "Enable zonal shift").
        target_health_states=[aws.lb.TargetGroupTargetHealthStateArgs(enable_unhealthy_connection_termination=False)],
        health_check=aws.lb.TargetGroupHealthCheckArgs(
            enabled=True,
            protocol=check.protocol,
            port="traffic-port",
            path=check.path,
            interval=check.interval_seconds,
            timeout=check.timeout_seconds,
            healthy_threshold=check.healthy_threshold,
            unhealthy_threshold=check.unhealthy_threshold,
        ),
        tags={**args.tags, "Name": f"{name}-tg"},
        opts=pulumi.ResourceOptions(parent=parent),
    )
