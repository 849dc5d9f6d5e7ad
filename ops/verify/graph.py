"""An inventory as a graph, so that the rules that judge a preview judge what AWS really has.

Property names are Pulumi's, as `infra.rules` and `infra.reach` read them. Left out: what the inventory doesn't hold
(tags of rules, listeners and routes, defaults of subnets); `UNREAD` names the types whose tags are not judged for that
reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from infra import rules, types
from infra.graph import Graph, Resource, Value
from ops.aws.compute import LaunchTemplate, ScalingGroup
from ops.aws.inventory import Inventory
from ops.aws.load_balancing import LoadBalancer
from ops.aws.network import SecurityGroup, SecurityRule
from ops.aws.ownership import comparable_name, tags_of
from ops.aws.routing import NetworkAcl, RouteTable
from ops.aws.storage import Bucket

UNREAD = frozenset({types.LISTENER, types.INGRESS, types.EGRESS, types.ROUTE_TABLE, types.INTERNET_GATEWAY})


def as_graph(inventory: Inventory, *, owns_dataset: bool) -> Graph:
    """Return what AWS has as resources, each called by its id. A dataset that is another's is left out."""
    return Graph.of(inventory.subject.environment, _resources(inventory, owns_dataset))


def violations(graph: Graph) -> tuple[rules.Violation, ...]:
    """Return what breaks a rule in `graph`, but for tags that weren't read."""
    return tuple(
        violation
        for violation in rules.violations(graph)
        if not (violation.rule == "tagged" and graph.resources[violation.urn].type in UNREAD)
    )


def _resources(inventory: Inventory, owns_dataset: bool) -> Iterator[Resource]:
    for vpc in inventory.vpcs:
        yield _resource(types.VPC, vpc.id, tags=vpc.tags)
    yield from _network(inventory)
    for address in inventory.addresses:
        yield _resource(types.EIP, address.allocation_id, {"publicIp": address.public_ip}, tags=address.tags)
    for clients in inventory.prefix_lists:
        entries = [{"cidr": entry.cidr, "description": entry.description} for entry in clients.entries]
        yield _resource(types.PREFIX_LIST, clients.id, name=clients.name, entries=entries, tags=clients.tags)
    for group in inventory.security_groups:
        yield from _security_group(group)
    for record in inventory.records:
        aliases = [{"name": record.alias_target}] if record.alias_target else []
        yield _resource(types.RECORD, f"{record.name} {record.type}", name=record.name, aliases=aliases)
    allocations = {address.public_ip: address.allocation_id for address in inventory.addresses}
    for balancer in inventory.load_balancers:
        yield from _load_balancer(balancer, allocations)
    for targets in inventory.target_groups:
        yield _resource(types.TARGET_GROUP, targets.arn, name=targets.name, port=targets.port, tags=targets.tags)
    for scaling in inventory.scaling_groups:
        yield _scaling_group(scaling, inventory)
    for template in inventory.launch_templates:
        yield from _launch_template(template, _versions_in_use(inventory, template))
    for role in inventory.roles:
        yield _resource(types.ROLE, role.name, name=role.name, tags=role.tags, permissionsBoundary=role.boundary_arn)
    for log_group in inventory.log_groups:
        yield _resource(types.LOG_GROUP, log_group.name, name=log_group.name, tags=log_group.tags)
    if inventory.bucket and owns_dataset:
        yield from _bucket(inventory.bucket)


def _resource(type_: str, identifier: str, outputs: Mapping[str, Value] | None = None, /, **inputs: Value) -> Resource:
    ids = {"id": identifier, **(outputs or {})}
    return Resource(urn=f"{type_}::{identifier}", type=type_, inputs=inputs, outputs=ids)


def _network(inventory: Inventory) -> Iterator[Resource]:
    for subnet in inventory.subnets:
        where = {"vpcId": subnet.vpc_id, "availabilityZone": subnet.zone, "cidrBlock": subnet.cidr}
        yield _resource(types.SUBNET, subnet.id, tags=subnet.tags, **where)
    for gateway in inventory.internet_gateways:
        yield _resource(types.INTERNET_GATEWAY, gateway.id)
        for vpc_id in gateway.vpc_ids:
            attached = {"internetGatewayId": gateway.id, "vpcId": vpc_id}
            yield _resource(types.INTERNET_GATEWAY_ATTACHMENT, f"{gateway.id} {vpc_id}", **attached)
    explicit = {subnet_id for table in inventory.route_tables for subnet_id in table.subnet_ids}
    for table in inventory.route_tables:
        # A subnet that names no table uses its network's main one (Amazon VPC guide, route tables).
        implicit = [subnet.id for subnet in inventory.subnets if table.main and subnet.vpc_id == table.vpc_id]
        yield from _route_table(table, [*table.subnet_ids, *(id_ for id_ in implicit if id_ not in explicit)])
    for acl in inventory.network_acls:
        yield _network_acl(acl)


def _route_table(table: RouteTable, subnet_ids: Sequence[str]) -> Iterator[Resource]:
    routes = [{"cidrBlock": route.cidr, "gatewayId": route.gateway_id} for route in table.routes]
    yield _resource(types.ROUTE_TABLE, table.id, vpcId=table.vpc_id, routes=routes)
    for subnet_id in subnet_ids:
        association = {"subnetId": subnet_id, "routeTableId": table.id}
        yield _resource(types.ROUTE_TABLE_ASSOCIATION, f"{table.id} {subnet_id}", **association)


