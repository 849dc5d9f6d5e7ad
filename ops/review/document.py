"""A review of several stacks as a document for programs; docs/reviewing.md has its schema.

`format` counts up whenever a field changes its meaning or goes. Fields may be added.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic import TypeAdapter

from ops.output.redaction import Redactor
from ops.output.shown import visible
from ops.review.acknowledgements import Gate
from ops.review.content import LostAddress, ResourceChange, Source, StackReview, Verdict, verdict
from ops.review.plan import Operation

FORMAT = 1

WORST_FIRST: tuple[Verdict, ...] = ("failed", "dangerous", "acknowledged", "calm", "unchanged")


@dataclass(frozen=True, kw_only=True)
class Review:
    """Everything that a rendering is made from."""

    commit: str
    """The commit that was previewed, with `+` if files differ from it; empty if that isn't known."""
    made_at: datetime
    gate: Gate

    @property
    def stacks(self) -> tuple[StackReview, ...]:
        """The worst first; those alike in the order that they were asked for."""
        return tuple(sorted(self.gate.reviews, key=lambda one: WORST_FIRST.index(one.verdict)))

    @property
    def verdict(self) -> Verdict:
        """The worst of the stacks'."""
        return self.stacks[0].verdict if self.stacks else "unchanged"

    @property
    def time(self) -> str:
        """When it was made, for people."""
        return f"{self.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def headline(review: StackReview) -> str:
    """Return the verdict on one stack in one sentence, without the stack's name."""
    lost = len([one for one in lost_addresses(review) if one.published])
    open_ = sum(not danger.acknowledged for danger in review.dangers)
    outages = sum(bool(danger.outage) for danger in review.dangers)
    dangerous = [
        *([f"{_counted(lost, 'published address')} would be lost"] if lost else []),
        *(["an outage"] if outages else []),
    ]
    besides = f" ({', '.join(dangerous)})" if dangerous else ""
    if review.verdict == "failed":
        why = "the preview failed" if review.errors else "a policy forbids it"
        danger = f"; {_counted(len(review.dangers), 'dangerous change')} seen{besides}" if review.dangers else ""
        return f"{why}, so this is no approval{danger}"
    if review.verdict == "dangerous":
        verb = "is" if open_ == 1 else "are"
        return f"{_counted(open_, 'dangerous change')} {verb} not acknowledged{besides}"
    if review.verdict == "acknowledged":
        return f"{_counted(len(review.dangers), 'dangerous change')}, acknowledged{besides}"
    if review.verdict == "unchanged":
        return "nothing changes"
    return f"nothing dangerous: {counts(review)}"


def lost_addresses(review: StackReview) -> tuple[LostAddress, ...]:
    """Return the addresses that would be lost, each once, published ones first."""
    found = dict.fromkeys(address for danger in review.dangers for address in danger.addresses)
    return tuple(sorted(found, key=lambda one: (not one.published, one.zone, one.address)))


def counts(review: StackReview) -> str:
    """Return how many resources are changed in which way: `2 updated, 1 created`."""
    told = counted_operations([*(one for part in review.components for one in part.changes), *review.tag_changes])
    if review.drift:
        told = ", ".join(one for one in (told, f"{len(review.drift):,} changed outside Pulumi") if one)
    return told or "nothing changed"


_WORDS: Mapping[Operation, str] = {
    "unknown": "unknown", "replace": "replaced", "delete": "deleted", "create": "created", "update": "updated",
    "import": "imported", "forget": "forgotten", "refresh": "refreshed",
}  # fmt: skip


def counted_operations(changes: Sequence[ResourceChange]) -> str:
    """Return how many of `changes` do what: `2 updated, 1 created`."""
    found = Counter(change.operation for change in changes)
    return ", ".join(f"{found[name]:,} {word}" for name, word in _WORDS.items() if found[name])


def as_json(review: Review) -> str:
    """Return the document; see docs/reviewing.md."""
    document = {
        "format": FORMAT,
        "verdict": review.verdict,
        "passed": review.gate.passed,
        "commit": review.commit,
        "madeAt": review.made_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "stacks": [{"headline": headline(one), **_plain_object(one)} for one in review.stacks],
        "acknowledgements": {"stale": list(review.gate.stale), "unused": list(review.gate.unused)},
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


class UntrustedReviewError(ValueError):
    """A document that is no review; says what is wrong with it, and shows nothing of it."""


def from_json(text: str, redactor: Redactor) -> tuple[StackReview, ...]:
    """Return the stacks' reviews in a document that somebody else's code wrote, trusting nothing in it.

    Every text is searched for secrets and made visible again, acknowledgements and verdicts are left out and found
    anew. Raises UntrustedReviewError if it is no such document, or larger than one can be.
    """
    if len(text) > LARGEST_DOCUMENT:
        raise UntrustedReviewError(
            f"the document has {len(text):,} characters; a review has {LARGEST_DOCUMENT:,} at most"
        )
    try:
        document = json.loads(text)
        stacks = document["stacks"]
        if document["format"] != FORMAT or not isinstance(stacks, list):
            raise UntrustedReviewError(f"the document is no review of format {FORMAT}")
        found = _STACKS.validate_python([_harmless(one, redactor) for one in stacks])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # Pydantic quotes what it was given.
        raise UntrustedReviewError(f"the document is no review: {type(error).__name__}") from None
    unjudged = [
        replace(one, dangers=tuple(replace(danger, acknowledged="") for danger in one.dangers), source=UNTRUSTED)
        for one in found
    ]
    return tuple(replace(one, verdict=verdict(one)) for one in unjudged)


LARGEST_DOCUMENT = 20_000_000
LONGEST_TEXT = 2_500

UNTRUSTED = Source(
    kind="lab",
    label="the lab, not AWS, by the pull request's own code: information, and no evidence",
    command="eps-dos review --base COMMIT",
)

_STACKS: TypeAdapter[tuple[StackReview, ...]] = TypeAdapter(tuple[StackReview, ...])


def _harmless(value: object, redactor: Redactor) -> object:
    if isinstance(value, dict):
        return {_snake_case(str(key)): _harmless(item, redactor) for key, item in value.items() if key != "headline"}
    if isinstance(value, list):
        return [_harmless(item, redactor) for item in value]
    return visible(redactor.text(value))[:LONGEST_TEXT] if isinstance(value, str) else value


def _snake_case(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)


def camel_case(name: str) -> str:
    """Return the name that a field has in JSON: `tag_changes` is `tagChanges`."""
    return re.sub(r"_(.)", lambda match: match[1].upper(), name)


def _plain_object(value: object) -> dict[str, object]:
    # Not dataclasses.asdict, which copies every text of a large plan.
    if not dataclasses.is_dataclass(value):
        raise AssertionError(f"{value!r} is no part of a review")
    return {camel_case(field.name): _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return _plain_object(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _counted(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
