"""What may be made for one test: names, times, networks, and the configuration that comes of a wish."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.deciding import load_environment
from infra.ephemeral import (
    LIMITS,
    Lifetime,
    Wish,
    check_name,
    configuration,
    duration,
    extended,
    free_network,
    lifetime,
    limits_of,
    moment,
    until,
    with_lifetime,
)
from infra.errors import ConfigError
from infra.naming import PERMANENT
from infra.recording import record
from infra.rules import violations
from infra.times import stamp
from infra.yamlfile import as_yaml, read_mapping
from tests.infra.stackfiles import CHECKOUT, NAMES, project

FILE = limits_of(CHECKOUT)
SMALL = FILE.model_copy(update={"networks": "10.192.0.0/18"})
"""Room for four networks."""
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
STACKS: Mapping[str, Mapping[str, Any]] = {
    name: read_mapping(CHECKOUT / f"Pulumi.{name}.yaml")["config"] for name in NAMES
}
LIFE = Lifetime(created_at=NOW, starts_at=None, expires_at=NOW + 72 * HOUR)


def wish(like: str = "int", **changes: Any) -> Wish:
    return replace(Wish(name="pr-7", like=like, lifetime=LIFE, owner="tester"), **changes)


@pytest.mark.parametrize("name", ["pr-7", "a", "livery", "live2", "a" * 20])
def test_ordinary_names_may_be_had(name: str) -> None:
    assert check_name(name, NAMES) == name


@pytest.mark.parametrize(
    "name",
    ["", "live", "nft", "live-pr-1", "int-", "..", "../live", "-y", "--yes", "a b", "a" * 21, "a" * 200, "PR-7", "prüf",
     "pr-\uff17", "a\n", "a/b", "a.b", "training", "training-1"],
)  # fmt: skip
def test_other_names_may_not(name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_name(name, (*NAMES, "training"))
    assert "allowed: " in str(raised.value)
    assert "fix: choose another" in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_permanent_name_stays_taken_without_its_file() -> None:
    for name in PERMANENT:
        with pytest.raises(ConfigError, match="is permanent"):
            check_name(name, ())


@pytest.mark.parametrize(
    ("text", "long"),
    [
        ("40s", timedelta(seconds=40)),
        ("90m", timedelta(minutes=90)),
        ("72h", timedelta(hours=72)),
        ("3d", timedelta(days=3)),
        ("1d12h", timedelta(hours=36)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("1s", timedelta(seconds=1)),
    ],
)
def test_durations(text: str, long: timedelta) -> None:
    assert duration(text, "--ttl") == long


@pytest.mark.parametrize(
    "text",
    ["", "0", "0h", "0d0h", "72", "h", "-1h", "1.5h", "12h1d", "1h ", "1 h", "1w", "1H", "٣h", "9999999d", "1h1h"],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ConfigError, match="allowed: days, hours, minutes, seconds, such as 72h"):
        duration(text, "--ttl")


def test_a_time_counts_in_utc_whatever_its_zone() -> None:
    assert moment("2026-12-01T18:00Z", "--until") == datetime(2026, 12, 1, 18, tzinfo=UTC)
    assert moment(" 2026-12-01T18:00:00.9+05:30 ", "--until") == datetime(2026, 12, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "2026-12-01", "2026-12-01T18:00", "tomorrow", "2026-13-01T18:00Z", "0001-01-01T00:00+05:00",
             "9999-12-31T23:00-05:00", "x" * 500],
)  # fmt: skip
def test_a_time_without_its_zone_or_outside_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--until is .*; allowed: a time with its zone") as raised:
        moment(text, "--until")
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("day", [datetime(2026, 3, 28, 12), datetime(2026, 10, 24, 12)])
def test_a_day_is_24_hours_when_clocks_change_too(day: datetime) -> None:
    begun = day.replace(tzinfo=ZoneInfo("Europe/London"))
    made = lifetime(begun, FILE, duration("1d", "--ttl"), None, None)
    assert made.expires_at.timestamp() - begun.timestamp() == 24 * 3600
    longer = extended(made, begun + HOUR, duration("24h", "--ttl"), FILE)
    assert longer.expires_at - made.expires_at == HOUR
    until = lifetime(begun, FILE, None, moment(f"{day.date()}T23:30+00:00", "--until"), None)
    assert until.expires_at == datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC)


def test_without_a_wish_it_lives_for_72_hours() -> None:
    assert lifetime(NOW, FILE, None, None, None) == LIFE


def test_from_moves_the_beginning_and_not_the_longest_life() -> None:
    starts = NOW + 300 * HOUR
    made = lifetime(NOW, FILE, None, None, starts)
    assert (made.starts_at, made.expires_at) == (starts, NOW + FILE.longest_life)
    assert lifetime(NOW, FILE, 2 * HOUR, None, starts).expires_at == starts + 2 * HOUR


@pytest.mark.parametrize(
    ("ttl", "until", "starts", "said"),
    [
        (HOUR, NOW + HOUR, None, "--until is given beside --ttl"),
        (None, NOW, None, "--until leaves nothing"),
        (None, NOW - HOUR, None, "--until leaves nothing"),
        (None, NOW + HOUR, NOW + 2 * HOUR, "--until leaves nothing"),
        (HOUR, None, NOW, "--from is 2026-11-24T12:00:00Z, and it is 2026-11-24T12:00:00Z now"),
        (None, None, NOW + 336 * HOUR, "--from leaves nothing"),
        (337 * HOUR, None, None, "expiry would be 2026-12-08T13:00:00Z; allowed: until 2026-12-08T12:00:00Z"),
        (HOUR, None, NOW + 336 * HOUR, "expiry would be"),
        (timedelta(days=999_999), None, None, "expiry would be"),
    ],
)
def test_lifetimes_that_nothing_may_have(
    ttl: timedelta | None, until: datetime | None, starts: datetime | None, said: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        lifetime(NOW, FILE, ttl, until, starts)
    assert said in str(raised.value)


def test_it_is_extended_from_now_on_within_the_longest_life() -> None:
    later = NOW + 24 * HOUR
    assert extended(LIFE, later, 72 * HOUR, FILE).expires_at == NOW + 96 * HOUR
    assert extended(LIFE, later, 312 * HOUR, FILE).expires_at == NOW + FILE.longest_life
    for ttl, said in ((313 * HOUR, "expiry would be"), (48 * HOUR, "allowed: later"), (HOUR, "allowed: later"),
                      (timedelta(days=999_999), "expiry would be")):  # fmt: skip
        with pytest.raises(ConfigError, match=said):
            extended(LIFE, later, ttl, FILE)


def test_what_has_begun_has_no_start_any_more() -> None:
    waiting = replace(LIFE, starts_at=NOW + 5 * HOUR)
    assert extended(waiting, NOW + 4 * HOUR, 80 * HOUR, FILE).starts_at == NOW + 5 * HOUR
    # Also one that has passed: its schedule stays as it was made.
    assert extended(waiting, NOW + 6 * HOUR, 80 * HOUR, FILE).starts_at == NOW + 5 * HOUR


ranges = st.tuples(st.integers(0, 2**18 - 1), st.integers(16, 24)).map(
    lambda one: IPv4Network((int(FILE.pool.network_address) + one[0] * 4, one[1]), strict=False)
)


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=20), st.lists(ranges, max_size=30))
def test_a_free_network_meets_none_that_is_taken(name: str, taken: list[IPv4Network]) -> None:
    found = free_network(name, taken, FILE)
    assert found.subnet_of(FILE.pool)
    assert found.prefixlen == FILE.network_prefix_length
    assert not any(found.overlaps(one) for one in taken)
    assert free_network(name, reversed(taken), FILE) == found


def test_the_last_network_is_found_and_none_beyond_it() -> None:
    taken: list[IPv4Network] = []
    for _ in range(4):
        taken.append(free_network("pr-7", taken, SMALL))
    assert sorted(taken) == list(SMALL.pool.subnets(new_prefix=20))
    with pytest.raises(ConfigError, match=r"networks is 10\.192\.0\.0/18, and none of its 4 networks is free"):
        free_network("pr-7", taken, SMALL)


def made(one: Wish, folder: Path) -> dict[str, Any]:
    """Return the configuration for a wish, written into `folder`, a project, as the stack's file."""
    config = configuration(one, STACKS, IPv4Network("10.192.16.0/20"))
    (project(folder) / "Pulumi.pr-7.yaml").write_text(as_yaml({"config": config}))
    return config


