"""What AWS has for one environment, read with boto3: the side of things that no state can know.

Things are found by their tags (Project, Environment), and by what the environment names where they have none: the
record, the dataset. What is read is facts, typed and frozen; whether they are as they should be, others say. Left out:
the account itself (quotas, hosted zones), and what only the provider sees (`pulumi refresh`).

The calls are those of the API references of EC2, Elastic Load Balancing, EC2 Auto Scaling, S3, IAM, Route 53,
CloudWatch, CloudWatch Logs and Resource Groups Tagging; each function's are in its body.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from botocore.exceptions import ClientError

from infra.checking import FIXED_TAGS
from infra.environment import Environment
from ops.aws.clients import Aws

if TYPE_CHECKING:
    # Stubs, which only the development environment has.
    from mypy_boto3_ec2.type_defs import FilterTypeDef, PrefixListEntryTypeDef
    from mypy_boto3_elbv2.type_defs import LoadBalancerTypeDef, TargetGroupTypeDef

Tags: TypeAlias = Mapping[str, str]
Document: TypeAlias = Mapping[str, Any]
"""An IAM policy (IAM JSON policy grammar), or another document of AWS's."""

PROJECT = FIXED_TAGS["Project"]
TAGS_AT_ONCE = 20
"""Elastic Load Balancing API, DescribeTags: at most so many resources."""

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose inventory it is: an environment, with the names of what has no tags."""

    environment: str
    dns_name: str
    hosted_zone: str
    bucket: str

    @classmethod
    def of(cls, environment: Environment) -> Subject:
        """Return the subject that `environment` is."""
        return cls(
            environment=environment.name,
            dns_name=environment.dns.name,
            hosted_zone=environment.dns.hosted_zone,
            bucket=environment.dataset.bucket,
        )


@dataclass(frozen=True, kw_only=True)
class Vpc:
    """A network."""

    id: str
    cidr: str
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """A part of a network, in one zone."""

    id: str
    vpc_id: str
    zone: str
    cidr: str
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Address:
    """An Elastic IP."""

    allocation_id: str
    public_ip: str
    association_id: str | None
    """None: nothing has it."""
    tags: Tags


@dataclass(frozen=True, kw_only=True, order=True)
class Entry:
    """A line of a prefix list."""

    cidr: str
    description: str


@dataclass(frozen=True, kw_only=True)
class PrefixList:
    """A customer-managed prefix list; its entries by address."""

    id: str
    name: str
    max_entries: int
    entries: tuple[Entry, ...]
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class SecurityRule:
    """A rule of a security group. Ports are -1 where all are meant."""

    id: str
    inbound: bool
    protocol: str
    """`tcp`, ..., or `-1` for all."""
    from_port: int
    to_port: int
    peer: str
    """A range, or the id of a prefix list or security group."""
    description: str


@dataclass(frozen=True, kw_only=True)
class SecurityGroup:
    """A security group with its rules, in the order of their ids."""

    id: str
    name: str
    vpc_id: str
    rules: tuple[SecurityRule, ...]
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A port that a load balancer listens on."""

    arn: str
    protocol: str
    port: int
    target_group_arns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LoadBalancer:
    """A load balancer with its listeners."""

    arn: str
    name: str
    dns_name: str
    type: str
    scheme: str
    state: str
    addresses: Mapping[str, tuple[str, ...]]
    """Fixed addresses by zone; none where AWS chooses and doesn't say."""
    security_group_ids: tuple[str, ...]
    attributes: Mapping[str, str]
    listeners: tuple[Listener, ...]
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Target:
    """Something that a load balancer sends connections to."""

    id: str
    port: int
    state: str
    """`initial`, `healthy`, `unhealthy`, `unused`, `draining`, `unavailable`."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class TargetGroup:
    """A group of targets, with their health."""

    arn: str
    name: str
    protocol: str
    port: int
    load_balancer_arns: tuple[str, ...]
    health_check: Mapping[str, Any]
    """`HealthCheckProtocol`, `HealthCheckIntervalSeconds`, ..., as in the API."""
    attributes: Mapping[str, str]
    targets: tuple[Target, ...]
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Member:
    """An instance as its Auto Scaling group sees it."""

    id: str
    zone: str
    lifecycle: str
    """`Pending`, `InService`, `Terminating`, ..."""
    health: str
    template_id: str
    template_version: str


@dataclass(frozen=True, kw_only=True)
class ScalingGroup:
    """An Auto Scaling group."""

    name: str
    minimum: int
    maximum: int
    desired: int
    zones: tuple[str, ...]
    subnet_ids: tuple[str, ...]
    health_check_type: str
    template_id: str
    template_version: str
    target_group_arns: tuple[str, ...]
    members: tuple[Member, ...]
    policies: Mapping[str, Document]
    """Scaling policies by name, as in the API."""
    schedules: Mapping[str, Document]
    """Scheduled actions by name, as in the API."""
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A machine that isn't terminated."""

    id: str
    image_id: str
    image_name: str
    """Empty if the image is gone."""
    type: str
    zone: str
    state: str
    public_ip: str | None
    tokens_required: bool
    """Instance metadata by version 2 only."""
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class TemplateVersion:
    """One version of a launch template."""

    number: int
    default: bool
    data: Document
    """As in the API (ResponseLaunchTemplateData)."""


