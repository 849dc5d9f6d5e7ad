"""The making of an environment for one test, and its extension: the edges, around what `infra.ephemeral` decides.

Nothing of the checkout changes: the stack's file is in a folder of its own, and what it says is in the stack's state.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from infra import ephemeral, frozen
from infra.deciding import aws_plan, load_environment
from infra.environment import Environment
from infra.ephemeral import Lifetime, Limits, Wish
from infra.errors import ConfigError
from infra.naming import LIVE
from infra.reach import network_of
from infra.reaping import StackFacts, ephemeral_of, settings_of
from infra.settings import own_of
from infra.times import in_words, stamp
from infra.yamlfile import read_mapping
from ops.aws.clients import Aws, listed
from ops.aws.network import ranges_of
from ops.aws.quotas import NETWORKS, QUOTAS, allowed
from ops.dataset.loading import copy, load
from ops.errors import RefusalError
from ops.output.progress import Tell, progress, say
from ops.output.report import Report
from ops.preflight.account import check_certificate
from ops.stacks import fleet
from ops.stacks.engine import Outcome, PulumiError, StackHandle
from ops.stacks.place import Place
from ops.stacks.workfolder import secrets_provider, work_folder, write_stack_file
from ops.verify.settled import settled

CLAIM = "eps-dos:claim"
"""Names the run that makes the environment: of two that start at once, both would find the name free."""

LONGEST_WAIT_SECONDS = 60.0
POLL_SECONDS = 0.5
"""For another run to give up or to go ahead: it does either within seconds."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where an environment's first test data comes from: another's bucket, or files."""

    source: str
    bucket: str | None
    path: Path | None

    @classmethod
    def of(cls, source: str, configurations: Mapping[str, Mapping[str, Any]]) -> Data:
        """Return what `source`, a stack or a path, means. Raises ConfigError if it is neither, or Live's data."""
        settings = configurations.get(source)
        if settings is None and Path(source).exists():
            return cls(source=source, bucket=None, path=Path(source))
        own = own_of(settings or {})
        bucket = (own.get("dataset") or {}).get("bucket")
        with_data = sorted(
            name for name, settings in configurations.items() if name != LIVE and "mirrors" not in own_of(settings)
        )
        if bucket is None or source == LIVE or "mirrors" in own:
            raise ConfigError.of(
                "--dataset",
                f"is {source!r}; allowed: {', '.join(with_data)}, or a folder with test data",
                f"--dataset {with_data[0] if with_data else 'PATH'}",
            )
        return cls(source=source, bucket=str(bucket), path=None)

    def fill(self, environment: Environment, aws: Aws, tell: Tell) -> None:
        """Put the data into the dataset of `environment`. Raises as `ops.dataset.command` does."""
        request = f"made like {environment.lifetime.like}" if environment.lifetime else "made"
        if self.path is not None:
            load(aws, environment.dataset, self.path, request, tell)
        elif self.bucket is not None:
            copy(aws, self.bucket, environment.dataset, request, tell)


@dataclass(frozen=True, kw_only=True)
class Request:
    """The environment that somebody asks for. Of the three times, None stands for the default of `infra.ephemeral`."""

    wish: Wish
    """With the lifetime by this machine's clock."""
    life: timedelta | None
    ends_at: datetime | None
    starts_at: datetime | None
    data: Data | None
    """Test data to begin with."""

    def wish_at(self, now: datetime, limits: Limits) -> Wish:
        """Return the wish with the lifetime that it has if made at `now`. Raises ConfigError."""
        return replace(self.wish, lifetime=ephemeral.lifetime(now, limits, self.life, self.ends_at, self.starts_at))


