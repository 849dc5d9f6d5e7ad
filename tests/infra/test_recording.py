"""The whole program, recorded: what is created for an environment, and how it hangs together."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from infra.environment import AddressPlan, AwsPlan, Capacity, SchedulePlan
from infra.graph import Graph, compare
from infra.recording import record
from infra.rules import violations
from infra.types import AWS_PROVIDER, SCALING_POLICY
from tests.infra.sample import ZONES, environment, mirror

GROUP = "aws:autoscaling/group:Group"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
EIP = "aws:ec2/eip:Eip"


@pytest.fixture(scope="module")
def live() -> Graph:
    return record(environment())


def test_recording_twice_gives_the_same_graph() -> None:
    assert compare(record(environment()), record(environment())) == ()


def test_everything_goes_through_the_stacks_one_provider(live: Graph) -> None:
    providers = {resource.provider.rsplit("::", 1)[-1] for resource in live if resource.type.startswith("aws:")}
    assert providers == {"aws"}


def test_others_tags_are_left_alone_by_the_provider() -> None:
    def ignored(aws: AwsPlan) -> object:
        (provider,) = record(environment(aws=aws)).of_type(AWS_PROVIDER)
        return provider.inputs.get("ignoreTags")

    assert ignored(AwsPlan(region="eu-west-2", others_tag_keys=("Backup",))) == '{"keys": ["Backup"]}'
    assert ignored(AwsPlan(region="eu-west-2")) is None


def test_every_resource_stands_under_its_component(live: Graph) -> None:
    parents = {live.resources[one.parent].type for one in live if one.type.startswith("aws:") and one.parent}
    assert all(parent.startswith("eps-dos-api:infra:") for parent in parents)


def test_the_load_balancer_has_a_security_group_and_one_address_per_zone(live: Graph) -> None:
    balancer = live.one(BALANCER, "live-lb")
    assert balancer.inputs["loadBalancerType"] == "network"
    assert balancer.inputs["internal"] is False
    assert balancer.inputs["enableCrossZoneLoadBalancing"] is True
    assert len(balancer.inputs["securityGroups"]) == 1  # type: ignore[arg-type]  # a list, as the schema says
    assert balancer.inputs["subnetMappings"] == [
        {"subnetId": f"Subnet-live-public-{zone}-id", "allocationId": f"eipalloc-live-vip-{zone}"} for zone in ZONES
    ]


def test_addresses_are_free_until_published_and_then_protected_and_retained() -> None:
    plans = dict(environment().virtual_ips)
    plans[ZONES[0]] = replace(plans[ZONES[0]], published="192.0.2.1", protected=True)
    graph = record(environment(virtual_ips=plans))
    kept = {one.name: (one.protect, one.retain_on_delete) for one in graph.of_type(EIP)}
    assert kept == {
        "live-vip-eu-west-2a": (True, True),
        "live-vip-eu-west-2b": (False, False),
        "live-vip-eu-west-2c": (False, False),
    }


def test_a_reserved_zone_has_an_address_that_the_load_balancer_does_not_get_yet() -> None:
    live = environment()
    reserved = AddressPlan(allocation_id=None, published=None, attached=False, protected=False)
    graph = record(environment(virtual_ips={**live.virtual_ips, "eu-west-2d": reserved}))
    assert graph.one(EIP, "live-vip-eu-west-2d")
    assert len(graph.one(BALANCER, "live-lb").inputs["subnetMappings"]) == 3  # type: ignore[arg-type]  # a list


def test_reserving_a_zone_changes_nothing_that_is_there() -> None:
    live = environment()
    reserved = AddressPlan(allocation_id=None, published=None, attached=False, protected=False)
    more = environment(virtual_ips={**live.virtual_ips, "eu-west-2d": reserved})
    address = "eps-dos-api:infra:VirtualIps$aws:ec2/eip:Eip::<stack>-vip-eu-west-2d"
    assert [(one.key, one.path, one.right) for one in compare(record(live), record(more))] == [
        (address, "", address),
        # It waits for all else, and that alone updates nothing.
        ("eps-dos:index:Rollout::<stack>-rollout", "(options).dependencies[]", address),
    ]


def test_an_address_allocated_elsewhere_is_used_and_not_made() -> None:
    plans = dict(environment().virtual_ips)
    plans[ZONES[0]] = replace(plans[ZONES[0]], allocation_id="eipalloc-elsewhere")
    graph = record(environment(virtual_ips=plans))
    assert [one.name for one in graph.of_type(EIP)] == ["live-vip-eu-west-2b", "live-vip-eu-west-2c"]
    mappings = graph.one(BALANCER, "live-lb").inputs["subnetMappings"]
    assert mappings[0]["allocationId"] == "eipalloc-elsewhere"  # type: ignore[index]  # a list of objects


def test_live_cannot_be_deleted_by_aws_or_by_pulumi() -> None:
    sample = environment()
    graph = record(
        environment(
            load_balancer=replace(sample.load_balancer, deletion_protected=True),
            dataset=replace(sample.dataset, protected=True),
        )
    )
    balancer = graph.one(BALANCER, "live-lb")
    assert (balancer.protect, balancer.inputs["enableDeletionProtection"]) == (True, True)
    assert graph.one("aws:s3/bucket:Bucket", "live-dataset").protect


def test_releases_and_counts_of_running_instances_are_not_the_groups_to_change(live: Graph) -> None:
    group = live.one(GROUP, "live-service")
    assert group.ignore_changes == ("desiredCapacity", "launchTemplate")
    assert group.inputs["waitForCapacityTimeout"] == "0"
    assert "instanceRefresh" not in group.inputs


def test_a_mirror_owns_no_dataset_and_reads_lives() -> None:
    graph = record(mirror())
    assert graph.of_type("aws:s3/bucket:Bucket") == ()
    policy = graph.one("aws:iam/rolePolicy:RolePolicy", "nft-service").inputs["policy"]
    assert "arn:aws:s3:::eps-dos-api-live-dataset/*" in str(policy)


def test_what_the_dataset_was_stays_for_a_while_and_unfinished_uploads_go(live: Graph) -> None:
    (lifecycle,) = live.of_type("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    assert lifecycle.inputs["bucket"] == live.one("aws:s3/bucket:Bucket", "live-dataset").inputs["bucket"]
    assert lifecycle.inputs["rules"] == [
        {
            "id": "superseded", "status": "Enabled", "filter": {"prefix": ""},
            "noncurrentVersionExpiration": {"noncurrentDays": 90},
            "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
        }
    ]  # fmt: skip


def test_another_scale_changes_minimum_maximum_and_what_names_them() -> None:
    sample = environment()
    larger = replace(sample.service, capacity=Capacity(minimum=6, maximum=12, target_cpu_percent=50))
    changed = compare(record(sample), record(environment(service=larger)))
    assert {(one.type, one.path.split(".")[0]) for one in changed} == {
        (GROUP, "minSize"),
        (GROUP, "maxSize"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "threshold"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "alarmDescription"),
        ("aws:cloudwatch/dashboard:Dashboard", "dashboardBody"),
    }


def test_extending_an_expiry_makes_no_new_launch_template() -> None:
    sample = environment("demo")

    def expiring(at: str) -> Graph:
        return record(environment("demo", tags={**sample.tags, "ExpiresAt": at}))

    changed = compare(expiring("2026-12-01T18:00:00Z"), expiring("2026-12-02T18:00:00Z"))
    assert "aws:ec2/launchTemplate:LaunchTemplate" not in {one.type for one in changed}
    assert "aws:ec2/vpc:Vpc" in {one.type for one in changed}


def test_schedules_set_the_desired_capacity_only_and_leave_their_start_to_aws() -> None:
    sample = environment("dev")
    evening = SchedulePlan(name="evening", recurrence="0 19 * * 1-5", time_zone="Europe/London", start=None, desired=0)
    graph = record(environment("dev", service=replace(sample.service, schedules=(evening,))))
    schedule = graph.one("aws:autoscaling/schedule:Schedule", "dev-evening")
    inputs = schedule.inputs
    assert "startTime" not in inputs
    assert schedule.ignore_changes == ("startTime",)
    assert (inputs["minSize"], inputs["maxSize"], inputs["desiredCapacity"]) == (-1, -1, 0)


@pytest.mark.parametrize(("minimum", "only_out"), [(0, True), (1, False)])
def test_where_a_schedule_may_set_the_number_target_tracking_only_adds_to_it(minimum: int, only_out: bool) -> None:
    sample = environment("dev")
    capacity = Capacity(minimum=minimum, maximum=6, target_cpu_percent=50)
    graph = record(environment("dev", service=replace(sample.service, capacity=capacity)))
    tracking = graph.one(SCALING_POLICY, "dev-cpu").inputs["targetTrackingConfiguration"]
    assert isinstance(tracking, Mapping)
    assert tracking["disableScaleIn"] is only_out
    assert violations(graph) == ()


def test_the_service_waits_for_the_way_in_and_for_aws_endpoints(live: Graph) -> None:
    awaited = {live.resources[urn].type for urn in live.one(GROUP, "live-service").dependencies}
    component = live.one("eps-dos-api:infra:Service", "live")
    awaited |= {live.resources[urn].type for urn in component.dependencies}
    assert {"aws:lb/listener:Listener", "aws:ec2/vpcEndpoint:VpcEndpoint", "aws:iam/rolePolicy:RolePolicy"} <= awaited
