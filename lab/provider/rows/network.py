"""Rows of a VPC's parts: VPC, gateway, subnets, routes, endpoints, flow logs, addresses.

What replaces is from hashicorp/terraform-provider-aws, internal/service/ec2 (ForceNew, CustomizeDiff), the file named
at each row. Left out: IPv6, IPAM, Outposts, inline routes (a route table's routes are resources of their own here).
"""

from __future__ import annotations

import zlib
from typing import Any

from botocore.exceptions import ClientError

from lab.provider.errors import ProviderError
from lab.provider.forms import TAGS, SetOf, capital
from lab.provider.forms import Policy as PolicyDocument
from lab.provider.lifecycle import described
from lab.provider.model import NOT_SENT, Call, Look, Property, Resource, Update, Waiting
from lab.provider.rows import tagging
from lab.provider.work import Work, code_of

_ARN = "arn:{partition}:ec2:{region}:{account}:"
_DEPENDENCY_PATIENCE_SECONDS = 1200.0


def _attribute(parameter: str, **facts: Any) -> Property:
    return Property(sends=f"{parameter}.Value", reads=parameter, **facts)


VPC = Resource(  # vpc_.go
    type="aws:ec2/vpc:Vpc",
    label="EC2 VPC",
    service="ec2",
    properties={
        "cidrBlock": Property(replaces=True, computed=True),
        "instanceTenancy": Property(default="default", replaces=True, allowed=("default", "dedicated")),
        "enableDnsSupport": _attribute("EnableDnsSupport", default=True),
        "enableDnsHostnames": _attribute("EnableDnsHostnames", computed=True),
        "enableNetworkAddressUsageMetrics": _attribute("EnableNetworkAddressUsageMetrics", computed=True),
    },
    create=(Call(operation="create_vpc", id="Vpc.VpcId"),),
    waits=Waiting(path="State", until=("available",)),
    updates=tuple(
        Update(
            on=(name,),
            do=Call(operation="modify_vpc_attribute", parameters={"VpcId": "{id}"}, sends=(name,)),
            after_create=True,
        )
        for name in ("enableDnsSupport", "enableDnsHostnames", "enableNetworkAddressUsageMetrics")
    ),
    reads=(
        Look(operation="describe_vpcs", parameters={"VpcIds": ["{id}"]}, result="Vpcs[0]"),
        *(
            Look(
                operation="describe_vpc_attribute",
                parameters={"VpcId": "{id}", "Attribute": f"{name[:1].lower()}{name[1:]}"},
                result=f"{{{name}: {name}.Value}}",
            )
            for name in ("EnableDnsSupport", "EnableDnsHostnames", "EnableNetworkAddressUsageMetrics")
        ),
        Look(
            operation="describe_route_tables",
            parameters={
                "Filters": [
                    {"Name": "vpc-id", "Values": ["{id}"]},
                    {"Name": "association.main", "Values": ["true"]},
                ]
            },
            result="{RouteTableId: RouteTables[0].RouteTableId}",
        ),
        Look(
            operation="describe_security_groups",
            parameters={
                "Filters": [
                    {"Name": "vpc-id", "Values": ["{id}"]},
                    {"Name": "group-name", "Values": ["default"]},
                ]
            },
            result="{GroupId: SecurityGroups[0].GroupId}",
        ),
        Look(
            operation="describe_network_acls",
            parameters={
                "Filters": [{"Name": "vpc-id", "Values": ["{id}"]}, {"Name": "default", "Values": ["true"]}]
            },
            result="{NetworkAclId: NetworkAcls[0].NetworkAclId}",
        ),
    ),
    delete=(
        Call(
            operation="delete_vpc",
            parameters={"VpcId": "{id}"},
            retries=("DependencyViolation",),
            patience_seconds=300,
        ),
    ),
    computed={
        "arn": _ARN + "vpc/{id}",
        "ownerId": "OwnerId",
        "dhcpOptionsId": "DhcpOptionsId",
        "defaultRouteTableId": "RouteTableId",
        "mainRouteTableId": "RouteTableId",
        "defaultSecurityGroupId": "GroupId",
        "defaultNetworkAclId": "NetworkAclId",
    },
    tags=tagging.ec2("vpc"),
    gone=("InvalidVpcID.NotFound",),
    unimplemented=(
        "assignGeneratedIpv6CidrBlock", "ipv4IpamPoolId", "ipv4NetmaskLength", "ipv6CidrBlock",
        "ipv6CidrBlockNetworkBorderGroup", "ipv6IpamPoolId", "ipv6NetmaskLength",
    ),
)  # fmt: skip


