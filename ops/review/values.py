"""What a value of a plan looks like to a reviewer: read from what Pulumi wrote, compared, shortened, made visible.

Values are anybody's: a tag, a policy, an error message of a provider. What leaves this module is one line of printable
characters without secrets, however long or odd the value was; how a line is quoted is each rendering's business.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

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

DEEPEST = 32
"""Levels of a value that are looked into; AWS's documents have ten at most."""

LONGEST_LIST_KEYED = 2_000
"""A longer list is compared as a whole."""

LONGEST_SHOWN = 200
"""Characters of a value that are shown."""

CONTEXT = 40
"""Of those, how many stand before the first difference of two long texts."""

Kind = Literal["value", "absent", "known after up", "secret"]

_TOO_DEEP = Mark(f"[more than {DEEPEST} levels]")

# What tells the objects of a list apart, in AWS's lists: an entry, a tag, a statement, a tag specification, a volume.
_NATURAL_KEYS = ("cidr", "key", "Sid", "resourceType", "deviceName")


@dataclass(frozen=True)
class Shown:
    """One side of a change, as it may be shown."""

    kind: Kind
    text: str = ""
    """One line of printable characters, without secrets, at most some `LONGEST_SHOWN`; empty unless it is a value."""

    @property
    def words(self) -> str:
        """The text, or what there is instead of one."""
        return self.text if self.kind == "value" else {"absent": "none", "secret": HIDDEN}.get(self.kind, self.kind)


@dataclass(frozen=True, kw_only=True)
class PropertyChange:
    """One property that changes, or may."""

    path: str
    before: Shown
    after: Shown
    replaces: bool = False
    """Whether it is what the resource is replaced for."""


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
    for key in sorted({str(one) for one in (*before, *after)}):
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
    """Return a change as it may be shown: two long texts from a little before their first difference."""
    names = [part.rstrip("]") for part in path.replace("[", ".").split(".")]
    old, new = (_redacted(one, names, redactor) for one in (before, after))
    old_text, new_text = _text(old, new), _text(new, old)
    start = _first_difference(old_text, new_text) if old_text and new_text else 0
    return PropertyChange(
        path=visible(redactor.text(path)),
        before=_shown(old, old_text, start),
        after=_shown(new, new_text, start),
        replaces=replaces,
    )


def shown(value: Value, redactor: Redactor, name: str = "") -> Shown:
    """Return one value as it may be shown."""
    hidden = _redacted(value, [name], redactor)
    return _shown(hidden, _text(hidden, ABSENT), 0)


def _redacted(value: Value, names: Sequence[str], redactor: Redactor) -> Value:
    """Return `value` without secrets, where `names` are those of its property and of all that it lies in."""
    for name in names:
        if redactor.value("a secret value", name) is SECRET:
            return redactor.value(value, name)
    return redactor.value(value)


def _text(value: Value, other: Value) -> str:
    """Return a value as text; a text that reads like something else is quoted, unless both sides are texts."""
    if isinstance(value, Mark):
        return "" if value in {ABSENT, SECRET, UNKNOWN} else repr(value)
    if isinstance(value, str):
        ambiguous = value == "" or (not isinstance(other, str | Mark) and _reads_as_json(value))
        return json.dumps(value, ensure_ascii=False) if ambiguous else value
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False, default=repr, sort_keys=False)
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return json.dumps(value, default=repr)


def _reads_as_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _first_difference(one: str, other: str) -> int:
    if max(len(one), len(other)) <= LONGEST_SHOWN:
        return 0
    # By halves: comparing slices is as fast as C, whatever the length.
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return max(0, low - CONTEXT)


def _shown(value: Value, text: str, start: int) -> Shown:
    if value is ABSENT:
        return Shown("absent")
    if value is SECRET:
        return Shown("secret")
    if value is UNKNOWN:
        return Shown("known after up")
    return Shown("value", shortened(text, start))


def shortened(text: str, start: int = 0) -> str:
    """Return `text` as one printable line; of a long one a part from `start` on, its length and its digest.

    Of a text that is too long to be searched for secrets, only length and digest.
    """
    if len(text) <= LONGEST_SHOWN:
        return visible(text)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    about = f"({len(text):,} characters, SHA-256 {digest}…)"
    if len(text) > LONGEST_SCANNED:
        return about
    part = text[start : start + LONGEST_SHOWN]
    before, after = "…" if start else "", "…" if start + LONGEST_SHOWN < len(text) else ""
    return f"{before}{visible(part)}{after} {about}"


@lru_cache(maxsize=16_384)
def visible(text: str) -> str:
    """Return `text` as one line of printable characters: ends of lines, marks of direction and the like as escapes.

    What reverses or hides parts of a line (Unicode, bidirectional controls and zero-width characters) is not printable.
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(one if one.isprintable() and one not in _INVISIBLE else _escape(one) for one in text)


_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f")
"""Letters and marks that show nothing: fillers, the empty Braille pattern, the grapheme joiner."""


def _escape(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return named.get(character) or f"\\u{{{ord(character):x}}}"
