"""What of an environment can be left over in AWS, kind by kind: how it is found, and how it ends.

Every type that the program makes is here, or ends with one that is: rules with their group, listeners with their load
balancer, policies and schedules with their scaling group, subscriptions with their topic, inline policies with their
role. In the order of `FINDERS` nothing is asked to go before what needs it. Left out: whether anything may be removed,
and how often it is tried (`leftovers`).

Things are found by their tags. By name alone only what has no tags, and what was made in one call and would have been
tagged in the next; and then only under a name that no other environment has. What others have put into a VPC of the
environment is named with its owner and the command that removes it, since the VPC can't go before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

from botocore.exceptions import ClientError

from infra.access import service_role_name
from infra.values import mapping
from ops.aws.clients import Aws, listed, unless
from ops.aws.compute import list_instances, read_launch_templates, read_scaling_groups
from ops.aws.dns import read_records
from ops.aws.identity import read_roles
from ops.aws.load_balancing import read_load_balancers, read_target_groups
from ops.aws.monitoring import read_alarms, read_log_groups
from ops.aws.network import (
    SecurityGroup,
    read_addresses,
    read_prefix_lists,
    read_security_groups,
    read_subnets,
    read_vpcs,
)
from ops.aws.ownership import PROJECT, Subject, comparable_name, is_of, name_prefixes, tagged, tags_of
from ops.aws.storage import read_bucket


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something of an environment that AWS still has."""

    kind: str
    id: str
    """An id, an ARN or a name: what AWS's API takes."""
    by: Literal["tags", "name", "network"]
    """How it was recognised; `network`: it is another's, and in a VPC of the environment's."""
    reason: str = ""
    """Why it is still there, in AWS's words where AWS refused."""
    owner: str = ""
    """Whose it is, if it isn't the environment's."""

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        whose = f"of {self.owner}, in its network" if self.owner else f"by its {self.by}"
        return f"{self.kind} {self.id} ({whose}){why}"


@dataclass(frozen=True, kw_only=True)
class Removable:
    """A leftover with the way to end it; None: it ends by itself, as its reason says."""

    leftover: Leftover
    end: Callable[[], object] | None


class Kept(Exception):  # noqa: N818 - no error: a decision
    """Something isn't ended, because it may be somebody else's. Says why."""


Finder: TypeAlias = Callable[[Aws, Subject], Iterable[Removable]]
Read: TypeAlias = Callable[[Aws, str], Iterable[Any]]
"""Reads what of a kind is an environment's, by its tags."""


def _tagged(kind: str, id_: str, end: Callable[[], object]) -> Removable:
    return Removable(leftover=Leftover(kind=kind, id=id_, by="tags"), end=end)


def _named(kind: str, id_: str, end: Callable[[], object]) -> Removable:
    return Removable(leftover=Leftover(kind=kind, id=id_, by="name"), end=end)


def _of_another(kind: str, id_: str, owner: str, command: str, aws: Aws) -> Removable:
    reason = f"isn't this environment's to remove; whoever may: {command} --region {aws.region}"

    def keep() -> None:
        raise Kept(reason)

    return Removable(leftover=Leftover(kind=kind, id=id_, by="network", owner=owner, reason=reason), end=keep)


def _ending(kind: str, id_: str, reason: str) -> Removable:
    return Removable(leftover=Leftover(kind=kind, id=id_, by="tags", reason=reason), end=None)


def _each(kind: str, read: Read, id_: str, end: Callable[[Aws, str], object]) -> Finder:
    """Return the finder of a kind of which each ends in one call, whatever it is like; `id_` is where its id stands."""

    def find(aws: Aws, subject: Subject) -> Iterator[Removable]:
        for resource in read(aws, subject.environment):
            yield _tagged(kind, getattr(resource, id_), partial(end, aws, getattr(resource, id_)))

    return find


