"""Tags that a provider is told to ignore are neither read nor removed, as the real one does (internal/tags)."""

from __future__ import annotations

from typing import Any

import pytest

from lab.provider import lifecycle
from lab.provider.connection import connect, decoded
from lab.provider.rows import ROWS
from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.service import Service

VPC, GROUP = (ROWS[token] for token in ("aws:ec2/vpc:Vpc", "aws:autoscaling/group:Group"))


def tags_of(emulator: RunningEmulator, vpc: str) -> set[str]:
    """Return the keys that a VPC's tags have in AWS."""
    (found,) = emulator.client("ec2").describe_vpcs(VpcIds=[vpc])["Vpcs"]
    return {tag["Key"] for tag in found["Tags"]}


def test_others_tags_are_not_read_and_stay_when_ours_change(aws_environment: None, emulator: RunningEmulator) -> None:
    connection = connect(decoded({"ignoreTags": '{"keys": ["Theirs"]}'}))
    before: dict[str, Any] = {"cidrBlock": "10.0.0.0/16", "tags": {"Ours": "1"}, "tagsAll": {"Ours": "1"}}
    made = lifecycle.create(VPC, connection, before)
    emulator.client("ec2").create_tags(
        Resources=[made.id], Tags=[{"Key": key, "Value": "2"} for key in ("Theirs", "ByHand")]
    )
    found = lifecycle.read(VPC, connection, made.id, before, made.state)
    assert found is not None
    assert found[0]["tagsAll"] == {"Ours": "1", "ByHand": "2"}
    assert found[1]["tags"] == {"Ours": "1", "ByHand": "2"}
    news = {**before, "tags": {"Ours": "3"}, "tagsAll": {"Ours": "3"}}
    lifecycle.update(VPC, connection, made.id, found[1], found[0], news)
    assert tags_of(emulator, made.id) == {"Ours", "Theirs"}


@pytest.mark.parametrize("theirs", [[], ["Theirs"]], ids=["read", "ignored"])
def test_a_groups_tags_are_ignored_too(aws_environment: None, emulator: RunningEmulator, theirs: list[str]) -> None:
    connection = connect(decoded({"ignoreTags": {"keys": theirs}}))
    Service.made(emulator, size=1)
    tag = {"ResourceId": "service", "ResourceType": "auto-scaling-group", "Value": "1", "PropagateAtLaunch": False}
    emulator.client("autoscaling").create_or_update_tags(Tags=[{**tag, "Key": key} for key in ("Theirs", "Ours")])
    found = lifecycle.read(GROUP, connection, "service", {}, {})
    assert found is not None
    assert {tag["key"] for tag in found[0]["tags"]} == {"Theirs", "Ours"} - {*theirs}
