"""What a comparison came to, and its two renderings. Entered by verify and drift."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from infra.graph import ABSENT, Difference, only_in_one
from infra.mirroring import CAPACITY_REASON
from ops.mirror.actual import GONE, text_of

Verdict = Literal["same", "scaled as configured", "differs and may", "DRIFT"]


LONGEST_THAT_MAY = 60
"""Characters of a value that may differ, unless everything is asked for."""

STATE_SIDES = ("deployed", "actual")
"""What the two sides are called where AWS is held against a state; `mirror` has Live and the mirror."""


class Level(StrEnum):
    """What is compared."""

    declared = "declared"
    """The two programs' graphs."""
    state = "state"
    """The two stacks' states."""
    actual = "actual"
    """What AWS has for both."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of one level."""

    level: Level
    resources: int
    """How many resources of the two were compared."""
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()
    """For each difference how it came about, where somebody made it in AWS; empty: nothing is to be said of any."""

    @property
    def noted(self) -> tuple[tuple[Difference, str], ...]:
        """The differences with their notes."""
        return tuple(zip(self.differences, self.notes or [""] * len(self.differences), strict=True))

    @property
    def drift(self) -> tuple[Difference, ...]:
        """What differs and may not."""
        return tuple(difference for difference in self.differences if difference.allowed is None)


@dataclass(frozen=True, kw_only=True)
class NotChecked:
    """A level that there was nothing to look at for."""

    level: Level
    reason: str


def not_deployed(level: Level, stacks: Sequence[str]) -> NotChecked:
    """Return that nothing was looked at, since `stacks` have nothing to look at."""
    return NotChecked(level=level, reason=f"not deployed: {', '.join(stacks)}")


def verdict(difference: Difference) -> Verdict:
    """Return what a difference comes to."""
    if difference.allowed is None:
        return "DRIFT"
    return "scaled as configured" if difference.allowed.reason == CAPACITY_REASON else "differs and may"


def as_json(results: Sequence[Comparison | NotChecked], sides: tuple[str, str] = ("live", "mirror")) -> str:
    """Return what came of each level, as JSON; `sides` is what the left and the right are called.

    `[{"level", "checked", "resources", "drift", "differences": [{"what", "property", "live", "mirror", "verdict",
    "reason"}]}]`; of a level that wasn't checked, `{"level", "checked": false, "reason"}`.
    """
    return json.dumps([_object(result, sides) for result in results], indent=2)


def _object(result: Comparison | NotChecked, sides: tuple[str, str]) -> dict[str, object]:
    if isinstance(result, NotChecked):
        return {"level": result.level.value, "checked": False, "reason": result.reason}
    return {
        "level": result.level.value,
        "checked": True,
        "resources": result.resources,
        "drift": len(result.drift),
        "differences": [
            {
                "what": difference.key,
                "property": difference.path,
                sides[0]: text_of(difference.left, difference.path),
                sides[1]: text_of(difference.right, difference.path),
                "verdict": verdict(difference),
                "reason": difference.allowed.reason if difference.allowed else note or None,
            }
            for difference, note in result.noted
        ],
    }


def as_text(
    results: Sequence[Comparison | NotChecked], live: str, mirror_name: str, most_lines: int | None = None
) -> str:
    """Return the differences grouped by what they come to, each once with the levels it was seen at.

    What may not differ is first, and whole; of what may, `most_lines` are shown, with long values cut short, and how
    many more there are (None: all, and whole).
    """
    checked = [result for result in results if isinstance(result, Comparison)]
    lines = [_heading(result, live, mirror_name) for result in results]
    if not checked:
        return "\n".join(lines)
    groups: dict[str, dict[str, _Seen]] = {}
    for result in checked:
        for difference, note in result.noted:
            longest = None if most_lines is None or difference.allowed is None else LONGEST_THAT_MAY
            line = _line(difference, live, mirror_name, longest)
            seen = groups.setdefault(_group(difference), {}).setdefault(line, _Seen([], []))
            seen.levels.extend({result.level.value} - {*seen.levels})
            seen.notes.extend({note} - {"", *seen.notes})
    drift = groups.pop("DRIFT", {})
    everywhere = [result.level.value for result in checked]
    if drift:
        lines += _grouped("DRIFT", drift, everywhere)
    may = [line for heading, seen in groups.items() for line in _grouped(heading, seen, everywhere)]
    shown = len(may) if most_lines is None else most_lines
    lines += may[:shown]
    if len(may) > shown:
        lines.append(f"  ... {len(may) - shown} more lines of what may differ: --all")
    differ = "differs" if len(drift) == 1 else "differ"
    lines.append(f"  {len(drift)} {differ} and may not" if drift else "  everything else is the same")
    return "\n".join(lines)


def _heading(result: Comparison | NotChecked, live: str, mirror_name: str) -> str:
    if isinstance(result, NotChecked):
        return f"{result.level.value}: not checked: {result.reason}"
    return f"{result.level.value}: {live} → {mirror_name}, {result.resources} resources compared"


def _group(difference: Difference) -> str:
    come_to = verdict(difference)
    reason = difference.allowed.reason if difference.allowed else ""
    return f"{come_to}: {reason}" if come_to == "differs and may" else come_to


class _Seen(NamedTuple):
    """At which levels a line was seen, and how it came about."""

    levels: list[str]
    notes: list[str]


def _grouped(heading: str, lines: Mapping[str, _Seen], everywhere: Sequence[str]) -> Iterator[str]:
    """Yield a group; levels only where there is more than one, and of what may differ where it isn't at each."""
    yield f"  {heading}"
    for line, (levels, notes) in lines.items():
        plain = len(everywhere) == 1 or (heading != "DRIFT" and levels == everywhere)
        at = "" if plain else f" [{', '.join(levels)}]"
        yield f"    {line}{''.join(f' ({note})' for note in notes)}{at}"


def _line(difference: Difference, live: str, mirror_name: str, longest: int | None) -> str:
    kind, name = difference.type.rsplit(":", 1)[-1], difference.key.partition("::")[2].removeprefix("<stack>-")
    if GONE in (difference.left, difference.right):
        return f"{kind} {name}: is gone from AWS"
    if not difference.path:
        return f"{kind} {name}: only in {mirror_name if difference.left is ABSENT else live}"
    sides = difference.left, difference.right
    if isinstance(difference.left, list) and isinstance(difference.right, list):
        # A rollout waits for some sixty resources, and two environments for nearly the same.
        sides = only_in_one(difference.left, difference.right)
    left, right = (_shortened(text_of(value, difference.path), longest) for value in sides)
    return f"{kind} {name} {difference.path}: {left} → {right}"


def _shortened(text: str, longest: int | None) -> str:
    return text if longest is None or len(text) <= longest else f"{text[:longest]}…"
