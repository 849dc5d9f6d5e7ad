"""`eps-dos ephemeral`: environments made for one test, from their making to their end.

What may be made is in `infra.ephemeral`, what goes in `infra.reaping`; how it is done in `making`, `ending`
and `reap`, and how it is listed in `listing`.
"""

from __future__ import annotations

import getpass
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from infra import ephemeral
from infra.deciding import aws_plan
from infra.ephemeral import Lifetime, Wish
from infra.errors import ConfigError
from infra.naming import check_stack_name, stack_names
from infra.reaping import StackFacts, ephemeral_of, held, objection, settings_of
from infra.times import stamp
from ops.aws.clients import Aws
from ops.ephemeral import making, reap
from ops.ephemeral.ending import destroy as end
from ops.ephemeral.listing import all_judged, for_tests, shown
from ops.ephemeral.making import life_in_words, readable_configurations
from ops.errors import RefusalError
from ops.lab.entering import InLab, place
from ops.output.progress import progress, say
from ops.output.report import Report, as_json, show
from ops.output.visible import visible
from ops.stacks import fleet
from ops.stacks.names import complete_stack
from ops.stacks.place import Place, project_folder
from ops.stacks.workfolder import work_folder

app = typer.Typer(
    help="Environments made for one test: by one command, gone on time.",
    epilog="Example: eps-dos ephemeral list",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="The environment's name, such as pr-7.", metavar="NAME")]
app.command()(reap.reap)

