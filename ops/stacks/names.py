"""Names that people type, of stacks and of releases: the arguments that take them, and their completion in a shell.

A shell asks at each press of the tab key, so nothing slow is loaded, and nothing but the project's files is asked. Left
out: environments made for one test, which only the backend knows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml

from infra.errors import ConfigError
from infra.naming import stack_names
from ops.stacks.place import project_folder


def complete_stack(incomplete: str) -> list[str]:
    """Return the stacks with a file whose names begin so; none outside a project."""
    try:
        names = stack_names(project_folder(Path.cwd()))
    except ConfigError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def complete_release(incomplete: str) -> list[str]:
    """Return the versions of the catalogue that begin so, the newest first; none if it can't be read."""
    try:
        file = project_folder(Path.cwd()) / "releases.yaml"
        listed = yaml.safe_load(file.read_text(encoding="utf-8"))["releases"]
        versions = [str(release["version"]) for release in listed]
    except (ConfigError, OSError, ValueError, yaml.YAMLError, LookupError, TypeError):
        # What is wrong with it, the command says; a tab key is no place for it.
        return []
    return [version for version in reversed(versions) if version.startswith(incomplete)]


StackName = Annotated[
    str, typer.Argument(help="The environment: live, nft, int, dev.", metavar="STACK", autocompletion=complete_stack)
]
ReleaseName = Annotated[str, typer.Argument(help="A version of releases.yaml.", autocompletion=complete_release)]
