"""Network load balancers as AWS keeps them: names, zones with addresses, security groups, protection, listeners.

Rules: Elastic Load Balancing API reference (CreateLoadBalancer, SetSubnets, SetSecurityGroups, DeleteLoadBalancer,
CreateListener, SubnetMapping, LoadBalancerAddress) and the User Guide for Network Load Balancers (load balancers,
availability zones, security groups). moto makes every load balancer an application one, lets names be of any length and
used twice, forgets addresses, and deletes what is protected.

Left out: application and gateway load balancers, which are refused, dual stack, private addresses of one's choice,
whether rules apply to PrivateLink (always).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from moto.ec2.exceptions import InvalidSubnetIdError
from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.utils import random_public_ip
from moto.elbv2.exceptions import (
    DuplicateListenerError,
    DuplicateLoadBalancerName,
    ELBClientError,
    InvalidConfigurationRequest,
    LoadBalancerNotFoundError,
    ResourceInUseError,
    SubnetNotFoundError,
    ValidationError,
)
from moto.elbv2.models import ELBv2Backend, FakeListener, FakeLoadBalancer, elbv2_backends
from moto.moto_api._internal import mock_random

from lab.emulator import clock
from lab.emulator.extensions.hooks import extends

NAME_LENGTH = 32
PROVISIONING_SECONDS = 60.0  # AWS takes a few minutes; a preview of the wait is enough
FREE_ADDRESSES_PER_SUBNET = 8
TAGS_PER_RESOURCE = 50  # Elastic Load Balancing quotas
INTERFACE_OWNER = "amazon-aws"  # "Elastic network interfaces" of a network load balancer are attached by this account

# "Elastic Load Balancing endpoints and quotas", AWS General Reference: Route 53 hosted zone of network load balancers.
HOSTED_ZONES = {
    "eu-west-1": "Z2IFOLAFXWLO4F",
    "eu-west-2": "ZD4D7Y8KGAS4G",
    "us-east-1": "Z26RNL4JYFTOTI",
}

# LoadBalancerAttribute: what a network load balancer has, and its defaults.
DEFAULT_ATTRIBUTES = {
    "access_logs.s3.enabled": "false",
    "access_logs.s3.bucket": "",
    "access_logs.s3.prefix": "",
    "deletion_protection.enabled": "false",
    "dns_record.client_routing_policy": "any_availability_zone",
    "ipv6.deny_all_igw_traffic": "false",
    "load_balancing.cross_zone.enabled": "false",
    "secondary_ips.auto_assigned.per_subnet": "0",
    "zonal_shift.config.enabled": "false",
}

# "Listeners for your Network Load Balancers": which target group a listener can forward to.
TARGET_PROTOCOLS = {
    "TCP": ("TCP", "TCP_UDP"),
    "TLS": ("TCP", "TLS"),
    "UDP": ("UDP", "TCP_UDP"),
    "TCP_UDP": ("TCP_UDP",),
}


class LoadBalancerInterface(NetworkInterface):
    """The network interface that a load balancer has in each of its zones. AWS's, not the account's, to change."""

    def __init__(self, balancer: NetworkLoadBalancer, subnet: Any, backend: Any) -> None:
        super().__init__(
            backend,
            subnet,
            subnet.get_available_subnet_ip(balancer),
            group_ids=balancer.security_groups,
            description=f"ELB {balancer.arn.partition('loadbalancer/')[2]}",
        )
        self.requester_managed = True
        self.requester_id = "amazon-elb"
        self.interface_type = "network_load_balancer"
        self.status = "in-use"
        self.attachment_id = f"ela-attach-{mock_random.get_random_hex(17)}"

    @property
    def attachment(self) -> Any:
        """What DescribeNetworkInterfaces says it is attached to: nothing of this account's."""
        return {
            "AttachmentId": self.attachment_id,
            "DeleteOnTermination": False,
            "DeviceIndex": 1,
            "InstanceOwnerId": INTERFACE_OWNER,
            "Status": "attached",
        }

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        """Return what a filter of DescribeNetworkInterfaces compares."""
        known = {
            "attachment.instance-owner-id": INTERFACE_OWNER,
            "interface-type": self.interface_type,
            "requester-managed": "true",
            "requester-id": self.requester_id,
            "association.public-ip": self.public_ip,
            "addresses.association.public-ip": self.public_ip,
        }
        return known[filter_name] if filter_name in known else super().get_filter_value(filter_name, method_name)


