"""The gate: only an entry for this very danger, with a reason, for a short time, lets it through."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from infra.errors import ConfigError
from infra.types import EIP
from infra.yamlfile import as_yaml
from ops.output.redaction import Redactor
from ops.review.acknowledgements import FILE, Acknowledgement, example, gate, read_acknowledgements
from ops.review.dangers import ACTIONS
from ops.review.model import StackReview
from tests.ops.review.plans import NOW, plan, reviewed, state, step, urn

TODAY = NOW.date()
URN = urn(EIP, "live-vip-a")
ENTRY = {
    "stack": "live",
    "urn": URN,
    "action": "delete",
    "reason": "Agreed with both suppliers on Friday.",
    "expires": TODAY + timedelta(days=14),
}


def lost() -> StackReview:
    """Return the review of an address given up, and of protection lifted from another."""
    return reviewed(
        plan(
            step("delete", EIP, "live-vip-a", state({}, {"publicIp": "192.0.2.1"}), None),
            step("same", EIP, "live-vip-b", state({}, protect=True), state({})),
        )
    )


def entry(**changes: object) -> Acknowledgement:
    return Acknowledgement(**{**ENTRY, **changes})  # type: ignore[arg-type]  # fields by name


def written(folder: Path, *entries: object) -> Path:
    (folder / FILE).write_text(as_yaml({"acknowledgements": list(entries)}))
    return folder


def test_a_danger_is_let_through_by_its_own_entry_and_by_no_other() -> None:
    judged = gate([lost()], [entry()], TODAY, Redactor())
    assert [one.acknowledged for one in judged.reviews[0].dangers] == ["Agreed with both suppliers on Friday.", ""]
    assert judged.reviews[0].verdict == "dangerous"
    assert not judged.passed


def test_all_dangers_acknowledged_pass() -> None:
    judged = gate([lost()], [entry(), entry(urn=urn(EIP, "live-vip-b"), action="unprotect")], TODAY, Redactor())
    assert judged.reviews[0].verdict == "acknowledged"
    assert judged.passed


@pytest.mark.parametrize(
    "changes",
    [
        {"stack": "nft"},
        {"urn": urn(EIP, "live-vip-c")},
        {"action": "replace"},
        {"expires": TODAY - timedelta(days=1)},
    ],
)
def test_an_entry_for_anything_else_lets_nothing_through(changes: dict[str, object]) -> None:
    judged = gate([lost()], [entry(**changes)], TODAY, Redactor())
    assert [one.acknowledged for one in judged.reviews[0].dangers] == ["", ""]


def test_stale_and_unused_entries_are_told() -> None:
    stale = entry(expires=TODAY - timedelta(days=1))
    unused = entry(action="redirect")
    of_another_stack = entry(stack="nft", urn=URN.replace("live", "nft"))
    judged = gate([lost()], [stale, unused, of_another_stack], TODAY, Redactor())
    assert judged.stale == (f"delete of {URN} expired on 2026-11-22: remove it, or give it a new reason and day",)
    assert judged.unused == (f"redirect of {URN}: nothing in this change needs it",)


def test_a_failed_preview_does_not_pass_whatever_is_acknowledged() -> None:
    failed = reviewed(plan(errors=["the program failed"]))
    assert not gate([failed], [], TODAY, Redactor()).passed
    assert failed.verdict == "failed"


def test_what_the_review_suggests_is_what_the_file_takes(tmp_path: Path) -> None:
    suggested = f"acknowledgements:\n{example(lost(), TODAY)}\n".replace("...", "Agreed with both suppliers.")
    (tmp_path / FILE).write_text(suggested)
    judged = gate([lost()], read_acknowledgements(tmp_path, TODAY), TODAY, Redactor())
    assert judged.passed


def test_no_file_acknowledges_nothing(tmp_path: Path) -> None:
    assert read_acknowledgements(tmp_path, TODAY) == ()
    (tmp_path / FILE).write_text("# none\nacknowledgements: []\n")
    assert read_acknowledgements(tmp_path, TODAY) == ()


def test_an_expired_entry_can_be_read_so_that_it_can_be_told(tmp_path: Path) -> None:
    expired = {**ENTRY, "expires": TODAY - timedelta(days=100)}
    assert read_acknowledgements(written(tmp_path, expired), TODAY)[0].expires < TODAY


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expires": TODAY + timedelta(days=15)}, "expires is 2026-12-08; allowed: at most 14 days ahead, 2026-12-07"),
        ({"expires": "soon"}, "expires is 'soon'; allowed: a day such as 2026-11-23"),
        ({"expires": None}, "expires is None; allowed: a day"),
        ({"action": "ignore"}, f"action is ignore; allowed: {', '.join(ACTIONS)}"),
        ({"reason": "..."}, "reason is '...'; allowed: a sentence"),
        ({"reason": ""}, "reason is missing or no text"),
        ({"stack": 7}, "stack is 7, no text"),
        ({"urn": "urn:pulumi:nft::x"}, "urn is urn:pulumi:nft::x, which is none of stack live"),
        ({"approvedBy": "me"}, "approvedBy is not known here; allowed: stack, urn, action, reason, expires"),
    ],
)
def test_a_wrong_entry_is_told_and_believed_in_no_part(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_acknowledgements(written(tmp_path, ENTRY, {**ENTRY, "urn": URN + "2", **changes}), TODAY)
    assert said in str(raised.value)
    assert "entry 2" in str(raised.value)


def test_an_entry_that_stands_twice_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stands twice"):
        read_acknowledgements(written(tmp_path, ENTRY, {**ENTRY, "reason": "Another reason altogether."}), TODAY)


@pytest.mark.parametrize("content", ["acknowledgements: yes", "acknowledgements: [1]", "other: []", "- x"])
def test_what_is_no_list_of_entries_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ConfigError):
        read_acknowledgements(tmp_path, TODAY)


def test_a_secret_in_a_reason_is_not_shown() -> None:
    judged = gate([lost()], [entry(reason="because password=hunter2secret")], TODAY, Redactor())
    assert judged.reviews[0].dangers[0].acknowledged == "because password=[secret]"
