"""An inventory as a graph, so that the rules that judge a preview judge what AWS really has.

Property names are Pulumi's, as `infra.rules` reads them. Left out: what the inventory doesn't hold (tags of rules and
listeners, defaults of subnets); `UNREAD` names the types whose tags are not judged for that reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra import rules, types
from infra.graph import Graph, Resource
from ops.aws.compute import LaunchTemplate
from ops.aws.inventory import Inventory
from ops.aws.network import SecurityGroup, SecurityRule
from ops.aws.ownership import tags_of
from ops.aws.storage import Bucket

UNREAD = frozenset({types.LISTENER, types.INGRESS, types.EGRESS})


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
    for subnet in inventory.subnets:
        yield _resource(types.SUBNET, subnet.id, tags=subnet.tags)
    for address in inventory.addresses:
        yield _resource(types.EIP, address.allocation_id, tags=address.tags)
    for clients in inventory.prefix_lists:
        entries = [{"cidr": entry.cidr, "description": entry.description} for entry in clients.entries]
        yield _resource(types.PREFIX_LIST, clients.id, name=clients.name, entries=entries, tags=clients.tags)
    for group in inventory.security_groups:
        yield from _security_group(group)
    for balancer in inventory.load_balancers:
        yield _resource(types.LOAD_BALANCER, balancer.arn, name=balancer.name, tags=balancer.tags)
        for listener in balancer.listeners:
            yield _resource(types.LISTENER, listener.arn, protocol=listener.protocol, port=listener.port)
    for targets in inventory.target_groups:
        yield _resource(types.TARGET_GROUP, targets.arn, name=targets.name, tags=targets.tags)
    for scaling in inventory.scaling_groups:
        tags = [{"key": key, "value": value} for key, value in scaling.tags.items()]
        yield _resource(types.SCALING_GROUP, scaling.name, name=scaling.name, tags=tags)
    for template in inventory.launch_templates:
        yield from _launch_template(template, _versions_in_use(inventory, template))
    for role in inventory.roles:
        yield _resource(types.ROLE, role.name, name=role.name, tags=role.tags, permissionsBoundary=role.boundary_arn)
    for log_group in inventory.log_groups:
        yield _resource(types.LOG_GROUP, log_group.name, name=log_group.name, tags=log_group.tags)
    if inventory.bucket and owns_dataset:
        yield from _bucket(inventory.bucket)


def _resource(type_: str, identifier: str, **inputs: object) -> Resource:
    return Resource(urn=f"{type_}::{identifier}", type=type_, inputs=inputs, outputs={"id": identifier})


def _security_group(group: SecurityGroup) -> Iterator[Resource]:
    if group.name != "default":
        yield _resource(types.SECURITY_GROUP, group.id, name=group.name, tags=group.tags)
    for rule in group.rules:
        yield _resource(
            types.INGRESS if rule.inbound else types.EGRESS,
            rule.id,
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


def _versions_in_use(inventory: Inventory, template: LaunchTemplate) -> set[str]:
    using = [(group.template_id, group.template_version) for group in inventory.scaling_groups]
    using += [
        (member.template_id, member.template_version) for group in inventory.scaling_groups for member in group.members
    ]
    return {version for identifier, version in using if identifier == template.id}


def _launch_template(template: LaunchTemplate, in_use: set[str]) -> Iterator[Resource]:
    for version in template.versions:
        if str(version.number) not in in_use:
            continue
        data = version.data
        yield _resource(
            types.LAUNCH_TEMPLATE,
            f"{template.id} version {version.number}",
            name=template.name,
            tags=template.tags,
            metadataOptions={"httpTokens": (data.get("MetadataOptions") or {}).get("HttpTokens")},
            networkInterfaces=[
                {"associatePublicIpAddress": item.get("AssociatePublicIpAddress")}
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
