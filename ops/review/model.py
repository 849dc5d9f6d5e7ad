"""What a review says of stacks: dataclasses that are the JSON document, too (docs/reviewing.md), and their wording.

The sentences that every rendering shows are here: `verdict`, `headline`, the counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from ops.review.dangers import Address, Danger
from ops.review.plan import Operation, PolicyResult
from ops.review.values import PropertyChange


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Reviews with their acknowledgements, and what is wrong with the entries."""

    reviews: tuple[StackReview, ...]
    stale: tuple[str, ...]
    """Entries that no longer count, a sentence each."""
    unused: tuple[str, ...]
    """Valid entries that no reviewed stack needs."""

    @property
    def passed(self) -> bool:
        """Whether no preview failed and every danger is acknowledged."""
        return all(review.verdict not in {"failed", "dangerous"} for review in self.reviews)


Verdict = Literal["failed", "dangerous", "acknowledged", "calm", "unchanged"]
"""The worst first. `failed`: no whole preview. `dangerous`: a danger is not acknowledged. `acknowledged`: all are.
`calm`: there are changes and none is dangerous."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the preview was made against, and how to repeat it."""

    kind: Literal["real", "lab"]
    label: str
    """In words: `the real state, refreshed`, `the lab: main deployed on this machine, then the branch`."""
    command: str
    """Repeats the review of this stack."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A figure that a reviewer looks for, before and after."""

    name: str
    before: str
    after: str

    @property
    def changes(self) -> bool:
        """Whether the two differ."""
        return self.before != self.after


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """What happens to one resource."""

    urn: str
    name: str
    type: str
    operation: Operation
    engine_operations: tuple[str, ...]
    properties: tuple[PropertyChange, ...]
    note: str = ""
    """Such as the order of a replacement, or that it stays in AWS."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """The changes of one component."""

    name: str
    changes: tuple[ResourceChange, ...]


NodeState = Literal["same", "new", "changed", "replaced", "gone", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One box of the picture."""

    column: Literal["name", "address", "listener", "group", "dataset"]
    label: str
    state: NodeState
    attached: bool = True
    """Whether it is on the way; a reserved zone's address isn't yet."""


@dataclass(frozen=True, kw_only=True)
class StackReview:
    """All that a review says of one stack. Every text is one line, printable, without secrets."""

    stack: str
    verdict: Verdict
    source: Source
    errors: tuple[str, ...]
    """Why there is no whole preview, line by line."""
    dangers: tuple[Danger, ...]
    capacity: tuple[Fact, ...]
    release: tuple[Fact, ...]
    mentioned: tuple[Fact, ...] = ()
    """What no client would notice and a reviewer wants to know, where it changes: subscribers, schedules."""
    policies: tuple[PolicyResult, ...]
    policies_passed: int
    policy_packs: tuple[str, ...]
    counts: Mapping[str, int]
    """Resources by operation."""
    components: tuple[Component, ...]
    """Changes, but for those of tags alone."""
    tag_changes: tuple[ResourceChange, ...]
    instances_replaced: int | None
    """How many instances a rollout would replace, whatever leads to it; None: there is no rollout."""
    drift: tuple[ResourceChange, ...]
    """Changes by hand since the last update, to what the program sets; empty if the preview didn't refresh."""
    picture: tuple[Node, ...]
    """Name, addresses, listener, group, dataset; empty unless one of them changes."""
    warnings: tuple[str, ...]
    duration_seconds: float | None
    fingerprint: str
    """Of all changes; equal if the same would be done."""


def verdict(review: StackReview) -> Verdict:
    """Return the verdict on a review."""
    if review.errors or any(result.blocks for result in review.policies):
        return "failed"
    if any(not danger.acknowledged for danger in review.dangers):
        return "dangerous"
    if review.dangers:
        return "acknowledged"
    return "calm" if review.components or review.tag_changes or review.drift else "unchanged"


WORST_FIRST: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, kw_only=True)
class Review:
    """Everything that a rendering is made from."""

    commit: str
    """The commit that was previewed, with `+` if files differ from it; empty if that isn't known."""
    made_at: datetime
    gate: Gate
    judged_by: str = ""
    """The commit whose code judged, where that isn't the code that is reviewed; empty: a change judged itself."""

    @property
    def stacks(self) -> tuple[StackReview, ...]:
        """The worst first, otherwise in the order in which they were asked for."""
        return tuple(sorted(self.gate.reviews, key=lambda review: WORST_FIRST.index(review.verdict)))

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
    lost = len([address for address in lost_addresses(review) if address.published])
    open_ = sum(not danger.acknowledged for danger in review.dangers)
    outages = sum(bool(danger.outage) for danger in review.dangers)
    dangerous = [
        *([f"{_counted(lost, 'published address')} would be lost"] if lost else []),
        *(["an outage"] if outages else []),
        *(["clients cut off"] if any(danger.action == "cut" for danger in review.dangers) else []),
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


def concerned(review: StackReview, address: Address) -> tuple[str, ...]:
    """Return the suppliers that have an address in their firewalls that would be lost."""
    return next((danger.concerns for danger in review.dangers if address in danger.addresses and danger.concerns), ())


def lost_addresses(review: StackReview) -> tuple[Address, ...]:
    """Return the addresses that would be lost, each once, published ones first."""
    lost = dict.fromkeys(address for danger in review.dangers for address in danger.addresses)
    return tuple(sorted(lost, key=lambda address: (not address.published, address.zone, address.address)))


def counts(review: StackReview) -> str:
    """Return the counts of all changes: `2 updated, 1 created, replaces 3 instances`."""
    summary = [
        counted_operations([*(change for part in review.components for change in part.changes), *review.tag_changes]),
        f"replaces {_counted(review.instances_replaced, 'instance')}" if review.instances_replaced is not None else "",
        f"{len(review.drift):,} changed outside Pulumi" if review.drift else "",
    ]
    return ", ".join(filter(None, summary)) or "nothing changed"


_WORDS: Mapping[Operation, str] = {
    "unknown": "unknown",
    "replace": "replaced",
    "delete": "deleted",
    "create": "created",
    "update": "updated",
    "import": "imported",
    "forget": "forgotten",
    "refresh": "refreshed",
}


def counted_operations(changes: Sequence[ResourceChange]) -> str:
    """Return the counts of `changes`: `2 updated, 1 created`."""
    by_operation = Counter(change.operation for change in changes)
    return ", ".join(f"{by_operation[name]:,} {word}" for name, word in _WORDS.items() if by_operation[name])


def _counted(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
