"""A review as text: in colours on a terminal, plain in a pipe or a log.

What changes stands on half a screen: resources that change alike share a line, of what is created only the name is
said, and long values are cut around what differs. In full, nothing is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from ops.review.acknowledgements import example
from ops.review.dangers import Danger
from ops.review.model import Node, ResourceChange, Review, StackReview, concerned, counts, headline, lost_addresses

STYLES = {
    "failed": "bold red",
    "dangerous": "bold red",
    "acknowledged": "bold yellow",
    "calm": "bold green",
    "unchanged": "dim",
}

OPERATION_STYLES = {"create": "green", "update": "yellow", "replace": "red", "delete": "red", "unknown": "magenta"}

LONGEST_BRIEF = 60
"""Characters of a value that are shown, unless in full."""
CONTEXT = 10
"""Of those, how many stand before the first difference."""

Line = tuple[str, str]
"""Text and style."""


def show(review: Review, stream: TextIO, *, full: bool = False) -> None:
    """Print the review to `stream`, with colours if it is a terminal."""
    console = Console(file=stream, highlight=False, soft_wrap=True)
    for text, style in _lines(review, full):
        if console.is_terminal:
            # As Text, since a string's square brackets would be taken for styles.
            console.print(Text(text, style))
        else:
            stream.write(f"{_encodable(text, stream.encoding)}\n")


def as_text(review: Review, *, full: bool = False) -> str:
    """Return the review without colours."""
    return "".join(f"{text}\n" for text, _ in _lines(review, full))


def _lines(review: Review, full: bool) -> Iterator[Line]:
    source = "; ".join(dict.fromkeys(stack.source.label for stack in review.stacks))
    commit = f"commit {review.commit}" if review.commit else "no commit known"
    code = f", judged by the code of {review.judged_by}" if review.judged_by else ""
    yield (f"Preview: {commit}, {review.time}, {source}{code}", "bold")
    for stack in review.stacks:
        yield ("", "")
        yield from _stack(stack, review, full)
    for title, entries in (("Stale", review.gate.stale), ("Unused", review.gate.unused)):
        if entries:
            yield ("", "")
            yield (f"{title} in review-acknowledgements.yaml:", "bold")
            yield from ((f"  {entry}", "yellow") for entry in entries)


def _stack(stack: StackReview, review: Review, full: bool) -> Iterator[Line]:
    yield (f"{stack.stack}: {headline(stack)}", STYLES[stack.verdict])
    for lost in lost_addresses(stack):
        zone = f" ({lost.zone})" if lost.zone else ""
        where = f"published: in the firewalls of {', '.join(concerned(stack, lost)) or 'whoever connects'}"
        yield (f"  lost: {lost.address}{zone}, {where if lost.published else 'not published'}", "bold red")
    for danger in stack.dangers:
        yield from _danger(danger)
    yield from ((f"  | {line}", "red") for line in stack.errors)
    for result in stack.policies:
        on = f" ({result.urn.rsplit('::', 1)[-1]})" if result.urn else ""
        word, style = ("forbidden", "bold red") if result.blocks else ("warning", "yellow")
        yield (f"  {word} by {result.policy}: {result.message}{on}", style)
    yield from ((f"  warning: {warning}", "yellow") for warning in stack.warnings)
    facts = [*stack.capacity, *stack.release, *stack.mentioned]
    yield from ((f"  {fact.name}: {fact.before} → {fact.after}", "bold") for fact in facts if fact.changes)
    staying = "; ".join(f"{fact.name} {fact.after}" for fact in facts if not fact.changes)
    if staying:
        yield (f"  stays: {staying}", "dim")
    if stack.picture:
        yield (f"  {_picture(stack.picture)}", "cyan")
    if stack.drift:
        yield ("  Changed outside Pulumi", "bold yellow")
        yield from _changes(stack.drift, full)
    for component in stack.components:
        yield (f"  {component.name}", "bold")
        yield from _changes(component.changes, full)
    if stack.tag_changes:
        yield (f"  Tags only: {len(stack.tag_changes):,} resources", "bold")
        tags = Counter(
            f"{changed.path}: {changed.before.words} → {changed.after.words}"
            for change in stack.tag_changes
            for changed in change.properties
        )
        yield from ((f"    {tag}: {count:,} of them", "dim") for tag, count in tags.items())
    if any(not danger.acknowledged for danger in stack.dangers):
        yield ("  To acknowledge, in review-acknowledgements.yaml, approved by its owners:", "bold")
        yield from ((f"    {line}", "") for line in example(stack, review.made_at.date()).splitlines())
    same = stack.counts.get("same", 0) + stack.counts.get("read", 0)
    took = f", took {stack.duration_seconds:.0f} s" if stack.duration_seconds is not None else ""
    packs = f", policies: {', '.join(stack.policy_packs)}, {stack.policies_passed} held" if stack.policy_packs else ""
    yield (f"  {counts(stack)}; {same:,} unchanged{packs}{took}", "dim")
    every = "" if full else " (--full: every property)"
    yield (f"  again: {stack.source.command}{every}   changes {stack.fingerprint[:12]}", "dim")


def _danger(danger: Danger) -> Iterator[Line]:
    style = "yellow" if danger.acknowledged else "bold red"
    yield (f"  ! {danger.what} {danger.message} ({danger.action})", style)
    if danger.outage:
        yield (f"      an outage: {danger.outage}", style)
    yield (f"      {f'acknowledged: {danger.acknowledged}' if danger.acknowledged else 'not acknowledged'}", style)


def _changes(changes: Sequence[ResourceChange], full: bool) -> Iterator[Line]:
    alike: dict[tuple[str, ...], list[ResourceChange]] = {}
    for change in changes:
        # In full, each resource has a place of its own.
        key = (change.urn,) if full else (change.operation, change.type, change.note, *_properties(change, full))
        alike.setdefault(key, []).append(change)
    for of_a_kind in alike.values():
        yield from _change(of_a_kind[0], ", ".join(change.name for change in of_a_kind), full)


def _change(change: ResourceChange, names: str, full: bool) -> Iterator[Line]:
    unknown = f" ({', '.join(change.engine_operations)})" if change.operation == "unknown" else ""
    note = f", {change.note}" if change.note else ""
    head = f"    {change.operation}{unknown} {names} {change.type}{note}"
    properties = [*_properties(change, full)]
    style = OPERATION_STYLES.get(change.operation, "")
    if len(properties) == 1 and not full:
        yield (f"{head}: {properties[0]}", style)
        return
    yield (head, style)
    yield from ((f"        {shown}", "dim") for shown in properties)


def _properties(change: ResourceChange, full: bool) -> Iterator[str]:
    if change.operation == "create" and not full:
        return
    for shown in change.properties:
        replaces = "  (replaces it)" if shown.replaces and change.operation == "replace" else ""
        words = shown.before.words, shown.after.words
        before, after = words if full else _brief(*words)
        yield f"{shown.path}: {'' if shown.before.kind == 'absent' else f'{before} → '}{after}{replaces}"


def _brief(before: str, after: str) -> tuple[str, str]:
    shorter = min(len(before), len(after))
    same = next((index for index in range(shorter) if before[index] != after[index]), shorter)
    start = max(0, same - CONTEXT)

    def cut(text: str) -> str:
        if len(text) <= LONGEST_BRIEF:
            return text
        end = start + LONGEST_BRIEF
        return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"

    return cut(before), cut(after)


def _picture(nodes: tuple[Node, ...]) -> str:
    columns: dict[str, list[str]] = {}
    for node in nodes:
        mark = "" if node.state == "same" else f" [{node.state}]"
        columns.setdefault(node.column if node.attached else "apart", []).append(f"{node.label}{mark}")
    order = ("name", "address", "listener", "group", "dataset")
    way = "  →  ".join(" + ".join(columns[name]) for name in order if name in columns)
    return "; apart: ".join(filter(None, (way, " + ".join(columns.get("apart", ())))))


def _encodable(text: str, encoding: str | None) -> str:
    """Return `text` with arrows in place of what the stream can't hold."""
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        plain = text.replace("→", "->").replace("…", "...")
        return plain.encode(encoding or "ascii", "backslashreplace").decode(encoding or "ascii")
    return text
