"""Settings: what people wrote in a stack file, validated. The models are the schema; docs/configuration.md lists them.

Values may come from the engine, which hands over text: `--config` writes even numbers as strings, so numeric strings
are numbers here. `StackSettings` is a whole stack file. Left out: how Live's are laid under a mirror's (`overlay`), and
what follows from the settings (`deciding`).
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from infra.addressing import LARGEST_PREFIX, PRIVATE_RANGES, SMALLEST_PREFIX, ZONE_LETTERS
from infra.capacity import LARGEST_SCALE, MOST_CLIENTS, RULES_PER_SECURITY_GROUP
from infra.errors import Problem
from infra.naming import LIVE, stack_file
from infra.suppliers import client_range
from infra.tags import DECIDED_TAGS

NAMESPACE = "eps-dos-api"

DOCUMENTATION_RANGES = tuple(IPv4Network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))
"""RFC 5737: what samples and the lab use in place of public addresses."""


def _allowed(condition: bool, allowed: str) -> None:
    if not condition:
        raise ValueError(f"allowed: {allowed}")


def _vpc_range(text: str) -> str:
    try:
        network = IPv4Network(text)
    except ValueError:
        network = None
    _allowed(
        network is not None
        and LARGEST_PREFIX <= network.prefixlen <= SMALLEST_PREFIX
        and any(network.subnet_of(private) for private in PRIVATE_RANGES),
        f"a private IPv4 range of /{LARGEST_PREFIX} to /{SMALLEST_PREFIX}, such as 10.30.0.0/16",
    )
    return text


def _client(text: str) -> str:
    client_range(text)
    return text


def _address(text: str) -> str:
    try:
        address = IPv4Address(text)
    except ValueError:
        address = None
    _allowed(
        address is not None and (address.is_global or any(address in sample for sample in DOCUMENTATION_RANGES)),
        "a public IPv4 address, such as 192.0.2.1",
    )
    return text


def _scale(value: object) -> Decimal:
    allowed = f"more than 0, at most {LARGEST_SCALE}"
    try:
        factor = Decimal(str(value))
    except ArithmeticError:
        factor = Decimal("nan")
    _allowed(not isinstance(value, bool) and factor.is_finite() and 0 < factor <= LARGEST_SCALE, allowed)
    return factor


def _time_zone(name: str) -> str:
    _allowed(name in available_timezones(), "a time zone of the IANA database, such as Europe/London")
    return name


_CRON_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMED = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))} | {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1
    )
}
_DAY_OR_MONTH = re.compile("|".join(_NAMED), re.IGNORECASE)
_CRON_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")


def _cron(text: str) -> str:
    fields = [_DAY_OR_MONTH.sub(lambda name: str(_NAMED[name[0].upper()]), field) for field in text.split(" ")]
    fits = len(fields) == len(_CRON_BOUNDS) and all(
        _cron_part_fits(part, *bounds)
        for field, bounds in zip(fields, _CRON_BOUNDS, strict=True)
        for part in field.split(",")
    )
    _allowed(fits, "five cron fields with a space between (minute hour day month weekday), such as 0 7 * * 1-5")
    return text


def _cron_part_fits(part: str, lowest: int, highest: int) -> bool:
    matched = _CRON_PART.fullmatch(part)
    if not matched:
        return False
    first, last, step = (int(number) if number else None for number in matched.groups())
    inside = all(lowest <= number <= highest for number in (first, last) if number is not None)
    return inside and (first is None or last is None or first <= last) and step != 0


def _region_zone(zone: str) -> str:
    _allowed(bool(re.fullmatch(rf"[a-z]{{2}}(-[a-z]+)+-\d[{ZONE_LETTERS}]", zone)), "a zone such as eu-west-2a")
    return zone


def _number(value: object) -> object:
    """Let numbers be written as text, as `--config` does, and nothing else pass for a number."""
    _allowed(not isinstance(value, bool) and bool(re.fullmatch(r"-?\d{1,9}", str(value))), "a whole number")
    return int(str(value))


def _digits_as_text(value: object) -> object:
    """Let an account id without quotes be one; YAML makes it a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _moment(value: object) -> object:
    """Read a time as it is written, as YAML reads it unquoted, or as Pulumi then writes it back."""
    rewritten = "%Y-%m-%d %H:%M:%S %z UTC"
    for read in (datetime.fromisoformat, lambda text: datetime.strptime(text, rewritten)):
        try:
            return value if isinstance(value, datetime) else read(str(value) if isinstance(value, str) else "")
        except ValueError:
            continue
    raise ValueError("allowed: a time with a zone, such as 2026-12-01T18:00:00Z")


