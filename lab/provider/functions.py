"""Functions of the provider: what a program looks up rather than creates.

Each is a row: how its arguments become a call, and how the answer becomes the result. One that must find exactly one
thing says so in the real provider's words. Left out: arguments that no program here uses; they are refused by name.

Source: hashicorp/terraform-provider-aws, internal/service/{ec2,route53,sts,meta} (data sources).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.provider import schema
from lab.provider.connection import Connection
from lab.provider.errors import ProviderError
from lab.provider.lifecycle import search
from lab.provider.schema import Problem

Arguments = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Function:
    """A row: `run` gets the checked arguments and returns the result; `implements` are the arguments it knows."""

    token: str
    run: Callable[[Connection, Arguments], dict[str, Any]]
    implements: tuple[str, ...] = ()


def check(function: Function, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return a call's arguments in their types, and what is wrong with them."""
    coerced, problems = schema.coerced(schema.inputs_of("functions", function.token), arguments)
    problems += [
        Problem(name, f"the lab's stand-in doesn't implement {name} of {function.token}")
        for name in coerced
        if name not in (*function.implements, "region") and not any(problem.path == name for problem in problems)
    ]
    return coerced, problems


def invoke(function: Function, connection: Connection, arguments: Arguments) -> dict[str, Any]:
    """Run a function. Raises ProviderError with AWS's words, or if nothing or too much was found."""
    from botocore.exceptions import BotoCoreError, ClientError

    what = function.token.rsplit(":", 1)[-1]
    try:
        result = function.run(connection, arguments)
    except ClientError as error:
        details = error.response.get("Error", {})
        raise ProviderError(f"{what}: {details.get('Code')}: {details.get('Message')}") from None
    except BotoCoreError as error:
        raise ProviderError(f"{what}: {error}") from None
    known = schema.inputs_of("functions", function.token)
    given = {name: value for name, value in arguments.items() if name in known["outputs"]}
    region = {"region": arguments.get("region") or connection.region} if "region" in known["outputs"] else {}
    return {name: value for name, value in {**given, **region, **result}.items() if value is not None}


def _ec2(connection: Connection, arguments: Arguments) -> Any:
    return connection.client("ec2", arguments.get("region"))


def _filters(arguments: Arguments, **further: str | None) -> list[dict[str, Any]]:
    given = [{"Name": one["name"], "Values": one["values"]} for one in arguments.get("filters") or ()]
    given += [{"Name": f"tag:{key}", "Values": [value]} for key, value in (arguments.get("tags") or {}).items()]
    return given + [
        {"Name": name.replace("_", "-"), "Values": [value]} for name, value in further.items() if value is not None
    ]