@dataclass(frozen=True, kw_only=True)
class LaunchTemplate:
    """What instances are made from; versions in order."""

    id: str
    name: str
    versions: tuple[TemplateVersion, ...]
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A dataset's bucket."""

    name: str
    versioning: str
    """`Enabled`, `Suspended`, or empty if it never was."""
    encryption: str
    """`AES256`, `aws:kms`, or empty."""
    public_access_blocked: bool
    """All four settings."""
    ownership: str
    policy: Document | None
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role with all its policies."""

    name: str
    arn: str
    trust: Document
    inline: Mapping[str, Document]
    attached: tuple[str, ...]
    """ARNs of managed policies."""
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A metric's or a composite alarm."""

    name: str
    arn: str
    state: str
    composite: bool
    definition: Document
    """As in the API (MetricAlarm, CompositeAlarm)."""
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record of a hosted zone; names in lower case and without the last dot."""

    name: str
    type: str
    alias_target: str | None
    evaluates_health: bool
    zone_id: str = ""
    """Of its hosted zone, as the API takes it."""


@dataclass(frozen=True, kw_only=True)
class LogGroup:
    """Logs, and for how many days; None: for ever."""

    name: str
    retention_days: int | None
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Everything that AWS has for one environment."""

    subject: Subject
    vpcs: tuple[Vpc, ...]
    subnets: tuple[Subnet, ...]
    addresses: tuple[Address, ...]
    prefix_lists: tuple[PrefixList, ...]
    security_groups: tuple[SecurityGroup, ...]
    load_balancers: tuple[LoadBalancer, ...]
    target_groups: tuple[TargetGroup, ...]
    scaling_groups: tuple[ScalingGroup, ...]
    instances: tuple[Instance, ...]
    launch_templates: tuple[LaunchTemplate, ...]
    bucket: Bucket | None
    """The dataset, also one that is another environment's."""
    roles: tuple[Role, ...]
    alarms: tuple[Alarm, ...]
    records: tuple[Record, ...]
    """All of the environment's name."""
    log_groups: tuple[LogGroup, ...]

    @property
    def is_empty(self) -> bool:
        """Whether AWS has nothing that is this environment's own; the dataset doesn't count, nor what it is tagged."""
        found: Iterable[Sequence[object]] = (
            *(self.vpcs, self.subnets, self.addresses, self.prefix_lists, self.security_groups),
            *(self.load_balancers, self.target_groups, self.scaling_groups, self.instances, self.launch_templates),
            *(self.roles, self.alarms, self.records, self.log_groups),
        )
        return not any(found)


