"""Each type's life through the real engine: created, refreshed, updated, edited by hand, replaced, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.engine.setup import Engine
from lab.provider.rows import ROWS
from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.provider.cases import CASES, Case, trust
from tests.lab.provider.conftest import Stack, make_stack

pytestmark = [pytest.mark.engine, pytest.mark.scenario]


class Life:
    """A stack with one of everything, which the tests of this file take through its life in their order."""

    def __init__(self, emulator: RunningEmulator, stack: Stack) -> None:
        self.emulator = emulator
        self.stack = stack
        zone = emulator.client("route53").create_hosted_zone(Name="example.test", CallerReference="test")
        image = emulator.client("ec2").register_image(
            Name="image",
            RootDeviceName="/dev/xvda",
            BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}],
        )
        self._words = {"IMAGE": image["ImageId"], "ZONE": zone["HostedZone"]["Id"].rsplit("/", 1)[-1]}

    def declare(self, *changes: str, without: tuple[str, ...] = ()) -> None:
        """Declare all cases, with these changes (`update`, `replace`) made."""
        text = json.dumps([case.declared(*changes) for case in CASES if case.name not in without])
        for word, value in self._words.items():
            text = text.replace(f'"{word}"', json.dumps(value))
        self.stack.declare(json.loads(text))

    def id(self, name: str) -> str:
        """Return the id that a resource has in the state."""
        return str(self.stack.resources()[name]["id"])


@pytest.fixture(scope="module")
def life(
    emulator_for_session: RunningEmulator, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    emulator_for_session.app.account.reset()
    yield Life(emulator_for_session, make_stack(emulator_for_session, engine, tmp_path_factory.mktemp("life")))
    emulator_for_session.app.account.reset()


def named(attribute: str) -> list[Case]:
    return [case for case in CASES if getattr(case, attribute)]


def test_there_is_a_case_for_every_row() -> None:
    assert {case.type for case in CASES} == set(ROWS)


def test_created_resources_are_what_was_declared(life: Life) -> None:
    life.declare()
    life.stack.up()
    assert set(life.stack.resources()) == {case.name for case in CASES}
    life.stack.expect_no_changes()


def test_what_aws_computes_is_in_the_state_and_not_the_rows_expression_for_it(life: Life) -> None:
    life.stack.pulumi("refresh", "--yes", "--skip-preview")
    state = life.stack.resources()
    expressions = {path for row in ROWS.values() for path in row.computed.values() if "[" in path}
    assert not [name for name, one in state.items() if expressions & set(map(str, one["outputs"].values()))]
    assert state["routes"]["outputs"]["routes"] == [{"cidrBlock": "0.0.0.0/0", "gatewayId": state["gateway"]["id"]}]
    assert [entry["hostedZoneId"] for entry in state["secrets"]["outputs"]["dnsEntries"]] != []
    (opened,) = state["group"]["outputs"]["ingress"]
    assert (opened["fromPort"], opened["cidrBlocks"]) == (443, ["192.0.2.0/24"])


def test_a_refresh_of_what_nobody_edited_changes_nothing(life: Life) -> None:
    before = life.stack.resources()
    life.stack.pulumi("refresh", "--yes", "--skip-preview")
    after = life.stack.resources()
    assert {name: one["inputs"] for name, one in after.items()} == {name: one["inputs"] for name, one in before.items()}
    life.stack.expect_no_changes()


def test_a_change_updates_in_place(life: Life) -> None:
    before = life.stack.resources()
    life.declare("update")
    assert life.stack.planned() == {case.name: "update" for case in named("update")}
    life.stack.up()
    after = life.stack.resources()
    assert {name: one["id"] for name, one in after.items()} == {name: one["id"] for name, one in before.items()}
    life.stack.expect_no_changes()
    life.stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")


def test_what_was_edited_by_hand_is_found_and_mended(life: Life) -> None:
    clients: dict[str, Any] = {
        service: life.emulator.client(service) for service in ("ec2", "elbv2", "autoscaling", "iam", "s3", "cloudwatch")
    }
    state = life.stack.resources()
    ids = {name: one["id"] for name, one in state.items()}
    clients["elbv2"].modify_target_group(TargetGroupArn=ids["targets"], HealthCheckIntervalSeconds=15)
    clients["elbv2"].modify_load_balancer_attributes(
        LoadBalancerArn=ids["balancer"], Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "false"}]
    )
    clients["ec2"].revoke_security_group_egress(
        GroupId=state["out"]["outputs"]["securityGroupId"], SecurityGroupRuleIds=[ids["out"]]
    )
    clients["ec2"].create_tags(Resources=[ids["vpc"]], Tags=[{"Key": "Extra", "Value": "by hand"}])
    clients["ec2"].create_launch_template_version(
        LaunchTemplateId=ids["template"], SourceVersion="$Latest", LaunchTemplateData={"InstanceType": "t3.large"}
    )
    clients["autoscaling"].update_auto_scaling_group(AutoScalingGroupName=ids["scaling"], MaxSize=9)
    clients["iam"].update_assume_role_policy(RoleName=ids["role"], PolicyDocument=trust("ec2.amazonaws.com"))
    clients["s3"].delete_public_access_block(Bucket=ids["data"])
    clients["cloudwatch"].delete_dashboards(DashboardNames=[ids["dashboard"]])

    life.stack.pulumi("refresh", "--yes", "--skip-preview")
    planned = life.stack.planned()
    assert planned == {
        "targets": "update",
        "balancer": "update",
        "out": "create",
        "vpc": "update",
        "template": "update",
        "scaling": "update",
        "role": "update",
        "BucketPublicAccessBlock": "create",
        "dashboard": "create",
    }
    life.stack.up()
    life.stack.expect_no_changes()
    group = clients["autoscaling"].describe_auto_scaling_groups(AutoScalingGroupNames=[ids["scaling"]])
    assert group["AutoScalingGroups"][0]["MaxSize"] == 3


def test_what_cannot_change_is_replaced(life: Life) -> None:
    before = life.stack.resources()
    life.declare("update", "replace")
    planned = life.stack.planned()
    replaced = {case.name for case in CASES if case.replace or case.moves == "replace"}
    assert {name for name, operation in planned.items() if operation == "replace"} == replaced
    life.stack.up()
    after = life.stack.resources()
    new_ids = {name for name in after if after[name]["id"] != before[name]["id"]}
    # An action of the same name in another group has the same id.
    assert new_ids == replaced - {"schedule"}
    life.stack.expect_no_changes()


def test_deleted_resources_are_gone(life: Life) -> None:
    ids = {name: one["id"] for name, one in life.stack.resources().items()}
    life.stack.pulumi("destroy", "--yes", "--skip-preview")
    ec2 = life.emulator.client("ec2")
    assert [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]] == []
    assert ec2.describe_addresses()["Addresses"] == []
    assert [one for one in ec2.describe_managed_prefix_lists()["PrefixLists"] if one["OwnerId"] != "AWS"] == []
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert life.emulator.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert life.emulator.client("elbv2").describe_target_groups()["TargetGroups"] == []
    assert life.emulator.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert life.emulator.client("s3").list_buckets()["Buckets"] == []
    assert life.emulator.client("sns").list_topics()["Topics"] == []
    assert life.emulator.client("logs").describe_log_groups()["logGroups"] == []
    assert life.emulator.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert [one for one in life.emulator.client("iam").list_roles()["Roles"] if one["RoleName"] == ids["role"]] == []
