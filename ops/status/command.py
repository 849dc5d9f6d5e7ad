"""`eps-dos status`: where things stand: what each environment runs, the releases, and the environments for tests.

It reads and changes nothing. Left out: whether an environment is as it was promised (`verify`), and whether a release
may travel on (`release check`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from infra.ephemeral import limits_of
from infra.naming import stack_names
from infra.promotion import Pipeline, follows
from ops.ephemeral.listing import all_judged, for_tests, shown
from ops.lab.entering import InLab
from ops.output.progress import progress
from ops.release.pipeline import look
from ops.stacks.place import project_folder
from ops.status.picture import Position, as_mermaid, as_text, in_order, order
from ops.status.running import positions

RELEASE_COLUMNS = ("version", "date", "image", "configured", "deployed", "notes")


def status(
    in_lab: InLab = False,
    for_programs: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print the environments as a Mermaid flowchart, and nothing else.")
    ] = False,
) -> None:
    """Show where stacks, releases and environments for tests stand.

    Exits 1 if something that is deployed isn't what is configured, or doesn't run everywhere, or a stack can't be
    judged.

    Example: eps-dos status --lab
    """
    folder = project_folder(Path.cwd())
    limits = limits_of(folder)
    environments, pipeline, at = look(in_lab)
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
        for position in permanent:
            if sentence := _sentence(position):
                typer.echo(f"{position.stack}: {sentence}")
        typer.echo("\nReleases")
        _show_releases(pipeline)
        typer.echo("\nEnvironments for tests")
        shown(tests)
    in_place = all(position.deployed is None or in_order(position) for position in permanent)
    raise typer.Exit(0 if in_place and all_judged(tests) else 1)


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