def read(aws: Aws, subject: Subject) -> Inventory:
    """Return what AWS has for `subject`. Raises botocore's errors if it can't be read."""
    name = subject.environment
    return Inventory(
        subject=subject,
        vpcs=read_vpcs(aws, name),
        subnets=read_subnets(aws, name),
        addresses=read_addresses(aws, name),
        prefix_lists=read_prefix_lists(aws, name),
        security_groups=read_security_groups(aws, name),
        load_balancers=read_load_balancers(aws, name),
        target_groups=read_target_groups(aws, name),
        scaling_groups=read_scaling_groups(aws, name),
        instances=read_instances(aws, name),
        launch_templates=read_launch_templates(aws, name),
        bucket=read_bucket(aws, subject.bucket),
        roles=read_roles(aws, name),
        alarms=read_alarms(aws, name),
        records=read_records(aws, subject),
        log_groups=read_log_groups(aws, name),
    )


def read_vpcs(aws: Aws, environment: str) -> tuple[Vpc, ...]:
    """Return the environment's networks."""
    pages = aws.ec2.get_paginator("describe_vpcs").paginate(Filters=tagged(environment))
    return tuple(
        Vpc(id=one["VpcId"], cidr=one["CidrBlock"], tags=tags_of(one.get("Tags")))
        for page in pages
        for one in page["Vpcs"]
    )


def read_subnets(aws: Aws, environment: str) -> tuple[Subnet, ...]:
    """Return the environment's subnets."""
    pages = aws.ec2.get_paginator("describe_subnets").paginate(Filters=tagged(environment))
    return tuple(
        Subnet(
            id=one["SubnetId"],
            vpc_id=one["VpcId"],
            zone=one["AvailabilityZone"],
            cidr=one["CidrBlock"],
            tags=tags_of(one.get("Tags")),
        )
        for page in pages
        for one in page["Subnets"]
    )


def read_addresses(aws: Aws, environment: str) -> tuple[Address, ...]:
    """Return the environment's own Elastic IPs, attached or not."""
    found = aws.ec2.describe_addresses(Filters=tagged(environment))["Addresses"]
    return tuple(
        Address(
            allocation_id=one["AllocationId"],
            public_ip=one["PublicIp"],
            association_id=one.get("AssociationId"),
            tags=tags_of(one.get("Tags")),
        )
        for one in found
    )


def read_prefix_lists(aws: Aws, environment: str) -> tuple[PrefixList, ...]:
    """Return the environment's prefix lists with their entries."""
    pages = aws.ec2.get_paginator("describe_managed_prefix_lists").paginate(Filters=tagged(environment))
    return tuple(
        PrefixList(
            id=one["PrefixListId"],
            name=one["PrefixListName"],
            max_entries=one["MaxEntries"],
            entries=tuple(sorted(_entry(entry) for entry in _entries(aws, one["PrefixListId"]))),
            tags=tags_of(one.get("Tags")),
        )
        for page in pages
        for one in page["PrefixLists"]
    )


def _entries(aws: Aws, prefix_list_id: str) -> Iterator[PrefixListEntryTypeDef]:
    for page in aws.ec2.get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=prefix_list_id):
        yield from page["Entries"]


def _entry(entry: PrefixListEntryTypeDef) -> Entry:
    return Entry(cidr=entry["Cidr"], description=entry.get("Description", ""))


def read_security_groups(aws: Aws, environment: str) -> tuple[SecurityGroup, ...]:
    """Return the environment's security groups with all their rules, whoever made those."""
    pages = aws.ec2.get_paginator("describe_security_groups").paginate(Filters=tagged(environment))
    groups = [one for page in pages for one in page["SecurityGroups"]]
    rules: dict[str, list[SecurityRule]] = {group["GroupId"]: [] for group in groups}
    if rules:
        found = aws.ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": sorted(rules)}]
        )
        for rule in (one for page in found for one in page["SecurityGroupRules"]):
            peers = (
                rule.get("PrefixListId"),
                rule.get("ReferencedGroupInfo", {}).get("GroupId"),
                rule.get("CidrIpv4"),
                rule.get("CidrIpv6"),
            )
            rules[rule["GroupId"]].append(
                SecurityRule(
                    id=rule["SecurityGroupRuleId"],
                    inbound=not rule["IsEgress"],
                    protocol=rule["IpProtocol"],
                    from_port=rule.get("FromPort", -1),
                    to_port=rule.get("ToPort", -1),
                    peer=next((peer for peer in peers if peer), ""),
                    description=rule.get("Description", ""),
                )
            )
    return tuple(
        SecurityGroup(
            id=group["GroupId"],
            name=group["GroupName"],
            vpc_id=group.get("VpcId", ""),
            rules=tuple(sorted(rules[group["GroupId"]], key=lambda rule: rule.id)),
            tags=tags_of(group.get("Tags")),
        )
        for group in groups
    )


