"""What is published of the environments: the facts of their files, and the API overview's own words about them.

Every form (`ops.docs.forms`) is made from this, so that they can't differ. Only files are read, no clock and no cloud:
the same files make the same bytes. Left out: what is deployed right now, and suppliers' names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from infra.deciding import load_environment
from infra.environment import PORT, Environment, SchedulePlan
from infra.errors import ConfigError
from infra.naming import PERMANENT
from infra.settings import NAMESPACE
from infra.yamlfile import read_mapping

VERSION: Final = 1
"""Of environments.json: raised when a program that reads it would have to change."""

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
"""As cron counts them; both 0 and 7 are Sunday (crontab(5))."""


class _Published(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class Facts(_Published):
    """What a program may want to know of an environment."""

    name: str = Field(description="The environment's short name; it never changes.")
    title: str = Field(description="What people call it.")
    dns_name: str = Field(description="Connect to this name, not to an address.")
    port: int = Field(description="The only port that answers.")
    protocol: Literal["TCP"] = Field(default="TCP", description="TLS goes through it to the API itself.")
    virtual_ips: dict[str, str] = Field(
        description="IPv4 addresses by availability zone; all belong into firewalls. Empty: not deployed yet."
    )
    reserved_virtual_ips: dict[str, str] = Field(
        description="Addresses that will be added, by zone; best put into firewalls now. Nothing answers there yet."
    )
    dataset: str = Field(description="What the API answers from: Live or Test data.")
    release: str = Field(description="The version of the API that is configured for it.")
    up: str = Field(description="When it has instances, in words.")


class Document(_Published):
    """The environments of the EPS Directory of Services API that are generally available."""

    version: Literal[1] = Field(
        default=VERSION, description="Of this form: raised when a program that reads it would have to change."
    )
    environments: tuple[Facts, ...] = Field(description="In the order of the overview: Live first.")


@dataclass(frozen=True, kw_only=True)
class Words:
    """The API overview's own words, its spelling mended, and in `who` what its words come to for a table."""

    title: str
    purpose: str
    who: str
    description: str = ""


WORDS: Mapping[str, Words] = {
    "live": Words(
        title="Live",
        purpose="The production environment, used only by assured prescribing systems",
        who="assured prescribing systems only",
    ),
    "nft": Words(
        title="NFT",
        purpose="Used in non functional testing of both API and applications",
        who="suppliers that are listed for it, for non functional tests",
        description="Non Functional Test Environment. Infrastructure should directly reflect live, although may be "
        "scaled. Dataset should be the same as the live environment.",
    ),
    "int": Words(
        title="Int",
        purpose="Used for end to end application integration testing",
        who="suppliers that are listed for it, for end to end tests",
        description="Integration Test Environment. May be configured to have the same release as in Live to allow "
        "application testing, or the current release +1 to allow NFT of the new release. Test data will be configured "
        "at supplier request.",
    ),
    "dev": Words(
        title="Dev",
        purpose="Used by applications under development",
        who="suppliers that are listed for it, for applications under development",
        description="Integration Test Environment. Test data may be configured directly by suppliers.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Described:
    """One environment as people read of it."""

    facts: Facts
    words: Words
    zones: tuple[str, ...]
    """Those whose address is attached, published or not."""
    release: str
    """With what it follows: `1.4.0, the same as Live`."""
    configured: tuple[str, ...]
    """Sentences that aren't the overview's: how it is configured."""


def environments(folder: Path) -> tuple[Described, ...]:
    """Return the generally available environments of the project in `folder`.

    Raises ConfigError if a stack file is wrong or missing.
    """
    return tuple(_described(load_environment(stack, folder), _release_written(stack, folder)) for stack in PERMANENT)


def _described(environment: Environment, release_written: str) -> Described:
    words = WORDS[environment.name]
    attached = {zone: plan.published for zone, plan in sorted(environment.virtual_ips.items()) if plan.attached}
    reserved = {zone: plan.published for zone, plan in sorted(environment.virtual_ips.items()) if not plan.attached}
    service = environment.service
    facts = Facts(
        name=environment.name,
        title=words.title,
        dns_name=environment.dns.name,
        port=PORT,
        virtual_ips={zone: address for zone, address in attached.items() if address},
        reserved_virtual_ips={zone: address for zone, address in reserved.items() if address},
        dataset=environment.dataset.kind,
        release=service.release,
        up=up_times(service.schedules, may_be_empty=service.capacity.may_be_empty),
    )
    release = _release(release_written, service.release)
    return Described(
        facts=facts,
        words=words,
        zones=tuple(attached),
        release=release,
        configured=(f"Up {facts.up}.", *_scale(environment), f"Release {release}."),
    )


def up_times(schedules: Sequence[SchedulePlan], *, may_be_empty: bool) -> str:
    """Return when an environment has instances, as what follows "up": `Monday to Friday, 07:00 to 19:00 (Zone)`."""
    if not may_be_empty:
        return "at all times"
    if not schedules:
        return "when somebody asks for it"
    hours = _hours(schedules)
    if hours is not None:
        return f"{hours}, and empty otherwise"
    steps = (f"{plan.desired} instances from then on: {plan.recurrence} ({plan.time_zone})" for plan in schedules)
    return f"by the clock, as cron has it: {', '.join(steps)}"


def _hours(schedules: Sequence[SchedulePlan]) -> str | None:
    """Return the hours of a pair of schedules, one that fills it and one that empties it on the same days; or None."""
    pair = sorted(schedules, key=lambda plan: plan.desired == 0)
    times = [_time(plan.recurrence) for plan in pair]
    if len(pair) != 2 or pair[0].desired == 0 or pair[1].desired or pair[0].time_zone != pair[1].time_zone:
        return None
    if times[0] is None or times[1] is None or times[0][1] != times[1][1] or times[0][0] >= times[1][0]:
        return None
    return f"{times[0][1]}, {times[0][0]} to {times[1][0]} ({pair[0].time_zone})"


def _time(recurrence: str) -> tuple[str, str] | None:
    """Return the time and the days of a cron expression that has one time on each of some weekdays; else None."""
    match = re.fullmatch(r"(\d{1,2}) (\d{1,2}) \* \* (\*|[0-7](?:-[0-7])?)", recurrence)
    if match is None:
        return None
    minute, hour, on = match.groups()
    first, _, last = on.partition("-")
    days = "every day" if on == "*" else DAYS[int(first)] + (f" to {DAYS[int(last)]}" if last else "")
    return f"{int(hour):02}:{int(minute):02}", days


def _scale(environment: Environment) -> Iterable[str]:
    if environment.mirrors is None:
        return
    scale = environment.scale
    size = "the same capacity" if scale in (None, 1) else f"{scale.normalize():f} of its capacity" if scale else ""
    yield f"It has {WORDS[environment.mirrors].title}'s infrastructure, with {size}, and reads its dataset."


def _release_written(stack: str, folder: Path) -> str:
    config = read_mapping(folder / f"Pulumi.{stack}.yaml").get("config")
    release = config.get(f"{NAMESPACE}:release") if isinstance(config, dict) else None
    if not isinstance(release, str):
        raise ConfigError.of(
            f"Pulumi.{stack}.yaml: {NAMESPACE}:release",
            "is missing or no text",
            f"pulumi config set {NAMESPACE}:release live --stack {stack}",
        )
    return release


def _release(written: str, version: str) -> str:
    return {
        "live": f"{version}, the same as Live",
        "live+1": f"{version}, the one after Live's",
    }.get(written, version)