@pytest.mark.parametrize("like", NAMES)
def test_one_like_any_other_is_an_environment_that_breaks_no_rule(like: str, tmp_path: Path) -> None:
    config = made(wish(like), tmp_path)
    environment = load_environment("pr-7", tmp_path)
    assert config["aws:region"] == STACKS[like]["aws:region"]
    assert environment.dns.name == "dos-pr-7.eps.digital.nhs.uk"
    assert environment.network.cidr == "10.192.16.0/20"
    assert environment.tags["Owner"] == "tester"
    assert environment.lifetime is not None
    assert environment.dataset.bucket == "eps-dos-api-pr-7-dataset"
    assert (environment.dataset.kind, environment.dataset.owned) == ("Test data", True)
    assert environment.dataset.emptied_on_destroy
    assert not environment.load_balancer.deletion_protected
    assert not any(plan.protected or plan.allocation_id for plan in environment.virtual_ips.values())
    assert environment.monitoring.subscriber_emails == ()
    assert violations(record(environment)) == ()


def test_what_only_live_has_stays_lives() -> None:
    arn = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:live"
    live = {
        **STACKS["live"],
        "eps-dos-api:certificateSecretArn": arn,
        "eps-dos-api:virtualIps": {"eu-west-2a": "192.0.2.1"},
        "eps-dos-api:protectAddresses": True,
        "eps-dos-api:alarmSubscribers": ["a@example.org"],
    }
    stacks, network = {**STACKS, "live": live}, IPv4Network("10.192.16.0/20")
    tests = arn.replace(":secret:live", ":secret:eps-dos-api/one_test/any-a1b2c3")
    like_live = configuration(wish("live", certificate=tests), stacks, network)
    assert like_live["eps-dos-api:certificateSecretArn"] == tests
    with pytest.raises(ConfigError, match=r"allowed: the ARN of a secret named eps-dos-api/one_test/\*"):
        configuration(wish("live", certificate=f"{arn}-other"), stacks, network)
    assert not [
        key for key in like_live
        if key.partition(":")[2] in {"virtualIps", "protectAddresses", "alarmSubscribers"}
    ]  # fmt: skip
    for like in ("live", "nft", "int"):
        with pytest.raises(ConfigError, match="--certificate is live's; allowed: a secret for tests"):
            configuration(wish(like, certificate=arn), stacks, network)
    with pytest.raises(ConfigError, match="--certificate is missing; live has a certificate, which stays its own"):
        configuration(wish("live"), stacks, network)
    assert "eps-dos-api:certificateSecretArn" not in configuration(wish("int"), stacks, network)


