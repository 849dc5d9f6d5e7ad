"""AWS as a stack's own settings reach it: region, profile, roles; in the lab, this machine and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.environment import AwsPlan
from ops.stacks.place import Place

if TYPE_CHECKING:
    # Stubs of clients, which only the development environment has.
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sts import STSClient

Client = TypeVar("Client", bound=BaseClient)

# Standard: throttled and interrupted calls are tried again, with growing pauses (boto3 guide, retries).
CONFIG = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=60)


class Aws:
    """Clients for one stack, each made when it is first asked for.

    Each raises what `place.check_endpoint` raises if it would speak to somebody it may not, before its first call.
    """

    ec2: cached_property[EC2Client] = cached_property(lambda self: self._client("ec2"))
    elbv2: cached_property[ElasticLoadBalancingv2Client] = cached_property(lambda self: self._client("elbv2"))
    autoscaling: cached_property[AutoScalingClient] = cached_property(lambda self: self._client("autoscaling"))
    s3: cached_property[S3Client] = cached_property(lambda self: self._client("s3"))
    iam: cached_property[IAMClient] = cached_property(lambda self: self._client("iam"))
    route53: cached_property[Route53Client] = cached_property(lambda self: self._client("route53"))
    cloudwatch: cached_property[CloudWatchClient] = cached_property(lambda self: self._client("cloudwatch"))
    logs: cached_property[CloudWatchLogsClient] = cached_property(lambda self: self._client("logs"))
    sns: cached_property[SNSClient] = cached_property(lambda self: self._client("sns"))
    sts: cached_property[STSClient] = cached_property(lambda self: self._client("sts"))
    secretsmanager: cached_property[SecretsManagerClient] = cached_property(lambda self: self._client("secretsmanager"))
    service_quotas: cached_property[ServiceQuotasClient] = cached_property(lambda self: self._client("service-quotas"))

    cloudformation: cached_property[Any] = cached_property(lambda self: self._client("cloudformation"))
    kms: cached_property[Any] = cached_property(lambda self: self._client("kms"))

    def __init__(self, plan: AwsPlan, place: Place) -> None:
        self.region = plan.region
        self._plan = plan
        self._place = place

    @cached_property
    def session(self) -> boto3.Session:
        """The rights of the stack's provider: its profile, then its roles, one after the other."""
        session = boto3.Session(profile_name=self._plan.profile, region_name=self._plan.region)
        for arn in self._plan.assume_role_arns:
            sts = self._checked(session.client("sts", config=CONFIG))
            granted = sts.assume_role(RoleArn=arn, RoleSessionName="eps-dos")["Credentials"]
            session = boto3.Session(
                aws_access_key_id=granted["AccessKeyId"],
                aws_secret_access_key=granted["SecretAccessKey"],
                aws_session_token=granted["SessionToken"],
                region_name=self._plan.region,
            )
        return session

    def now(self) -> datetime:
        """Return the time by AWS's clock, which is the same for everybody; UTC. Raises botocore's errors."""
        answer = self.sts.get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]
        return parsedate_to_datetime(answer["date"]).astimezone(UTC)

    def _checked(self, client: Client) -> Client:
        self._place.check_endpoint(client.meta.endpoint_url)
        return client

    def _client(self, service: str) -> Any:  # noqa: ANN401 - the classes of clients are made when they are asked for
        make: Any = self.session.client
        return self._checked(make(service, config=CONFIG))


Item = TypeVar("Item")


def listed(client: BaseClient, operation: str, path: str, **asked: object) -> Iterator[Any]:
    """Yield what `operation` lists, from page after page: what `path` (JMESPath) selects of each answer."""
    for item in client.get_paginator(operation).paginate(**asked).search(path):
        # For a page without any, there is nothing where `path` leads.
        if item is not None:
            yield item


def batched(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Yield `items` in parts of at most `size`, for calls that take no more at once."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def unless(ask: Callable[[], Item], *codes: str) -> Item | None:
    """Return the answer, or None if AWS answers with one of `codes`, its way to say that there is none."""
    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in codes:
            return None
        raise
