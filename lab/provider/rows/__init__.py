"""The provider's table: one row per type of resource that the lab's stand-in for AWS knows."""

from __future__ import annotations

from collections.abc import Mapping

from lab.provider.model import Resource
from lab.provider.rows import compute, dns, identity, load_balancing, monitoring, network, security, storage

ROWS: Mapping[str, Resource] = {
    row.type: row
    for module in (network, security, load_balancing, compute, identity, storage, dns, monitoring)
    for row in module.ROWS
}
"""By Pulumi's type token."""
