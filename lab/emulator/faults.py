"""Faults on purpose: what the lab makes go wrong so that tests can see the program meet it.

Set through the control API (`PUT /_lab/faults`), read by the extensions. In effect until deleted or the lab is reset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Throttle:
    """Refuse the next `times` calls of `service`'s `action`, as AWS does when calls come too fast."""

    service: str  # as in boto3.client(...): ec2, autoscaling, elbv2, s3, ...
    action: str  # RunInstances; * for any
    times: int

    def fits(self, service: str, action: str) -> bool:
        """Tell whether a call of `service`'s `action` is to be refused."""
        return self.times > 0 and self.service == service and self.action in ("*", action)


@dataclass(frozen=True, kw_only=True)
class Faults:
    """All faults in effect."""

    unhealthy_images: frozenset[str] = field(default_factory=frozenset)  # instances of these never get healthy
    throttle: Throttle | None = None
    loads: Mapping[str, float] = field(default_factory=dict)
    """By Auto Scaling group, the instances that what is asked of it would keep busy, each at 100 % CPU."""
    dark_zones: frozenset[str] = field(default_factory=frozenset)  # instances there fail, and none can be started
    failed_nodes: frozenset[str] = field(default_factory=frozenset)  # zones whose node of each load balancer fails

    def as_json(self) -> dict[str, Any]:
        """Return what `PUT /_lab/faults` takes."""
        throttle = self.throttle
        return {
            "unhealthyImages": sorted(self.unhealthy_images),
            "throttle": throttle and {"service": throttle.service, "action": throttle.action, "times": throttle.times},
            "loads": dict(self.loads),
            "darkZones": sorted(self.dark_zones),
            "failedNodes": sorted(self.failed_nodes),
        }


_current = Faults()


def current() -> Faults:
    """Return the faults in effect."""
    return _current


def inject(faults: Faults) -> None:
    """Put `faults` into effect, instead of all before."""
    global _current  # noqa: PLW0603  # the one state of this module: the emulator is one process
    _current = faults


def is_unhealthy(image_id: str, zone: str) -> bool:
    """Tell whether instances of the image `image_id` are to fail their health checks, or all in `zone`."""
    return image_id in _current.unhealthy_images or zone in _current.dark_zones


def take_throttle(service: str, action: str) -> bool:
    """Tell whether this call is to be refused as one too many, and count it if so."""
    throttle = _current.throttle
    if throttle is None or not throttle.fits(service, action):
        return False
    left = throttle.times - 1
    inject(replace(_current, throttle=replace(throttle, times=left) if left else None))
    return True


def parse(document: object) -> Faults:
    """Return the faults that a JSON document asks for. Raises ValueError naming what is wrong with it."""
    allowed = set(Faults().as_json())
    if not isinstance(document, Mapping) or not set(document) <= allowed:
        raise ValueError(f"faults are {document!r}; allowed: an object with the keys {', '.join(sorted(allowed))}")
    return Faults(
        unhealthy_images=_parse_names(document, "unhealthyImages", "image ids"),
        throttle=_parse_throttle(document.get("throttle")),
        loads=_parse_loads(document.get("loads") or {}),
        dark_zones=_parse_names(document, "darkZones", "zones"),
        failed_nodes=_parse_names(document, "failedNodes", "zones"),
    )


def _parse_names(document: Mapping[str, object], key: str, what: str) -> frozenset[str]:
    names = document.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{key} is {names!r}; allowed: a list of {what}")
    return frozenset(names)


def _parse_loads(document: object) -> dict[str, float]:
    if not isinstance(document, Mapping) or not all(
        isinstance(group, str) and isinstance(load, int | float) and not isinstance(load, bool) and 0 <= load < inf
        for group, load in document.items()
    ):
        raise ValueError(f'loads are {document!r}; allowed: instances by scaling group, such as {{"service": 4.5}}')
    return {group: float(load) for group, load in document.items()}


def _parse_throttle(document: object) -> Throttle | None:
    if document is None:
        return None
    match document:
        case {"service": str(service), "action": str(action), "times": int(times), **rest} if not rest and times > 0:
            return Throttle(service=service, action=action, times=times)
        case _:
            raise ValueError(
                f'throttle is {document!r}; allowed: null or {{"service": "ec2", "action": "RunInstances", "times": 3}}'
            )