def _switch(value: object) -> object:
    _allowed(isinstance(value, bool) or value in ("true", "false"), "true or false")
    return value in (True, "true")


def _text(pattern: str, allowed: str) -> AfterValidator:
    """Return the check of a text that must match `pattern` from end to end; `allowed` says so in words."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        _allowed(bool(compiled.fullmatch(text)), allowed)
        return text

    return AfterValidator(check)


Number = Annotated[int, BeforeValidator(_number)]
Scale = Annotated[Decimal, BeforeValidator(_scale)]
VpcRange = Annotated[str, AfterValidator(_vpc_range)]
PublicAddress = Annotated[str, AfterValidator(_address)]
ClientRange = Annotated[str, AfterValidator(_client)]
Version = Annotated[str, _text(r"\d+\.\d+\.\d+", 'a version in quotes such as "1.4.0"')]
Switch = Annotated[bool, BeforeValidator(_switch)]
Zone = Annotated[str, AfterValidator(_region_zone)]
DomainName = Annotated[
    str,
    _text(
        r"(?=.{4,253}\Z)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}",
        "a name such as dos-int.eps.digital.nhs.uk, without a dot at its end",
    ),
]
RoleReference = Annotated[
    str,
    _text(
        r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,128}|[\w+=,.@-]{1,64}",
        "a role's ARN, or its name in the account deployed to",
    ),
]
TagValue = Annotated[str, _text(r"[\w .:/=+\-@]{0,256}", "at most 256 letters, digits, spaces and . : / = + - @ _")]
"""EC2 guide, tag restrictions."""
TagKey = Annotated[
    str, _text(r"(?![aA][wW][sS]:)[\w .:/=+\-@]{1,128}", "at most 128 characters as in a value, not beginning aws:")
]
ImageOwner = Annotated[str, BeforeValidator(_digits_as_text), _text(r"self|\d{12}", "self, or an account id in quotes")]
InstanceType = Annotated[str, _text(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", "an instance type such as c7g.large")]
WantedRelease = Annotated[
    str, _text(r"\d+\.\d+\.\d+|live|live\+1", 'a version in quotes such as "1.4.0", live or live+1')
]
Email = Annotated[str, _text(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")]
AllocationId = Annotated[str, _text(r"eipalloc-[0-9a-f]{8,17}", "the id of an address's allocation, eipalloc-...")]
SecretArn = Annotated[
    str,
    _text(
        r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+",
        "the ARN of one secret of Secrets Manager",
    ),
]
PolicyArn = Annotated[
    str,
    _text(r"arn:aws[a-z-]*:iam::\d{12}:policy/[A-Za-z0-9/_+=.@,-]+", "the ARN of a managed policy of the account"),
]
BucketName = Annotated[
    str,
    # No dots, which the certificates of buckets' names don't cover.
    _text(
        r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9][a-z0-9-]{1,61}[a-z0-9](?<!-s3alias)(?<!--ol-s3)",
        "3 to 63 lower-case letters, digits and hyphens (Amazon S3 guide, bucket naming rules)",
    ),
]
ScheduleName = Annotated[
    str, _text(r"[a-z][a-z0-9-]{0,29}", "a lower-case letter, then letters, digits and hyphens, at most 30")
]
Reason = Annotated[str, _text(r"\S[^\n]{3,499}", "a reason of 4 to 500 characters, on one line")]
ImageId = Annotated[str, _text(r"ami-[0-9a-f]{8,17}", "the id of an image, ami-...")]
HealthCheckPath = Annotated[str, _text(r"/\S{0,1023}", "a path that begins with /, at most 1024 characters")]


StackName = Annotated[str, _text(r"[a-z][a-z0-9-]{0,19}", "the name of a stack, such as int")]
Moment = Annotated[datetime, BeforeValidator(_moment)]


class Settings(BaseModel):
    """What every model of a stack file has in common: camel case outside, nothing unknown, nothing changed later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=False, validate_by_alias=True
    )


