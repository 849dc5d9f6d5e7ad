"""Environments made for one test: which may be made, how long they live, and what is configured for them.

Pure: the clock, the account and the backend are the caller's to ask. What an environment has until it expires is frozen
here, once, as the configuration of a stack without a file. Left out: when one goes (`reaping`), and how an environment
follows from its configuration, which is the same as for any other (`deciding`).
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from infra import access
from infra.addressing import LARGEST_PREFIX, SMALLEST_PREFIX
from infra.errors import ConfigError
from infra.naming import PERMANENT, check_stack_name
from infra.overlay import MIRROR_KEYS
from infra.settings import FACTS, NAMESPACE, Number, SecretArn, Settings, own_of
from infra.times import stamp
from infra.yamlfile import read_mapping, validated

LIMITS = "ephemeral-limits.yaml"
DEFAULT_TTL = timedelta(hours=72)
STALE_LOCK = timedelta(hours=6)
"""Where the limits can't be read, and something has to go all the same."""

YEARS = range(2000, 3000)
"""Years of a plausible time. At both ends of the calendar, adding to a time or changing its zone fails."""

LONDON = ZoneInfo("Europe/London")
"""Where those who test are."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)


class Limits(Settings):
    """What environments made for one test may take of the account and of time; the file `ephemeral-limits.yaml`."""

    longest_life_hours: Annotated[Number, Field(ge=1, le=8784)]
    """Hours from making to expiry, extensions included."""
    most_at_a_time: Annotated[Number, Field(ge=0, le=1000)]
    networks: str
    """The range that their VPCs are cut from."""
    network_prefix_length: Annotated[Number, Field(ge=LARGEST_PREFIX, le=SMALLEST_PREFIX)]
    stale_lock_hours: Annotated[Number, Field(ge=1, le=168)]
    """After so many hours nobody can still be at work under a lock of which nobody knows whether its holder lives."""
    certificate_secret_arn: SecretArn | None = None
    """The secret with the certificate of what names none itself; a wildcard, and no permanent environment's."""

    @model_validator(mode="after")
    def _cut_from_a_range(self) -> "Limits":
        try:
            fits = IPv4Network(self.networks).is_private and self.pool.prefixlen <= self.network_prefix_length
        except ValueError:
            fits = False
        if not fits:
            raise ValueError("allowed for networks: a private range larger than one network, such as 10.192.0.0/12")
        return self

    @property
    def pool(self) -> IPv4Network:
        """The range that networks are cut from."""
        return IPv4Network(self.networks)

    @property
    def longest_life(self) -> timedelta:
        """From making to expiry."""
        return timedelta(hours=self.longest_life_hours)

    @property
    def stale_lock(self) -> timedelta:
        """From when on a lock is what a dead run left, though nobody saw it end."""
        return timedelta(hours=self.stale_lock_hours)


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """When an environment begins and ends, and from when its instances run. Times are UTC, whole seconds."""

    created_at: datetime
    starts_at: datetime | None
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants of an environment, each part valid; `configuration` makes a stack's settings of it."""

    name: str
    like: str
    lifetime: Lifetime
    owner: str
    scale: Decimal | None = None
    release: str | None = None
    image_id: str | None = None
    clients: tuple[str, ...] = ()
    certificate: str | None = None
    """ARN of the secret with its certificate."""
    live_data: str | None = None
    """Why it reads Live's data; None: it doesn't."""
    asked_in: int | None = None
    """The number of the issue or pull request that asked for it."""


def limits_of(folder: Path) -> Limits:
    """Return the limits in `folder`. Raises ConfigError."""
    fix = f"edit {LIMITS}; docs/ephemeral.md says what each line means"
    return validated(Limits, read_mapping(folder / LIMITS), LIMITS, fix)


def check_name(name: str, committed: Collection[str]) -> str:
    """Return `name` if an environment made for one test may have it; `committed` are the stacks with a file.

    What it makes has names that begin with `name` and a hyphen, so `live-x` could meet the names of Live.
    Raises ConfigError.
    """
    check_stack_name(name)
    taken = sorted(stack for stack in {*PERMANENT, *committed} if name == stack or name.startswith(f"{stack}-"))
    if taken:
        raise _wrong(
            "NAME",
            f"is {name!r}; allowed: a name that is not {taken[0]}'s, nor begins with {taken[0]}-, since {taken[0]} is "
            "permanent",
            f"choose another, such as test-{name}"[: len("choose another, such as ") + 20],
        )
    return name


def duration(text: str, option: str) -> timedelta:
    """Return how long the `text` of an option is: days, hours, minutes, seconds, in this order (`72h`, `1d12h`).

    A day is 24 hours. Raises ConfigError.
    """
    matched = _DURATION.fullmatch(text)
    parts = [int(count) for count in matched.groups(default="0")] if matched and text else []
    long = sum((count * unit for count, unit in zip(parts, _UNITS.values(), strict=False)), timedelta())
    if not long:
        raise _wrong(option, f"is {_shown(text)}; allowed: days, hours, minutes, seconds, such as 72h or 1d12h", "")
    return long