class Zone:
    """One zone of a load balancer, as DescribeLoadBalancers shows it (AvailabilityZone)."""

    def __init__(self, subnet: Any, interface: LoadBalancerInterface, allocation_id: str | None) -> None:
        self.subnet = subnet
        self.interface = interface
        self.allocation_id = allocation_id
        self.subnet_id = subnet.id
        self.zone_name = subnet.availability_zone

    @property
    def load_balancer_addresses(self) -> list[dict[str, Any]]:
        """The static address, where the load balancer was given one; AWS doesn't list those that it assigns itself."""
        if self.allocation_id is None:
            return []
        return [{"IpAddress": self.interface.public_ip, "AllocationId": self.allocation_id}]


class NetworkLoadBalancer(FakeLoadBalancer):
    """A load balancer with addresses per zone, active after a while."""

    def __init__(self, *, region: str, **settings: Any) -> None:
        super().__init__(**settings, loadbalancer_type="network")
        self.zones: dict[str, Zone] = {}  # by name of the zone
        self.attrs = dict(DEFAULT_ATTRIBUTES)
        self.canonical_hosted_zone_id = HOSTED_ZONES.get(region, "Z2P70J7EXAMPLE")
        self.created_at = clock.now()
        if self.security_groups:
            self.enforce_security_group_inbound_rules_on_private_link_traffic = "on"

    @property
    def load_balancer_state(self) -> dict[str, str]:
        """Provisioning, then active."""
        return {"Code": "active" if clock.now() >= self.created_at + PROVISIONING_SECONDS else "provisioning"}

    @property
    def availability_zones(self) -> list[Any]:
        """The zones, as moto's answers read them."""
        return list(self.zones.values())

    @property
    def mappings(self) -> dict[str, str | None]:
        """The subnets, and the allocation of each one's address."""
        return {zone.subnet_id: zone.allocation_id for zone in self.zones.values()}