class CapacitySettings(Settings):
    """Counts of instances, and the average CPU (percent) that scaling aims at."""

    minimum: Annotated[Number, Field(ge=0, le=500)]
    maximum: Annotated[Number, Field(ge=1, le=500)]
    target_cpu_percent: Annotated[Number, Field(ge=10, le=90)]

    @model_validator(mode="after")
    def _in_order(self) -> "CapacitySettings":
        _allowed(self.minimum <= self.maximum, f"a minimum of at most the maximum, {self.maximum}")
        return self


class ScheduleSettings(Settings):
    """A desired capacity, set by the clock."""

    name: ScheduleName
    recurrence: Annotated[str, AfterValidator(_cron)]
    time_zone: Annotated[str, AfterValidator(_time_zone)]
    desired: Annotated[Number, Field(ge=0, le=500)]


class HealthCheckSettings(Settings):
    """When a target is healthy; the bounds are those of ELB API, CreateTargetGroup."""

    protocol: Literal["TCP", "HTTP", "HTTPS"]
    path: HealthCheckPath | None = None
    interval_seconds: Annotated[Number, Field(ge=5, le=300)]
    timeout_seconds: Annotated[Number, Field(ge=2, le=120)] | None = None
    """None: AWS's default, or a second less than the interval where that is less."""
    healthy_threshold: Annotated[Number, Field(ge=2, le=10)]
    unhealthy_threshold: Annotated[Number, Field(ge=2, le=10)]

    @model_validator(mode="after")
    def _path_where_there_is_one(self) -> "HealthCheckSettings":
        _allowed((self.path is None) == (self.protocol == "TCP"), "a path with HTTP and HTTPS, none with TCP")
        return self

    @model_validator(mode="after")
    def _timeout_under_the_interval(self) -> "HealthCheckSettings":
        fits = self.timeout_seconds is None or self.timeout_seconds < self.interval_seconds
        _allowed(fits, f"a timeoutSeconds under intervalSeconds, {self.interval_seconds}; or none")
        return self


class DatasetSettings(Settings):
    """The bucket of the environment's data, and who else reads it."""

    bucket: BucketName
    readers: tuple[RoleReference, ...] = ()
    """Names of environments, or role ARNs."""


class EphemeralSettings(Settings):
    """What is decided for an environment made for one test when it is made, and stays."""

    created_at: Moment
    expires_at: Moment
    starts_at: Moment | None = None
    """No instance runs before; None: from the beginning."""
    owner: TagValue
    like: StackName
    image_id: ImageId | None = None
    """Run in place of the release's image."""
    clients: tuple[ClientRange, ...] = ()
    """Who may connect, beside suppliers who list the environment."""
    dataset_bucket: BucketName | None = None
    """A mirror's own bucket of test data."""
    live_data: Reason | None = None
    """Why a mirror reads Live's data."""
    asked_in: Annotated[Number, Field(ge=1, le=10**9)] | None = None
    """The number of the issue or pull request in which it was asked for, where its owner is warned of its end."""

    @model_validator(mode="after")
    def _in_order(self) -> "EphemeralSettings":
        moments = [self.created_at, *([self.starts_at] if self.starts_at else []), self.expires_at]
        aware = all(moment.tzinfo is not None for moment in moments)
        in_order = aware and all(earlier < later for earlier, later in pairwise(moments))
        _allowed(in_order, "times with a zone, createdAt before startsAt before expiresAt")
        return self


