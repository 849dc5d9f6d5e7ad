"""`eps-dos docs`: the API's deployment overview, in the forms that people, programs and firewalls take it.

Made from the stack files and the addresses published in them, so that it can be made anywhere and says nothing that a
reviewer hasn't seen; and the table of settings in docs/configuration.md, from infra/settings.py.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import PydanticUndefined

from infra.settings import FACTS, KEYS, StackSettings
from ops.docs.forms import SCHEMA_FILE, addresses, as_json, html, markdown, schema
from ops.docs.model import environments
from ops.output.progress import say
from ops.stacks.place import project_folder

PAGE = Path("docs/deploy_overview.md")
CONFIGURATION = Path("docs/configuration.md")
SITE = Path("build/site")

_MOST_LINES_SHOWN = 20

_FOR_ONE_TEST = {"copied": "as in what it is like", "own": "its own", "refused": "never"}

_SETTINGS_TABLE = re.compile(r"^\| key \|.*\n(?:\|.*\n)*", re.MULTILINE)


def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a file in docs/ is not what it should be.")
    ] = False,
) -> None:
    """Write the API's overview page and the table of settings.

    The page is Markdown, and HTML that needs nothing else (build/site/index.html); beside both are the environments for
    programs and the addresses for firewalls.

    Example: eps-dos docs --check
    """
    folder = project_folder(Path.cwd())
    described = environments(folder)
    written = _read(folder / CONFIGURATION)
    for_both = {"environments.json": as_json(described), SCHEMA_FILE: schema(), "addresses.txt": addresses(described)}
    committed = {
        PAGE: markdown(described),
        **{PAGE.parent / name: text for name, text in for_both.items()},
        CONFIGURATION: with_settings(written),
    }
    stale = [file for file, text in committed.items() if text != _read(folder / file)]
    for file in committed.keys() - {*stale}:
        say(f"{file} is up to date")
    if check:
        for file in stale:
            _show_changes(file, _read(folder / file), committed[file])
            say(f"{file} is stale\n    fix: eps-dos docs, then commit it")
        raise typer.Exit(1 if stale else 0)
    site = {SITE / "index.html": html(described), **{SITE / name: text for name, text in for_both.items()}}
    for file, text in {**{file: committed[file] for file in stale}, **site}.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
        say(f"wrote {file}")


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _show_changes(file: Path, written: str, made: str) -> None:
    lines = [
        *difflib.unified_diff(written.splitlines(), made.splitlines(), f"{file}", "as it should be", lineterm="", n=0)
    ]
    for line in lines[:_MOST_LINES_SHOWN]:
        typer.echo(line)
    if len(lines) > _MOST_LINES_SHOWN:
        typer.echo(f"... {len(lines) - _MOST_LINES_SHOWN} more lines")


def with_settings(text: str) -> str:
    """Return the page about configuration, `text`, with the table of the settings as they are; one without it as is."""
    rows = [
        ("key", "what it is", "default", "a mirror may set it, because", "in an environment for one test"),
        ("---",) * 5,
        *(
            (f"`{key}`", _description(key), _default(key), facts.mirror, _FOR_ONE_TEST[facts.test])
            for key, facts in FACTS.items()
        ),
    ]
    table = "".join("|".join(("", *(f" {cell} " if cell else " " for cell in row), "\n")) for row in rows)
    return _SETTINGS_TABLE.sub(lambda _: table, text)


def _description(key: str) -> str:
    # Wrapped in the file, and one line of the table.
    return " ".join((StackSettings.model_fields[KEYS[key]].description or "").split())


def _default(key: str) -> str:
    default = StackSettings.model_fields[KEYS[key]].default
    if FACTS[key].mirror_default:
        return f"in a mirror `{FACTS[key].mirror_default}`"
    if default is PydanticUndefined:
        return ""
    return str(default).lower() if isinstance(default, bool | int) else "none"