ForPrograms = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def create(
    name: Name,
    like: Annotated[
        str,
        typer.Option(
            help="The permanent environment whose settings it gets.", metavar="STACK", autocompletion=complete_stack
        ),
    ],
    ttl: Annotated[str | None, typer.Option(help="How long it lives: 90m, 72h, 1d12h. [default: 72h]")] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="Until when it lives: friday or 2026-12-04 (its end, in London), 2026-12-01T18:00Z.", metavar="TIME"
        ),
    ] = None,
    starts: Annotated[
        str | None, typer.Option("--from", help="From when its instances run; made now all the same.", metavar="TIME")
    ] = None,
    scale: Annotated[str | None, typer.Option(help="Of Live's capacity, for one like a mirror.", metavar="S")] = None,
    release: Annotated[str | None, typer.Option(help="A version, live or live+1. [default: as STACK]")] = None,
    image: Annotated[str | None, typer.Option(help="An image in place of the release's.", metavar="AMI")] = None,
    certificate: Annotated[
        str | None,
        typer.Option(
            help="The secret with its certificate. [default: certificateSecretArn of ephemeral-limits.yaml]",
            metavar="ARN",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Test data to begin with: a permanent environment's, or a folder's.", metavar="DATA"),
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for it. [default: your login name]")] = None,
    clients: Annotated[
        list[str] | None, typer.Option(help="Who may connect; may be given several times.", metavar="CIDR")
    ] = None,
    live_data: Annotated[bool, typer.Option("--live-data", help="One like a mirror reads Live's data.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why it has to be Live's data.")] = None,
    asked_in: Annotated[
        int | None,
        typer.Option(
            help="The issue or pull request that asked for it, where its owner is warned.", min=1, metavar="NUMBER"
        ),
    ] = None,
    in_lab: InLab = False,
    for_programs: ForPrograms = False,
) -> None:
    """Make an environment like STACK, which is gone when its time is over. Nothing of the checkout changes.

    Example: eps-dos ephemeral create pr-7 --like int --ttl 1d12h --clients 198.51.100.0/28
    """
    folder = project_folder(Path.cwd())
    committed, limits = stack_names(folder), ephemeral.limits_of(folder)
    ephemeral.check_name(name, committed)
    if live_data != (reason is not None):
        fix = '--live-data --reason "why"'
        raise ConfigError.of("--live-data", "needs --reason, and --reason needs it", fix)
    starts_at = None if starts is None else ephemeral.moment(starts, "--from")
    ends_at = None if until is None else ephemeral.until(until, datetime.now(UTC), "--until")
    life = None if ttl is None else ephemeral.duration(ttl, "--ttl")
    configurations = making.stack_configurations(folder, committed)
    wish = Wish(
        name=name,
        like=like,
        lifetime=ephemeral.lifetime(datetime.now(UTC), limits, life, ends_at, starts_at),
        owner=_login() if owner is None else owner,
        scale=_factor(scale),
        release=release,
        image_id=image,
        certificate=certificate or limits.certificate_secret_arn,
        clients=tuple(clients or ()),
        live_data=reason,
        asked_in=asked_in,
    )
    data = None if dataset is None else making.Data.of(dataset, configurations)
    # Before anything is started; the time that counts is AWS's.
    ephemeral.configuration(wish, configurations, limits.pool)
    request = making.Request(wish=wish, life=life, ends_at=ends_at, starts_at=starts_at, data=data)
    report, lifetime = making.make(request, configurations, limits, place(in_lab))
    _show(report, lifetime, for_programs=for_programs)
    raise typer.Exit(0 if report.passed else 1)


@app.command("list")
def list_(in_lab: InLab = False, for_programs: ForPrograms = False) -> None:
    """Show which there are, whose, and until when. Exits 1 if that can't be said of one of them.

    Example: eps-dos ephemeral list
    """
    folder = project_folder(Path.cwd())
    committed, limits = stack_names(folder), ephemeral.limits_of(folder)
    at = place(in_lab)
    with progress("reading the backend"):
        rows = for_tests(at, datetime.now(UTC), committed, limits)
    if for_programs:
        typer.echo(json.dumps(rows, indent=2))
    else:
        shown(rows)
    raise typer.Exit(0 if all_judged(rows) else 1)


@app.command()
def extend(
    name: Name,
    ttl: Annotated[str, typer.Option(help="How long it shall live from now on: 24h, 3d.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also what today's code and files would change in it.")
    ] = False,
    in_lab: InLab = False,
) -> None:
    """Put its end off, within the longest life that there may be, and change nothing else in it.

    Its history records who did it.

    Example: eps-dos ephemeral extend pr-7 --ttl 24h
    """
    check_stack_name(name)
    long = ephemeral.duration(ttl, "--ttl")
    folder = project_folder(Path.cwd())
    committed, limits = stack_names(folder), ephemeral.limits_of(folder)

    at = place(in_lab)
    facts = _made_for_a_test(name, at, committed)
    terms, settings = ephemeral_of(facts), settings_of(facts)
    if terms is None or settings is None or not facts.marks:
        raise RefusalError(
            f"{name} has no expiry that can be read, or never came up", f"eps-dos ephemeral destroy {name}"
        )
    now = Aws(aws_plan(settings), at).now()
    _not_at_work(facts, now, limits.stale_lock)
    current = Lifetime(
        created_at=terms.created_at.astimezone(UTC),
        starts_at=terms.starts_at.astimezone(UTC) if terms.starts_at else None,
        expires_at=terms.expires_at.astimezone(UTC),
    )
    longer = ephemeral.extended(current, now, long, limits)
    with work_folder(at, with_program=True) as own, progress(f"{name}: pulumi up") as tell:
        making.extend(facts, settings, longer, own, tell, who=_login(), force=force)
    typer.echo(f"{name}: {life_in_words(longer)}")


@app.command()
def destroy(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    in_lab: InLab = False,
) -> None:
    """Destroy it and everything that AWS still has of it. Can be repeated after any interruption.

    Example: eps-dos ephemeral destroy pr-7
    """
    check_stack_name(name)
    folder = project_folder(Path.cwd())
    committed = stack_names(folder)

    at = place(in_lab)
    facts = _made_for_a_test(name, at, committed)
    _not_at_work(facts, datetime.now(UTC), ephemeral.STALE_LOCK)
    terms = ephemeral_of(facts)
    if not yes:
        whose = f", made by {terms.owner}, until {stamp(terms.expires_at)}" if terms else ""
        typer.confirm(visible(f"Destroy {name} ({facts.resources} resources{whose})?"), abort=True, err=True)
    configurations = readable_configurations(folder, committed)
    with work_folder(at, with_program=False) as own, progress(f"{name}: destroying") as tell:
        left = end(facts, own, configurations, tell)
    for leftover in left:
        say(f"{name}: still in AWS: {leftover}")
    typer.echo(f"{name}: {'not all of it is gone; run this again' if left else 'gone'}")
    raise typer.Exit(1 if left else 0)


def _made_for_a_test(name: str, at: Place, committed: tuple[str, ...]) -> StackFacts:
    """Return what the backend has of `name`. Raises RefusalError unless it was made for one test."""
    facts = fleet.read_one(at, name)
    if facts is None:
        raise RefusalError(f"{name} is not in the backend", "eps-dos ephemeral list")
    against = objection(facts, committed)
    if against is not None:
        raise RefusalError(f"{name} {against}", "eps-dos ephemeral list shows those made for tests")
    return facts


def _not_at_work(facts: StackFacts, now: datetime, stale_after: timedelta) -> None:
    """Raise RefusalError if somebody may be changing it at this moment."""
    working = held(facts.locks, now, stale_after)
    if working is not None:
        raise RefusalError(
            f"{facts.name} is being changed by {working.holder} since {stamp(working.taken)}",
            f"wait for its end; if that run is dead: pulumi cancel --stack {facts.name}",
        )


def _show(report: Report, lifetime: Lifetime, *, for_programs: bool) -> None:
    if for_programs:
        document = json.loads(as_json([report]))
        typer.echo(json.dumps({"expiresAt": stamp(lifetime.expires_at), "reports": document}, indent=2))
        return
    show([report], sys.stdout)
    typer.echo(f"\n{life_in_words(lifetime)}; longer: eps-dos ephemeral extend {report.title.split(',')[0]} --ttl 24h")


def _factor(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        message = f"is {text!r}; allowed: a number such as 0.5"
        raise ConfigError.of("--scale", message, "eps-dos ephemeral create --help") from None


def _login() -> str:
    """Return the login name, as a tag may have it."""
    return re.sub(r"[^\w .:/=+\-@]", "-", getpass.getuser(), flags=re.ASCII) or "unknown"