class Override(StrEnum):
    """A closed gate that a promotion may pass for a reason."""

    EVIDENCE = "evidence"
    """Live's mirror hasn't run the release for long enough."""
    ALARMS = "alarms"
    """An alarm rings that would stop the rollout."""


class PromotionSettings(Settings):
    """What was promoted past a gate, and why; `eps-dos release promote` writes it.

    It holds for the release that it names and for no other, so it can be left behind without opening anything.
    """

    release: Version
    overrides: tuple[Override, ...] = ()
    """Gates that it may pass though they are closed."""
    reason: Reason | None = None
    """Why."""
    rollback_from: Version | None = None
    """The later release that it takes the place of."""

    @model_validator(mode="after")
    def _reasoned(self) -> "PromotionSettings":
        _allowed(bool(self.overrides) == (self.reason is not None), "overrides and their reason, or neither")
        return self


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What holds of a setting beside its type; stands in the setting's annotation, and nowhere else.

    Without arguments (`AS_LIVE`): a mirror has Live's and can't set it, and an environment made for one test copies it.
    """

    mirror: str = ""
    """Why a mirror may set it; empty: it may not."""
    inherited: bool = True
    """Whether a mirror without a value of its own has Live's."""
    test: Literal["copied", "own", "refused"] = "copied"
    """What an environment made for one test has: that of what it is like, one of its own if any, or none."""
    mirrors_only: bool = False
    mirror_default: str = ""
    """What a mirror has that neither sets nor inherits it."""
    sample: str = "VALUE"
    """What a fix names; as it is here, only a person knows a value."""


AS_LIVE = Facts()
OWN_ADDRESS = Facts(mirror="an address belongs to one environment", inherited=False, test="refused")


