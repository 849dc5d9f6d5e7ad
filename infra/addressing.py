"""Address ranges: how a VPC is divided, and which ranges may not meet.

The VPC is cut into sixteen equal parts; a zone's letter says which two are its own. So adding a zone moves nothing, and
two environments are divided alike.
"""

from collections.abc import Mapping
from ipaddress import IPv4Network

from infra.environment import ZonePlan

PARTS_BITS = 4
"""Sixteen parts: eight zones, `a` to `h`, with a private and a public range each."""

LARGEST_PREFIX, SMALLEST_PREFIX = 16, 24
"""A VPC is /16 to /28 (Amazon VPC guide), a subnet too; a sixteenth of a /24 is a /28."""

ZONE_LETTERS = "abcdefgh"

PRIVATE_RANGES = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
"""RFC 1918: what a VPC is made from."""


def zone_plan(cidr: IPv4Network, zone: str) -> ZonePlan:
    """Return the ranges of one zone, known by its last letter, in a VPC of /16 to /24."""
    parts = list(cidr.subnets(prefixlen_diff=PARTS_BITS))
    index = ZONE_LETTERS.index(zone[-1])
    return ZonePlan(private_cidr=str(parts[index]), public_cidr=str(parts[index + len(ZONE_LETTERS)]))


def overlapping(cidr: IPv4Network, others: Mapping[str, IPv4Network]) -> tuple[str, ...]:
    """Return the keys of `others` whose range meets `cidr`, sorted."""
    return tuple(sorted(key for key, other in others.items() if cidr.overlaps(other)))
