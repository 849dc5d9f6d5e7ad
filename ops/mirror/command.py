"""`eps-dos mirror STACK`: what a mirror differs in from what it mirrors, and whether it may.

Three levels: what the program declares for both, recorded without a cloud; what the states of both say was deployed;
and what AWS has, whatever the states say (`ops.mirror.actual`). What may differ is in `infra.mirroring`, once for all.
Left out: whether an environment is as it was promised, which `verify` looks at for each by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from infra.deciding import load_environment
from infra.environment import Environment
from infra.errors import ConfigError, Problem
from infra.graph import ABSENT, Difference, Graph
from infra.mirroring import CAPACITY_REASON, differences
from infra.naming import check_stack_name
from ops.lab.entering import InLab, environment_of, place
from ops.mirror.actual import GONE, Seen, Side, compared, decided, refreshed, told
from ops.output.progress import progress, say
from ops.stacks.place import Place, project_folder

if TYPE_CHECKING:
    from ops.stacks.engine import Tell

Verdict = Literal["same", "scaled as configured", "differs and may", "DRIFT"]


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
        return tuple(one for one in self.differences if one.allowed is None)


@dataclass(frozen=True, kw_only=True)
class NotChecked:
    """A level that there was nothing to look at for."""

    level: Level
    reason: str


def mirror(
    stack: Annotated[str, typer.Argument(help="The mirror, such as nft.", metavar="STACK")],
    level: Annotated[
        Level | None, typer.Option(help="Only this level; else all, as far as both stacks were brought up.")
    ] = None,
    in_lab: InLab = False,
    for_programs: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """What STACK differs in from what it mirrors, and whether it may. Exits 0: it may; 1: drift."""
    check_stack_name(stack)
    folder = project_folder(Path.cwd())
    environment = environment_of(stack, folder, in_lab)
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
    if in_lab and level is not Level.declared:
        say("on the lab's AWS: an emulator on this machine, not Amazon's")
    results = list(_results(original, environment, level, in_lab))
    if for_programs:
        typer.echo(as_json(results))
    else:
        typer.echo(as_text(results, original.name, environment.name))
    raise typer.Exit(1 if any(isinstance(one, Comparison) and one.drift for one in results) else 0)


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
    return json.dumps([_object(one, sides) for one in results], indent=2)


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
                sides[0]: told(difference.left, difference.path),
                sides[1]: told(difference.right, difference.path),
                "verdict": verdict(difference),
                "reason": difference.allowed.reason if difference.allowed else note or None,
            }
            for difference, note in result.noted
        ],
    }


def as_text(results: Sequence[Comparison | NotChecked], live: str, mirror_name: str) -> str:
    """Return the differences of each level, grouped by what they come to; what may not be first."""
    return "\n".join(line for one in results for line in _lines(one, live, mirror_name))


def _lines(result: Comparison | NotChecked, live: str, mirror_name: str) -> Iterator[str]:
    if isinstance(result, NotChecked):
        yield f"{result.level.value}: not checked: {result.reason}"
        return
    yield f"{result.level.value}: {live} → {mirror_name}, {result.resources} resources compared"
    groups: dict[str, list[str]] = {}
    for difference, note in sorted(result.noted, key=lambda found: found[0].allowed is not None):
        said = verdict(difference)
        reason = difference.allowed.reason if difference.allowed else ""
        heading = f"{said}: {reason}" if said == "differs and may" else said
        groups.setdefault(heading, []).append(f"{_told(difference, live, mirror_name)}{f' ({note})' if note else ''}")
    for heading, found in groups.items():
        yield f"  {heading}"
        yield from (f"    {line}" for line in found)
    yield f"  {len(result.drift)} differ and may not" if result.drift else "  everything else is the same"


def _told(difference: Difference, live: str, mirror_name: str) -> str:
    kind, name = difference.type.rsplit(":", 1)[-1], difference.key.partition("::")[2].removeprefix("<stack>-")
    if GONE in (difference.left, difference.right):
        return f"{kind} {name}: is gone from AWS"
    if not difference.path:
        return f"{kind} {name}: only in {mirror_name if difference.left is ABSENT else live}"
    left, right = (told(value, difference.path) for value in (difference.left, difference.right))
    return f"{kind} {name} {difference.path}: {left} → {right}"


def _results(
    original: Environment, environment: Environment, level: Level | None, in_lab: bool
) -> Iterator[Comparison | NotChecked]:
    environments = (original, environment)
    if level in (None, Level.declared):
        with progress("recording both programs"):
            # Slow to load, as the whole provider's SDK is.
            from infra.recording import record

            graphs = (record(original), record(environment))
        yield _comparison(Level.declared, graphs, environments)
    if level is Level.declared:
        return
    # Slow to load, and not needed without a backend.
    from ops.stacks.engine import NoSuchStackError

    at = place(in_lab)
    deeper = (Level.state, Level.actual) if level is None else (level,)
    try:
        with progress("reading both states"):
            graphs = (state_of(original, at), state_of(environment, at))
    except NoSuchStackError as error:
        # Asked for one level, there is no answer without it; asked for all, there still is that of the others.
        if level is not None:
            raise
        yield from (
            NotChecked(level=one, reason=f"{error.problems[0].where} {error.problems[0].message}") for one in deeper
        )
        return
    if Level.state in deeper:
        yield _comparison(Level.state, (decided(graphs[0]), decided(graphs[1])), environments)
    if Level.actual in deeper:
        yield _actual(graphs, environments, at)


def _comparison(level: Level, graphs: tuple[Graph, Graph], environments: tuple[Environment, Environment]) -> Comparison:
    return Comparison(level=level, resources=_count(graphs), differences=differences(*graphs, environments))


def _count(graphs: Iterable[Graph]) -> int:
    return len({graph.key(resource.urn) for graph in graphs for resource in graph})


def _actual(graphs: tuple[Graph, Graph], environments: tuple[Environment, Environment], at: Place) -> Comparison:
    with progress("looking at what AWS has for both") as tell, ThreadPoolExecutor(max_workers=2) as pool:
        sides: tuple[Side, Side] = ("live", "mirror")
        looking = [pool.submit(look, *both, at, tell) for both in zip(sides, environments, graphs, strict=True)]
        live, own = (one.result() for one in looking)
    found = compared(live, own, environments)
    return Comparison(
        level=Level.actual,
        resources=_count(graphs),
        differences=tuple(one.difference for one in found),
        notes=tuple(one.note for one in found),
    )


def state_of(environment: Environment, at: Place) -> Graph:
    """Return what the state of an environment's stack has. Raises NoSuchStackError and PulumiError."""
    from ops.stacks.engine import StackHandle

    return StackHandle(environment.name, at).graph()


def look(side: Side, environment: Environment, state: Graph, at: Place, tell: Tell) -> Seen:
    """Return what AWS has for an environment that has a state. Raises PulumiError and botocore's errors."""
    from ops.aws.clients import Aws
    from ops.aws.inventory import Subject, read
    from ops.aws.leftovers import find
    from ops.stacks.engine import StackHandle

    preview = StackHandle(environment.name, at).preview_refresh(tell)
    aws, subject = Aws(environment.aws, at), Subject.of(environment)
    return Seen(
        side=side,
        state=state,
        refreshed=refreshed(state, preview.events),
        found=read(aws, subject),
        things=find(aws, subject),
    )
