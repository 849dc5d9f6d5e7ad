"""Service Quotas: the account's quotas as `lab.emulator.quotas` has them, under AWS's codes.

Rules: Service Quotas API reference (GetServiceQuota, ListServiceQuotas, GetAWSDefaultServiceQuota,
RequestServiceQuotaIncrease). moto knows the defaults of one service, and no list of what applies. Shortened: a request
is granted at once, where AWS answers PENDING and takes minutes to days.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from moto.core.exceptions import JsonRESTError
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.responses import ServiceQuotasResponse

from lab.emulator import quotas
from lab.emulator.extensions.hooks import adds_to

SERVICE_NAMES = {
    "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)",
    "vpc": "Amazon Virtual Private Cloud (Amazon VPC)",
}


@adds_to(ServiceQuotasResponse)
class QuotaActions(ServiceQuotasResponse):
    """The API's actions."""

    def get_service_quota(self) -> str:
        """GetServiceQuota: what applies to the account."""
        return json.dumps({"Quota": self._quota(quotas.value)})

    def get_aws_default_service_quota(self) -> str:
        """GetAWSDefaultServiceQuota: what a new account has."""
        return json.dumps({"Quota": self._quota(lambda code: quotas.QUOTAS[code].aws_default)})

    def request_service_quota_increase(self) -> str:
        """RequestServiceQuotaIncrease: what is asked for, if it is more than there is."""
        asked, quota = json.loads(self.body), self._quota(quotas.value)
        desired = float(asked["DesiredValue"])
        if desired <= quota["Value"]:
            raise JsonRESTError(
                "IllegalArgumentException",
                f"The quota value {desired:g} must be more than the current one, {quota['Value']:g}.",
            )
        quotas.apply({quota["QuotaCode"]: desired})
        kept = ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "QuotaArn", "GlobalQuota", "Unit")
        request = {
            "Id": uuid4().hex,
            "Status": "APPROVED",
            "DesiredValue": desired,
            **{key: quota[key] for key in kept},
        }
        return json.dumps({"RequestedQuota": request})

    def list_service_quotas(self) -> str:
        service = json.loads(self.body).get("ServiceCode")
        if service not in SERVICE_NAMES:
            raise NoSuchResource
        return json.dumps(
            {
                "Quotas": [
                    _shown(code, quota, quotas.value(code), self.region, self.current_account)
                    for code, quota in quotas.QUOTAS.items()
                    if quota.service == service
                ]
            }
        )

    def _quota(self, value: Any) -> dict[str, Any]:
        asked = json.loads(self.body)
        code = asked.get("QuotaCode")
        quota = quotas.QUOTAS.get(code)
        if quota is None or quota.service != asked.get("ServiceCode"):
            raise NoSuchResource
        return _shown(code, quota, value(code), self.region, self.current_account)


def _shown(code: str, quota: quotas.Quota, value: float, region: str, account: str) -> dict[str, Any]:
    return {
        "ServiceCode": quota.service,
        "ServiceName": SERVICE_NAMES[quota.service],
        "QuotaArn": f"arn:aws:servicequotas:{region}:{account}:{quota.service}/{code}",
        "QuotaCode": code,
        "QuotaName": quota.name,
        "Value": float(value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
