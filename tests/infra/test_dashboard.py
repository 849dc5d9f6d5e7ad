"""What dashboards and alarms ask CloudWatch for, held against what AWS says that it publishes.

CloudWatch takes any name: a metric that nobody publishes, or under other dimensions, is an empty graph and an alarm
that never rings. Each combination of dimensions is a metric of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from infra import types
from infra.deciding import load_environment
from infra.graph import Graph
from infra.recording import record
from infra.values import sequence
from tests.infra.stackfiles import CHECKOUT, NAMES

BY_BALANCER = {
    frozenset({"LoadBalancer"}),
    frozenset({"AvailabilityZone", "LoadBalancer"}),
    frozenset({"LoadBalancer", "TargetGroup"}),
    frozenset({"AvailabilityZone", "LoadBalancer", "TargetGroup"}),
}
BY_TARGET_GROUP = {dimensions for dimensions in BY_BALANCER if "TargetGroup" in dimensions}
BY_GROUP = {frozenset({"AutoScalingGroupName"})}

PUBLISHED: dict[tuple[str, str], tuple[set[frozenset[str]], set[str]]] = {
    # Elastic Load Balancing, CloudWatch metrics for Network Load Balancers, for the statistics; Amazon CloudWatch,
    # supported metrics for resource tags for telemetry, for the dimensions that are published together.
    ("AWS/NetworkELB", "NewFlowCount"): (BY_BALANCER, {"Sum"}),
    ("AWS/NetworkELB", "HealthyHostCount"): (BY_TARGET_GROUP, {"Maximum", "Minimum"}),
    ("AWS/NetworkELB", "UnHealthyHostCount"): (BY_TARGET_GROUP, {"Maximum", "Minimum"}),
    # Amazon EC2 Auto Scaling, CloudWatch metrics: of a group that has them enabled, a sample a minute.
    ("AWS/AutoScaling", "GroupInServiceInstances"): (BY_GROUP, {"Average", "Maximum", "Minimum"}),
    # Amazon EC2, CloudWatch metrics for instances: by scaling group also with basic monitoring.
    ("AWS/EC2", "CPUUtilization"): (BY_GROUP, {"Average", "Maximum", "Minimum"}),
}
"""Which dimensions a metric is published with, and which of its statistics mean something."""


class Asked(NamedTuple):
    """A metric that a dashboard or an alarm asks for."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    statistic: str


@pytest.fixture(scope="module", params=NAMES)
def recorded(request: pytest.FixtureRequest) -> tuple[str, Graph]:
    return request.param, record(load_environment(request.param, CHECKOUT))


def on_dashboard(graph: Graph) -> Iterator[Asked]:
    for dashboard in graph.of_type(types.DASHBOARD):
        for widget in widgets(dashboard.inputs["dashboardBody"]):
            for namespace, name, *rest, options in widget["properties"]["metrics"]:
                # Names and values, one after the other (CloudWatch, dashboard body structure).
                assert len(rest) % 2 == 0
                yield Asked(namespace, name, dict(zip(rest[::2], rest[1::2], strict=True)), options["stat"])


def widgets(body: Any) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = json.loads(body)["widgets"]
    return written


def of_alarms(graph: Graph) -> Iterator[Asked]:
    for alarm in graph.of_type(types.METRIC_ALARM):
        inputs: Any = alarm.inputs
        yield Asked(inputs["namespace"], inputs["metricName"], inputs["dimensions"], inputs["statistic"])


def test_every_metric_is_one_that_aws_publishes(recorded: tuple[str, Graph]) -> None:
    _, graph = recorded
    asked = [*on_dashboard(graph), *of_alarms(graph)]
    assert {metric.namespace for metric in asked} == {"AWS/NetworkELB", "AWS/AutoScaling", "AWS/EC2"}
    wrong = [
        metric
        for metric in asked
        for dimensions, statistics in [PUBLISHED.get((metric.namespace, metric.name), (set(), set()))]
        if frozenset(metric.dimensions) not in dimensions or metric.statistic not in statistics
    ]
    assert wrong == []


def test_every_dimension_is_of_this_environment(recorded: tuple[str, Graph]) -> None:
    """Load balancers and target groups go by the last part of their ARN (Elastic Load Balancing, metric dimensions)."""
    stack, graph = recorded
    own = {
        "LoadBalancer": {f"LoadBalancer/{stack}-lb/suffix"},
        "TargetGroup": {f"TargetGroup/{stack}-tg/suffix"},
        "AutoScalingGroupName": {f"{stack}-service-Group-name"},
        "AvailabilityZone": {"eu-west-2a", "eu-west-2b", "eu-west-2c"},
    }
    asked = [*on_dashboard(graph), *of_alarms(graph)]
    assert [
        metric for metric in asked if any(value not in own[name] for name, value in metric.dimensions.items())
    ] == []


def test_a_metric_of_the_scaling_group_is_enabled(recorded: tuple[str, Graph]) -> None:
    _, graph = recorded
    (group,) = graph.of_type(types.SCALING_GROUP)
    asked = {
        metric.name for metric in [*on_dashboard(graph), *of_alarms(graph)] if metric.namespace == "AWS/AutoScaling"
    }
    assert asked
    assert asked - {*sequence(group.inputs["enabledMetrics"])} == set()


def test_nft_shows_what_live_shows_in_the_same_places() -> None:
    """So that the two can be laid beside each other."""
    shown = {}
    for stack in ("live", "nft"):
        (dashboard,) = record(load_environment(stack, CHECKOUT)).of_type(types.DASHBOARD)
        text = str(dashboard.inputs["dashboardBody"]).replace(f"{stack}-", "<stack>-")
        shown[stack] = [
            ({key: widget[key] for key in ("x", "y", "width", "height")}, widget["properties"]["title"],
             widget["properties"]["metrics"])
            for widget in widgets(text)
        ]  # fmt: skip
    assert shown["nft"] == shown["live"]
    places = [place for place, _, _ in shown["live"]]
    assert all(place["x"] + place["width"] <= 24 for place in places)
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
