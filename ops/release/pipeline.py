"""What the pipeline of releases looks like now: files, states, histories and images, gathered for `infra.promotion`.

Entered by status. Left out: what the instances really run (`status` reads it), and every decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.deciding import load_environment
from infra.environment import Environment
from infra.errors import ConfigError
from infra.naming import check_stack_name, stack_names
from infra.promotion import Exemption, Observed, Pipeline, Run, Stage, runs
from infra.releases import FILE, LIVE, Catalogue
from infra.settings import NAMESPACE, PromotionSettings
from infra.types import ROLLOUT
from infra.values import sequence
from infra.yamlfile import read_mapping
from ops.aws.clients import Aws
from ops.aws.monitoring import ringing_alarms
from ops.lab.entering import place
from ops.output.progress import Tell, progress
from ops.release.history import deployments, released
from ops.stacks.engine import NoSuchStackError, StackHandle, backend_url
from ops.stacks.locks import project_name
from ops.stacks.place import Place, project_folder


def look(in_lab: bool, stack: str | None = None) -> tuple[dict[str, Environment], Pipeline, Place]:
    """Return every environment that has a file, by name, the pipeline that they form, and where that was read.

    Raises ConfigError if one can't be decided, or if `stack` is none of them.
    """
    folder = project_folder(Path.cwd())
    decided = environments(folder, stack)
    at = place(in_lab)
    with progress("reading what is deployed") as tell:
        return decided, pipeline(decided, catalogue(folder), deployed(decided, at, tell)), at


def environments(folder: Path, stack: str | None = None) -> dict[str, Environment]:
    """Return every environment that has a file in `folder`, by name.

    Raises ConfigError if one can't be decided, or if `stack` is none of them.
    """
    names = stack_names(folder)
    if stack is not None and check_stack_name(stack) not in names:
        raise ConfigError.of(
            f"stack {stack}",
            f"has no file; allowed: {', '.join(names)}",
            f"git checkout -- Pulumi.{stack}.yaml, or name another",
        )
    return {name: load_environment(name, folder) for name in names}


def catalogue(folder: Path) -> Catalogue:
    """Return the catalogue in `folder`, which `environments` has found to be valid."""
    return Catalogue.model_validate(read_mapping(folder / FILE))


def pipeline(decided: Mapping[str, Environment], listed: Catalogue, deployed: Mapping[str, str | None]) -> Pipeline:
    """Return the pipeline of the `decided` environments, with what is deployed by stack."""
    return Pipeline(
        releases=listed.releases,
        stages={name: _stage(environment, deployed.get(name)) for name, environment in decided.items()},
        evidence=timedelta(hours=listed.evidence_hours),
    )


def deployed(names: Iterable[str], at: Place, tell: Tell) -> dict[str, str | None]:
    """Return the release that each stack's state has; None where nothing is deployed."""
    releases: dict[str, str | None] = {}
    for name in names:
        tell(f"the state of {name}")
        try:
            state = StackHandle(name, at).export()
        except NoSuchStackError:
            releases[name] = None
            continue
        releases[name] = released((state.get("deployment") or {}).get("resources") or ())[0]
    return releases


def evidence(of: Pipeline, stack: str, decided: Mapping[str, Environment], at: Place, tell: Tell) -> Observed:
    """Return the evidence for the gates of `stack` that isn't in files: images, alarms, and for Live the histories."""
    tell(f"the images that {stack} may use")
    aws, owner = Aws(decided[stack].aws, at), decided[stack].service.image_owner
    images = image_ids(aws, owner, [release.image for release in of.releases])
    tell(f"the alarms of {stack}")
    watched = StackHandle(stack, at).graph().of_type(ROLLOUT) if of.stages[stack].deployed else ()
    ringing = ringing_alarms(aws, [name for rollout in watched for name in sequence(rollout.outputs.get("alarmNames"))])
    ran: list[Run] = []
    if stack == LIVE:
        url = backend_url(at)
        for name in (LIVE, *of.mirrors_of(LIVE)):
            tell(f"the deployments of {name}")
            ran += runs(name, deployments(url, project_name(at.folder), name, at.cli, at.folder))
    return Observed(runs=ran, images=images, now=datetime.now(UTC), ringing=ringing)


def image_ids(aws: Aws, owner: str, names: Iterable[str]) -> dict[str, str]:
    """Return the ids of the available images that `owner` has by these names.

    Of two with one name it is the newer one (EC2 API, DescribeImages), as the program takes it.
    """
    pages = aws.ec2.get_paginator("describe_images").paginate(
        Owners=[owner],
        Filters=[{"Name": "name", "Values": sorted(set(names))}, {"Name": "state", "Values": ["available"]}],
    )
    images = sorted((image for page in pages for image in page["Images"]), key=lambda one: one.get("CreationDate", ""))
    return {image["Name"]: image["ImageId"] for image in images}


def _stage(environment: Environment, release: str | None) -> Stage:
    own = environment.settings
    promoted = own.get(f"{NAMESPACE}:promotion")
    return Stage(
        stack=environment.name,
        wanted=str(own.get(f"{NAMESPACE}:release", LIVE)),
        mirrors=environment.mirrors,
        deployed=release,
        exemption=Exemption(**PromotionSettings.model_validate(promoted).model_dump()) if promoted else None,
        lasting=f"{NAMESPACE}:ephemeral" not in own,
    )