def test_a_mirror_is_scaled_and_reads_lives_data_only_for_a_reason(tmp_path: Path) -> None:
    made(wish("nft", scale=Decimal("0.25"), live_data="the load of the night of the 3rd"), tmp_path)
    environment = load_environment("pr-7", tmp_path)
    assert environment.scale == Decimal("0.25")
    assert (environment.dataset.kind, environment.dataset.owned) == ("Live", False)


def test_the_rest_of_a_wish_is_in_its_configuration() -> None:
    waiting = replace(LIFE, starts_at=NOW + HOUR)
    config = configuration(
        wish(
            lifetime=waiting,
            release="1.4.0",
            image_id="ami-0123456789abcdef0",
            clients=("192.0.2.0/28",),
            asked_in=12,
        ),
        STACKS,
        IPv4Network("10.192.16.0/20"),
    )
    assert config["eps-dos-api:release"] == "1.4.0"
    assert config["eps-dos-api:ephemeral"] == {
        "createdAt": "2026-11-24T12:00:00Z",
        "startsAt": "2026-11-24T13:00:00Z",
        "expiresAt": "2026-11-27T12:00:00Z",
        "owner": "tester",
        "like": "int",
        "imageId": "ami-0123456789abcdef0",
        "clients": ["192.0.2.0/28"],
        "askedIn": 12,
    }
    longer = with_lifetime(config, replace(LIFE, expires_at=NOW + 100 * HOUR))
    now_said, was_said = longer.pop("eps-dos-api:ephemeral"), config.pop("eps-dos-api:ephemeral")
    assert longer == config
    assert now_said == {
        **{key: value for key, value in was_said.items() if key != "startsAt"},
        "expiresAt": "2026-11-28T16:00:00Z",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"like": "prod"}, "--like is 'prod'; allowed: dev, int, live, nft"),
        ({"like": "x" * 300}, "allowed: dev, int, live, nft"),
        ({"scale": Decimal(1)}, "--scale is 1, and int mirrors nothing; allowed: with --like nft"),
        ({"live_data": "a reason"}, "--live-data is given, and int mirrors nothing; allowed: with --like nft"),
    ],
)
def test_wishes_that_do_not_fit(changes: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        configuration(wish(**changes), STACKS, FILE.pool)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"longestLifeHours": 0}, f"{LIMITS}: longestLifeHours"),
        ({"mostAtATime": -1}, f"{LIMITS}: mostAtATime"),
        ({"mostAtATime": "many"}, f"{LIMITS}: mostAtATime is many; allowed: a whole number"),
        ({"networkPrefixLength": 28}, f"{LIMITS}: networkPrefixLength"),
        ({"staleLockHours": None}, f"{LIMITS}: staleLockHours"),
        ({"extra": 1}, f"{LIMITS}: extra"),
        ({"networks": "8.8.8.0/20"}, "allowed for networks: a private range"),
        ({"networks": "10.0.0.0/24"}, "allowed for networks: a private range"),
        ({"networks": "here"}, "allowed for networks: a private range"),
    ],
)
def test_limits_that_cannot_be_meant_are_named(changes: Mapping[str, Any], said: str, tmp_path: Path) -> None:
    content = {**read_mapping(CHECKOUT / LIMITS), **changes}
    (tmp_path / LIMITS).write_text(as_yaml(content))
    with pytest.raises(ConfigError) as raised:
        limits_of(tmp_path)
    assert said in str(raised.value)


