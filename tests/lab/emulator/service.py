"""A service to roll out: a load balancer, a target group, a launch template and a group over three zones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import requests

from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.network import Network, make_image, make_network


@dataclass
class Service:
    """Clients of the emulator, and the ids of what was made."""

    emulator: RunningEmulator
    network: Network
    image: str
    template_id: str
    target_group_arn: str

    @classmethod
    def made(cls, emulator: RunningEmulator, size: int) -> Service:
        """Make the service with a group of `size` members of version 1."""
        ec2, elbv2 = emulator.client("ec2"), emulator.client("elbv2")
        network = make_network(ec2)
        image = make_image(ec2)
        target_group = elbv2.create_target_group(
            Name="service", Protocol="TCP", Port=443, VpcId=network.vpc_id, TargetType="instance"
        )["TargetGroups"][0]["TargetGroupArn"]
        balancer = elbv2.create_load_balancer(Name="service", Type="network", Subnets=list(network.subnet_ids))
        elbv2.create_listener(
            LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="TCP",
            Port=443,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": target_group}],
        )
        template_id = ec2.create_launch_template(
            LaunchTemplateName="service", LaunchTemplateData=template_data(image, network.security_group_id)
        )["LaunchTemplate"]["LaunchTemplateId"]
        service = cls(emulator, network, image, template_id, target_group)
        service.create_group(size)
        return service

    @cached_property
    def ec2(self) -> Any:
        return self.emulator.client("ec2")

    @cached_property
    def autoscaling(self) -> Any:
        return self.emulator.client("autoscaling")

    @cached_property
    def elbv2(self) -> Any:
        return self.emulator.client("elbv2")

    def create_group(self, size: int) -> None:
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="service",
            MinSize=size,
            MaxSize=2 * size,
            DesiredCapacity=size,
            LaunchTemplate={"LaunchTemplateId": self.template_id, "Version": "1"},
            VPCZoneIdentifier=",".join(self.network.subnet_ids),
            TargetGroupARNs=[self.target_group_arn],
            HealthCheckType="ELB",
            HealthCheckGracePeriod=60,
            DefaultInstanceWarmup=120,
        )

    def new_version(self, name: str) -> tuple[str, str]:
        """Make a template version with a new image; return version and image."""
        image = make_image(self.ec2, name)
        version = self.ec2.create_launch_template_version(
            LaunchTemplateId=self.template_id, LaunchTemplateData=template_data(image, self.network.security_group_id)
        )["LaunchTemplateVersion"]["VersionNumber"]
        return str(version), image

    def resize(self, minimum: int, maximum: int) -> None:
        self.autoscaling.update_auto_scaling_group(AutoScalingGroupName="service", MinSize=minimum, MaxSize=maximum)

    def settled(self) -> None:
        """Let time pass until everything that starts serves."""
        self.group()
        self.emulator.advance(120)
        self.group()

    def make_unhealthy(self, image: str) -> None:
        self.fail(unhealthyImages=[image])

    def fail(self, **faults: Any) -> None:
        """Put these faults into effect, and no others."""
        requests.put(f"{self.emulator.endpoint}/_lab/faults", json=faults, timeout=5).raise_for_status()

    def group(self) -> dict[str, Any]:
        (found,) = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=["service"])["AutoScalingGroups"]
        return dict(found)

    def ids(self) -> list[str]:
        return sorted(one["InstanceId"] for one in self.group()["Instances"])

    def lifecycle(self) -> list[str]:
        return [one["LifecycleState"] for one in self.group()["Instances"]]

    def versions(self) -> list[str]:
        return [one["LaunchTemplate"]["Version"] for one in self.group()["Instances"]]

    def by_zone(self) -> Counter[str]:
        return Counter(one["AvailabilityZone"] for one in self.group()["Instances"])

    def instances(self) -> list[dict[str, Any]]:
        reservations = self.ec2.describe_instances(InstanceIds=self.ids())["Reservations"]
        return [one for reservation in reservations for one in reservation["Instances"]]

    def health(self) -> list[str]:
        described = self.elbv2.describe_target_health(TargetGroupArn=self.target_group_arn)
        return [one["TargetHealth"]["State"] for one in described["TargetHealthDescriptions"]]

    def lookup(self) -> list[str]:
        """Return the zones whose address of the load balancer a name is answered with."""
        (balancer,) = self.elbv2.describe_load_balancers(Names=["service"])["LoadBalancers"]
        route53 = self.emulator.client("route53")
        zones = route53.list_hosted_zones()["HostedZones"] or [
            route53.create_hosted_zone(Name="example.org", CallerReference="test")["HostedZone"]
        ]
        alias = {
            "HostedZoneId": balancer["CanonicalHostedZoneId"], "DNSName": balancer["DNSName"],
            "EvaluateTargetHealth": True,
        }  # fmt: skip
        record = {"Name": "service.example.org", "Type": "A", "AliasTarget": alias}
        changes = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=zones[0]["Id"], ChangeBatch=changes)
        answer = route53.test_dns_answer(HostedZoneId=zones[0]["Id"], RecordName="Service.example.org", RecordType="A")
        assert (answer["ResponseCode"], answer["RecordName"]) == ("NOERROR", "service.example.org.")
        interfaces = self.ec2.describe_network_interfaces(
            Filters=[{"Name": "interface-type", "Values": ["network_load_balancer"]}]
        )["NetworkInterfaces"]
        zone_of = {one["Association"]["PublicIp"]: one["AvailabilityZone"] for one in interfaces}
        return [zone_of[address] for address in answer["RecordData"]]

    def activities(self) -> list[dict[str, Any]]:
        return list(self.autoscaling.describe_scaling_activities(AutoScalingGroupName="service")["Activities"])


def template_data(image: str, security_group_id: str) -> dict[str, Any]:
    tags = [{"Key": "Owner", "Value": "test"}]
    return {
        "ImageId": image,
        "InstanceType": "t3.micro",
        "UserData": "IyEvYmluL3NoCg==",
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
        "NetworkInterfaces": [
            {"DeviceIndex": 0, "AssociatePublicIpAddress": False, "Groups": [security_group_id]},
        ],
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}],
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": tags},
            {"ResourceType": "volume", "Tags": tags},
        ],
    }
