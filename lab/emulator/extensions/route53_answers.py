"""What a name is answered with: TestDNSAnswer, which moto lacks, for records and aliases of load balancers.

Rules: Route 53 API reference, TestDNSAnswer; User Guide for Network Load Balancers, and AWS's knowledge centre ("ELB,
DNS and cross-zone load balancing"): a zone's address is answered while its node works and has a healthy target to go
to, in any zone with cross-zone balancing on, else in its own. With none of them healthy, all are answered.

Left out: delegation, routing policies, other name servers than the zone's own, and how long resolvers keep an answer.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.elbv2.models import elbv2_backends
from moto.route53.responses import Route53
from moto.route53.urls import url_paths

from lab.emulator import faults
from lab.emulator.extensions.elbv2_load_balancers import NetworkLoadBalancer
from lab.emulator.extensions.elbv2_target_groups import TargetGroups
from lab.emulator.extensions.hooks import adds_to, each

url_paths[r"{0}/(?P<api_version>[\d_-]+)/testdnsanswer$"] = Route53.dispatch


@adds_to(Route53)
class AnswerActions(Route53):
    """The API's action."""

    def test_dns_answer(self) -> ActionResult:
        """TestDNSAnswer: of the zone's own name servers."""
        zone: Any = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
        name, kind = f"{self._get_param('RecordName').lower().rstrip('.')}.", self._get_param("RecordType")
        record = next((record for record in zone.rrsets if (record.name, record.type) == (name, kind)), None)
        answer = {
            "Nameserver": zone.delegation_set.name_servers[0],
            "RecordName": name,
            "RecordType": kind,
            "RecordData": _data(record) if record is not None else [],
            "ResponseCode": "NOERROR" if any(record.name == name for record in zone.rrsets) else "NXDOMAIN",
            "Protocol": "UDP",
        }
        return ActionResult(answer)


def answered(balancer: NetworkLoadBalancer, healthy_zones: set[str]) -> list[str]:
    """Return the addresses that a load balancer's name leads to, by zone."""
    across = balancer.attrs["load_balancing.cross_zone.enabled"] == "true"
    serving = {
        name
        for name in balancer.zones
        if name not in faults.current().failed_nodes and (healthy_zones if across else name in healthy_zones)
    }
    answering = serving or set(balancer.zones)
    return [str(zone.interface.public_ip) for name, zone in sorted(balancer.zones.items()) if name in answering]


def _data(record: Any) -> list[str]:
    if record.alias_target is None:
        return list(record.records)
    target = str(record.alias_target["DNSName"]).rstrip(".").lower()
    for backend in each(elbv2_backends, TargetGroups):
        balancers: Any = backend.load_balancers
        for balancer in balancers.values():
            if balancer.dns_name.lower() == target:
                return answered(balancer, backend.healthy_zones(balancer.arn))
    return []
