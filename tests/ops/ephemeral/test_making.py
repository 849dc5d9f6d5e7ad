"""Two runs that make the same environment at the same moment: one of them brings it up, whoever meets whose lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import pytest

from infra.reaping import LockFacts, StackFacts
from ops.ephemeral import making
from ops.errors import RefusalError
from ops.stacks import fleet
from ops.stacks.engine import Outcome, PulumiError, StackHandle

EMPTY = StackFacts(name="twin")
MADE = StackFacts(name="twin", resources=72)
DONE = Outcome(events=())
LOCKED = PulumiError("twin", "up", ["the stack is currently locked by 1 lock(s). Either wait ..."])
BROKEN = PulumiError("twin", "up", ["error: no such image"])


def held(*, dead: bool | None) -> StackFacts:
    return StackFacts(name="twin", locks=(LockFacts(holder="ci on a", taken=datetime.now(UTC), dead=dead),))


@dataclass
class Stack:
    """What one run meets: at each look, whose claim there is and what the backend has; how each `up` ends."""

    looks: Sequence[tuple[str, StackFacts | None]]
    ups: Sequence[Outcome | PulumiError] = ()
    name: str = "twin"
    place: None = None

    def __post_init__(self) -> None:
        self._looks: Iterator[tuple[str, StackFacts | None]] = iter(self.looks)
        self._ups = iter(self.ups)
        self._claim = ""

    def look(self, *_: object) -> StackFacts | None:
        self._claim, facts = next(self._looks)
        return facts

    def tags(self) -> dict[str, str]:
        return {making.CLAIM: self._claim}

    def up(self, *_: object, **__: object) -> Outcome:
        ended = next(self._ups)
        if isinstance(ended, PulumiError):
            raise ended
        return ended


def bring_up(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    monkeypatch.setattr(fleet, "read_one", stack.look)
    monkeypatch.setattr(making, "POLL_SECONDS", 0)
    return making._up(cast(StackHandle, stack), "mine", lambda _line: None, "made")


def test_both_met_the_others_lock_and_the_last_claim_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulumi refuses both: each wrote its lock before it looked for others."""
    other = held(dead=False)
    assert bring_up(Stack([("mine", EMPTY), ("mine", other), ("mine", EMPTY)], [LOCKED, DONE]), monkeypatch) == DONE
    with pytest.raises(RefusalError, match="being made by another run"):
        bring_up(Stack([("mine", EMPTY), ("theirs", other)], [LOCKED]), monkeypatch)


def test_the_other_has_begun_although_the_claim_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looked at the claim before this run wrote its own."""
    for looks in ([("mine", held(dead=False)), ("mine", MADE)], [("mine", EMPTY), ("mine", MADE)]):
        with pytest.raises(RefusalError, match="being made by another run"):
            bring_up(Stack(looks, [LOCKED]), monkeypatch)


@pytest.mark.parametrize("facts", [None, MADE, held(dead=True)], ids=["gone", "there", "left by a killed run"])
def test_there_is_nothing_to_wait_for(facts: StackFacts | None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusalError, match="being made by another run"):
        bring_up(Stack([("mine", facts)]), monkeypatch)


def test_a_lock_that_stays_is_waited_for_no_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "LONGEST_WAIT_SECONDS", -1)
    with pytest.raises(RefusalError, match="being made by another run"):
        bring_up(Stack([("mine", held(dead=None))]), monkeypatch)
    with pytest.raises(PulumiError, match="currently locked"):
        bring_up(Stack([("mine", EMPTY)], [LOCKED]), monkeypatch)


def test_what_else_fails_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PulumiError, match="no such image"):
        bring_up(Stack([("mine", EMPTY)], [BROKEN]), monkeypatch)
