"""`eps-dos release`: whether a release may travel on, and the edit that lets it.

`check` answers from files, states and AWS; `promote` writes stack files; `apply` deploys a plan, for deploy.yml. Left
out: which release is where (`status`), and the gates themselves (`infra.promotion`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from infra.errors import ConfigError, Problem
from infra.naming import check_stack_name
from infra.promotion import Exemption, Gate, Pipeline, gates, moved, promoted
from infra.releases import LIVE
from infra.settings import Override
from ops.lab.entering import InLab, place, run_up
from ops.output.progress import progress, say
from ops.output.report import Check, Report, as_json, show
from ops.release.pipeline import evidence, look
from ops.release.promotion import write
from ops.stacks.names import ReleaseName, StackName, complete_stack

app = typer.Typer(
    help="Releases: whether one may travel on, and the edit that lets it.",
    epilog="Example: eps-dos release check live",
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def check(stack: StackName, in_lab: InLab = False, for_programs: Json = False) -> None:
    """Ask every gate between STACK and the release that its file says. Exits 1 if one is closed.

    Example: eps-dos release check live
    """
    environments, pipeline, at = look(in_lab, stack)
    with progress(f"asking the gates of {stack}") as tell:
        answers = gates(pipeline, stack, evidence(pipeline, stack, environments, at, tell))
    written = pipeline.stages[stack].wanted
    _answer(
        f"{stack}: {written if written == pipeline.version(stack) else f'{pipeline.version(stack)} ({written})'}",
        answers,
        for_programs,
    )
    raise typer.Exit(0 if all(answer.open for answer in answers) else 1)


@app.command()
def promote(
    version: ReleaseName,
    to: Annotated[
        str,
        typer.Option("--to", help="The environment that is to run it.", metavar="STACK", autocompletion=complete_stack),
    ],
    in_lab: InLab = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Let an earlier release take a later one's place.")
    ] = False,
    override: Annotated[
        list[Override] | None,
        typer.Option(
            "--override",
            help="Pass a closed gate: evidence (Live's mirror hasn't run it for long enough) or alarms (one rings). "
            "Repeatable.",
            metavar="GATE",
        ),
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", help="Why, for the record in the stack's file.", metavar="TEXT")
    ] = "",
    for_programs: Json = False,
) -> None:
    """Write VERSION into the file of a stack, if every gate is open; else write nothing and exit 1.

    Nothing is deployed: that is a merge or a `pulumi up` away.

    Example: eps-dos release promote 1.5.0 --to int
    """
    reason = reason.strip()
    overrides = tuple(dict.fromkeys(override or ()))
    problems = [*_wrong_options(to, overrides, reason)]
    if problems:
        raise ConfigError(problems)
    environments, before, at = look(in_lab, to)
    exemption = _exemption(before, version, to, rollback, overrides, reason)
    after = promoted(before, version, to, exemption)
    with progress(f"asking the gates of {to}") as tell:
        answers = gates(after, to, evidence(after, to, environments, at, tell), before.version(to))
    allowed = all(answer.open for answer in answers)
    changed = write(at.checkout, before, after, to) if allowed else ()
    _answer(f"{version} to {to}", answers, for_programs)
    if not allowed:
        say("nothing was written")
        raise typer.Exit(1)
    for name in changed:
        say(f"changed: {name}")
    if not changed:
        say(f"{to} is configured to run {version} already; nothing was written")
    for name, (was, now) in moved(before, after).items():
        say(f"{name}: {was} => {now} at the next: pulumi up --stack {name}")


@app.command(hidden=True)
def apply(
    stack: StackName,
    plan: Annotated[
        Path, typer.Option("--plan", help="As kept by: eps-dos review STACK --save-plan FOLDER.", metavar="FILE")
    ],
    message: Annotated[str, typer.Option("--message", help="For the history of the stack.", metavar="TEXT")] = "",
    in_lab: InLab = False,
) -> None:
    """Deploy STACK exactly as it was planned, or stop: for workflows, after somebody approved the plan.

    Exits as Pulumi does. It stops where AWS or the program has changed since, and more than the plan would be done.

    Example: eps-dos release apply dev --plan plans/dev.plan.json
    """
    check_stack_name(stack)
    if not plan.is_file():
        fix = f"eps-dos review {stack} --save-plan FOLDER"
        raise ConfigError.of("--plan", f"is {plan}, and there is no such file", fix)
    at = place(in_lab)
    described = ["--message", message] if message else []
    kept = ["--refresh", "--plan", str(plan.absolute())]
    code = run_up(stack, [*kept, "--yes", "--skip-preview", *described], at)
    if code != 0:
        say(f"if it says `violates plan`, review what it would do now: eps-dos review {stack} --save-plan FOLDER")
    raise typer.Exit(code)


def _wrong_options(to: str, overrides: Sequence[Override], reason: str) -> Iterator[Problem]:
    sample = '--reason "incident 123: ..."'
    if Override.EVIDENCE in overrides and to != LIVE:
        message = f"is for {LIVE}; {to} asks for no evidence"
        yield Problem(where="--override evidence", message=message, fix="leave it out")
    if bool(overrides) != bool(reason):
        missing = "--reason" if overrides else "--override"
        message = "is missing; the two are given together, and the file keeps the reason"
        yield Problem(
            where=missing, message=message, fix=f"--override {overrides[0] if overrides else 'GATE'} {sample}"
        )
    elif overrides and not (4 <= len(reason) <= 500 and "\n" not in reason):
        message = f"has {len(reason)} characters; allowed: 4 to 500, on one line"
        yield Problem(where="--reason", message=message, fix=sample)


def _exemption(
    before: Pipeline, version: str, to: str, rollback: bool, overrides: tuple[Override, ...], reason: str
) -> Exemption | None:
    was = before.version(to)
    recorded = before.stages[to].exemption
    # Promoting the same again keeps its record, else the gate that it opens would close behind it.
    kept = recorded if recorded and recorded.release == version == was else None
    back = was if rollback and was and before.is_earlier(version, was) else kept.rollback_from if kept else None
    if not overrides and back is None:
        return kept
    # Of two reasons the file has the later; its history has both.
    return Exemption(
        release=version,
        overrides=tuple(dict.fromkeys((*(kept.overrides if kept else ()), *overrides))),
        reason=reason or (kept.reason if kept else None),
        rollback_from=back,
    )


def _answer(title: str, answers: Iterable[Gate], for_programs: bool) -> None:
    report = Report(title=title, checks=tuple(_check(answer) for answer in answers))
    if for_programs:
        typer.echo(as_json([report]))
    else:
        show([report], sys.stdout)


def _check(gate: Gate) -> Check:
    evidence = gate.evidence if gate.open else f"{gate.evidence}; fix: {gate.fix}"
    return Check(name=gate.name, verdict="ok" if gate.open else "failed", evidence=evidence)
