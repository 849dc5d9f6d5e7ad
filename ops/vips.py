"""`eps-dos vips`: the addresses that suppliers put into their firewalls.

`publish` writes what `up` got into the stack file. From then on the stack protects and retains them, and the policy
pack fails whatever would change them. Left out: making them (`infra.components.virtual_ips`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal

import typer

from infra.errors import ConfigError
from infra.naming import check_stack_name, stack_names
from infra.sources import unknown_stack
from ops.lab.entering import InLab, place
from ops.output.progress import progress, say
from ops.stacks.engine import StackHandle
from ops.stacks.names import StackName
from ops.stacks.place import project_folder
from ops.stacks.stackfile import StackFile

KEY = "virtualIps"

app = typer.Typer(
    help="The addresses that clients have in their firewalls.",
    epilog="Example: eps-dos vips publish live",
    no_args_is_help=True,
)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One zone's address, and what publishing it means."""

    zone: str
    address: str
    state: Literal["new", "published", "differs"]
    published: str
    """What the stack file has so far; empty: nothing."""


def publications(deployed: Mapping[str, object], published: Mapping[str, object]) -> tuple[Publication, ...]:
    """Return what publishing the `deployed` addresses, by zone, means beside those that are `published` already.

    A published address that isn't deployed differs, too: clients would be sent to nobody. Raises ValueError for what
    isn't an IPv4 address.
    """
    made = []
    for zone in sorted({*deployed, *published}):
        address, before = str(deployed.get(zone) or ""), str(published.get(zone) or "")
        if address:
            IPv4Address(address)
        state: Literal["new", "published", "differs"] = "differs"
        if address and address == before:
            state = "published"
        elif address and not before:
            state = "new"
        made.append(Publication(zone=zone, address=address, state=state, published=before))
    return tuple(made)


@app.callback()
def _group() -> None:
    """Keep `publish` a word of its own, though it is the only one."""


@app.command()
def publish(
    stack: StackName,
    in_lab: InLab = False,
    for_programs: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Write the addresses that STACK has into its file, comments kept. Exits 1 if other ones are published already.

    Example: eps-dos vips publish live
    """
    check_stack_name(stack)
    checkout = project_folder(Path.cwd())
    # Whatever is wrong with it is said before anything is started.
    if stack not in stack_names(checkout):
        raise ConfigError([unknown_stack(stack, checkout)])
    file = StackFile(checkout / f"Pulumi.{stack}.yaml")
    at = place(in_lab)

    with progress(f"{stack}: reading its addresses"):
        deployed = StackHandle(stack, at).outputs().get(KEY)
    if not isinstance(deployed, Mapping) or not deployed:
        raise ConfigError.of(
            f"stack {stack}",
            "has no addresses of its own: it was never brought up, or is an ephemeral one",
            f"pulumi up --stack {stack}",
        )
    before = file.get(KEY)
    decided = publications(deployed, before if isinstance(before, Mapping) else {})
    refused = [publication for publication in decided if publication.state == "differs"]
    if not refused:
        file.set(KEY, {publication.zone: publication.address for publication in decided})
        if file.save():
            say(f"{file.path.name} has them; protected and retained from the next: pulumi up --stack {stack}")
            if in_lab:
                say("these are addresses of the lab: clients never reach them, so don't commit them")
    for publication in refused:
        say(
            f"{file.path.name}: eps-dos-api:{KEY}.{publication.zone} is {publication.published}, and {stack} has "
            f"{publication.address or 'none there'}; nothing was written\n"
            "    fix: clients have the published one in their firewalls, so bring that back; see docs/reviewing.md"
        )
    if for_programs:
        typer.echo(json.dumps([vars(publication) for publication in decided], indent=2))
    else:
        for publication in decided:
            typer.echo(
                f"{publication.zone}  {publication.address or '-':15}  {_words(publication, written=not refused)}"
            )
    raise typer.Exit(1 if refused else 0)


def _words(publication: Publication, *, written: bool) -> str:
    if publication.state == "differs":
        return f"differs: {publication.published} is published"
    if publication.state == "published":
        return "published already"
    return "published" if written else "not published"
