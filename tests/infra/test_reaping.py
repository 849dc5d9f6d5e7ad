"""What goes and what stays: each reason by an example, and fleets of every kind at random."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.ephemeral import limits_of
from infra.naming import PERMANENT
from infra.reaping import LockFacts, StackFacts, ephemeral_of, held, objection, settings_of, verdict
from infra.times import in_words

LIMITS = limits_of(Path(__file__).parents[2])
COMMITTED = (*PERMANENT, "training")
NOW = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONGEST = LIMITS.longest_life


def said(created: object = NOW - 80 * HOUR, expires: object = NOW - 8 * HOUR, **more: object) -> Mapping[str, Any]:
    """Return the settings of a mark, or of the backend's tags; by default of one that is over its time."""
    times = {"createdAt": created, "expiresAt": expires}
    texts = {key: one.isoformat() if isinstance(one, datetime) else one for key, one in times.items()}
    return {"aws:region": "eu-west-2", "eps-dos-api:ephemeral": {**texts, "owner": "tester", "like": "int", **more}}


def stack(name: str = "pr-7", **changes: Any) -> StackFacts:
    """Return a stack that goes, with `changes`."""
    usual = StackFacts(name=name, resources=40, marks=(said(),), environments=frozenset({name}))
    return replace(usual, **changes)


def lock(*, dead: bool | None, age: timedelta = HOUR) -> LockFacts:
    return LockFacts(holder="tester on laptop", taken=NOW - age, dead=dead)


ALIVE: dict[str, Any] = {"resources": 40, "marks": (said(expires=NOW + HOUR),)}
EXPIRED = "expired at 2026-10-24T17:30:00Z, 8 h ago"
NO_EXPIRY = "has an expiry that can't be read, or none"
BY_NAME = "has a name that no environment made for one test may have"


@pytest.mark.parametrize(
    ("facts", "decision", "reason"),
    [
        (stack(), "reap", EXPIRED),
        (stack(marks=(said(expires=NOW),)), "reap", "expired at 2026-10-25T01:30:00Z, 0 s ago"),
        (stack(**ALIVE), "stay", "expires at 2026-10-25T02:30:00Z, in 1 h"),
        (stack(resources=0, marks=(), said_of_empty=said()), "reap", EXPIRED),
        (stack(resources=0, marks=()), "stay", "holds nothing, and never came up"),
        (stack(pending=3), "reap", EXPIRED),
        (stack("live"), "refuse", "is permanent"),
        (stack("training", marks=()), "stay", "is permanent"),
        (stack("live-pr-1"), "refuse", BY_NAME),
        (stack("Pr-7"), "refuse", BY_NAME),
        (stack(unreadable="cut short"), "refuse", "has a state that can't be read: cut short"),
        (stack(marks=()), "refuse", "doesn't say in its state that it was made for one test"),
        (stack(marks=(), said_of_empty=said()), "refuse", "doesn't say in its state that it was made for one test"),
        (stack(environments=frozenset({"pr-7", "nft", "int"})), "refuse", "holds what is tagged as int, nft's"),
        (stack(protected=("address-a", "lb")), "refuse", "holds what is protected: address-a, lb"),
        (stack(marks=(said(), said())), "refuse", NO_EXPIRY),
        (stack(marks=({},)), "refuse", NO_EXPIRY),
        (stack(marks=(said(expires="tomorrow"),)), "refuse", NO_EXPIRY),
        (stack(marks=(said(expires=None),)), "refuse", NO_EXPIRY),
        (stack(marks=(said(expires="2026-10-24T17:30:00"),)), "refuse", NO_EXPIRY),
        (stack(marks=(said(expires=1_790_000_000),)), "refuse", NO_EXPIRY),
        (stack(marks=({"eps-dos-api:ephemeral": "2026"},)), "refuse", NO_EXPIRY),
        (stack(marks=(said("9999-12-30T00:00:00Z", "9999-12-31T00:00:00Z"),)), "refuse", NO_EXPIRY),
        (stack(marks=(said(expires="9999-12-31T23:59:59-05:00"),)), "refuse", NO_EXPIRY),
        (
            stack(marks=(said("2099-01-01T00:00:00Z", "2099-01-02T00:00:00Z"),)),
            "refuse",
            "was made at 2099-01-01T00:00:00Z, by its state, which is still to come",
        ),
        (
            stack(marks=(said(NOW - 400 * HOUR, NOW + 4000 * HOUR),)),
            "reap",
            "expired at 2026-10-22T09:30:00Z, 2 d 16 h ago; its state says 2027-04-09T17:30:00Z",
        ),
        (
            stack(locks=(lock(dead=False),)),
            "refuse",
            "is being changed by tester on laptop since 2026-10-25T00:30:00Z",
        ),
        (stack(locks=(lock(dead=True),)), "reap", EXPIRED),
        (
            stack(locks=(lock(dead=True), lock(dead=None))),
            "refuse",
            "is being changed by tester on laptop since 2026-10-25T00:30:00Z",
        ),
        (stack(locks=(lock(dead=None, age=6 * HOUR),)), "reap", EXPIRED),
        (stack(**ALIVE, locks=(lock(dead=False),)), "stay", "expires at 2026-10-25T02:30:00Z, in 1 h"),
    ],
)
def test_a_stack_goes_or_stays_for_one_reason(facts: StackFacts, decision: str, reason: str) -> None:
    found = verdict(facts, NOW, COMMITTED, LIMITS)
    assert (found.name, found.decision, found.reason) == (facts.name, decision, reason)


