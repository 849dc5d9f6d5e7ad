"""Network load balancers answer as AWS's do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.network import Network, make_addresses, make_network


@dataclass(frozen=True)
class Lab:
    ec2: Any
    elbv2: Any
    network: Network

    def balancer(self, name: str = "entrance", allocations: tuple[str, ...] = (), **settings: Any) -> dict[str, Any]:
        mappings = [
            {"SubnetId": subnet} | ({"AllocationId": allocations[number]} if number < len(allocations) else {})
            for number, subnet in enumerate(self.network.subnet_ids[: max(len(allocations), 2)])
        ]
        settings.setdefault("SubnetMappings", mappings)
        settings.setdefault("SecurityGroups", [self.network.security_group_id])
        created: dict[str, Any] = self.elbv2.create_load_balancer(Name=name, Type="network", **settings)
        return created["LoadBalancers"][0]  # type: ignore[no-any-return]

    def zones(self, arn: str) -> dict[str, list[dict[str, str]]]:
        balancer = self.elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]
        return {zone["ZoneName"]: zone["LoadBalancerAddresses"] for zone in balancer["AvailabilityZones"]}

    def target_group(self, name: str = "service", vpc_id: str | None = None, protocol: str = "TCP") -> str:
        created = self.elbv2.create_target_group(
            Name=name, Protocol=protocol, Port=443, VpcId=vpc_id or self.network.vpc_id, TargetType="instance"
        )
        arn: str = created["TargetGroups"][0]["TargetGroupArn"]
        return arn

    def listener(self, balancer_arn: str, group_arn: str, port: int = 443) -> str:
        created = self.elbv2.create_listener(
            LoadBalancerArn=balancer_arn,
            Protocol="TCP",
            Port=port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group_arn}],
        )
        arn: str = created["Listeners"][0]["ListenerArn"]
        return arn


@pytest.fixture
def lab(emulator: RunningEmulator, stopped_clock: None) -> Lab:
    ec2 = emulator.client("ec2")
    return Lab(ec2, emulator.client("elbv2"), make_network(ec2))


def test_a_load_balancer_is_active_after_a_while_and_named_as_aws_names_it(emulator: RunningEmulator, lab: Lab) -> None:
    balancer = lab.balancer()
    identifier = balancer["LoadBalancerArn"].rpartition("/")[2]
    assert balancer["LoadBalancerArn"].endswith(f"123456789012:loadbalancer/net/entrance/{identifier}")
    assert balancer["DNSName"] == f"entrance-{identifier}.elb.eu-west-2.amazonaws.com"
    assert (balancer["CanonicalHostedZoneId"], balancer["Scheme"]) == ("ZD4D7Y8KGAS4G", "internet-facing")
    assert balancer["SecurityGroups"] == [lab.network.security_group_id]
    assert balancer["State"]["Code"] == "provisioning"
    emulator.advance(60)
    described = lab.elbv2.describe_load_balancers(Names=["entrance"])["LoadBalancers"][0]
    assert described["State"]["Code"] == "active"


def test_each_zone_has_its_address_through_an_interface_of_the_load_balancer(lab: Lab) -> None:
    first, second = make_addresses(lab.ec2, 2)
    balancer = lab.balancer(allocations=(first, second))
    addresses = {address["AllocationId"]: address for address in lab.ec2.describe_addresses()["Addresses"]}
    assert lab.zones(balancer["LoadBalancerArn"]) == {
        "eu-west-2a": [{"IpAddress": addresses[first]["PublicIp"], "AllocationId": first}],
        "eu-west-2b": [{"IpAddress": addresses[second]["PublicIp"], "AllocationId": second}],
    }
    description = f"ELB {balancer['LoadBalancerArn'].partition('loadbalancer/')[2]}"
    interfaces = lab.ec2.describe_network_interfaces(
        Filters=[
            {"Name": "description", "Values": [description]},
            {"Name": "attachment.instance-owner-id", "Values": ["amazon-aws"]},
        ]
    )["NetworkInterfaces"]
    assert {interface["Association"]["AllocationId"] for interface in interfaces} == {first, second}
    assert {
        (interface["RequesterManaged"], interface["InterfaceType"], interface["Status"]) for interface in interfaces
    } == {(True, "network_load_balancer", "in-use")}
    assert {interface["NetworkInterfaceId"] for interface in interfaces} == {
        address["NetworkInterfaceId"] for address in addresses.values()
    }


def test_an_address_can_serve_one_load_balancer_only_and_is_free_after_it(lab: Lab) -> None:
    allocations = tuple(make_addresses(lab.ec2, 2))
    first = lab.balancer(allocations=allocations)
    with pytest.raises(ClientError, match=r"\(ResourceInUse\).*The allocation IDs are not available for use"):
        lab.balancer(name="second", allocations=allocations)
    lab.elbv2.delete_load_balancer(LoadBalancerArn=first["LoadBalancerArn"])
    assert lab.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    assert all("AssociationId" not in address for address in lab.ec2.describe_addresses()["Addresses"])
    lab.balancer(name="second", allocations=allocations)


def test_an_unknown_allocation_is_refused(lab: Lab) -> None:
    with pytest.raises(ClientError, match=r"\(AllocationIdNotFound\)"):
        lab.balancer(allocations=("eipalloc-0123456789abcdef0", "eipalloc-0123456789abcdef1"))


@pytest.mark.parametrize("name", ["a" * 33, "-first", "last-", "internal-one", "under_score"])
def test_names_that_aws_refuses_are_refused(lab: Lab, name: str) -> None:
    with pytest.raises(ClientError, match=r"\(ValidationError\)"):
        lab.balancer(name=name)


def test_a_load_balancer_of_another_type_is_refused_by_name(lab: Lab) -> None:
    with pytest.raises(ClientError, match=r"\(InvalidConfigurationRequest\).*application is not implemented"):
        lab.elbv2.create_load_balancer(Name="entrance", Subnets=list(lab.network.subnet_ids))


def test_the_same_load_balancer_again_is_no_error_and_another_of_its_name_is(lab: Lab) -> None:
    first = lab.balancer()
    assert lab.balancer()["LoadBalancerArn"] == first["LoadBalancerArn"]
    with pytest.raises(ClientError, match=r"\(DuplicateLoadBalancerName\).*with different settings"):
        lab.balancer(SubnetMappings=[{"SubnetId": lab.network.subnet_ids[2]}])


def test_two_subnets_of_one_zone_are_refused(lab: Lab) -> None:
    other = lab.ec2.create_subnet(VpcId=lab.network.vpc_id, CidrBlock="10.20.9.0/24", AvailabilityZone="eu-west-2a")[
        "Subnet"
    ]["SubnetId"]
    with pytest.raises(ClientError, match=r"\(InvalidConfigurationRequest\).*same Availability Zone"):
        lab.balancer(SubnetMappings=[{"SubnetId": lab.network.subnet_ids[0]}, {"SubnetId": other}])


def test_an_internet_facing_one_needs_an_internet_gateway(lab: Lab) -> None:
    closed = make_network(lab.ec2, cidr_prefix="10.21", gateway=False)
    with pytest.raises(ClientError, match=rf"\(InvalidSubnet\).*VPC {closed.vpc_id} has no internet gateway"):
        lab.balancer(SubnetMappings=[{"SubnetId": closed.subnet_ids[0]}], SecurityGroups=[])


def test_a_zone_can_be_added_and_the_others_keep_their_addresses(lab: Lab) -> None:
    first, second, third = make_addresses(lab.ec2, 3)
    arn = lab.balancer(allocations=(first, second))["LoadBalancerArn"]
    before = lab.zones(arn)
    mappings = [
        {"SubnetId": subnet, "AllocationId": allocation}
        for subnet, allocation in zip(lab.network.subnet_ids, (first, second, third), strict=True)
    ]
    lab.elbv2.set_subnets(LoadBalancerArn=arn, SubnetMappings=mappings)
    after = lab.zones(arn)
    assert {zone: after[zone] for zone in before} == before
    assert [address["AllocationId"] for address in after["eu-west-2c"]] == [third]


def test_a_zone_can_be_removed_and_its_address_is_free(lab: Lab) -> None:
    first, second = make_addresses(lab.ec2, 2)
    arn = lab.balancer(allocations=(first, second))["LoadBalancerArn"]
    lab.elbv2.set_subnets(
        LoadBalancerArn=arn, SubnetMappings=[{"SubnetId": lab.network.subnet_ids[0], "AllocationId": first}]
    )
    assert set(lab.zones(arn)) == {"eu-west-2a"}
    addresses = {address["AllocationId"]: address for address in lab.ec2.describe_addresses()["Addresses"]}
    assert ("AssociationId" in addresses[first], "AssociationId" in addresses[second]) == (True, False)


def test_an_attached_zone_keeps_its_subnet_and_its_address(lab: Lab) -> None:
    first, second, spare = make_addresses(lab.ec2, 3)
    arn = lab.balancer(allocations=(first, second))["LoadBalancerArn"]
    subnet_a, subnet_b, _ = lab.network.subnet_ids
    other = lab.ec2.create_subnet(VpcId=lab.network.vpc_id, CidrBlock="10.20.9.0/24", AvailabilityZone="eu-west-2a")[
        "Subnet"
    ]["SubnetId"]
    before = lab.zones(arn)
    with pytest.raises(ClientError, match=r"\(InvalidConfigurationRequest\).*already associated"):
        lab.elbv2.set_subnets(LoadBalancerArn=arn, Subnets=[other, subnet_b])
    with pytest.raises(ClientError, match=r"\(InvalidConfigurationRequest\).*allocation ID"):
        lab.elbv2.set_subnets(
            LoadBalancerArn=arn,
            SubnetMappings=[
                {"SubnetId": subnet_a, "AllocationId": spare},
                {"SubnetId": subnet_b, "AllocationId": second},
            ],
        )
    assert lab.zones(arn) == before


def test_security_groups_can_be_changed_but_neither_added_later_nor_all_removed(lab: Lab) -> None:
    other = lab.ec2.create_security_group(VpcId=lab.network.vpc_id, GroupName="other", Description="other")["GroupId"]
    arn = lab.balancer()["LoadBalancerArn"]
    assert lab.elbv2.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[other])["SecurityGroupIds"] == [other]
    interfaces = lab.ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [other]}])
    assert len(interfaces["NetworkInterfaces"]) == 2
    with pytest.raises(ClientError, match=r"\(InvalidConfigurationRequest\)"):
        lab.elbv2.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[])
    without = lab.balancer(name="without", SecurityGroups=[])["LoadBalancerArn"]
    with pytest.raises(ClientError, match="which was created without any security groups"):
        lab.elbv2.set_security_groups(LoadBalancerArn=without, SecurityGroups=[other])


def test_a_protected_one_is_not_deleted(lab: Lab) -> None:
    arn = lab.balancer()["LoadBalancerArn"]
    protection = "deletion_protection.enabled"
    lab.elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": protection, "Value": "true"}])
    with pytest.raises(ClientError, match=r"\(OperationNotPermitted\).*deletion protection is enabled"):
        lab.elbv2.delete_load_balancer(LoadBalancerArn=arn)
    lab.elbv2.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[{"Key": protection, "Value": "false"}])
    lab.elbv2.delete_load_balancer(LoadBalancerArn=arn)
    with pytest.raises(ClientError, match=r"\(LoadBalancerNotFound\)"):
        lab.elbv2.describe_load_balancers(LoadBalancerArns=[arn])


def test_attributes_start_as_aws_sets_them_and_can_be_changed(lab: Lab) -> None:
    arn = lab.balancer()["LoadBalancerArn"]

    def attributes() -> dict[str, str]:
        described = lab.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        return {attribute["Key"]: attribute["Value"] for attribute in described}

    assert attributes()["load_balancing.cross_zone.enabled"] == "false"
    assert attributes()["dns_record.client_routing_policy"] == "any_availability_zone"
    lab.elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "true"}]
    )
    assert attributes()["load_balancing.cross_zone.enabled"] == "true"


def test_a_port_has_one_listener(lab: Lab) -> None:
    balancer, group = lab.balancer()["LoadBalancerArn"], lab.target_group()
    listener = lab.listener(balancer, group)
    with pytest.raises(ClientError, match=r"\(DuplicateListener\)"):
        lab.listener(balancer, group)
    described = lab.elbv2.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    assert [(one["ListenerArn"], one["Port"], one["Protocol"], one.get("SslPolicy")) for one in described] == [
        (listener, 443, "TCP", None)
    ]
    lab.elbv2.delete_listener(ListenerArn=listener)
    lab.listener(balancer, group)


def test_a_target_group_belongs_to_one_load_balancer_of_its_network(lab: Lab) -> None:
    first, second, group = lab.balancer(), lab.balancer(name="second"), lab.target_group()
    lab.listener(first["LoadBalancerArn"], group)
    with pytest.raises(ClientError, match=r"\(TargetGroupAssociationLimit\)"):
        lab.listener(second["LoadBalancerArn"], group)
    elsewhere = lab.target_group(name="elsewhere", vpc_id=make_network(lab.ec2, cidr_prefix="10.21").vpc_id)
    with pytest.raises(ClientError, match=r"\(InvalidConfigurationRequest\).*different VPC"):
        lab.listener(second["LoadBalancerArn"], elsewhere)
    lab.elbv2.delete_load_balancer(LoadBalancerArn=first["LoadBalancerArn"])
    lab.listener(second["LoadBalancerArn"], group)


def test_a_tcp_listener_does_not_forward_to_another_protocol(lab: Lab) -> None:
    balancer, group = lab.balancer()["LoadBalancerArn"], lab.target_group(protocol="UDP")
    with pytest.raises(ClientError, match=r"\(IncompatibleProtocols\)"):
        lab.listener(balancer, group)


def test_a_target_group_in_use_is_not_deleted(lab: Lab) -> None:
    balancer, group = lab.balancer()["LoadBalancerArn"], lab.target_group()
    listener = lab.listener(balancer, group)
    described = lab.elbv2.describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]
    assert described["LoadBalancerArns"] == [balancer]
    with pytest.raises(ClientError, match=r"\(ResourceInUse\)"):
        lab.elbv2.delete_target_group(TargetGroupArn=group)
    lab.elbv2.delete_listener(ListenerArn=listener)
    lab.elbv2.delete_target_group(TargetGroupArn=group)


def test_a_resource_takes_fifty_tags(lab: Lab) -> None:
    arn = lab.balancer(Tags=[{"Key": "Environment", "Value": "live"}])["LoadBalancerArn"]
    tags = [{"Key": f"tag{number}", "Value": "x"} for number in range(49)]
    lab.elbv2.add_tags(ResourceArns=[arn], Tags=tags)
    with pytest.raises(ClientError, match=r"\(TooManyTags\)"):
        lab.elbv2.add_tags(ResourceArns=[arn], Tags=[{"Key": "one-more", "Value": "x"}])
    described = lab.elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    assert len(described) == 50


def test_zonal_shift_beside_cross_zone_needs_targets_whose_connections_are_not_ended(lab: Lab) -> None:
    """User Guide for Network Load Balancers, "Enable zonal shift", prerequisites."""
    balancer, group = lab.balancer()["LoadBalancerArn"], lab.target_group()

    def let_the_balancer(**attributes: str) -> None:
        lab.elbv2.modify_load_balancer_attributes(
            LoadBalancerArn=balancer,
            Attributes=[{"Key": key.replace("__", "."), "Value": value} for key, value in attributes.items()],
        )

    def let_targets(ends_connections: str) -> None:
        key = "target_health_state.unhealthy.connection_termination.enabled"
        lab.elbv2.modify_target_group_attributes(
            TargetGroupArn=group, Attributes=[{"Key": key, "Value": ends_connections}]
        )

    def refused() -> Any:
        return pytest.raises(ClientError, match=r"\(InvalidConfigurationRequest\).*[Zz]onal shift")

    shift_on = {"zonal_shift__config__enabled": "true", "load_balancing__cross_zone__enabled": "true"}
    listener = lab.listener(balancer, group)
    with refused():
        let_the_balancer(**shift_on)
    lab.elbv2.delete_listener(ListenerArn=listener)
    let_the_balancer(**shift_on)
    with refused():
        lab.listener(balancer, group)
    let_targets("false")
    lab.listener(balancer, group)
    with refused():
        let_targets("true")
    let_the_balancer(load_balancing__cross_zone__enabled="false")
    let_targets("true")
