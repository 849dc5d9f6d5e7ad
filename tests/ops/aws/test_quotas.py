"""What an account may have: what was granted, or the default of a quota that nobody ever touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from infra.environment import AwsPlan
from ops.aws.clients import Aws
from ops.aws.quotas import NETWORKS, QUOTAS, allowed
from ops.stacks.place import Place

ASKED = {"ServiceCode": "vpc", "QuotaCode": "L-F678F1CE"}


@pytest.fixture
def aws(tmp_path: Path, moto_account: None) -> Aws:
    """An account whose answers a test gives."""
    at = Place(folder=tmp_path, checkout=tmp_path, cli=tmp_path, version="", in_lab=False, check_endpoint=str)
    return Aws(AwsPlan(region="eu-west-2"), at)


def test_a_quota_that_nobody_touched_has_its_default(aws: Aws) -> None:
    with Stubber(aws.service_quotas) as answers:
        answers.add_response("get_service_quota", {"Quota": {"Value": 8.0}}, ASKED)
        assert allowed(aws, QUOTAS[NETWORKS]) == 8
        answers.add_client_error("get_service_quota", "NoSuchResourceException", expected_params=ASKED)
        answers.add_response("get_aws_default_service_quota", {"Quota": {"Value": 5.0}}, ASKED)
        assert allowed(aws, QUOTAS[NETWORKS]) == 5


def test_a_quota_that_may_not_be_read_has_none(aws: Aws) -> None:
    with Stubber(aws.service_quotas) as answers:
        answers.add_client_error("get_service_quota", "AccessDeniedException")
        with pytest.raises(ClientError, match="AccessDenied"):
            allowed(aws, QUOTAS[NETWORKS])
