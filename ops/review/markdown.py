"""A review as a comment on a pull request: GitHub's Markdown, within GitHub's length, safe for any value.

Whatever comes from a plan is shown as code, or as text in which nothing has a meaning: no mention of a person or a
team, no reference, no link, no tag. A comment that would be too long loses whole sections, the least important first,
and says which.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from ops.output.markdown import code as _code
from ops.output.markdown import html_code as _html_code
from ops.output.markdown import plain as _text
from ops.output.shown import Shown
from ops.review.acknowledgements import FILE, example
from ops.review.dangers import Address, Danger
from ops.review.model import (
    Component,
    Fact,
    Node,
    ResourceChange,
    Review,
    StackReview,
    concerned,
    counted_operations,
    counts,
    headline,
    lost_addresses,
)
from ops.review.plan import RANKED, PolicyResult
from ops.review.values import PropertyChange

MARKER = "<!-- eps-dos-review -->"
"""The first line, by which a workflow finds the comment to update."""

GITHUB_LIMIT = 65_536
"""Characters of a comment (GitHub answers a longer body with 422)."""

LIMIT = 60_000
"""What is used of them: the rest is for what a workflow adds."""

SIGNS = {"failed": "❌", "dangerous": "🔴", "acknowledged": "🟠", "calm": "🟢", "unchanged": "⚪"}

MOST_DANGERS = 25
"""Shown one by one when all of them would be too long."""


@dataclass(frozen=True, kw_only=True)
class _Section:
    """Part of a stack's review, whole or not at all."""

    rank: int
    """The higher, the earlier it goes."""
    name: str
    text: str
    short: str = ""
    """What takes its place first, if it is too long."""


def as_markdown(review: Review, limit: int = LIMIT) -> str:
    """Return the review as Markdown of at most `limit` characters, counted as UTF-16 does."""
    today = review.made_at.date()
    stacks = [[*_sections(stack, today)] for stack in review.stacks]
    head, tail = _head(review), _tail(review)
    room = limit - _length(head) - _length(tail) - NOTE_ROOM * len(stacks)
    texts = iter(_fitting([section for sections in stacks for section in sections], room))
    parts = [head]
    for sections in stacks:
        shown = [(section, next(texts)) for section in sections]
        parts += [text for _, text in shown if text]
        missing = [section for section, text in shown if not text]
        # Where not even the verdict fits, the title still counts the stack.
        if missing and len(missing) < len(sections):
            parts.append(f"**Left out for length:** {_text(_summed(missing))}. All of it: `--format text --full`.\n")
    return "\n".join([*parts, tail])


def _head(review: Review) -> str:
    sign, passed = SIGNS[review.verdict], review.gate.passed
    names = _named([stack.stack for stack in review.stacks])
    title = {
        "failed": "failed, this is no approval",
        "dangerous": "dangerous changes are not acknowledged",
        "acknowledged": "dangerous changes, acknowledged",
        "calm": "nothing dangerous",
        "unchanged": "nothing changes",
    }[review.verdict]
    commit = f"commit {_code(review.commit)}" if review.commit else "no commit known"
    source = "; ".join([*dict.fromkeys(_text(stack.source.label) for stack in review.stacks)][:MOST_SOURCES])
    code = f"judged by the code of {_code(review.judged_by)}" if review.judged_by else "judged by its own code"
    gate = "" if passed else " · **not to be merged as it is**"
    return f"{MARKER}\n## {sign} Preview of {names}: {title}\n\n{commit} · {review.time} · {source} · {code}{gate}\n"


MOST_NAMES = 20
MOST_SOURCES = 3


def _tail(review: Review) -> str:
    lines = [f"- stale in `{FILE}`: {_text(entry)}" for entry in review.gate.stale]
    lines += [f"- unused in `{FILE}`: {_text(entry)}" for entry in review.gate.unused]
    if len(lines) > MOST_ENTRIES:
        lines = [*lines[:MOST_ENTRIES], f"- and {len(lines) - MOST_ENTRIES} more entries that are stale or unused"]
    return "\n".join(["---", *lines, ""]) if lines else ""


