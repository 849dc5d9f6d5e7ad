"""A text as it reads once its escapes are undone, with where each character of it stands in the text as it was written.

Whoever searches a text for what is in it must not be led astray by how it is written: `pass\\u0077ord`, `%70assword`, a
quote with a backslash before it in a document inside a document, a character of no width amid a word. What is found is
then marked in the text as written, so nothing else of it changes. Left out: base64, and numeric references of HTML.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

NESTED = 3
"""Documents in documents whose escapes are undone: a file's content in cloud-config in an error message has two."""

_SHORT = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}

# JSON (RFC 8259, 7), YAML (1.2.2, 5.7), Python and Rust strings; percent-encoding of ASCII (RFC 3986, 2.1).
_ESCAPE = re.compile(
    r"""\\u\{(?P<braced>[0-9a-fA-F]{1,6})\}|\\u(?P<four>[0-9a-fA-F]{4})|\\U(?P<eight>[0-9a-fA-F]{8})"""
    r"""|\\x(?P<two>[0-9a-fA-F]{2})|\\(?P<short>["'\\/nrtbf])|%(?P<percent>[0-7][0-9a-fA-F])"""
)
# What shows nothing: controls but white space, and Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt).
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]+"
)


@dataclass(frozen=True)
class Reading:
    """One reading of a text."""

    text: str
    starts: Sequence[int]
    """Where each character of `text` begins in the text as written, and at last that text's length."""
    ends: Sequence[int]
    """Where each character of `text` ends there."""

    def written(self, start: int, end: int) -> tuple[int, int]:
        """Return where the part from `start` to `end`, which isn't empty, stands in the text as written."""
        return self.starts[start], self.ends[end - 1]


def readings(text: str) -> list[Reading]:
    """Return `text` as written, and without one, two and three layers of escapes as far as it has them."""
    found = [Reading(text, range(len(text) + 1), range(1, len(text) + 1))]
    while len(found) <= NESTED and (undone := _undone(found[-1])) is not None:
        found.append(undone)
    return found


def _undone(reading: Reading) -> Reading | None:
    """Return a reading without its outermost escapes; None if it has none."""
    text, parts, starts, ends, position = reading.text, list[str](), list[int](), list[int](), 0
    edits = [(match, _character(match)) for match in _ESCAPE.finditer(text)] if "\\" in text or "%" in text else []
    edits += [(match, "") for match in _INVISIBLE.finditer(text)]
    if not edits:
        return None
    for match, character in sorted(edits, key=lambda edit: edit[0].start()):
        parts += (text[position : match.start()], character)
        starts += reading.starts[position : match.start()]
        ends += reading.ends[position : match.start()]
        if character:
            starts.append(reading.starts[match.start()])
            ends.append(reading.ends[match.end() - 1])
        position = match.end()
    parts.append(text[position:])
    return Reading("".join(parts), [*starts, *reading.starts[position:]], [*ends, *reading.ends[position : len(text)]])


def _character(match: re.Match[str]) -> str:
    if short := match["short"]:
        return _SHORT.get(short, short)
    number = int(match[match.lastgroup or 0], 16)
    return chr(number) if number <= 0x10FFFF else "\ufffd"
