"""`eps-dos dataset`: test data configured at a supplier's request, with a record of who asked and what changed.

The bucket keeps every version. The record is written last; what a load that was interrupted has put there is found by
the next, which does the rest and records both. Whether data may be loaded is in `infra.testdata`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from infra.naming import check_stack_name
from infra.testdata import shown
from ops.aws.clients import Aws
from ops.dataset.loading import load
from ops.dataset.record import records
from ops.dataset.sources import checked, explained
from ops.lab.entering import InLab, environment_of, place
from ops.output.progress import progress
from ops.stacks.names import complete_stack
from ops.stacks.place import project_folder

app = typer.Typer(
    help="Test data of an environment: load it, and see who had it loaded.",
    epilog="Example: eps-dos dataset log int",
    no_args_is_help=True,
)

ForPrograms = Annotated[bool, typer.Option("--json", help="For programs.")]
Stack = Annotated[
    str,
    typer.Argument(
        help="The environment: int, dev, or one made for a test.", metavar="STACK", autocompletion=complete_stack
    ),
]


@app.command("load")
def load_(
    stack: Stack,
    path: Annotated[Path, typer.Argument(help="A folder with test data, or one file.", metavar="PATH")],
    request: Annotated[str, typer.Option(help="The supplier's request, as a reference.", metavar="REF")],
    replace: Annotated[bool, typer.Option("--replace", help="Remove what PATH doesn't have, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    in_lab: InLab = False,
    for_programs: ForPrograms = False,
) -> None:
    """Put test data into the dataset of STACK. Refused for Live's. The bucket keeps what was there before.

    Example: eps-dos dataset load int data/ --request CHG0012345 --dry-run
    """
    check_stack_name(stack)
    environment = environment_of(stack, project_folder(Path.cwd()), in_lab)
    # Whatever is wrong with it is said before anything is started.
    files = checked(environment.dataset, path, request, stack)
    at = place(in_lab)

    with progress(f"{stack}: loading {shown(str(path))}") as tell:
        aws, options = Aws(environment.aws, at), {"replace": replace, "dry_run": dry_run}
        done = load(aws, environment.dataset, path, request, tell, files=files, stack=stack, **options)
    if for_programs:
        typer.echo(json.dumps({**asdict(done), "dryRun": dry_run}, indent=2))
        return
    for sign, keys in (("+", done.added), ("~", done.changed), ("=", done.adopted), ("-", done.removed)):
        for key in keys:
            typer.echo(f"{sign} {shown(key)}")
    typer.echo(f"{stack}: {done.summary}{'; nothing was done' if dry_run or done.is_empty else ''}")


@app.command()
def log(stack: Stack, in_lab: InLab = False, for_programs: ForPrograms = False) -> None:
    """Show who had what loaded into the dataset of STACK, the newest first.

    Example: eps-dos dataset log int
    """
    check_stack_name(stack)
    environment = environment_of(stack, project_folder(Path.cwd()), in_lab)
    at = place(in_lab)

    with explained(stack, environment.dataset.bucket, stack), progress(f"{stack}: reading the records"):
        loads = [*records(Aws(environment.aws, at), environment.dataset.bucket)]
    loads.sort(key=lambda entry: entry.when, reverse=True)
    if for_programs:
        typer.echo(json.dumps([asdict(entry) for entry in loads], indent=2))
        return
    for entry in loads:
        typer.echo(f"{entry.when}  {entry.request}: {entry.summary}; from {shown(entry.source)}, by {entry.who}")
    if not loads:
        typer.echo("none")
