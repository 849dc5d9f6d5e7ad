"""What a value of a plan looks like to a reviewer: read from what Pulumi wrote, compared, shortened, made visible.

Values are anybody's: a tag, a policy, an error message of a provider. What leaves this module is one line of printable
characters without secrets, however long or odd the value was; how a line is quoted is each rendering's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.graph import (
    ABSENT,
    SECRET,
    SECRET_KEY,
    SECRET_MARK,
    UNKNOWN,
    UNKNOWN_MARKS,
    Mark,
    Value,
    differing,
    json_document,
)
from ops.output.redaction import HIDDEN, LONGEST_SCANNED, Redactor
from ops.output.shown import Shown, shown_pair
from ops.output.visible import visible

DEEPEST = 32
"""Levels of a value that are read; AWS's documents have ten at most."""

LONGEST_LIST_KEYED = 2_000
"""A longer list is compared as a whole."""

_TOO_DEEP = Mark(f"[more than {DEEPEST} levels]")

# What tells the objects of a list apart, in AWS's lists: an entry, a tag, a statement, a tag specification, a volume.
_NATURAL_KEYS = ("cidr", "key", "Sid", "resourceType", "deviceName")


@dataclass(frozen=True, kw_only=True)
class PropertyChange:
    """A property that changes, or may."""

    path: str
    before: Shown
    after: Shown
    replaces: bool = False
    """Whether the resource is replaced because of it."""


NOT_SHOWN = Shown("value", "(changes, says the engine)")


def readable(value: Value, depth: int = 0) -> Value:
    """Return `value` with Pulumi's marks read and documents in texts parsed."""
    if isinstance(value, Mapping):
        if value.get(SECRET_KEY) == SECRET_MARK:
            return SECRET
        if depth >= DEEPEST:
            return _TOO_DEEP
        return {
            str(key): readable(item, depth + 1)
            for key, item in value.items()
            if item is not None and not str(key).startswith("__")
        }
    if isinstance(value, list | tuple):
        return _TOO_DEEP if depth >= DEEPEST else [readable(item, depth + 1) for item in value]
    if isinstance(value, str):
        return _readable_text(value, depth)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        # Numbers come as floats out of Pulumi's protocol.
        return int(value)
    return value


def _readable_text(text: str, depth: int) -> Value:
    if text in UNKNOWN_MARKS:
        return UNKNOWN
    if text == HIDDEN:
        # What `pulumi preview --json` writes for a secret.
        return SECRET
    if len(text) <= LONGEST_SCANNED:
        document = json_document(text)
        if document is not None:
            return readable(document, depth + 1)
    return text


def _aligned(before: Value, after: Value) -> tuple[Value, Value]:
    """Return two values with lists of things that have names made mappings, so that a change names its entry."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        both = {key: _aligned(before[key], after[key]) for key in before.keys() & after.keys()}
        return (
            {key: both[key][0] if key in both else item for key, item in before.items()},
            {key: both[key][1] if key in both else item for key, item in after.items()},
        )
    if isinstance(before, list) and isinstance(after, list) and (before or after):
        for name in _NATURAL_KEYS:
            old, new = _by_name(before, name), _by_name(after, name)
            if old is not None and new is not None:
                return _aligned(old, new)
    return before, after


def _by_name(items: list[Value], name: str) -> dict[str, Value] | None:
    """Return the objects of a list by their property `name`, if each has one of its own."""
    if len(items) > LONGEST_LIST_KEYED:
        return None
    named: dict[str, Value] = {
        f"[{item[name]}]": item for item in items if isinstance(item, Mapping) and isinstance(item.get(name), str)
    }
    return named if len(named) == len(items) else None


def changed_properties(before: Mapping[str, Value], after: Mapping[str, Value]) -> Iterator[tuple[str, Value, Value]]:
    """Yield (path, before, after) for whatever differs in two resources' properties; absent sides as `ABSENT`.

    Pulumi's own (`__defaults`) don't count, nor does `tagsAll` beside `tags`, from which the provider makes it.
    """
    for key in sorted({str(key) for key in (*before, *after)}):
        if key.startswith("__") or (key == "tagsAll" and ("tags" in before or "tags" in after)):
            continue
        old, new = before.get(key), after.get(key)
        if old is new or (type(old) is type(new) and old == new):
            continue
        readable_old = ABSENT if old is None else readable(old)
        readable_new = ABSENT if new is None else readable(new)
        if _is_long_list(readable_old) or _is_long_list(readable_new):
            yield key, readable_old, readable_new
            continue
        for path, one, other in differing(*_aligned(readable_old, readable_new), key):
            yield path.replace(".[", "["), one, other


def _is_long_list(value: Value) -> bool:
    return isinstance(value, list) and len(value) > LONGEST_LIST_KEYED


def change(path: str, before: Value, after: Value, redactor: Redactor, replaces: bool = False) -> PropertyChange:
    """Return a change as it may be shown."""
    names = [part.rstrip("]") for part in path.replace("[", ".").split(".")]
    old, new = shown_pair(before, after, names, redactor)
    return PropertyChange(path=visible(redactor.text(path)), before=old, after=new, replaces=replaces)