def _check_each(operation: str, failures: Iterable[Mapping[str, Any]]) -> None:
    """Raise the first of the failures that an operation for many things answers with, instead of failing."""
    for failure in failures:
        code, message = failure.get("Code", ""), failure.get("Message", "")
        raise ClientError({"Error": {"Code": code, "Message": message}}, operation)


def _delete(aws: Aws, method: str, **ids: list[str]) -> None:
    """Call an operation of EC2 that deletes many things, and answers with those that it didn't delete."""
    answer = getattr(aws.ec2, method)(**ids)
    failures = (failure.get("Error", {}) for failure in answer.get("Unsuccessful", []))
    _check_each(aws.ec2.meta.method_to_api_mapping[method], failures)


def _records(aws: Aws, subject: Subject) -> Iterator[Removable]:
    name = f"dos-{subject.environment}.{subject.hosted_zone}".lower()
    if subject.dns_name.lower() != name:
        return
    for record in read_records(aws, subject):
        if record.type == "A" and record.alias_target and _leads_here(aws, subject, record.alias_target):
            end = partial(_delete_alias, aws, record.zone_id, record.name, record.alias_target)
            yield _named("record", record.name, end)


def _leads_here(aws: Aws, subject: Subject, target: str) -> bool:
    for balancer in listed(aws.elbv2, "describe_load_balancers", "LoadBalancers[]"):
        if comparable_name(balancer["DNSName"]) == target:
            (described,) = aws.elbv2.describe_tags(ResourceArns=[balancer["LoadBalancerArn"]])["TagDescriptions"]
            return is_of(tags_of(described["Tags"]), subject.environment)
    # One that isn't there any more is this environment's by its name: it could also be in another region or account.
    return target.startswith(f"{subject.environment}-lb-") and f".elb.{aws.region}." in target


def _delete_alias(aws: Aws, zone_id: str, name: str, target: str) -> None:
    listed = aws.route53.list_resource_record_sets(HostedZoneId=zone_id, StartRecordName=name, StartRecordType="A")
    for record in listed["ResourceRecordSets"]:
        alias = comparable_name(record.get("AliasTarget", {}).get("DNSName", ""))
        if (comparable_name(record["Name"]), record["Type"], alias) == (name, "A", target):
            aws.route53.change_resource_record_sets(
                HostedZoneId=zone_id, ChangeBatch={"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
            )


def _instances(aws: Aws, subject: Subject) -> Iterator[Removable]:
    groups = read_scaling_groups(aws, subject.environment)
    members = {member.id: group.name for group in groups for member in group.members}
    there = ("pending", "running", "shutting-down", "stopping", "stopped")
    for instance in list_instances(aws, subject.environment, *there):
        id_ = instance["InstanceId"]
        if instance["State"]["Name"] == "shutting-down":
            yield _ending("instance", id_, "is shutting down")
        elif id_ in members:
            # The group would only replace it.
            yield _ending("instance", id_, f"ends with its scaling group {members[id_]}")
        else:
            yield _tagged("instance", id_, partial(aws.ec2.terminate_instances, InstanceIds=[id_]))


def _endpoints(aws: Aws, subject: Subject) -> Iterator[Removable]:
    filters = tagged(subject.environment)
    for endpoint in listed(aws.ec2, "describe_vpc_endpoints", "VpcEndpoints[]", Filters=filters):
        id_, state = endpoint["VpcEndpointId"], endpoint["State"].lower()
        if state == "deleting":
            yield _ending("endpoint", id_, "is being deleted")
        elif state != "deleted":
            yield _tagged("endpoint", id_, partial(_delete, aws, "delete_vpc_endpoints", VpcEndpointIds=[id_]))


def _flow_logs(aws: Aws, subject: Subject) -> Iterator[Removable]:
    # Without an s, unlike everywhere else (DescribeFlowLogs).
    for id_ in listed(aws.ec2, "describe_flow_logs", "FlowLogs[].FlowLogId", Filter=tagged(subject.environment)):
        yield _tagged("flow log", id_, partial(_delete, aws, "delete_flow_logs", FlowLogIds=[id_]))


def _alarms(aws: Aws, subject: Subject) -> Iterator[Removable]:
    # Composite ones first: what they refer to can't go before them (DeleteAlarms).
    for alarm in sorted(read_alarms(aws, subject.environment), key=lambda alarm: not alarm.composite):
        if alarm.composite:
            yield _tagged("composite alarm", alarm.name, partial(_delete_composite, aws, alarm.name))
        else:
            yield _tagged("alarm", alarm.name, partial(aws.cloudwatch.delete_alarms, AlarmNames=[alarm.name]))


def _delete_composite(aws: Aws, name: str) -> None:
    try:
        aws.cloudwatch.delete_alarms(AlarmNames=[name])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            # Another refers to it, perhaps in a circle. AWS's own way out: a rule that refers to none (DeleteAlarms).
            aws.cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule="FALSE", ActionsEnabled=False)
        raise


