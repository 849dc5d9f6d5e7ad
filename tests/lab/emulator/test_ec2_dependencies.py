"""What stays because something else needs it, and whose addresses the lab gives out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.network import Network, make_addresses, make_image, make_network, run_instance


@pytest.fixture
def ec2(emulator: RunningEmulator) -> Any:
    return emulator.client("ec2")


@pytest.fixture
def network(ec2: Any) -> Network:
    return make_network(ec2)


def test_a_security_group_stays_while_another_refers_to_it(ec2: Any, network: Network) -> None:
    other = ec2.create_security_group(VpcId=network.vpc_id, GroupName="other", Description="other")["GroupId"]
    pair = [{"GroupId": network.security_group_id, "Description": "from there"}]
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": pair}
    made = ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[permission])["SecurityGroupRules"]
    assert made[0]["Description"] == "from there"
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=network.security_group_id)
    ec2.delete_security_group(GroupId=other)
    ec2.delete_security_group(GroupId=network.security_group_id)


def test_a_vpc_stays_while_there_is_something_in_it_and_takes_its_defaults_along(ec2: Any) -> None:
    network = make_network(ec2)
    (gateway,) = ec2.describe_internet_gateways()["InternetGateways"]
    acl = ec2.create_network_acl(VpcId=network.vpc_id)["NetworkAcl"]["NetworkAclId"]
    for subnet_id in network.subnet_ids:
        ec2.delete_subnet(SubnetId=subnet_id)
    there: list[Callable[[], object]] = [
        lambda: ec2.delete_security_group(GroupId=network.security_group_id),
        lambda: ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=network.vpc_id),
        lambda: ec2.delete_network_acl(NetworkAclId=acl),
    ]
    for end in there:
        with pytest.raises(ClientError, match=r"\(DependencyViolation\)"):
            ec2.delete_vpc(VpcId=network.vpc_id)
        end()
    ec2.delete_vpc(VpcId=network.vpc_id)
    left = [{"Name": "vpc-id", "Values": [network.vpc_id]}]
    assert ec2.describe_network_acls(Filters=left)["NetworkAcls"] == []
    assert ec2.describe_security_groups(Filters=left)["SecurityGroups"] == []
    assert ec2.describe_route_tables(Filters=left)["RouteTables"] == []


def endpoint(ec2: Any, network: Network) -> str:
    made = ec2.create_vpc_endpoint(
        VpcId=network.vpc_id, ServiceName="com.amazonaws.eu-west-2.logs", VpcEndpointType="Interface",
        SubnetIds=[network.subnet_ids[0]], SecurityGroupIds=[network.security_group_id],
    )  # fmt: skip
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def test_a_subnet_stays_while_an_endpoint_is_in_it_and_goes_after(ec2: Any, network: Network) -> None:
    endpoint_id = endpoint(ec2, network)
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_subnet(SubnetId=network.subnet_ids[0])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])
    ec2.delete_subnet(SubnetId=network.subnet_ids[0])
    with pytest.raises(ClientError, match="NotFound"):
        ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])


def test_a_route_table_goes_before_its_gateway_endpoint_and_keeps_it_from_nothing(ec2: Any, network: Network) -> None:
    table = ec2.create_route_table(VpcId=network.vpc_id)["RouteTable"]["RouteTableId"]
    made = ec2.create_vpc_endpoint(
        VpcId=network.vpc_id, ServiceName="com.amazonaws.eu-west-2.s3", VpcEndpointType="Gateway", RouteTableIds=[table]
    )
    endpoint_id = made["VpcEndpoint"]["VpcEndpointId"]
    ec2.delete_route_table(RouteTableId=table)
    (left,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"]
    assert left["RouteTableIds"] == []
    assert ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint_id])["Unsuccessful"] == []


def test_a_subnet_stays_while_an_instance_is_in_it_and_goes_after(ec2: Any, network: Network) -> None:
    instance_id = run_instance(ec2, make_image(ec2), network.subnet_ids[0])
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_subnet(SubnetId=network.subnet_ids[0])
    ec2.terminate_instances(InstanceIds=[instance_id])
    ec2.delete_subnet(SubnetId=network.subnet_ids[0])


def interfaces(ec2: Any) -> set[str]:
    return {one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]}


def test_an_interface_made_with_an_instance_ends_with_it_and_another_does_not(ec2: Any, network: Network) -> None:
    before, image = interfaces(ec2), make_image(ec2)
    own = ec2.create_network_interface(SubnetId=network.subnet_ids[0])["NetworkInterface"]["NetworkInterfaceId"]
    given = ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": own}]
    )["Instances"][0]["InstanceId"]
    made = run_instance(ec2, image, network.subnet_ids[0])
    assert len(interfaces(ec2)) == len(before) + 2
    for _ in range(2):
        ec2.terminate_instances(InstanceIds=[given, made])
    assert interfaces(ec2) == {*before, own}


def test_an_address_in_use_is_not_released(emulator: RunningEmulator, ec2: Any, network: Network) -> None:
    (allocation_id,) = make_addresses(ec2, 1)
    elbv2 = emulator.client("elbv2")
    arn = elbv2.create_load_balancer(
        Name="b", Type="network", SubnetMappings=[{"SubnetId": network.subnet_ids[0], "AllocationId": allocation_id}]
    )["LoadBalancers"][0]["LoadBalancerArn"]
    with pytest.raises(ClientError, match=r"InvalidIPAddress\.InUse"):
        ec2.release_address(AllocationId=allocation_id)
    gateway = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [network.vpc_id]}])
    gateway_id = gateway["InternetGateways"][0]["InternetGatewayId"]
    with pytest.raises(ClientError, match="mapped public address"):
        ec2.detach_internet_gateway(InternetGatewayId=gateway_id, VpcId=network.vpc_id)
    elbv2.delete_load_balancer(LoadBalancerArn=arn)
    ec2.release_address(AllocationId=allocation_id)


def test_addresses_are_nobodys_and_given_once(ec2: Any) -> None:
    make_addresses(ec2, 20)
    given = [one["PublicIp"] for one in ec2.describe_addresses()["Addresses"]]
    assert len(set(given)) == 20
    assert all(one.startswith("203.0.113.") for one in given)


def tell(emulator: RunningEmulator, document: Any) -> requests.Response:
    return requests.put(f"{emulator.endpoint}/_lab/addresses", json=document, timeout=10)


def named(ec2: Any, name: str) -> str:
    tags = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "Name", "Value": name}]}]
    return str(ec2.allocate_address(Domain="vpc", TagSpecifications=tags)["PublicIp"])


def test_an_address_is_kept_for_whoever_published_it(emulator: RunningEmulator, ec2: Any) -> None:
    tell(emulator, {"kept": {"live-vip": "192.0.2.1", "int-vip": "203.0.113.129"}}).raise_for_status()
    assert named(ec2, "dev-vip") == "203.0.113.130"
    assert named(ec2, "live-vip") == "192.0.2.1"
    kept = requests.get(f"{emulator.endpoint}/_lab/addresses", timeout=10).json()["kept"]
    assert kept == {"int-vip": "203.0.113.129"}
    # It is in use, as it is where a load balancer is made before the one that it replaces goes.
    assert named(ec2, "live-vip") not in ("192.0.2.1", "203.0.113.129")


def test_addresses_that_were_allocated_elsewhere_are_there_once(emulator: RunningEmulator, ec2: Any) -> None:
    told = [
        {"allocationId": "eipalloc-0123456789abcdef0", "region": "eu-west-2", "address": "192.0.2.7"},
        {"allocationId": "eipalloc-00000001", "region": "eu-west-2"},
    ]
    for _ in range(2):
        tell(emulator, {"allocated": told}).raise_for_status()
    found = {one["AllocationId"]: one["PublicIp"] for one in ec2.describe_addresses()["Addresses"]}
    assert found == {"eipalloc-0123456789abcdef0": "192.0.2.7", "eipalloc-00000001": "203.0.113.129"}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"kept": {"live-vip": "192.0.2.300"}}, "192.0.2.300"),
        ({"allocated": [{"allocationId": "eipalloc-00000001", "region": "mars-1"}]}, "region is 'mars-1'"),
        ({"allocated": [{"allocationId": "eipalloc-00000001"}]}, "allocated is"),
        ({"given": {}}, "kept"),
    ],
)
def test_addresses_that_make_no_sense_are_refused(emulator: RunningEmulator, document: object, said: str) -> None:
    refused = tell(emulator, document)
    assert refused.status_code == 400
    assert said in refused.json()["error"]


@pytest.mark.parametrize(
    ("quota", "create", "code"),
    [
        ("L-0263D0A3", lambda ec2: ec2.allocate_address(Domain="vpc"), "AddressLimitExceeded"),
        ("L-F678F1CE", lambda ec2: ec2.create_vpc(CidrBlock="10.1.0.0/16"), "VpcLimitExceeded"),
    ],
)
def test_a_quota_that_is_reached_refuses_the_next(
    emulator: RunningEmulator, ec2: Any, quota: str, create: Any, code: str
) -> None:
    requests.put(f"{emulator.endpoint}/_lab/quotas", json={quota: 0}, timeout=5)
    with pytest.raises(ClientError, match=code):
        create(ec2)
