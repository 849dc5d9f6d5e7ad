"""The inventory of an environment that the real engine has brought up: everything that is its own, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.deciding import load_environment
from lab.errors import WrongUse
from ops.aws.clients import Aws
from ops.aws.inventory import Inventory, read
from ops.aws.monitoring import read_alarms
from ops.aws.network import Entry
from ops.aws.ownership import Subject
from ops.lab.entering import place
from tests.labs import LabCopy, copied_lab

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def lab(all_up: LabCopy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCopy]:
    with copied_lab(all_up, tmp_path_factory.mktemp("int")) as made:
        yield made


@pytest.fixture(scope="module")
def aws(lab: LabCopy) -> Iterator[Aws]:
    """The AWS of a lab in which all four are up."""
    before, folder = dict(os.environ), Path.cwd()
    os.chdir(lab.checkout)
    try:
        at = place(in_lab=True)
        environment = load_environment("int", at.folder)
        yield Aws(environment.aws, at)
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def found(aws: Aws, lab: LabCopy) -> Inventory:
    """What AWS has for int."""
    return read(aws, Subject.of(load_environment("int", lab.checkout)))


def test_it_holds_all_that_the_program_made(found: Inventory, lab: LabCopy) -> None:
    zones = ["eu-west-2a", "eu-west-2b", "eu-west-2c"]
    assert len(found.vpcs) == 1
    assert len(found.subnets) == 2 * len(zones)
    assert {one.zone: one.cidr for one in found.subnets if one.id in found.load_balancers[0].subnet_ids.values()} == {
        zone: plan.public_cidr for zone, plan in load_environment("int", lab.checkout).network.zones.items()
    }
    assert len({one.public_ip for one in found.addresses}) == 3
    assert all(one.association_id for one in found.addresses)
    assert sorted(one.lifecycle for group in found.scaling_groups for one in group.members) == ["InService"] * 3
    assert [sorted(one.addresses) for one in found.load_balancers] == [zones]
    assert found.load_balancers[0].attributes["load_balancing.cross_zone.enabled"] == "true"
    assert [one.health_check["HealthCheckPath"] for one in found.target_groups] == ["/health"]
    assert sorted(one.name for one in found.log_groups) == ["eps-dos-api-int-flow-log", "eps-dos-api-int-service"]
    assert [one.name for one in found.records] == ["dos-int.eps.digital.nhs.uk"]


def test_a_networks_routes_and_acls_are_read_whether_tagged_or_not(found: Inventory) -> None:
    (gateway,), (vpc,) = found.internet_gateways, found.vpcs
    assert gateway.vpc_ids == (vpc.id,)
    to_the_internet = {
        table.main for table in found.route_tables for one in table.routes if one.gateway_id == gateway.id
    }
    assert to_the_internet == {False}
    assert sorted((len(table.subnet_ids), table.main) for table in found.route_tables) == [
        (0, True),
        (3, False),
        (3, False),
    ]
    (acl,) = found.network_acls
    assert {*acl.subnet_ids} == {one.id for one in found.subnets}
    assert {(rule.inbound, rule.allows) for rule in acl.rules if rule.number < 32767} == {(True, True), (False, True)}


def test_instances_are_told_with_the_image_they_run(found: Inventory) -> None:
    assert {(one.image_name, one.tokens_required, one.public_ip) for one in found.instances} == {
        ("eps-dos-api-1.4.0", True, None)
    }
    (template,) = found.launch_templates
    assert [(one.number, one.default) for one in template.versions] == [(1, True)]
    assert {one.template_version for group in found.scaling_groups for one in group.members} == {"1"}


def test_rules_have_their_peers_and_the_prefix_list_its_entries(found: Inventory) -> None:
    (clients,) = found.prefix_lists
    assert clients.entries[0] == Entry(cidr="192.0.2.0/28", description="192.0.2.0/28")
    groups = {one.name.removeprefix("int-").rsplit("-", 1)[0]: one for one in found.security_groups}
    (way_in,) = [rule for rule in groups["load-balancer"].rules if rule.inbound]
    assert (way_in.protocol, way_in.from_port, way_in.to_port, way_in.peer) == ("tcp", 443, 443, clients.id)
    (onward,) = [rule for rule in groups["load-balancer"].rules if not rule.inbound]
    assert onward.peer == groups["service"].id
    assert groups["default"].rules == ()


def test_scaling_is_told_as_aws_has_it(found: Inventory) -> None:
    (group,) = found.scaling_groups
    (policy,) = group.policies.values()
    assert policy["TargetTrackingConfiguration"]["TargetValue"] == 50
    assert group.schedules == {}


def test_roles_come_with_all_their_policies(found: Inventory) -> None:
    roles = {one.name: one for one in found.roles}
    (document,) = roles["eps-dos-api-int-service"].inline.values()
    assert "NeverWriteDataset" in [statement["Sid"] for statement in document["Statement"]]
    assert roles["eps-dos-api-int-service"].attached == ()
    assert len(roles) == 2


def test_alarms_are_metric_ones_and_the_composite_one(aws: Aws) -> None:
    alarms = read_alarms(aws, "int")
    assert sorted(alarm.composite for alarm in alarms) == [*[False] * 5, True]
    assert {alarm.tags["Environment"] for alarm in alarms} == {"int"}


def test_the_datasets_settings_are_there(found: Inventory) -> None:
    assert found.bucket is not None
    assert (found.bucket.versioning, found.bucket.encryption, found.bucket.public_access_blocked) == (
        "Enabled",
        "AES256",
        True,
    )
    assert found.bucket.policy is not None
    assert "TlsOnly" in [statement["Sid"] for statement in found.bucket.policy["Statement"]]


def test_everything_tagged_is_tagged_as_ints(found: Inventory) -> None:
    kinds = (found.vpcs, found.subnets, found.addresses, found.instances, found.roles)
    tags = [one.tags for kind in kinds for one in kind]
    assert {one["Environment"] for one in tags} == {"int"}


def test_an_environment_that_is_not_there_has_nothing(aws: Aws) -> None:
    subject = Subject(
        environment="pr-1", dns_name="dos-pr-1.eps.digital.nhs.uk", hosted_zone="eps.digital.nhs.uk", bucket="pr-1"
    )
    nothing = read(aws, subject)
    assert [value for value in vars(nothing).values() if value] == [subject]


def test_in_the_lab_no_client_speaks_to_anybody_else(found: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    at = place(in_lab=True)
    environment = load_environment("int", at.folder)
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", "https://ec2.eu-west-2.amazonaws.com")
    with pytest.raises(WrongUse, match="allowed in the lab"):
        _ = Aws(environment.aws, at).ec2