MOST_ENTRIES = 20


def _sections(review: StackReview, today: date) -> Iterator[_Section]:
    """Yield the sections of a stack in the order in which they are read."""
    yield _Section(rank=0, name="verdict", text=_verdict(review))
    if review.dangers:
        yield _dangers(review)
    if review.errors:
        yield _Section(rank=1, name="errors", text=_errors(review))
    blocking = [result for result in review.policies if result.blocks]
    if blocking:
        yield _listed(3, "policy violations", "**Forbidden by policy**", [*map(_policy, blocking)])
    if facts := [*review.capacity, *review.release, *review.mentioned]:
        yield _facts(facts)
    if review.picture:
        yield _Section(rank=50, name="picture", text=_picture(review.picture))
    if review.drift:
        yield _changes(20, "changed outside Pulumi", review.drift)
    for index, component in enumerate(review.components):
        yield _component(index, component)
    if review.tag_changes:
        yield _tag_changes(review.tag_changes)
    if any(not danger.acknowledged for danger in review.dangers):
        yaml = _fenced(example(review, today), "yaml")
        inside = f"In `{FILE}`, approved by its owners:\n\n{yaml}"
        yield _Section(rank=60, name="how to acknowledge", text=_details("How to acknowledge this", inside))
    notes = [result for result in review.policies if not result.blocks]
    if notes or review.warnings:
        lines = [*map(_policy, notes), *(f"- {_text(warning)}" for warning in review.warnings)]
        yield _listed(65, "warnings", "**Warnings**", lines)
    yield _Section(rank=8, name="how", text=_how(review))


def _verdict(review: StackReview) -> str:
    return f"### {SIGNS[review.verdict]} {_text(review.stack)}: {_text(headline(review))}\n"


def _facts(facts: Sequence[Fact]) -> _Section:
    changed = [f"| {_text(fact.name)} | {_code(fact.before)} | {_code(fact.after)} |" for fact in facts if fact.changes]
    same = [f"{_text(fact.name)} {_code(fact.after)}" for fact in facts if not fact.changes]
    table = ["| | before | after |", "|---|---|---|", *changed[:MOST_LINES], ""] if changed else []
    stays = [f"Stays: {'; '.join(same[:MOST_LINES])}.", ""] if same else []
    return _Section(rank=4, name="capacity and release", text=NEW_LINE.join([*table, *stays]))


def _errors(review: StackReview) -> str:
    lines = _fenced("\n".join(review.errors), "text")
    return f"**The preview failed; all else here is what was seen until then.**\n\n{lines}\n"


def _dangers(review: StackReview) -> _Section:
    items = [_danger(danger) for danger in review.dangers]
    lost = [_lost(address, review) for address in lost_addresses(review)]
    few = items[:MOST_DANGERS]
    rest = Counter(f"{danger.what.split(' ')[0]}…: {danger.action}" for danger in review.dangers[MOST_DANGERS:])
    lines = [f"- and {count:,} more: {_text(what)}" for what, count in rest.most_common(MOST_DANGERS)]
    short = _titled(_first(lost, MOST_DANGERS), [*few, *lines])
    return _Section(rank=2, name="dangers", text=_titled(lost, items), short=short)


def _titled(lost: Sequence[str], items: Sequence[str]) -> str:
    head = ["**Addresses lost**", "", *lost, ""] if lost else []
    return NEW_LINE.join([*head, "**Dangerous**", "", *items, ""])


def _lost(address: Address, review: StackReview) -> str:
    zone = f" ({_text(address.zone)})" if address.zone else ""
    if not address.published:
        return f"- {_code(address.address)}{zone}, which is not published"
    concerns = concerned(review, address)
    return (
        f"- **{_code(address.address)}{zone}**, published: in the firewalls of {_named(concerns) or 'whoever connects'}"
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(map(_text, names[:MOST_NAMES]))}{more}"


