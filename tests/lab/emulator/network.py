"""A network to put things into: what most tests of the emulator start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ZONES = ("eu-west-2a", "eu-west-2b", "eu-west-2c")


@dataclass(frozen=True)
class Network:
    """A VPC with an internet gateway, a subnet per zone and a security group, by their ids."""

    vpc_id: str
    subnet_ids: tuple[str, ...]
    security_group_id: str


def make_network(ec2: Any, cidr_prefix: str = "10.20", gateway: bool = True) -> Network:
    vpc_id = ec2.create_vpc(CidrBlock=f"{cidr_prefix}.0.0/16")["Vpc"]["VpcId"]
    if gateway:
        gateway_id = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway_id, VpcId=vpc_id)
    subnets = tuple(
        ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"{cidr_prefix}.{number}.0/24", AvailabilityZone=zone)["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate(ZONES)
    )
    group_id = ec2.create_security_group(VpcId=vpc_id, GroupName="entrance", Description="entrance")["GroupId"]
    return Network(vpc_id, subnets, group_id)


def make_addresses(ec2: Any, count: int) -> list[str]:
    return [ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(count)]


def make_image(ec2: Any, name: str = "service-1.0.0") -> str:
    image_id: str = ec2.register_image(
        Name=name,
        Architecture="x86_64",
        RootDeviceName="/dev/xvda",
        VirtualizationType="hvm",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}],
    )["ImageId"]
    return image_id


def run_instance(ec2: Any, image_id: str, subnet_id: str) -> str:
    instances = ec2.run_instances(
        ImageId=image_id, InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=subnet_id
    )["Instances"]
    instance_id: str = instances[0]["InstanceId"]
    return instance_id
