"""Records of Route 53, as AWS has them."""

from __future__ import annotations

from dataclasses import dataclass

from ops.aws.clients import Aws
from ops.aws.ownership import Subject, comparable_name


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record of a hosted zone; names in lower case and without the last dot."""

    name: str
    type: str
    alias_target: str | None
    evaluates_health: bool
    zone_id: str = ""
    """Of its hosted zone, as the API takes it."""


def read_records(aws: Aws, subject: Subject) -> tuple[Record, ...]:
    """Return all records of the environment's name, from every public hosted zone of that zone's name."""
    wanted = subject.dns_name.lower()
    zones = aws.route53.list_hosted_zones_by_name(DNSName=subject.hosted_zone)["HostedZones"]
    found = []
    for zone in zones:
        if zone["Name"].rstrip(".") != subject.hosted_zone.lower() or zone.get("Config", {}).get("PrivateZone"):
            continue
        # Route 53 lists from a name on, so that the zone's other records needn't be read.
        listed = aws.route53.list_resource_record_sets(HostedZoneId=zone["Id"], StartRecordName=wanted)
        for one in listed["ResourceRecordSets"]:
            alias = one.get("AliasTarget")
            if comparable_name(one["Name"]) == wanted and one["Type"] not in ("NS", "SOA"):
                found.append(
                    Record(
                        name=comparable_name(one["Name"]),
                        type=one["Type"],
                        alias_target=comparable_name(alias["DNSName"]) if alias else None,
                        evaluates_health=bool(alias and alias["EvaluateTargetHealth"]),
                        zone_id=zone["Id"],
                    )
                )
    return tuple(found)
