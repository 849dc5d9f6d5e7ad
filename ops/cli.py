"""The command `eps-dos`: its subcommands, each loaded when it is called, and what becomes of their errors.

Exit codes: 0 fine, 1 the answer is no, 2 wrong use or configuration, 3 it could not be done, 130 interrupted. An error
is one text on stderr that says where, what, and what to do; EPS_DOS_TRACEBACK=1 adds where in the code it came from.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, NamedTuple, NoReturn, TypeAlias, cast

import typer
from typer.core import TyperGroup

from infra.errors import INTERRUPTED, OK, WRONG_USE
from ops.errors import explained
from ops.output.progress import say
from ops.stacks.names import ReleaseName, StackName, complete_stack


def _words() -> None:
    """Stands for a command whose words aren't completed."""


def _a_stack(stack: StackName) -> None:
    """Stands for a command that takes a stack."""


def _stacks(
    stacks: Annotated[list[str] | None, typer.Argument(autocompletion=complete_stack)] = None,
) -> None:
    """Stands for a command that takes several stacks."""


def _a_release(version: ReleaseName) -> None:
    """Stands for a command that takes a release."""


Words: TypeAlias = "Callable[..., None] | Mapping[str, Words]"
"""What a command's words are, for completion: a function with its arguments, or by the names of a group's commands."""


class Entry(NamedTuple):
    """A command: where it is, and what is said of it without loading it."""

    module: str
    attribute: str
    help: str
    """The sentence that its own help begins with."""
    words: Words


STANDING = "ops.status.standing"

_LAB: Words = {
    **dict.fromkeys(("start", "stop", "status", "env", "pulumi"), _words),
    "fault": {"unhealthy": _a_release, "load": _a_stack, "zone": _words, "clear": _words},
    "clock": {"advance": _words},
}
COMMANDS = {
    "up": Entry("ops.up", "up", "Bring STACK up, then print what it is, as checked with AWS.", _a_stack),
    "review": Entry("ops.review.command", "review", "Preview STACKs for a reviewer: dangers first.", _stacks),
    "verify": Entry("ops.verify.command", "verify", "Hold what AWS has of STACK against what was promised.", _a_stack),
    "release": Entry(
        "ops.release.command",
        "app",
        "Releases: whether one may travel on, and the edit that lets it.",
        {"check": _a_stack, "promote": _a_release, "apply": _a_stack},
    ),
    "ephemeral": Entry(
        "ops.ephemeral.command",
        "app",
        "Environments made for one test: by one command, gone on time.",
        dict.fromkeys(("create", "destroy", "extend", "list", "reap"), _words),
    ),
    "dataset": Entry(
        "ops.dataset.command",
        "app",
        "Test data of an environment: load it, and see who had it loaded.",
        {"load": _a_stack, "log": _a_stack},
    ),
    "preflight": Entry(
        "ops.preflight.command", "preflight", "Say what is lacking before STACK's first `pulumi up`.", _stacks
    ),
    "status": Entry(
        "ops.status.command", "status", "Show where stacks, releases and environments for tests stand.", _words
    ),
}
MORE = {
    "mirror": Entry(
        "ops.mirror.command", "mirror", "What STACK differs in from what it mirrors, and whether it may.", _a_stack
    ),
    "docs": Entry("ops.docs.command", "docs", "Write the API's overview page and the table of settings.", _words),
    "lab": Entry("ops.lab.command", "app", "AWS on this machine: start it, use plain Pulumi in it, stop it.", _LAB),
    "vips": Entry("ops.vips", "app", "The addresses that clients have in their firewalls.", {"publish": _a_stack}),
}
FOR_WORKFLOWS = {
    "drift": Entry(
        "ops.drift.command", "app", "The checks of a night, and the issue made of them: for drift.yml.", _words
    ),
}
"""Not listed in the help: the workflow says what it calls them for."""

_SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
_COMPLETED = {**_SETTINGS, "add_completion": True}
"""Of what a shell asks."""


class _Loaded(Mapping[str, Any]):
    """The commands by name, each made of its module when it is asked for; typer gives their class no public name."""

    def __init__(self) -> None:
        self._entries = {**COMMANDS, **MORE, **FOR_WORKFLOWS}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - typer gives the class of commands no public name
        entry = self._entries[name]
        command = getattr(import_module(entry.module), entry.attribute)
        alone = typer.Typer(no_args_is_help=True, **_SETTINGS)
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
    **_COMPLETED,
)


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    """Of all commands; without any, the help, and where the stacks of this project stand by their files."""
    if context.invoked_subcommand is None:
        typer.echo(f"{context.get_help()}\n\n{import_module(STANDING).standing()}")


def _outline() -> typer.Typer:
    """Return all commands by what the tables say of them, so that a shell completes words and none is loaded."""
    outline = typer.Typer(**_COMPLETED)
    for name, entry in {**COMMANDS, **MORE}.items():
        _add_words(outline, name, entry.words, entry.help)
    return outline


def _add_words(group: typer.Typer, name: str, words: Words, said: str = "") -> None:
    if isinstance(words, Mapping):
        inner = typer.Typer(**_SETTINGS)
        for word, its in words.items():
            _add_words(inner, word, its)
        group.add_typer(inner, name=name, help=said)
    else:
        group.command(name, help=said)(words)


def _asked_for_words() -> bool:
    """Whether a shell asks for a word. Options are the command's own affair: they are completed when it is loaded."""
    # As typer's scripts for the shells hand over what is typed.
    typed = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    return "_EPS_DOS_COMPLETE" in os.environ and not any(word.startswith("-") for word in typed.split())


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
        called = _outline() if _asked_for_words() else app
        code = called(args=list(arguments), prog_name="eps-dos", standalone_mode=False)
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