def _danger(danger: Danger) -> str:
    lines = [f"- **{_text(danger.what)}** {_text(danger.message)} (`{danger.action}`)"]
    if danger.outage:
        lines.append(f"  - **an outage:** {_text(danger.outage)}")
    acknowledged = f"acknowledged: {_text(danger.acknowledged)}" if danger.acknowledged else "**not acknowledged**"
    lines.append(f"  - {acknowledged} · {_code(danger.urn)}")
    return "\n".join(lines)


def _policy(result: PolicyResult) -> str:
    on = f", {_code(result.urn.rsplit('::', 1)[-1])}" if result.urn else ""
    return f"- {_text(result.message)} ({_code(result.policy)}{on})"


def _listed(rank: int, name: str, title: str, lines: Sequence[str]) -> _Section:
    text, short = (f"{title}\n\n{NEW_LINE.join(some)}\n" for some in (lines, _first(lines, MOST_LINES)))
    return _Section(rank=rank, name=f"{name} ({len(lines):,})", text=text, short=short)


def _first(lines: Sequence[str], most: int) -> list[str]:
    """Return the first lines of a list, and how many more there are."""
    return [*lines[:most], *([f"- and {len(lines) - most:,} more"] if len(lines) > most else [])]


NEW_LINE = "\n"
MOST_LINES = 20


def _component(index: int, component: Component) -> _Section:
    worst = min(RANKED.index(change.operation) for change in component.changes)
    # Replaced and deleted first, then changed, then created.
    goes, only_made = worst <= RANKED.index("delete"), all(change.operation == "create" for change in component.changes)
    base = 10 if goes else 40 if only_made else 30
    return _changes(base + min(index, 9), component.name, component.changes)


def _changes(rank: int, name: str, changes: Sequence[ResourceChange]) -> _Section:
    summary = counted_operations(changes)
    by_kind = Counter((change.operation, change.type) for change in changes)
    kinds = [
        f"- {count:,} **{operation}** {_code(kind)}" for (operation, kind), count in by_kind.most_common(MOST_LINES)
    ]
    return _Section(
        rank=rank,
        name=f"{name} ({summary})",
        text=_details(f"{name}: {summary}", "\n".join(map(_change, changes))),
        short=_details(f"{name}: {summary} (too many to list)", "\n".join(kinds)),
    )


def _change(change: ResourceChange) -> str:
    unknown = f" ({', '.join(map(_code, change.engine_operations))})" if change.operation == "unknown" else ""
    note = f", {_text(change.note)}" if change.note else ""
    lines = [f"- **{change.operation}**{unknown} {_code(change.name)} {_code(change.type)}{note}"]
    lines += [f"  - {_property(changed, change.operation)}" for changed in change.properties]
    return "\n".join(lines)


def _property(change: PropertyChange, operation: str) -> str:
    replaces = " (**replaces it**)" if change.replaces and operation == "replace" else ""
    if change.before.kind == "absent":
        return f"{_code(change.path)}: {_side(change.after)}{replaces}"
    return f"{_code(change.path)}: {_side(change.before)} → {_side(change.after)}{replaces}"


def _side(value: Shown) -> str:
    return _code(value.words) if value.kind in {"value", "secret"} else f"*{value.words}*"


def _tag_changes(changes: Sequence[ResourceChange]) -> _Section:
    """Return tag changes grouped by change: mostly, all resources get the same."""
    by_change: dict[str, list[str]] = {}
    for change in changes:
        for changed in change.properties:
            by_change.setdefault(_property(changed, "update"), []).append(change.name)
    lines = [
        f"- {tag}: {_code(names[0])}" if len(names) == 1 else f"- {tag}: {len(names):,} resources"
        for tag, names in by_change.items()
    ]
    title = f"Tags only: {len(changes):,} resources"
    text, short = _details(title, "\n".join(lines)), _details(title, f"{len(lines):,} different changes")
    return _Section(rank=70, name=f"tags only ({len(changes):,})", text=text, short=short)


