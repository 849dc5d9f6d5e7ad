"""Rows of Route 53: records.

What replaces is from hashicorp/terraform-provider-aws, internal/service/route53/record.go. Left out: routing policies,
which no environment uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from lab.provider.forms import DomainName, Only, Part, SetOf, nested
from lab.provider.model import NOT_SENT, Look, Property, Resource, Update
from lab.provider.work import Work, code_of

_ALIAS = Only(
    nested(
        name=Part("DNSName", form=DomainName()),
        zoneId=Part("HostedZoneId"),
        evaluateTargetHealth=Part("EvaluateTargetHealth"),
    )
)


def _zone_name(work: Work) -> str:
    zone = work.call("get_hosted_zone", Id=work.value("zoneId"))["HostedZone"]
    return str(zone["Name"]).rstrip(".")


def _full_name(work: Work) -> str:
    """Return the record's whole name: the program may leave the zone's out."""
    name, zone = str(work.value("name")).rstrip(".").lower(), _zone_name(work).lower()
    if not name:
        return zone
    return name if name == zone or name.endswith(f".{zone}") else f"{name}.{zone}"


def _record_set(properties: Mapping[str, Any], full_name: str) -> dict[str, Any]:
    record: dict[str, Any] = {"Name": full_name, "Type": properties["type"]}
    if properties.get("aliases"):
        record["AliasTarget"] = _ALIAS.send(properties["aliases"])
    else:
        record["TTL"] = properties.get("ttl")
        record["ResourceRecords"] = [{"Value": _quoted(properties["type"], value)} for value in properties["records"]]
    if properties.get("setIdentifier"):
        record["SetIdentifier"] = properties["setIdentifier"]
    if properties.get("healthCheckId"):
        record["HealthCheckId"] = properties["healthCheckId"]
    return record


def _quoted(kind: str, value: str) -> str:
    return f'"{value}"' if kind in ("TXT", "SPF") and not value.startswith('"') else value


def _change(work: Work, action: str, properties: Mapping[str, Any], full_name: str) -> None:
    answer = work.call(
        "change_resource_record_sets",
        HostedZoneId=work.value("zoneId"),
        ChangeBatch={
            "Comment": "Managed by Pulumi",
            "Changes": [{"Action": action, "ResourceRecordSet": _record_set(properties, full_name)}],
        },
    )
    change_id = answer["ChangeInfo"]["Id"]
    if answer["ChangeInfo"].get("Status") != "INSYNC":
        work.until(
            lambda: work.call("get_change", Id=change_id)["ChangeInfo"]["Status"] == "INSYNC",
            "the record to reach every name server",
            1800,
        )


def _create_record(work: Work) -> None:
    full_name = _full_name(work)
    # CREATE is refused for a record that somebody else made; UPSERT would take it over.
    action = "UPSERT" if work.inputs.get("allowOverwrite") else "CREATE"
    _change(work, action, work.inputs, full_name)
    identifier = [work.inputs["setIdentifier"]] if work.inputs.get("setIdentifier") else []
    work.id = "_".join([work.inputs["zoneId"], full_name, work.inputs["type"], *identifier])


def _update_record(work: Work) -> None:
    """Change the record; one of another type is another record, which takes the old one's place."""
    if "type" in work.changed:
        wanted = work.inputs
        work.inputs = {**wanted, "type": work.state["type"]}
        _delete_record(work)
        work.inputs = wanted
    _change(work, "UPSERT", work.inputs, _full_name(work))


def _find_record(work: Work, _description: dict[str, Any]) -> dict[str, Any] | None:
    full_name = _full_name(work)
    found = work.call(
        "list_resource_record_sets",
        HostedZoneId=work.value("zoneId"),
        StartRecordName=full_name,
        StartRecordType=work.value("type"),
        MaxItems="1",
    )["ResourceRecordSets"]
    for record in found:
        name = str(record["Name"]).replace("\\052", "*").rstrip(".").lower()
        if name == full_name and record["Type"] == work.value("type"):
            values = [item["Value"] for item in record.get("ResourceRecords", [])]
            if record["Type"] in ("TXT", "SPF"):
                values = [value.strip('"') for value in values]
            return {**record, "Values": values, "Fqdn": full_name, "ZoneId": work.value("zoneId")}
    return None


def _delete_record(work: Work) -> None:
    record = _find_record(work, {})
    if record is None:
        return
    actual = {name: value for name, value in record.items() if name not in ("Values", "Fqdn", "ZoneId")}
    try:
        work.call(
            "change_resource_record_sets",
            HostedZoneId=work.value("zoneId"),
            ChangeBatch={
                "Comment": "Deleted by Pulumi",
                "Changes": [{"Action": "DELETE", "ResourceRecordSet": actual}],
            },
        )
    except ClientError as error:
        if code_of(error) == "InvalidChangeBatch" and "not found" in str(error):
            return
        raise


def _record_rules(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    if inputs.get("aliases") and inputs.get("ttl") is not None:
        return [("ttl", 'Conflicting configuration arguments: "ttl": conflicts with aliases')]
    if inputs.get("records") and inputs.get("ttl") is None:
        return [("ttl", 'Missing required argument: "records": all of `records,ttl` must be specified')]
    if isinstance(inputs.get("aliases"), list) and len(inputs["aliases"]) > 1:
        return [("aliases", "Too many alias blocks: no more than 1 is allowed")]
    return []


RECORD = Resource(  # record.go: ForceNew zone and name; resourceRecordUpdate
    type="aws:route53/record:Record",
    label="Route 53 Record",
    service="route53",
    region=False,
    properties={
        "zoneId": Property(sends=NOT_SENT, reads="ZoneId", replaces=True),
        "name": Property(sends=NOT_SENT, reads=NOT_SENT, form=DomainName(), replaces=True),
        "type": Property(sends=NOT_SENT, reads="Type"),
        "ttl": Property(sends=NOT_SENT, reads="TTL"),
        "records": Property(sends=NOT_SENT, reads="Values", form=SetOf()),
        "aliases": Property(sends=NOT_SENT, reads="AliasTarget", form=_ALIAS),
        "setIdentifier": Property(sends=NOT_SENT, reads="SetIdentifier", replaces=True),
        "healthCheckId": Property(sends=NOT_SENT, reads="HealthCheckId"),
        "allowOverwrite": Property(sends=NOT_SENT, reads=NOT_SENT, computed=True),
    },
    create=(_create_record,),
    updates=(Update(on=("type", "ttl", "records", "aliases", "healthCheckId"), do=_update_record),),
    reads=(Look(operation="get_hosted_zone", parameters={"Id": "{zoneId}"}, result="{HostedZone: HostedZone}"),),
    describe=_find_record,
    delete=(_delete_record,),
    computed={"fqdn": "Fqdn"},
    gone=("NoSuchHostedZone",),
    one_of=(("records", "aliases"),),
    checks=(_record_rules,),
    unimplemented=(
        "cidrRoutingPolicy",
        "failoverRoutingPolicies",
        "geolocationRoutingPolicies",
        "geoproximityRoutingPolicy",
        "latencyRoutingPolicies",
        "multivalueAnswerRoutingPolicy",
        "weightedRoutingPolicies",
    ),
)

ROWS = (RECORD,)
