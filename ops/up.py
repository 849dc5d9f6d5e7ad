"""`eps-dos up STACK`: bring an environment up with plain Pulumi, then show that AWS has what was promised.

It adds nothing to `pulumi up` but the order, what was in the way where it fails, and the look afterwards.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from infra.deciding import load_environment
from infra.environment import Environment
from infra.errors import ReportedError
from infra.naming import check_stack_name
from ops.lab.entering import InLab, place, run_up
from ops.output.progress import say
from ops.output.report import as_json, show
from ops.stacks.engine import NoBackendError, NoSuchStackError, PulumiError, StackHandle
from ops.stacks.locks import Lock
from ops.stacks.names import StackName
from ops.stacks.place import Place, project_folder
from ops.verify.settled import settled


class UpError(ReportedError):
    """Pulumi could not bring a stack up; it has said why.

    `locks` are those that its last attempt found in the way, `mended` names files that a dead run had left cut short.
    """

    def __init__(
        self, stack: str, code: int, locks: Sequence[Lock] = (), mended: Sequence[str] = (), *, in_lab: bool = False
    ) -> None:
        text = f"pulumi up of {stack} failed (exit code {code}), as it says above"
        command = f"{'eps-dos lab ' if in_lab else ''}pulumi cancel --yes --stack {stack}"
        if mended:
            text += f"\nremoved {', '.join(mended)}, which a run that is dead left cut short"
            # The remedy for a lock ends with it.
            text += "" if locks else "\n    fix: the same command again"
        for lock in locks:
            if lock.dead is False:
                continue
            whether = "which is gone" if lock.dead else "if it is gone"
            text += (
                f"\n{stack} is locked since {lock.taken:%Y-%m-%d %H:%M} by {lock.username}@{lock.hostname}, process "
                f"{lock.pid}, {whether}\n    fix: {command}, then again; a rollout that goes on is joined"
            )
        super().__init__(text)


def up(
    stack: StackName,
    in_lab: InLab = False,
    for_programs: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Bring STACK up, then print what it is, as checked with AWS. Exits 1 if a line doesn't hold.

    In the lab, what STACK leans on (a mirror: the stack that it mirrors) is brought up first. Elsewhere only STACK is,
    and Pulumi asks before it changes anything.

    Example: eps-dos up nft --lab
    """
    check_stack_name(stack)
    # Mistakes in the configuration are reported before anything is started.
    environments = wanted(stack, project_folder(Path.cwd()), with_foundation=in_lab)
    at = place(in_lab)
    for environment in environments:
        confirmed = ["--yes"] if in_lab else []
        try:
            code = run_up(environment.name, confirmed, at)
        except NoBackendError:
            raise
        except PulumiError as error:
            # Its state could not even be looked at.
            say(str(error))
            code = error.exit_code
        if code != 0:
            raise UpError(environment.name, code, *_in_the_way(environment.name, at), in_lab=in_lab)
    reports = [settled(environment, at) for environment in environments]
    if for_programs:
        typer.echo(as_json(reports))
    else:
        if in_lab:
            say("the real Pulumi engine, on the lab's AWS: an emulator on this machine, not Amazon's")
        show(reports, sys.stdout)
    raise typer.Exit(0 if all(report.passed for report in reports) else 1)


def _in_the_way(stack: str, at: Place) -> tuple[Sequence[Lock], Sequence[str]]:
    """Return the locks that a failed `up` met, and the truncated files that were removed for it.

    Files are left where somebody may be at work.
    """
    handle = StackHandle(stack, at)
    try:
        locks = handle.locks()
        return locks, handle.mend() if all(lock.dead for lock in locks) else ()
    except (NoSuchStackError, PulumiError):
        # Pulumi has said what is wrong, and it isn't a lock.
        return (), ()


def wanted(stack: str, folder: Path, *, with_foundation: bool) -> list[Environment]:
    """Return the environments to bring up, in order: what `stack` leans on, if that is asked for, then `stack`.

    Raises ConfigError if one of them can't be decided.
    """
    environment = load_environment(stack, folder)
    if environment.mirrors is None or not with_foundation:
        return [environment]
    return [*wanted(environment.mirrors, folder, with_foundation=True), environment]
