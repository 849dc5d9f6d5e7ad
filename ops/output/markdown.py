"""Untrusted text in GitHub's Markdown: shown as it is, without any meaning.

No mention of a person or a team, no reference, no link, no tag, no formula and no table cell comes of it. Left out:
what must not be shown at all (`redaction`), and how long a value may be (`shown`).
"""

from __future__ import annotations

import re

_JOINER = "&#8288;"
"""A word joiner: shows nothing, and keeps two characters from meaning something together."""


def code(text: str) -> str:
    """Return `text` as code: as it is, in Markdown's own quotes, wherever these can hold it."""
    if text and "`" not in text and "|" not in text and "\\" not in text and text == text.strip():
        return f"`{text}`"
    return html_code(text)


def html_code(text: str) -> str:
    """Return `text` as code in a tag, where Markdown's own quotes can't hold it."""
    return f"<code>{_entities(text)}</code>" if text else "<code>&#32;</code>"


def plain(text: str) -> str:
    """Return `text` so that it is text to Markdown and to GitHub: no mention, reference, link or formula comes of it.

    GitHub looks for them in what Markdown has made, so it doesn't help to write the characters as entities.
    """
    return _MEANINGFUL.sub(_defused, text)


_SPECIAL = r"[^A-Za-z0-9 .,:;()/%+=?\u00a1-\uffff\U00010000-\U0010ffff'-]"
_ENTITIES = re.compile(_SPECIAL)
_MEANINGFUL = re.compile(rf"(?P<cut>://|www\.|GH-|:(?=[a-z0-9_+-]+:))|{_SPECIAL}", re.IGNORECASE)


def _defused(match: re.Match[str]) -> str:
    found = match[0]
    if match["cut"]:
        # Between the letters and the sign, or after the only one.
        place = 3 if found.lower() == "www." else 2 if found.lower() == "gh-" else 1
        return f"{found[:place]}{_JOINER}{found[place:]}"
    if found == "$":
        # As GitHub's documentation on formulas recommends.
        return "<span>$</span>"
    return f"&#{ord(found)};{_JOINER if found in '@#' else ''}"


def _entities(text: str) -> str:
    return _ENTITIES.sub(lambda match: f"&#{ord(match[0])};", text)
