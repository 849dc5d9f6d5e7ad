"""What a VPC and its endpoints are made with, and what goes with a VPC."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.network import Network, make_network


@pytest.fixture
def ec2(emulator: RunningEmulator) -> Any:
    return emulator.client("ec2")


@pytest.fixture
def network(ec2: Any) -> Network:
    return make_network(ec2)


def endpoint(ec2: Any, network: Network, *group_ids: str) -> dict[str, Any]:
    made: dict[str, Any] = ec2.create_vpc_endpoint(
        VpcId=network.vpc_id, ServiceName="com.amazonaws.eu-west-2.logs", VpcEndpointType="Interface",
        SubnetIds=[network.subnet_ids[0]], SecurityGroupIds=list(group_ids),
    )["VpcEndpoint"]  # fmt: skip
    return made


def groups_of_interfaces(ec2: Any, endpoint_id: str) -> dict[str, list[str]]:
    (described,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"]
    interfaces = ec2.describe_network_interfaces(NetworkInterfaceIds=described["NetworkInterfaceIds"])
    return {
        interface["SubnetId"]: [group["GroupId"] for group in interface["Groups"]]
        for interface in interfaces["NetworkInterfaces"]
    }


def test_a_vpc_has_the_dhcp_options_of_its_region_and_leaves_them(ec2: Any, network: Network) -> None:
    options = {vpc["DhcpOptionsId"] for vpc in ec2.describe_vpcs()["Vpcs"]}
    (described,) = ec2.describe_dhcp_options(DhcpOptionsIds=list(options))["DhcpOptions"]
    values = {one["Key"]: one["Values"] for one in described["DhcpConfigurations"]}
    assert values["domain-name"] == [{"Value": "eu-west-2.compute.internal"}]
    other = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    ec2.delete_vpc(VpcId=other)
    assert ec2.describe_dhcp_options(DhcpOptionsIds=list(options))["DhcpOptions"] == [described]


def test_an_endpoint_takes_no_security_group_that_there_is_not(ec2: Any, network: Network) -> None:
    with pytest.raises(ClientError, match=r"\(InvalidGroup.NotFound\)"):
        endpoint(ec2, network, "sg-0123456789abcdef0")
    made = endpoint(ec2, network, network.security_group_id)
    with pytest.raises(ClientError, match=r"\(InvalidGroup.NotFound\)"):
        ec2.modify_vpc_endpoint(VpcEndpointId=made["VpcEndpointId"], AddSecurityGroupIds=["sg-0123456789abcdef0"])


def test_an_endpoint_without_a_group_has_the_default_one(ec2: Any, network: Network) -> None:
    filters = [{"Name": "vpc-id", "Values": [network.vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
    (default,) = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    made = endpoint(ec2, network)
    assert groups_of_interfaces(ec2, made["VpcEndpointId"]) == {network.subnet_ids[0]: [default["GroupId"]]}


def test_a_group_stays_while_an_endpoint_has_it(ec2: Any, network: Network) -> None:
    endpoint_id = endpoint(ec2, network, network.security_group_id)["VpcEndpointId"]
    with pytest.raises(ClientError, match=r"\(DependencyViolation\)"):
        ec2.delete_security_group(GroupId=network.security_group_id)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
    ec2.delete_security_group(GroupId=network.security_group_id)


def test_an_endpoint_has_an_interface_in_each_of_its_subnets(ec2: Any, network: Network) -> None:
    endpoint_id = endpoint(ec2, network, network.security_group_id)["VpcEndpointId"]
    first, second, _ = network.subnet_ids
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, AddSubnetIds=[second])
    assert groups_of_interfaces(ec2, endpoint_id) == {
        subnet_id: [network.security_group_id] for subnet_id in (first, second)
    }
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint_id, RemoveSubnetIds=[first])
    assert set(groups_of_interfaces(ec2, endpoint_id)) == {second}
    ec2.delete_subnet(SubnetId=first)


def test_a_security_group_is_not_called_like_an_id(ec2: Any, network: Network) -> None:
    with pytest.raises(ClientError, match=r"\(InvalidParameterValue\).*format sg-\*"):
        ec2.create_security_group(GroupName="sg-service", Description="d", VpcId=network.vpc_id)
    ec2.create_security_group(GroupName="service-sg-", Description="d", VpcId=network.vpc_id)
