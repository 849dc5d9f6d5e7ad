"""`eps-dos verify STACK`: does what is deployed answer to what was promised? It reads, and changes nothing.

From inside, by what AWS has: everything that `up` shows, and rights, rules and the promises of `infra.rules`. With
`--from-client`, also as a client meets it; with `--drift`, only what was changed in AWS since the last deployment.
Left out: waiting, which `up` does.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from infra.deciding import load_environment
from infra.environment import PORT, Environment
from infra.errors import ConfigError
from infra.graph import Graph
from infra.images import MachineImage, unlaunchable
from infra.naming import check_stack_name
from infra.recording import record
from ops.aws.clients import Aws
from ops.aws.dns import read_answers
from ops.aws.images import read_images
from ops.aws.inventory import Inventory, read
from ops.aws.ownership import Subject
from ops.lab.entering import InLab, environment_of, place
from ops.mirror.actual import alone, look, state_of
from ops.mirror.comparison import STATE_SIDES, Comparison, Level, NotChecked, not_deployed
from ops.mirror.comparison import as_json as changes_as_json
from ops.mirror.comparison import as_text as changes_as_text
from ops.output.progress import progress, say
from ops.output.report import Check, Report, as_json, show
from ops.stacks.engine import StackHandle
from ops.stacks.names import StackName
from ops.stacks.place import Place, project_folder
from ops.verify import promises
from ops.verify.client import from_client
from ops.verify.graph import as_graph, violations
from ops.verify.promises import Promised
from ops.verify.rights import check_dataset_policy, check_firewall, check_service_role


def verify(
    stack: StackName,
    in_lab: InLab = False,
    from_client: Annotated[
        bool, typer.Option("--from-client", help="Also connect to it from here, as a client would.")
    ] = False,
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ca", help="Certificates to trust as a client, in PEM; else those of this machine.", metavar="FILE"
        ),
    ] = None,
    drift: Annotated[
        bool, typer.Option("--drift", help="Only look for changes made in AWS since the last deployment.")
    ] = False,
    for_programs: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Hold what AWS has of STACK against what was promised. Exits 0: all holds; 1: something doesn't.

    Example: eps-dos verify nft --from-client
    """
    check_stack_name(stack)
    if drift and (from_client or ca):
        raise ConfigError.of(
            "--drift", "compares AWS with the state; a client has no part in that", "leave out --from-client and --ca"
        )
    folder = project_folder(Path.cwd())
    environment = environment_of(stack, folder, in_lab)
    owner = load_environment(environment.mirrors, folder) if environment.mirrors else environment
    trusted = _trusted(ca)
    if in_lab and not for_programs:
        say("on the lab's AWS: an emulator on this machine, not Amazon's")
    at = place(in_lab)
    if drift:
        changes = _changes(environment, at)
        sides = (f"{stack} as deployed", f"{stack} in AWS")
        typer.echo(changes_as_json([changes], STATE_SIDES) if for_programs else changes_as_text([changes], *sides))
        raise typer.Exit(1 if isinstance(changes, NotChecked) or changes.drift else 0)
    checks = [*_inside(environment, owner, at), *(_outside(environment, at, trusted) if from_client else [])]
    report = Report(title=f"{stack}, as it is", checks=tuple(checks))
    if for_programs:
        typer.echo(as_json([report]))
    else:
        show([report], sys.stdout)
    raise typer.Exit(0 if report.passed else 1)


def inside(
    promised: Promised,
    owner: Environment,
    planned: Graph,
    inventory: Inventory,
    answers: Sequence[str],
    images: Sequence[MachineImage],
    account_id: str,
    partition: str,
) -> tuple[Check, ...]:
    """Return every check of what AWS has: `inventory`, what the name's servers answer, the images of `launched`.

    `owner` owns the dataset; `planned` is the program, recorded.
    """
    environment = promised.environment
    broken = violations(as_graph(inventory, owns_dataset=environment.dataset.owned))
    return (
        *promises.report(promised, inventory).checks,
        promises.check_answers(promised, answers),
        check_instances(inventory),
        check_images(environment.service.image_owner, inventory, images),
        check_dataset_policy(owner.dataset, inventory, account_id, partition),
        check_service_role(environment, inventory, partition),
        check_firewall(planned, inventory),
        Check.of(
            "rules",
            "all that must hold of every environment",
            [f"{violation.rule}: {violation.urn.split('::')[-1]} {violation.message}" for violation in broken],
            "no resource breaks one",
        ),
    )


