"""Who said that a dangerous change may be: review-acknowledgements.yaml, which its owners approve (CODEOWNERS).

An entry is for one action on one resource of one stack, with a reason, and for a short time: what nobody has needed
for two weeks, nobody remembers the reason of. Left out: what is dangerous, and whose approval GitHub asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

from infra.errors import ConfigError, Problem
from infra.yamlfile import read_mapping
from ops.output.redaction import Redactor
from ops.output.shown import visible
from ops.review.dangers import Action
from ops.review.model import Gate, StackReview, verdict

FILE = "review-acknowledgements.yaml"
LONGEST_LIFE = timedelta(days=14)
SHORTEST_REASON = 10
"""Characters; a shorter one gives none."""

KEYS = ("stack", "urn", "action", "reason", "expires")
ACTIONS: tuple[str, ...] = get_args(Action)


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """One entry."""

    stack: str
    urn: str
    action: Action
    reason: str
    expires: date
    """The last day on which it counts."""


def read_acknowledgements(folder: Path, today: date) -> tuple[Acknowledgement, ...]:
    """Return the entries of the file in `folder`; none if there is no file.

    Raises ConfigError with all that is wrong, so that no entry is ever half believed. One that expires too far from
    `today` is wrong; one that has expired isn't.
    """
    file = folder / FILE
    if not file.exists():
        return ()
    content = read_mapping(file)
    problems = [
        _problem(key, "is not known here; allowed: acknowledgements") for key in content.keys() - {"acknowledgements"}
    ]
    entries = content.get("acknowledgements") or []
    if not isinstance(entries, list):
        problems.append(_problem("acknowledgements", "is no list"))
        entries = []
    found = [_entry(index, entry, today, problems) for index, entry in enumerate(entries, start=1)]
    read = [one for one in found if one is not None]
    for index, one in enumerate(read):
        if any((one.stack, one.urn, one.action) == (other.stack, other.urn, other.action) for other in read[:index]):
            problems.append(_problem(f"{one.action} of {one.urn}", "stands twice; allowed: once"))
    if problems:
        raise ConfigError(problems)
    return tuple(read)


def gate(
    reviews: Sequence[StackReview], acknowledgements: Sequence[Acknowledgement], today: date, redactor: Redactor
) -> Gate:
    """Return `reviews` with the reason beside every danger that an entry acknowledges on `today`."""

    def safe(text: str) -> str:
        return visible(redactor.text(text))

    valid = [one for one in acknowledgements if one.expires >= today]
    used: set[Acknowledgement] = set()
    judged = tuple(_judged(review, valid, used, safe) for review in reviews)
    stacks = {review.stack for review in reviews}
    return Gate(
        reviews=judged,
        stale=tuple(
            safe(f"{one.action} of {one.urn} expired on {one.expires}: remove it, or give it a new reason and day")
            for one in acknowledgements
            if one.expires < today
        ),
        unused=tuple(
            safe(f"{one.action} of {one.urn}: nothing in this change needs it")
            for one in valid
            if one.stack in stacks and one not in used
        ),
    )


def example(review: StackReview, today: date) -> str:
    """Return the entries that would acknowledge what isn't yet, as YAML to put into the file."""
    lines = []
    for danger in review.dangers:
        if not danger.acknowledged:
            lines += [
                f"  - stack: {review.stack}",
                f"    urn: {_quoted(danger.urn)}",
                f"    action: {danger.action}",
                "    reason: ...",
                f"    expires: {today + LONGEST_LIFE}",
            ]
    return "\n".join(lines)


def _judged(
    review: StackReview,
    acknowledgements: Collection[Acknowledgement],
    used: set[Acknowledgement],
    safe: Callable[[str], str],
) -> StackReview:
    dangers = []
    for danger in review.dangers:
        match = next(
            (
                one
                for one in acknowledgements
                if (one.stack, one.urn, one.action) == (review.stack, danger.urn, danger.action)
            ),
            None,
        )
        if match is None:
            dangers.append(danger)
        else:
            used.add(match)
            dangers.append(replace(danger, acknowledged=safe(match.reason)))
    judged = replace(review, dangers=tuple(dangers))
    return replace(judged, verdict=verdict(judged))


def _entry(index: int, entry: object, today: date, problems: list[Problem]) -> Acknowledgement | None:
    where = f"entry {index}"
    if not isinstance(entry, dict):
        problems.append(_problem(where, f"is no mapping; allowed: {', '.join(KEYS)}"))
        return None
    before = len(problems)
    for key in sorted(entry.keys() - set(KEYS)):
        problems.append(_problem(f"{where}, {key}", f"is not known here; allowed: {', '.join(KEYS)}"))
    texts = {key: _text(where, key, entry, problems) for key in ("stack", "urn", "action", "reason")}
    if texts["action"] and texts["action"] not in ACTIONS:
        problems.append(_problem(f"{where}, action", f"is {texts['action']}; allowed: {', '.join(ACTIONS)}"))
    if texts["reason"] and len(texts["reason"].strip(" .")) < SHORTEST_REASON:
        problems.append(
            _problem(f"{where}, reason", f"is {texts['reason']!r}; allowed: a sentence that says why it may be")
        )
    if texts["urn"] and texts["stack"] and not texts["urn"].startswith(f"urn:pulumi:{texts['stack']}::"):
        problems.append(_problem(f"{where}, urn", f"is {texts['urn']}, which is none of stack {texts['stack']}"))
    expires = _day(where, entry, today, problems)
    if len(problems) > before or expires is None:
        return None
    action: Any = texts["action"]
    return Acknowledgement(
        stack=texts["stack"], urn=texts["urn"], action=action, reason=texts["reason"].strip(), expires=expires
    )


def _text(where: str, key: str, entry: dict[str, Any], problems: list[Problem]) -> str:
    value = entry.get(key)
    if isinstance(value, str) and value.strip():
        return value
    problems.append(
        _problem(f"{where}, {key}", "is missing or no text" if value in (None, "") else f"is {value!r}, no text")
    )
    return ""


def _day(where: str, entry: dict[str, Any], today: date, problems: list[Problem]) -> date | None:
    value = entry.get("expires")
    # YAML reads 2026-12-01 as a day; a day with a time, or in quotes, as something else.
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            value = None
    if type(value) is not date:
        problems.append(_problem(f"{where}, expires", f"is {entry.get('expires')!r}; allowed: a day such as {today}"))
        return None
    if value - today > LONGEST_LIFE:
        problems.append(
            _problem(
                f"{where}, expires",
                f"is {value}; allowed: at most {LONGEST_LIFE.days} days ahead, {today + LONGEST_LIFE}",
            )
        )
        return None
    return value


def _problem(where: str, message: str) -> Problem:
    return Problem(where=f"{FILE}: {where}", message=message, fix=f"edit {FILE}; docs/reviewing.md explains it")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
