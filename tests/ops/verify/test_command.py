"""Each seeded fault of an environment is named by the check that it breaks, and by no other."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from infra import access
from infra.graph import Graph
from infra.images import MachineImage
from infra.reach import reach
from infra.recording import record
from ops.aws.compute import LaunchTemplate, TemplateVersion
from ops.aws.identity import Role
from ops.aws.inventory import Inventory
from ops.aws.network import SecurityGroup, SecurityRule
from ops.cli import run
from ops.output.report import Check
from ops.verify.command import inside, launched
from ops.verify.graph import as_graph
from tests.infra.sample import environment
from tests.infra.stackfiles import CHECKOUT
from tests.ops import sample

ENVIRONMENT = environment("live")
TAGS = dict(ENVIRONMENT.tags)
IMAGE = MachineImage(id="ami-1", name="eps-dos-api-1.4.0", state="available")
ACCOUNT, PARTITION = "123456789012", "aws"


@pytest.fixture(scope="module")
def planned() -> Graph:
    """The program, recorded."""
    return record(ENVIRONMENT)


def sound() -> Inventory:
    """All that AWS has when all is well, tagged and complete."""
    found = sample.inventory()
    assert found.bucket is not None

    def tagged(things: Any) -> Any:
        return tuple(replace(one, tags=TAGS) for one in things)

    policy = access.dataset_policy(ENVIRONMENT.dataset, ACCOUNT, PARTITION)
    return replace(
        found,
        subnets=tagged(found.subnets),
        addresses=tagged(found.addresses),
        prefix_lists=tagged(found.prefix_lists),
        load_balancers=tagged(found.load_balancers),
        target_groups=tagged(found.target_groups),
        scaling_groups=tagged(found.scaling_groups),
        security_groups=groups(),
        launch_templates=(template(),),
        bucket=replace(found.bucket, policy=as_aws_gives_it(policy), tags=TAGS),
        roles=(role(),),
    )


def groups(*more: SecurityRule) -> tuple[SecurityGroup, ...]:
    """The three groups as AWS has them; `more` rules are the service's."""

    def group(label: str, identifier: str, *rules: SecurityRule) -> SecurityGroup:
        name = f"live-{label}"
        return SecurityGroup(id=identifier, name=name, rules=rules, tags={**TAGS, "Name": name})

    return (
        group("load-balancer", "sg-lb", rule("1", "pl-1"), rule("2", "sg-service", inbound=False)),
        group(
            "service",
            "sg-service",
            rule("3", "sg-lb"),
            rule("4", "sg-endpoints", inbound=False),
            rule("5", "pl-s3", inbound=False),
            *more,
        ),
        group("endpoints", "sg-endpoints", rule("6", "sg-service")),
    )


def rule(number: str, peer: str, inbound: bool = True, **changes: Any) -> SecurityRule:
    made = SecurityRule(id=f"sgr-{number}", inbound=inbound, protocol="tcp", from_port=443, to_port=443, peer=peer)
    return replace(made, **changes)


def template(**changes: Any) -> LaunchTemplate:
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    data = {
        "ImageId": IMAGE.id,
        "MetadataOptions": {"HttpTokens": "required"},
        "NetworkInterfaces": [{"AssociatePublicIpAddress": False, "Groups": ["sg-service"]}],
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}],
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
        **changes,
    }
    # Version 2 isn't used by anything, and so isn't judged.
    versions = (TemplateVersion(number=1, default=False, data=data), TemplateVersion(number=2, default=True, data={}))
    return LaunchTemplate(id="lt-1", name="live-service", versions=versions, tags=TAGS)


def role(*statements: dict[str, Any], attached: tuple[str, ...] = ()) -> Role:
    permissions = access.service_permissions(ENVIRONMENT.service, ENVIRONMENT.dataset, "live", PARTITION, "arn:logs")
    document: dict[str, Any] = as_aws_gives_it(permissions)
    name = access.service_role_name("live")
    return Role(
        name=name,
        inline={"service": {**document, "Statement": [*document["Statement"], *statements]}},
        attached=attached,
        tags=TAGS,
        boundary_arn=access.boundary_arn(ENVIRONMENT, "123456789012", PARTITION),
    )


def as_aws_gives_it(document: Any) -> Any:
    """AWS gives a list of one as its one, and lists in an order of its own."""
    given = copy.deepcopy(document)
    for statement in given["Statement"]:
        for key, value in statement.items():
            if isinstance(value, list):
                statement[key] = value[0] if len(value) == 1 else list(reversed(value))
    return given


