"""Mirrors to hold the comparison to: random valid files of an environment and mirrors of it, and their recordings.

Everything is drawn from a `random.Random`, so a seed is a whole case. The files are what people may write, every key
of them, and go through `decide` like any others. What is changed in a recording afterwards is in `changes`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from infra.deciding import decide
from infra.environment import Environment
from infra.graph import Graph
from infra.recording import record
from infra.sources import Sources

REGIONS = ("eu-west-2", "eu-west-1", "us-east-1")
ORIGINALS = ("live", "live", "live", "int", "dev")
MIRRORS = ("nft", "pr-7", "a", "live-2", "service", "vpc", "load-test-2026-12-01", "mirror", "clients", "cpu")
"""Names of mirrors, some of them words that occur in names of resources and in documents."""
WORDS = ("Pharmacy", "prescribing", "nft", "live", "int", "Team 7", "a/b", "eps-dos-api", "CC-42")
RELEASES = ("1.3.0", "1.4.0", "1.5.0", "2.0.0")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An environment and a mirror of it, as decided and as recorded."""

    seed: int
    environments: tuple[Environment, Environment]
    graphs: tuple[Graph, Graph]
    """Of what is mirrored, of the mirror."""


def pairs(seed: int, mirrors: int) -> Iterator[Pair]:
    """Yield one random environment with each of so many random mirrors of it. Recording is what costs: 0.2 s each."""
    random = Random(seed)  # noqa: S311 - cases, not secrets
    original, names = random.choice(ORIGINALS), ["nft", *random.sample(MIRRORS[1:], mirrors - 1)]
    sources = files(random, original, names)
    mirrored = decide(original, sources)
    graph = record(mirrored)
    for name in names:
        mirror = decide(name, sources)
        yield Pair(seed=seed, environments=(mirrored, mirror), graphs=(graph, record(mirror)))


def files(random: Random, original: str, mirrors: Sequence[str]) -> Sources:
    """Return random valid files: of `original` with `mirrors` of it, of the releases, of the suppliers."""
    region = random.choice(REGIONS)
    ranges = [
        f"10.{number}.0.0/{random.choice((16, 17, 18))}" for number in random.sample(range(256), len(mirrors) + 1)
    ]
    accounts = _some(random, [f"{number:012}" for number in range(100000000000, 100000000009)], 2)
    hosted_zone = random.choice(("eps.digital.nhs.uk", "example.org"))
    own = _own(random, original, region, hosted_zone, ranges[0], mirrors)
    stacks = {original: _file(random, region, accounts, own)}
    for name, cidr in zip(mirrors, ranges[1:], strict=True):
        stacks[name] = _file(random, region, accounts, _mirror(random, name, original, hosted_zone, cidr, region))
    if original != "live":
        # Every project has one; a mirror's release may be Live's.
        live = _own(random, "live", region, "live.example.net", "172.16.0.0/16", [])
        stacks["live"] = _file(random, region, accounts, live)
    return Sources(stacks=stacks, releases={"releases": _releases()}, suppliers=_suppliers(random, stacks))


