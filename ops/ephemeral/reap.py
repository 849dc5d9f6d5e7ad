"""`eps-dos ephemeral reap`: destroy what was made for one test and is over its time, and nothing else.

Run every hour by a workflow, or by hand. One failure does not stop the rest. What is decided is in
`infra.reaping`, how one is destroyed in `ops.ephemeral.ending`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from infra import ephemeral
from infra.deciding import aws_plan
from infra.environment import AwsPlan
from infra.ephemeral import Limits
from infra.naming import PERMANENT, stack_names
from infra.reaping import StackFacts, Verdict, cannot_be_judged, ephemeral_of, objection, settings_of, verdict
from infra.times import in_words, stamp
from ops.aws.clients import Aws
from ops.ephemeral.ending import destroy
from ops.ephemeral.making import readable_configurations
from ops.errors import explained
from ops.lab.entering import InLab, place
from ops.output.progress import progress, say
from ops.stacks import fleet
from ops.stacks.place import Place, project_folder
from ops.stacks.workfolder import work_folder

SKEW_SECONDS = 300
"""A larger difference between this machine's clock and AWS's is reported."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What became of a stack that was to be destroyed."""

    name: str
    gone: bool
    reason: str


def reap(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="So many at a time.", metavar="N")] = 4,
    in_lab: InLab = False,
    for_programs: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Destroy every environment made for one test that is over its time.

    Exits 1 if one of these is still there, or a stack can't be judged; with --dry-run only for the latter.

    Never a permanent one: it must say in its own state that it was made for one test and until when, have no stack
    file, and hold nothing that is protected or another's.

    Example: eps-dos ephemeral reap --dry-run
    """
    folder = project_folder(Path.cwd())
    committed, limits = stack_names(folder), ephemeral.limits_of(folder)

    at = place(in_lab)
    with progress("reading the backend"):
        facts = {stack.name: stack for stack in fleet.read(at)}
        verdicts = judged(facts.values(), committed, limits, at)
    for judgement in verdicts:
        # Permanent environments always stay: not worth a line.
        if judgement.name not in {*PERMANENT, *committed} or judgement.decision == "refuse":
            say(f"{judgement.decision:<6}  {judgement.name}: {judgement.reason}")
    condemned = [judgement.name for judgement in verdicts if judgement.decision == "reap"]
    endings: tuple[Ending, ...] = ()
    if condemned and not dry_run:
        endings = ended(condemned, folder, at, parallel)
    for ending in endings:
        say(f"{'gone' if ending.gone else 'FAILED':<6}  {ending.name}: {ending.reason}")
    gone = {ending.name for ending in endings if ending.gone}
    late = [judgement.name for judgement in verdicts if overdue(judgement, facts[judgement.name])]
    unjudged = [judgement.name for judgement in verdicts if cannot_be_judged(facts[judgement.name], judgement)]
    still_there = unjudged if dry_run else [name for name in late if name not in gone]
    if for_programs:
        typer.echo(json.dumps([_row(judgement, facts[judgement.name], gone) for judgement in verdicts], indent=2))
    did = (
        f"{len(condemned)} would go, {len(unjudged)} can't be judged"
        if dry_run
        else f"{len(gone)} gone, {len(still_there)} still there"
    )
    (say if for_programs else typer.echo)(f"{did}; {sum(judgement.decision == 'stay' for judgement in verdicts)} stay")
    raise typer.Exit(1 if still_there else 0)


def overdue(judgement: Verdict, facts: StackFacts) -> bool:
    """Whether a stack should be gone by now, or can't be judged: a person has to look."""
    return judgement.decision == "reap" or judgement.overdue or cannot_be_judged(facts, judgement)


def judged(stacks: Iterable[StackFacts], committed: tuple[str, ...], limits: Limits, at: Place) -> tuple[Verdict, ...]:
    """Return the verdict on each stack, by the clock of the AWS that it is in; asked once for each.

    A stack whose AWS doesn't answer is refused, with the error.
    """
    clocks: dict[AwsPlan | None, datetime] = {}

    def now_for(facts: StackFacts) -> datetime:
        settings = settings_of(facts)
        plan = aws_plan(settings) if settings is not None and "aws:region" in settings else None
        if plan not in clocks:
            here = datetime.now(UTC)
            clocks[plan] = Aws(plan, at).now() if plan is not None else here
            skew = abs(clocks[plan] - here)
            if skew.total_seconds() > SKEW_SECONDS:
                say(f"note: this machine's clock is {in_words(skew)} from AWS's, which counts")
        return clocks[plan]

    def judge(facts: StackFacts) -> Verdict:
        if objection(facts, committed) is not None:
            # At any time.
            return verdict(facts, datetime.now(UTC), committed, limits)
        try:
            now = now_for(facts)
        # One failure does not stop the rest.
        except Exception as error:  # noqa: BLE001
            reason = f"is where nobody can be asked for the time: {explained(error)[0].splitlines()[0]}"
            return Verdict(name=facts.name, decision="refuse", reason=reason)
        return verdict(facts, now, committed, limits)

    return tuple(judge(facts) for facts in stacks)


def ended(names: Iterable[str], folder: Path, at: Place, parallel: int) -> tuple[Ending, ...]:
    """Destroy the stacks of these names, so many at a time; return what became of each, in the same order."""
    names = tuple(names)
    committed, limits = stack_names(folder), ephemeral.limits_of(folder)
    configurations = readable_configurations(folder, committed)
    with (
        work_folder(at, with_program=False) as own,
        progress(f"destroying {len(names)}") as tell,
        ThreadPoolExecutor(parallel) as pool,
    ):

        def end(name: str) -> Ending:
            try:
                # It may have been extended or replaced meanwhile.
                facts = fleet.read_one(own, name)
                if facts is None:
                    return Ending(name=name, gone=True, reason="gone already")
                (judgement,) = judged((facts,), committed, limits, own)
                if judgement.decision != "reap":
                    return Ending(name=name, gone=False, reason=judgement.reason)
                left = destroy(facts, own, configurations, lambda line: tell(f"{name}: {line}"))
            # One failure does not stop the rest.
            except Exception as error:  # noqa: BLE001
                return Ending(name=name, gone=False, reason=explained(error)[0])
            if left:
                return Ending(name=name, gone=False, reason=f"still in AWS: {', '.join(map(str, left))}")
            return Ending(name=name, gone=True, reason=judgement.reason)

        return tuple(pool.map(end, names))


def _row(judgement: Verdict, facts: StackFacts, gone: Collection[str]) -> dict[str, Any]:
    terms = ephemeral_of(facts)
    return {
        "name": judgement.name,
        "owner": terms.owner if terms else None,
        "askedIn": terms.asked_in if terms else None,
        "decision": judgement.decision,
        "reason": judgement.reason,
        "expiresAt": stamp(judgement.expires_at) if judgement.expires_at else None,
        "gone": judgement.name in gone,
    }
