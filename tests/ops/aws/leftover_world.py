"""An AWS account to leave things in: whatever the program makes, kind by kind, and everything that the account has.

The kinds are made as the provider makes them, by the same calls with the same names and tags, and each brings what it
can't be made without: so any choice of kinds is what some killed run leaves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from infra.access import as_json, trust
from infra.environment import AwsPlan
from ops.aws.clients import Aws
from ops.aws.ownership import Subject
from ops.stacks.place import Place

if TYPE_CHECKING:
    import pytest

REGION = "eu-west-2"
ZONE = "eps.digital.nhs.uk"
ZONES = ("eu-west-2a", "eu-west-2b")
TRUST = as_json(trust("ec2.amazonaws.com"))
ALLOWED = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}]}
)


def subject(name: str) -> Subject:
    """What AWS knows an environment made for one test by."""
    return Subject(
        environment=name, dns_name=f"dos-{name}.{ZONE}", hosted_zone=ZONE, bucket=f"eps-dos-api-{name}-dataset"
    )


def tags(name: str, label: str = "") -> dict[str, str]:
    return {"Project": "eps-dos-api", "Environment": name, "Name": f"{name}-{label}"}


def pairs(of: Mapping[str, str]) -> list[Any]:
    return [{"Key": key, "Value": value} for key, value in of.items()]


@dataclass(frozen=True)
class Emulator:
    """The lab's emulator, in a process of its own: in this one its extensions would stay in moto for good."""

    endpoint: str

    def ask(self, method: str, path: str, document: object = None) -> Any:
        """Use the control API."""
        request = Request(  # noqa: S310 - of the loopback
            f"{self.endpoint}/_lab/{path}", method=method, data=json.dumps(document).encode() if document else None
        )
        with urlopen(request) as answer:  # noqa: S310 - as above
            return json.load(answer)


@contextmanager
def emulator(folder: Path) -> Iterator[Emulator]:
    """Give an emulator that runs until the end."""
    ready = folder / "ready.json"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.emulator", "--port", "0", "--ready-file", str(ready)],
            env={**os.environ, "EPS_DOS_LAB_PACE": "600"},
            stderr=log,
        )
    try:
        while not ready.exists():
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield Emulator(f"http://127.0.0.1:{json.loads(ready.read_text())['port']}")
    finally:
        process.terminate()
        process.wait()