def _network_acl(acl: NetworkAcl) -> Resource:
    def rules_of(inbound: bool) -> list[Value]:
        return [
            {
                "ruleNo": rule.number,
                "action": "allow" if rule.allows else "deny",
                "protocol": rule.protocol,
                "cidrBlock": rule.cidr,
                "fromPort": rule.ports[0] if rule.ports else None,
                "toPort": rule.ports[1] if rule.ports else None,
            }
            for rule in acl.rules
            if rule.inbound == inbound
        ]

    ingress, egress = rules_of(inbound=True), rules_of(inbound=False)
    return _resource(types.NETWORK_ACL, acl.id, subnetIds=[*acl.subnet_ids], ingress=ingress, egress=egress)


def _load_balancer(balancer: LoadBalancer, allocations: Mapping[str, str]) -> Iterator[Resource]:
    mappings = [
        {"subnetId": subnet_id, "allocationId": allocations.get(next(iter(balancer.addresses.get(zone, ())), ""))}
        for zone, subnet_id in sorted(balancer.subnet_ids.items())
    ]
    yield _resource(
        types.LOAD_BALANCER,
        balancer.arn,
        # As a record has it.
        {"dnsName": comparable_name(balancer.dns_name)},
        name=balancer.name,
        tags=balancer.tags,
        securityGroups=[*balancer.security_group_ids],
        subnetMappings=mappings,
    )
    for listener in balancer.listeners:
        yield _resource(
            types.LISTENER,
            listener.arn,
            loadBalancerArn=balancer.arn,
            protocol=listener.protocol,
            port=listener.port,
            defaultActions=[{"type": "forward", "targetGroupArn": arn} for arn in listener.target_group_arns],
        )


def _scaling_group(group: ScalingGroup, inventory: Inventory) -> Resource:
    template = next((template for template in inventory.launch_templates if template.id == group.template_id), None)
    version = template.number(group.template_version) if template else None
    return _resource(
        types.SCALING_GROUP,
        group.name,
        name=group.name,
        tags=[{"key": key, "value": value} for key, value in group.tags.items()],
        maxSize=group.maximum,
        vpcZoneIdentifiers=[*group.subnet_ids],
        targetGroupArns=[*group.target_group_arns],
        launchTemplate={"id": _version_id(group.template_id, version)},
    )


def _security_group(group: SecurityGroup) -> Iterator[Resource]:
    if group.name != "default":
        yield _resource(types.SECURITY_GROUP, group.id, name=group.name, tags=group.tags)
    for rule in group.rules:
        yield _resource(
            types.INGRESS if rule.inbound else types.EGRESS,
            rule.id,
            securityGroupId=group.id,
            ipProtocol=rule.protocol,
            fromPort=rule.from_port,
            toPort=rule.to_port,
            **_peer(rule),
        )


def _peer(rule: SecurityRule) -> dict[str, str]:
    if rule.peer.startswith("pl-"):
        return {"prefixListId": rule.peer}
    if rule.peer.startswith("sg-"):
        return {"referencedSecurityGroupId": rule.peer}
    return {"cidrIpv6" if ":" in rule.peer else "cidrIpv4": rule.peer}


def _versions_in_use(inventory: Inventory, template: LaunchTemplate) -> set[int | None]:
    using = [(group.template_id, group.template_version) for group in inventory.scaling_groups]
    using += [
        (member.template_id, member.template_version) for group in inventory.scaling_groups for member in group.members
    ]
    return {template.number(version) for identifier, version in using if identifier == template.id}


def _version_id(template_id: str, number: int | None) -> str:
    return f"{template_id} version {number}"


def _launch_template(template: LaunchTemplate, in_use: set[int | None]) -> Iterator[Resource]:
    for version in template.versions:
        if version.number not in in_use:
            continue
        data = version.data
        yield _resource(
            types.LAUNCH_TEMPLATE,
            _version_id(template.id, version.number),
            name=template.name,
            tags=template.tags,
            vpcSecurityGroupIds=data.get("SecurityGroupIds") or [],
            metadataOptions={"httpTokens": (data.get("MetadataOptions") or {}).get("HttpTokens")},
            networkInterfaces=[
                {
                    "associatePublicIpAddress": item.get("AssociatePublicIpAddress"),
                    "securityGroups": item.get("Groups") or [],
                }
                for item in data.get("NetworkInterfaces") or []
            ],
            blockDeviceMappings=[
                {"deviceName": item.get("DeviceName"), "ebs": {"encrypted": (item.get("Ebs") or {}).get("Encrypted")}}
                for item in data.get("BlockDeviceMappings") or []
            ],
            tagSpecifications=[
                {"resourceType": item.get("ResourceType"), "tags": tags_of(item.get("Tags"))}
                for item in data.get("TagSpecifications") or []
            ],
        )


def _bucket(bucket: Bucket) -> Iterator[Resource]:
    name = bucket.name
    yield _resource(types.BUCKET, name, bucket=name, tags=bucket.tags)
    settings = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    blocked = dict.fromkeys(settings, bucket.public_access_blocked)
    yield _resource(types.PUBLIC_ACCESS_BLOCK, name, bucket=name, **blocked)
    if bucket.versioning:
        versioning = {"status": bucket.versioning}
        yield _resource(types.BUCKET_VERSIONING, name, bucket=name, versioningConfiguration=versioning)
    if bucket.encryption:
        yield _resource(types.BUCKET_ENCRYPTION, name, bucket=name)
    if bucket.policy is not None:
        yield _resource(types.BUCKET_POLICY, name, bucket=name, policy=bucket.policy)