def moment(text: str, option: str) -> datetime:
    """Return the time that `text` is, which must name its zone, since it decides when things go. Raises ConfigError."""
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        read = None
    if read is None or read.tzinfo is None or read.year not in YEARS:
        raise _wrong(option, f"is {_shown(text)}; allowed: a time with its zone, such as 2026-12-01T18:00Z", "")
    return read.astimezone(UTC).replace(microsecond=0)


def until(text: str, now: datetime, option: str) -> datetime:
    """Return until when something lives: a time with its zone, or the end of a day in London.

    A day is a date (`2026-12-04`) or a weekday, the next of its name (`friday`, `Fri`; on a Friday that day). It lives
    until midnight there, also where clocks change. Raises ConfigError.
    """
    day = _day(text.strip().lower(), now.astimezone(LONDON).date())
    if day is not None and day.year in YEARS:
        return datetime.combine(day + timedelta(days=1), time(), LONDON).astimezone(UTC)
    try:
        return moment(text, option)
    except ConfigError:
        allowed = "a day, such as 2026-12-04 or friday, or a time with its zone, such as 2026-12-01T18:00Z"
        raise _wrong(option, f"is {_shown(text)}; allowed: {allowed}", "") from None


def _day(word: str, today: date) -> date | None:
    weekdays = [number for number, name in enumerate(WEEKDAYS) if len(word) >= 3 and name.startswith(word)]
    if weekdays:
        return today + timedelta(days=(weekdays[0] - today.weekday()) % 7)
    try:
        return date.fromisoformat(word) if _DATE.fullmatch(word) else None
    except ValueError:
        return None


def lifetime(
    now: datetime, limits: Limits, ttl: timedelta | None, until: datetime | None, starts_at: datetime | None
) -> Lifetime:
    """Return the lifetime of what is made at `now`; with neither `ttl` nor `until`, it lives for 72 hours.

    `ttl` counts from `starts_at`, if that is given. Raises ConfigError.
    """
    created_at = now.astimezone(UTC).replace(microsecond=0)
    if ttl is not None and until is not None:
        raise _wrong("--until", "is given beside --ttl; allowed: one of them", "")
    if starts_at is not None and starts_at <= created_at:
        raise _wrong("--from", f"is {stamp(starts_at)}, and it is {stamp(created_at)} now; allowed: later", "")
    begins = starts_at or created_at
    default = min(DEFAULT_TTL, max(created_at + limits.longest_life - begins, timedelta()))
    expires_at = until if until is not None else begins + (ttl or default)
    if expires_at <= begins:
        option = "--until" if until is not None else "--from"
        raise _wrong(option, f"leaves nothing: it would begin at {stamp(begins)} and end at {stamp(expires_at)}", "")
    _within(created_at, expires_at, limits)
    return Lifetime(created_at=created_at, starts_at=starts_at, expires_at=expires_at)


def extended(lifetime: Lifetime, now: datetime, ttl: timedelta, limits: Limits) -> Lifetime:
    """Return `lifetime` with an expiry `ttl` from `now`, everything else as it was. Raises ConfigError."""
    expires_at = now.astimezone(UTC).replace(microsecond=0) + ttl
    if expires_at <= lifetime.expires_at:
        raise _wrong(
            "--ttl",
            f"would end at {stamp(expires_at)} what ends at {stamp(lifetime.expires_at)}; allowed: later",
            "to end it early: eps-dos ephemeral destroy",
        )
    _within(lifetime.created_at, expires_at, limits)
    return replace(lifetime, expires_at=expires_at)


def free_network(name: str, taken: Iterable[IPv4Network], limits: Limits) -> IPv4Network:
    """Return the network that `name` gets: always the same one, unless it is taken. Raises ConfigError if none is left.

    Where the search begins depends on the name, so that two that are made at the same moment don't meet.
    """
    taken = tuple(taken)
    count = 2 ** (limits.network_prefix_length - limits.pool.prefixlen)
    size = 2 ** (32 - limits.network_prefix_length)
    first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % count
    for step in range(count):
        address = limits.pool.network_address + (first + step) % count * size
        network = IPv4Network((address, limits.network_prefix_length))
        if not any(network.overlaps(other) for other in taken):
            return network
    raise _wrong(
        f"{LIMITS}: networks",
        f"is {limits.pool}, and none of its {count} networks is free",
        "eps-dos ephemeral list, and destroy what nobody needs",
    )