def aws_of(running: Emulator, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """Return the clients that a command would have in this emulator."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    def only_here(endpoint: str) -> str:
        assert endpoint == running.endpoint
        return endpoint

    here = Place(
        folder=Path(), checkout=Path(), cli=Path(), version="", in_lab=True, check_endpoint=only_here
    )  # fmt: skip
    return Aws(AwsPlan(region=REGION, profile=None, assume_role_arns=()), here)


@dataclass
class World:
    """The things of one environment, made one after the other; `ids` has what later ones need."""

    aws: Aws
    name: str
    network: int
    """The second number of its addresses."""
    ids: dict[str, Any] = field(default_factory=dict)

    def make(self, kinds: Iterable[str]) -> World:
        """Make these, and before them what they need."""
        for kind in kinds:
            if kind not in self.ids:
                needs, maker = KINDS[kind]
                self.make(needs)
                self.ids[kind] = maker(self)
        return self

    def specification(self, resource_type: Any, label: str = "") -> list[Any]:
        return [{"ResourceType": resource_type, "Tags": pairs(tags(self.name, label))}]


def _vpc(world: World) -> str:
    vpc_id = world.aws.ec2.create_vpc(
        CidrBlock=f"10.{world.network}.0.0/16", TagSpecifications=world.specification("vpc")
    )["Vpc"]["VpcId"]
    (group,) = world.aws.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])[
        "SecurityGroups"
    ]
    world.aws.ec2.create_tags(Resources=[group["GroupId"]], Tags=pairs(tags(world.name, "default-unused")))
    return vpc_id


def _gateway(world: World) -> str:
    made = world.aws.ec2.create_internet_gateway(TagSpecifications=world.specification("internet-gateway"))
    id_ = made["InternetGateway"]["InternetGatewayId"]
    world.aws.ec2.attach_internet_gateway(InternetGatewayId=id_, VpcId=world.ids["vpc"])
    return id_


def _lone_gateway(world: World) -> str:
    made = world.aws.ec2.create_internet_gateway(TagSpecifications=world.specification("internet-gateway"))
    return made["InternetGateway"]["InternetGatewayId"]


def _subnets(world: World) -> list[str]:
    return [
        world.aws.ec2.create_subnet(
            VpcId=world.ids["vpc"],
            AvailabilityZone=zone,
            CidrBlock=f"10.{world.network}.{number}.0/24",
            TagSpecifications=world.specification("subnet", zone),
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate(ZONES)
    ]


def _route_table(world: World) -> str:
    made = world.aws.ec2.create_route_table(
        VpcId=world.ids["vpc"], TagSpecifications=world.specification("route-table")
    )
    return made["RouteTable"]["RouteTableId"]


def _routes(world: World) -> None:
    table = world.ids["route table"]
    world.aws.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=world.ids["gateway"])
    for subnet in world.ids["subnets"]:
        world.aws.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)


def _endpoint(world: World, **settings: Any) -> str:
    made = world.aws.ec2.create_vpc_endpoint(
        VpcId=world.ids["vpc"], TagSpecifications=world.specification("vpc-endpoint"), **settings
    )
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def _s3_endpoint(world: World) -> str:
    return _endpoint(
        world, ServiceName=f"com.amazonaws.{REGION}.s3", VpcEndpointType="Gateway",
        RouteTableIds=[world.ids["route table"]],
    )  # fmt: skip


def _logs_endpoint(world: World) -> str:
    return _endpoint(
        world, ServiceName=f"com.amazonaws.{REGION}.logs", VpcEndpointType="Interface", SubnetIds=world.ids["subnets"],
        SecurityGroupIds=[world.ids["security groups"][0]],
    )  # fmt: skip


def _log_group(world: World) -> str:
    name = f"{world.name}-flow-log-1a2b3c4"
    world.aws.logs.create_log_group(logGroupName=name, tags=tags(world.name))
    return name


def _flow_log(world: World) -> None:
    world.aws.ec2.create_flow_logs(
        ResourceIds=[world.ids["vpc"]], ResourceType="VPC", TrafficType="ALL", LogGroupName=world.ids["log group"],
        DeliverLogsPermissionArn=world.ids["role"], TagSpecifications=world.specification("vpc-flow-log"),
    )  # fmt: skip


def _prefix_list(world: World) -> str:
    made = world.aws.ec2.create_managed_prefix_list(
        PrefixListName=f"eps-dos-api-{world.name}-clients", AddressFamily="IPv4", MaxEntries=5,
        Entries=[{"Cidr": "192.0.2.0/28"}], TagSpecifications=world.specification("prefix-list"),
    )  # fmt: skip
    return made["PrefixList"]["PrefixListId"]


def _security_groups(world: World) -> list[str]:
    return [
        world.aws.ec2.create_security_group(
            VpcId=world.ids["vpc"], GroupName=f"{world.name}-{label}-1a2b3c4", Description=label,
            TagSpecifications=world.specification("security-group", label),
        )["GroupId"]
        for label in ("load-balancer", "service")
    ]  # fmt: skip


def _rules(world: World) -> None:
    """Rules in a circle, as the program's are."""
    first, second = world.ids["security groups"]

    def tcp(**source: Any) -> list[Any]:
        return [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **source}]

    ec2 = world.aws.ec2
    clients = [{"PrefixListId": world.ids["prefix list"]}]
    ec2.authorize_security_group_ingress(GroupId=first, IpPermissions=tcp(PrefixListIds=clients))
    ec2.authorize_security_group_egress(GroupId=first, IpPermissions=tcp(UserIdGroupPairs=[{"GroupId": second}]))
    ec2.authorize_security_group_ingress(GroupId=second, IpPermissions=tcp(UserIdGroupPairs=[{"GroupId": first}]))


def _load_balancer(world: World) -> str:
    made = world.aws.elbv2.create_load_balancer(
        Name=f"{world.name}-lb-1a2b3c4", Type="network", Subnets=world.ids["subnets"],
        SecurityGroups=[world.ids["security groups"][0]], Tags=pairs(tags(world.name)),
    )  # fmt: skip
    return made["LoadBalancers"][0]["LoadBalancerArn"]


def _target_group(world: World) -> str:
    made = world.aws.elbv2.create_target_group(
        Name=f"{world.name}-tg-1a2b3c4", Protocol="TCP", Port=443, VpcId=world.ids["vpc"], TargetType="instance",
        Tags=pairs(tags(world.name)),
    )  # fmt: skip
    return made["TargetGroups"][0]["TargetGroupArn"]


