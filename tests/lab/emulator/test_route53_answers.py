"""Names are answered with the addresses of those zones of a load balancer that serve."""

from __future__ import annotations

import pytest

from tests.lab.emulator.conftest import RunningEmulator
from tests.lab.emulator.service import Service

ZONES = ["eu-west-2a", "eu-west-2b", "eu-west-2c"]


@pytest.fixture
def service(emulator: RunningEmulator, stopped_clock: None) -> Service:
    service = Service.made(emulator, size=3)
    service.settled()
    return service


def cross_zone(service: Service, *, on: bool) -> None:
    (balancer,) = service.elbv2.describe_load_balancers(Names=["service"])["LoadBalancers"]
    service.elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": str(on).lower()}],
    )


def test_the_address_of_a_failed_node_leaves_the_answers_and_comes_back(service: Service) -> None:
    cross_zone(service, on=True)
    assert service.lookup() == ZONES
    service.fail(failedNodes=["eu-west-2b"])
    assert service.lookup() == ["eu-west-2a", "eu-west-2c"]
    assert service.health() == ["healthy"] * 3
    service.fail()
    assert service.lookup() == ZONES


def test_a_zone_without_healthy_targets_is_answered_only_where_others_help_out(service: Service) -> None:
    service.fail(darkZones=["eu-west-2a"])
    assert service.lookup() == ["eu-west-2b", "eu-west-2c"]
    cross_zone(service, on=True)
    assert service.lookup() == ZONES


def test_with_nothing_healthy_all_are_answered(service: Service) -> None:
    service.make_unhealthy(service.image)
    assert service.lookup() == ZONES


def test_a_name_that_nobody_has_is_unknown_and_another_type_is_empty(service: Service) -> None:
    service.lookup()
    route53 = service.emulator.client("route53")
    zone_id = route53.list_hosted_zones()["HostedZones"][0]["Id"]
    unknown = route53.test_dns_answer(HostedZoneId=zone_id, RecordName="other.example.org", RecordType="A")
    assert (unknown["ResponseCode"], unknown["RecordData"]) == ("NXDOMAIN", [])
    empty = route53.test_dns_answer(HostedZoneId=zone_id, RecordName="service.example.org", RecordType="AAAA")
    assert (empty["ResponseCode"], empty["RecordData"]) == ("NOERROR", [])
    plain = {"Name": "plain.example.org", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": plain}]}
    route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=changes)
    answer = route53.test_dns_answer(HostedZoneId=zone_id, RecordName="plain.example.org", RecordType="A")
    assert answer["RecordData"] == ["192.0.2.1"]