def test_what_is_over_its_time_is_so_though_somebody_holds_it() -> None:
    assert verdict(stack(locks=(lock(dead=False),)), NOW, COMMITTED, LIMITS).overdue
    assert not verdict(stack(**ALIVE), NOW, COMMITTED, LIMITS).overdue


def test_a_stack_with_a_file_is_permanent_and_one_without_is_not() -> None:
    assert objection(stack("training"), COMMITTED) == "is permanent"
    assert objection(stack("training"), PERMANENT) is None


def test_the_permanent_four_stay_though_their_files_are_gone() -> None:
    assert {verdict(stack(one), NOW, (), LIMITS).decision for one in PERMANENT} == {"refuse"}


def test_tags_of_the_backend_count_only_while_nothing_is_in_the_state() -> None:
    assert settings_of(stack(marks=(), said_of_empty=said())) is None
    assert settings_of(stack(resources=0, marks=(), said_of_empty=said())) == said()
    newer = said(expires=NOW + HOUR)
    assert settings_of(stack(resources=1, marks=(newer,), said_of_empty=said())) == newer


def test_a_mark_is_read_in_any_zone() -> None:
    tokyo = timezone(9 * HOUR)
    ephemeral = ephemeral_of(stack(marks=(said(expires=(NOW - HOUR).astimezone(tokyo)),)))
    assert ephemeral is not None
    assert ephemeral.expires_at == NOW - HOUR


def test_of_several_at_work_the_first_is_named() -> None:
    first, second = lock(dead=False, age=3 * HOUR), lock(dead=None)
    assert held((second, first, lock(dead=True, age=5 * HOUR)), NOW, LIMITS.stale_lock) == first
    assert held((), NOW, LIMITS.stale_lock) is None


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(), "0 s"),
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=40), "40 s"),
        (timedelta(days=2, hours=5, seconds=9), "2 d 5 h"),
        (timedelta(days=1, minutes=3), "1 d"),
        (timedelta(hours=1, seconds=1), "1 h"),
    ],
)
def test_spans_are_told_in_their_two_largest_units(span: timedelta, words: str) -> None:
    assert in_words(span) == words


@dataclass(frozen=True, kw_only=True)
class Case:
    """A stack and what it was made as; what shall become of it follows from how it was made."""

    kind: str
    facts: StackFacts
    goes: bool


skews = st.integers(-3600, 3600).map(lambda seconds: timedelta(seconds=seconds))
"""Between the clock of who made or locked it, and the one that counts."""
names = st.from_regex(r"(pr|test|a)-[0-9]{1,6}", fullmatch=True)
not_names = st.sampled_from(
    ["live-pr-1", "nft-2", "training-x", "..", "-y", "a b", "Pr-1", "a-", "é", "x" * 21, "x" * 200]
)
not_moments = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.just("2026-10-24T17:30:00"), st.just([]),
    st.just("9999-12-31T23:59:59-05:00"), st.just("0001-01-01T00:00:00+05:00"),
)  # fmt: skip