def stack_configurations(folder: Path, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Return what the files of these stacks say, as written. Raises ConfigError if one can't be read."""
    return {name: read_mapping(folder / f"Pulumi.{name}.yaml").get("config") or {} for name in names}


def readable_configurations(folder: Path, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Return the configurations in those files that can be read: destroying doesn't wait for repairs."""
    readable: dict[str, Mapping[str, Any]] = {}
    for name in names:
        try:
            readable |= stack_configurations(folder, (name,))
        except ConfigError:
            continue
    return readable


def check_room(name: str, stacks: Collection[StackFacts], committed: Collection[str], limits: Limits, aws: Aws) -> None:
    """Raise RefusalError if there can't be another environment called `name`: it is there, or too many are."""
    made = [facts for facts in stacks if facts.name not in committed]
    there = next((facts for facts in made if facts.name == name), None)
    if there is not None:
        terms = ephemeral_of(there)
        until = f", until {stamp(terms.expires_at)}, made by {terms.owner}" if terms else ""
        raise RefusalError(
            f"{name} is there{until}",
            f"eps-dos ephemeral extend {name} --ttl 24h, eps-dos ephemeral destroy {name}, or another name",
        )
    if len(made) >= limits.most_at_a_time:
        raise RefusalError(
            f"{len(made)} environments made for tests are there; allowed at a time: {limits.most_at_a_time} "
            f"({ephemeral.LIMITS})",
            "eps-dos ephemeral list, and destroy what nobody needs",
        )
    quota = QUOTAS[NETWORKS]
    may = allowed(aws, quota)
    used = sum(1 for _ in _networks(aws))
    if used >= may:
        raise RefusalError(
            f"the account has {used} VPCs; allowed: {may:g}",
            f"aws service-quotas request-service-quota-increase --service-code {quota.service} "
            f"--quota-code {quota.code} --desired-value {used + 1} --region {aws.region}",
        )


def taken_networks(
    stacks: Collection[StackFacts], configurations: Mapping[str, Mapping[str, Any]], aws: Aws
) -> tuple[IPv4Network, ...]:
    """Return every range in use: by stack files, by states in the backend, by AWS."""
    ranges = [
        str(own_of(settings).get("cidr"))
        for settings in (*configurations.values(), *(settings_of(facts) or {} for facts in stacks))
    ]
    return tuple(network for text in (*ranges, *_networks(aws)) if (network := network_of(text)))


def make(
    request: Request, configurations: Mapping[str, Mapping[str, Any]], limits: Limits, at: Place
) -> tuple[Report, Lifetime]:
    """Make what `request` asks for; return whether it works, and its lifetime, by AWS's clock.

    `configurations` are those of the stacks that have a file. Raises ConfigError if what is asked for is no
    environment, RefusalError if there is no room for it or another run makes the same, PulumiError if it can't be
    brought up: what is there by then stays, and how it goes is said.
    """
    name, like = request.wish.name, request.wish.like
    aws = Aws(aws_plan(configurations[like]), at)
    with progress(f"{name}: finding room"):
        wish = request.wish_at(aws.now(), limits)
        stacks = fleet.read(at)
        for unread in stacks:
            if unread.unreadable is not None:
                say(
                    f"note: {unread.name} has a state that can't be read, so its network is not reckoned with: "
                    f"{unread.unreadable}"
                )
        check_room(name, stacks, configurations, limits, aws)
        network = ephemeral.free_network(name, taken_networks(stacks, configurations, aws), limits)
    settings = ephemeral.configuration(wish, configurations, network)
    with work_folder(at, with_program=True) as own:
        say(f"{name}: like {like}, in {network}, {life_in_words(wish.lifetime)}")
        write_stack_file(own, name, settings)
        environment = load_environment(name, own.folder)
        if environment.service.certificate_secret_arn is not None:
            certificate = check_certificate(aws, environment)
            if certificate.verdict == "failed":
                raise RefusalError(f"certificate: {certificate.evidence}", "and once more: eps-dos ephemeral create")
        with progress(f"{name}: making the stack"):
            handle = _new_stack(wish, own)
        try:
            with progress(f"{name}: pulumi up") as tell:
                _claim_and_up(handle, wish, tell)
            if request.data is not None:
                with progress(f"{name}: test data from {request.data.source}") as tell:
                    request.data.fill(environment, aws, tell)
        except RefusalError:
            raise
        except BaseException:
            say(f"{name} is not complete; it goes with: eps-dos ephemeral destroy {name}, or when its time is over")
            raise
        return settled(environment, own), wish.lifetime


def _new_stack(wish: Wish, at: Place) -> StackHandle:
    handle = StackHandle(wish.name, at)
    try:
        handle.init(secrets_provider(at, wish.like))
    except PulumiError as error:
        if any("already exists" in message for message in error.messages):
            raise _being_made(wish.name) from None
        raise
    return handle


def _claim_and_up(handle: StackHandle, wish: Wish, tell: Tell) -> None:
    token = secrets.token_hex(8)
    handle.set_tag(CLAIM, token)
    _set_tags(handle, wish.lifetime, wish.owner, wish.like)
    _up(handle, token, tell, f"made by {wish.owner}, like {wish.like}, until {stamp(wish.lifetime.expires_at)}")


def _up(handle: StackHandle, token: str, tell: Tell, message: str) -> Outcome:
    """Bring up what this run has made, unless another run that began at the same time has: RefusalError.

    Both may get here: in a folder or a bucket, `stack init` finds the name free until the other has written, and so
    does the claim. The claim that was written last is both runs' answer once one of them has met the other's lock.
    """
    give_up = time.monotonic() + LONGEST_WAIT_SECONDS
    while True:
        now = fleet.read_one(handle.place, handle.name)
        waits = now is not None and bool(now.locks)
        if handle.tags().get(CLAIM) != token or now is None or now.resources:
            raise _being_made(handle.name)
        if waits and (time.monotonic() > give_up or any(lock.dead for lock in now.locks)):
            raise _being_made(handle.name)
        if not waits:
            try:
                return handle.up(tell, message=message)
            except PulumiError as error:
                if not error.refused_by_lock or time.monotonic() > give_up:
                    raise
        tell("another run tried to make it at the same moment")
        time.sleep(POLL_SECONDS)


def extend(
    facts: StackFacts,
    settings: Mapping[str, Any],
    lifetime: Lifetime,
    at: Place,
    tell: Tell,
    *,
    who: str,
    force: bool = False,
) -> None:
    """Give an environment another lifetime, and bring it up with that; recorded in its history as done by `who`.

    Raises RefusalError if today's code and files would change anything else in it, unless `force`.
    """
    terms = own_of(settings)["ephemeral"]
    handle = StackHandle(facts.name, at)
    write_stack_file(at, facts.name, ephemeral.with_lifetime(settings, lifetime), handle.export().get("deployment"))
    load_environment(facts.name, at.folder)
    more = () if force else frozen.beside_its_end(handle.preview(tell).events)
    if more:
        raise RefusalError(
            f"{facts.name} would change in more than its end, since code or files are not those that it was made by:\n"
            + "\n".join(f"  {line}" for line in more),
            f"eps-dos ephemeral extend {facts.name} with --force changes all of that; or make another environment",
        )
    handle.up(tell, message=f"extended by {who}, from {terms['expiresAt']} to {stamp(lifetime.expires_at)}")
    _set_tags(handle, lifetime, str(terms["owner"]), str(terms["like"]))


def life_in_words(lifetime: Lifetime) -> str:
    """Return a lifetime as a person reads it."""
    starts = f"instances from {stamp(lifetime.starts_at)}, " if lifetime.starts_at else ""
    life = in_words(lifetime.expires_at - lifetime.created_at)
    return f"{starts}until {stamp(lifetime.expires_at)} ({life} from its making)"


def _set_tags(handle: StackHandle, lifetime: Lifetime, owner: str, like: str) -> None:
    handle.set_tag(fleet.CREATED, stamp(lifetime.created_at))
    handle.set_tag(fleet.OWNER, owner)
    handle.set_tag(fleet.LIKE, like)
    handle.set_tag(fleet.EXPIRES, stamp(lifetime.expires_at))


def _being_made(name: str) -> RefusalError:
    return RefusalError(
        f"{name} is being made by another run at this moment",
        f"eps-dos ephemeral list shows when it is there; else: eps-dos ephemeral destroy {name}, and once more",
    )


def _networks(aws: Aws) -> Iterator[str]:
    for vpc in listed(aws.ec2, "describe_vpcs", "Vpcs[]"):
        yield from ranges_of(vpc)
