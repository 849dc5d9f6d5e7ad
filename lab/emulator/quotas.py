"""The account's quotas: what a new AWS account may have at most per region, and what the lab was told instead.

Enforced by the extensions of the services concerned, shown by the Service Quotas API, set through the control API
(`PUT /_lab/quotas`). Values: Service Quotas console and AWS General Reference, "Service endpoints and quotas".
The lab starts roomier than a new account, or four environments would not fit (12 addresses, 4 networks).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Quota:
    """One quota as AWS defines it."""

    service: str
    name: str
    aws_default: float
    lab_default: float


ELASTIC_IPS = "L-0263D0A3"
VPCS = "L-F678F1CE"
RULES_PER_SECURITY_GROUP = "L-0EA8095F"
STANDARD_INSTANCE_VCPUS = "L-1216C47A"

QUOTAS: Mapping[str, Quota] = {
    ELASTIC_IPS: Quota(service="ec2", name="EC2-VPC Elastic IPs", aws_default=5, lab_default=50),
    VPCS: Quota(service="vpc", name="VPCs per Region", aws_default=5, lab_default=50),
    RULES_PER_SECURITY_GROUP: Quota(
        service="vpc", name="Inbound or outbound rules per security group", aws_default=60, lab_default=60
    ),
    STANDARD_INSTANCE_VCPUS: Quota(
        service="ec2",
        name="Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
        aws_default=5,
        lab_default=1152,
    ),
}

_applied: dict[str, float] = {}


def value(code: str) -> float:
    """Return how much the quota `code` allows now. Raises KeyError for a code that isn't in QUOTAS."""
    return _applied.get(code, QUOTAS[code].lab_default)


def apply(values: Mapping[str, float]) -> None:
    """Set quotas by code; the others stay. Raises ValueError for an unknown code or a value below 0."""
    for code, amount in values.items():
        if code not in QUOTAS:
            raise ValueError(f"quota {code!r} is unknown; allowed: {', '.join(QUOTAS)}")
        if isinstance(amount, bool) or not isinstance(amount, int | float) or amount < 0:
            raise ValueError(f"quota {code} is {amount!r}; allowed: a number, 0 or more")
    _applied.update(values)


def reset() -> None:
    """Go back to what the lab starts with."""
    _applied.clear()