def read_load_balancers(aws: Aws, environment: str) -> tuple[LoadBalancer, ...]:
    """Return the environment's load balancers with listeners and attributes."""
    pages = aws.elbv2.get_paginator("describe_load_balancers").paginate()
    every = {one["LoadBalancerArn"]: one for page in pages for one in page["LoadBalancers"]}
    return tuple(
        _load_balancer(aws, every[arn], tags) for arn, tags in _elb_tags(aws, every).items() if is_of(tags, environment)
    )


def _load_balancer(aws: Aws, one: LoadBalancerTypeDef, tags: Tags) -> LoadBalancer:
    arn = one["LoadBalancerArn"]
    attributes = aws.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    pages = aws.elbv2.get_paginator("describe_listeners").paginate(LoadBalancerArn=arn)
    listeners = [listener for page in pages for listener in page["Listeners"]]
    return LoadBalancer(
        arn=arn,
        name=one["LoadBalancerName"],
        dns_name=one["DNSName"],
        type=one["Type"],
        scheme=one["Scheme"],
        state=one.get("State", {}).get("Code", ""),
        addresses={
            zone["ZoneName"]: tuple(
                address["IpAddress"] for address in zone.get("LoadBalancerAddresses", []) if address.get("IpAddress")
            )
            for zone in one["AvailabilityZones"]
        },
        security_group_ids=tuple(one.get("SecurityGroups", [])),
        attributes={attribute["Key"]: attribute["Value"] for attribute in attributes},
        listeners=tuple(
            Listener(
                arn=listener["ListenerArn"],
                protocol=listener["Protocol"],
                port=listener["Port"],
                target_group_arns=tuple(
                    action["TargetGroupArn"] for action in listener["DefaultActions"] if action.get("TargetGroupArn")
                ),
            )
            for listener in listeners
        ),
        tags=tags,
    )


def read_target_groups(aws: Aws, environment: str) -> tuple[TargetGroup, ...]:
    """Return the environment's target groups with the health of their targets."""
    pages = aws.elbv2.get_paginator("describe_target_groups").paginate()
    every = {one["TargetGroupArn"]: one for page in pages for one in page["TargetGroups"]}
    return tuple(
        _target_group(aws, every[arn], tags) for arn, tags in _elb_tags(aws, every).items() if is_of(tags, environment)
    )


def _target_group(aws: Aws, one: TargetGroupTypeDef, tags: Tags) -> TargetGroup:
    arn = one["TargetGroupArn"]
    attributes = aws.elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    checks = {key: value for key, value in one.items() if "HealthCheck" in key or key.endswith("ThresholdCount")}
    return TargetGroup(
        arn=arn,
        name=one["TargetGroupName"],
        protocol=one["Protocol"],
        port=one["Port"],
        load_balancer_arns=tuple(one["LoadBalancerArns"]),
        health_check=checks,
        attributes={attribute["Key"]: attribute["Value"] for attribute in attributes},
        targets=read_targets(aws, arn),
        tags=tags,
    )


def read_targets(aws: Aws, target_group_arn: str) -> tuple[Target, ...]:
    """Return the targets of a group with their health, in the order of their ids."""
    described = aws.elbv2.describe_target_health(TargetGroupArn=target_group_arn)["TargetHealthDescriptions"]
    targets = [
        Target(
            id=one["Target"]["Id"],
            port=one["Target"].get("Port", 0),
            state=one["TargetHealth"]["State"],
            reason=one["TargetHealth"].get("Description", ""),
        )
        for one in described
    ]
    return tuple(sorted(targets, key=lambda target: target.id))


