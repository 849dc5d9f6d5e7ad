"""Acknowledged dangers: review-acknowledgements.yaml, whose owners approve every change to it (CODEOWNERS).

An entry is for one action on one resource of one stack, with a reason, and for a short time: what nobody has needed
for two weeks, nobody remembers the reason of. Left out: what is dangerous, and whose approval GitHub asks for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from infra.errors import ConfigError, Problem
from infra.yamlfile import read_mapping
from ops.output.redaction import Redactor
from ops.output.visible import visible
from ops.review.dangers import ACTIONS, Action
from ops.review.model import Gate, StackReview, verdict

FILE = "review-acknowledgements.yaml"
LONGEST_LIFE = timedelta(days=14)
SHORTEST_REASON = 10
"""Characters; anything shorter gives no reason."""

TEXTS = ("stack", "urn", "action", "reason")
KEYS = (*TEXTS, "expires")


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """One entry."""

    stack: str
    urn: str
    action: Action
    reason: str
    expires: date
    """The last day on which it counts."""

    @property
    def danger(self) -> tuple[str, str, str]:
        """What it acknowledges: stack, URN, action."""
        return self.stack, self.urn, self.action


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
        raise ConfigError([*problems, _problem("acknowledgements", "is no list")])
    read = []
    for index, entry in enumerate(entries, start=1):
        wrong = [_problem(f"entry {index}{key and f', {key}'}", message) for key, message in _wrong(entry, today)]
        problems += wrong
        if not wrong:
            read.append(Acknowledgement(**{**entry, "reason": entry["reason"].strip(), "expires": _day(entry)}))
    times = Counter(acknowledgement.danger for acknowledgement in read)
    problems += [
        _problem(f"{action} of {urn}", "stands twice; allowed: once")
        for (_, urn, action), count in times.items()
        if count > 1
    ]
    if problems:
        raise ConfigError(problems)
    return tuple(read)


def gate(
    reviews: Sequence[StackReview], acknowledgements: Sequence[Acknowledgement], today: date, redactor: Redactor
) -> Gate:
    """Return `reviews` with the reason beside every danger that an entry acknowledges on `today`."""

    def safe(text: str) -> str:
        return visible(redactor.text(text))

    valid = {ack.danger: safe(ack.reason) for ack in acknowledgements if ack.expires >= today}
    stacks = {review.stack for review in reviews}
    needed = {(review.stack, danger.urn, danger.action) for review in reviews for danger in review.dangers}
    return Gate(
        reviews=tuple(_judged(review, valid) for review in reviews),
        stale=tuple(
            safe(f"{ack.action} of {ack.urn} expired on {ack.expires}: remove it, or give it a new reason and day")
            for ack in acknowledgements
            if ack.expires < today
        ),
        unused=tuple(
            safe(f"{action} of {urn}: nothing in this change needs it")
            for stack, urn, action in valid
            if stack in stacks and (stack, urn, action) not in needed
        ),
    )


def example(review: StackReview, today: date) -> str:
    """Return the entries that would acknowledge the open dangers, as YAML for the file."""
    lines = []
    for danger in review.dangers:
        if not danger.acknowledged:
            lines += [
                f"  - stack: {review.stack}",
                f"    urn: {json.dumps(danger.urn, ensure_ascii=False)}",
                f"    action: {danger.action}",
                "    reason: ...",
                f"    expires: {today + LONGEST_LIFE}",
            ]
    return "\n".join(lines)


def _judged(review: StackReview, reasons: Mapping[tuple[str, str, str], str]) -> StackReview:
    """Return `review` with the reason beside every danger that has one."""
    dangers = (
        replace(danger, acknowledged=reasons.get((review.stack, danger.urn, danger.action), ""))
        for danger in review.dangers
    )
    judged = replace(review, dangers=tuple(dangers))
    return replace(judged, verdict=verdict(judged))


def _wrong(entry: object, today: date) -> Iterator[tuple[str, str]]:
    """Yield the mistakes in an entry: the key (empty for the entry as a whole) and the message."""
    if not isinstance(entry, dict):
        yield "", f"is no mapping; allowed: {', '.join(KEYS)}"
        return
    for key in sorted(entry.keys() - set(KEYS)):
        yield str(key), f"is not known here; allowed: {', '.join(KEYS)}"
    stack, urn, action, reason = (_text(entry.get(key)) for key in TEXTS)
    for key in TEXTS:
        value = entry.get(key)
        if not _text(value):
            yield key, "is missing or no text" if value in (None, "") else f"is {value!r}, no text"
    if action and action not in ACTIONS:
        yield "action", f"is {action}; allowed: {', '.join(ACTIONS)}"
    if reason and len(reason.strip(" .")) < SHORTEST_REASON:
        yield "reason", f"is {reason!r}; allowed: a sentence that says why it may be"
    if urn and stack and not urn.startswith(f"urn:pulumi:{stack}::"):
        yield "urn", f"is {urn}, which is none of stack {stack}"
    expires, latest = _day(entry), today + LONGEST_LIFE
    if expires is None:
        yield "expires", f"is {entry.get('expires')!r}; allowed: a day such as {today}"
    elif expires > latest:
        yield "expires", f"is {expires}; allowed: at most {LONGEST_LIFE.days} days ahead, {latest}"


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.strip() else ""


def _day(entry: Mapping[str, Any]) -> date | None:
    """Return the last day on which an entry counts; None if it says none."""
    value = entry.get("expires")
    # YAML reads 2026-12-01 as a date, a date with a time or in quotes as something else.
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if type(value) is date else None


def _problem(where: str, message: str) -> Problem:
    return Problem(where=f"{FILE}: {where}", message=message, fix=f"edit {FILE}; docs/reviewing.md explains it")