def _dashboard(aws: Aws, subject: Subject) -> Iterator[Removable]:
    name = f"{PROJECT}-{subject.environment}"
    # The error by code or by name, as the protocol is that botocore speaks (GetDashboard).
    absent = ("ResourceNotFound", "DashboardNotFoundError")
    if unless(lambda: aws.cloudwatch.get_dashboard(DashboardName=name), *absent) is not None:
        yield _named("dashboard", name, partial(aws.cloudwatch.delete_dashboards, DashboardNames=[name]))


def _topics(aws: Aws, subject: Subject) -> Iterator[Removable]:
    for arn in listed(aws.sns, "list_topics", "Topics[].TopicArn"):
        # Tags are a call per topic; those of others are left out by name.
        if arn.rpartition(":")[2].startswith(name_prefixes(subject.environment)):
            tags = tags_of(aws.sns.list_tags_for_resource(ResourceArn=arn)["Tags"])
            if is_of(tags, subject.environment):
                yield _tagged("topic", arn, partial(aws.sns.delete_topic, TopicArn=arn))


def _volumes(aws: Aws, subject: Subject) -> Iterator[Removable]:
    for volume in listed(aws.ec2, "describe_volumes", "Volumes[]", Filters=tagged(subject.environment)):
        id_ = volume["VolumeId"]
        if volume["State"] in ("in-use", "deleting"):
            yield _ending("volume", id_, "ends with its instance")
        else:
            yield _tagged("volume", id_, partial(aws.ec2.delete_volume, VolumeId=id_))


def _interfaces(aws: Aws, subject: Subject) -> Iterator[Removable]:
    filters = tagged(subject.environment)
    for interface in listed(aws.ec2, "describe_network_interfaces", "NetworkInterfaces[]", Filters=filters):
        id_ = interface["NetworkInterfaceId"]
        if interface["Status"] != "available":
            yield _ending("network interface", id_, "ends with what it is attached to")
        else:
            yield _tagged("network interface", id_, partial(aws.ec2.delete_network_interface, NetworkInterfaceId=id_))


def _gateways(aws: Aws, subject: Subject) -> Iterator[Removable]:
    own = {vpc.id for vpc in read_vpcs(aws, subject.environment)}
    filters = tagged(subject.environment)
    for gateway in listed(aws.ec2, "describe_internet_gateways", "InternetGateways[]", Filters=filters):
        id_ = gateway["InternetGatewayId"]
        attached = [attachment["VpcId"] for attachment in gateway.get("Attachments", [])]
        yield _tagged("internet gateway", id_, partial(_delete_gateway, aws, id_, attached, own))


def _delete_gateway(aws: Aws, id_: str, attached: Iterable[str], own: set[str]) -> None:
    for vpc_id in attached:
        if vpc_id not in own:
            raise Kept(f"is attached to {vpc_id}, which isn't this environment's")
        aws.ec2.detach_internet_gateway(InternetGatewayId=id_, VpcId=vpc_id)
    aws.ec2.delete_internet_gateway(InternetGatewayId=id_)