def _file(random: Random, region: str, accounts: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {"aws:region": region, **{f"eps-dos-api:{key}": one for key, one in settings.items()}}
    if accounts and random.random() < 0.7:
        config["aws:allowedAccountIds"] = _some(random, accounts, len(accounts), least=1)
    if random.random() < 0.3:
        config["aws:profile"] = random.choice(("deployer", "live", "nft"))
    if random.random() < 0.3:
        roles = [f"arn:aws:iam::123456789012:role/{one}" for one in ("deploy", "live", "hop")]
        config["aws:assumeRoles"] = [{"roleArn": role} for role in _some(random, roles, 3, least=1)]
    return config


def _own(random: Random, name: str, region: str, hosted_zone: str, cidr: str, mirrors: Sequence[str]) -> dict[str, Any]:
    letters = random.sample("abcdefgh", random.randint(4, 6))
    cut = random.randint(3, len(letters))
    zones, reserved = ([f"{region}{letter}" for letter in part] for part in (letters[:cut], letters[cut:]))
    minimum = random.randint(len(zones), 40) if name == "live" else random.randint(0, 40)
    settings = {
        "dnsName": random.choice((f"dos-{name}.{hosted_zone}", f"DOS.{name}.{hosted_zone}", f"dos.{hosted_zone}")),
        "hostedZone": hosted_zone,
        "cidr": cidr,
        "zones": zones,
        "release": random.choice(RELEASES[:-1]),
        "operatorAccess": random.choice(("none", "session-manager")),
        "imageOwner": random.choice(("self", "123456789012", 123456789012)),
        "instanceType": random.choice(("c7g.large", "m7i.4xlarge", "t4g.nano")),
        "capacity": {
            "minimum": random.choice((minimum, str(minimum))),
            "maximum": random.randint(max(minimum, 1), 90),
            "targetCpuPercent": random.randint(10, 56 if name == "live" else 90),
        },
        "healthCheck": _health_check(random),
        "dataset": {
            "bucket": random.choice((f"eps-dos-api-{name}-dataset", f"the-{name}-data", f"{name}-nft-data")),
            "readers": [*mirrors, *_some(random, ("dos-report", "arn:aws:iam::210987654321:role/reader"), 2)],
        },
        "tags": _tags(random, complete=True),
        **_people(random, name, region),
        **_addresses(random, zones, reserved, name),
    }
    if random.random() < 0.5:
        settings["reservedZones"] = reserved
    if random.random() < 0.5:
        settings["clientCapacity"] = random.randint(20, 100)
    if random.random() < 0.3:
        settings["othersTagKeys"] = _some(random, ("Backup", "org:owner"), 2)
    if random.random() < 0.3:
        settings["protectAddresses"] = random.choice((True, False, "true"))
    if random.random() < 0.2:
        overrides = _some(random, ("evidence", "alarms"), 2, least=1)
        release = str(settings["release"])
        settings["promotion"] = {"release": release, "overrides": overrides, "reason": "urgent fix"}
    return settings


def _mirror(random: Random, name: str, original: str, hosted_zone: str, cidr: str, region: str) -> dict[str, Any]:
    # The only permanent mirror there is; others are made for one test.
    ephemeral = name != "nft"
    zone = random.choice((hosted_zone, hosted_zone, "other.example.com"))
    settings: dict[str, Any] = {
        "mirrors": original,
        "cidr": cidr,
        "dnsName": f"dos-{name}.{zone}" if ephemeral else random.choice((f"dos-NFT.{zone}", f"nft.{zone}")),
        **_people(random, name, region),
    }
    if zone != hosted_zone:
        settings["hostedZone"] = zone
    if random.random() < 0.8:
        settings["scale"] = random.choice((1, 0.5, "2.2", "0.01", 0.34, "4", round(random.uniform(0.01, 2.0), 2)))
    if random.random() < 0.6:
        settings["release"] = random.choice(("live", "live+1"))
    if random.random() < 0.5:
        settings["loadGenerators"] = _some(random, ("192.0.2.128/28", "8.8.4.0/24"), 2)
    if random.random() < 0.5:
        settings["tags"] = _tags(random, complete=False)
    if ephemeral:
        settings["ephemeral"] = _ephemeral(random, name)
    return settings


def _ephemeral(random: Random, name: str) -> dict[str, Any]:
    ephemeral: dict[str, Any] = {
        "createdAt": "2026-11-23T10:00:00Z",
        "expiresAt": "2026-11-30T19:00:00+01:00",
        "owner": random.choice(WORDS),
        "like": "nft",
    }
    if random.random() < 0.3:
        ephemeral["startsAt"] = "2026-11-24T10:00:00Z"
    if random.random() < 0.3:
        ephemeral["imageId"] = f"ami-{random.getrandbits(32):08x}"
    if random.random() < 0.4:
        ephemeral["clients"] = ["8.8.8.0/24"]
    key, text = random.choice((("datasetBucket", f"eps-dos-{name}-own-data"), ("liveData", "compares answers")))
    return {**ephemeral, key: text}


def _people(random: Random, name: str, region: str) -> dict[str, Any]:
    """Return settings that each environment has of its own, or lacks."""
    settings: dict[str, Any] = {}
    if random.random() < 0.5:
        settings["operators"] = _some(random, ("eps-dos-api-operators", f"{name}-people", "data"), 3)
    if random.random() < 0.5:
        secret = f"arn:aws:secretsmanager:{region}:123456789012:secret:{name}-certificate-a1b2c3"
        settings["certificateSecretArn"] = secret
    if random.random() < 0.5:
        emails = ("on-call@example.org", "live@example.org", f"{name}@example.org", "nft@example.org")
        settings["alarmSubscribers"] = sorted(set(_some(random, emails, 4)))
    return settings


def _addresses(random: Random, zones: Sequence[str], reserved: Sequence[str], name: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    last = {"live": 0, "int": 20, "dev": 40}[name]
    published = _some(random, zones, len(zones))
    if random.random() < 0.4:
        settings["virtualIps"] = {zone: f"203.0.113.{last + index}" for index, zone in enumerate(published, start=1)}
    if random.random() < 0.3:
        elsewhere = _some(random, zones, 2)
        settings["allocationIds"] = {zone: f"eipalloc-0000000{index}" for index, zone in enumerate(elsewhere)}
    return settings


def _health_check(random: Random) -> dict[str, Any]:
    protocol = random.choice(("TCP", "HTTP", "HTTPS"))
    return {
        "protocol": protocol,
        **({} if protocol == "TCP" else {"path": random.choice(("/", "/health", "/live?deep=1"))}),
        "intervalSeconds": random.choice((5, "10", 300)),
        **random.choice(({}, {"timeoutSeconds": 4}, {"timeoutSeconds": "2"})),
        "healthyThreshold": random.randint(2, 10),
        "unhealthyThreshold": random.randint(2, 10),
    }


def _tags(random: Random, *, complete: bool) -> dict[str, str]:
    required = ("Owner", "CostCentre", "DataClassification")
    keys = [*(required if complete else _some(random, required, 3)), *_some(random, ("Rota", "a.b:c", "team/x"), 2)]
    return {key: random.choice(WORDS) for key in keys}


def _releases() -> list[dict[str, Any]]:
    return [
        {"version": version, "date": f"2026-1{index % 3}-01", "image": f"eps-dos-api-{version}", "notes": "sample"}
        for index, version in enumerate(RELEASES)
    ]


def _suppliers(random: Random, stacks: Mapping[str, Any]) -> dict[str, Any]:
    known = sorted({"live", "nft", "int", "dev", *stacks})
    listed = [
        {
            "name": f"Supplier {number}",
            "assured": random.random() < 0.7,
            "environments": _some(random, known, len(known)),
            "clients": [f"198.51.{number}.{16 * part}/28" for part in range(random.randint(0, 3))],
            **({"awsAccount": f"{number:012}"} if random.random() < 0.3 else {}),
        }
        for number in range(100, 100 + random.randint(0, 5))
    ]
    return {"suppliers": listed}


def _some(random: Random, of: Sequence[Any], most: int, least: int = 0) -> list[Any]:
    """Return some of a sequence, in its order."""
    chosen = set(random.sample(range(len(of)), random.randint(least, min(most, len(of)))))
    return [one for index, one in enumerate(of) if index in chosen]
