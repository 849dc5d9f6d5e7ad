"""Records of Route 53, as AWS has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ops.aws.clients import Aws
from ops.aws.ownership import Subject, comparable_name


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record of a hosted zone; names in lower case and without the last dot."""

    name: str
    type: str
    alias_target: str | None
    zone_id: str = ""
    """Of its hosted zone, as the API takes it."""


def read_answers(aws: Aws, records: Sequence[Record]) -> tuple[str, ...]:
    """Return the addresses that Route 53 answers with, now, for the name of these records."""
    addresses: set[str] = set()
    for record in records:
        if record.type == "A":
            answer = aws.route53.test_dns_answer(HostedZoneId=record.zone_id, RecordName=record.name, RecordType="A")
            addresses.update(answer["RecordData"])
    return tuple(sorted(addresses))


def read_records(aws: Aws, subject: Subject) -> tuple[Record, ...]:
    """Return all records of the environment's name, from every public hosted zone of that zone's name."""
    wanted = subject.dns_name.lower()
    records = []
    for zone in aws.route53.list_hosted_zones_by_name(DNSName=subject.hosted_zone)["HostedZones"]:
        if zone["Name"].rstrip(".") != subject.hosted_zone.lower() or zone.get("Config", {}).get("PrivateZone"):
            continue
        # Route 53 lists from a name on, so that the zone's other records needn't be read.
        listed = aws.route53.list_resource_record_sets(HostedZoneId=zone["Id"], StartRecordName=wanted)
        for record in listed["ResourceRecordSets"]:
            alias, name = record.get("AliasTarget"), comparable_name(record["Name"])
            if name == wanted and record["Type"] not in ("NS", "SOA"):
                target = comparable_name(alias["DNSName"]) if alias else None
                records.append(Record(name=name, type=record["Type"], alias_target=target, zone_id=zone["Id"]))
    return tuple(records)
