"""How long it takes to render the review of a very large preview: what a pull request waits for after the engine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ops.review.markdown import as_markdown
from tests.ops.review.plans import large_plan, reviewed, whole

STEPS = (1_000, 2_000)
REPEATS = 3


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement."""

    steps: int
    cpu_seconds: float
    """The shortest of several runs."""
    characters: int


def measured(steps: int) -> Row:
    """Return how long it takes to review a plan of so many steps and to render it for GitHub."""
    seconds = []
    for _ in range(REPEATS):
        made = large_plan(steps)
        began = time.process_time()
        markdown = as_markdown(whole(reviewed(made)))
        seconds.append(time.process_time() - began)
    return Row(steps=steps, cpu_seconds=min(seconds), characters=len(markdown))


def as_text() -> str:
    """Measure, and return the table that people read."""
    rows = [measured(steps) for steps in STEPS]
    lines = [f"{one.steps:>13,} {one.cpu_seconds:>11.2f} {one.characters:>10,}" for one in rows]
    return "\n".join(["steps to show CPU seconds characters", *lines])
