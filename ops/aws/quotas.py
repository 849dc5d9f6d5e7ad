"""Quotas of an account that environments use up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ops.aws.clients import Aws, unless

ADDRESSES, NETWORKS = "Elastic IPs", "VPCs"
RULES, CPUS = "rules of a security group", "vCPUs of On-Demand instances"


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A quota by its codes (Service Quotas, the pages of Amazon EC2 and Amazon VPC)."""

    service: str
    code: str


QUOTAS: Mapping[str, Quota] = {
    ADDRESSES: Quota(service="ec2", code="L-0263D0A3"),
    NETWORKS: Quota(service="vpc", code="L-F678F1CE"),
    RULES: Quota(service="vpc", code="L-0EA8095F"),
    CPUS: Quota(service="ec2", code="L-1216C47A"),
}


def allowed(aws: Aws, quota: Quota) -> float:
    """Return what the account may have. Raises botocore's errors.

    A quota that nobody ever touched in this account and region can be unknown to GetServiceQuota; the default holds
    (Service Quotas API: GetServiceQuota, NoSuchResourceException; GetAWSDefaultServiceQuota).
    """
    asked = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    applied = unless(lambda: aws.service_quotas.get_service_quota(**asked), "NoSuchResourceException")
    answer = applied or aws.service_quotas.get_aws_default_service_quota(**asked)
    return float(answer["Quota"]["Value"])
