"""The program: an environment becomes components, and components become outputs. Wiring only, nothing is decided.

`__main__` runs it for the engine, `recording` without a cloud: the same environment, so the same graph.
"""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra import access
from infra.components.clients import Clients, ClientsArgs
from infra.components.dataset import Dataset, DatasetArgs
from infra.components.dns import Dns, DnsArgs
from infra.components.endpoints import Endpoints, EndpointsArgs
from infra.components.lifetime import Lifetime, LifetimeArgs
from infra.components.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.components.monitoring import Monitoring, MonitoringArgs
from infra.components.network import Network, NetworkArgs
from infra.components.rollout import Rollout, RolloutArgs, RolloutProvider
from infra.components.security_groups import SecurityGroups, SecurityGroupsArgs
from infra.components.service import Service, ServiceArgs
from infra.components.virtual_ips import VirtualIps, VirtualIpsArgs
from infra.environment import PORT, AwsPlan, Environment, LifetimePlan
from infra.tags import EXPIRY_TAG
from infra.times import stamp


def create(environment: Environment) -> Mapping[str, pulumi.Input[object]]:
    """Create everything of `environment` and return the stack's outputs, by name (docs/configuration.md)."""
    name = environment.name
    tags = dict(environment.tags)
    lifetime = Lifetime(name, LifetimeArgs(settings=environment.settings)) if environment.lifetime else None
    provider = _provider(environment.aws, lifetime)
    opts = pulumi.ResourceOptions(providers=[provider])
    looked_up = pulumi.InvokeOutputOptions(provider=provider)
    account_id = aws.get_caller_identity_output(opts=looked_up).account_id
    partition = aws.get_partition_output(opts=looked_up).partition
    boundary_arn = environment.permissions_boundary_arn or pulumi.Output.all(account_id, partition).apply(
        lambda where: access.boundary_arn(environment, *where)
    )

    network = Network(
        name,
        NetworkArgs(
            plan=environment.network,
            tags=tags,
            region=environment.aws.region,
            account_id=account_id,
            permissions_boundary_arn=boundary_arn,
            s3_endpoint_policy=partition.apply(
                lambda name: access.as_json(access.s3_endpoint_policy(environment.dataset, name))
            ),
        ),
        opts,
    )
    clients = Clients(name, ClientsArgs(plan=environment.clients, tags=tags), opts)
    groups = SecurityGroups(
        name,
        SecurityGroupsArgs(
            vpc_id=network.vpc_id,
            clients_prefix_list_id=clients.prefix_list_id,
            s3_prefix_list_id=network.s3_prefix_list_id,
            tags=tags,
        ),
        opts,
    )
    endpoints = Endpoints(
        name,
        EndpointsArgs(
            services=environment.network.interface_endpoints,
            region=environment.aws.region,
            vpc_id=network.vpc_id,
            subnet_ids=network.private_subnet_ids,
            security_group_id=groups.endpoints_id,
            policy=account_id.apply(lambda account: access.as_json(access.interface_endpoint_policy(account))),
            tags=tags,
        ),
        opts,
    )
    virtual_ips = VirtualIps(name, VirtualIpsArgs(plans=environment.virtual_ips, tags=tags), opts)
    load_balancer = LoadBalancer(
        name,
        LoadBalancerArgs(
            plan=environment.load_balancer,
            vpc_id=network.vpc_id,
            security_group_id=groups.load_balancer_id,
            subnet_ids=network.public_subnet_ids,
            allocation_ids=virtual_ips.allocation_ids,
            tags=tags,
        ),
        # An internet-facing load balancer is refused until its VPC has a way to the internet.
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[network.internet_gateway])),
    )
    dns = Dns(
        name,
        DnsArgs(
            plan=environment.dns,
            load_balancer_dns_name=load_balancer.dns_name,
            load_balancer_zone_id=load_balancer.zone_id,
        ),
        opts,
    )
    others: list[pulumi.Resource] = [network, clients, groups, endpoints, virtual_ips, load_balancer, dns]
    if environment.dataset.owned:
        dataset = Dataset(
            name,
            DatasetArgs(
                plan=environment.dataset,
                policy=pulumi.Output.all(account_id, partition).apply(
                    lambda where: access.as_json(access.dataset_policy(environment.dataset, *where))
                ),
                tags=tags,
            ),
            opts,
        )
        others.append(dataset)
    service = Service(
        name,
        ServiceArgs(
            plan=environment.service,
            rollout=environment.rollout,
            dataset=environment.dataset,
            environment=name,
            log_retention_days=environment.monitoring.log_retention_days,
            partition=partition,
            permissions_boundary_arn=boundary_arn,
            subnet_ids=network.private_subnet_ids,
            security_group_id=groups.service_id,
            target_group_arn=load_balancer.target_group_arn,
            tags=tags,
            template_tags={key: value for key, value in tags.items() if key != EXPIRY_TAG},
        ),
        # Instances fetch their certificate when they start, and are healthy only behind a listener.
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[endpoints, load_balancer.listener])),
    )
    monitoring = Monitoring(
        name,
        MonitoringArgs(
            plan=environment.monitoring,
            capacity=environment.service.capacity,
            region=environment.aws.region,
            account_id=account_id,
            zones=sorted(environment.network.zones),
            load_balancer_arn_suffix=load_balancer.arn_suffix,
            target_group_arn_suffix=load_balancer.target_group_arn_suffix,
            auto_scaling_group=service.group_name,
            tags=tags,
        ),
        opts,
    )
    Rollout(
        name,
        RolloutArgs(
            plan=environment.rollout,
            release=environment.service.release,
            image=service.image,
            auto_scaling_group=service.group_name,
            launch_template_id=service.launch_template_id,
            launch_template_version=service.launch_template_version,
            alarm_names=monitoring.rollout_alarm_names,
        ),
        # Last: Pulumi starts nothing more once a step has failed, and a release that can't be rolled out keeps nothing
        # else from being deployed.
        pulumi.ResourceOptions(provider=RolloutProvider(environment.aws), depends_on=[*others, service, monitoring]),
    )
    capacity = environment.service.capacity
    return {
        "dnsName": environment.dns.name,
        "virtualIps": dict(virtual_ips.addresses),
        "port": PORT,
        "dataset": {"kind": environment.dataset.kind, "bucket": environment.dataset.bucket},
        "release": environment.service.release,
        "clients": {entry.cidr: entry.who for entry in environment.clients.entries},
        "capacity": {
            "minimum": capacity.minimum,
            "maximum": capacity.maximum,
            "targetCpuPercent": capacity.target_cpu_percent,
        },
        "loadBalancerDnsName": load_balancer.dns_name,
        "autoScalingGroup": service.group_name,
        "mirrors": environment.mirrors,
        "scale": None if environment.scale is None else str(environment.scale),
        "settings": dict(environment.settings),
        **_ends(environment.lifetime),
    }


def _ends(lifetime: LifetimePlan | None) -> Mapping[str, pulumi.Input[object]]:
    if lifetime is None:
        return {}
    return {
        "createdAt": stamp(lifetime.created_at),
        "expiresAt": stamp(lifetime.expires_at),
        "owner": lifetime.owner,
        "like": lifetime.like,
    }


def _provider(plan: AwsPlan, first: pulumi.Resource | None) -> aws.Provider:
    # Made explicitly, a provider takes nothing from `aws:*` configuration but what it is handed.
    return aws.Provider(
        "aws",
        region=plan.region,
        allowed_account_ids=list(plan.allowed_account_ids) or None,
        profile=plan.profile,
        ignore_tags=aws.ProviderIgnoreTagsArgs(keys=list(plan.others_tag_keys)) if plan.others_tag_keys else None,
        assume_roles=[aws.ProviderAssumeRoleArgs(role_arn=arn) for arn in plan.assume_role_arns] or None,
        opts=pulumi.ResourceOptions(depends_on=[first]) if first else None,
    )
