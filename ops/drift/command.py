"""`eps-dos drift`: what the nights look at, and the one issue that tells of it.

`look` is for an environment that mirrors nothing; a mirror and its original are looked at by `mirror`. `report` makes
the issue's text of what all checks printed. Left out: GitHub's API, which `.github/workflows/drift.yml` asks.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from infra.deciding import load_environment
from infra.errors import ConfigError
from infra.naming import PERMANENT, check_stack_name
from infra.sources import stack_names
from ops.drift import findings
from ops.drift.findings import SIDES
from ops.drift.issue import compose
from ops.lab.entering import InLab, environment_of, place
from ops.mirror.actual import alone, look, state_of
from ops.mirror.comparison import Comparison, Level, as_json, as_text
from ops.output.progress import progress, say
from ops.stacks.place import project_folder

app = typer.Typer(
    help="What AWS has otherwise than it was deployed, and the issue that tells of it.", no_args_is_help=True
)


@app.command("look")
def look_at(
    stack: Annotated[str, typer.Argument(help="The environment, such as int.", metavar="STACK")],
    in_lab: InLab = False,
    for_programs: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """What AWS has otherwise than the last `up` of STACK left it. Exits 0: nothing; 1: drift. Changes nothing."""
    check_stack_name(stack)
    environment = environment_of(stack, project_folder(Path.cwd()), in_lab)
    if in_lab:
        say("on the lab's AWS: an emulator on this machine, not Amazon's")
    at = place(in_lab)
    with progress(f"{stack}: looking at what AWS has") as tell:
        state = state_of(environment, at)
        found = alone(look("mirror", environment, state, at, tell))
    result = Comparison(
        level=Level.actual,
        resources=len(state.resources),
        differences=tuple(one.difference for one in found),
        notes=tuple(one.note for one in found),
    )
    if for_programs:
        typer.echo(as_json([result], SIDES))
    else:
        typer.echo(as_text([result], f"{stack} as deployed", f"{stack} in AWS"))
    raise typer.Exit(1 if result.drift else 0)


@app.command()
def checks() -> None:
    """Print the checks that a night makes, one a line: STACK CHECK."""
    for one in _expected(project_folder(Path.cwd())):
        typer.echo(f"{one.stack} {one.check}")


@app.command()
def report(
    found: Annotated[
        Path, typer.Argument(help="A folder with what each check printed: STACK.CHECK.json.", metavar="FOLDER")
    ],
    run: Annotated[str, typer.Option(help="Address of the run that looked.", metavar="URL")],
    output: Annotated[Path, typer.Option(help="Where to write the issue's text.", metavar="FILE")],
    previous: Annotated[
        Path | None, typer.Option(help="The text of the open issue; none: there is no open one.", metavar="FILE")
    ] = None,
) -> None:
    """Write the issue's text, and print what to do with it as JSON: {"action", "title", "new"}."""
    if not found.is_dir():
        raise ConfigError.of(f"{found}:", "is no folder", "name the one that the checks wrote to")
    before = previous.read_text(encoding="utf-8", errors="replace") if previous else None
    night = findings.read(found, _expected(project_folder(Path.cwd())))
    issue = compose(night, before, datetime.now(UTC).replace(microsecond=0), run)
    output.write_text(issue.body, encoding="utf-8")
    typer.echo(json.dumps({"action": issue.action, "title": issue.title, "new": issue.new}))


def _expected(folder: Path) -> tuple[findings.Expected, ...]:
    names = [name for name in stack_names(folder) if name in PERMANENT]
    return findings.expected(load_environment(name, folder) for name in names)
