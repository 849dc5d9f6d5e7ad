"""`eps-dos mirror STACK`: what a mirror differs in from what it mirrors, and whether it may.

Two levels: what the program declares for both, recorded without a cloud; and what the states of both say was deployed.
What may differ is in `infra.mirroring`, once for both. Left out: what AWS has that no state knows, which `verify` looks
at for each environment by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from infra.deciding import load_environment
from infra.environment import Environment
from infra.errors import ConfigError, Problem
from infra.graph import ABSENT, Difference
from infra.mirroring import CAPACITY_REASON, differences
from infra.naming import check_stack_name
from infra.recording import record
from ops.lab import InLab, place
from ops.place import project_folder
from ops.progress import progress

Verdict = Literal["same", "scaled as configured", "differs and may", "DRIFT"]


class Level(StrEnum):
    """What is compared."""

    declared = "declared"
    """The two programs' graphs."""
    state = "state"
    """The two stacks' states."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of one level."""

    level: Level
    resources: int
    """How many resources of the two were compared."""
    differences: tuple[Difference, ...]

    @property
    def drift(self) -> tuple[Difference, ...]:
        """What differs and may not."""
        return tuple(one for one in self.differences if one.allowed is None)


def mirror(
    stack: Annotated[str, typer.Argument(help="The mirror, such as nft.", metavar="STACK")],
    level: Annotated[Level | None, typer.Option(help="Only this level; else both.")] = None,
    in_lab: InLab = False,
    for_programs: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """What STACK differs in from what it mirrors, and whether it may. Exits 0: it may; 1: drift."""
    check_stack_name(stack)
    folder = project_folder(Path.cwd())
    environment = load_environment(stack, folder)
    if environment.mirrors is None:
        raise ConfigError(
            [
                Problem(
                    where=f"Pulumi.{stack}.yaml: eps-dos-api:mirrors",
                    message="is missing, so this environment mirrors nothing",
                    fix="name a mirror, such as: eps-dos mirror nft",
                )
            ]
        )
    original = load_environment(environment.mirrors, folder)
    compared = [_compared(one, original, environment, in_lab) for one in ([level] if level else list(Level))]
    if for_programs:
        typer.echo(as_json(compared))
    else:
        typer.echo(as_text(compared, original.name, environment.name))
    raise typer.Exit(1 if any(one.drift for one in compared) else 0)


def verdict(difference: Difference) -> Verdict:
    """Return what a difference comes to."""
    if difference.allowed is None:
        return "DRIFT"
    return "scaled as configured" if difference.allowed.reason == CAPACITY_REASON else "differs and may"


def as_json(compared: Sequence[Comparison]) -> str:
    """Return `[{"level", "resources", "drift", "differences": [{"what", "property", "verdict", ...}]}]`."""
    return json.dumps(
        [
            {
                "level": one.level.value,
                "resources": one.resources,
                "drift": len(one.drift),
                "differences": [
                    {
                        "what": difference.key,
                        "property": difference.path,
                        "live": repr_of(difference.left),
                        "mirror": repr_of(difference.right),
                        "verdict": verdict(difference),
                        "reason": difference.allowed.reason if difference.allowed else None,
                    }
                    for difference in one.differences
                ],
            }
            for one in compared
        ],
        indent=2,
    )


def as_text(compared: Sequence[Comparison], live: str, mirror_name: str) -> str:
    """Return the differences of each level, grouped by what they come to; what may not be first."""
    return "\n".join(line for one in compared for line in _lines(one, live, mirror_name))


def _lines(compared: Comparison, live: str, mirror_name: str) -> Iterator[str]:
    yield f"{compared.level.value}: {live} → {mirror_name}, {compared.resources} resources compared"
    groups: dict[str, list[Difference]] = {}
    for difference in sorted(compared.differences, key=lambda found: found.allowed is not None):
        said = verdict(difference)
        reason = difference.allowed.reason if difference.allowed else ""
        groups.setdefault(f"{said}: {reason}" if said == "differs and may" else said, []).append(difference)
    for heading, found in groups.items():
        yield f"  {heading}"
        yield from (f"    {_told(difference)}" for difference in found)
    yield f"  {len(compared.drift)} differ and may not" if compared.drift else "  everything else is the same"


def _told(difference: Difference) -> str:
    kind, name = difference.type.rsplit(":", 1)[-1], difference.key.rsplit("::", 1)[-1].removeprefix("<stack>-")
    if not difference.path:
        return f"{kind} {name}: {'only in the mirror' if difference.left is ABSENT else 'only in the original'}"
    return f"{kind} {name} {difference.path}: {repr_of(difference.left)} → {repr_of(difference.right)}"


def repr_of(value: object) -> str:
    """Return a value as a person would write it: text as it is, whole numbers without a point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, default=repr)
    return str(value)


def _compared(level: Level, original: Environment, environment: Environment, in_lab: bool) -> Comparison:
    if level is Level.declared:
        with progress("recording both programs"):
            graphs = (record(original), record(environment))
    else:
        # Slow to load, and not needed without a backend.
        from ops.engine import StackHandle

        at = place(in_lab)
        with progress("reading both states"):
            graphs = (StackHandle(original.name, at).graph(), StackHandle(environment.name, at).graph())
    keys = {graph.key(resource.urn) for graph in graphs for resource in graph}
    found = differences(*graphs, (original, environment))
    return Comparison(level=level, resources=len(keys), differences=found)
