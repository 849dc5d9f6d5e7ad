"""The deploying role's policy: complete for the program, true to AWS's names, no wider than it must be."""

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from infra import deploying_role
from infra.deciding import load_environment
from infra.deploying_role import ACTIONS, EMPTYING, LEFTOVERS, LONGEST_POLICY, READING, policy
from infra.environment import Environment
from infra.errors import ConfigError
from infra.graph import Graph, Resource
from infra.recording import record
from infra.sources import stack_names
from tests.infra.sample import environment

CHECKOUT = Path(__file__).parents[2]
ACCOUNT = "123456789012"

API_SERVICES = {"elasticloadbalancing": "elbv2", "servicequotas": "service-quotas"}
"""Where IAM's prefix of a service isn't its name in botocore."""

IAM_ONLY = {
    "iam:PassRole",
    "s3:GetEncryptionConfiguration",
    "s3:GetAccelerateConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketPublicAccessBlock",
    "s3:DeleteObjectVersion",
    "s3:ListBucket",
    "s3:ListBucketVersions",
}
"""Actions that no call of the API is named after (Service Authorization Reference, Amazon S3 and IAM)."""


def of(sample: Environment) -> dict[str, Any]:
    return policy(record(sample), sample.aws, sample.dataset, ACCOUNT, "aws")


@pytest.fixture(scope="module")
def live() -> dict[str, Any]:
    return of(load_environment("live", CHECKOUT))


def allowed(document: dict[str, Any]) -> set[str]:
    statements = document["Statement"]
    return {
        action
        for one in statements
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }


@pytest.mark.parametrize("stack", stack_names(CHECKOUT))
def test_every_type_of_the_program_is_described_and_the_policy_fits_a_role(stack: str) -> None:
    document = of(load_environment(stack, CHECKOUT))
    assert len(json.dumps(document, separators=(",", ":"))) <= LONGEST_POLICY
    assert all(one["Action"] for one in document["Statement"])


def test_a_type_that_is_not_described_is_an_error() -> None:
    graph = Graph.of("live", [Resource(urn="u", type="aws:sqs/queue:Queue", inputs={}, outputs={})])
    sample = environment()
    with pytest.raises(ConfigError, match="aws:sqs/queue:Queue is used by the program"):
        policy(graph, sample.aws, sample.dataset, ACCOUNT, "aws")


@pytest.mark.parametrize(
    "action", sorted({*(one for some in ACTIONS.values() for one in some), *READING, *EMPTYING, *LEFTOVERS})
)
def test_each_action_is_one_of_awss(action: str) -> None:
    if action in IAM_ONLY:
        return
    service, name = action.split(":")
    assert any(fnmatchcase(operation, name) for operation in operations(API_SERVICES.get(service, service)))


@cache
def operations(service: str) -> tuple[str, ...]:
    return tuple(botocore.session.get_session().get_service_model(service).operation_names)


def test_what_is_in_a_dataset_may_be_neither_read_nor_written(live: dict[str, Any]) -> None:
    objects = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectAcl"}
    assert not [one for one in objects for action in allowed(live) if fnmatchcase(one, action)]


def test_an_environment_for_one_test_may_be_emptied() -> None:
    sample = environment()
    short = replace(sample, dataset=replace(sample.dataset, emptied_on_destroy=True))
    assert {*EMPTYING, *LEFTOVERS} <= allowed(of(short))


def test_an_environment_for_one_test_may_not_empty_the_dataset_that_it_reads() -> None:
    sample = environment()
    lives = replace(sample.dataset, bucket="eps-dos-api-live-dataset", owned=False, emptied_on_destroy=True)
    document = of(replace(sample, dataset=lives))
    assert not {*EMPTYING} & allowed(document)
    assert {*LEFTOVERS} <= allowed(document)


def test_a_permanent_environments_leftovers_are_nobodys_to_remove(live: dict[str, Any]) -> None:
    assert not {"ec2:DeleteNetworkInterface", "ec2:DeleteVolume", "ec2:TerminateInstances"} & allowed(live)


def test_nothing_is_allowed_outright(live: dict[str, Any]) -> None:
    assert not [action for action in allowed(live) if action.endswith(":*") or action == "*"]


def test_roles_and_buckets_are_the_environments_own(live: dict[str, Any]) -> None:
    by_sid = {one["Sid"]: one for one in live["Statement"]}
    assert by_sid["Roles"]["Resource"] == [
        f"arn:aws:iam::{ACCOUNT}:{kind}/{name}"
        for kind in ("instance-profile", "role")
        for name in ("eps-dos-api-live-*", "live-*")
    ]
    bucket = "arn:aws:s3:::eps-dos-api-live-dataset"
    assert by_sid["Dataset"]["Resource"] == [bucket, f"{bucket}/*"]
    assert by_sid["Regional"]["Condition"] == {"StringEquals": {"aws:RequestedRegion": "eu-west-2"}}


def test_a_mirror_may_not_touch_the_dataset_that_it_reads() -> None:
    document = of(load_environment("nft", CHECKOUT))
    assert "Dataset" not in [one["Sid"] for one in document["Statement"]]


def test_what_the_program_uses_is_allowed(live: dict[str, Any]) -> None:
    graph = record(load_environment("live", CHECKOUT))
    types = {one.type for one in graph} & ACTIONS.keys()
    assert {action for one in types for action in deploying_role.ACTIONS[one]} <= allowed(live)
