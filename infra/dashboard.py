"""The dashboard of an environment, as CloudWatch's body: what comes in, what is healthy, how much room is left.

Pure, so that a preview shows what changes in it and tests read it. tests/infra/test_dashboard.py holds metrics,
dimensions and statistics against AWS's own lists.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.environment import Capacity

WIDGET_WIDTH, WIDGET_HEIGHT = 12, 6
"""In the dashboard's grid of 24 columns."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Whose metrics are shown."""

    region: str
    load_balancer: str
    """The last part of the ARN, as CloudWatch's dimension has it."""
    target_group: str
    auto_scaling_group: str
    zones: Sequence[str]


def body(measured: Measured, capacity: Capacity) -> dict[str, object]:
    """Return the body of the dashboard; counts are instances, times are minutes."""
    balancer = ["LoadBalancer", measured.load_balancer]
    targets = ["TargetGroup", measured.target_group, *balancer]
    group = ["AutoScalingGroupName", measured.auto_scaling_group]
    healthy = [
        ["AWS/NetworkELB", "HealthyHostCount", *targets, "AvailabilityZone", zone, {"stat": "Minimum", "label": zone}]
        for zone in measured.zones
    ]
    panels = [
        ("Connections", [["AWS/NetworkELB", "NewFlowCount", *balancer, {"stat": "Sum"}]], []),
        ("Healthy targets by zone", healthy, []),
        (
            "Instances, between minimum and maximum",
            [["AWS/AutoScaling", "GroupInServiceInstances", *group, {"stat": "Average"}]],
            [("minimum", capacity.minimum), ("maximum", capacity.maximum)],
        ),
        (
            "CPU of the group, percent",
            [["AWS/EC2", "CPUUtilization", *group, {"stat": "Average"}]],
            [("target", capacity.target_cpu_percent)],
        ),
    ]
    return {"widgets": [_widget(index, measured.region, *panel) for index, panel in enumerate(panels)]}


def _widget(
    index: int, region: str, title: str, metrics: object, lines: Sequence[tuple[str, int]]
) -> dict[str, object]:
    properties: dict[str, object] = {"title": title, "view": "timeSeries", "region": region, "metrics": metrics}
    if lines:
        properties["annotations"] = {"horizontal": [{"label": label, "value": value} for label, value in lines]}
    return {
        "type": "metric",
        "x": (index % 2) * WIDGET_WIDTH,
        "y": (index // 2) * WIDGET_HEIGHT,
        "width": WIDGET_WIDTH,
        "height": WIDGET_HEIGHT,
        "properties": properties,
    }
