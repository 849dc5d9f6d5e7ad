"""What a review says of a stack, and what it keeps quiet about."""

from __future__ import annotations

from typing import Any

import pytest

from infra import types
from ops.review.markdown import as_markdown
from ops.review.model import headline
from ops.review.text import as_text
from tests.ops.review.plans import UNKNOWN_TEXT, Json, plan, reviewed, state, step, whole


def refreshed(type_: str, name: str, before: Json, **read: Any) -> list[Json]:
    """Return the events of a refresh that reads `read` where the state says something else."""
    after = {**before, "outputs": {**before["outputs"], **read}}
    events = [step("refresh", type_, name, before, side) for side in (before, after)]
    return [events[0], {"resOutputsEvent": events[1]["resourcePreEvent"]}]


GROUP = state({"maxSize": 6, "desiredCapacity": 3, "launchTemplate": {"id": "lt-1", "version": "1"}})


@pytest.mark.parametrize(
    ("type_", "before", "read", "changed"),
    [
        (types.SCALING_GROUP, GROUP, {"launchTemplate": {"id": "lt-1", "version": "2"}}, []),
        (types.SCALING_GROUP, GROUP, {"desiredCapacity": 5}, []),
        (types.SCALING_GROUP, GROUP, {"launchTemplate": {"id": "lt-2", "version": "1"}}, ["launchTemplate.id"]),
        (types.SCALING_GROUP, GROUP, {"maxSize": 9}, ["maxSize"]),
        # The group's version again, as the rollout's own provider reads it: it is another than the rollout's.
        (types.ROLLOUT, state({"launchTemplateVersion": "2"}), {"launchTemplateVersion": "3"},
         ["launchTemplateVersion"]),
    ],
    ids=["a rollout", "scaling", "another template", "a hand edit", "a version by hand"],
)  # fmt: skip
def test_only_what_somebody_changed_counts_as_changed_outside_pulumi(
    type_: str, before: Json, read: Json, changed: list[str]
) -> None:
    review = reviewed(plan(*refreshed(type_, "live-service", before, **read)))
    assert [one.path for change in review.drift for one in change.properties] == changed
    assert ("changed outside Pulumi" in headline(review)) == bool(changed)


def test_a_reserved_zone_is_drawn_apart_until_it_is_attached() -> None:
    def drawn(*more: Json) -> tuple[str, str]:
        listener = step("same", types.LISTENER, "live-listener", state({"port": 443}), state({"port": 443}))
        address = step("create", types.EIP, "live-vip-eu-west-2c", None, state({"domain": "vpc"}))
        review = whole(reviewed(plan(listener, address, *more)))
        return as_markdown(review), as_text(review)

    markdown, text = drawn()
    assert 'n0["eu-west-2c, reserved (new)"]:::new' in markdown
    assert "n0 -->" not in markdown
    assert "  live-listener, TCP 443; apart: eu-west-2c, reserved [new]\n" in text
    markdown, text = drawn(step("create", types.SUBNET, "live-public-eu-west-2c", None, state({})))
    assert "n0 --> n1" in markdown
    assert "  eu-west-2c [new]  →  live-listener, TCP 443\n" in text


@pytest.mark.parametrize(
    ("version", "running", "said"),
    [
        (UNKNOWN_TEXT, 3, "nothing dangerous: 1 updated, replaces 3 instances"),
        ("2", 1, "nothing dangerous: 1 updated, replaces 1 instance"),
        (UNKNOWN_TEXT, 0, "nothing dangerous: 1 updated, replaces 0 instances"),
        ("1", 3, "nothing dangerous: 1 updated"),
    ],
    ids=["not yet known", "another version", "none runs", "only how long it bakes"],
)
def test_a_change_that_replaces_instances_says_how_many(version: str, running: int, said: str) -> None:
    inputs = {"launchTemplateId": "lt-1", "launchTemplateVersion": "1", "bakeSeconds": 300}
    group = state({"minSize": 0}, {"desiredCapacity": running})
    review = reviewed(
        plan(
            step("same", types.SCALING_GROUP, "live-service", group, group),
            step("update", types.ROLLOUT, "live-rollout", state(inputs),
                 state({**inputs, "launchTemplateVersion": version, "bakeSeconds": 600})),
        )
    )  # fmt: skip
    assert headline(review) == said


def test_a_tag_is_shown_once_though_the_provider_has_it_twice() -> None:
    before, after = (state({"tags": {"CostCentre": value}, "tagsAll": {"CostCentre": value}}) for value in "12")
    diff = {path: {"diffKind": "update"} for path in ("tags.CostCentre", "tagsAll.CostCentre")}
    review = reviewed(plan(step("update", types.SUBNET, "live-a", before, after, detailedDiff=diff)))
    assert [[one.path for one in change.properties] for change in review.tag_changes] == [["tags.CostCentre"]]


def test_subscribers_and_schedules_are_mentioned_where_they_change_a_line_each() -> None:
    def subscribed(operation: str, email: str) -> Json:
        side = state({"protocol": "email", "endpoint": email})
        return step(
            operation, types.TOPIC_SUBSCRIPTION, f"live-alarms-{email}", side, side if operation == "same" else None
        )

    evening, later = (
        {"desiredCapacity": count, "recurrence": "0 19 * * *", "timeZone": "Europe/London"} for count in (0, 3)
    )
    made = plan(
        subscribed("same", "a@example.org"),
        subscribed("delete", "b@example.org"),
        step("update", types.SCHEDULE, "dev-evening", state(evening), state(later)),
        step("same", types.SCHEDULE, "dev-morning", state(later), state(later)),
    )
    review = reviewed(made)
    assert [(fact.name, fact.before, fact.after) for fact in review.mentioned] == [
        ("alarm subscribers", "a@example.org, b@example.org", "a@example.org"),
        (
            "schedule dev-evening",
            "0 instances at 0 19 * * * (Europe/London)",
            "3 instances at 0 19 * * * (Europe/London)",
        ),
    ]
    assert review.verdict == "calm"
    assert "  alarm subscribers: a@example.org, b@example.org → a@example.org\n" in as_text(whole(review))
    assert "| alarm subscribers |" in as_markdown(whole(review))


def test_what_changes_alike_shares_a_line_and_in_full_nothing_is_left_out() -> None:
    def endpoint(name: str, subnet: str) -> Json:
        return step(
            "update", types.VPC_ENDPOINT, name, state({"policy": "old " * 30}), state({"policy": "old " * 30 + subnet})
        )

    made = plan(
        endpoint("live-logs", "new"),
        endpoint("live-s3", "new"),
        endpoint("live-monitoring", "another"),
        step("create", types.SUBNET, "live-public-a", None, state({"cidrBlock": "10.20.0.0/20", "zone": "a"})),
    )
    review = whole(reviewed(made))
    brief, full = as_text(review).splitlines(), as_text(review, full=True).splitlines()
    assert (
        "    update live-logs, live-s3 aws:ec2/vpcEndpoint:VpcEndpoint: policy: …d old old  → …d old old new" in brief
    )
    assert (
        "    update live-monitoring aws:ec2/vpcEndpoint:VpcEndpoint: policy: …d old old  → …d old old another" in brief
    )
    assert "    create live-public-a aws:ec2/subnet:Subnet" in brief
    assert not any("cidrBlock" in line for line in brief)
    assert "        cidrBlock: 10.20.0.0/20" in full
    assert f"        policy: {'old ' * 30} → {'old ' * 30}new" in full