def _listener(world: World) -> None:
    world.aws.elbv2.create_listener(
        LoadBalancerArn=world.ids["load balancer"], Protocol="TCP", Port=443, Tags=pairs(tags(world.name)),
        DefaultActions=[{"Type": "forward", "TargetGroupArn": world.ids["target group"]}],
    )  # fmt: skip


def _record(world: World) -> None:
    (balancer,) = world.aws.elbv2.describe_load_balancers(LoadBalancerArns=[world.ids["load balancer"]])[
        "LoadBalancers"
    ]
    alias(world.aws, f"dos-{world.name}.{ZONE}", balancer["DNSName"], balancer["CanonicalHostedZoneId"])


def hosted_zone(aws: Aws) -> str:
    """Return the zone of all environments, made if it isn't there."""
    there = aws.route53.list_hosted_zones_by_name(DNSName=ZONE)["HostedZones"]
    return (
        there[0]["Id"] if there else aws.route53.create_hosted_zone(Name=ZONE, CallerReference="a")["HostedZone"]["Id"]
    )


def alias(aws: Aws, name: str, target: str, target_zone: str = "ZD4D7Y8KGAS4G") -> None:
    """Make an alias record of a load balancer."""
    to: Any = {"HostedZoneId": target_zone, "DNSName": target, "EvaluateTargetHealth": True}
    aws.route53.change_resource_record_sets(
        HostedZoneId=hosted_zone(aws),
        ChangeBatch={
            "Changes": [{"Action": "CREATE", "ResourceRecordSet": {"Name": name, "Type": "A", "AliasTarget": to}}]
        },
    )


def _bucket(world: World) -> str:
    name = f"eps-dos-api-{world.name}-dataset"
    bucket(world.aws, name, tags(world.name))
    return name


def bucket(aws: Aws, name: str, of: Mapping[str, str], objects: int = 3) -> None:
    """Make a versioned bucket with two versions of each object and a delete marker; none if there are no objects."""
    aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    if of:
        aws.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": pairs(of)})
    aws.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for number in range(objects):
        for body in (b"1", b"2"):
            aws.s3.put_object(Bucket=name, Key=f"{number}.json", Body=body)
    if objects:
        aws.s3.delete_object(Bucket=name, Key="0.json")


def _role(world: World) -> str:
    name = f"eps-dos-api-{world.name}-service"
    made = world.aws.iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=pairs(tags(world.name, "service"))
    )
    return made["Role"]["Arn"]


def _role_policy(world: World) -> None:
    world.aws.iam.put_role_policy(
        RoleName=f"eps-dos-api-{world.name}-service", PolicyName=f"{world.name}-service-1a2b3c4", PolicyDocument=ALLOWED
    )


def _profile(world: World) -> str:
    name = f"{world.name}-service-1a2b3c4"
    world.aws.iam.create_instance_profile(InstanceProfileName=name, Tags=pairs(tags(world.name)))
    return name


def _profile_role(world: World) -> None:
    world.aws.iam.add_role_to_instance_profile(
        InstanceProfileName=world.ids["instance profile"], RoleName=f"eps-dos-api-{world.name}-service"
    )


def _image(world: World) -> str:
    there = world.aws.ec2.describe_images(Owners=["self"])["Images"]
    if there:
        return there[0]["ImageId"]
    return world.aws.ec2.register_image(
        Name="eps-dos-api-1.4.0", Architecture="arm64", RootDeviceName="/dev/xvda", VirtualizationType="hvm",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}],
    )["ImageId"]  # fmt: skip


def _template(world: World) -> str:
    kinds: list[Any] = ["instance", "network-interface", "volume"]
    data: Any = {
        "ImageId": _image(world),
        "InstanceType": "c7g.large",
        "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [world.ids["security groups"][1]]}],
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "DeleteOnTermination": True}}],
        "TagSpecifications": [one for kind in kinds for one in world.specification(kind, "service")],
    }
    made = world.aws.ec2.create_launch_template(
        LaunchTemplateName=f"{world.name}-service-1a2b3c4", LaunchTemplateData=data,
        TagSpecifications=world.specification("launch-template"),
    )  # fmt: skip
    return made["LaunchTemplate"]["LaunchTemplateId"]


def _scaling_group(world: World) -> str:
    name = f"{world.name}-service-1a2b3c4"
    listed: list[Any] = [{**one, "PropagateAtLaunch": False} for one in pairs(tags(world.name, "service"))]
    world.aws.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name, MinSize=2, MaxSize=4, DesiredCapacity=2, Tags=listed,
        LaunchTemplate={"LaunchTemplateId": world.ids["launch template"], "Version": "1"},
        VPCZoneIdentifier=",".join(world.ids["subnets"]), TargetGroupARNs=[world.ids["target group"]],
    )  # fmt: skip
    return name


