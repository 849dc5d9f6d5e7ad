"""Tags of the things that a request names: IAM looks at them where a policy says `aws:ResourceTag`.

Left out: things of services where no policy here looks at tags (S3, IAM, CloudWatch, SNS, logs, Route 53).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import EC2Backend, ec2_backends
from moto.elbv2.models import elbv2_backends

from lab.emulator.baseline import ACCOUNT, REGION


def tags_of(parameters: Mapping[str, Any], region: str = REGION) -> dict[str, dict[str, str]]:
    """Return the tags of each thing that `parameters` name, by the name used: an id, an ARN, a scaling group's name."""
    ec2: EC2Backend = ec2_backends[ACCOUNT][region]
    groups = autoscaling_backends[ACCOUNT][region].autoscaling_groups
    balancing = elbv2_backends[ACCOUNT][region].tagging_service
    found: dict[str, dict[str, str]] = {}
    for text in _texts(parameters):
        subject = _associated(text, ec2)
        if subject in ec2.tags:
            found[text] = dict(ec2.tags[subject])
        elif text in groups:
            found[text] = {tag["Key"]: tag["Value"] for tag in groups[text].tags}
        elif balancing.has_tags(text):
            found[text] = dict(balancing.get_tag_dict_for_resource(text))
    return found


def _associated(text: str, ec2: EC2Backend) -> str:
    """Return what an association is of, since it has no tags itself: a route table, an address; else `text`."""
    found: Iterator[Any] = iter(())
    if text.startswith("rtbassoc-"):
        tables: Mapping[str, Any] = ec2.route_tables
        found = (table.id for table in tables.values() if text in table.all_associations_ids)
    elif text.startswith("eipassoc-"):
        found = (address.allocation_id for address in ec2.addresses if address.association_id == text)
    return str(next(found, text))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
