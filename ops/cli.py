"""The command `eps-dos`: its subcommands, and what becomes of their errors.

Exit codes: 0 fine, 1 the answer is no, 2 wrong use or configuration, 3 it could not be done, 130 interrupted. An error
is one text on stderr that says where, what, and what to do; EPS_DOS_TRACEBACK=1 adds where in the code it came from.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import typer

from infra.errors import INTERRUPTED, OK, WRONG_USE
from ops import backend, up, vips
from ops.dataset import command as dataset
from ops.docs import command as docs
from ops.drift import command as drift
from ops.ephemeral import command as ephemeral
from ops.errors import explained
from ops.lab import command as lab
from ops.mirror import command as mirror
from ops.output.progress import say
from ops.preflight import command as preflight
from ops.release import command as release
from ops.review import command as review
from ops.verify import command as verify

app = typer.Typer(
    name="eps-dos",
    help="Environments of the EPS Directory of Services API: what to do with them beside `pulumi up --stack NAME`.",
    epilog="Exit codes: 0 fine, 1 the answer is no, 2 wrong use or configuration, 3 it could not be done.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(lab.app, name="lab")
app.add_typer(drift.app, name="drift")
app.add_typer(dataset.app, name="dataset")
app.add_typer(ephemeral.app, name="ephemeral")
app.add_typer(release.app, name="release")
app.add_typer(vips.app, name="vips")
app.command()(docs.docs)
app.command()(mirror.mirror)
app.command()(review.review)
app.command()(up.up)
app.command()(verify.verify)
app.command()(preflight.preflight)
app.add_typer(backend.app, name="backend")


def main() -> NoReturn:
    """Run what the command line says, and exit."""
    # As Ctrl-C does: whatever is open is closed.
    signal.signal(signal.SIGTERM, _interrupt)
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads any more, as with `| head`; nor shall Python's own last flush try.
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
    # The one place where errors end: what isn't known here is a fault of this program.
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
