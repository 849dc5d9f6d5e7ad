"""Virtual IPs: one Elastic IP per zone, the addresses suppliers put into their firewalls.

A load balancer can be rebuilt; a published address can't be had back. So they are a component of their own, protected
and retained once published, or where the settings say so (decided in `infra.deciding`). Left out: address pools
(allocations made elsewhere are accepted), IPv6, DNS.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.environment import AddressPlan


@dataclass(frozen=True, kw_only=True)
class VirtualIpsArgs:
    """What the addresses are made from."""

    plans: Mapping[str, AddressPlan]
    """By zone."""
    tags: Mapping[str, str]


class VirtualIps(pulumi.ComponentResource):
    """The addresses of an environment, by zone; those of reserved zones too."""

    allocation_ids: Mapping[str, pulumi.Output[str]]
    """Of attached zones only: what the load balancer takes."""
    addresses: Mapping[str, pulumi.Output[str]]
    """Of all zones."""

    def __init__(self, name: str, args: VirtualIpsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eps-dos-api:infra:VirtualIps", name, None, opts)
        allocation_ids: dict[str, pulumi.Output[str]] = {}
        addresses: dict[str, pulumi.Output[str]] = {}
        for zone, plan in sorted(args.plans.items()):
            if plan.allocation_id is None:
                address = aws.ec2.Eip(
                    f"{name}-vip-{zone}",
                    domain="vpc",
                    tags={**args.tags, "Name": f"{name}-vip-{zone}"},
                    opts=pulumi.ResourceOptions(parent=self, protect=plan.protected, retain_on_delete=plan.protected),
                )
                allocation_id, addresses[zone] = address.allocation_id, address.public_ip
            else:
                allocation_id = pulumi.Output.from_input(plan.allocation_id)
                addresses[zone] = aws.ec2.get_elastic_ip_output(
                    id=plan.allocation_id, opts=pulumi.InvokeOutputOptions(parent=self)
                ).public_ip
            if plan.attached:
                allocation_ids[zone] = allocation_id
        self.allocation_ids = allocation_ids
        self.addresses = addresses
        self.register_outputs({"addresses": addresses})
