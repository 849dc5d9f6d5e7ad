"""Text of others as it may reach a terminal: nothing in it moves a cursor, changes a colour or hides a part."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=16_384)
def visible(text: str) -> str:
    """Return `text` as one line of printable characters: ends of lines, marks of direction and the like as escapes.

    What reverses or hides parts of a line (Unicode, bidirectional controls and zero-width characters) is not printable.
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(char if char.isprintable() and char not in _INVISIBLE else _escape(char) for char in text)


_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f")
"""Letters and marks that show nothing: fillers, the empty Braille pattern, the grapheme joiner."""


def _escape(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return named.get(character) or f"\\u{{{ord(character):x}}}"
