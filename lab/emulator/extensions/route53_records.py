"""Records as Route 53 keeps them: in lower case, one per name and type, changed all together or not at all.

Rules: Route 53 API reference (ChangeResourceRecordSets, AliasTarget) and Developer Guide ("DNS domain name format":
lower case). moto compares names with case, looks for a record that exists in the journal of changes, and deletes
whatever values are given. Words of refusals: as AWS answers, in brackets.

Left out: routing policies beyond the set identifier, private zones, octal escapes.
"""

from __future__ import annotations

import copy
import ipaddress
from typing import Any

from moto.route53.exceptions import InvalidInput, Route53ClientError
from moto.route53.models import FakeZone, RecordSet, Route53Backend, route53_backends

from lab.emulator.extensions.elbv2_load_balancers import HOSTED_ZONES
from lab.emulator.extensions.hooks import extends

Key = tuple[str, str, str | None]  # name, type, set identifier

LOAD_BALANCER_DOMAINS = {zone: f".elb.{region}.amazonaws.com." for region, zone in HOSTED_ZONES.items()}


@extends(route53_backends)
class Records(Route53Backend):
    """moto's backend, with these rules."""

    def create_hosted_zone(self, *positional: Any, **settings: Any) -> FakeZone:
        """CreateHostedZone: the SOA record holds text (moto: the text of a dictionary)."""
        zone = super().create_hosted_zone(*positional, **settings)
        for record in zone.rrsets:
            record.records = [value["Value"] if isinstance(value, dict) else value for value in record.records]
        return zone

    def change_resource_record_sets(self, zoneid: str, change_list: list[dict[str, Any]]) -> None:
        """ChangeResourceRecordSets: one change that can't be made, and none is."""
        zone = self.get_hosted_zone(zoneid)
        records: dict[Key, RecordSet] = {(one.name, one.type or "", one.set_identifier): one for one in zone.rrsets}
        for change in copy.deepcopy(change_list):
            action, wanted = change["Action"], change["ResourceRecordSet"]
            wanted["Name"] = _full_name(wanted["Name"])
            _check_content(action, wanted)
            _check_zone(zone, wanted)
            key = (wanted["Name"], wanted["Type"], wanted.get("SetIdentifier"))
            shown = f"[name='{wanted['Name']}', type='{wanted['Type']}']"
            if action == "DELETE":
                if key not in records:
                    raise _refused(f"Tried to delete resource record set {shown} but it was not found")
                if _content(records[key]) != _content(_record(wanted)):
                    raise _refused(
                        f"Tried to delete resource record set {shown} "
                        "but the values provided do not match the current values"
                    )
                del records[key]
                continue
            if action == "CREATE" and key in records:
                raise _refused(f"Tried to create resource record set {shown} but it already exists")
            self._check_alias(zone, wanted, set(records))
            _check_alone(zone, key, set(records))
            records[key] = _record(wanted)
        zone.rrsets = list(records.values())

    def list_resource_record_sets(
        self, zone_id: str, start_type: str, start_name: str, max_items: int
    ) -> tuple[list[RecordSet], str | None, str | None, bool]:
        """ListResourceRecordSets: names are compared without case."""
        return super().list_resource_record_sets(zone_id, start_type, start_name and start_name.lower(), max_items)

    def _check_alias(self, zone: FakeZone, wanted: dict[str, Any], existing: set[Key]) -> None:
        target = wanted.get("AliasTarget")
        if target is None:
            return
        target["DNSName"] = _full_name(target["DNSName"])
        name, zone_id = target["DNSName"], target["HostedZoneId"].rpartition("/")[2]
        shown = f"Tried to create an alias that targets {name}, type {wanted['Type']} in zone {zone_id}"
        if zone_id == zone.id.rpartition("/")[2]:
            if not any((name, wanted["Type"]) == key[:2] for key in existing):
                raise _refused(f"{shown}, but that target was not found")
        elif not name.endswith(LOAD_BALANCER_DOMAINS.get(zone_id, ".")) or zone_id not in LOAD_BALANCER_DOMAINS:
            raise _refused(f"{shown}, but the alias target name does not lie within the target zone")


def _full_name(name: str) -> str:
    return f"{name.lower().rstrip('.')}."


def _refused(message: str) -> Route53ClientError:
    return Route53ClientError("InvalidChangeBatch", f"[{message}]")


def _check_zone(zone: FakeZone, wanted: dict[str, Any]) -> None:
    zone_name = _full_name(zone.name)
    if wanted["Name"] != zone_name and not wanted["Name"].endswith(f".{zone_name}"):
        raise _refused(f"RRSet with DNS name {wanted['Name']} is not permitted in zone {zone_name}")


def _check_content(action: str, wanted: dict[str, Any]) -> None:
    given = [
        wanted.get("AliasTarget") is not None,
        wanted.get("TTL") is not None and bool(wanted.get("ResourceRecords")),
        wanted.get("TrafficPolicyInstanceId") is not None,
    ]
    if sum(given) != 1:
        raise InvalidInput(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
            f"TrafficPolicyInstanceId], but found {'more than one' if any(given) else 'none'} in Change with "
            f"[Action={action}, Name={wanted['Name']}, Type={wanted['Type']}, "
            f"SetIdentifier={wanted.get('SetIdentifier', 'null')}]"
        )
    for record in wanted.get("ResourceRecords") or []:
        if wanted["Type"] == "A" and not _is_ipv4(record["Value"]):
            raise Route53ClientError(
                "InvalidChangeBatch",
                "[Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 "
                f"address) encountered with '{record['Value']}'']",
            )


def _check_alone(zone: FakeZone, key: Key, existing: set[Key]) -> None:
    # A CNAME stands alone at its name.
    name, kind, _ = key
    others = {other[1] for other in existing if other[0] == name} - {kind}
    if ("CNAME" in others) or (kind == "CNAME" and others):
        raise _refused(
            f"RRSet of type {kind} with DNS name {name} is not permitted as it conflicts with other records with the "
            f"same DNS name in zone {_full_name(zone.name)}"
        )


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _record(wanted: dict[str, Any]) -> RecordSet:
    values = [record["Value"] for record in wanted.get("ResourceRecords") or []]
    return RecordSet({**wanted, "ResourceRecords": values})  # type: ignore[abstract]  # of CloudFormation, unused here


def _content(record: RecordSet) -> tuple[object, ...]:
    alias = record.alias_target
    if alias is not None:
        evaluates = str(alias.get("EvaluateTargetHealth")).lower()
        return ("alias", alias["HostedZoneId"], _full_name(alias["DNSName"]), evaluates)
    return ("records", str(record.ttl), sorted(record.records))