def test_limits_without_a_file_are_no_limits(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=LIMITS):
        limits_of(tmp_path)


SUNDAY = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "now", "ends"),
    [
        ("2026-12-04", SUNDAY, "2026-12-05T00:00:00Z"),
        ("friday", SUNDAY, "2026-12-05T00:00:00Z"),
        (" Fri ", SUNDAY, "2026-12-05T00:00:00Z"),
        # On the day itself its own end; in London it may be another day than in UTC.
        ("sunday", SUNDAY, "2026-11-30T00:00:00Z"),
        ("monday", datetime(2026, 7, 5, 23, 30, tzinfo=UTC), "2026-07-06T23:00:00Z"),
        # The days on which clocks change have 23 and 25 hours.
        ("2026-03-29", datetime(2026, 3, 28, 12, tzinfo=UTC), "2026-03-29T23:00:00Z"),
        ("2026-10-25", datetime(2026, 10, 24, 12, tzinfo=UTC), "2026-10-26T00:00:00Z"),
        ("2026-12-01T18:00Z", SUNDAY, "2026-12-01T18:00:00Z"),
    ],
)
def test_a_day_lasts_until_its_end_in_london(text: str, now: datetime, ends: str) -> None:
    assert stamp(until(text, now, "--until")) == ends


@pytest.mark.parametrize(
    "text", ["", "fr", "fridays", "freitag", "2026-02-30", "0001-01-01", "2026-12-4", "18:00", "٢٠٢٦-12-04"]
)
def test_what_is_no_day_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigError, match="allowed: a day, such as 2026-12-04 or friday, or a time with its zone"):
        until(text, SUNDAY, "--until")