def _tags(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags") or () if not tag["Key"].startswith("aws:")}


def _one(
    found: list[dict[str, Any]],
    what: str,
    several: str = "multiple {what}s matched; use additional constraints to reduce matches to a single {what}",
) -> dict[str, Any]:
    if not found:
        raise ProviderError(f"no matching {what} found")
    if len(found) > 1:
        raise ProviderError(several.format(what=what))
    return found[0]


def _get_ami(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if filters := _filters(arguments):
        parameters["Filters"] = filters
    if owners := arguments.get("owners"):
        parameters["Owners"] = owners
    if users := arguments.get("executableUsers"):
        parameters["ExecutableUsers"] = users
    images = _ec2(connection, arguments).describe_images(**parameters)["Images"]
    if pattern := arguments.get("nameRegex"):
        images = [image for image in images if re.search(pattern, image.get("Name", ""))]
    if not images:
        raise ProviderError("Your query returned no results. Please change your search criteria and try again.")
    if len(images) > 1 and not arguments.get("mostRecent"):
        raise ProviderError(
            "Your query returned more than one result. Please try a more specific search criteria, "
            "or set `mostRecent` to true."
        )
    image = max(images, key=lambda one: str(one.get("CreationDate", "")))
    names = {
        "architecture": "Architecture", "bootMode": "BootMode", "creationDate": "CreationDate",
        "deprecationTime": "DeprecationTime", "description": "Description", "enaSupport": "EnaSupport",
        "hypervisor": "Hypervisor", "id": "ImageId", "imageId": "ImageId", "imageLocation": "ImageLocation",
        "imageOwnerAlias": "ImageOwnerAlias", "imageType": "ImageType", "imdsSupport": "ImdsSupport",
        "kernelId": "KernelId", "name": "Name", "ownerId": "OwnerId", "platform": "Platform",
        "platformDetails": "PlatformDetails", "public": "Public", "ramdiskId": "RamdiskId",
        "rootDeviceName": "RootDeviceName", "rootDeviceType": "RootDeviceType", "sriovNetSupport": "SriovNetSupport",
        "state": "State", "tpmSupport": "TpmSupport", "usageOperation": "UsageOperation",
        "virtualizationType": "VirtualizationType",
    }  # fmt: skip
    region = arguments.get("region") or connection.region
    snapshot = search("BlockDeviceMappings[?DeviceName==RootDeviceName].Ebs.SnapshotId | [0]", image)
    return {
        **{name: image.get(aws) for name, aws in names.items()},
        "arn": f"arn:{connection.partition}:ec2:{region}::image/{image['ImageId']}",
        "blockDeviceMappings": search(
            "BlockDeviceMappings[].{deviceName: DeviceName, noDevice: NoDevice, virtualName: VirtualName}", image
        ),
        "rootSnapshotId": snapshot,
        "tags": _tags(image),
    }


def _get_zone(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    client = connection.client("route53")
    if zone_id := arguments.get("zoneId"):
        zones = [client.get_hosted_zone(Id=zone_id)["HostedZone"]]
    else:
        name = str(arguments.get("name") or "").rstrip(".").lower()
        if not name:
            raise ProviderError("one of `name,zoneId` must be specified")
        pages = client.get_paginator("list_hosted_zones").paginate()
        zones = [
            zone
            for page in pages
            for zone in page["HostedZones"]
            if zone["Name"].rstrip(".").lower() == name
            and bool(zone.get("Config", {}).get("PrivateZone")) == bool(arguments.get("privateZone"))
        ]
    if not zones:
        raise ProviderError("no matching Route 53 Hosted Zone found")
    if len(zones) > 1:
        raise ProviderError("multiple Route 53 Hosted Zones matched")
    zone = zones[0]
    plain_id = zone["Id"].rsplit("/", 1)[-1]
    servers = client.get_hosted_zone(Id=plain_id).get("DelegationSet", {}).get("NameServers", [])
    config = zone.get("Config", {})
    return {
        "arn": f"arn:{connection.partition}:route53:::hostedzone/{plain_id}",
        "callerReference": zone.get("CallerReference"),
        "comment": config.get("Comment", ""),
        "id": plain_id,
        "name": zone["Name"].rstrip("."),
        "nameServers": sorted(servers),
        "primaryNameServer": servers[0] if servers else "",
        "privateZone": bool(config.get("PrivateZone")),
        "resourceRecordSetCount": zone.get("ResourceRecordSetCount"),
        "tags": _tags(
            client.list_tags_for_resource(ResourceType="hostedzone", ResourceId=plain_id).get("ResourceTagSet", {})
        ),
        "zoneId": plain_id,
    }


def _get_caller_identity(connection: Connection, _arguments: Arguments) -> dict[str, Any]:
    identity = connection.client("sts").get_caller_identity()
    return {
        "accountId": identity["Account"],
        "arn": identity["Arn"],
        "id": identity["Account"],
        "userId": identity["UserId"],
    }


def _get_partition(connection: Connection, _arguments: Arguments) -> dict[str, Any]:
    suffix = connection.dns_suffix
    return {
        "dnsSuffix": suffix,
        "id": connection.partition,
        "partition": connection.partition,
        "reverseDnsPrefix": ".".join(reversed(suffix.split("."))),
    }


def _get_region(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    region = arguments.get("region") or arguments.get("name") or connection.region
    return {
        "description": _region_description(connection, str(region)),
        "endpoint": f"ec2.{region}.{connection.dns_suffix}",
        "id": region,
        "name": region,
        "region": region,
    }


def _region_description(connection: Connection, region: str) -> str:
    for partition in connection.session._session.get_data("endpoints")["partitions"]:
        if region in partition["regions"]:
            return str(partition["regions"][region]["description"])
    return region


def _get_managed_prefix_list(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    client = _ec2(connection, arguments)
    parameters: dict[str, Any] = {"Filters": _filters(arguments, prefix_list_name=arguments.get("name"))}
    if identifier := arguments.get("id"):
        parameters["PrefixListIds"] = [identifier]
    found = _one(client.describe_managed_prefix_lists(**parameters)["PrefixLists"], "EC2 Managed Prefix List")
    entries = client.get_managed_prefix_list_entries(PrefixListId=found["PrefixListId"])["Entries"]
    return {
        "addressFamily": found.get("AddressFamily"),
        "arn": found.get("PrefixListArn"),
        "entries": search("[].{cidr: Cidr, description: Description || ''}", entries),
        "id": found["PrefixListId"],
        "maxEntries": found.get("MaxEntries"),
        "name": found["PrefixListName"],
        "ownerId": found.get("OwnerId"),
        "tags": _tags(found),
        "version": found.get("Version"),
    }


def _get_prefix_list(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    parameters: dict[str, Any] = {"Filters": _filters(arguments, prefix_list_name=arguments.get("name"))}
    if identifier := arguments.get("prefixListId"):
        parameters["PrefixListIds"] = [identifier]
    found = _one(_ec2(connection, arguments).describe_prefix_lists(**parameters)["PrefixLists"], "EC2 Prefix List")
    return {
        "cidrBlocks": found.get("Cidrs") or [],
        "id": found["PrefixListId"],
        "name": found["PrefixListName"],
    }


def _get_elastic_ip(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if identifier := arguments.get("id"):
        parameters["AllocationIds"] = [identifier]
    if address := arguments.get("publicIp"):
        parameters["PublicIps"] = [address]
    if filters := _filters(arguments):
        parameters["Filters"] = filters
    found = _one(_ec2(connection, arguments).describe_addresses(**parameters)["Addresses"], "EC2 EIP")
    region = arguments.get("region") or connection.region
    return {
        "arn": f"arn:{connection.partition}:ec2:{region}:{connection.account}:elastic-ip/{found['AllocationId']}",
        "associationId": found.get("AssociationId", ""),
        "domain": found.get("Domain"),
        "id": found["AllocationId"],
        "instanceId": found.get("InstanceId", ""),
        "networkInterfaceId": found.get("NetworkInterfaceId", ""),
        "networkInterfaceOwnerId": found.get("NetworkInterfaceOwnerId", ""),
        "privateIp": found.get("PrivateIpAddress", ""),
        "publicIp": found["PublicIp"],
        "publicIpv4Pool": found.get("PublicIpv4Pool"),
        "tags": _tags(found),
    }


def _get_network_interfaces(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    pages = _ec2(connection, arguments).get_paginator("describe_network_interfaces")
    filters = _filters(arguments)
    found = [
        interface["NetworkInterfaceId"]
        for page in pages.paginate(**({"Filters": filters} if filters else {}))
        for interface in page["NetworkInterfaces"]
    ]
    return {"id": arguments.get("region") or connection.region, "ids": found, "tags": arguments.get("tags") or {}}


def _get_network_interface(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if identifier := arguments.get("id"):
        parameters["NetworkInterfaceIds"] = [identifier]
    if filters := _filters(arguments):
        parameters["Filters"] = filters
    found = _one(
        _ec2(connection, arguments).describe_network_interfaces(**parameters)["NetworkInterfaces"],
        "EC2 Network Interface",
    )
    region = arguments.get("region") or connection.region
    identifier = found["NetworkInterfaceId"]
    association = found.get("Association")
    return {
        "arn": f"arn:{connection.partition}:ec2:{region}:{connection.account}:network-interface/{identifier}",
        "associations": [
            search(
                "{allocationId: AllocationId, associationId: AssociationId, ipOwnerId: IpOwnerId,"
                " publicDnsName: PublicDnsName, publicIp: PublicIp}",
                association,
            )
        ]
        if association
        else [],
        "attachments": [
            search(
                "{attachmentId: AttachmentId, deviceIndex: DeviceIndex, instanceId: InstanceId,"
                " instanceOwnerId: InstanceOwnerId}",
                found["Attachment"],
            )
        ]
        if found.get("Attachment")
        else [],
        "availabilityZone": found.get("AvailabilityZone"),
        "description": found.get("Description"),
        "id": identifier,
        "interfaceType": found.get("InterfaceType"),
        "ipv6Addresses": [],
        "macAddress": found.get("MacAddress"),
        "ownerId": found.get("OwnerId"),
        "privateDnsName": found.get("PrivateDnsName"),
        "privateIp": found.get("PrivateIpAddress"),
        "privateIps": search("PrivateIpAddresses[].PrivateIpAddress", found),
        "requesterId": found.get("RequesterId"),
        "securityGroups": search("Groups[].GroupId", found),
        "subnetId": found.get("SubnetId"),
        "tags": {tag["Key"]: tag["Value"] for tag in found.get("TagSet") or ()},
        "vpcId": found.get("VpcId"),
    }


def _get_availability_zones(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    parameters: dict[str, Any] = {"AllAvailabilityZones": bool(arguments.get("allAvailabilityZones"))}
    if filters := _filters(arguments, state=arguments.get("state")):
        parameters["Filters"] = filters
    zones = [
        zone
        for zone in _ec2(connection, arguments).describe_availability_zones(**parameters)["AvailabilityZones"]
        if zone["ZoneName"] not in (arguments.get("excludeNames") or ())
        and zone.get("ZoneId") not in (arguments.get("excludeZoneIds") or ())
    ]
    zones.sort(key=lambda zone: str(zone["ZoneName"]))
    return {
        "groupNames": sorted({zone.get("GroupName") or connection.region for zone in zones}),
        "id": arguments.get("region") or connection.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone.get("ZoneId") for zone in zones],
    }


FUNCTIONS: Mapping[str, Function] = {
    function.token: function
    for function in (
        Function(
            token="aws:ec2/getAmi:getAmi",  # noqa: S106 Pulumi calls a function's name its token
            run=_get_ami,
            implements=("owners", "filters", "mostRecent", "nameRegex", "executableUsers", "tags"),
        ),
        Function(
            token="aws:route53/getZone:getZone",  # noqa: S106
            run=_get_zone,
            implements=("name", "zoneId", "privateZone"),
        ),
        Function(token="aws:index/getCallerIdentity:getCallerIdentity", run=_get_caller_identity),  # noqa: S106
        Function(token="aws:index/getPartition:getPartition", run=_get_partition),  # noqa: S106
        Function(token="aws:index/getRegion:getRegion", run=_get_region, implements=("name",)),  # noqa: S106
        Function(
            token="aws:ec2/getManagedPrefixList:getManagedPrefixList",  # noqa: S106
            run=_get_managed_prefix_list,
            implements=("id", "name", "filters", "tags"),
        ),
        Function(
            token="aws:ec2/getPrefixList:getPrefixList",  # noqa: S106
            run=_get_prefix_list,
            implements=("prefixListId", "name", "filters"),
        ),
        Function(
            token="aws:ec2/getElasticIp:getElasticIp",  # noqa: S106
            run=_get_elastic_ip,
            implements=("id", "publicIp", "filters", "tags"),
        ),
        Function(
            token="aws:ec2/getNetworkInterfaces:getNetworkInterfaces",  # noqa: S106
            run=_get_network_interfaces,
            implements=("filters", "tags"),
        ),
        Function(
            token="aws:ec2/getNetworkInterface:getNetworkInterface",  # noqa: S106
            run=_get_network_interface,
            implements=("id", "filters", "tags"),
        ),
        Function(
            token="aws:index/getAvailabilityZones:getAvailabilityZones",  # noqa: S106
            run=_get_availability_zones,
            implements=("allAvailabilityZones", "excludeNames", "excludeZoneIds", "filters", "state"),
        ),
    )
}
"""By Pulumi's function token."""