@extends(elbv2_backends)
class LoadBalancers(ELBv2Backend):
    """moto's backend, with AWS's rules for network load balancers and their listeners."""

    load_balancers: dict[str, NetworkLoadBalancer]  # type: ignore[assignment]  # none but these are made

    @property
    def _ec2(self) -> Any:
        return ec2_backends[self.account_id][self.region_name]

    def create_load_balancer(self, *_: Any, **settings: Any) -> Any:
        """CreateLoadBalancer: the same again is the same load balancer; other settings under its name are refused."""
        name, security_groups = settings["name"], settings["security_groups"]
        scheme = settings.get("scheme") or "internet-facing"
        _check_name(name)
        kind = settings.get("loadbalancer_type") or "application"
        if kind != "network":
            raise InvalidConfigurationRequest(f"The lab's load balancers are network ones; {kind} is not implemented.")
        mappings = _mappings_of(settings["subnet_ids"], settings.get("subnet_mappings"))
        existing = next((balancer for balancer in self.load_balancers.values() if balancer.name == name), None)
        if existing is not None:
            has = (existing.scheme, set(existing.security_groups), existing.mappings)
            if has == (scheme, set(security_groups), mappings):
                return existing
            raise DuplicateLoadBalancerName(
                f"A load balancer with the same name '{name}' exists, but with different settings"
            )
        subnets = self._check_mappings(mappings, {}, scheme)
        self._check_security_groups(security_groups, subnets[0].vpc_id)
        identifier = mock_random.get_random_hex(length=16)
        balancer = NetworkLoadBalancer(  # type: ignore[abstract]  # of CloudFormation, unused here
            region=self.region_name,
            name=name,
            arn=(
                f"arn:{self.partition}:elasticloadbalancing:{self.region_name}:{self.account_id}:"
                f"loadbalancer/net/{name}/{identifier}"
            ),
            dns_name=f"{name}-{identifier}.elb.{self.region_name}.amazonaws.com",
            scheme=scheme,
            security_groups=list(security_groups),
            subnets=[],
            vpc_id=subnets[0].vpc_id,
            state="provisioning",
            ip_address_type=settings.get("ip_address_type", "ipv4"),
        )
        self.load_balancers[balancer.arn] = balancer
        self.tagging_service.tag_resource(balancer.arn, settings.get("tags"))
        self._attach(balancer, subnets, mappings)
        return balancer

    def describe_load_balancers(self, arns: list[str] | None, names: list[str] | None) -> list[Any]:
        """DescribeLoadBalancers: one that isn't there is an error, wherever it stands in the list."""
        if not arns and not names:
            return super().describe_load_balancers(arns, names)
        by_name = {balancer.name: balancer for balancer in self.load_balancers.values()}
        wanted = {arn: self.load_balancers.get(arn) for arn in arns or []}
        wanted |= {name: by_name.get(name) for name in names or []}
        missing = [asked for asked, balancer in wanted.items() if balancer is None]
        if missing:
            raise LoadBalancerNotFoundError(f"Load balancers '[{', '.join(missing)}]' not found")
        return list(wanted.values())

    def delete_load_balancer(self, arn: str) -> None:
        """DeleteLoadBalancer: refused while protected; frees the addresses; succeeds where there is none."""
        balancer = self.load_balancers.get(arn)
        if balancer is None:
            return
        if balancer.attrs.get("deletion_protection.enabled") == "true":
            raise ELBClientError(
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )
        for zone_name in list(balancer.zones):
            self._detach(balancer, zone_name)
        for listener_arn in balancer.listeners:
            self.tagging_service.delete_all_tags_for_resource(listener_arn)
        self.tagging_service.delete_all_tags_for_resource(arn)
        super().delete_load_balancer(arn)
        self._relate_target_groups()

    def set_subnets(self, arn: str, subnets: list[str], subnet_mappings: list[dict[str, Any]]) -> list[Any]:
        """SetSubnets: zones of a network load balancer come and go; an attached one keeps its subnet and address."""
        balancer = self._load_balancer(arn)
        mappings = _mappings_of(subnets, subnet_mappings)
        # By subnet id alone, an attached one keeps its address.
        mappings = {subnet: balancer.mappings.get(subnet) if subnets else given for subnet, given in mappings.items()}
        wanted = self._check_mappings(mappings, balancer.zones, balancer.scheme)
        kept = {subnet.availability_zone for subnet in wanted}
        for zone_name in set(balancer.zones) - kept:
            self._detach(balancer, zone_name)
        self._attach(
            balancer, [subnet for subnet in wanted if subnet.availability_zone not in balancer.zones], mappings
        )
        return balancer.availability_zones

    def modify_load_balancer_attributes(self, arn: str, attrs: dict[str, str]) -> Any:
        """ModifyLoadBalancerAttributes: zonal shift beside cross-zone only where the targets bear it."""
        balancer = self._load_balancer(arn)
        behind = [group for group in self.target_groups.values() if arn in group.load_balancer_arns]
        check_zonal_shift({**balancer.attrs, **attrs}, [group.attributes for group in behind])
        return super().modify_load_balancer_attributes(arn, attrs)

    def set_security_groups(self, arn: str, sec_groups: list[str]) -> None:
        """SetSecurityGroups: changes those of a network load balancer that was made with some; never all or none."""
        balancer = self._load_balancer(arn)
        if not balancer.security_groups:
            raise InvalidConfigurationRequest(
                "You cannot set security groups on a Network Load Balancer "
                "which was created without any security groups."
            )
        if not sec_groups:
            raise InvalidConfigurationRequest("At least one security group must be specified")
        self._check_security_groups(sec_groups, balancer.vpc_id)
        balancer.security_groups = list(sec_groups)
        groups = [self._ec2.get_security_group_from_id(group) for group in sec_groups]
        for zone in balancer.zones.values():
            zone.interface._group_set = list(groups)

    def create_listener(self, *_: Any, **settings: Any) -> FakeListener:
        """CreateListener: one per port; what it forwards to must be of its VPC and take its protocol."""
        balancer = self.load_balancers.get(settings["load_balancer_arn"])
        if balancer is not None:
            self._check_port_is_free(balancer, settings["port"])
            self._check_forwarding(balancer, settings["protocol"], settings["actions"])
        if settings["protocol"] not in ("TLS", "HTTPS"):
            settings["ssl_policy"] = None
        listener = super().create_listener(**settings)
        self._relate_target_groups()
        return listener

    def modify_listener(
        self,
        arn: str,
        port: Any = None,
        protocol: str | None = None,
        ssl_policy: str | None = None,
        certificates: list[dict[str, Any]] | None = None,
        actions: list[dict[str, Any]] | None = None,
    ) -> FakeListener:
        """ModifyListener, under the same rules as CreateListener."""
        listener = self.describe_listeners(None, [arn])[0]
        balancer = self.load_balancers[listener.load_balancer_arn]
        if port is not None and port != listener.port:
            self._check_port_is_free(balancer, port)
        self._check_forwarding(balancer, protocol or listener.protocol, actions or [])
        modified = super().modify_listener(arn, port, protocol, ssl_policy, certificates, actions or [])
        self._relate_target_groups()
        return modified

    def delete_listener(self, listener_arn: str) -> FakeListener:
        listener = super().delete_listener(listener_arn)
        self.tagging_service.delete_all_tags_for_resource(listener_arn)
        self._relate_target_groups()
        return listener

    def add_tags(self, resource_arns: list[str], tags: list[dict[str, str]]) -> None:
        """AddTags: 50 per resource (moto stops at 10)."""
        for arn in resource_arns:
            self._get_resource_by_arn(arn)
            together = self.tagging_service.get_tag_dict_for_resource(arn) | {tag["Key"]: "" for tag in tags}
            if len(together) > TAGS_PER_RESOURCE:
                raise ELBClientError("TooManyTags", f"The maximum number of tags ({TAGS_PER_RESOURCE}) was exceeded")
        for arn in resource_arns:
            self.tagging_service.tag_resource(arn, tags)

    def describe_tags(self, resource_arns: list[str]) -> dict[str, dict[str, str]]:
        """DescribeTags: of what isn't there, an error (moto: no tags)."""
        for arn in resource_arns:
            self._get_resource_by_arn(arn)
        tags: dict[str, dict[str, str]] = super().describe_tags(resource_arns)
        return tags

    def _load_balancer(self, arn: str) -> NetworkLoadBalancer:
        if arn not in self.load_balancers:
            raise LoadBalancerNotFoundError(f"Load balancer '{arn}' not found")
        return self.load_balancers[arn]

    def _check_mappings(self, mappings: dict[str, str | None], attached: dict[str, Zone], scheme: str) -> list[Any]:
        """Return the subnets of `mappings`. What is attached already must stay as it is."""
        backend = self._ec2
        if not mappings:
            raise ValidationError("You must specify subnets or subnet mappings")
        try:
            subnets = [backend.get_subnet(subnet_id) for subnet_id in mappings]
        except InvalidSubnetIdError as error:
            raise SubnetNotFoundError from error
        if len({subnet.vpc_id for subnet in subnets}) > 1:
            raise InvalidConfigurationRequest("All subnets must belong to the same VPC")
        if len({subnet.availability_zone for subnet in subnets}) < len(subnets):
            raise InvalidConfigurationRequest(
                "A load balancer cannot be attached to multiple subnets in the same Availability Zone"
            )
        for subnet in subnets:
            zone = attached.get(subnet.availability_zone)
            if zone is None:
                self._check_new_zone(subnet, mappings[subnet.id], scheme)
            elif zone.subnet_id != subnet.id:
                raise InvalidConfigurationRequest(
                    "You cannot specify an additional subnet from an Availability Zone that is already associated with "
                    f"the load balancer. The Availability Zone '{subnet.availability_zone}' corresponding to the new "
                    f"subnet '{subnet.id}' is already associated with the load balancer."
                )
            elif zone.allocation_id != mappings[subnet.id]:
                raise InvalidConfigurationRequest(
                    f"You cannot change the allocation ID of the subnet '{subnet.id}', "
                    "which is already associated with the load balancer"
                )
        return subnets

    def _check_new_zone(self, subnet: Any, allocation_id: str | None, scheme: str) -> None:
        backend = self._ec2
        if scheme == "internet-facing" and not any(
            gateway.vpc is not None and gateway.vpc.id == subnet.vpc_id
            for gateway in backend.internet_gateways.values()
        ):
            raise ELBClientError("InvalidSubnet", f"VPC {subnet.vpc_id} has no internet gateway")
        if subnet.available_ip_address_count < FREE_ADDRESSES_PER_SUBNET:
            raise ELBClientError(
                "InvalidSubnet",
                f"Not enough IP space available in {subnet.id}. "
                f"ELB requires at least {FREE_ADDRESSES_PER_SUBNET} free IP addresses in each subnet.",
            )
        if allocation_id is None:
            return
        if scheme != "internet-facing":
            raise InvalidConfigurationRequest("You cannot specify allocation IDs for an internal load balancer")
        address = next((address for address in backend.addresses if address.allocation_id == allocation_id), None)
        if address is None:
            raise ELBClientError("AllocationIdNotFound", "The allocation IDs are not available for use")
        if address.association_id is not None:
            raise ResourceInUseError("The allocation IDs are not available for use")

    def _check_security_groups(self, groups: Sequence[str], vpc_id: str) -> None:
        backend = self._ec2
        for group_id in groups:
            group = backend.get_security_group_from_id(group_id)
            if group is None or group.vpc_id != vpc_id:
                raise ELBClientError("InvalidSecurityGroup", "One or more security groups are invalid")

    def _attach(self, balancer: NetworkLoadBalancer, subnets: list[Any], mappings: dict[str, str | None]) -> None:
        backend = self._ec2
        for subnet in subnets:
            interface = LoadBalancerInterface(balancer, subnet, backend)  # type: ignore[abstract]  # as above
            backend.enis[interface.id] = interface
            allocation_id = mappings[subnet.id]
            if allocation_id is not None:
                backend.associate_address(eni=interface, allocation_id=allocation_id)
            elif balancer.scheme == "internet-facing":
                interface.public_ip = random_public_ip()
            balancer.zones[subnet.availability_zone] = Zone(subnet, interface, allocation_id)
        balancer.subnets = [zone.subnet for zone in balancer.zones.values()]

    def _detach(self, balancer: NetworkLoadBalancer, zone_name: str) -> None:
        backend = self._ec2
        zone = balancer.zones.pop(zone_name)
        for address in backend.addresses:
            if address.allocation_id is not None and address.allocation_id == zone.allocation_id:
                address.instance = address.eni = address.association_id = None
        backend.enis.pop(zone.interface.id, None)
        zone.subnet.del_subnet_ip(zone.interface.private_ip_address)
        balancer.subnets = [left.subnet for left in balancer.zones.values()]

    def _check_port_is_free(self, balancer: NetworkLoadBalancer, port: Any) -> None:
        if any(str(listener.port) == str(port) for listener in balancer.listeners.values()):
            raise DuplicateListenerError(
                f"A listener already exists on this port for this load balancer '{balancer.arn}'"
            )

    def _check_forwarding(self, balancer: NetworkLoadBalancer, protocol: str, actions: list[dict[str, Any]]) -> None:
        for action in actions:
            for arn in self._get_target_group_arns_from(action):
                group = self.target_groups.get(arn)
                if group is None:
                    continue  # moto refuses it
                if group.vpc_id != balancer.vpc_id:
                    raise InvalidConfigurationRequest(
                        f"The target group '{arn}' is in a different VPC than the load balancer '{balancer.arn}'"
                    )
                if group.protocol not in TARGET_PROTOCOLS.get(protocol, ()):
                    raise ELBClientError(
                        "IncompatibleProtocols",
                        f"The target group protocol '{group.protocol}' isn't compatible with the listener protocol "
                        f"'{protocol}'",
                    )
                check_zonal_shift(balancer.attrs, [group.attributes])
                others = [used_by for used_by in group.load_balancer_arns if used_by != balancer.arn]
                if others:
                    raise ELBClientError(
                        "TargetGroupAssociationLimit",
                        f"The following target groups cannot be associated with more than one load balancer: {arn}",
                    )

    def _relate_target_groups(self) -> None:
        # moto only ever adds to these lists.
        for group in self.target_groups.values():
            group.load_balancer_arns = [
                balancer.arn
                for balancer in self.load_balancers.values()
                if any(
                    group.arn in self._get_target_group_arns_from(action.data)
                    for listener in balancer.listeners.values()
                    for rule in listener.rules.values()
                    for action in rule.actions
                )
            ]