def check_instances(inventory: Inventory) -> Check:
    """No instance has a public address, and each gives metadata to requests with a token only."""
    exposed = [instance for instance in inventory.instances if instance.public_ip]
    lax = [instance for instance in inventory.instances if not instance.tokens_required]
    wrong = [f"{instance.id} has the public address {instance.public_ip}" for instance in exposed]
    wrong += [f"{instance.id} gives metadata without a token" for instance in lax]
    evidence = f"{len(inventory.instances)} instances"
    return Check.of("instances", "no public address, metadata by token only", wrong, evidence)


def launched(inventory: Inventory) -> tuple[str, ...]:
    """Return the ids of the images that groups launch instances from, and would go back to from a failed rollout."""
    return tuple(
        sorted(
            {
                str(version.data.get("ImageId"))
                for group in inventory.scaling_groups
                for template in inventory.launch_templates
                for version in template.versions
                if template.id == group.template_id and version.number == template.number(group.template_version)
            }
        )
    )


def check_images(owner: str, inventory: Inventory, images: Sequence[MachineImage]) -> Check:
    """What runs can be launched once more: to scale out, to replace an instance, to go back from a failed rollout."""
    wrong = [
        why
        for image_id in launched(inventory)
        if (why := unlaunchable(image_id, owner, [image for image in images if image.id == image_id]))
    ]
    value = "instances can be launched"
    if wrong:
        wrong.append("roll out a release whose image can be: eps-dos release check, then promote")
    return Check.of("image", value, wrong, ", ".join(f"{image.id} ({image.name})" for image in images) or "no group")


def _changes(environment: Environment, at: Place) -> Comparison | NotChecked:
    with progress(f"{environment.name}: looking at what AWS has") as tell:
        state = state_of(environment, at)
        if state is None:
            return not_deployed(Level.actual, [environment.name])
        changes = alone(look("mirror", environment, state, at, tell))
    return Comparison(
        level=Level.actual,
        resources=len(state.resources),
        differences=tuple(change.difference for change in changes),
        notes=tuple(change.note for change in changes),
    )


def _inside(environment: Environment, owner: Environment, at: Place) -> tuple[Check, ...]:
    aws = Aws(environment.aws, at)
    with progress(f"{environment.name}: looking at what AWS has") as tell:
        tell("the stack")
        promised = Promised(environment=environment, outputs=StackHandle(environment.name, at).outputs())
        tell("the account")
        inventory = read(aws, Subject.of(environment))
        answers = read_answers(aws, inventory.records)
        caller = aws.sts.get_caller_identity()
        images = read_images(aws, "image-id", launched(inventory))
        tell("the program")
        planned = record(environment)
    account_id, partition = caller["Account"], caller["Arn"].split(":")[1]
    return inside(promised, owner, planned, inventory, answers, images, account_id, partition)


def _outside(environment: Environment, at: Place, context: ssl.SSLContext) -> tuple[Check, ...]:
    if at.in_lab:
        evidence = "the lab's addresses lead nowhere; its load balancer is an entry in an emulator"
        return (Check(name="client", value=environment.dns.name, verdict="not checked", evidence=evidence),)
    outputs = StackHandle(environment.name, at).outputs().get("virtualIps") or {}
    zones = [zone for zone, plan in sorted(environment.virtual_ips.items()) if plan.attached]
    attached = [outputs[zone] for zone in zones if zone in outputs]
    with progress(f"{environment.name}: connecting as a client"):
        return from_client(environment.dns.name, attached, PORT, datetime.now(UTC), context)


def _trusted(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError.of(
            "--ca", f"is {ca}, which can't be used: {error.strerror or error}", "name a file with certificates in PEM"
        ) from None