def _move_gateway(work: Work) -> None:
    if earlier := work.state.get("vpcId"):
        work.call("detach_internet_gateway", InternetGatewayId=work.id, VpcId=earlier)
    if wanted := work.inputs.get("vpcId"):
        work.call("attach_internet_gateway", InternetGatewayId=work.id, VpcId=wanted)


def _detach_gateway(work: Work) -> None:
    if not (vpc_id := work.state.get("vpcId")):
        return
    refusals: list[ClientError] = []

    def detached() -> bool:
        try:
            work.call("detach_internet_gateway", InternetGatewayId=work.id, VpcId=vpc_id)
        except ClientError as error:
            if code_of(error) == "Gateway.NotAttached":
                return True
            if code_of(error) != "DependencyViolation":
                raise
            refusals.append(error)
            return False
        return True

    try:
        work.until(detached, "the gateway to be detached", _DEPENDENCY_PATIENCE_SECONDS)
    except ProviderError:
        raise (work.failure(refusals[-1]) if refusals else ProviderError(work.describe_doing())) from None


INTERNET_GATEWAY = Resource(  # vpc_internet_gateway.go
    type="aws:ec2/internetGateway:InternetGateway",
    label="EC2 Internet Gateway",
    service="ec2",
    properties={"vpcId": Property(reads="Attachments[0].VpcId", computed=True)},
    create=(Call(operation="create_internet_gateway", id="InternetGateway.InternetGatewayId"),),
    updates=(Update(on=("vpcId",), do=_move_gateway, after_create=True),),
    reads=(
        Look(
            operation="describe_internet_gateways",
            parameters={"InternetGatewayIds": ["{id}"]},
            result="InternetGateways[0]",
        ),
    ),
    delete=(
        _detach_gateway,
        Call(
            operation="delete_internet_gateway",
            parameters={"InternetGatewayId": "{id}"},
            retries=("DependencyViolation",),
            patience_seconds=_DEPENDENCY_PATIENCE_SECONDS,
        ),
    ),
    computed={"arn": _ARN + "internet-gateway/{id}", "ownerId": "OwnerId"},
    tags=tagging.ec2("internet-gateway"),
    gone=("InvalidInternetGatewayID.NotFound",),
)

SUBNET = Resource(  # vpc_subnet.go
    type="aws:ec2/subnet:Subnet",
    label="EC2 Subnet",
    service="ec2",
    properties={
        "vpcId": Property(replaces=True),
        "cidrBlock": Property(replaces=True, computed=True),
        "availabilityZone": Property(replaces=True, computed=True),
        "availabilityZoneId": Property(replaces=True, computed=True),
        "mapPublicIpOnLaunch": _attribute("MapPublicIpOnLaunch", default=False),
    },
    create=(Call(operation="create_subnet", id="Subnet.SubnetId"),),
    waits=Waiting(path="State", until=("available",)),
    updates=(
        Update(
            on=("mapPublicIpOnLaunch",),
            do=Call(
                operation="modify_subnet_attribute",
                parameters={"SubnetId": "{id}"},
                sends=("mapPublicIpOnLaunch",),
            ),
            after_create=True,
        ),
    ),
    reads=(Look(operation="describe_subnets", parameters={"SubnetIds": ["{id}"]}, result="Subnets[0]"),),
    delete=(
        Call(
            operation="delete_subnet",
            parameters={"SubnetId": "{id}"},
            # Interfaces of load balancers and endpoints go some time after their owners.
            retries=("DependencyViolation",),
            patience_seconds=_DEPENDENCY_PATIENCE_SECONDS,
        ),
    ),
    computed={"arn": _ARN + "subnet/{id}", "ownerId": "OwnerId"},
    tags=tagging.ec2("subnet"),
    gone=("InvalidSubnetID.NotFound",),
    conflicts=(("availabilityZone", "availabilityZoneId"),),
    unimplemented=(
        "assignIpv6AddressOnCreation", "customerOwnedIpv4Pool", "enableDns64", "enableLniAtDeviceIndex",
        "enableResourceNameDnsARecordOnLaunch", "enableResourceNameDnsAaaaRecordOnLaunch", "ipv4IpamPoolId",
        "ipv4NetmaskLength", "ipv6CidrBlock", "ipv6IpamPoolId", "ipv6Native", "ipv6NetmaskLength",
        "mapCustomerOwnedIpOnLaunch", "outpostArn", "privateDnsHostnameTypeOnLaunch",
    ),
)  # fmt: skip


