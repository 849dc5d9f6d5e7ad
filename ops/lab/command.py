"""`eps-dos lab`: AWS on this machine, used with plain Pulumi. Left out: what the lab does, which is in `lab`."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer

from infra.ephemeral import duration
from infra.errors import ConfigError
from infra.naming import check_stack_name
from infra.releases import FILE as CATALOGUE
from infra.yamlfile import read_mapping
from lab.errors import LabError
from lab.session import stack_option
from ops.aws.clients import Aws
from ops.aws.compute import read_scaling_groups
from ops.lab.entering import environment_of, here, place
from ops.output.progress import say
from ops.stacks.names import ReleaseName, complete_stack

app = typer.Typer(
    help="AWS on this machine: start it, use plain Pulumi in it, stop it. Nothing of it reaches a real account.",
    epilog="Example: eps-dos lab start",
    no_args_is_help=True,
)
fault = typer.Typer(
    help="Let something fail on purpose, to see what happens then.",
    epilog="Example: eps-dos lab fault unhealthy 1.5.0",
    no_args_is_help=True,
)
app.add_typer(fault, name="fault")
clock = typer.Typer(help="The account's time.", epilog="Example: eps-dos lab clock advance 12h", no_args_is_help=True)
app.add_typer(clock, name="clock")


@app.command()
def start(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Where AWS shall be; by default any free port.", metavar="N")
    ] = None,
) -> None:
    """Start AWS on this machine, and set up what is missing for it. Does nothing if it runs.

    Example: eps-dos lab start
    """
    running = here().start(say, port)
    say(f"AWS of the lab: {running.endpoint} (account 123456789012, region eu-west-2), until: eps-dos lab stop")


@app.command()
def stop() -> None:
    """Stop it, and forget its account and all stacks.

    Example: eps-dos lab stop
    """
    if here().stop(say):
        say("the lab is stopped; its AWS account, and the state of the stacks in it, are forgotten")
    else:
        say("the lab is not running")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show whether the lab runs, where, and with which stacks. Exits 1 if it doesn't run.

    Example: eps-dos lab status
    """
    lab = here()
    now = lab.status()
    if as_json:
        document = {
            "running": now.running is not None,
            "endpoint": now.running.endpoint if now.running else None,
            "pid": now.running.pid if now.running else None,
            "startedAt": now.started_at,
            "requests": now.requests,
            "stacks": list(now.stacks),
            "unhealthyImages": list(now.unhealthy_images),
        }
        typer.echo(json.dumps(document, indent=2))
    elif now.running is None:
        typer.echo("not running; start it with: eps-dos lab start")
    else:
        typer.echo(f"running at {now.running.endpoint}, process {now.running.pid}, since {now.started_at}")
        typer.echo(f"requests: {now.requests}")
        typer.echo(f"stacks: {', '.join(now.stacks) or 'none'}")
        if now.unhealthy_images:
            typer.echo(f"failing on purpose: instances of {', '.join(now.unhealthy_images)}")
        typer.echo(f"log: {lab.log}")
    raise typer.Exit(0 if now.running else 1)


@app.command()
def env(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Print its environment, for: eval "$(eps-dos lab env)". Inside of it, the same.

    Example: eps-dos lab env
    """
    lab = here()
    variables = dict(sorted(lab.variables().items()))
    removed = sorted(os.environ.keys() - lab.environment().keys())
    if as_json:
        typer.echo(json.dumps({"set": variables, "unset": removed}, indent=2))
        return
    for name in removed:
        typer.echo(f"unset {name}")
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
    add_help_option=False,
)
def pulumi(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="ARGS...", help="What pulumi is to do.")] = None,
) -> None:
    """Run plain Pulumi in the lab, on its copy of the project. Exits as Pulumi does.

    Example: eps-dos lab pulumi preview --stack dev
    """
    given = list(arguments or [])
    stack = stack_option(given)
    if stack is not None:
        # It becomes part of a path.
        check_stack_name(stack)
    raise typer.Exit(here().pulumi(given, say))


@fault.command()
def unhealthy(
    release: ReleaseName,
) -> None:
    """Let instances of RELEASE fail their health checks from now on, and those of no other release.

    Example: eps-dos lab fault unhealthy 1.5.0
    """
    at = place(in_lab=True)
    image_name = _image_of(release, at.folder)
    ec2 = boto3.client("ec2")
    at.check_endpoint(ec2.meta.endpoint_url)
    described = ec2.describe_images(Filters=[{"Name": "name", "Values": [image_name]}])["Images"]
    images = [image["ImageId"] for image in described]
    here().control().fail_health_checks(images)
    say(f"instances of {image_name} ({', '.join(images)}) fail their health checks, until: eps-dos lab fault clear")


@fault.command()
def load(
    stack: Annotated[str, typer.Argument(help="Whose instances get work.", autocompletion=complete_stack)],
    instances: Annotated[float, typer.Argument(min=0, help="How many of them the work keeps busy: 4.5. 0: none.")],
) -> None:
    """Give STACK's instances as much work as keeps INSTANCES of them busy, shared by those in service, from now on.

    Example: eps-dos lab fault load nft 4.5
    """
    at = place(in_lab=True)
    groups = read_scaling_groups(Aws(environment_of(stack, at.folder, in_lab=True).aws, at), stack)
    if not groups:
        raise LabError(f"{stack} has no instances in the lab", f"eps-dos up {stack} --lab")
    for group in groups:
        here().control().load(group.name, instances)
        say(f"{group.name} has work for {instances:g} instances, until: eps-dos lab fault clear")


@fault.command()
def zone(
    name: Annotated[str, typer.Argument(help="An availability zone, such as eu-west-2a.", metavar="ZONE")],
    node: Annotated[
        bool, typer.Option("--node", help="Not the instances: the load balancers' node there, with its address.")
    ] = False,
) -> None:
    """Let the instances in ZONE fail from now on, and none start there.

    Example: eps-dos lab fault zone eu-west-2a
    """
    place(in_lab=True)
    control = here().control()
    if node:
        control.fail_node(name)
        say(f"load balancers' nodes in {name} fail, and no name leads to them, until: eps-dos lab fault clear")
        return
    control.darken(name)
    say(f"{name} is dark: instances there fail, until: eps-dos lab fault clear")


@clock.command()
def advance(
    length: Annotated[str, typer.Argument(help="How long: 90m, 12h, 2d.", metavar="DURATION")],
) -> None:
    """Let DURATION pass at once, by the clock and by the calendar, with all that was scheduled for it.

    Example: eps-dos lab clock advance 12h
    """
    seconds = duration(length, "DURATION").total_seconds()
    today = here().control().advance(seconds)
    say(f"it is {today} in the lab")


@fault.command()
def clear() -> None:
    """Let nothing fail on purpose any more.

    Example: eps-dos lab fault clear
    """
    here().control().clear_faults()
    say("nothing fails on purpose any more")


def _image_of(version: str, folder: Path) -> str:
    releases = read_mapping(folder / CATALOGUE).get("releases")
    images: dict[str, Any] = {
        str(release.get("version")): release.get("image")
        for release in (releases if isinstance(releases, list) else [])
        if isinstance(release, dict)
    }
    if version not in images:
        raise ConfigError.of(
            "RELEASE",
            f"is {version}; allowed: a version of {CATALOGUE}: {', '.join(images)}",
            f"eps-dos lab fault unhealthy {next(reversed(images), 'VERSION')}",
        )
    return str(images[version])
