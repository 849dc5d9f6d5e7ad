"""`eps-dos status`: where things stand: what each environment runs, the releases, and the environments for tests.

It reads and changes nothing. Left out: whether an environment is as it was promised (`verify`), and whether a release
may travel on (`release check`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from infra.environment import Environment
from infra.ephemeral import Limits, limits_of
from infra.errors import ConfigError
from infra.naming import check_stack_name, stack_names
from infra.promotion import Pipeline, follows
from infra.reaping import verdict
from ops.aws.clients import Aws
from ops.aws.compute import read_scaling_groups
from ops.ephemeral.listing import all_judged, for_tests, shown
from ops.lab.entering import InLab, environment_of, place
from ops.output.progress import progress
from ops.output.visible import visible
from ops.release.pipeline import look
from ops.stacks import fleet
from ops.stacks.engine import backend_url
from ops.stacks.locks import project_name
from ops.stacks.place import Place, project_folder
from ops.stacks.store import opened
from ops.status.obstacles import Obstacle, of_facts, of_files
from ops.status.picture import Position, as_mermaid, as_text, in_order, order
from ops.status.running import positions, rollouts

RELEASE_COLUMNS = ("version", "date", "image", "configured", "deployed", "notes")


def status(
    stack: Annotated[
        str | None,
        typer.Argument(help="Say what stops the next command on this one.", metavar="[STACK]"),
    ] = None,
    in_lab: InLab = False,
    for_programs: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print the environments as a Mermaid flowchart, and nothing else.")
    ] = False,
) -> None:
    """Show where stacks, releases and environments for tests stand.

    Exits 1 if something that is deployed isn't what is configured, or doesn't run everywhere, or a stack can't be
    judged. With STACK: what stops the next command on it, each with the command that mends it; exits 1 if anything
    does.

    Example: eps-dos status --lab
    """
    folder = project_folder(Path.cwd())
    limits = limits_of(folder)
    if stack is not None:
        raise typer.Exit(_show_obstacles(obstacles(stack, folder, limits, in_lab), stack, for_programs=for_programs))
    unread: dict[str, str] = {}
    environments, pipeline, at = look(in_lab, unread=unread)
    with progress("looking at the instances") as tell:
        permanent = positions(order(pipeline), environments, pipeline, at, tell)
        tell("the environments for tests")
        tests = for_tests(at, datetime.now(UTC), stack_names(folder), limits)
    if for_programs:
        typer.echo(json.dumps(as_document(permanent, pipeline, tests), indent=2, ensure_ascii=False))
    elif mermaid:
        typer.echo(as_mermaid(permanent))
    else:
        typer.echo(as_text(permanent))
        for name, reason in unread.items():
            typer.echo(f"{name}: its state can't be read: {visible(reason)}; eps-dos status {name}")
        for position in permanent:
            if position.stack not in unread and (sentence := _sentence(position)):
                typer.echo(f"{position.stack}: {sentence}")
        typer.echo("\nReleases")
        _show_releases(pipeline)
        typer.echo("\nEnvironments for tests")
        shown(tests)
    in_place = all(position.deployed is None or in_order(position) for position in permanent)
    raise typer.Exit(0 if in_place and not unread and all_judged(tests) else 1)


def as_document(
    permanent: Sequence[Position], pipeline: Pipeline, tests: Sequence[Mapping[str, Any]]
) -> dict[str, list[Mapping[str, Any]]]:
    """Return what programs read: `{"environments", "releases", "forTests"}`, the last as `ephemeral list` has it."""
    return {
        "environments": [{**asdict(position), "inOrder": in_order(position)} for position in permanent],
        "releases": [
            {
                "version": release.version,
                "date": release.date.isoformat(),
                "image": release.image,
                "configured": [name for name in pipeline.stages if pipeline.version(name) == release.version],
                "deployed": [name for name, stage in pipeline.stages.items() if stage.deployed == release.version],
                "notes": release.notes,
            }
            for release in pipeline.releases
        ],
        "forTests": list(tests),
    }


def obstacles(stack: str, folder: Path, limits: Limits, in_lab: bool) -> list[Obstacle]:
    """Return what stops the next command on `stack`. Raises ConfigError if there is no stack of that name."""
    check_stack_name(stack)
    committed, at = stack_names(folder), place(in_lab)
    with progress("reading the backend") as tell:
        store, project = opened(backend_url(at)), project_name(at.folder)
        facts = fleet.read_one(at, stack)
        if facts is None:
            if stack not in committed:
                raise ConfigError.of("STACK", f"is {stack}, which the backend doesn't have", "eps-dos status lists all")
            return []
        now = datetime.now(UTC)
        judgement = None if stack in committed else verdict(facts, now, committed, limits)
        pulumi = "eps-dos lab pulumi" if at.in_lab else "pulumi"
        seen = [*of_facts(facts, judgement, now, limits.stale_lock, pulumi)]
        seen += of_files(store, project, stack) if store is not None else ()
        if facts.unreadable is not None and store is None:
            seen.append(
                Obstacle(what=f"has a state that can't be read: {facts.unreadable}", fix=f"{pulumi} stack export")
            )
        if facts.unreadable is None and facts.resources:
            tell("the rollout")
            seen += _rollout(stack, environment_of(stack, folder, in_lab), at)
    return seen


def _rollout(stack: str, environment: Environment, at: Place) -> Iterator[Obstacle]:
    aws = Aws(environment.aws, at)
    try:
        sentence = rollouts(aws, read_scaling_groups(aws, stack))
    except (BotoCoreError, ClientError) as error:
        yield Obstacle(what=f"is where AWS can't be asked: {visible(str(error))}", fix="aws sts get-caller-identity")
        return
    if sentence:
        yield Obstacle(what=sentence, fix=f"eps-dos up {stack}, which joins a rollout that goes on")


def _show_obstacles(seen: Sequence[Obstacle], stack: str, *, for_programs: bool) -> int:
    if for_programs:
        typer.echo(json.dumps([asdict(obstacle) for obstacle in seen], indent=2))
    elif not seen:
        typer.echo(f"{stack}: nothing stops the next command")
    else:
        for obstacle in seen:
            typer.echo(f"{stack}: {obstacle.what}\n    fix: {obstacle.fix}")
    return 1 if seen else 0


def _show_releases(pipeline: Pipeline) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in RELEASE_COLUMNS:
        table.add_column(heading, overflow="fold")
    for row in as_document((), pipeline, ())["releases"]:
        configured = ", ".join(_with_word(name, pipeline) for name in row["configured"]) or "-"
        words = {**row, "configured": configured, "deployed": ", ".join(row["deployed"]) or "-"}
        table.add_row(*(str(words[column]) for column in RELEASE_COLUMNS))
    Console(file=sys.stdout, markup=False, highlight=False).print(table)


def _with_word(stack: str, pipeline: Pipeline) -> str:
    stage, version = pipeline.stages[stack], pipeline.version(stack)
    return f"{stack} ({stage.wanted})" if follows(stage) or version != stage.wanted else stack


def _sentence(position: Position) -> str:
    if position.deployed is None:
        return f"not deployed; pulumi up --stack {position.stack} starts with {position.resolved}"
    parts = [position.rollout] if position.rollout else []
    if position.deployed != position.resolved:
        parts.append(f"{position.resolved} is pending: pulumi up --stack {position.stack}")
    return "; ".join(parts)
