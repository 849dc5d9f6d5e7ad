"""What can't be deleted because something else needs it, and addresses.

Rules: EC2 API reference (DeleteSecurityGroup, DeleteSubnet, DeleteRouteTable, DeleteVpc, DeleteVpcEndpoints,
DetachInternetGateway, ReleaseAddress, AllocateAddress) and its list of error codes (DependencyViolation,
InvalidIPAddress.InUse, AddressLimitExceeded, VpcLimitExceeded). moto deletes all of them, and allocates addresses that
are loopback's.

An interface that was made with an instance ends with it (EC2 User Guide, "Delete on termination" of network
interfaces; InstanceNetworkInterfaceSpecification). moto keeps it.

Addresses in the lab are of the upper halves of TEST-NET-3, then TEST-NET-2 (RFC 5737): nobody's, and no client would
take them for real. Those that the account was told to keep for somebody (`lab.emulator.addresses`) nobody else gets.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends

from lab.emulator import addresses, quotas
from lab.emulator.extensions.hooks import extends

ADDRESSES = tuple(
    str(address) for network in ("203.0.113.128/25", "198.51.100.128/25") for address in ip_network(network).hosts()
)


@extends(ec2_backends)
class Dependencies(EC2Backend):
    """moto's backend, which keeps what is in use."""

    def delete_security_group(self, name: str | None = None, group_id: str | None = None) -> None:
        """DeleteSecurityGroup: refused while another group's rule refers to it or an interface has it."""
        if group_id is not None and self.get_security_group_from_id(group_id) is not None:
            referring = [
                group.id
                for groups in self.groups.values()
                for group in groups.values()
                if group.id != group_id
                for rule in (*group.ingress_rules, *group.egress_rules)
                if rule.source_group.get("GroupId") == group_id
            ]
            if referring or self._interfaces_with(group_id):
                raise DependencyViolationError(f"resource {group_id} has a dependent object")
        super().delete_security_group(name, group_id)

    def delete_subnet(self, subnet_id: str) -> Any:
        """DeleteSubnet: refused while there are interfaces or instances in it."""
        instances = [one for one in self.all_instances() if one.subnet_id == subnet_id and one.state != "terminated"]
        interfaces = [one for one in self.enis.values() if one.subnet.id == subnet_id and one.instance is None]
        if instances or interfaces:
            raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
        return super().delete_subnet(subnet_id)

    def run_instances(self, *args: Any, **settings: Any) -> Any:
        """RunInstances: an interface that is made with an instance ends with it, unless that was said otherwise."""
        reservation = super().run_instances(*args, **settings)
        specified = settings.get("nics") or []
        kept = {
            int(one["DeviceIndex"])
            for one in specified
            if one.get("NetworkInterfaceId") or str(one.get("DeleteOnTermination")).lower() == "false"
        }
        for instance in reservation.instances:
            for index, interface in instance.nics.items():
                interface.delete_on_termination = index not in kept
        return reservation

    def terminate_instances(self, instance_ids: list[str]) -> Any:
        """TerminateInstances: the same again changes nothing."""
        terminated = super().terminate_instances(instance_ids)
        for instance, _ in terminated:
            for interface in instance.nics.values():
                interface.delete_on_termination = False
        return terminated

    def create_vpc(self, *args: Any, **settings: Any) -> Any:
        """CreateVpc: within the quota."""
        if len(self.vpcs) >= quotas.value(quotas.VPCS):
            raise EC2ClientError("VpcLimitExceeded", "The maximum number of VPCs has been reached.")
        return super().create_vpc(*args, **settings)

    def delete_vpc(self, vpc_id: str) -> Any:
        """DeleteVpc: refused while there is anything in it but its default group, network ACL and route table.

        Those go with it; moto looks for subnets, VPN gateways and route tables, and keeps the network ACL.
        """
        groups = [group for group in self.groups.get(vpc_id, {}).values() if group.name != "default"]
        acls = [acl for acl in self.network_acls.values() if acl.vpc_id == vpc_id]
        gateways = [gateway for gateway in self.internet_gateways.values() if _is_attached(gateway, vpc_id)]
        endpoints = [endpoint for endpoint in self.vpc_end_points.values() if endpoint.vpc_id == vpc_id]
        if groups or gateways or endpoints or any(not acl.default for acl in acls):
            raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
        deleted = super().delete_vpc(vpc_id)
        for acl in acls:
            self.network_acls.pop(acl.id, None)
        return deleted

    def delete_route_table(self, route_table_id: str) -> None:
        """DeleteRouteTable: only subnets keep it; of a gateway endpoint, what it was to that table goes with it.

        To moto it is still the endpoint's, which then can't be deleted for a table that isn't there.
        """
        super().delete_route_table(route_table_id)
        for endpoint in self.vpc_end_points.values():
            endpoint.route_table_ids = [one for one in endpoint.route_table_ids or [] if one != route_table_id]

    def delete_vpc_endpoints(self, vpce_ids: list[str] | None = None) -> None:
        """DeleteVpcEndpoints: they are gone, and their interfaces with them."""
        super().delete_vpc_endpoints(vpce_ids)
        for endpoint_id in vpce_ids or []:
            self.vpc_end_points.pop(endpoint_id, None)

    def detach_internet_gateway(self, internet_gateway_id: str, vpc_id: str) -> Any:
        """DetachInternetGateway: refused while addresses are mapped in the VPC."""
        mapped = [one for one in self.addresses if one.eni is not None and one.eni.subnet.vpc_id == vpc_id]
        if mapped:
            raise DependencyViolationError(
                f"Network {vpc_id} has some mapped public address(es). "
                "Please unmap those public address(es) before detaching the gateway."
            )
        return super().detach_internet_gateway(internet_gateway_id, vpc_id)

    def allocate_address(self, domain: str, address: str | None = None, tags: dict[str, str] | None = None) -> Any:
        """AllocateAddress: within the quota; one that nobody has."""
        if len(self.addresses) >= quotas.value(quotas.ELASTIC_IPS):
            raise EC2ClientError("AddressLimitExceeded", "The maximum number of addresses has been reached.")
        kept = addresses.current().kept.get((tags or {}).get("Name", ""))
        if address is None and kept is not None and kept not in self._taken():
            address = kept
        return super().allocate_address(domain, address or self._free(), tags)

    def _taken(self) -> set[str]:
        return {one.public_ip for one in self.addresses}

    def _free(self) -> str:
        """Return an address that nobody has, and that is kept for nobody."""
        gone = {*self._taken(), *addresses.current().kept.values()}
        free = next((one for one in ADDRESSES if one not in gone), None)
        if free is None:
            raise EC2ClientError("InsufficientAddressCapacity", "Not enough available addresses.")
        return free

    def release_address(self, address: str | None = None, allocation_id: str | None = None) -> None:
        """ReleaseAddress: refused while it is associated."""
        for one in self.addresses:
            if allocation_id is not None and one.allocation_id == allocation_id and one.association_id is not None:
                raise EC2ClientError("InvalidIPAddress.InUse", f"Address {one.public_ip} is in use.")
        super().release_address(address, allocation_id)

    def _interfaces_with(self, group_id: str) -> list[Any]:
        return [
            interface
            for interface in self.enis.values()
            if any(group.id == group_id for group in interface.group_set)
            and (interface.instance is None or interface.instance.state not in ("shutting-down", "terminated"))
        ]


def _is_attached(gateway: Any, vpc_id: str) -> bool:
    return gateway.vpc is not None and gateway.vpc.id == vpc_id


def have_allocated(wanted: addresses.Addresses, account: str) -> None:
    """Let `account` have the addresses that it is to have. Raises ValueError if AWS has no such region."""
    for address in wanted.allocated:
        if address.region not in ec2_backends[account].regions:
            raise ValueError(f"region is {address.region!r}; allowed: {', '.join(ec2_backends[account].regions)}")
        backend = ec2_backends[account][address.region]
        if all(there.allocation_id != address.allocation_id for there in backend.addresses):
            made = backend.allocate_address("vpc", address.address)
            made.allocation_id = made.id = address.allocation_id


def still_kept(account: str) -> dict[str, str]:
    """Return the addresses that are kept for somebody and that nobody has, by value of the tag Name."""
    taken = {one.public_ip for backend in ec2_backends[account].values() for one in backend.addresses}
    return {name: address for name, address in addresses.current().kept.items() if address not in taken}
