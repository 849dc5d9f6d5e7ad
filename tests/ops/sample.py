"""What AWS has for the sample environment when all is well: an inventory to break one thing of at a time."""

from __future__ import annotations

from infra.environment import Environment
from ops.aws.compute import Instance, LaunchTemplate, Member, ScalingGroup, TemplateVersion
from ops.aws.dns import Record
from ops.aws.inventory import Inventory
from ops.aws.load_balancing import Listener, LoadBalancer, Target, TargetGroup
from ops.aws.network import Address, Entry, PrefixList, SecurityGroup, SecurityRule, Subnet
from ops.aws.ownership import Subject
from ops.aws.routing import AclRule, InternetGateway, NetworkAcl, Route, RouteTable
from ops.aws.storage import Bucket
from ops.verify.promises import Promised
from tests.infra.sample import ZONES, environment

ADDRESSES = dict(zip(ZONES, ("192.0.2.11", "192.0.2.12", "192.0.2.13"), strict=True))
PUBLIC = {zone: f"subnet-public-{zone}" for zone in ZONES}
TO_THE_INTERNET = Route(cidr="0.0.0.0/0", gateway_id="igw-1")
INSTANCES = dict(zip(ZONES, ("i-a", "i-b", "i-c"), strict=True))


def promised(sample: Environment | None = None) -> Promised:
    """Return the sample environment with the outputs of its stack."""
    return Promised(environment=sample or environment("live"), outputs={"virtualIps": ADDRESSES})


def inventory() -> Inventory:
    """Return what belongs to it."""
    return Inventory(
        subject=Subject.of(environment("live")),
        vpcs=(),
        subnets=tuple(
            Subnet(id=f"subnet-{kind}-{zone}", vpc_id="vpc-1", zone=zone, cidr=f"10.20.{third + index}.0/24", tags={})
            for kind, third in (("public", 128), ("private", 0))
            for index, zone in enumerate(ZONES)
        ),
        route_tables=(
            route_table("rtb-public", *PUBLIC.values(), routes=(TO_THE_INTERNET,)),
            route_table("rtb-main", main=True),
        ),
        internet_gateways=(InternetGateway(id="igw-1", vpc_ids=("vpc-1",)),),
        network_acls=(acl(acl_rule(100)),),
        addresses=tuple(
            Address(allocation_id=f"eipalloc-{zone}", public_ip=address, association_id=f"eipassoc-{zone}", tags={})
            for zone, address in ADDRESSES.items()
        ),
        prefix_lists=(
            PrefixList(
                id="pl-1",
                name="clients",
                entries=(Entry(cidr="192.0.2.0/28", description="192.0.2.0/28"),),
                tags={},
            ),
        ),
        security_groups=(
            SecurityGroup(
                id="sg-lb",
                name="lb",
                rules=(rule("sgr-1", "pl-1"), rule("sgr-3", "sg-service", inbound=False)),
                tags={},
            ),
            SecurityGroup(id="sg-service", name="service", rules=(rule("sgr-2", "sg-lb"),), tags={}),
        ),
        load_balancers=(
            LoadBalancer(
                arn="arn:lb",
                name="live-lb",
                dns_name="live-lb-1.elb.eu-west-2.amazonaws.com",
                addresses={zone: (address,) for zone, address in ADDRESSES.items()},
                subnet_ids=PUBLIC,
                security_group_ids=("sg-lb",),
                attributes={},
                listeners=(listener(443),),
                tags={},
            ),
        ),
        target_groups=(
            TargetGroup(
                arn="arn:tg",
                name="live-tg",
                port=443,
                health_check={},
                attributes={},
                targets=tuple(Target(id=one, port=443, state="healthy") for one in INSTANCES.values()),
                tags={},
            ),
        ),
        scaling_groups=(
            ScalingGroup(
                name="live-service",
                minimum=3,
                maximum=6,
                desired=3,
                template_id="lt-1",
                template_version="1",
                subnet_ids=tuple(f"subnet-private-{zone}" for zone in ZONES),
                target_group_arns=("arn:tg",),
                members=tuple(
                    Member(
                        id=one,
                        zone=zone,
                        lifecycle="InService",
                        template_id="lt-1",
                        template_version="1",
                    )
                    for zone, one in INSTANCES.items()
                ),
                policies={"cpu": {"TargetTrackingConfiguration": {"TargetValue": 50.0}}},
                schedules={},
                tags={},
            ),
        ),
        instances=tuple(instance(one) for one in INSTANCES.values()),
        launch_templates=(
            LaunchTemplate(
                id="lt-1",
                name="live-service",
                versions=(TemplateVersion(number=1, default=True, data={"SecurityGroupIds": ["sg-service"]}),),
                tags={},
            ),
        ),
        bucket=Bucket(
            name="eps-dos-api-live-dataset",
            versioning="Enabled",
            encryption="AES256",
            public_access_blocked=True,
            ownership="BucketOwnerEnforced",
            policy=None,
            tags={},
        ),
        roles=(),
        records=(record("live-lb-1.elb.eu-west-2.amazonaws.com"),),
        log_groups=(),
    )


def listener(port: int, protocol: str = "TCP") -> Listener:
    """Return a listener that hands on to the sample's target group."""
    return Listener(arn=f"arn:listener:{port}", protocol=protocol, port=port, target_group_arns=("arn:tg",))


def rule(rule_id: str, peer: str, port: int = 443, *, inbound: bool = True) -> SecurityRule:
    """Return a rule that lets `peer` in, or out to it."""
    return SecurityRule(id=rule_id, inbound=inbound, protocol="tcp", from_port=port, to_port=port, peer=peer)


def route_table(table_id: str, *subnet_ids: str, routes: tuple[Route, ...] = (), main: bool = False) -> RouteTable:
    """Return a route table of the sample's network."""
    return RouteTable(id=table_id, vpc_id="vpc-1", main=main, subnet_ids=subnet_ids, routes=routes)


def acl(*rules: AclRule) -> NetworkAcl:
    """Return a network ACL of all public subnets, with these rules for what comes in; answers go out."""
    return NetworkAcl(id="acl-1", subnet_ids=tuple(PUBLIC.values()), rules=(*rules, acl_rule(100, inbound=False)))


def acl_rule(number: int, cidr: str = "0.0.0.0/0", *, allows: bool = True, inbound: bool = True) -> AclRule:
    """Return a rule for every protocol and port."""
    return AclRule(number=number, inbound=inbound, allows=allows, protocol="-1", cidr=cidr, ports=None)


def instance(instance_id: str, image_name: str = "eps-dos-api-1.4.0") -> Instance:
    """Return a running instance."""
    return Instance(
        id=instance_id,
        image_id="ami-1",
        image_name=image_name,
        public_ip=None,
        tokens_required=True,
        tags={},
    )


def record(target: str | None, type_: str = "A") -> Record:
    """Return a record of the sample's name."""
    return Record(name="dos-live.eps.digital.nhs.uk", type=type_, alias_target=target)
