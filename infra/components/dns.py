"""DNS: the name that suppliers connect to, an alias of the load balancer.

`allow_overwrite` is off: a record that somebody else made is an error to look at, not one to take over.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.environment import DnsPlan


@dataclass(frozen=True, kw_only=True)
class DnsArgs:
    """What the record is made from."""

    plan: DnsPlan
    load_balancer_dns_name: pulumi.Input[str]
    load_balancer_zone_id: pulumi.Input[str]


class Dns(pulumi.ComponentResource):
    """The alias A record of an environment."""

    def __init__(self, name: str, args: DnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("eps-dos-api:infra:Dns", name, None, opts)
        zone = aws.route53.get_zone_output(
            name=args.plan.hosted_zone, private_zone=False, opts=pulumi.InvokeOutputOptions(parent=self)
        )
        aws.route53.Record(
            f"{name}-record",
            zone_id=zone.zone_id,
            name=args.plan.name,
            type="A",
            allow_overwrite=False,
            aliases=[
                aws.route53.RecordAliasArgs(
                    name=args.load_balancer_dns_name,
                    zone_id=args.load_balancer_zone_id,
                    evaluate_target_health=True,
                )
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