def _how(review: StackReview) -> str:
    same = review.counts.get("same", 0) + review.counts.get("read", 0)
    took = f" · took {review.duration_seconds:.0f} s" if review.duration_seconds is not None else ""
    packs = (
        f" · policies: {_text(', '.join(review.policy_packs))}, {review.policies_passed} held"
        if review.policy_packs
        else ""
    )
    return (
        f"<sub>{_text(counts(review))}; {same:,} unchanged{packs}{took} · again: {_html_code(review.source.command)}"
        f" · changes {_html_code(review.fingerprint[:12])}</sub>\n"
    )


def _picture(nodes: Sequence[Node]) -> str:
    """Return name → virtual IPs → listener → group → dataset as a Mermaid chart, coloured by state."""
    columns: dict[str, list[str]] = {}
    lines = ["flowchart LR"]
    for index, node in enumerate(nodes[:MOST_NODES]):
        if node.attached:
            columns.setdefault(node.column, []).append(f"n{index}")
        mark = "" if node.state == "same" else f" ({node.state})"
        lines.append(f'  n{index}["{_mermaid(node.label + mark)}"]:::{node.state}')
    present = [columns[name] for name in ("name", "address", "listener", "group", "dataset") if name in columns]
    for left, right in pairwise(present):
        lines.append(f"  {' & '.join(left)} --> {' & '.join(right)}")
    lines += [f"  classDef {state} {style}" for state, style in _STYLES.items()]
    return f"```mermaid\n{NEW_LINE.join(lines)}\n```\n"


MOST_NODES = 24

_STYLES = {
    "same": "fill:#eeeeee,stroke:#888888,color:#222222",
    "new": "fill:#d7f5dd,stroke:#1a7f37,color:#0b3d1a",
    "changed": "fill:#fff3c4,stroke:#9a6700,color:#4d3400",
    "replaced": "fill:#ffd7d5,stroke:#cf222e,color:#660018",
    "gone": "fill:#ffd7d5,stroke:#cf222e,color:#660018,stroke-dasharray:4",
    "unknown": "fill:#eadcff,stroke:#8250df,color:#3b1575",
}


def _mermaid(text: str) -> str:
    """Return a label in which nothing has a meaning to Mermaid, which takes #NNN; for a character."""
    return re.sub(r"[^A-Za-z0-9 .,:()/→-]", lambda match: f"#{ord(match[0])};", text)


def _fenced(text: str, language: str) -> str:
    """Return `text` in a fence that nothing in it can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _details(title: str, inside: str) -> str:
    return f"<details><summary>{_text(title)}</summary>\n\n{inside}\n\n</details>\n"


# --- Length ---


def _length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _fitting(sections: Sequence[_Section], room: int) -> list[str]:
    """Return the text of each section, so that all fit into `room`: whole, in short, or empty.

    From the least important on, sections are first shortened, then left out. What a reviewer must see (`ESSENTIAL`)
    comes last.
    """
    texts = [section.text for section in sections]
    total = sum(_length(text) + 1 for text in texts)
    ranked = sorted(range(len(sections)), key=lambda index: (sections[index].rank, index), reverse=True)
    lesser = [index for index in ranked if sections[index].rank > ESSENTIAL]
    essential = ranked[len(lesser) :]
    for indexes, brief in ((lesser, True), (lesser, False), (essential, True), (essential, False)):
        for index in indexes:
            other = sections[index].short if brief else ""
            saved = _length(texts[index]) - _length(other)
            if total > room and saved > 0 and (other or not brief):
                total -= saved
                texts[index] = other
    # There may be room again for a section that was shortened before a longer one went.
    for index in reversed(ranked):
        more = _length(sections[index].text) - _length(texts[index])
        if texts[index] and total + more <= room:
            total += more
            texts[index] = sections[index].text
    return texts


ESSENTIAL = 9
"""Up to this rank, a section is what a reviewer must see."""

NOTE_ROOM = 400
"""Characters kept for saying what was left out of a stack."""

MOST_LEFT_OUT_NAMED = 6


def _summed(sections: Sequence[_Section]) -> str:
    names = [section.name for section in sections[:MOST_LEFT_OUT_NAMED]]
    more = len(sections) - len(names)
    return ", ".join([*names, *([f"{more} more sections"] if more > 0 else [])])[:300]
