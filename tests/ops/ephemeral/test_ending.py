"""What is destroyed in which order: the state first, unless what no state knows is in its way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ops.aws import leftovers
from ops.aws.leftovers import Leftover
from ops.ephemeral import ending
from ops.ephemeral.ending import MESSAGE, destroy
from ops.stacks.engine import PulumiError
from ops.stacks.place import Place
from tests.infra.test_reaping import said, stack

ROLE = Leftover(kind="role", id="pr-7-service", by="name", reason="AccessDenied: not yours")
REFUSED = {"resOpFailedEvent": {"metadata": {"op": "delete"}}}
WHERE = {"eps-dos-api:dnsName": "dos-pr-7.eps.digital.nhs.uk"}


class Handle:
    """A stack whose destroying fails with one error after the other, and then succeeds. Writes down what is asked."""

    def __init__(self, errors: Sequence[PulumiError] = ()) -> None:
        self.errors = list(errors)
        self.asked: list[str] = []
        self.mended = False

    def mend(self) -> tuple[str, ...]:
        self.mended = True
        return ()

    def export(self) -> dict[str, Any]:
        # What a killed run left cut short can't be exported.
        assert self.mended
        return {}

    def destroy(self, _tell: object, *, message: str) -> None:
        assert message == MESSAGE
        self.asked.append("destroy")
        if self.errors:
            raise self.errors.pop(0)

    def remove(self) -> None:
        self.asked.append("forget")


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Destroy a stack, asking nobody; `left` is what AWS has after each look for leftovers."""
    at = Place(
        folder=tmp_path, checkout=tmp_path, cli=tmp_path, version="", in_lab=False, check_endpoint=lambda one: one
    )

    def end(handle: Handle, left: Sequence[Leftover] = (), others: Sequence[Leftover] = ()) -> tuple[Leftover, ...]:
        def remove(*_: object) -> tuple[Leftover, ...]:
            handle.asked.append("leftovers")
            return tuple(left)

        monkeypatch.setattr(ending, "StackHandle", lambda *_: handle)
        monkeypatch.setattr(ending, "write_stack_file", lambda *_: None)
        monkeypatch.setattr(leftovers, "remove", remove)
        monkeypatch.setattr(leftovers, "of_others", lambda *_: tuple(others))
        return destroy(stack(marks=({**said(), **WHERE},)), at, {}, lambda _: None)

    return end


def failed(*events: dict[str, Any]) -> PulumiError:
    return PulumiError("pr-7", "destroy", ["DeleteConflict: must delete policies first"], events)


def test_the_state_goes_then_what_is_left_and_the_stack_is_forgotten_last(ended: Any) -> None:
    handle = Handle()
    assert ended(handle) == ()
    assert handle.asked == ["destroy", "leftovers", "forget"]


def test_what_is_left_keeps_the_stack_known(ended: Any) -> None:
    handle = Handle()
    assert ended(handle, [ROLE]) == (ROLE,)
    assert handle.asked == ["destroy", "leftovers"]


def test_what_is_others_is_named_before_anything_takes_long_and_tried_once(
    ended: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = Leftover(kind="endpoint", id="vpce-1", by="network", owner="GuardDuty", reason="whoever may: aws ec2 ...")
    handle = Handle([failed(REFUSED)])
    assert ended(handle, [theirs], [theirs]) == (theirs,)
    assert handle.asked == ["destroy", "leftovers"]
    said = capsys.readouterr().err
    assert said == "pr-7: in the way: endpoint vpce-1 (of GuardDuty, in its network): whoever may: aws ec2 ...\n"
    # Gone meanwhile.
    handle = Handle([failed(REFUSED)])
    assert ended(handle, [], [theirs]) == ()
    assert handle.asked == ["destroy", "leftovers", "destroy", "leftovers", "forget"]


def test_what_no_state_knows_goes_first_where_aws_refuses_for_it(ended: Any) -> None:
    handle = Handle([failed(REFUSED)])
    assert ended(handle) == ()
    assert handle.asked == ["destroy", "leftovers", "destroy", "leftovers", "forget"]


@pytest.mark.parametrize(
    ("errors", "asked"),
    [
        # Locked, say: somebody may be at work, and nothing of theirs is touched.
        ([failed()], ["destroy"]),
        ([failed(REFUSED), failed(REFUSED)], ["destroy", "leftovers", "destroy"]),
    ],
)
def test_other_failures_are_told_and_the_stack_stays(ended: Any, errors: list[PulumiError], asked: list[str]) -> None:
    handle = Handle(errors)
    with pytest.raises(PulumiError, match="must delete policies first"):
        ended(handle)
    assert handle.asked == asked
