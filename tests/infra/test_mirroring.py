"""What a mirror may differ in: nothing else, whatever people write and whatever somebody changes."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from infra.deciding import load_environment
from infra.graph import ABSENT, Difference, Graph
from infra.mirroring import differences, may_differ
from infra.recording import record
from tests.infra.mirrors import Pair, pairs
from tests.infra.mutations import KINDS, Mutation, changed, mutated
from tests.infra.stackfiles import project

ORIGINALS = 15
MIRRORS_EACH = 7
MUTATIONS_EACH = 2


@dataclass
class Figures:
    """What came of the random pairs."""

    alarms: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    pairs: Counter[str] = field(default_factory=Counter)
    mutations: Counter[str] = field(default_factory=Counter)


def drift(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """Return what may not be of what differs."""
    return tuple(one for one in found if one.allowed is None)


def mutations(pair: Pair, alone: Collection[str], random: Random) -> Iterator[tuple[Mutation, tuple[Difference, ...]]]:
    """Yield so many changes of a pair, each with what is told of it; none in what stands `alone`, as it may."""
    done = 0
    while done < MUTATIONS_EACH:
        side = random.choice((0, 1))
        mutation = mutated(random, pair.graphs[side], pair.graphs[1 - side])
        if mutation.key not in alone:
            done += 1
            live, mirror = (mutation.graph if index == side else pair.graphs[index] for index in (0, 1))
            yield mutation, drift(differences(live, mirror, pair.environments))


@pytest.fixture(scope="module")
def figures() -> Figures:
    """Hold every random pair to the comparison once: recording them is what takes time."""
    found = Figures()
    for seed in range(ORIGINALS):
        for number, pair in enumerate(pairs(seed, MIRRORS_EACH)):
            case = f"seed {seed}, {pair.environments[0].name} and {pair.environments[1].name}"
            found.pairs["made for one test" if pair.environments[1].lifetime else "permanent"] += 1
            usual = differences(*pair.graphs, pair.environments)
            found.alarms += [f"{case}: {one}" for one in drift(usual)]
            if drift(usual):
                continue
            alone = {one.key for one in usual if not one.path}
            for mutation, told in mutations(pair, alone, Random(f"{seed}.{number}")):  # noqa: S311 - cases, not secrets
                found.mutations[mutation.what] += 1
                if not mutation.is_told_by(told):
                    change = f"{mutation.path}: {mutation.old} -> {mutation.new}"
                    found.missed.append(f"{case}: {mutation.what} {mutation.resource.urn} {change}, told: {told}")
    return found


def test_no_random_pair_of_valid_files_is_a_false_alarm(figures: Figures, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        told = ", ".join(f"{count} {kind}" for kind, count in figures.pairs.items())
        print(f"\nmirroring: {figures.pairs.total()} random pairs ({told}): {len(figures.alarms)} false alarms")  # noqa: T201 - the figures that the test is for
    assert figures.alarms == []
    assert figures.pairs.total() >= 100


def test_every_random_change_is_told_as_that_change_and_nothing_else_is(
    figures: Figures, capsys: pytest.CaptureFixture[str]
) -> None:
    made = figures.mutations.total()
    with capsys.disabled():
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(figures.mutations.items()))
        print(f"\nmirroring: {made} random changes ({told}): {made - len(figures.missed)} found")  # noqa: T201 - the figures that the test is for
    assert figures.missed == []
    assert made >= 200
    assert set(figures.mutations) == set(KINDS)


# --- Each entry of the list, by an example ---

LIVE = {
    "allocationIds": {"eu-west-2c": "eipalloc-0000000c"},
    "certificateSecretArn": "arn:aws:secretsmanager:eu-west-2:123456789012:secret:live",
    "alarmSubscribers": ["on-call@example.org"],
    "dataset": {"bucket": "eps-dos-api-live-dataset", "readers": ["nft"]},
    "aws:profile": "live",
}
NFT = {
    "release": "live+1",
    "loadGenerators": ["8.8.8.0/24"],
    "certificateSecretArn": "arn:aws:secretsmanager:eu-west-2:123456789012:secret:nft",
    "hostedZone": "nft.example.org",
    "dnsName": "dos.nft.example.org",
    "tags": {"Owner": "Testers", "Rota": "7"},
    "aws:profile": "nft",
    "promotion": {"release": "1.5.0", "overrides": ["alarms"], "reason": "incident 4711"},
}
DEMO = {
    "mirrors": "live",
    "cidr": "10.99.0.0/16",
    "dnsName": "dos-demo.eps.digital.nhs.uk",
    "operators": ["testers"],
    "ephemeral": {
        "createdAt": "2026-11-23T10:00:00Z",
        "startsAt": "2026-11-24T10:00:00Z",
        "expiresAt": "2026-11-25T10:00:00Z",
        "owner": "Team 7",
        "like": "nft",
        "datasetBucket": "eps-dos-api-demo-dataset",
    },
}


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """Return Live with NFT, and Live with a mirror made for one test, each key set that makes a difference."""
    folder = project(tmp_path_factory.mktemp("files"), live=LIVE, nft=NFT, demo=DEMO)
    live = load_environment("live", folder)
    recorded = record(live)
    mirrors = {name: load_environment(name, folder) for name in ("nft", "demo")}
    return {
        name: Pair(seed=0, environments=(live, mirror), graphs=(recorded, record(mirror)))
        for name, mirror in mirrors.items()
    }


VPC, SUBNET, RECORD = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:route53/record:Record"
TEMPLATE, GROUP = "aws:ec2/launchTemplate:LaunchTemplate", "aws:autoscaling/group:Group"
BALANCER, CLIENTS = "aws:lb/loadBalancer:LoadBalancer", "aws:ec2/managedPrefixList:ManagedPrefixList"
ALARM, BUCKET = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:s3/bucket:Bucket"
DASHBOARD, ROLLOUT = "aws:cloudwatch/dashboard:Dashboard", "eps-dos:index:Rollout"
TOLD = ("userData", "write_files", 0, "content")

VALUES: list[tuple[str, str, str, tuple[str | int, ...], object, str]] = [
    # which mirror, type, name without the stack's, where in its inputs, a wrong value, where that is told
    ("nft", VPC, "vpc", ("cidrBlock",), "10.20.0.0/16", "cidrBlock"),
    ("nft", SUBNET, "public-eu-west-2a", ("cidrBlock",), "10.30.0.0/20", "cidrBlock"),
    ("nft", RECORD, "record", ("name",), "dos.eps.digital.nhs.uk", "name"),
    ("nft", RECORD, "record", ("zoneId",), "Z-eps.digital.nhs.uk", "zoneId"),
    ("nft", TEMPLATE, "service", (*TOLD, "dnsName"), "dos.eps.digital.nhs.uk", ".content.dnsName"),
    ("nft", TEMPLATE, "service", (*TOLD, "release"), "1.4.0", ".content.release"),
    ("nft", VPC, "vpc", ("tags", "Owner"), "to be decided", "tags.Owner"),
    ("nft", VPC, "vpc", ("tags", "Rota"), None, "tags.Rota"),
    ("nft", GROUP, "service", ("tags", 5, "value"), "somebody", "tags.Owner.value"),
    ("nft", TEMPLATE, "service", ("tagSpecifications", 0, "tags", "Owner"), "to be decided",
     "tagSpecifications.instance.tags.Owner"),
    ("nft", GROUP, "service", ("minSize",), 6, "minSize"),
    ("nft", GROUP, "service", ("maxSize",), 12, "maxSize"),
    ("nft", GROUP, "service", ("maxSize",), 7, "maxSize"),
    ("nft", GROUP, "service", ("desiredCapacity",), 6, "desiredCapacity"),
    ("nft", ALARM, "at-maximum", ("threshold",), 12, "threshold"),
    ("nft", ALARM, "at-maximum", ("alarmDescription",), "All 9 instances", "alarmDescription"),
    ("nft", DASHBOARD, "dashboard",
     ("dashboardBody", "widgets", 2, "properties", "annotations", "horizontal", 1, "value"), 12, ".maximum.value"),
    ("nft", ROLLOUT, "rollout", ("release",), "1.4.0", "release"),
    ("nft", ROLLOUT, "rollout", ("launchTemplateVersion",), "$Latest", "launchTemplateVersion"),
    ("nft", ROLLOUT, "rollout", ("alarmsOverridden",), False, "alarmsOverridden"),
    ("nft", TEMPLATE, "service", ("imageId",), "ami-0123456789", "imageId"),
    ("nft", CLIENTS, "clients", ("entries", 0, "description"), "somebody", "entries.8.8.8.0/24"),
    ("nft", BALANCER, "lb", ("enableDeletionProtection",), True, "enableDeletionProtection"),
    ("nft", BALANCER, "lb", ("subnetMappings", 2, "allocationId"), "eipalloc-0000000c",
     "subnetMappings.<aws:ec2/subnet:Subnet::<stack>-public-eu-west-2c.id>.allocationId"),
    ("nft", "aws:iam/rolePolicy:RolePolicy", "service", ("policy", "Statement", 5, "Resource"),
     LIVE["certificateSecretArn"], "policy.Statement.ReadCertificate.Resource"),
    ("demo", VPC, "vpc", ("tags", "ExpiresAt"), None, "tags.ExpiresAt"),
    ("demo", VPC, "vpc", ("tags", "ExpiresAt"), "2027-11-25T10:00:00Z", "tags.ExpiresAt"),
    ("demo", ALARM, "empty-eu-west-2a", ("treatMissingData",), "ignore", "treatMissingData"),
    ("demo", BALANCER, "lb", ("subnetMappings", 0, "allocationId"), "eipalloc-0000000c",
     "subnetMappings.<aws:ec2/subnet:Subnet::<stack>-public-eu-west-2a.id>.allocationId"),
    ("demo", BUCKET, "dataset", ("forceDestroy",), False, "forceDestroy"),
    ("demo", "aws:s3/bucketPolicy:BucketPolicy", "dataset", ("policy", "Statement", 2, "Action", 0), "s3:*",
     "policy.Statement"),
]  # fmt: skip


@pytest.mark.parametrize(("mirror", "type_", "name", "path", "wrong", "told"), VALUES)
def test_a_listed_property_away_from_its_value_is_told(
    examples: dict[str, Pair], mirror: str, type_: str, name: str, path: tuple[str | int, ...], wrong: object, told: str
) -> None:
    pair = examples[mirror]
    assert drift(differences(*pair.graphs, pair.environments)) == ()
    edited = changed(pair.graphs[1], type_, f"{mirror}-{name}", path, wrong)
    (found,) = drift(differences(pair.graphs[0], edited, pair.environments))
    assert found.key.endswith(f"{type_}::<stack>-{name}")
    assert found.path.endswith(told)


def test_every_reason_on_the_list_lets_something_be(examples: dict[str, Pair]) -> None:
    for pair in examples.values():
        listed = {one.reason for one in may_differ(*pair.environments)}
        met = {one.allowed.reason for one in differences(*pair.graphs, pair.environments) if one.allowed}
        # Both templates are in their first version.
        assert listed - met <= {"AWS counts the versions of each launch template by itself"}


def test_what_only_one_of_the_two_may_have_is_listed_by_its_name(examples: dict[str, Pair]) -> None:
    alone = {
        name: {
            (one.type.rsplit(":", 1)[-1], one.key.rsplit("::", 1)[-1], "live" if one.right is ABSENT else "mirror")
            for one in differences(*pair.graphs, pair.environments)
            if not one.path
        }
        for name, pair in examples.items()
    }
    dataset = ("Bucket", "BucketLifecycleConfiguration", "BucketOwnershipControls", "BucketPolicy",
               "BucketPublicAccessBlock", "BucketServerSideEncryptionConfiguration", "BucketVersioning")  # fmt: skip
    assert alone["nft"] == {
        ("Dataset", "<stack>", "live"),
        *((kind, "<stack>-dataset", "live") for kind in dataset),
        ("Eip", "<stack>-vip-eu-west-2c", "mirror"),
        ("TopicSubscription", "<stack>-alarms-on-call@example.org", "live"),
    }
    assert alone["demo"] == {
        ("Eip", "<stack>-vip-eu-west-2a", "live"),
        ("Eip", "<stack>-vip-eu-west-2b", "live"),
        ("Lifetime", "<stack>-lifetime", "mirror"),
        ("Schedule", "<stack>-window", "mirror"),
        ("TopicSubscription", "<stack>-alarms-on-call@example.org", "live"),
    }


def test_a_resource_by_another_logical_name_is_one_gone_and_one_new(examples: dict[str, Pair]) -> None:
    pair = examples["nft"]
    renamed = [
        replace(one, urn=f"{one.urn}-2") if one.type == "aws:ec2/flowLog:FlowLog" else one for one in pair.graphs[1]
    ]
    found = drift(differences(pair.graphs[0], Graph.of("nft", renamed), pair.environments))
    assert [(one.key.rsplit("::", 1)[-1], one.path) for one in found] == [
        ("<stack>-flow-log", ""),
        ("<stack>-flow-log-2", ""),
    ]


@pytest.mark.parametrize("owner", ["nft", "live", "eps-dos-api-nft"])
def test_a_text_that_happens_to_hold_a_name_is_no_difference_and_anothers_name_is_one(
    tmp_path: Path, owner: str
) -> None:
    tags = {"Owner": owner, "CostCentre": "live", "DataClassification": "nft"}
    folder = project(tmp_path, live={"tags": tags})
    live, nft = load_environment("live", folder), load_environment("nft", folder)
    pair = Pair(seed=0, environments=(live, nft), graphs=(record(live), record(nft)))
    assert drift(differences(*pair.graphs, pair.environments)) == ()
    for key, value in (("Environment", "live"), ("Name", "live-vpc")):
        edited = changed(pair.graphs[1], VPC, "nft-vpc", ("tags", key), value)
        (found,) = drift(differences(pair.graphs[0], edited, pair.environments))
        assert (found.path, found.left, found.right) == (f"tags.{key}", f"<stack>{'-vpc' * (key == 'Name')}", value)
