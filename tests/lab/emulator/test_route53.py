"""Hosted zones keep records as Route 53 does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.emulator.conftest import RunningEmulator

ALIAS = {
    "AliasTarget": {
        "HostedZoneId": "ZD4D7Y8KGAS4G",
        "DNSName": "Entrance-1.elb.eu-west-2.amazonaws.com",
        "EvaluateTargetHealth": True,
    }
}
ADDRESS = {"TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}


@dataclass(frozen=True)
class Zone:
    route53: Any
    zone_id: str

    def change(self, *changes: tuple[str, str, dict[str, Any]], kind: str = "A") -> Any:
        return self.route53.change_resource_record_sets(
            HostedZoneId=self.zone_id,
            ChangeBatch={
                "Changes": [
                    {"Action": action, "ResourceRecordSet": {"Name": name, "Type": kind, **content}}
                    for action, name, content in changes
                ]
            },
        )

    def records(self) -> list[tuple[str, str]]:
        listed = self.route53.list_resource_record_sets(HostedZoneId=self.zone_id)["ResourceRecordSets"]
        return [(record["Name"], record["Type"]) for record in listed if record["Type"] not in ("NS", "SOA")]


@pytest.fixture
def zone(emulator: RunningEmulator) -> Zone:
    route53 = emulator.client("route53")
    created = route53.create_hosted_zone(Name="eps.digital.nhs.uk", CallerReference="test")
    return Zone(route53, created["HostedZone"]["Id"])


def test_names_are_kept_in_lower_case(zone: Zone) -> None:
    zone.change(("CREATE", "dos-NFT.eps.digital.nhs.uk", ALIAS))
    assert zone.records() == [("dos-nft.eps.digital.nhs.uk.", "A")]
    found = zone.route53.list_resource_record_sets(
        HostedZoneId=zone.zone_id, StartRecordName="dos-NFT.eps.digital.nhs.uk", StartRecordType="A", MaxItems="1"
    )["ResourceRecordSets"]
    assert found[0]["AliasTarget"] == {
        "HostedZoneId": "ZD4D7Y8KGAS4G",
        "DNSName": "entrance-1.elb.eu-west-2.amazonaws.com.",
        "EvaluateTargetHealth": True,
    }


def test_a_record_that_exists_is_not_created_again(zone: Zone) -> None:
    zone.change(("CREATE", "dos-nft.eps.digital.nhs.uk", ALIAS))
    expected = (
        r"\(InvalidChangeBatch\).*\[Tried to create resource record set "
        r"\[name='dos-nft.eps.digital.nhs.uk.', type='A'\] but it already exists\]"
    )
    for name in ("dos-nft.eps.digital.nhs.uk", "DOS-NFT.eps.digital.nhs.uk."):
        with pytest.raises(ClientError, match=expected):
            zone.change(("CREATE", name, ADDRESS))
    zone.change(("UPSERT", "DOS-NFT.eps.digital.nhs.uk", ADDRESS))
    assert zone.records() == [("dos-nft.eps.digital.nhs.uk.", "A")]


def test_what_is_deleted_must_be_there_and_be_the_same(zone: Zone) -> None:
    with pytest.raises(ClientError, match=r"\(InvalidChangeBatch\).*but it was not found"):
        zone.change(("DELETE", "dos.eps.digital.nhs.uk", ADDRESS))
    zone.change(("CREATE", "dos.eps.digital.nhs.uk", ALIAS))
    with pytest.raises(ClientError, match=r"\(InvalidChangeBatch\).*do not match the current values"):
        zone.change(("DELETE", "dos.eps.digital.nhs.uk", ADDRESS))
    zone.change(("DELETE", "dos.eps.digital.nhs.uk", ALIAS))
    assert zone.records() == []


def test_one_change_that_fails_keeps_the_others_from_being_made(zone: Zone) -> None:
    with pytest.raises(ClientError, match=r"\(InvalidChangeBatch\)"):
        zone.change(("CREATE", "dos.eps.digital.nhs.uk", ADDRESS), ("DELETE", "dos-int.eps.digital.nhs.uk", ADDRESS))
    assert zone.records() == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("dos.other.nhs.uk", ADDRESS, "is not permitted in zone eps.digital.nhs.uk."),
        ("dosXeps.digital.nhs.uk", ADDRESS, "is not permitted in zone"),
        ("dos.eps.digital.nhs.uk", {}, "but found none"),
        ("dos.eps.digital.nhs.uk", {**ALIAS, **ADDRESS}, "but found more than one"),
        ("dos.eps.digital.nhs.uk", {"TTL": 60, "ResourceRecords": [{"Value": "1.2.3"}]}, "not a valid IPv4 address"),
        (
            "dos.eps.digital.nhs.uk",
            {"AliasTarget": {**ALIAS["AliasTarget"], "DNSName": "x.elb.us-east-1.amazonaws.com"}},
            "does not lie within the target zone",
        ),
        (
            "dos.eps.digital.nhs.uk",
            {"AliasTarget": {**ALIAS["AliasTarget"], "HostedZoneId": "Z0000000000000"}},
            "does not lie within the target zone",
        ),
    ],
)
def test_records_that_route_53_refuses_are_refused(
    zone: Zone, name: str, content: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        zone.change(("CREATE", name, content))


def test_an_alias_within_the_zone_needs_its_target(zone: Zone) -> None:
    inside = {
        "AliasTarget": {
            "HostedZoneId": zone.zone_id.rpartition("/")[2],
            "DNSName": "dos.eps.digital.nhs.uk",
            "EvaluateTargetHealth": False,
        }
    }
    with pytest.raises(ClientError, match="but that target was not found"):
        zone.change(("CREATE", "www.eps.digital.nhs.uk", inside))
    zone.change(("CREATE", "dos.eps.digital.nhs.uk", ADDRESS), ("CREATE", "www.eps.digital.nhs.uk", inside))


def test_a_cname_stands_alone(zone: Zone) -> None:
    zone.change(("CREATE", "dos.eps.digital.nhs.uk", ADDRESS))
    with pytest.raises(ClientError, match="conflicts with other records"):
        zone.change(
            ("CREATE", "dos.eps.digital.nhs.uk", {"TTL": 60, "ResourceRecords": [{"Value": "x.nhs.uk"}]}), kind="CNAME"
        )


def test_a_change_is_in_sync_and_a_zone_with_records_is_not_deleted(zone: Zone) -> None:
    change = zone.change(("CREATE", "dos.eps.digital.nhs.uk", ALIAS))["ChangeInfo"]
    assert zone.route53.get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    with pytest.raises(ClientError, match=r"\(HostedZoneNotEmpty\)"):
        zone.route53.delete_hosted_zone(Id=zone.zone_id)


def test_a_new_zone_has_its_own_records(zone: Zone) -> None:
    listed = zone.route53.list_resource_record_sets(HostedZoneId=zone.zone_id)["ResourceRecordSets"]
    values = {record["Type"]: record["ResourceRecords"][0]["Value"] for record in listed}
    assert values["SOA"].endswith("hostmaster.example.com. 1 7200 900 1209600 86400")
    assert set(values) == {"NS", "SOA"}
