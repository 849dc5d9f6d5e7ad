"""GetResources: what the program makes is found by its tags, under the ARNs that AWS gives it.

Rules: Resource Groups Tagging API reference (GetResources) with "Services that support the Resource Groups Tagging
API"; "Actions, resources, and condition keys for Amazon EC2" (the forms of ARNs). moto leaves out addresses, launch
templates, endpoints, rules of security groups and listeners, and calls a prefix list by a name that AWS hasn't.

As in AWS: scaling groups are never found, whatever their tags; nor roles, instance profiles and hosted zones, outside
us-east-1. A deleted resource isn't found, its tags being gone with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.ec2.models import EC2Backend, ec2_backends
from moto.elbv2.models import ELBv2Backend, elbv2_backends

from lab.emulator.extensions.hooks import extends


@extends(ec2_backends)
class TaggedNetworks(EC2Backend):
    """moto's backend, with all that has tags of one's own."""

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        """Yield every resource that exists, by the kind that its ARN names."""
        groups = [group for in_vpc in self.groups.values() for group in in_vpc.values()]
        instances = [instance for reservation in self.reservations.values() for instance in reservation.instances]
        found: dict[str, Iterable[Any]] = {
            "elastic-ip": [address.allocation_id for address in self.addresses],
            "image": self.amis,
            "instance": [instance.id for instance in instances if instance.state != "terminated"],
            "internet-gateway": self.internet_gateways,
            "launch-template": self.launch_templates,
            "natgateway": self.nat_gateways,
            "network-acl": self.network_acls,
            "network-interface": self.enis,
            "prefix-list": self.managed_prefix_lists,
            "route-table": self.route_tables,
            "security-group": [group.id for group in groups],
            "security-group-rule": [
                rule.id for group in groups for rule in [*group.ingress_rules, *group.egress_rules]
            ],
            "snapshot": self.snapshots,
            "subnet": [subnet for in_zone in self.subnets.values() for subnet in in_zone],
            "volume": self.volumes,
            "vpc": self.vpcs,
            "vpc-endpoint": self.vpc_end_points,
            "vpc-flow-log": self.flow_logs,
        }
        for kind, ids in found.items():
            # Images and snapshots are of a region, not of an account.
            account = "" if kind in ("image", "snapshot") else self.account_id
            for resource_id in ids:
                yield TaggedResource(
                    arn=f"arn:{self.partition}:ec2:{self.region_name}:{account}:{kind}/{resource_id}",
                    tags=dict(self.tags.get(resource_id, {})),
                    resource_type=f"ec2:{kind}",
                )


@extends(elbv2_backends)
class TaggedLoadBalancers(ELBv2Backend):
    """moto's backend, with listeners, and without what was never tagged."""

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        """Yield load balancers, their listeners and target groups."""
        kinds = {
            "loadbalancer": list(self.load_balancers),
            "listener": [arn for balancer in self.load_balancers.values() for arn in balancer.listeners],
            "targetgroup": list(self.target_groups),
        }
        for kind, arns in kinds.items():
            for arn in arns:
                yield TaggedResource(
                    arn=arn,
                    tags=self.tagging_service.get_tag_dict_for_resource(arn),
                    resource_type=f"elasticloadbalancing:{kind}",
                )