def checked(found: Inventory, planned: Graph, images: Sequence[MachineImage] = (IMAGE,)) -> dict[str, Check]:
    answers = tuple(sample.ADDRESSES.values())
    checks = inside(sample.promised(), ENVIRONMENT, planned, found, answers, images, ACCOUNT, PARTITION)
    return {one.name: one for one in checks}


def failed(found: Inventory, planned: Graph) -> dict[str, str]:
    return {name: one.evidence for name, one in checked(found, planned).items() if one.verdict == "failed"}


def with_(**changes: Any) -> Inventory:
    return replace(sound(), **changes)


def bucket(**changes: Any) -> Inventory:
    found = sound()
    assert found.bucket is not None
    return replace(found, bucket=replace(found.bucket, **changes))


def granted(statement: dict[str, Any]) -> Inventory:
    found = sound()
    assert found.bucket is not None
    assert found.bucket.policy is not None
    policy = {**found.bucket.policy, "Statement": [*found.bucket.policy["Statement"], statement]}
    return bucket(policy=policy)


def balancer(**changes: Any) -> Inventory:
    return with_(load_balancers=(replace(sound().load_balancers[0], **changes),))


def test_all_is_well_with_what_was_promised(planned: Graph) -> None:
    assert failed(sound(), planned) == {}
    assert {"dataset rights", "instances' rights", "firewall rules", "rules", "instances"} <= checked(
        sound(), planned
    ).keys()


def test_the_plan_and_what_aws_has_let_in_the_same_clients(planned: Graph) -> None:
    there = reach(as_graph(sound(), owns_dataset=True))
    assert str(there.clients) == "192.0.2.0/28"
    assert [(way.zone, way.address) for way in there.ways] == [*sample.ADDRESSES.items()]
    assert reach(planned).clients == there.clients


@pytest.mark.parametrize(
    ("images", "evidence"),
    [
        ((), "self has no image ami-1 that can be launched; if there was one, it was deregistered"),
        ((replace(IMAGE, state="disabled"),), "the image ami-1 of self is disabled (ami-1)"),
    ],
)
def test_an_image_that_instances_run_and_none_can_be_launched_from_is_said(
    planned: Graph, images: tuple[MachineImage, ...], evidence: str
) -> None:
    checks = checked(sound(), planned, images)
    assert [check.name for check in checks.values() if check.verdict == "failed"] == ["image"]
    assert evidence in checks["image"].evidence


@pytest.mark.parametrize(("version", "image_id"), [("1", "ami-1"), ("$Default", "ami-1"), ("$Latest", "ami-2")])
def test_the_image_is_that_of_the_version_that_a_group_means(version: str, image_id: str) -> None:
    group, template = replace(sound().scaling_groups[0], template_version=version), sound().launch_templates[0]
    versions = [
        TemplateVersion(number=number, default=number == 1, data={"ImageId": f"ami-{number}"}) for number in (1, 2)
    ]
    has = with_(scaling_groups=(group,), launch_templates=(replace(template, versions=tuple(versions)),))
    assert launched(has) == (image_id,)


def test_the_image_is_looked_at_where_no_instance_runs(planned: Graph) -> None:
    empty = replace(sound().scaling_groups[0], members=(), desired=0)
    assert checked(with_(scaling_groups=(empty,), instances=()), planned, ())["image"].verdict == "failed"