@st.composite
def lifetimes(draw: st.DrawFn, *, over: bool) -> Mapping[str, Any]:
    """Return the settings of a mark that is over its time, or isn't, at NOW."""
    if over:
        expires = NOW - timedelta(seconds=draw(st.integers(0, 90 * 86_400)))
        return said(expires - timedelta(seconds=draw(st.integers(1, 336 * 3600))), expires)
    # Made by a clock that may be ahead of the one that counts.
    created = NOW - timedelta(seconds=draw(st.integers(0, 300 * 3600))) + draw(skews)
    least = max(NOW, created) + timedelta(seconds=1)
    return said(created, least + timedelta(seconds=draw(st.integers(0, 33 * 3600))))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Return a stack of a random kind."""
    over = draw(st.booleans())
    mark = draw(lifetimes(over=over))
    name = draw(names)
    dead_locks = draw(
        st.lists(
            st.one_of(
                skews.map(lambda skew: lock(dead=True, age=HOUR + skew)),
                skews.map(lambda skew: lock(dead=None, age=LIMITS.stale_lock + HOUR + skew)),
            ),
            max_size=2,
        )
    )
    healthy = stack(name, marks=(mark,), pending=draw(st.integers(0, 3)), locks=tuple(dead_locks))
    permanent = draw(st.sampled_from(COMMITTED))
    kinds: dict[str, tuple[StackFacts, bool]] = {
        "healthy": (healthy, over),
        "empty": (replace(healthy, resources=0, marks=(), said_of_empty=mark, environments=frozenset()), over),
        "empty, untold": (replace(healthy, resources=0, marks=(), environments=frozenset()), False),
        "permanent": (stack(permanent, marks=(), locks=tuple(dead_locks)), False),
        "permanent, marked": (replace(healthy, name=permanent, environments=frozenset({permanent})), False),
        "permanent, told": (stack(permanent, marks=(), said_of_empty=mark), False),
        "permanent, emptied": (stack(permanent, resources=0, marks=(), said_of_empty=mark), False),
        "unmarked": (replace(healthy, marks=(), said_of_empty=mark), False),
        "another's": (replace(healthy, environments=frozenset({name, permanent})), False),
        "protected": (replace(healthy, protected=("lb",)), False),
        "ill named": (replace(healthy, name=draw(not_names)), False),
        "malformed": (replace(healthy, marks=({**said(), "eps-dos-api:ephemeral": draw(not_moments)},)), False),
        "malformed expiry": (replace(healthy, marks=(said(expires=draw(not_moments)),)), False),
        "malformed creation": (replace(healthy, marks=(said(created=draw(not_moments)),)), False),
        "extra key": (replace(healthy, marks=(said(forever=True),)), False),
        "two marks": (replace(healthy, marks=(mark, mark)), False),
        "put off": (replace(healthy, marks=(said(NOW - LONGEST - HOUR, NOW + 999 * HOUR),)), True),
        "unreadable": (replace(healthy, unreadable="cut short"), False),
        "locked": (replace(healthy, locks=(*dead_locks, lock(dead=False, age=draw(skews)))), False),
        "locked elsewhere": (replace(healthy, locks=(*dead_locks, lock(dead=None, age=HOUR + draw(skews)))), False),
    }
    kind = draw(st.sampled_from(sorted(kinds)))
    facts, goes = kinds[kind]
    return Case(kind=kind, facts=facts, goes=goes)


def test_of_random_fleets_exactly_the_expired_go(capsys: pytest.CaptureFixture[str]) -> None:
    counted: Counter[str] = Counter()
    reaped: Counter[str] = Counter()

    @settings(max_examples=600, derandomize=True, deadline=None, database=None, suppress_health_check=[*HealthCheck])
    @given(st.lists(cases(), min_size=1, max_size=8))
    def judge(fleet: list[Case]) -> None:
        found = [verdict(one.facts, NOW, COMMITTED, LIMITS) for one in fleet]
        counted["fleets"] += 1
        for one, its in zip(fleet, found, strict=True):
            assert (its.decision == "reap") == one.goes, (one, its)
            assert its.reason
            counted[one.kind] += 1
            reaped[one.kind] += its.decision == "reap"

    judge()
    fleets = counted.pop("fleets")
    with capsys.disabled():
        print(f"\n{fleets} fleets, {counted.total()} stacks, {reaped.total()} reaped: {dict(+reaped)}")  # noqa: T201 - figures that the issue asks to see
    assert fleets >= 500
    # Each kind was there, and what can go both ways did.
    assert len(counted) == 20
    assert set(+reaped) == {"healthy", "empty", "put off"}
    assert 0 < reaped["healthy"] < counted["healthy"]