def _elb_tags(aws: Aws, arns: Iterable[str]) -> dict[str, Tags]:
    found: dict[str, Tags] = {}
    for some in _batched(sorted(arns), TAGS_AT_ONCE):
        for one in aws.elbv2.describe_tags(ResourceArns=some)["TagDescriptions"]:
            found[one["ResourceArn"]] = tags_of(one["Tags"])
    return found


def read_scaling_groups(aws: Aws, environment: str) -> tuple[ScalingGroup, ...]:
    """Return the environment's Auto Scaling groups with instances, policies and schedules."""
    pages = aws.autoscaling.get_paginator("describe_auto_scaling_groups").paginate(Filters=tagged(environment))
    groups = []
    for one in (group for page in pages for group in page["AutoScalingGroups"]):
        name = one["AutoScalingGroupName"]
        policies = aws.autoscaling.get_paginator("describe_policies").paginate(AutoScalingGroupName=name)
        actions = aws.autoscaling.get_paginator("describe_scheduled_actions").paginate(AutoScalingGroupName=name)
        template = one.get("LaunchTemplate", {})
        groups.append(
            ScalingGroup(
                name=name,
                minimum=one["MinSize"],
                maximum=one["MaxSize"],
                desired=one["DesiredCapacity"],
                zones=tuple(sorted(one["AvailabilityZones"])),
                subnet_ids=tuple(sorted(filter(None, one.get("VPCZoneIdentifier", "").split(",")))),
                health_check_type=one["HealthCheckType"],
                template_id=template.get("LaunchTemplateId", ""),
                template_version=template.get("Version", ""),
                target_group_arns=tuple(one.get("TargetGroupARNs", [])),
                members=tuple(
                    Member(
                        id=member["InstanceId"],
                        zone=member["AvailabilityZone"],
                        lifecycle=member["LifecycleState"],
                        health=member["HealthStatus"],
                        template_id=member.get("LaunchTemplate", {}).get("LaunchTemplateId", ""),
                        template_version=member.get("LaunchTemplate", {}).get("Version", ""),
                    )
                    for member in one["Instances"]
                ),
                policies={
                    policy["PolicyName"]: _document(policy) for page in policies for policy in page["ScalingPolicies"]
                },
                schedules={
                    action["ScheduledActionName"]: _document(action)
                    for page in actions
                    for action in page["ScheduledUpdateGroupActions"]
                },
                tags=tags_of(one.get("Tags")),
            )
        )
    return tuple(groups)


def read_instances(aws: Aws, environment: str) -> tuple[Instance, ...]:
    """Return the environment's instances that aren't terminated, with the names of their images."""
    alive: list[FilterTypeDef] = [
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}
    ]
    pages = aws.ec2.get_paginator("describe_instances").paginate(Filters=[*tagged(environment), *alive])
    found = [one for page in pages for reservation in page["Reservations"] for one in reservation["Instances"]]
    names = _image_names(aws, {one["ImageId"] for one in found})
    return tuple(
        Instance(
            id=one["InstanceId"],
            image_id=one["ImageId"],
            image_name=names.get(one["ImageId"], ""),
            type=one["InstanceType"],
            zone=one["Placement"]["AvailabilityZone"],
            state=one["State"]["Name"],
            public_ip=one.get("PublicIpAddress") or None,
            tokens_required=one.get("MetadataOptions", {}).get("HttpTokens") == "required",
            tags=tags_of(one.get("Tags")),
        )
        for one in found
    )


def _image_names(aws: Aws, image_ids: Iterable[str]) -> dict[str, str]:
    # By filter, and not by id: one that was deregistered is an empty answer then, and no error.
    wanted: list[FilterTypeDef] = [{"Name": "image-id", "Values": sorted(image_ids)}]
    if not wanted[0].get("Values"):
        return {}
    return {one["ImageId"]: one.get("Name", "") for one in aws.ec2.describe_images(Filters=wanted)["Images"]}


