"""`eps-dos drift`, which only .github/workflows/drift.yml calls: the checks of a night, and the issue made of them.

Left out: looking, which `mirror` and `verify` do, and GitHub's API, which the workflow asks.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from infra.deciding import load_environment
from infra.errors import ConfigError
from infra.naming import PERMANENT, stack_names
from ops.drift import findings
from ops.drift.issue import compose
from ops.stacks.place import project_folder

app = typer.Typer(
    help="The checks of a night, and the issue made of them: for drift.yml.",
    epilog="Example: eps-dos drift checks",
    no_args_is_help=True,
)


@app.command()
def checks() -> None:
    """Print the checks that a night makes, each on a line: STACK CHECK.

    Example: eps-dos drift checks
    """
    for check in _expected(project_folder(Path.cwd())):
        typer.echo(f"{check.stack} {check.check}")


@app.command()
def report(
    folder: Annotated[
        Path, typer.Argument(help="A folder with what each check printed: STACK.CHECK.json.", metavar="FOLDER")
    ],
    run: Annotated[str, typer.Option(help="Address of the run that looked.", metavar="URL")],
    output: Annotated[Path, typer.Option(help="Where to write the issue's text.", metavar="FILE")],
    previous: Annotated[
        Path | None, typer.Option(help="The text of the open issue; none: there is no open one.", metavar="FILE")
    ] = None,
) -> None:
    """Write the issue's text, and print what to do with it as JSON: {"action", "title", "new"}.

    Example: eps-dos drift report found --run https://github.com/NAME/actions/runs/1 --output issue.md
    """
    if not folder.is_dir():
        raise ConfigError.of(f"{folder}:", "is no folder", "name the one that the checks wrote to")
    before = previous.read_text(encoding="utf-8", errors="replace") if previous else None
    night = findings.read(folder, _expected(project_folder(Path.cwd())))
    issue = compose(night, before, datetime.now(UTC).replace(microsecond=0), run)
    output.write_text(issue.body, encoding="utf-8")
    typer.echo(json.dumps({"action": issue.action, "title": issue.title, "new": issue.new}))


def _expected(folder: Path) -> tuple[findings.Expected, ...]:
    names = [name for name in stack_names(folder) if name in PERMANENT]
    return findings.expected(load_environment(name, folder) for name in names)