class StackSettings(Settings):
    """A whole environment: what Live, Int and Dev say, and what a mirror is after Live has been laid under it.

    The text under a setting, in Markdown, is its description in docs/configuration.md.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    dns_name: Annotated[DomainName, Facts(mirror="a name belongs to one environment", test="own")]
    """The name that clients connect to, as published."""
    hosted_zone: Annotated[DomainName, Facts(mirror="the name may be in a zone of its own")]
    """The Route 53 zone of the record."""
    cidr: Annotated[
        VpcRange,
        Field(
            description=f"Range of the VPC, RFC 1918, /{LARGEST_PREFIX} to /{SMALLEST_PREFIX}, apart from every other "
            "stack's."
        ),
        Facts(mirror="two VPCs that may be joined can't share a range", test="own", sample="10.30.0.0/16"),
    ]
    zones: Annotated[tuple[Zone, ...], Field(min_length=2, max_length=len(ZONE_LETTERS)), AS_LIVE]
    """Zones in use; Live has three or more."""
    reserved_zones: Annotated[tuple[Zone, ...], Facts(test="refused")] = ()
    """Zones whose address is made and published, not yet attached."""
    allocation_ids: Annotated[dict[Zone, AllocationId], OWN_ADDRESS] = {}
    """By zone: Elastic IPs allocated elsewhere, used instead of new ones."""
    virtual_ips: Annotated[dict[Zone, PublicAddress], OWN_ADDRESS] = {}
    """By zone: addresses as published, from then on protected and retained; written by `eps-dos vips publish`."""
    protect_addresses: Annotated[Switch, Facts(inherited=False, test="refused")] = False
    """Protect addresses before they are published, too."""
    release: Annotated[
        WantedRelease,
        Facts(
            mirror="the next release is tested before Live has it",
            inherited=False,
            mirror_default="live",
            sample="live",
        ),
    ]
    """A version in quotes, `live` (Live's) or `live+1` (the next in `releases.yaml`); Live names a version, a mirror
    doesn't."""
    promotion: Annotated[
        PromotionSettings | None,
        Facts(mirror="its instances may fail when others don't", inherited=False, test="own"),
    ] = None
    """What a promotion to this stack stood on, where gates were closed; written by `eps-dos release promote`."""
    image_owner: Annotated[ImageOwner, AS_LIVE]
    """Account that owns the machine images, or `self`."""
    instance_type: Annotated[InstanceType, AS_LIVE]
    """Such as `c7g.large`."""
    capacity: Annotated[CapacitySettings, AS_LIVE]
    """`minimum` and `maximum` (instances), `targetCpuPercent` (of the group, 10 to 90; on Live at most 56 with three
    zones, so that two carry the load of three)."""
    schedules: Annotated[tuple[ScheduleSettings, ...], AS_LIVE] = ()
    """List of `name`, `recurrence` (cron), `timeZone`, `desired`; only where the minimum is 0, where CPU only ever adds
    instances; with one to 0, one that raises it."""
    health_check: Annotated[HealthCheckSettings, AS_LIVE]
    """`protocol` (TCP, HTTP, HTTPS), `path` (not with TCP), `intervalSeconds`, `timeoutSeconds` (under the interval; by
    default 10, with HTTP 6, or a second less than the interval), `healthyThreshold`, `unhealthyThreshold`."""
    dataset: Annotated[DatasetSettings, AS_LIVE]
    """`bucket`, and `readers`: environments or role ARNs that may read it; a mirror must be among its original's."""
    operators: Annotated[tuple[RoleReference, ...], Facts(mirror="other people operate it", inherited=False)] = ()
    """Roles (ARN, or name in the account deployed to) that may write the dataset."""
    operator_access: Annotated[Literal["none", "session-manager"], AS_LIVE] = "none"
    """`none`, or `session-manager`: whoever has `ssm:StartSession` may open a shell on an instance, without a port or a
    key; there are endpoints of Systems Manager then, and instances may use them."""
    client_capacity: Annotated[Number, Field(ge=1, le=MOST_CLIENTS), Facts(sample=f"{RULES_PER_SECURITY_GROUP}")] = (
        RULES_PER_SECURITY_GROUP
    )
    """Entries that the prefix list of clients has room for, 1 to 100. The default is the quota of rules of a security
    group; more only once the account's is raised, which `eps-dos preflight` asks."""
    certificate_secret_arn: Annotated[
        SecretArn | None, Facts(mirror="no certificate or key is shared with Live", inherited=False, test="own")
    ] = None
    """The one secret that the instances may read; no two stacks share one."""
    permissions_boundary: Annotated[PolicyArn | None, AS_LIVE] = None
    """The organisation's own permissions boundary, which all roles get in place of `eps-dos-api-STACK-boundary`."""
    alarm_subscribers: Annotated[
        tuple[Email, ...], Facts(mirror="other people want to know", inherited=False, test="own")
    ] = ()
    """E-mail addresses that hear of alarms."""
    tags: Annotated[
        dict[TagKey, TagValue],
        Field(description=f"{', '.join(f'`{tag}`' for tag in DECIDED_TAGS)}, and others."),
        Facts(mirror="somebody else may own and pay for it"),
    ]
    others_tag_keys: Annotated[tuple[TagKey, ...], AS_LIVE] = ()
    """Keys of tags that others put on everything, such as an organisation's own automation: previews, `verify --drift`
    and `mirror` leave them alone."""
    mirrors: Annotated[
        str | None, Facts(mirror="says what it mirrors", inherited=False, mirrors_only=True, sample=LIVE)
    ] = None
    """The stack that this one mirrors."""
    scale: Annotated[
        Scale | None,
        Field(
            description=f"Of the original's capacity, more than 0, at most {LARGEST_SCALE}; counts round up, never "
            "under one per zone."
        ),
        Facts(
            mirror="Live's capacity may be more than a test needs",
            inherited=False,
            mirrors_only=True,
            mirror_default="1",
            sample="0.5",
        ),
    ] = None
    load_generators: Annotated[
        tuple[ClientRange, ...], Facts(mirror="the load has to come from somewhere", inherited=False, mirrors_only=True)
    ] = ()
    """Ranges that load tests come from; admitted beside the suppliers."""
    ephemeral: Annotated[
        EphemeralSettings | None,
        Facts(mirror="a mirror may be made for one test, and says until when", inherited=False, test="own"),
    ] = None
    """`createdAt`, `expiresAt`, `startsAt`, `owner`, `like`, `imageId`, `clients`, `datasetBucket`, `liveData`,
    `askedIn` ([what they are](ephemeral.md)): an environment made for one test; never in a permanent stack."""


KEYS: Mapping[str, str] = {field.alias or name: name for name, field in StackSettings.model_fields.items()}
"""The settings as they are written, and their fields."""
FACTS: Mapping[str, Facts] = {
    key: facts
    for key, name in KEYS.items()
    for facts in StackSettings.model_fields[name].metadata
    if isinstance(facts, Facts)
}


def own_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the project's own settings of a stack's configuration, without their namespace."""
    prefix = f"{NAMESPACE}:"
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def parsed_engine_value(text: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a value as the engine hands it over: objects and lists are JSON, everything else is text as written."""
    if text[:1] in {"{", "["}:
        try:
            return json.loads(text)
        # Also of a number that is too long (int, sys.set_int_max_str_digits).
        except (ValueError, RecursionError):
            return text
    return text


def problems_of(error: ValidationError, stack_of: Callable[[tuple[int | str, ...]], str]) -> Iterator[Problem]:
    """Yield the problems in pydantic's `error`: key path, value, what is allowed, the command that mends it.

    `stack_of` tells whose file a key, given as its path, is written in, or belongs in.
    """
    for detail in error.errors():
        location = detail["loc"]
        stack, key = stack_of(location), _path(location)
        if detail["type"] == "extra_forbidden":
            yield unknown_key(key, stack, _nearest(location))
            continue
        missing = detail["type"] == "missing"
        message = "is missing" if missing else f"is {_shown(detail['input'])}; {_what_is_allowed(detail)}"
        fix = set_command(key, FACTS[str(location[0])].sample, stack)
        yield Problem(where=place(key, stack), message=message, fix=fix)


def unknown_key(key: str, stack: str, nearest: str | None) -> Problem:
    """Return the problem of a key that no setting has."""
    meant = f"; did you mean {nearest}?" if nearest else ""
    return Problem(where=place(key, stack), message=f"is no setting{meant}", fix=remove_command(key, stack))


def place(key: str, stack: str) -> str:
    """Return where a setting of `stack` is written: file and key, which may be a path such as `tags.Owner`."""
    return f"{stack_file(stack)}: {NAMESPACE}:{key}"


def set_command(key: str, value: str, stack: str) -> str:
    """Return the command that sets `key` in the file of `stack`."""
    return f"pulumi config set {_argument(key)} {value} --stack {stack}"


def remove_command(key: str, stack: str) -> str:
    """Return the command that takes `key` out of the file of `stack`."""
    return f"pulumi config rm {_argument(key)} --stack {stack}"


def _argument(key: str) -> str:
    return f"--path '{NAMESPACE}:{key}'" if "." in key or "[" in key else f"{NAMESPACE}:{key}"


def nearest(name: str, names: Collection[str]) -> str | None:
    """Return which of `names` was most likely meant by `name`."""
    return next(iter(get_close_matches(name, names, n=1)), None)


def _nearest(location: tuple[int | str, ...]) -> str | None:
    model: Any = StackSettings
    for part in location[:-1]:
        fields = {field.alias: field.annotation for field in getattr(model, "model_fields", {}).values()}
        model = fields.get(str(part))
    names = frozenset(str(field.alias) for field in getattr(model, "model_fields", {}).values())
    return nearest(str(location[-1]), names)


_EXPECTED = {
    "int_type": "a whole number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
}


def _what_is_allowed(error: Mapping[str, Any]) -> str:
    message: str = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return message
    if error["type"] in _EXPECTED:
        return f"allowed: {_EXPECTED[error['type']]}"
    context = error.get("ctx", {})
    if error["type"] == "literal_error":
        return f"allowed: {context['expected']}"
    return f"allowed: {message.removeprefix('Input should be ')}"


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _shown(value: object) -> str:
    text = json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
