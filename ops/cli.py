"""The command `eps-dos`: its subcommands, each loaded when it is called, and what becomes of their errors.

Exit codes: 0 fine, 1 the answer is no, 2 wrong use or configuration, 3 it could not be done, 130 interrupted. An error
is one text on stderr that says where, what, and what to do; EPS_DOS_TRACEBACK=1 adds where in the code it came from.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from importlib import import_module
from types import FrameType
from typing import Any, NamedTuple, NoReturn, cast

import typer
from typer.core import TyperGroup

from infra.errors import INTERRUPTED, OK, WRONG_USE
from ops.errors import explained
from ops.output.progress import say


class Entry(NamedTuple):
    """A command: where it is, and the sentence that its own help begins with (so that nothing is loaded to list it)."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "up": Entry("ops.up", "up", "Bring STACK up, then print what it is, as checked with AWS."),
    "review": Entry("ops.review.command", "review", "Preview STACKs for a reviewer: dangers first."),
    "verify": Entry("ops.verify.command", "verify", "Hold what AWS has of STACK against what was promised."),
    "release": Entry("ops.release.command", "app", "Releases: whether one may travel on, and the edit that lets it."),
    "ephemeral": Entry("ops.ephemeral.command", "app", "Environments made for one test: by one command, gone on time."),
    "dataset": Entry("ops.dataset.command", "app", "Test data of an environment: load it, and see who had it loaded."),
    "preflight": Entry("ops.preflight.command", "preflight", "Say what is lacking before STACK's first `pulumi up`."),
    "status": Entry("ops.status.command", "status", "Show where stacks, releases and environments for tests stand."),
}
MORE = {
    "mirror": Entry("ops.mirror.command", "mirror", "What STACK differs in from what it mirrors, and whether it may."),
    "docs": Entry("ops.docs.command", "docs", "Write the API's overview page and the table of settings."),
    "lab": Entry("ops.lab.command", "app", "AWS on this machine: start it, use plain Pulumi in it, stop it."),
    "backend": Entry("ops.backend", "app", "Where the states of stacks are kept."),
    "vips": Entry("ops.vips", "app", "The addresses that clients have in their firewalls."),
}
FOR_WORKFLOWS = {
    "drift": Entry("ops.drift.command", "app", "The checks of a night, and the issue made of them: for drift.yml."),
}
"""Not listed in the help: the workflow says what it calls them for."""

_SETTINGS: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class _Loaded(Mapping[str, Any]):
    """The commands by name, each made of its module when it is asked for; typer gives their class no public name."""

    def __init__(self) -> None:
        self._entries = {**COMMANDS, **MORE, **FOR_WORKFLOWS}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - typer gives the class of commands no public name
        entry = self._entries[name]
        command = getattr(import_module(entry.module), entry.attribute)
        alone = typer.Typer(**_SETTINGS)
        if isinstance(command, typer.Typer):
            alone.add_typer(command, name=name)
        else:
            alone.command(name)(command)
        return typer.main.get_group(alone).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class _Group(TyperGroup):
    """The group of all commands: it loads the one that is called, and lists them from the tables."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - as typer's own
        super().__init__(**attributes)
        # Nothing is ever added to it.
        self.commands = cast(MutableMapping[str, Any], _Loaded())

    def format_commands(self, _ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - no public names either
        for heading, entries in (("Commands", COMMANDS), ("More", MORE)):
            with formatter.section(heading):
                formatter.write_dl([(name, entry.help) for name, entry in entries.items()])


app = typer.Typer(
    cls=_Group,
    name="eps-dos",
    help="Environments of the EPS Directory of Services API: what to do with them beside `pulumi up --stack NAME`.",
    epilog="Exit codes: 0 fine, 1 the answer is no, 2 wrong use or configuration, 3 it could not be done. "
    "Example: eps-dos up nft --lab",
    **_SETTINGS,
)


@app.callback()
def _root() -> None:
    """Stands for all commands, which typer would otherwise want to be added before it makes a group."""


def main() -> NoReturn:
    """Run what the command line says, and exit."""
    # As Ctrl-C does: whatever is open is closed.
    signal.signal(signal.SIGTERM, _interrupt)
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader is gone, as with `| head`; Python's own last flush must not try again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the command with `arguments` and return its exit code. Every error has become text on stderr."""
    try:
        code = app(args=list(arguments), prog_name="eps-dos", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except typer.TyperException as error:
        _show(error)
        # Its own code can be 1, which means "the answer is no" here.
        return WRONG_USE
    # The one place where errors end: an unexpected one is a fault of this program.
    except Exception as error:  # noqa: BLE001
        if os.environ.get("EPS_DOS_TRACEBACK") == "1":
            traceback.print_exc()
        text, code = explained(error)
        say(text)
        return code
    return code if isinstance(code, int) else OK


def _show(error: typer.TyperException) -> None:
    # Those that know how they were called print the usage, too; typer gives that class no public name.
    show = getattr(error, "show", None)
    if show is None:
        say(f"Error: {error.format_message()}")
    else:
        show()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