def _disassociate_all(work: Work) -> None:
    tables = work.call("describe_route_tables", RouteTableIds=[work.id])["RouteTables"]
    for association in tables[0].get("Associations", []) if tables else []:
        if not association.get("Main"):
            work.call("disassociate_route_table", AssociationId=association["RouteTableAssociationId"])


_ROUTES = (
    # Those of gateway endpoints are the endpoints' (vpc_route_table.go, flattenRoutes).
    "Routes[?Origin=='CreateRoute' && !starts_with(not_null(GatewayId, ''), 'vpce-')]"
    ".{cidrBlock: DestinationCidrBlock, destinationPrefixListId: DestinationPrefixListId,"
    " gatewayId: GatewayId, natGatewayId: NatGatewayId, networkInterfaceId: NetworkInterfaceId,"
    " transitGatewayId: TransitGatewayId, vpcPeeringConnectionId: VpcPeeringConnectionId}"
)

ROUTE_TABLE = Resource(  # vpc_route_table.go
    type="aws:ec2/routeTable:RouteTable",
    label="EC2 Route Table",
    service="ec2",
    properties={"vpcId": Property(replaces=True)},
    create=(Call(operation="create_route_table", id="RouteTable.RouteTableId"),),
    reads=(Look(operation="describe_route_tables", parameters={"RouteTableIds": ["{id}"]}, result="RouteTables[0]"),),
    delete=(_disassociate_all, Call(operation="delete_route_table", parameters={"RouteTableId": "{id}"})),
    computed={"arn": _ARN + "route-table/{id}", "ownerId": "OwnerId", "routes": _ROUTES},
    tags=tagging.ec2("route-table"),
    gone=("InvalidRouteTableID.NotFound",),
    # Routes inside a table and routes beside it undo each other; the lab knows the latter.
    unimplemented=("routes", "propagatingVgws"),
)

_ITS_TABLE = Look(
    operation="describe_route_tables", parameters={"RouteTableIds": ["{routeTableId}"]}, result="RouteTables[0]"
)
_DESTINATIONS = ("destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId")
_TARGETS = {
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
}


def _route_parameters(work: Work) -> dict[str, Any]:
    parameters = {"RouteTableId": work.inputs["routeTableId"]}
    parameters |= {capital(name): work.inputs[name] for name in _DESTINATIONS if work.inputs.get(name)}
    return parameters | {target: work.inputs[name] for name, target in _TARGETS.items() if work.inputs.get(name)}


def _create_route(work: Work) -> None:
    work.call("create_route", **_route_parameters(work))
    destination = next(str(work.inputs[name]) for name in _DESTINATIONS if work.inputs.get(name))
    # The real provider's own id of a route (create.StringHashcode in vpc_route.go).
    work.id = f"r-{work.inputs['routeTableId']}{zlib.crc32(destination.encode())}"


def _replace_route(work: Work) -> None:
    work.call("replace_route", **_route_parameters(work))


def _find_route(work: Work, description: dict[str, Any]) -> dict[str, Any] | None:
    for route in description.get("Routes", []):
        wanted = {capital(name): work.value(name) for name in _DESTINATIONS if work.value(name)}
        if wanted and all(route.get(name) == value for name, value in wanted.items()):
            if str(route.get("GatewayId", "")).startswith("vpce-"):
                return {**route, "VpcEndpointId": route["GatewayId"], "GatewayId": None, **_table(description)}
            return {**route, **_table(description)}
    return None


def _table(description: dict[str, Any]) -> dict[str, Any]:
    return {"RouteTableId": description["RouteTableId"]}


def _delete_route(work: Work) -> None:
    destination = {capital(name): work.state[name] for name in _DESTINATIONS if work.state.get(name)}
    work.call("delete_route", RouteTableId=work.state["routeTableId"], **destination)


