"""AWS, with the rights of the stack's provider: its profile, then its roles, one after the other."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

SESSION_SECONDS = 1200
"""After so long roles are assumed anew: they are given for an hour at most when one assumes another (IAM guide, role
chaining), and a large group takes longer."""

ATTEMPTS = 10
"""A call that fails for a moment mustn't fail a deployment that goes on without us (boto3 guide, retries)."""


class Aws:
    """Clients for rollouts. A client is asked for anew for each call, since a session's rights end."""

    def __init__(self, region: str, profile: str | None, role_arns: tuple[str, ...]) -> None:
        self._region = region
        self._profile = profile
        self._role_arns = role_arns
        self._session: boto3.Session | None = None
        self._renew_at = 0.0

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> Aws:
        """Return what the provider's inputs say (infra.components.rollout)."""
        roles = json.loads(configuration.get("assumeRoles") or "[]")
        return cls(configuration["region"], configuration.get("profile"), tuple(role["roleArn"] for role in roles))

    def autoscaling(self) -> AutoScalingClient:
        """EC2 Auto Scaling."""
        return self._current().client("autoscaling", config=_patient())

    def cloudwatch(self) -> CloudWatchClient:
        """CloudWatch."""
        return self._current().client("cloudwatch", config=_patient())

    def load_balancing(self) -> ElasticLoadBalancingv2Client:
        """Elastic Load Balancing."""
        return self._current().client("elbv2", config=_patient())

    def _current(self) -> boto3.Session:
        if self._session is None or time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + SESSION_SECONDS
            self._session = self._assumed()
        return self._session

    def _assumed(self) -> boto3.Session:
        # Slow to load, and a preview needs none.
        import boto3

        session = boto3.Session(profile_name=self._profile, region_name=self._region)
        for arn in self._role_arns:
            assumed = session.client("sts").assume_role(RoleArn=arn, RoleSessionName="eps-dos-api-rollout")
            granted = assumed["Credentials"]
            session = boto3.Session(
                aws_access_key_id=granted["AccessKeyId"],
                aws_secret_access_key=granted["SecretAccessKey"],
                aws_session_token=granted["SessionToken"],
                region_name=self._region,
            )
        return session


def _patient() -> Config:
    # As boto3 above.
    from botocore.config import Config

    return Config(retries={"mode": "standard", "max_attempts": ATTEMPTS})