WRITE = {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"}

STOPPED_BEHIND = "Example 192.0.2.0/28 can't reach it: stopped by the way on to the instances (every zone)"

SEEDED: dict[str, tuple[Callable[[], Inventory], dict[str, str]]] = {
    "record elsewhere": (
        lambda: with_(records=(sample.record("other.elb.eu-west-2.amazonaws.com"),)),
        {
            "name": "its record is an alias of other.elb.eu-west-2.amazonaws.com",
            "who may connect": "Example 192.0.2.0/28 can't reach it: its name leads to no load balancer",
        },
    ),
    "second listener": (
        lambda: balancer(listeners=(sample.listener(443), sample.listener(80))),
        {"port": "listens on TCP 443, TCP 80", "rules": "only-443"},
    ),
    "listener on another port": (
        lambda: balancer(listeners=(sample.listener(8443),)),
        {"port": "listens on TCP 8443", "rules": "only-443", "who may connect": STOPPED_BEHIND},
    ),
    "swapped address": (
        lambda: balancer(
            addresses={
                "eu-west-2a": ("192.0.2.12",),
                "eu-west-2b": ("192.0.2.11",),
                "eu-west-2c": ("192.0.2.13",),
            }
        ),
        {"virtual IPs": "the load balancer has 192.0.2.12 in eu-west-2a, not 192.0.2.11"},
    ),
    "zone without a target": (
        lambda: with_(target_groups=(replace(sound().target_groups[0], targets=sound().target_groups[0].targets[1:]),)),
        {"targets": "eu-west-2a has none"},
    ),
    "wrong image": (
        lambda: with_(instances=(sample.instance("i-a", "old"), *sound().instances[1:])),
        {"release": "some instances run old"},
    ),
    "changed maximum": (
        lambda: with_(scaling_groups=(replace(sound().scaling_groups[0], maximum=60),)),
        {"capacity": "the group has 3 to 60"},
    ),
    "dataset writable, by its bucket's policy": (
        lambda: granted(WRITE),
        {"dataset rights": "a statement allows s3:PutObject to *, which isn't decided"},
    ),
    "dataset writable, by the instances' role": (
        lambda: with_(roles=(role({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}),)),
        {"instances' rights": "eps-dos-api-live-service: a statement allows s3:*"},
    ),
    "a managed policy at the instances' role": (
        lambda: with_(roles=(role(attached=("arn:aws:iam::aws:policy/AmazonS3FullAccess",)),)),
        {"instances' rights": "also has arn:aws:iam::aws:policy/AmazonS3FullAccess"},
    ),
    "writing no longer denied to the instances": (
        lambda: with_(roles=(replace(role(), inline={}),)),
        {"instances' rights": "lacks the statement that denies writing: statement NeverWriteDataset denies all but"},
    ),
    "the dataset without its policy": (
        lambda: bucket(policy=None),
        {"dataset rights": "it lacks: statement TlsOnly denies s3:* to *", "rules": "tls-only"},
    ),
    "public bucket": (
        lambda: bucket(public_access_blocked=False),
        {"dataset": "public access isn't blocked", "rules": "private-buckets"},
    ),
    "extra rule, within the port": (
        lambda: with_(security_groups=groups(rule("9", "10.0.0.0/8"))),
        {"firewall rules": "live-service: tcp 443 from 10.0.0.0/8 is not decided"},
    ),
    "extra rule, for everybody and everything": (
        lambda: with_(security_groups=groups(rule("9", "0.0.0.0/0", protocol="-1", from_port=-1, to_port=-1))),
        {"firewall rules": "live-service: -1 -1 from 0.0.0.0/0 is not decided", "rules": "not-open-to-the-world"},
    ),
    "a rule missing": (
        lambda: with_(security_groups=groups()[:2]),
        {"firewall rules": "live-endpoints: tcp 443 from live-service is missing"},
    ),
    "instance with a public address": (
        lambda: with_(instances=(replace(sound().instances[0], public_ip="192.0.2.77"), *sound().instances[1:])),
        {"instances": "i-a has the public address 192.0.2.77"},
    ),
    "metadata without a token": (
        lambda: with_(launch_templates=(template(MetadataOptions={"HttpTokens": "optional"}),)),
        {"rules": "imds-v2: lt-1 version 1 answers metadata requests without a token"},
    ),
    "a volume in the clear": (
        lambda: with_(launch_templates=(template(BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {}}]),)),
        {"rules": "encrypted: lt-1 version 1 doesn't encrypt the volume /dev/xvda"},
    ),
    "a tag taken away": (
        lambda: with_(subnets=(replace(sound().subnets[0], tags={**TAGS, "Owner": ""}), *sound().subnets[1:])),
        {"rules": "tagged: subnet-public-eu-west-2a lacks the tags Owner"},
    ),
}


@pytest.mark.parametrize("fault", SEEDED)
def test_a_seeded_fault_is_named(fault: str, planned: Graph) -> None:
    seeded, expected = SEEDED[fault]
    found = failed(seeded(), planned)
    assert found.keys() == expected.keys()
    for check, words in expected.items():
        assert words in found[check]


def test_a_dataset_that_is_anothers_is_not_judged_by_this_environments_tags(planned: Graph) -> None:
    found = bucket(tags={"Environment": "other"})
    assert [one.type for one in as_graph(found, owns_dataset=False) if one.type.startswith("aws:s3")] == []
    assert failed(found, planned).keys() == {"rules"}


def test_drift_has_no_client(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)
    assert run(["verify", "int", "--drift", "--from-client"]) == 2
    assert "--drift compares AWS with the state" in capsys.readouterr().err
