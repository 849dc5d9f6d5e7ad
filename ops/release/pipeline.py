"""What the pipeline of releases looks like now: files, states, histories and images, gathered for `infra.promotion`.

Entered by status. Left out: what the instances really run (`status` reads it), and every decision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.deciding import load_environment
from infra.environment import Environment
from infra.errors import ConfigError
from infra.images import unlaunchable
from infra.naming import check_stack_name, stack_names
from infra.promotion import Exemption, Observed, Pipeline, Run, Stage, runs, used
from infra.releases import FILE, LIVE, Catalogue
from infra.settings import NAMESPACE, PromotionSettings
from infra.types import ROLLOUT
from infra.values import sequence
from infra.yamlfile import read_mapping
from ops.aws.clients import Aws
from ops.aws.images import read_images
from ops.aws.monitoring import ringing_alarms
from ops.lab.entering import place
from ops.output.progress import Tell, progress
from ops.release.history import deployments, released
from ops.stacks.engine import NoSuchStackError, PulumiError, StackHandle, backend_url
from ops.stacks.locks import project_name
from ops.stacks.place import Place, project_folder


def look(
    in_lab: bool, stack: str | None = None, unread: dict[str, str] | None = None
) -> tuple[dict[str, Environment], Pipeline, Place]:
    """Return every environment that has a file, by name, the pipeline that they form, and where that was read.

    A stack whose state can't be read is put into `unread`, with the reason, if that is given; else it raises
    PulumiError. Raises ConfigError if one can't be decided, or if `stack` is none of them.
    """
    folder = project_folder(Path.cwd())
    decided = environments(folder, stack)
    at = place(in_lab)
    with progress("reading what is deployed") as tell:
        return decided, pipeline(decided, catalogue(folder), deployed(decided, at, tell, unread)), at


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


def deployed(
    names: Iterable[str], at: Place, tell: Tell, unread: dict[str, str] | None = None
) -> dict[str, str | None]:
    """Return the release that each stack's state has; None where nothing is deployed. `unread` as in `look`."""
    releases: dict[str, str | None] = {}
    for name in names:
        tell(f"the state of {name}")
        try:
            state = StackHandle(name, at).export()
        except NoSuchStackError:
            releases[name] = None
            continue
        except PulumiError as error:
            if unread is None:
                raise
            releases[name], unread[name] = None, " ".join(error.messages)
            continue
        releases[name] = released((state.get("deployment") or {}).get("resources") or ())[0]
    return releases


def evidence(of: Pipeline, stack: str, decided: Mapping[str, Environment], at: Place, tell: Tell) -> Observed:
    """Return the evidence for the gates of `stack` that isn't in files: images, alarms and histories."""
    tell(f"the alarms of {stack}")
    aws = Aws(decided[stack].aws, at)
    watched = StackHandle(stack, at).graph().of_type(ROLLOUT) if of.stages[stack].deployed else ()
    ringing = ringing_alarms(aws, [name for rollout in watched for name in sequence(rollout.outputs.get("alarmNames"))])
    ran: list[Run] = []
    url = backend_url(at)
    for name in _asked_what_they_ran(of, stack):
        tell(f"the deployments of {name}")
        ran += runs(name, deployments(url, project_name(at.folder), name, at.cli, at.folder))
    tell(f"the images that {stack} may use")
    images, wrong = look_at_images(aws, decided[stack].service.image_owner, of, [*used(ran)])
    return Observed(runs=ran, images=images, unlaunchable=wrong, now=datetime.now(UTC), ringing=ringing)


def _asked_what_they_ran(of: Pipeline, stack: str) -> list[str]:
    """Return the stacks whose history the gates of `stack` ask for: each history comes with a hundred states."""
    if any(release.former_images for release in of.releases):
        return [*of.stages]
    return [LIVE, *of.mirrors_of(LIVE)] if stack == LIVE else [stack]


def look_at_images(
    aws: Aws, owner: str, of: Pipeline, used_ids: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return ids by name of the catalogue's images that can be launched; and why others can't, by name or used id."""
    names = [name for release in of.releases for name in (release.image, *release.former_images)]
    there = read_images(aws, "name", names, owner)
    by_name = {name: [image for image in there if image.name == name] for name in names}
    wrong = {name: unlaunchable(name, owner, images) for name, images in by_name.items()}
    known = read_images(aws, "image-id", used_ids)
    wrong |= {id_: unlaunchable(id_, owner, [image for image in known if image.id == id_]) for id_ in used_ids}
    ids = {name: images[0].id for name, images in by_name.items() if not wrong[name]}
    return ids, {wanted: why for wanted, why in wrong.items() if why}


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