ROUTE = Resource(  # vpc_route.go
    type="aws:ec2/route:Route",
    label="EC2 Route",
    service="ec2",
    properties={
        "routeTableId": Property(replaces=True),
        **{name: Property(replaces=True) for name in _DESTINATIONS},
        **{name: Property(sends=target, computed=name == "networkInterfaceId") for name, target in _TARGETS.items()},
    },
    create=(_create_route,),
    updates=(Update(on=tuple(_TARGETS), do=_replace_route),),
    reads=(_ITS_TABLE,),
    describe=_find_route,
    delete=(_delete_route,),
    computed={"state": "State", "origin": "Origin", "instanceId": "InstanceId", "instanceOwnerId": "InstanceOwnerId"},
    gone=("InvalidRouteTableID.NotFound", "InvalidRoute.NotFound"),
    one_of=(_DESTINATIONS, tuple(_TARGETS)),
    unimplemented=("carrierGatewayId", "coreNetworkArn", "localGatewayId", "odbNetworkArn"),
)


def _find_association(work: Work, description: dict[str, Any]) -> dict[str, Any] | None:
    # A replaced association has a new id, which an update can't hand to the engine: it is known by its subnet too.
    for association in description.get("Associations", []):
        if association["RouteTableAssociationId"] == work.id or (
            work.value("subnetId") and association.get("SubnetId") == work.value("subnetId")
        ):
            return dict(association)
    return None


def _association_id(work: Work) -> str:
    found = described(work)
    return str(found["RouteTableAssociationId"]) if found else work.id


def _reassociate(work: Work) -> None:
    # The description is looked for in the table that it is still in.
    target = work.inputs["routeTableId"]
    work.inputs = {**work.inputs, "routeTableId": work.state["routeTableId"]}
    association = _association_id(work)
    work.inputs = {**work.inputs, "routeTableId": target}
    work.call("replace_route_table_association", AssociationId=association, RouteTableId=target)


def _disassociate(work: Work) -> None:
    if described(work) is not None:
        work.call("disassociate_route_table", AssociationId=_association_id(work))


ROUTE_TABLE_ASSOCIATION = Resource(  # vpc_route_table_association.go
    type="aws:ec2/routeTableAssociation:RouteTableAssociation",
    label="EC2 Route Table Association",
    service="ec2",
    properties={
        "subnetId": Property(replaces=True),
        "gatewayId": Property(replaces=True),
        "routeTableId": Property(),
    },
    create=(Call(operation="associate_route_table", id="AssociationId"),),
    updates=(Update(on=("routeTableId",), do=_reassociate),),
    reads=(_ITS_TABLE,),
    describe=_find_association,
    delete=(_disassociate,),
    gone=("InvalidRouteTableID.NotFound", "InvalidAssociationID.NotFound"),
    one_of=(("subnetId", "gatewayId"),),
)

_MEMBERS = {"routeTableIds": "RouteTableIds", "subnetIds": "SubnetIds", "securityGroupIds": "SecurityGroupIds"}


def _modify_endpoint(work: Work) -> None:
    parameters: dict[str, Any] = {}
    for name, parameter in _MEMBERS.items():
        if name in work.changed:
            wanted, actual = set(work.inputs.get(name) or ()), set(work.state.get(name) or ())
            changes = {f"Add{parameter}": sorted(wanted - actual), f"Remove{parameter}": sorted(actual - wanted)}
            parameters |= {change: ids for change, ids in changes.items() if ids}
    if "policy" in work.changed:
        policy = work.inputs.get("policy")
        parameters |= {"PolicyDocument": policy} if policy else {"ResetPolicy": True}
    if "privateDnsEnabled" in work.changed:
        parameters["PrivateDnsEnabled"] = bool(work.inputs.get("privateDnsEnabled"))
    if "ipAddressType" in work.changed:
        parameters["IpAddressType"] = work.inputs["ipAddressType"]
    work.call("modify_vpc_endpoint", VpcEndpointId=work.id, **parameters)