def _scaling(world: World) -> None:
    group = world.ids["scaling group"]
    world.aws.autoscaling.put_scaling_policy(
        AutoScalingGroupName=group, PolicyName=f"{world.name}-cpu-1a2b3c4", PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration={
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": 50,
        },
    )  # fmt: skip
    world.aws.autoscaling.put_scheduled_update_group_action(
        AutoScalingGroupName=group, ScheduledActionName=f"{world.name}-start", Recurrence="0 8 * * *", DesiredCapacity=2
    )


def _lone_instance(world: World) -> str:
    """One that somebody started from the template, by hand."""
    made = world.aws.ec2.run_instances(
        ImageId=_image(world), InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=world.ids["subnets"][0],
        TagSpecifications=[*world.specification("instance"), *world.specification("volume")],
    )  # fmt: skip
    return made["Instances"][0]["InstanceId"]


def _lone_volume(world: World) -> str:
    made = world.aws.ec2.create_volume(
        AvailabilityZone=ZONES[0], Size=8, TagSpecifications=world.specification("volume")
    )
    return made["VolumeId"]


def _lone_interface(world: World) -> str:
    made = world.aws.ec2.create_network_interface(
        SubnetId=world.ids["subnets"][0], TagSpecifications=world.specification("network-interface")
    )
    return made["NetworkInterface"]["NetworkInterfaceId"]


def _address(world: World) -> str:
    return world.aws.ec2.allocate_address(Domain="vpc", TagSpecifications=world.specification("elastic-ip"))[
        "AllocationId"
    ]


def _alarms(world: World) -> list[str]:
    names = [f"{world.name}-empty-{zone}-1a2b3c4" for zone in ZONES]
    for name in names:
        world.aws.cloudwatch.put_metric_alarm(
            AlarmName=name, Namespace="AWS/NetworkELB", MetricName="HealthyHostCount", Statistic="Minimum", Period=60,
            EvaluationPeriods=3, Threshold=1, ComparisonOperator="LessThanThreshold", Tags=pairs(tags(world.name)),
        )  # fmt: skip
    return names


def _composite(world: World) -> str:
    name = f"eps-dos-api-{world.name}-down"
    rule = " AND ".join(f'ALARM("{one}")' for one in world.ids["alarms"])
    world.aws.cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=rule, Tags=pairs(tags(world.name)))
    return name


def _circle(world: World) -> None:
    """Two composite alarms that refer to each other."""
    first, second = world.ids["composite alarm"], f"{world.name}-other-1a2b3c4"
    put = world.aws.cloudwatch.put_composite_alarm
    put(AlarmName=second, AlarmRule=f'ALARM("{first}")', Tags=pairs(tags(world.name)))
    put(AlarmName=first, AlarmRule=f'ALARM("{second}")')


def _dashboard(world: World) -> None:
    world.aws.cloudwatch.put_dashboard(DashboardName=f"eps-dos-api-{world.name}", DashboardBody='{"widgets": []}')


def _topic(world: World) -> str:
    return world.aws.sns.create_topic(Name=f"{world.name}-alarms-1a2b3c4", Tags=pairs(tags(world.name)))["TopicArn"]


def _subscription(world: World) -> None:
    world.aws.sns.subscribe(TopicArn=world.ids["topic"], Protocol="email", Endpoint="on-call@example.invalid")