def read_launch_templates(aws: Aws, environment: str) -> tuple[LaunchTemplate, ...]:
    """Return the environment's launch templates with every version."""
    pages = aws.ec2.get_paginator("describe_launch_templates").paginate(Filters=tagged(environment))
    templates = []
    for one in (template for page in pages for template in page["LaunchTemplates"]):
        versions = aws.ec2.get_paginator("describe_launch_template_versions").paginate(
            LaunchTemplateId=one["LaunchTemplateId"]
        )
        templates.append(
            LaunchTemplate(
                id=one["LaunchTemplateId"],
                name=one["LaunchTemplateName"],
                versions=tuple(
                    sorted(
                        (
                            TemplateVersion(
                                number=version["VersionNumber"],
                                default=version["DefaultVersion"],
                                data=_document(version["LaunchTemplateData"]),
                            )
                            for page in versions
                            for version in page["LaunchTemplateVersions"]
                        ),
                        key=lambda version: version.number,
                    )
                ),
                tags=tags_of(one.get("Tags")),
            )
        )
    return tuple(templates)


def read_bucket(aws: Aws, name: str) -> Bucket | None:
    """Return a bucket's settings; None if there is none of that name, or it is somebody else's."""
    if unless(lambda: aws.s3.head_bucket(Bucket=name), "404", "403", "NoSuchBucket") is None:
        return None
    versioning = aws.s3.get_bucket_versioning(Bucket=name)
    encryption = unless(
        lambda: aws.s3.get_bucket_encryption(Bucket=name), "ServerSideEncryptionConfigurationNotFoundError"
    )
    block = unless(lambda: aws.s3.get_public_access_block(Bucket=name), "NoSuchPublicAccessBlockConfiguration")
    ownership = unless(lambda: aws.s3.get_bucket_ownership_controls(Bucket=name), "OwnershipControlsNotFoundError")
    policy = unless(lambda: aws.s3.get_bucket_policy(Bucket=name), "NoSuchBucketPolicy")
    tags = unless(lambda: aws.s3.get_bucket_tagging(Bucket=name), "NoSuchTagSet")
    settings = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    rules = encryption["ServerSideEncryptionConfiguration"]["Rules"] if encryption else []
    return Bucket(
        name=name,
        versioning=versioning.get("Status", ""),
        encryption=next(
            (rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "") for rule in rules), ""
        ),
        public_access_blocked=block is not None
        and all(_document(block["PublicAccessBlockConfiguration"]).get(setting) for setting in settings),
        ownership=ownership["OwnershipControls"]["Rules"][0]["ObjectOwnership"] if ownership else "",
        policy=json.loads(policy["Policy"]) if policy else None,
        tags=tags_of(tags["TagSet"]) if tags else {},
    )