def check_zonal_shift(balancer: Mapping[str, str], targets: Iterable[Mapping[str, Any]]) -> None:
    """Refuse zonal shift beside cross-zone balancing with targets that end connections ("Enable zonal shift")."""
    if balancer["zonal_shift.config.enabled"] != "true" or balancer["load_balancing.cross_zone.enabled"] != "true":
        return
    for attributes in targets:
        ends = attributes.get("target_health_state.unhealthy.connection_termination.enabled") == "true"
        if ends or attributes.get("load_balancing.cross_zone.enabled") == "false":
            raise InvalidConfigurationRequest(
                "Zonal shift can't be enabled on a load balancer with cross-zone load balancing while a target group "
                "of it ends connections to unhealthy targets or is without cross-zone load balancing"
            )


def _check_name(name: str) -> None:
    if len(name) > NAME_LENGTH:
        raise ValidationError(f"The load balancer name '{name}' cannot be longer than '{NAME_LENGTH}' characters")
    if not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise ValidationError(
            f"The load balancer name '{name}' can only contain characters that are alphanumeric characters "
            "and hyphens(-)"
        )
    if name.startswith("-") or name.endswith("-"):
        raise ValidationError(f"The load balancer name '{name}' cannot begin or end with a hyphen(-)")
    if name.startswith("internal-"):
        raise ValidationError(f"The load balancer name '{name}' cannot begin with 'internal-'")


def _mappings_of(subnet_ids: list[str], subnet_mappings: list[dict[str, str]] | None) -> dict[str, str | None]:
    """Return the allocation of the address (or None) by subnet."""
    if subnet_ids and subnet_mappings:
        raise ValidationError("You can specify either subnets or subnet mappings, but not both")
    if subnet_ids:
        return dict.fromkeys(subnet_ids)
    return {mapping["SubnetId"]: mapping.get("AllocationId") for mapping in subnet_mappings or []}