def _delete_endpoint(work: Work) -> None:
    failed = work.call("delete_vpc_endpoints", VpcEndpointIds=[work.id]).get("Unsuccessful") or []
    for item in failed:
        error = item.get("Error", {})
        if not str(error.get("Code", "")).endswith("NotFound"):
            raise ProviderError(f"{work.describe_doing()}: {error.get('Code')}: {error.get('Message')}")
    work.until(lambda: _endpoint_is_gone(work), "the endpoint to be deleted", 600)


def _endpoint_is_gone(work: Work) -> bool:
    found = described(work)
    return found is None or str(found.get("State", "")).lower() == "deleted"


def _living_endpoint(_work: Work, description: dict[str, Any]) -> dict[str, Any] | None:
    return None if str(description.get("State", "")).lower() == "deleted" else description


VPC_ENDPOINT = Resource(  # vpc_endpoint.go
    type="aws:ec2/vpcEndpoint:VpcEndpoint",
    label="EC2 VPC Endpoint",
    service="ec2",
    properties={
        "vpcId": Property(replaces=True),
        "serviceName": Property(replaces=True),
        "vpcEndpointType": Property(
            default="Gateway", replaces=True, allowed=("Gateway", "Interface", "GatewayLoadBalancer")
        ),
        "policy": Property(sends="PolicyDocument", form=PolicyDocument(), computed=True),
        "privateDnsEnabled": Property(computed=True),
        "routeTableIds": Property(form=SetOf(), computed=True),
        "subnetIds": Property(form=SetOf(), computed=True),
        "securityGroupIds": Property(reads="Groups[].GroupId", form=SetOf(), computed=True),
        "ipAddressType": Property(computed=True),
    },
    create=(Call(operation="create_vpc_endpoint", id="VpcEndpoint.VpcEndpointId"),),
    waits=Waiting(path="State", until=("available", "Available"), fails=("failed", "rejected", "expired")),
    updates=(Update(on=("policy", "privateDnsEnabled", "ipAddressType", *_MEMBERS), do=_modify_endpoint),),
    reads=(
        Look(
            operation="describe_vpc_endpoints", parameters={"VpcEndpointIds": ["{id}"]}, result="VpcEndpoints[0]"
        ),
        Look(
            operation="describe_prefix_lists",
            parameters={"Filters": [{"Name": "prefix-list-name", "Values": ["{serviceName}"]}]},
            result="PrefixLists[0].{PrefixListId: PrefixListId, Cidrs: Cidrs}",
        ),
    ),
    describe=_living_endpoint,
    delete=(_delete_endpoint,),
    computed={
        "arn": _ARN + "vpc-endpoint/{id}",
        "cidrBlocks": "Cidrs",
        "dnsEntries": "DnsEntries[].{dnsName: DnsName, hostedZoneId: HostedZoneId}",
        "networkInterfaceIds": "NetworkInterfaceIds",
        "ownerId": "OwnerId",
        "prefixListId": "PrefixListId",
        "requesterManaged": "RequesterManaged",
        "state": "State",
    },
    tags=tagging.ec2("vpc-endpoint"),
    gone=("InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound"),
    unimplemented=(
        "autoAccept", "dnsOptions", "resourceConfigurationArn", "serviceNetworkArn", "serviceRegion",
        "subnetConfigurations",
    ),
)  # fmt: skip


def _create_flow_log(work: Work) -> None:
    source = next(name for name in ("vpcId", "subnetId", "eniId") if work.inputs.get(name))
    kinds = {"vpcId": "VPC", "subnetId": "Subnet", "eniId": "NetworkInterface"}
    parameters = {
        "ResourceIds": [work.inputs[source]],
        "ResourceType": kinds[source],
        "TrafficType": work.inputs.get("trafficType"),
        "LogDestinationType": work.inputs["logDestinationType"],
        "LogDestination": work.inputs.get("logDestination"),
        "DeliverLogsPermissionArn": work.inputs.get("iamRoleArn"),
        "LogFormat": work.inputs.get("logFormat"),
        "MaxAggregationInterval": work.inputs["maxAggregationInterval"],
    }
    tags = work.inputs.get("tagsAll") or {}
    if tags:
        parameters["TagSpecifications"] = [{"ResourceType": "vpc-flow-log", "Tags": TAGS.send(tags)}]
    answer = work.call("create_flow_logs", **{key: value for key, value in parameters.items() if value is not None})
    for failed in answer.get("Unsuccessful") or []:
        error = failed.get("Error", {})
        raise ProviderError(f"{work.describe_doing()}: {error.get('Code')}: {error.get('Message')}")
    work.id = answer["FlowLogIds"][0]