def _security_groups(aws: Aws, subject: Subject) -> Iterator[Removable]:
    for group in read_security_groups(aws, subject.environment):
        # AWS's own of each VPC, tagged when it was emptied, ends with the VPC (DeleteSecurityGroup).
        if group.name != "default":
            yield _tagged("security group", group.id, partial(_delete_security_group, aws, group))


def _delete_security_group(aws: Aws, group: SecurityGroup) -> None:
    # Groups whose rules refer to each other keep each other: first the rules of all go, then the groups.
    for rule in group.rules:
        revoke = aws.ec2.revoke_security_group_ingress if rule.inbound else aws.ec2.revoke_security_group_egress
        revoke(GroupId=group.id, SecurityGroupRuleIds=[rule.id])
    aws.ec2.delete_security_group(GroupId=group.id)


def _route_tables(aws: Aws, subject: Subject) -> Iterator[Removable]:
    for table in listed(aws.ec2, "describe_route_tables", "RouteTables[]", Filters=tagged(subject.environment)):
        id_ = table["RouteTableId"]
        kept = [
            association["RouteTableAssociationId"] for association in table["Associations"] if not association["Main"]
        ]
        yield _tagged("route table", id_, partial(_delete_route_table, aws, id_, kept))


def _delete_route_table(aws: Aws, id_: str, associations: Iterable[str]) -> None:
    for association in associations:
        aws.ec2.disassociate_route_table(AssociationId=association)
    aws.ec2.delete_route_table(RouteTableId=id_)


def _instance_profiles(aws: Aws, subject: Subject) -> Iterator[Removable]:
    for name in listed(aws.iam, "list_instance_profiles", "InstanceProfiles[].InstanceProfileName"):
        if name.startswith(name_prefixes(subject.environment)):
            profile = aws.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
            if is_of(tags_of(profile.get("Tags")), subject.environment):
                roles = [role["RoleName"] for role in profile["Roles"]]
                yield _tagged("instance profile", name, partial(_delete_instance_profile, aws, name, roles))


def _delete_instance_profile(aws: Aws, name: str, roles: Iterable[str]) -> None:
    for role in roles:
        aws.iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role)
    aws.iam.delete_instance_profile(InstanceProfileName=name)


def _roles(aws: Aws, subject: Subject) -> Iterator[Removable]:
    for role in read_roles(aws, subject.environment):
        yield _tagged("role", role.name, partial(_delete_role, aws, role.name))
    name = service_role_name(subject.environment)
    untagged = unless(lambda: aws.iam.get_role(RoleName=name), "NoSuchEntity")
    if untagged is not None and not untagged["Role"].get("Tags"):
        yield _named("role", name, partial(_delete_role, aws, name))


def _delete_role(aws: Aws, name: str) -> None:
    for policy in listed(aws.iam, "list_role_policies", "PolicyNames[]", RoleName=name):
        aws.iam.delete_role_policy(RoleName=name, PolicyName=policy)
    aws.iam.delete_role(RoleName=name)


def _bucket(aws: Aws, subject: Subject) -> Iterator[Removable]:
    bucket = read_bucket(aws, subject.bucket)
    if bucket is None:
        return
    if is_of(bucket.tags, subject.environment):
        yield _tagged("bucket", bucket.name, partial(_empty_and_delete, aws, bucket.name))
    elif not bucket.tags and bucket.name == f"{PROJECT}-{subject.environment}-dataset":
        # Made, and not yet tagged, so not yet filled either.
        yield _named("bucket", bucket.name, partial(_delete_empty, aws, bucket.name))


