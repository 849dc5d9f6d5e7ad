"""Which environments go because their time is over, and why the others stay: pure, one verdict for each stack.

Only the stack's own state counts: not its name alone, no tag, no clock of one machine. When in doubt, a stack is kept
and reported. Left out: reading the backend (`ops.stacks.fleet`), destroying (`ops.ephemeral.ending`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import ValidationError

from infra.ephemeral import YEARS, Limits, check_name
from infra.errors import ConfigError
from infra.naming import PERMANENT
from infra.settings import EphemeralSettings, own_of
from infra.times import in_words, stamp

Decision = Literal["reap", "stay", "refuse"]

FUTURE = timedelta(hours=24)
"""Clocks may differ by less; a time of creation that is further ahead is a mistake."""


@dataclass(frozen=True, kw_only=True)
class LockFacts:
    """Who is changing a stack, or was."""

    holder: str
    """User and machine, for people."""
    taken: datetime
    dead: bool | None
    """Whether the process that took it is gone; None where that can't be known (`ops.stacks.holders`)."""
    path: str = ""
    """In the backend."""


@dataclass(frozen=True, kw_only=True)
class StackFacts:
    """What the backend has of one stack."""

    name: str
    resources: int = 0
    """In its state, the stack itself and providers not counted."""
    pending: int = 0
    """Operations that were begun and never ended: what was killed in the middle leaves them."""
    said_of_empty: Mapping[str, Any] | None = None
    """The settings that it was to have, from the backend's tags. Of weight only while nothing is in its state."""
    marks: tuple[Mapping[str, Any], ...] = ()
    """The settings of each mark in its state (`infra.components.lifetime`)."""
    environments: frozenset[str] = frozenset()
    """Whose its resources are, by their tag `Environment`."""
    protected: tuple[str, ...] = ()
    """Names of protected resources."""
    locks: tuple[LockFacts, ...] = ()
    unreadable: str | None = None
    """Why its state can't be read."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What becomes of a stack."""

    name: str
    decision: Decision
    """`refuse`: it may be over its time, and isn't touched."""
    reason: str
    expires_at: datetime | None = None
    """UTC; that of its state, or the latest that the limits allow."""

    overdue: bool = False
    """It is over its time, whether or not it goes."""


def cannot_be_judged(facts: StackFacts, judgement: Verdict) -> bool:
    """Whether nobody can say if a stack is over its time: a person has to look."""
    unreadable = facts.unreadable is not None or bool(facts.marks)
    return judgement.decision == "refuse" and judgement.expires_at is None and unreadable


def verdict(facts: StackFacts, now: datetime, committed: Collection[str], limits: Limits) -> Verdict:
    """Return what becomes of a stack at `now`; `committed` are the stacks that have a file."""
    against = objection(facts, committed)
    if against is not None:
        decision: Decision = "stay" if facts.name in {*PERMANENT, *committed} and not facts.marks else "refuse"
        return Verdict(name=facts.name, decision=decision, reason=against)
    if not facts.marks and not facts.said_of_empty:
        return Verdict(name=facts.name, decision="stay", reason="holds nothing, and never came up")
    ephemeral = ephemeral_of(facts)
    if ephemeral is None:
        return Verdict(name=facts.name, decision="refuse", reason="has an expiry that can't be read, or none")
    if ephemeral.created_at > now + FUTURE:
        reason = f"was made at {stamp(ephemeral.created_at)}, by its state, which is still to come"
        return Verdict(name=facts.name, decision="refuse", reason=reason)
    # An expiry that was edited by hand counts only within the limits.
    expires_at = min(ephemeral.expires_at, ephemeral.created_at + limits.longest_life).astimezone(UTC)
    edited = "" if expires_at == ephemeral.expires_at else f"; its state says {stamp(ephemeral.expires_at)}"

    def decided(decision: Decision, reason: str) -> Verdict:
        return Verdict(
            name=facts.name, decision=decision, reason=reason, expires_at=expires_at, overdue=expires_at <= now
        )

    if expires_at > now:
        return decided("stay", f"expires at {stamp(expires_at)}, in {in_words(expires_at - now)}{edited}")
    working = held(facts.locks, now, limits.stale_lock)
    if working is not None:
        return decided("refuse", f"is being changed by {working.holder} since {stamp(working.taken)}")
    return decided("reap", f"expired at {stamp(expires_at)}, {in_words(now - expires_at)} ago{edited}")


def objection(facts: StackFacts, committed: Collection[str]) -> str | None:
    """Return why a stack may not be destroyed as one made for a test, whatever its expiry and locks; None if it may."""
    try:
        check_name(facts.name, committed)
    except ConfigError:
        if facts.name in {*PERMANENT, *committed}:
            return "is permanent"
        return "has a name that no environment made for one test may have"
    if facts.unreadable is not None:
        return f"has a state that can't be read: {facts.unreadable}"
    if facts.resources and not facts.marks:
        return "doesn't say in its state that it was made for one test"
    strangers = sorted(facts.environments - {facts.name})
    if strangers:
        return f"holds what is tagged as {', '.join(strangers)}'s"
    if facts.protected:
        return f"holds what is protected: {', '.join(facts.protected)}"
    return None


def settings_of(facts: StackFacts) -> Mapping[str, Any] | None:
    """Return the configuration in a stack's state; of an empty stack, what it was to become; None: there is none."""
    marks = facts.marks or ((facts.said_of_empty,) if facts.said_of_empty and not facts.resources else ())
    return marks[0] if len(marks) == 1 else None


def ephemeral_of(facts: StackFacts) -> EphemeralSettings | None:
    """Return how long a stack lives, as its state says; None if that can't be read."""
    settings = settings_of(facts)
    if not settings:
        return None
    try:
        ephemeral = EphemeralSettings.model_validate(own_of(settings)["ephemeral"])
    except (ValidationError, KeyError):
        return None
    moments = (ephemeral.created_at, ephemeral.expires_at, ephemeral.starts_at or ephemeral.created_at)
    return ephemeral if all(moment.year in YEARS for moment in moments) else None


def held(locks: Collection[LockFacts], now: datetime, stale_after: timedelta) -> LockFacts | None:
    """Return a lock whose holder may still be at work; None if all of them are what dead runs left.

    Where nobody can know whether it is, as of plain Pulumi's, a lock counts until it is `stale_after` old.
    """
    alive = [lock for lock in locks if lock.dead is False or (lock.dead is None and now - lock.taken < stale_after)]
    return min(alive, key=lambda lock: lock.taken, default=None)
