"""Targets get healthy, fail, drain and go, in emulated time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.ec2.models import ec2_backends

from lab.emulator import faults
from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.network import Network, make_image, make_network, run_instance

BOOT_SECONDS = 31
CHECK_SECONDS = 31


@dataclass(frozen=True)
class Lab:
    emulator: RunningEmulator
    ec2: Any
    elbv2: Any
    network: Network
    image_id: str
    group_arn: str

    def health(self, *targets: str) -> dict[str, tuple[str, str | None]]:
        asked = {"Targets": [{"Id": target} for target in targets]} if targets else {}
        described = self.elbv2.describe_target_health(TargetGroupArn=self.group_arn, **asked)
        return {
            target["Target"]["Id"]: (target["TargetHealth"]["State"], target["TargetHealth"].get("Reason"))
            for target in described["TargetHealthDescriptions"]
        }

    def registered(self, subnet: int = 0) -> str:
        instance_id = run_instance(self.ec2, self.image_id, self.network.subnet_ids[subnet])
        self.emulator.advance(BOOT_SECONDS)
        self.elbv2.register_targets(TargetGroupArn=self.group_arn, Targets=[{"Id": instance_id}])
        return instance_id

    def attributes(self, **changes: str) -> dict[str, str]:
        if changes:
            self.elbv2.modify_target_group_attributes(
                TargetGroupArn=self.group_arn,
                Attributes=[{"Key": key.replace("__", "."), "Value": value} for key, value in changes.items()],
            )
        described = self.elbv2.describe_target_group_attributes(TargetGroupArn=self.group_arn)["Attributes"]
        return {attribute["Key"]: attribute["Value"] for attribute in described}


@pytest.fixture
def lab(emulator: RunningEmulator, stopped_clock: None) -> Lab:
    """A target group behind a load balancer in two of three zones."""
    ec2, elbv2 = emulator.client("ec2"), emulator.client("elbv2")
    network = make_network(ec2)
    balancer = elbv2.create_load_balancer(
        Name="entrance",
        Type="network",
        Subnets=list(network.subnet_ids[:2]),
        SecurityGroups=[network.security_group_id],
    )["LoadBalancers"][0]["LoadBalancerArn"]
    group = elbv2.create_target_group(
        Name="service", Protocol="TCP", Port=443, VpcId=network.vpc_id, TargetType="instance", HealthCheckProtocol="TCP"
    )["TargetGroups"][0]["TargetGroupArn"]
    elbv2.create_listener(
        LoadBalancerArn=balancer,
        Protocol="TCP",
        Port=443,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    return Lab(emulator, ec2, elbv2, network, make_image(ec2), group)


def test_a_target_gets_healthy_after_its_first_checks(lab: Lab) -> None:
    instance_id = lab.registered()
    assert lab.health() == {instance_id: ("initial", "Elb.InitialHealthChecking")}
    lab.emulator.advance(CHECK_SECONDS)
    assert lab.health() == {instance_id: ("healthy", None)}


def test_an_instance_of_an_unhealthy_image_fails_its_checks_until_the_fault_is_gone(lab: Lab) -> None:
    instance_id = lab.registered()
    faults.inject(faults.Faults(unhealthy_images=frozenset({lab.image_id})))
    assert lab.health()[instance_id][0] == "initial"
    lab.emulator.advance(CHECK_SECONDS)
    assert lab.health() == {instance_id: ("unhealthy", "Target.FailedHealthChecks")}
    faults.inject(faults.Faults())
    assert lab.health() == {instance_id: ("healthy", None)}


def test_a_deregistered_target_drains_for_the_delay_and_is_gone(lab: Lab) -> None:
    instance_id = lab.registered()
    lab.attributes(deregistration_delay__timeout_seconds="100")
    lab.elbv2.deregister_targets(TargetGroupArn=lab.group_arn, Targets=[{"Id": instance_id}])
    assert lab.health() == {instance_id: ("draining", "Target.DeregistrationInProgress")}
    lab.emulator.advance(101)
    assert lab.health() == {}
    assert lab.health(instance_id) == {instance_id: ("unused", "Target.NotRegistered")}


def test_a_terminated_instance_leaves_the_group_by_itself(lab: Lab) -> None:
    instance_id = lab.registered()
    lab.ec2.terminate_instances(InstanceIds=[instance_id])
    lab.emulator.advance(BOOT_SECONDS)
    assert lab.health() == {instance_id: ("draining", "Target.DeregistrationInProgress")}
    lab.emulator.advance(301)
    assert lab.health() == {}


def test_an_instance_that_ended_otherwise_leaves_the_group_too(lab: Lab) -> None:
    """A scaling group ends its instances without the API that users call."""
    instance_id = lab.registered()
    ec2_backends["123456789012"]["eu-west-2"].terminate_instances([instance_id])
    lab.emulator.advance(BOOT_SECONDS)
    assert lab.health() == {instance_id: ("draining", "Target.DeregistrationInProgress")}


def test_a_target_in_a_zone_without_the_load_balancer_is_unused_unless_cross_zone(lab: Lab) -> None:
    instance_id = lab.registered(subnet=2)
    assert lab.health() == {instance_id: ("unused", "Target.NotInUse")}
    lab.attributes(load_balancing__cross_zone__enabled="true")
    assert lab.health()[instance_id][0] == "initial"


def test_a_group_without_a_load_balancer_checks_nothing(lab: Lab) -> None:
    idle = lab.elbv2.create_target_group(Name="idle", Protocol="TCP", Port=443, VpcId=lab.network.vpc_id)
    idle_lab = Lab(
        lab.emulator, lab.ec2, lab.elbv2, lab.network, lab.image_id, idle["TargetGroups"][0]["TargetGroupArn"]
    )
    instance_id = idle_lab.registered()
    lab.emulator.advance(CHECK_SECONDS)
    assert idle_lab.health() == {instance_id: ("unused", "Target.NotInUse")}


def test_only_instances_of_the_network_can_be_registered(lab: Lab) -> None:
    elsewhere = make_network(lab.ec2, cidr_prefix="10.21")
    stranger = run_instance(lab.ec2, lab.image_id, elsewhere.subnet_ids[0])
    lab.emulator.advance(BOOT_SECONDS)
    for instance_id in (stranger, "i-0123456789abcdef0"):
        with pytest.raises(ClientError, match=r"\(InvalidTarget\)"):
            lab.elbv2.register_targets(TargetGroupArn=lab.group_arn, Targets=[{"Id": instance_id}])


def test_attributes_start_as_aws_sets_them_and_unknown_ones_are_refused(lab: Lab) -> None:
    attributes = lab.attributes()
    assert attributes["preserve_client_ip.enabled"] == "true"
    assert attributes["deregistration_delay.timeout_seconds"] == "300"
    assert attributes["deregistration_delay.connection_termination.enabled"] == "false"
    assert lab.attributes(preserve_client_ip__enabled="false")["preserve_client_ip.enabled"] == "false"
    assert (
        lab.attributes(deregistration_delay__timeout_seconds="3600")["deregistration_delay.timeout_seconds"] == "3600"
    )
    for change in ({"deregistration_delay__timeout_seconds": "3601"}, {"no__such": "1"}):
        with pytest.raises(ClientError, match=r"\(ValidationError\)"):
            lab.attributes(**change)


def test_health_checks_can_be_changed_within_their_ranges(lab: Lab) -> None:
    modified = lab.elbv2.modify_target_group(
        TargetGroupArn=lab.group_arn,
        HealthCheckProtocol="HTTPS",
        HealthCheckPath="/health",
        HealthCheckIntervalSeconds=10,
        HealthCheckTimeoutSeconds=5,
        HealthyThresholdCount=2,
        UnhealthyThresholdCount=2,
        Matcher={"HttpCode": "200"},
    )["TargetGroups"][0]
    assert (
        modified["HealthCheckProtocol"],
        modified["HealthCheckPath"],
        modified["HealthCheckIntervalSeconds"],
        modified["HealthCheckTimeoutSeconds"],
        modified["HealthyThresholdCount"],
        modified["Matcher"],
    ) == ("HTTPS", "/health", 10, 5, 2, {"HttpCode": "200"})
    for change in (
        {"HealthCheckIntervalSeconds": 301},
        {"HealthyThresholdCount": 11},
        {"HealthCheckTimeoutSeconds": 11},
    ):
        with pytest.raises(ClientError, match=r"\(ValidationError\)"):
            lab.elbv2.modify_target_group(TargetGroupArn=lab.group_arn, **change)


@pytest.mark.parametrize(
    ("check", "timeout_seconds"),
    [
        ({"HealthCheckProtocol": "TCP", "HealthCheckIntervalSeconds": 10}, 10),
        ({"HealthCheckProtocol": "HTTP", "HealthCheckIntervalSeconds": 6}, 6),
        ({"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 4}, 4),
        ({"HealthCheckProtocol": "HTTPS", "HealthCheckIntervalSeconds": 9}, None),
        ({"HealthCheckProtocol": "HTTP", "HealthCheckIntervalSeconds": 5}, None),
        ({"HealthCheckIntervalSeconds": 5}, None),
        ({"HealthCheckTimeoutSeconds": 31}, None),
    ],
)
def test_a_timeout_that_is_longer_than_the_interval_is_refused_the_default_too(
    lab: Lab, check: dict[str, Any], timeout_seconds: int | None
) -> None:
    settings = {"Name": "other", "Protocol": "TCP", "Port": 443, "VpcId": lab.network.vpc_id, **check}
    if timeout_seconds is None:
        with pytest.raises(ClientError, match=r"\(ValidationError\).*Health check timeout"):
            lab.elbv2.create_target_group(**settings)
    else:
        (made,) = lab.elbv2.create_target_group(**settings)["TargetGroups"]
        assert made["HealthCheckTimeoutSeconds"] == timeout_seconds


def test_the_same_group_again_is_no_error_and_another_of_its_name_is(lab: Lab) -> None:
    settings = {"Name": "service", "Protocol": "TCP", "VpcId": lab.network.vpc_id, "TargetType": "instance"}
    again = lab.elbv2.create_target_group(Port=443, **settings)["TargetGroups"][0]["TargetGroupArn"]
    assert again == lab.group_arn
    with pytest.raises(ClientError, match=r"\(DuplicateTargetGroupName\)"):
        lab.elbv2.create_target_group(Port=8443, **settings)


def test_what_is_deleted_leaves_no_tags(lab: Lab) -> None:
    tagged = lab.elbv2.create_target_group(
        Name="tagged", Protocol="TCP", Port=443, VpcId=lab.network.vpc_id, Tags=[{"Key": "Environment", "Value": "int"}]
    )["TargetGroups"][0]["TargetGroupArn"]
    tags = lab.elbv2.describe_tags(ResourceArns=[tagged])["TagDescriptions"][0]["Tags"]
    assert tags == [{"Key": "Environment", "Value": "int"}]
    lab.elbv2.delete_target_group(TargetGroupArn=tagged)
    with pytest.raises(ClientError, match=r"\(TargetGroupNotFound\)"):
        lab.elbv2.describe_tags(ResourceArns=[tagged])
