"""Where a command works: in the lab, or wherever the user's environment leads. Entered by every command."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from infra import access, bootstrap
from infra.deciding import load_environment
from infra.environment import Environment
from infra.errors import ConfigError
from infra.naming import stack_names
from lab import foreground
from lab.control import require_loopback
from lab.engine.setup import ensure
from lab.project import FILES as FILES
from lab.project import FOLDERS as FOLDERS
from lab.session import Lab
from ops.output.progress import say
from ops.stacks import fleet
from ops.stacks.engine import NO_DOWNLOADS, NoSuchStackError, StackHandle, backend_url
from ops.stacks.holders import announced
from ops.stacks.locks import project_name
from ops.stacks.place import LAB_FOLDER, Place, project_folder
from ops.stacks.store import opened

InLab = Annotated[
    bool, typer.Option("--lab", envvar="EPS_DOS_LAB", help="Work in the lab: AWS on this machine.", show_envvar=True)
]
"""The option of every command that works on a stack."""


def here() -> Lab:
    """Return the lab of the project that the working directory is in. Raises ConfigError if it is in none."""
    return _lab_of(project_folder(Path.cwd()))


@cache
def _lab_of(checkout: Path) -> Lab:
    # One per command: each looks for an engine and asks for its version.
    return Lab(checkout / LAB_FOLDER, checkout, _boundaries(checkout))


def _boundaries(checkout: Path) -> dict[str, str]:
    """Return the permissions boundaries of an account that holds all stacks, by name."""
    environments = {}
    for stack in stack_names(checkout):
        # A file that says nothing sensible is whoever's uses it to name.
        with suppress(ConfigError):
            environments[stack] = load_environment(stack, checkout)
    return {name: access.as_json(document) for name, document in bootstrap.boundaries(environments, "aws").items()}


def place(in_lab: bool) -> Place:
    """Return where a command works, and make this process's environment the one that belongs to it.

    In the lab, which is started if it isn't running, everything that leads to a real account leaves the environment:
    whatever this process does from then on, it does on this machine. Raises ConfigError outside a project, EngineError
    if there is no engine, and in the lab as `Lab.start` does.
    """
    if in_lab:
        lab = here()
        lab.start(say)
        environment = lab.environment()
        folder, checkout, engine = lab.project.folder, lab.project.checkout, lab.engine
    else:
        engine = ensure(say)
        on_path = shutil.which("pulumi")
        if on_path is None or Path(on_path).resolve() != engine.cli.resolve():
            say(f"PATH has no pulumi that fits: this is {engine.cli} ({engine.version}), which eps-dos set up")
        environment = engine.environment()
        folder = checkout = project_folder(Path.cwd())
        pack = folder / "policy"
        # As in the lab: what Pulumi runs from here on, it runs with the rules. A plain `up` runs no pack (tried).
        if (pack / "PulumiPolicy.yaml").is_file():
            environment.setdefault("PULUMI_OPTION_POLICY_PACK", str(pack))
    os.environ.clear()
    os.environ.update(environment)
    return Place(
        folder=folder,
        checkout=checkout,
        cli=engine.cli,
        version=engine.version,
        in_lab=in_lab,
        check_endpoint=_check_loopback if in_lab else lambda endpoint: endpoint,
    )


def environment_of(stack: str, folder: Path, in_lab: bool) -> Environment:
    """Return the environment of `stack`: by its file in `folder` or, made for one test, by its state.

    Raises ConfigError. Where there is a file, nothing is started.
    """
    if stack in stack_names(folder):
        return load_environment(stack, folder)

    return fleet.environment_of(stack, folder, place(in_lab))


def run_up(stack: str, options: Sequence[str], at: Place) -> int:
    """Run plain `pulumi up`, showing the command first, with its output on the terminal; return its exit code.

    In the lab, a stack that the backend doesn't know yet is made first. Raises ArmedStateError instead of running on a
    state that isn't the program's.
    """
    with suppress(NoSuchStackError):
        StackHandle(stack, at).check_state(program_configures=True)
    arguments = ["up", "--stack", stack, *options]
    say(f"$ pulumi {shlex.join(arguments)}")
    with announced(opened(backend_url(at)), project_name(at.folder), stack) as announce:
        if at.in_lab:
            return here().pulumi(arguments, say, announce)
        environment = {**os.environ, **NO_DOWNLOADS}
        return foreground.run([at.cli, *arguments], cwd=at.folder, environment=environment, announce=announce)


def _check_loopback(endpoint: str) -> str:
    return require_loopback(endpoint, "the endpoint of an AWS client")
