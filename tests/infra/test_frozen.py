"""What an extension may change: the mark of the end and the tags that tell it; everything else is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infra.environment import LIFETIME
from infra.frozen import beside_its_end

VPC = "urn:pulumi:pr-7::eps-dos-api::eps-dos-api:infra:Network$aws:ec2/vpc:Vpc::pr-7-vpc"
MARK = f"urn:pulumi:pr-7::eps-dos-api::{LIFETIME}::pr-7-lifetime"


def step(operation: str, old: Mapping[str, Any], new: Mapping[str, Any], *paths: str, urn: str = VPC) -> dict[str, Any]:
    """Return the event of a step, as the engine writes it."""
    diff = {path: {"diffKind": "update", "inputDiff": True} for path in paths}
    kind = urn.split("::")[2].rpartition("$")[2]
    states = {"old": {"inputs": dict(old)}, "new": {"inputs": dict(new)}}
    return {
        "resourcePreEvent": {"metadata": {"op": operation, "urn": urn, "type": kind, "detailedDiff": diff, **states}}
    }


def settings(end: str, **more: Any) -> dict[str, Any]:
    terms = {"expiresAt": end, "owner": "a.tester"}
    return {"settings": {"eps-dos-api:release": "1.4.0", "eps-dos-api:ephemeral": terms, **more}}


SOON, LATER = {"ExpiresAt": "2026-11-29", "Owner": "a"}, {"ExpiresAt": "2026-11-30", "Owner": "a"}
NEWER = {"eps-dos-api:release": "1.5.0"}
GROUP = [{"key": "ExpiresAt", "value": "2026-11-29"}, {"key": "Owner", "value": "a"}]
LONGER = [{"key": "ExpiresAt", "value": "2026-11-30"}, {"key": "Owner", "value": "a"}]


@pytest.mark.parametrize(
    "event",
    [
        step("same", {"cidr": 1}, {"cidr": 1}),
        step("update", {"tags": SOON, "cidr": 1}, {"tags": LATER, "cidr": 1}, "tags.ExpiresAt", "tagsAll.ExpiresAt"),
        step("update", {"tags": GROUP}, {"tags": LONGER}, "tags[0].value"),
        step("update", settings("2026-11-29"), settings("2026-11-30"), urn=MARK),
        {"preludeEvent": {"config": {}}},
    ],
    ids=["same", "tags", "a group's tags", "mark", "another event"],
)
def test_telling_another_end_is_nothing_else(event: Mapping[str, Any]) -> None:
    assert beside_its_end([event]) == ()


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (step("create", {}, {}), "aws:ec2/vpc:Vpc::pr-7-vpc: create"),
        (step("delete", {}, {}), "aws:ec2/vpc:Vpc::pr-7-vpc: delete"),
        (step("replace", {"tags": SOON}, {"tags": LATER}, "tags.ExpiresAt"), "aws:ec2/vpc:Vpc::pr-7-vpc: replace"),
        (step("update", {"tags": SOON, "cidr": 1}, {"tags": LATER, "cidr": 2}), "aws:ec2/vpc:Vpc::pr-7-vpc: cidr"),
        (step("update", {"tags": SOON}, {"tags": {**LATER, "Owner": "b"}}), "aws:ec2/vpc:Vpc::pr-7-vpc: tags"),
        (step("update", {"tags": GROUP}, {"tags": LONGER[:1]}), "aws:ec2/vpc:Vpc::pr-7-vpc: tags"),
        # What no input shows: a secret, or something that the provider found otherwise.
        (step("update", {"tags": SOON}, {"tags": LATER}, "userData"), "aws:ec2/vpc:Vpc::pr-7-vpc: userData"),
        (
            step("update", settings("2026-11-29"), settings("2026-11-30", **NEWER), urn=MARK),
            f"{LIFETIME}::pr-7-lifetime: settings",
        ),
    ],
    ids=range(8),
)  # fmt: skip
def test_whatever_else_would_change_is_named(event: Mapping[str, Any], line: str) -> None:
    assert beside_its_end([step("same", {}, {}), event]) == (line,)
