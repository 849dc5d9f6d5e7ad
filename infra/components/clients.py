"""Clients: the prefix list of addresses that may connect.

One list per environment, so that a supplier is a line, not a rule. Its `max_entries` is fixed: AWS counts that number,
not the entries, against the rules of every security group that refers to it, and refuses to raise it past them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.environment import ClientsPlan


@dataclass(frozen=True, kw_only=True)
class ClientsArgs:
    """What the list is made from."""

    plan: ClientsPlan
    tags: Mapping[str, str]


class Clients(pulumi.ComponentResource):
    """The customer-managed prefix list of an environment."""

    prefix_list_id: pulumi.Output[str]

    def __init__(self, name: str, args: ClientsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eps-dos-api:infra:Clients", name, None, opts)
        prefix_list = aws.ec2.ManagedPrefixList(
            f"{name}-clients",
            name=f"eps-dos-api-{name}-clients",
            address_family="IPv4",
            max_entries=args.plan.max_entries,
            entries=[
                # The provider changes a description by removing the entry and adding it in a second call, so that a
                # supplier's name there would cut the supplier off whenever it is written otherwise
                # (aws provider, internal/service/ec2/vpc_managed_prefix_list.go, update).
                aws.ec2.ManagedPrefixListEntryArgs(cidr=entry.cidr, description=entry.cidr)
                for entry in args.plan.entries
            ],
            tags={**args.tags, "Name": f"{name}-clients"},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.prefix_list_id = prefix_list.id
        self.register_outputs({"prefixListId": self.prefix_list_id})
