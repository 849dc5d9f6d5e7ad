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


def as_graph(found: Inventory, *, owns_dataset: bool) -> Graph:
    """Return what AWS has as resources, each called by its id. A dataset that is another's is left out."""
    return Graph.of(found.subject.environment, _resources(found, owns_dataset))


def violations(graph: Graph) -> tuple[rules.Violation, ...]:
    """Return what breaks a rule in `graph`, but for tags that weren't read."""
    return tuple(
        one for one in rules.violations(graph) if not (one.rule == "tagged" and graph.resources[one.urn].type in UNREAD)
    )


def _resources(found: Inventory, owns_dataset: bool) -> Iterator[Resource]:
    for vpc in found.vpcs:
        yield _resource(types.VPC, vpc.id, tags=vpc.tags)
    for subnet in found.subnets:
        yield _resource(types.SUBNET, subnet.id, tags=subnet.tags)
    for address in found.addresses:
        yield _resource(types.EIP, address.allocation_id, tags=address.tags)
    for clients in found.prefix_lists:
        entries = [{"cidr": one.cidr, "description": one.description} for one in clients.entries]
        yield _resource(types.PREFIX_LIST, clients.id, name=clients.name, entries=entries, tags=clients.tags)
    for group in found.security_groups:
        yield from _security_group(group)
    for balancer in found.load_balancers:
        yield _resource(types.LOAD_BALANCER, balancer.arn, name=balancer.name, tags=balancer.tags)
        for listener in balancer.listeners:
            yield _resource(types.LISTENER, listener.arn, protocol=listener.protocol, port=listener.port)
    for targets in found.target_groups:
        yield _resource(types.TARGET_GROUP, targets.arn, name=targets.name, tags=targets.tags)
    for scaling in found.scaling_groups:
        tags = [{"key": key, "value": value} for key, value in scaling.tags.items()]
        yield _resource(types.SCALING_GROUP, scaling.name, name=scaling.name, tags=tags)
    for template in found.launch_templates:
        yield from _launch_template(template, _versions_in_use(found, template))
    for role in found.roles:
        yield _resource(types.ROLE, role.name, name=role.name, tags=role.tags)
    for log_group in found.log_groups:
        yield _resource(types.LOG_GROUP, log_group.name, name=log_group.name, tags=log_group.tags)
    if found.bucket and owns_dataset:
        yield from _bucket(found.bucket)


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


def _versions_in_use(found: Inventory, template: LaunchTemplate) -> set[str]:
    using = [(group.template_id, group.template_version) for group in found.scaling_groups]
    using += [(one.template_id, one.template_version) for group in found.scaling_groups for one in group.members]
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
                {"associatePublicIpAddress": one.get("AssociatePublicIpAddress")}
                for one in data.get("NetworkInterfaces") or []
            ],
            blockDeviceMappings=[
                {"deviceName": one.get("DeviceName"), "ebs": {"encrypted": (one.get("Ebs") or {}).get("Encrypted")}}
                for one in data.get("BlockDeviceMappings") or []
            ],
            tagSpecifications=[
                {"resourceType": one.get("ResourceType"), "tags": tags_of(one.get("Tags"))}
                for one in data.get("TagSpecifications") or []
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
