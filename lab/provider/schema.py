"""What the installed pulumi_aws knows of each type: names, types and required inputs, from `schema.json`.

The real provider refuses what its schema doesn't have; so does this one, before anything is created. Left out: which
of these the stand-in implements (rows).
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.provider.changes import key_path
from lab.provider.wire import UNKNOWN

SCHEMA_FILE = Path(__file__).with_name("schema.json")

Described = str | dict[str, Any]

_EXPECTED = {
    "string": "a string",
    "document": "a JSON document",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}


@dataclass(frozen=True)
class Problem:
    """An input that the real provider refuses: where, and what is wrong."""

    path: str
    reason: str


def inputs_of(kind: str, token: str) -> dict[str, Any]:
    """Return the schema's entry of a token; `kind` is `resources` or `functions`. Raises KeyError if it has none."""
    entry: dict[str, Any] = _schema()[kind][token]
    return entry


def provider_entry() -> dict[str, Any]:
    """Return the schema's entry of the provider's own configuration."""
    entry: dict[str, Any] = _schema()["provider"]
    return entry


def coerced(entry: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return inputs with each value in its property's type, and every problem.

    As in the real provider, "true" is taken for a boolean and 5 for a string; None counts as not set.
    """
    problems: list[Problem] = []
    whole = {"object": entry["inputs"], "required": entry["required"]}
    return _coerced_object("", whole, dict(inputs), problems), problems


@functools.cache
def _schema() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return content


def _coerced_object(
    path: str, described: Mapping[str, Any], value: dict[str, Any], problems: list[Problem]
) -> dict[str, Any]:
    known: Mapping[str, Described] = described["object"]
    result: dict[str, Any] = {}
    for name, item in value.items():
        place = key_path(path, name)
        if name.startswith("__"):
            continue
        if name not in known:
            problems.append(Problem(place, _unknown_name(name, known)))
        elif item is not None:
            result[name] = _coerced(place, known[name], item, problems)
    problems.extend(
        Problem(
            key_path(path, name),
            f'Missing required argument: The argument "{name}" is required, but no definition was found.',
        )
        for name in described["required"]
        if value.get(name) is None
    )
    return result


def _coerced(path: str, described: Described, value: Any, problems: list[Problem]) -> Any:
    if value is UNKNOWN:
        return value
    if isinstance(described, str):
        return _coerced_scalar(path, described, value, problems)
    if "object" in described and isinstance(value, dict):
        return _coerced_object(path, described, value, problems)
    if "map" in described and isinstance(value, dict):
        return {
            key: _coerced(key_path(path, key), described["map"], item, problems)
            for key, item in value.items()
            if item is not None and not key.startswith("__")
        }
    if "array" in described and isinstance(value, list):
        return [
            _coerced(f"{path}[{index}]", described["array"], item, problems)
            for index, item in enumerate(value)
            if item is not None
        ]
    expected = "a list" if "array" in described else "an object"
    problems.append(Problem(path, f"expected {expected}, got {_shown(value)}"))
    return value


def _coerced_scalar(path: str, described: str, value: Any, problems: list[Problem]) -> Any:
    for result in _readings(described, value):
        return result
    problems.append(Problem(path, f"expected {_EXPECTED[described]}, got {_shown(value)}"))
    return value


def _readings(described: str, value: Any) -> Iterator[Any]:
    if described == "document" and isinstance(value, dict):
        # The bridge's TransformJSONDocument takes an object too.
        yield json.dumps(value, separators=(",", ":"))
    elif described in ("string", "document"):
        if isinstance(value, bool):
            yield str(value).lower()
        elif isinstance(value, str | int | float):
            yield str(value)
    elif described == "boolean":
        if isinstance(value, bool):
            yield value
        elif value in ("true", "false"):
            yield value == "true"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if described == "number" or float(value).is_integer():
            yield value
    elif isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return
        if number.is_integer():
            yield int(number)
        elif described == "number":
            yield number


def _unknown_name(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"an argument named {json.dumps(name)} is not expected here" + (f"; did you mean {near[0]}?" if near else "")


def _shown(value: Any) -> str:
    # The value itself may be secret.
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return kinds.get(type(value), "a number")
