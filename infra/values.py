"""Values of unknown shape, as YAML and JSON hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping(value: object) -> Mapping[str, Any]:
    """Return `value` if it holds keys and values, else nothing."""
    return value if isinstance(value, Mapping) else {}