def configuration(wish: Wish, stacks: Mapping[str, Mapping[str, Any]], network: IPv4Network) -> dict[str, Any]:
    """Return the whole configuration of the stack for `wish`, as its file would have it.

    `stacks` is what the committed stack files say, by stack. Raises ConfigError for a wish that doesn't fit what it is
    to be like; whether the result is a valid environment, `deciding` tells.
    """
    if wish.like not in stacks:
        raise _wrong("--like", f"is {_shown(wish.like)}; allowed: {', '.join(sorted(stacks))}", "")
    like = stacks[wish.like]
    own = {key: value for key, value in own_of(like).items() if key not in FACTS or FACTS[key].test == "copied"}
    mirrored = own.get("mirrors")
    if mirrored is None and wish.scale is not None:
        raise _wrong("--scale", f"is {wish.scale}, and {wish.like} mirrors nothing; allowed: with --like nft", "")
    if mirrored is None and wish.live_data is not None:
        raise _wrong("--live-data", f"is given, and {wish.like} mirrors nothing; allowed: with --like nft", "")
    _check_certificate(wish, stacks)
    zone = own.get("hostedZone") or own_of(stacks.get(str(mirrored), {})).get("hostedZone")
    bucket = f"{NAMESPACE}-{wish.name}-dataset"
    made: dict[str, Any] = {**_times(wish.lifetime), "owner": wish.owner, "like": wish.like}
    if wish.certificate is not None:
        own["certificateSecretArn"] = wish.certificate
    if wish.image_id is not None:
        made["imageId"] = wish.image_id
    if wish.clients:
        made["clients"] = list(wish.clients)
    if mirrored is None:
        own["dataset"] = {"bucket": bucket}
    elif wish.live_data is not None:
        made["liveData"] = wish.live_data
    else:
        made["datasetBucket"] = bucket
    if wish.asked_in is not None:
        made["askedIn"] = wish.asked_in
    if wish.scale is not None:
        own["scale"] = str(wish.scale)
    if wish.release is not None:
        own["release"] = wish.release
    tags = own.get("tags", {})
    own |= {
        "dnsName": f"dos-{wish.name}.{zone}",
        "cidr": str(network),
        "tags": {**(tags if isinstance(tags, Mapping) else {}), "Owner": wish.owner},
        "ephemeral": made,
    }
    if mirrored is not None:
        own = {key: value for key, value in own.items() if key in MIRROR_KEYS}
    aws = {key: value for key, value in like.items() if key.startswith("aws:")}
    return {**aws, **{f"{NAMESPACE}:{key}": value for key, value in own.items()}}


def _check_certificate(wish: Wish, stacks: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ConfigError for another's certificate, or for none where what it is to be like has one.

    Without one, instances would never pass a health check that Live's, or Int's, pass with theirs.
    """
    theirs = {name: own_of(settings).get("certificateSecretArn") for name, settings in stacks.items()}
    if wish.certificate is None:
        if theirs[wish.like] is not None:
            raise _wrong(
                "--certificate",
                f"is missing; {wish.like} has a certificate, which stays its own",
                f"--certificate ARN of a secret for tests, or name one for all in {LIMITS}: certificateSecretArn",
            )
        return
    for name, arn in sorted(theirs.items()):
        if arn == wish.certificate:
            message = f"is {name}'s; allowed: a secret for tests, since no key is shared with {name}"
            raise _wrong("--certificate", message, f"--certificate ARN, or {LIMITS}: certificateSecretArn")
    readable = access.bounded_secrets(access.OF_TESTS)
    original = str(own_of(stacks[wish.like]).get("mirrors", wish.like))
    own_boundary = own_of(stacks.get(original, {})).get("permissionsBoundary")
    if own_boundary is None and not fnmatchcase(wish.certificate.rpartition(":secret:")[2], readable):
        raise _wrong(
            "--certificate",
            f"is {wish.certificate}; allowed: the ARN of a secret named {readable}, all that instances made for a test "
            "can read under their boundary",
            f"aws secretsmanager create-secret --name {readable.replace('*', 'certificate')}",
        )


def with_lifetime(settings: Mapping[str, Any], lifetime: Lifetime) -> dict[str, Any]:
    """Return a stack's configuration with another lifetime, everything else as it was."""
    key = f"{NAMESPACE}:ephemeral"
    made = {name: value for name, value in dict(settings[key]).items() if name != "startsAt"}
    return {**settings, key: {**made, **_times(lifetime)}}


def _times(lifetime: Lifetime) -> dict[str, str]:
    times = {"createdAt": lifetime.created_at, "expiresAt": lifetime.expires_at, "startsAt": lifetime.starts_at}
    return {key: stamp(at) for key, at in times.items() if at is not None}


def _within(created_at: datetime, expires_at: datetime, limits: Limits) -> None:
    latest = created_at + limits.longest_life
    if expires_at > latest:
        raise _wrong(
            "expiry",
            f"would be {stamp(expires_at)}; allowed: until {stamp(latest)}, {limits.longest_life_hours} hours after "
            "it was made",
            f"ask those who own {LIMITS}, or make a new one then",
        )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _wrong(where: str, message: str, fix: str) -> ConfigError:
    return ConfigError.of(where, message, fix or "eps-dos ephemeral create --help")
