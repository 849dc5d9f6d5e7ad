"""Values of unknown shape, as YAML and JSON hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it holds keys and values, else nothing."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[Any]:
    """Return `value` if it is a list, else nothing."""
    return value if isinstance(value, list | tuple) else ()


def objects(value: object) -> list[Mapping[str, Any]]:
    """Return what of the list `value` holds keys and values."""
    return [item for item in sequence(value) if isinstance(item, Mapping)]
