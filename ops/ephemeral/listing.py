"""The environments for tests, their owners and expiry: as rows for programs and as a table for people.

Entered by status.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.ephemeral import Limits
from infra.reaping import StackFacts, Verdict, cannot_be_judged, ephemeral_of, verdict
from infra.times import in_words, stamp
from ops.output.visible import visible
from ops.stacks import fleet
from ops.stacks.place import Place

COLUMNS = {
    "name": "name",
    "owner": "owner",
    "like": "like",
    "createdAt": "made",
    "expiresIn": "expires in",
    "state": "state",
    "resources": "resources",
}
"""What the table shows: keys of a row, and headings."""


def for_tests(at: Place, now: datetime, committed: Collection[str], limits: Limits) -> list[dict[str, Any]]:
    """Return a row for each stack of the backend that has no file; `committed` are those that have one."""
    stacks = [facts for facts in fleet.read(at) if facts.name not in committed]
    return [_row(facts, verdict(facts, now, committed, limits), now) for facts in stacks]


def shown(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows as a table."""
    if not rows:
        typer.echo("none")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in COLUMNS:
        table.add_column(COLUMNS[key], justify="right" if key == "resources" else "left", overflow="fold")
    for row in rows:
        # An owner's name is whatever somebody has written into a state.
        table.add_row(*(Text(visible(str("unknown" if row[key] is None else row[key]))) for key in COLUMNS))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200).print(table)


def all_judged(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether of each row it can be said when its time is over, or that it has none."""
    return all(row["judged"] for row in rows)


def _row(facts: StackFacts, judgement: Verdict, now: datetime) -> dict[str, Any]:
    terms = ephemeral_of(facts)
    expires_at = judgement.expires_at or (terms.expires_at if terms else None)
    left = None if expires_at is None else expires_at - now
    return {
        "name": facts.name,
        "owner": terms.owner if terms else None,
        "like": terms.like if terms else None,
        "askedIn": terms.asked_in if terms else None,
        "createdAt": stamp(terms.created_at) if terms else None,
        "startsAt": stamp(terms.starts_at) if terms and terms.starts_at else None,
        "expiresAt": stamp(expires_at) if expires_at else None,
        "expiresIn": None if left is None else in_words(left) if left > timedelta() else f"over for {in_words(-left)}",
        "state": _state(facts, judgement),
        "resources": facts.resources,
        "decision": judgement.decision,
        "judged": not cannot_be_judged(facts, judgement),
        "reason": judgement.reason,
    }


def _state(facts: StackFacts, judgement: Verdict) -> str:
    if judgement.decision == "refuse":
        return judgement.reason
    if any(lock.dead is not True for lock in facts.locks):
        return "being changed"
    if facts.pending or facts.locks:
        return "interrupted"
    return "empty" if not facts.resources else "up"
