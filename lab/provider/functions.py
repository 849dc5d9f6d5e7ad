"""Functions of the provider: what the program looks up rather than creates.

Each is a row: how its arguments become a call, and how the answer becomes the result. Where exactly one thing must fit,
the refusal is in the real provider's words. Left out: functions and arguments that the program doesn't use; they are
refused by name.

Source: hashicorp/terraform-provider-aws, internal/service/{ec2,route53,sts,meta} (data sources).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lab.provider import schema
from lab.provider.connection import Connection
from lab.provider.errors import ProviderError
from lab.provider.forms import capital
from lab.provider.lifecycle import search
from lab.provider.schema import Problem
from lab.provider.work import said

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
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
    what = function.token.rsplit(":", 1)[-1]
    try:
        result = function.run(connection, arguments)
    except (BotoCoreError, ClientError) as error:
        raise ProviderError(f"{what}: {said(error)}") from None
    outputs = schema.inputs_of("functions", function.token)["outputs"]
    given = {name: value for name, value in arguments.items() if name in outputs}
    region = {"region": arguments.get("region") or connection.region} if "region" in outputs else {}
    return {name: value for name, value in {**given, **region, **result}.items() if value is not None}


def _ec2(connection: Connection, arguments: Arguments) -> Any:
    return connection.client("ec2", arguments.get("region"))


def _tags(described: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags") or () if not tag["Key"].startswith("aws:")}


def _images(connection: Connection, arguments: Arguments) -> list[Mapping[str, Any]]:
    filters = [{"Name": given["name"], "Values": given["values"]} for given in arguments.get("filters") or ()]
    images: list[Mapping[str, Any]] = _ec2(connection, arguments).describe_images(
        Owners=arguments.get("owners") or [],
        Filters=filters,
        IncludeDeprecated=bool(arguments.get("includeDeprecated")),
    )["Images"]
    return images


def _get_ami_ids(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    """Return all of them, the newest first, and none of none (ami_ids_data_source.go)."""
    images = sorted(_images(connection, arguments), key=lambda image: str(image.get("CreationDate", "")), reverse=True)
    return {"id": ",".join(image["ImageId"] for image in images), "ids": [image["ImageId"] for image in images]}


def _get_ami(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    images = _images(connection, arguments)
    if not images:
        raise ProviderError("Your query returned no results. Please change your search criteria and try again.")
    if len(images) > 1 and not arguments.get("mostRecent"):
        raise ProviderError(
            "Your query returned more than one result. Please try a more specific search criteria, "
            "or set `mostRecent` to true."
        )
    image = max(images, key=lambda image: str(image.get("CreationDate", "")))
    names = schema.inputs_of("functions", "aws:ec2/getAmi:getAmi")["outputs"]
    region = arguments.get("region") or connection.region
    return {
        **{name: value for name in names if isinstance(value := image.get(capital(name)), str | bool)},
        "id": image["ImageId"],
        "arn": f"arn:{connection.partition}:ec2:{region}::image/{image['ImageId']}",
        "blockDeviceMappings": search(
            "BlockDeviceMappings[].{deviceName: DeviceName, noDevice: NoDevice, virtualName: VirtualName}", image
        ),
        "tags": _tags(image),
    }


def _get_zone(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    client = connection.client("route53")
    name = str(arguments.get("name") or "").rstrip(".").lower()
    if not name:
        raise ProviderError("one of `name,zoneId` must be specified")
    zones = [
        zone
        for page in client.get_paginator("list_hosted_zones").paginate()
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


def _get_elastic_ip(connection: Connection, arguments: Arguments) -> dict[str, Any]:
    if not arguments.get("id"):
        raise ProviderError("the lab's stand-in looks an address up by its `id`")
    # An unknown one is AWS's error.
    address = _ec2(connection, arguments).describe_addresses(AllocationIds=[arguments["id"]])["Addresses"][0]
    region = arguments.get("region") or connection.region
    return {
        "arn": f"arn:{connection.partition}:ec2:{region}:{connection.account}:elastic-ip/{address['AllocationId']}",
        "associationId": address.get("AssociationId", ""),
        "domain": address.get("Domain"),
        "id": address["AllocationId"],
        "instanceId": address.get("InstanceId", ""),
        "networkInterfaceId": address.get("NetworkInterfaceId", ""),
        "networkInterfaceOwnerId": address.get("NetworkInterfaceOwnerId", ""),
        "privateIp": address.get("PrivateIpAddress", ""),
        "publicIp": address["PublicIp"],
        "publicIpv4Pool": address.get("PublicIpv4Pool"),
        "tags": _tags(address),
    }


FUNCTIONS: Mapping[str, Function] = {
    function.token: function
    for function in (
        Function("aws:ec2/getAmi:getAmi", _get_ami, ("owners", "filters", "mostRecent", "includeDeprecated")),
        Function("aws:ec2/getAmiIds:getAmiIds", _get_ami_ids, ("owners", "filters", "includeDeprecated")),
        Function("aws:route53/getZone:getZone", _get_zone, ("name", "privateZone")),
        Function("aws:index/getCallerIdentity:getCallerIdentity", _get_caller_identity),
        Function("aws:index/getPartition:getPartition", _get_partition),
        Function("aws:ec2/getElasticIp:getElasticIp", _get_elastic_ip, ("id",)),
    )
}
"""By Pulumi's function token."""
