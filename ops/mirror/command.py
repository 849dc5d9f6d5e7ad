"""`eps-dos mirror STACK`: what a mirror differs in from what it mirrors, and whether it may.

Three levels: what the program declares for both, recorded without a cloud; what the states of both say was deployed;
and what AWS has, whatever the states say (`ops.mirror.actual`). What may differ is in `infra.mirroring`, once for all.
Left out: whether an environment is as it was promised, which `verify` looks at for each by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from infra.deciding import load_environment
from infra.environment import Environment
from infra.errors import ConfigError
from infra.graph import Graph
from infra.mirroring import differences
from infra.naming import check_stack_name
from infra.recording import record
from ops.lab.entering import InLab, environment_of, place
from ops.mirror.actual import Side, compared, decided, look, state_of
from ops.mirror.comparison import Comparison, Level, NotChecked, as_json, as_text, not_deployed
from ops.output.progress import progress, say
from ops.stacks.names import complete_stack
from ops.stacks.place import Place, project_folder

MOST_LINES = 60
"""Of what may differ, unless all of it is asked for."""


def mirror(
    stack: Annotated[
        str, typer.Argument(help="The mirror, such as nft.", metavar="STACK", autocompletion=complete_stack)
    ],
    level: Annotated[
        Level | None, typer.Option(help="Only this level; else all, as far as both stacks were brought up.")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help=f"Everything that may differ, not only the first {MOST_LINES} lines.")
    ] = False,
    in_lab: InLab = False,
    for_programs: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """What STACK differs in from what it mirrors, and whether it may. Exits 0: it may; 1: drift, or not deployed.

    Example: eps-dos mirror nft --level declared
    """
    check_stack_name(stack)
    folder = project_folder(Path.cwd())
    environment = environment_of(stack, folder, in_lab)
    if environment.mirrors is None:
        raise ConfigError.of(
            f"Pulumi.{stack}.yaml: eps-dos-api:mirrors",
            "is missing, so this environment mirrors nothing",
            "name a mirror, such as: eps-dos mirror nft",
        )
    original = load_environment(environment.mirrors, folder)
    if in_lab and level is not Level.declared:
        say("on the lab's AWS: an emulator on this machine, not Amazon's")
    results = list(_results(original, environment, level, in_lab))
    if for_programs:
        typer.echo(as_json(results))
    else:
        typer.echo(as_text(results, original.name, environment.name, None if all_ else MOST_LINES))
    # Asked for one level, there is no answer without it; asked for all, there still is that of the others.
    unanswered = level is not None and any(isinstance(result, NotChecked) for result in results)
    drift = any(isinstance(result, Comparison) and result.drift for result in results)
    raise typer.Exit(1 if unanswered or drift else 0)


def _results(
    original: Environment, environment: Environment, level: Level | None, in_lab: bool
) -> Iterator[Comparison | NotChecked]:
    environments = (original, environment)
    if level in (None, Level.declared):
        with progress("recording both programs"):
            graphs = (record(original), record(environment))
        yield _comparison(Level.declared, graphs, environments)
    if level is Level.declared:
        return

    at = place(in_lab)
    deeper = (Level.state, Level.actual) if level is None else (level,)
    with progress("reading both states"):
        states = [state_of(environment, at) for environment in environments]
    live, own = states
    if live is None or own is None:
        missing = [environment.name for environment, state in zip(environments, states, strict=True) if state is None]
        yield from (not_deployed(level, missing) for level in deeper)
        return
    graphs = (live, own)
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
        live, own = (future.result() for future in looking)
    noted = compared(live, own, environments)
    return Comparison(
        level=Level.actual,
        resources=_count(graphs),
        differences=tuple(entry.difference for entry in noted),
        notes=tuple(entry.note for entry in noted),
    )