def read_roles(aws: Aws, environment: str) -> tuple[Role, ...]:
    """Return the environment's roles with all their policies."""
    names = [
        one["RoleName"]
        for page in aws.iam.get_paginator("list_roles").paginate()
        for one in page["Roles"]
        # Tags are a call per role; roles of others, of which there may be hundreds, are left out by name.
        if one["RoleName"].startswith(name_prefixes(environment))
    ]
    roles = []
    for name in names:
        one = aws.iam.get_role(RoleName=name)["Role"]
        if not is_of(tags_of(one.get("Tags")), environment):
            continue
        inline = [
            policy
            for page in aws.iam.get_paginator("list_role_policies").paginate(RoleName=name)
            for policy in page["PolicyNames"]
        ]
        attached = aws.iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        roles.append(
            Role(
                name=name,
                arn=one["Arn"],
                trust=_document(one["AssumeRolePolicyDocument"]),
                inline={
                    policy: _document(aws.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
                    for policy in inline
                },
                attached=tuple(policy["PolicyArn"] for page in attached for policy in page["AttachedPolicies"]),
                tags=tags_of(one.get("Tags")),
            )
        )
    return tuple(roles)


def read_alarms(aws: Aws, environment: str) -> tuple[Alarm, ...]:
    """Return the environment's alarms, composite ones too."""
    found: list[Alarm] = []
    for prefix in name_prefixes(environment):
        pages = aws.cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        for page in pages:
            metric = [(_document(one), False) for one in page.get("MetricAlarms", [])]
            composite = [(_document(one), True) for one in page.get("CompositeAlarms", [])]
            for definition, is_composite in (*metric, *composite):
                arn = definition["AlarmArn"]
                tags = tags_of(aws.cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"])
                if is_of(tags, environment):
                    found.append(
                        Alarm(
                            name=definition["AlarmName"],
                            arn=arn,
                            state=definition["StateValue"],
                            composite=is_composite,
                            definition=definition,
                            tags=tags,
                        )
                    )
    return tuple(found)


def read_records(aws: Aws, subject: Subject) -> tuple[Record, ...]:
    """Return all records of the environment's name, from every public hosted zone of that zone's name."""
    wanted = subject.dns_name.lower()
    zones = aws.route53.list_hosted_zones_by_name(DNSName=subject.hosted_zone)["HostedZones"]
    found = []
    for zone in zones:
        if zone["Name"].rstrip(".") != subject.hosted_zone.lower() or zone.get("Config", {}).get("PrivateZone"):
            continue
        # Route 53 lists from a name on, so that the zone's other records needn't be read.
        listed = aws.route53.list_resource_record_sets(HostedZoneId=zone["Id"], StartRecordName=wanted)
        for one in listed["ResourceRecordSets"]:
            alias = one.get("AliasTarget")
            if comparable_name(one["Name"]) == wanted and one["Type"] not in ("NS", "SOA"):
                found.append(
                    Record(
                        name=comparable_name(one["Name"]),
                        type=one["Type"],
                        alias_target=comparable_name(alias["DNSName"]) if alias else None,
                        evaluates_health=bool(alias and alias["EvaluateTargetHealth"]),
                        zone_id=zone["Id"],
                    )
                )
    return tuple(found)


def read_log_groups(aws: Aws, environment: str) -> tuple[LogGroup, ...]:
    """Return the environment's log groups."""
    pages = aws.logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"{environment}-")
    found = []
    for one in (group for page in pages for group in page["logGroups"]):
        # The API's older ARN ends with `:*`, which tags aren't kept under.
        arn = one["arn"].removesuffix(":*")
        tags = aws.logs.list_tags_for_resource(resourceArn=arn).get("tags", {})
        if is_of(tags, environment):
            found.append(LogGroup(name=one["logGroupName"], retention_days=one.get("retentionInDays"), tags=tags))
    return tuple(found)


def tagged(environment: str) -> list[FilterTypeDef]:
    """Return the filters by which EC2 and EC2 Auto Scaling list what is the environment's."""
    return [
        {"Name": "tag:Project", "Values": [PROJECT]},
        {"Name": "tag:Environment", "Values": [environment]},
    ]


def is_of(tags: Tags, environment: str) -> bool:
    """Whether `tags` say that something is the environment's."""
    return tags.get("Project") == PROJECT and tags.get("Environment") == environment


def tags_of(listed: Iterable[Mapping[str, Any]] | None) -> Tags:
    """Return a list of tags, in whichever spelling a service has, as a mapping."""
    return {str(one["Key"]): str(one.get("Value", "")) for one in listed or ()}


def name_prefixes(environment: str) -> tuple[str, ...]:
    """Return how names begin that the program gives: its own choice, and Pulumi's from the logical name."""
    return f"eps-dos-api-{environment}-", f"{environment}-"


def _document(value: object) -> Document:
    return value if isinstance(value, Mapping) else {}


def comparable_name(name: str) -> str:
    """Return a name as it is compared: AWS adds a last dot, and `dualstack.` before names of load balancers."""
    return name.rstrip(".").lower().removeprefix("dualstack.")


def _batched(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def unless(ask: Callable[[], Item], *codes: str) -> Item | None:
    """Return the answer, or None if AWS answers with one of `codes`, its way to say that there is none."""
    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in codes:
            return None
        raise
