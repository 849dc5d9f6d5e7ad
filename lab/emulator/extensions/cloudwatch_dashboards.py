"""Dashboards: their names and bodies are checked.

Rules: CloudWatch API reference, PutDashboard (names) and "Dashboard body structure and syntax" (widgets: type and
properties are required, the grid is 24 wide). moto takes any JSON under any name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from moto.cloudwatch.exceptions import DashboardInvalidInputError
from moto.cloudwatch.models import CloudWatchBackend, Dashboard, cloudwatch_backends

from lab.emulator.extensions.hooks import extends

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
WIDGET_TYPES = ("metric", "text", "log", "alarm", "explorer", "custom")
# Of a widget, by key: the least and the most.
GRID = {"x": (0, 23), "y": (0, 2**31), "width": (1, 24), "height": (1, 1000)}


@extends(cloudwatch_backends)
class Dashboards(CloudWatchBackend):
    """moto's backend, with these checks."""

    def put_dashboard(self, name: str, body: str) -> Dashboard:
        if not NAME.fullmatch(name):
            raise DashboardInvalidInputError(
                f"The value {name} for field DashboardName contains invalid characters. "
                "It can only contain alphanumerics, dash (-) and underscore (_)."
            )
        errors = list(_errors(json.loads(body)))
        if errors:
            listed = json.dumps([{"dataPath": path, "message": message} for path, message in errors])
            raise DashboardInvalidInputError(
                f"The dashboard body is invalid, there are {len(errors)} validation errors: {listed}"
            )
        return super().put_dashboard(name, body)


def _errors(body: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(body, dict):
        yield "", "Should be object"
        return
    widgets = body.get("widgets")
    if not isinstance(widgets, list):
        yield "/widgets", "Should have required property 'widgets'" if widgets is None else "Should be array"
        return
    for number, widget in enumerate(widgets):
        path = f"/widgets/{number}"
        if not isinstance(widget, dict):
            yield path, "Should be object"
            continue
        if widget.get("type") not in WIDGET_TYPES:
            yield f"{path}/type", f"Should be equal to one of the allowed values: {', '.join(WIDGET_TYPES)}"
        if not isinstance(widget.get("properties"), dict):
            yield f"{path}/properties", "Should have required property 'properties'"
        for key, (least, most) in GRID.items():
            value = widget.get(key, least)
            if not isinstance(value, int) or not least <= value <= most:
                yield f"{path}/{key}", f"Should be an integer from {least} to {most}"