def _empty_and_delete(aws: Aws, name: str) -> None:
    # A page of versions, at most 1,000, is what one request deletes (ListObjectVersions, DeleteObjects).
    for page in aws.s3.get_paginator("list_object_versions").paginate(Bucket=name):
        versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if versions:
            answer = aws.s3.delete_objects(
                Bucket=name,
                Delete={
                    "Objects": [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions],
                    "Quiet": True,
                },
            )
            _check_each("DeleteObjects", answer.get("Errors", []))
    aws.s3.delete_bucket(Bucket=name)


def _delete_empty(aws: Aws, name: str) -> None:
    try:
        aws.s3.delete_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "BucketNotEmpty":
            raise Kept("holds objects, and has no tags that say whose they are") from error
        raise


def find_of_others(aws: Aws, subject: Subject) -> Iterator[Removable]:
    """Yield what others have put into a VPC of the environment: it can't go while these are there."""
    for vpc in read_vpcs(aws, subject.environment):
        within: Any = [{"Name": "vpc-id", "Values": [vpc.id]}]
        others = partial(_others, aws, subject, within)
        for instance in others("describe_instances", "Reservations[].Instances[]"):
            if instance["State"]["Name"] not in ("shutting-down", "terminated"):
                id_ = instance["InstanceId"]
                command = f"aws ec2 terminate-instances --instance-ids {id_}"
                yield _of_another("instance", id_, _owner(instance), command, aws)
        interfaces = "VpcEndpoints[].NetworkInterfaceIds[]"
        of_endpoints = set(listed(aws.ec2, "describe_vpc_endpoints", interfaces, Filters=within))
        for endpoint in others("describe_vpc_endpoints", "VpcEndpoints[]"):
            id_, state = endpoint["VpcEndpointId"], endpoint["State"].lower()
            command = f"aws ec2 delete-vpc-endpoints --vpc-endpoint-ids {id_}"
            if state == "deleting":
                yield _ending("endpoint", id_, "is being deleted")
            elif state != "deleted":
                yield _of_another("endpoint", id_, _owner(endpoint), command, aws)
        for interface in others("describe_network_interfaces", "NetworkInterfaces[]"):
            id_ = interface["NetworkInterfaceId"]
            if id_ not in of_endpoints and not _goes_with_another(interface, subject):
                yield _of_another("network interface", id_, _owner(interface), _interface_command(interface), aws)
        for group in others("describe_security_groups", "SecurityGroups[]"):
            id_, owner = group["GroupId"], _owner(group)
            if owner in MANAGED.values():
                end = partial(aws.ec2.delete_security_group, GroupId=id_)
                yield Removable(leftover=Leftover(kind="security group", id=id_, by="network", owner=owner), end=end)
            elif group["GroupName"] != "default":
                command = f"aws ec2 delete-security-group --group-id {id_}"
                yield _of_another("security group", id_, owner, command, aws)
        for subnet in others("describe_subnets", "Subnets[]"):
            command = f"aws ec2 delete-subnet --subnet-id {subnet['SubnetId']}"
            yield _of_another("subnet", subnet["SubnetId"], _owner(subnet), command, aws)


MANAGED: Mapping[str, str] = {"GuardDutyManaged": "GuardDuty"}
"""Tags of services that put a security group into every VPC and leave it there, and their names.

GuardDuty: an endpoint of its own and a group for it, `GuardDutyManagedSecurityGroup-VPC`, both tagged so; it doesn't
delete the endpoint, and the group stays when the endpoint goes (Amazon GuardDuty User Guide, Disabling, uninstalling,
and cleaning up resources in Runtime Monitoring). The endpoint isn't this environment's to remove, the group is.
"""


def _others(aws: Aws, subject: Subject, within: Any, operation: str, path: str) -> Iterator[Any]:  # noqa: ANN401 - filters
    for item in listed(aws.ec2, operation, path, Filters=within):
        if not is_of(tags_of(item.get("Tags") or item.get("TagSet")), subject.environment):
            yield item


