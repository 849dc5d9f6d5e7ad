"""A plan is read whole from what the engine writes."""

from __future__ import annotations

from typing import Any

import pytest

from ops.review.plan import ENGINE_OPERATIONS, Plan, State, Step, read_plan
from tests.ops.review.plans import Json, plan, replacement, state, step, urn

SUBNET = "aws:ec2/subnet:Subnet"


def test_the_steps_of_a_replacement_are_one_change_and_tell_its_order() -> None:
    new_first = plan(*replacement(SUBNET, "live-a", state({"x": 1}), state({"x": 2}), keys=["x"]))
    old_first = plan(*replacement(SUBNET, "live-a", state({"x": 1}), state({"x": 2}), delete_first=True))
    (change,) = new_first.changes
    assert (change.operation, change.replace_reasons, change.before("x"), change.after("x")) == (
        "replace",
        ("x",),
        1,
        2,
    )
    assert not change.deletes_first
    assert old_first.changes[0].deletes_first


@pytest.mark.parametrize("operation", sorted(ENGINE_OPERATIONS))
def test_every_operation_of_the_engine_is_known(operation: str) -> None:
    made = plan(step(operation, SUBNET, "live-a", state({}), state({})))
    assert [one.operation for one in made.changes if one.operation == "unknown"] == []


def test_an_operation_of_a_newer_engine_is_kept_as_unknown_beside_known_ones() -> None:
    made = plan(
        step("update", SUBNET, "live-a", state({}), state({})),
        step("transmute", SUBNET, "live-a", state({}), state({})),
    )
    (change,) = made.changes
    assert (change.operation, change.engine_operations) == ("unknown", ("update", "transmute"))


def test_events_of_a_newer_engine_are_named() -> None:
    assert plan({"sequence": 1, "quantumEvent": {}}).unknown_events == ("quantumEvent",)


def test_what_a_refresh_finds_is_told_apart_from_what_is_planned() -> None:
    before, after = state({"size": 3}, {"size": 3}), state({"size": 3}, {"size": 9})
    events = [
        step("refresh", SUBNET, "live-a", before, before),
        {"resOutputsEvent": step("refresh", SUBNET, "live-a", before, after)["resourcePreEvent"]},
        step("refresh", SUBNET, "live-b", before, before),
        {"resOutputsEvent": step("refresh", SUBNET, "live-b", before, before)["resourcePreEvent"]},
        step("refresh", SUBNET, "live-c", before, before),
        {"resOutputsEvent": step("refresh", SUBNET, "live-c", before, None)["resourcePreEvent"]},
        step("update", SUBNET, "live-a", after, state({"size": 3})),
    ]
    made = plan(*events)
    assert [(one.name, one.operation) for one in made.drift] == [("live-a", "update"), ("live-c", "delete")]
    assert [(one.name, one.operation) for one in made.changes] == [("live-a", "update")]


def test_a_policy_counts_as_held_if_it_held_everywhere() -> None:
    def summary(passed: list[str], failed: list[str]) -> Json:
        return {"policyAnalyzeSummaryEvent": {"policyPackName": "p", "passed": passed, "failed": failed}}

    made = plan(
        summary(["a", "b"], []),
        summary(["a"], ["b"]),
        {"policyAnalyzeStackSummaryEvent": {"policyPackName": "p", "passed": ["c"]}},
        {"policyEvent": {"policyName": "b", "policyPackName": "p", "enforcementLevel": "mandatory", "message": "no"}},
    )
    assert made.policies_passed == 2
    assert [(one.policy, one.blocks) for one in made.policies] == [("b", True)]


@pytest.mark.parametrize(
    ("level", "blocks"), [("mandatory", True), ("warning", False), ("advisory", False), ("new", True)]
)
def test_a_level_that_is_not_known_to_be_harmless_blocks(level: str, blocks: bool) -> None:
    made = plan({"policyEvent": {"policyName": "p", "enforcementLevel": level, "message": "m"}})
    assert made.policies[0].blocks is blocks


def test_the_engines_own_providers_are_left_out_and_others_not() -> None:
    default = {"resourcePreEvent": {"metadata": {"op": "update", "urn": urn("pulumi:providers:aws", "default_7")}}}
    own = {"resourcePreEvent": {"metadata": {"op": "update", "urn": urn("pulumi:providers:aws", "aws")}}}
    assert [one.name for one in plan(default, own).changes] == ["aws"]


def test_how_long_it_took_is_in_seconds() -> None:
    assert plan({"summaryEvent": {"durationSeconds": 7}}).duration_seconds == 7


@pytest.mark.parametrize("odd", [None, 3, "x", [], {}, {"summaryEvent": 3}, {"summaryEvent": {"resourceChanges": []}}])
def test_odd_events_make_a_plan(odd: Any) -> None:
    assert isinstance(read_plan("live", [odd]), Plan)


def test_properties_nested_beyond_reading_are_none() -> None:
    deep: Any = "bottom"
    for _ in range(900):
        deep = {"a": deep}
    assert State({"inputs": deep}).inputs == {}
    assert Step.from_event({"op": "update", "old": {"inputs": deep}}).old is not None
