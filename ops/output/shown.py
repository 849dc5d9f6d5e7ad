"""A value as a person may see it: without secrets, shortened around what changed, with nothing invisible."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from infra.graph import ABSENT, SECRET, UNKNOWN, Mark, Value
from ops.output.redaction import HIDDEN, LONGEST_SCANNED, Redactor
from ops.output.visible import visible

LONGEST_SHOWN = 200
"""Characters of a value that are shown."""
CONTEXT = 40
"""Of those, how many stand before the first difference of two long texts."""
Kind = Literal["value", "absent", "known after up", "secret"]


@dataclass(frozen=True)
class Shown:
    """One side of a change, as it may be shown."""

    kind: Kind
    text: str = ""
    """One line of printable characters, without secrets, at most some `LONGEST_SHOWN`; empty unless it is a value."""

    @property
    def words(self) -> str:
        """The text, or a word for why there is none."""
        return self.text if self.kind == "value" else {"absent": "none", "secret": HIDDEN}.get(self.kind, self.kind)


def shown(value: Value, redactor: Redactor, name: str = "") -> Shown:
    """Return one value as it may be shown."""
    hidden = _redacted(value, [name], redactor)
    return _shown(hidden, _text(hidden, ABSENT), 0)


def shown_pair(before: Value, after: Value, names: Sequence[str], redactor: Redactor) -> tuple[Shown, Shown]:
    """Return both sides of a change as they may be shown: two long texts from a little before their first difference.

    `names` are those of the property and of all that it lies in.
    """
    old, new = (_redacted(value, names, redactor) for value in (before, after))
    old_text, new_text = _text(old, new), _text(new, old)
    start = _first_difference(old_text, new_text) if old_text and new_text else 0
    return _shown(old, old_text, start), _shown(new, new_text, start)


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


def _first_difference(left: str, right: str) -> int:
    if max(len(left), len(right)) <= LONGEST_SHOWN:
        return 0
    # By halves: comparing slices is as fast as C, whatever the length.
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
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
