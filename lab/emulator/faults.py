"""Faults on purpose: what the lab makes go wrong so that tests can see the program meet it.

Set through the control API (`PUT /_lab/faults`), read by the extensions. In effect until deleted or the lab is reset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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

    def as_json(self) -> dict[str, Any]:
        """Return what `PUT /_lab/faults` takes."""
        throttle = self.throttle
        return {
            "unhealthyImages": sorted(self.unhealthy_images),
            "throttle": throttle and {"service": throttle.service, "action": throttle.action, "times": throttle.times},
        }


_current = Faults()


def current() -> Faults:
    """Return the faults in effect."""
    return _current


def inject(faults: Faults) -> None:
    """Put `faults` into effect, instead of all before."""
    global _current  # noqa: PLW0603  # the one state of this module: the emulator is one process
    _current = faults


def is_unhealthy(image_id: str) -> bool:
    """Tell whether instances of the image `image_id` are to fail their health checks."""
    return image_id in _current.unhealthy_images


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
    known = {"unhealthyImages", "throttle"}
    if not isinstance(document, Mapping) or not set(document) <= known:
        raise ValueError(f"faults are {document!r}; allowed: an object with the keys {', '.join(sorted(known))}")
    images = document.get("unhealthyImages") or []
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise ValueError(f"unhealthyImages is {images!r}; allowed: a list of image ids")
    return Faults(unhealthy_images=frozenset(images), throttle=_parse_throttle(document.get("throttle")))


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
