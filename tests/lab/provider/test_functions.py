"""What a program can look up."""

from __future__ import annotations

from typing import Any

import pytest

from lab.provider import functions
from lab.provider.connection import Connection
from lab.provider.errors import ProviderError
from lab.provider.functions import FUNCTIONS
from tests.lab.emulator.conftest import RunningEmulator


def invoke(connection: Connection, token: str, **arguments: Any) -> dict[str, Any]:
    function = FUNCTIONS[f"aws:{token}"]
    coerced, problems = functions.check(function, arguments)
    assert problems == []
    return functions.invoke(function, connection, coerced)


def register(emulator: RunningEmulator, name: str) -> str:
    return str(emulator.client("ec2").register_image(Name=name, RootDeviceName="/dev/xvda")["ImageId"])


def test_an_image_is_found_by_name_and_owner(connection: Connection, emulator: RunningEmulator) -> None:
    wanted, _other = register(emulator, "wanted"), register(emulator, "other")
    found = invoke(connection, "ec2/getAmi:getAmi", owners=["self"], filters=[{"name": "name", "values": ["wanted"]}])
    assert (found["id"], found["name"], found["rootDeviceName"]) == (wanted, "wanted", "/dev/xvda")


def test_no_image_or_several_are_refused(connection: Connection, emulator: RunningEmulator) -> None:
    filters = [{"name": "name", "values": ["image-*"]}]
    with pytest.raises(ProviderError, match="returned no results"):
        invoke(connection, "ec2/getAmi:getAmi", owners=["self"], filters=filters)
    register(emulator, "image-1")
    register(emulator, "image-2")
    with pytest.raises(ProviderError, match="more than one result"):
        invoke(connection, "ec2/getAmi:getAmi", owners=["self"], filters=filters)
    assert invoke(connection, "ec2/getAmi:getAmi", owners=["self"], filters=filters, mostRecent=True)["id"]


def test_images_are_listed_and_none_is_no_mistake(connection: Connection, emulator: RunningEmulator) -> None:
    first, second = register(emulator, "image-1"), register(emulator, "image-2")
    by = {"owners": ["self"], "includeDeprecated": True}
    for pattern, ids in (("image-*", {first, second}), ("image-2", {second}), ("other", set())):
        found = invoke(connection, "ec2/getAmiIds:getAmiIds", filters=[{"name": "name", "values": [pattern]}], **by)
        assert set(found["ids"]) == ids


def test_a_zone_is_found_by_its_name(connection: Connection, emulator: RunningEmulator) -> None:
    made = emulator.client("route53").create_hosted_zone(Name="example.test", CallerReference="1")["HostedZone"]["Id"]
    found = invoke(connection, "route53/getZone:getZone", name="Example.test.", privateZone=False)
    assert (found["zoneId"], found["name"]) == (made.rsplit("/", 1)[-1], "example.test")
    with pytest.raises(ProviderError, match="no matching Route 53 Hosted Zone found"):
        invoke(connection, "route53/getZone:getZone", name="other.test")


def test_where_the_program_is(connection: Connection) -> None:
    assert invoke(connection, "index/getCallerIdentity:getCallerIdentity")["accountId"] == "123456789012"
    assert invoke(connection, "index/getPartition:getPartition")["partition"] == "aws"


def test_an_address_is_found_by_its_id(connection: Connection, emulator: RunningEmulator) -> None:
    made = emulator.client("ec2").allocate_address(Domain="vpc")
    found = invoke(connection, "ec2/getElasticIp:getElasticIp", id=made["AllocationId"])
    assert found["publicIp"] == made["PublicIp"]
    with pytest.raises(ProviderError, match=r"getElasticIp: InvalidAllocationID\.NotFound"):
        invoke(connection, "ec2/getElasticIp:getElasticIp", id="eipalloc-0123456789abcdef0")


def test_an_argument_that_no_function_knows_is_refused() -> None:
    function = FUNCTIONS["aws:ec2/getAmi:getAmi"]
    _, problems = functions.check(function, {"owners": ["self"], "ownres": [], "uefiData": "x"})
    assert {problem.path for problem in problems} == {"ownres", "uefiData"}
