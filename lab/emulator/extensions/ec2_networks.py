"""What a VPC and an endpoint in it are made with: DHCP options that exist, security groups that exist.

Rules: Amazon VPC User Guide, "DHCP option sets" (a region has a default set, and each new VPC has that one); EC2 API
reference, Vpc (DhcpOptionsId: the id of the set), CreateVpcEndpoint and ModifyVpcEndpoint (SecurityGroupIds go to the
endpoint's network interfaces, one per subnet; without any, it is the VPC's default group) and the error code
InvalidGroup.NotFound. moto's new VPC has no set and names it `default`, which is what AWS says after a VPC was told to
have none; its endpoint takes any text for a group, its interfaces have none, so that a group in use can be deleted, and
subnets that are added or removed later get or lose no interface.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moto.ec2.exceptions import InvalidSecurityGroupNotFoundError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.dhcp_options import DHCPOptionsSet
from moto.ec2.utils import random_private_ip

from lab.emulator.extensions.hooks import extends


@extends(ec2_backends)
class Networks(EC2Backend):
    """moto's backend, which looks at what it is handed."""

    default_dhcp_options: DHCPOptionsSet | None = None

    def create_vpc(self, *args: Any, **settings: Any) -> Any:
        """CreateVpc: with the region's default set of DHCP options."""
        vpc = super().create_vpc(*args, **settings)
        if self.default_dhcp_options is None:
            self.default_dhcp_options = self.create_dhcp_options(
                domain_name_servers=["AmazonProvidedDNS"],
                domain_name=[f"{self.region_name}.compute.internal"],  # type: ignore[arg-type]  # what moto is sent, too
            )
        self.associate_dhcp_options(self.default_dhcp_options, vpc)
        return vpc

    def delete_vpc(self, vpc_id: str) -> Any:
        """DeleteVpc: its DHCP options stay, which moto would delete with it."""
        if vpc_id in self.vpcs:
            self.disassociate_dhcp_options(self.vpcs[vpc_id])
        return super().delete_vpc(vpc_id)

    def create_vpc_endpoint(self, *args: Any, **settings: Any) -> Any:
        """CreateVpcEndpoint: its security groups exist, and are its interfaces'."""
        groups = self._groups(settings.get("security_group_ids") or [])
        endpoint = super().create_vpc_endpoint(*args, **settings)
        if endpoint.network_interface_ids and not groups:
            groups = [self.get_security_group_from_name("default", vpc_id=endpoint.vpc_id)]
            endpoint.security_group_ids = [group.id for group in groups]
        self._let_interfaces_have(endpoint, groups)
        return endpoint

    def modify_vpc_endpoint(self, *args: Any, **settings: Any) -> None:
        """ModifyVpcEndpoint: as CreateVpcEndpoint."""
        self._groups(settings.get("add_security_groups") or [])
        super().modify_vpc_endpoint(*args, **settings)
        endpoint = self.vpc_end_points[settings["vpc_id"]]
        for interface_id in list(endpoint.network_interface_ids or []):
            if self.enis[interface_id].subnet.id in (settings.get("remove_subnets") or []):
                endpoint.network_interface_ids.remove(interface_id)
                del self.enis[interface_id]
        there = {self.enis[interface_id].subnet.id for interface_id in endpoint.network_interface_ids or []}
        for subnet_id in settings.get("add_subnets") or []:
            if subnet_id not in there:
                interface = self.create_network_interface(self.get_subnet(subnet_id), random_private_ip())
                endpoint.network_interface_ids.append(interface.id)
        self._let_interfaces_have(endpoint, self._groups(endpoint.security_group_ids))

    def _groups(self, group_ids: Iterable[str]) -> list[Any]:
        groups = {group_id: self.get_security_group_from_id(group_id) for group_id in group_ids}
        for group_id, group in groups.items():
            if group is None:
                raise InvalidSecurityGroupNotFoundError(group_id)
        return list(groups.values())

    def _let_interfaces_have(self, endpoint: Any, groups: list[Any]) -> None:
        for interface_id in endpoint.network_interface_ids or []:
            self.enis[interface_id]._group_set = groups
