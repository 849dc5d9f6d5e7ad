"""The pipeline as a picture: where each release is configured and runs, for a terminal and as Mermaid.

The order is that in which a release travels: environments that take any, then Int, then Live's mirrors, then Live.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from infra.promotion import FOLLOWS_LIVE, Pipeline
from infra.releases import LIVE


@dataclass(frozen=True, kw_only=True)
class Position:
    """What one environment is to run and runs."""

    stack: str
    wanted: str
    resolved: str | None
    deployed: str | None
    running: Mapping[str, int]
    """Instances in service by version, or by image where no release has it."""
    rollout: str = ""
    """One sentence about the one in progress, or the last if it failed; empty: nothing to tell."""


def order(pipeline: Pipeline) -> list[str]:
    """Return the stacks in the order in which a release travels."""

    def rank(stack: str) -> tuple[int, str]:
        if stack == LIVE:
            return 3, stack
        if pipeline.stages[stack].mirrors:
            return 2, stack
        return (1 if stack in FOLLOWS_LIVE else 0), stack

    return sorted(pipeline.stages, key=rank)


def as_text(positions: Sequence[Position]) -> str:
    """Return boxes from left to right, as a release travels; each column is as wide as it must be."""
    cells = [_lines(position) for position in positions]
    widths = [max(map(len, lines)) for lines in cells]
    rows = [f"┌{'─' * (width + 2)}┐" for width in widths]
    out = ["   ".join(rows)]
    for index in range(max(map(len, cells))):
        joint = "──▶" if index == 1 else "   "
        row = [
            f"│ {lines[index] if index < len(lines) else '':{width}} │"
            for lines, width in zip(cells, widths, strict=True)
        ]
        out.append(joint.join(row))
    out.append("   ".join(f"└{'─' * (width + 2)}┘" for width in widths))
    return "\n".join(out)


def as_mermaid(positions: Sequence[Position]) -> str:
    """Return a flowchart; what isn't as configured is marked."""
    lines = ["flowchart LR"]
    for position in positions:
        label = "<br/>".join(_escaped(line) for line in _lines(position))
        lines.append(f'    {_id(position.stack)}["{label}"]')
    pairs = pairwise(positions)
    lines += [f"    {_id(position.stack)} --> {_id(other.stack)}" for position, other in pairs]
    behind = [_id(position.stack) for position in positions if not in_order(position)]
    if behind:
        lines += ["    classDef pending stroke-dasharray: 4 3", f"    class {','.join(behind)} pending"]
    return "\n".join(lines)


def in_order(position: Position) -> bool:
    """Whether what is configured is what is deployed and what runs."""
    return position.deployed == position.resolved and set(position.running) <= {position.resolved or ""}


def _lines(position: Position) -> list[str]:
    word = "" if position.wanted == position.resolved else f" ({position.wanted})"
    lines = [position.stack, f"{position.resolved or 'none'}{word}"]
    if position.deployed is None:
        return [*lines, "not deployed"]
    if position.deployed != position.resolved:
        lines.append(f"deployed: {position.deployed}")
    running = ", ".join(f"{count} x {version}" for version, count in sorted(position.running.items()))
    return [*lines, running or "no instances"]


def _id(stack: str) -> str:
    # Words of Mermaid's own (`end`, `click`) can be names of stacks.
    return "stack_" + "".join(character if character.isalnum() else "_" for character in stack)


def _escaped(text: str) -> str:
    return re.sub(r"[^\w .,:+()-]|_", lambda match: f"#{ord(match[0])};", text)