KINDS: Mapping[str, tuple[tuple[str, ...], Callable[[World], Any]]] = {
    "vpc": ((), _vpc),
    "gateway": (("vpc",), _gateway),
    "lone gateway": ((), _lone_gateway),
    "subnets": (("vpc",), _subnets),
    "route table": (("vpc",), _route_table),
    "routes": (("route table", "gateway", "subnets"), _routes),
    "S3 endpoint": (("route table",), _s3_endpoint),
    "logs endpoint": (("subnets", "security groups"), _logs_endpoint),
    "log group": ((), _log_group),
    "flow log": (("vpc", "log group", "role"), _flow_log),
    "prefix list": ((), _prefix_list),
    "security groups": (("vpc",), _security_groups),
    "rules": (("security groups", "prefix list"), _rules),
    "load balancer": (("subnets", "gateway", "security groups"), _load_balancer),
    "target group": (("vpc",), _target_group),
    "listener": (("load balancer", "target group"), _listener),
    "record": (("load balancer",), _record),
    "bucket": ((), _bucket),
    "role": ((), _role),
    "role policy": (("role",), _role_policy),
    "instance profile": ((), _profile),
    "role in profile": (("instance profile", "role"), _profile_role),
    "launch template": (("security groups",), _template),
    "scaling group": (("launch template", "subnets", "target group"), _scaling_group),
    "scaling": (("scaling group",), _scaling),
    "lone instance": (("subnets",), _lone_instance),
    "lone volume": ((), _lone_volume),
    "lone interface": (("subnets",), _lone_interface),
    "address": ((), _address),
    "alarms": ((), _alarms),
    "composite alarm": (("alarms",), _composite),
    "alarms in a circle": (("composite alarm",), _circle),
    "dashboard": ((), _dashboard),
    "topic": ((), _topic),
    "subscription": (("topic",), _subscription),
}
"""What can be made: what it needs, and how."""


def account(aws: Aws) -> set[str]:
    """Return everything that the account has, whosever it is: ids, ARNs and names."""
    ec2, elbv2, iam = aws.ec2, aws.elbv2, aws.iam
    instances = [one for each in ec2.describe_instances()["Reservations"] for one in each["Instances"]]
    balancers = [one["LoadBalancerArn"] for one in elbv2.describe_load_balancers()["LoadBalancers"]]
    groups = aws.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    roles = [one["RoleName"] for one in iam.list_roles()["Roles"]]
    buckets = [one["Name"] for one in aws.s3.list_buckets()["Buckets"]]
    alarms = aws.cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    zones = [one["Id"] for one in aws.route53.list_hosted_zones()["HostedZones"]]
    return {
        *(one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]),
        *(one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]),
        *(one["RouteTableId"] for one in ec2.describe_route_tables()["RouteTables"]),
        *(one["InternetGatewayId"] for one in ec2.describe_internet_gateways()["InternetGateways"]),
        *(one["VpcEndpointId"] for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]),
        *(one["FlowLogId"] for one in ec2.describe_flow_logs()["FlowLogs"]),
        *(one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]),
        *(one["SecurityGroupRuleId"] for one in ec2.describe_security_group_rules()["SecurityGroupRules"]),
        *(one["PrefixListId"] for one in ec2.describe_managed_prefix_lists()["PrefixLists"]),
        *(one["LaunchTemplateId"] for one in ec2.describe_launch_templates()["LaunchTemplates"]),
        *(one["InstanceId"] for one in instances if one["State"]["Name"] != "terminated"),
        *(one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]),
        *(one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]),
        *(one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]),
        *balancers,
        *(
            one["ListenerArn"]
            for arn in balancers
            for one in elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]
        ),
        *(one["TargetGroupArn"] for one in elbv2.describe_target_groups()["TargetGroups"]),
        *(one["AutoScalingGroupARN"] for one in groups),
        *(one["PolicyARN"] for one in aws.autoscaling.describe_policies()["ScalingPolicies"]),
        *(
            f"schedule {one['ScheduledActionName']}"
            for one in aws.autoscaling.describe_scheduled_actions()["ScheduledUpdateGroupActions"]
        ),
        *(f"role {one}" for one in roles),
        *(f"{role}: {one}" for role in roles for one in iam.list_role_policies(RoleName=role)["PolicyNames"]),
        *(f"profile {one['InstanceProfileName']}" for one in iam.list_instance_profiles()["InstanceProfiles"]),
        *(f"bucket {one}" for one in buckets),
        *(
            f"{name}: {one['Key']} {one['VersionId']}"
            for name in buckets
            for listed in [aws.s3.list_object_versions(Bucket=name)]
            for one in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]
        ),
        *(one["AlarmArn"] for one in [*alarms["MetricAlarms"], *alarms["CompositeAlarms"]]),
        *(f"dashboard {one['DashboardName']}" for one in aws.cloudwatch.list_dashboards()["DashboardEntries"]),
        *(one["TopicArn"] for one in aws.sns.list_topics()["Topics"]),
        *(f"{one['TopicArn']}: {one['Endpoint']}" for one in aws.sns.list_subscriptions()["Subscriptions"]),
        *(one["logGroupName"] for one in aws.logs.describe_log_groups()["logGroups"]),
        *(
            f"record {one['Name']} {one['Type']}"
            for zone in zones
            for one in aws.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        ),
    }