def _flow_log_source(_work: Work, description: dict[str, Any]) -> dict[str, Any]:
    prefixes = {"vpc-": "VpcId", "subnet-": "SubnetId", "eni-": "EniId"}
    resource = str(description.get("ResourceId", ""))
    source = {name: resource for prefix, name in prefixes.items() if resource.startswith(prefix)}
    return {**description, **source}


FLOW_LOG = Resource(  # vpc_flow_log.go: everything but tags is ForceNew
    type="aws:ec2/flowLog:FlowLog",
    label="EC2 Flow Log",
    service="ec2",
    properties={
        "vpcId": Property(replaces=True),
        "subnetId": Property(replaces=True),
        "eniId": Property(replaces=True),
        "trafficType": Property(replaces=True, allowed=("ACCEPT", "REJECT", "ALL")),
        "logDestinationType": Property(
            default="cloud-watch-logs", replaces=True, allowed=("cloud-watch-logs", "s3", "kinesis-data-firehose")
        ),
        "logDestination": Property(replaces=True, computed=True),
        "iamRoleArn": Property(sends="DeliverLogsPermissionArn", replaces=True),
        "logFormat": Property(replaces=True, computed=True),
        "maxAggregationInterval": Property(default=600, replaces=True),
    },
    create=(_create_flow_log,),
    reads=(Look(operation="describe_flow_logs", parameters={"FlowLogIds": ["{id}"]}, result="FlowLogs[0]"),),
    describe=_flow_log_source,
    delete=(Call(operation="delete_flow_logs", parameters={"FlowLogIds": ["{id}"]}),),
    computed={"arn": _ARN + "vpc-flow-log/{id}"},
    tags=tagging.ec2("vpc-flow-log"),
    gone=("InvalidFlowLogId.NotFound",),
    one_of=(("vpcId", "subnetId", "eniId"),),
    unimplemented=(
        "deliverCrossAccountRole", "destinationOptions", "regionalNatGatewayId", "tagFieldSpecifications",
        "transitGatewayAttachmentId", "transitGatewayId",
    ),
)  # fmt: skip


def _disassociate_address(work: Work) -> None:
    if association := work.state.get("associationId"):
        try:
            work.call("disassociate_address", AssociationId=association)
        except ClientError as error:
            if code_of(error) != "InvalidAssociationID.NotFound":
                raise


EIP = Resource(  # ec2_eip.go
    type="aws:ec2/eip:Eip",
    label="EC2 EIP",
    service="ec2",
    properties={
        "domain": Property(replaces=True, computed=True, allowed=("vpc", "standard")),
        "address": Property(reads=NOT_SENT, replaces=True),
        "publicIpv4Pool": Property(replaces=True, computed=True),
        "networkBorderGroup": Property(replaces=True, computed=True),
    },
    create=(Call(operation="allocate_address", parameters={"Domain": "vpc"}, id="AllocationId"),),
    reads=(Look(operation="describe_addresses", parameters={"AllocationIds": ["{id}"]}, result="Addresses[0]"),),
    delete=(_disassociate_address, Call(operation="release_address", parameters={"AllocationId": "{id}"})),
    computed={
        "allocationId": "AllocationId",
        "arn": _ARN + "elastic-ip/{id}",
        "associationId": "AssociationId",
        "carrierIp": "CarrierIp",
        "customerOwnedIp": "CustomerOwnedIp",
        "privateIp": "PrivateIpAddress",
        "publicIp": "PublicIp",
        "publicDns": "PublicDns",
        "instance": "InstanceId",
        "networkInterface": "NetworkInterfaceId",
    },
    tags=tagging.ec2("elastic-ip"),
    gone=("InvalidAllocationID.NotFound",),
    unimplemented=("associateWithPrivateIp", "customerOwnedIpv4Pool", "instance", "ipamPoolId", "networkInterface"),
)

ROWS = (
    VPC,
    INTERNET_GATEWAY,
    SUBNET,
    ROUTE_TABLE,
    ROUTE,
    ROUTE_TABLE_ASSOCIATION,
    VPC_ENDPOINT,
    FLOW_LOG,
    EIP,
)