def _owner(item: Mapping[str, Any]) -> str:
    """Return whose something of EC2's is: a service that marks it, or who asked for it, or the account."""
    tags = tags_of(item.get("Tags") or item.get("TagSet"))
    service = next((service for tag, service in MANAGED.items() if tags.get(tag) == "true"), None)
    if service is not None:
        return service
    account = f"account {item['OwnerId']}" if item.get("OwnerId") else "another"
    said = [str(item[key]) for key in ("RequesterId", "ServiceName", "GroupName", "Description") if item.get(key)]
    named = [f"{key} {tags[key]}" for key in ("Owner", "Name") if tags.get(key)]
    return " ".join([account, *([f"({', '.join((*said, *named))})"] if said or named else [])])


def _goes_with_another(interface: Mapping[str, Any], subject: Subject) -> bool:
    """Whether an interface goes with an instance, or with a load balancer of the environment.

    Of the latter only the description says so (Elastic Load Balancing guide, network interfaces).
    """
    own_balancer = str(interface.get("Description", "")).startswith(f"ELB net/{subject.environment}-lb-")
    return own_balancer or bool(mapping(interface.get("Attachment")).get("InstanceId"))


def _interface_command(interface: Mapping[str, Any]) -> str:
    id_, attachment = interface["NetworkInterfaceId"], mapping(interface.get("Attachment"))
    balancer = re.match(r"ELB (?:net|app|gwy)/([A-Za-z0-9-]+)/", str(interface.get("Description", "")))
    if balancer:
        arn = f"$(aws elbv2 describe-load-balancers --names {balancer[1]} --query 'LoadBalancers[0].LoadBalancerArn'"
        return f"aws elbv2 delete-load-balancer --load-balancer-arn {arn} --output text)"
    delete = f"aws ec2 delete-network-interface --network-interface-id {id_}"
    if not attachment.get("AttachmentId"):
        return delete
    return f"aws ec2 detach-network-interface --force --attachment-id {attachment['AttachmentId']}, then {delete}"


FINDERS: tuple[Finder, ...] = (
    _records,
    # Forced: its instances go with it, and an instance refresh doesn't hold it up (DeleteAutoScalingGroup).
    _each(
        "scaling group",
        read_scaling_groups,
        "name",
        lambda aws, id_: aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=id_, ForceDelete=True),
    ),
    _instances,
    _each(
        "load balancer",
        read_load_balancers,
        "arn",
        lambda aws, id_: aws.elbv2.delete_load_balancer(LoadBalancerArn=id_),
    ),
    _each(
        "target group", read_target_groups, "arn", lambda aws, id_: aws.elbv2.delete_target_group(TargetGroupArn=id_)
    ),
    _endpoints,
    _flow_logs,
    _each(
        "launch template",
        read_launch_templates,
        "id",
        lambda aws, id_: aws.ec2.delete_launch_template(LaunchTemplateId=id_),
    ),
    _alarms,
    _dashboard,
    _topics,
    _volumes,
    _interfaces,
    _each("Elastic IP", read_addresses, "allocation_id", lambda aws, id_: aws.ec2.release_address(AllocationId=id_)),
    _gateways,
    find_of_others,
    _security_groups,
    _each(
        "prefix list", read_prefix_lists, "id", lambda aws, id_: aws.ec2.delete_managed_prefix_list(PrefixListId=id_)
    ),
    _each("subnet", read_subnets, "id", lambda aws, id_: aws.ec2.delete_subnet(SubnetId=id_)),
    _route_tables,
    _each("VPC", read_vpcs, "id", lambda aws, id_: aws.ec2.delete_vpc(VpcId=id_)),
    _instance_profiles,
    _roles,
    _each("log group", read_log_groups, "name", lambda aws, id_: aws.logs.delete_log_group(logGroupName=id_)),
    _bucket,
)
"""Every kind, in the order in which they can go."""
