"""What a run saw, in a form that runs in the lab and in AWS can be compared by: pure functions.

Ids, addresses, names and times differ from run to run; of them it counts that they are there, and of which kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

BOTO3_NAMES = {"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi"}
"""boto3's name of a service, where CloudTrail has another."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call to AWS."""

    at: datetime
    action: str
    """`ec2.RunInstances`."""
    refused: str
    """AWS's code, or the status; empty if it was answered."""


def calls_of_the_lab(log: Iterable[Mapping[str, Any]]) -> list[Call]:
    """Return what `/_lab/calls/log` has."""
    return [
        Call(
            at=datetime.fromisoformat(entry["at"]),
            action=f"{entry['service']}.{entry['action']}",
            refused=str(entry["status"]) if entry["status"] >= 400 else "",
        )
        for entry in log
    ]


def calls_of_the_trail(events: Iterable[Mapping[str, Any]]) -> list[Call]:
    """Return the calls of CloudTrail's records, as each event's `CloudTrailEvent` holds one."""
    return [
        Call(
            at=datetime.fromisoformat(event["eventTime"]),
            action=f"{_service(event['eventSource'])}.{event['eventName']}",
            refused=str(event.get("errorCode", "")),
        )
        for event in events
    ]


def _service(source: str) -> str:
    name = source.split(".")[0]
    return BOTO3_NAMES.get(name, name)


def calls_between(calls: Iterable[Call], start: datetime, end: datetime) -> Counter[str]:
    """Return how often each action was called in a time; a refused call stands apart: `ec2.DeleteVpc!`."""
    return Counter(f"{call.action}{'!' if call.refused else ''}" for call in calls if start <= call.at < end)


def kinds(value: object) -> object:
    """Return what a value is like: flags and small words as they are, texts and numbers by their kind."""
    if isinstance(value, Mapping):
        return {str(key): kinds(item) for key, item in sorted(value.items())}
    if isinstance(value, list | tuple):
        # However many there are.
        return [kinds(value[0])] if value else []
    if isinstance(value, bool) or value is None:
        return value
    return type(value).__name__


def resources(export: Mapping[str, Any]) -> dict[str, object]:
    """Return what each resource of `pulumi stack export` gave back: by type and name."""
    listed: Sequence[Mapping[str, Any]] = export["deployment"].get("resources", [])
    return {
        f"{resource['type']} {resource['urn'].rsplit('::', 1)[-1]}": kinds(resource.get("outputs", {}))
        for resource in listed
    }


def differences(lab: object, aws: object, path: str = "") -> Iterator[str]:
    """Yield what AWS answered otherwise than the lab, by its place."""
    if isinstance(lab, Mapping) and isinstance(aws, Mapping):
        for key in sorted({*lab, *aws}, key=str):
            place = f"{path}: {key}" if path else str(key)
            if key not in lab:
                yield f"{place}: only in AWS, {aws[key]!r}"
            elif key not in aws:
                yield f"{place}: only in the lab, {lab[key]!r}"
            else:
                yield from differences(lab[key], aws[key], place)
    elif isinstance(lab, list) and isinstance(aws, list) and lab and aws:
        for ours, theirs in zip(lab, aws, strict=False):
            yield from differences(ours, theirs, f"{path}[]")
    elif lab != aws:
        yield f"{path}: {lab!r} in the lab, {aws!r} in AWS"
