"""An environment's life with the real AWS provider, in the lab's account: what nobody of this project wrote agrees.

Where Terraform or its AWS provider isn't installed, the test is skipped and says so. Left out: the rollout, which that
provider has no part in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.access import as_json, boundary, boundary_name
from infra.deciding import load_environment
from infra.deploying_role import policy
from infra.environment import Environment
from infra.recording import record
from lab.emulator.baseline import ACCOUNT, create_baseline
from tests.conformance.account import REGION, Account, running
from tests.conformance.calls import Call, Role, judged
from tests.conformance.rendering import Schema, differing, rendered
from tests.conformance.terraform import MissingError, Run, Terraform, find_provider
from tests.labs import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.scenario]

STACK = "dev"
PACE = 600
"""Emulated seconds per real one: the provider's waiting is what takes the time."""

MAY_FAIL = frozenset({"ec2:GetInstanceUefiData"})
"""What the provider asks and goes on without (ec2_ami_data_source.go)."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """The project's files, to be edited."""

    folder: Path

    def environment(self) -> Environment:
        """Return the environment as the files have it now."""
        return load_environment(STACK, self.folder)

    def configure(self, **settings: Any) -> None:
        """Change settings of the stack."""
        with self._edited(f"Pulumi.{STACK}.yaml") as content:
            content["config"] |= {f"eps-dos-api:{name}": value for name, value in settings.items()}

    def admit(self, cidr: str) -> None:
        """Let the first supplier connect from one more range."""
        with self._edited("suppliers.yaml") as content:
            content["suppliers"][0]["clients"].append(cidr)

    @contextmanager
    def _edited(self, name: str) -> Iterator[Any]:
        path = self.folder / name
        content = yaml.safe_load(path.read_text())
        yield content
        path.write_text(yaml.safe_dump(content))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Dev in two of its zones."""
    folder = tmp_path / "project"
    folder.mkdir()
    for path in ROOT.glob("*.yaml"):
        (folder / path.name).write_text(path.read_text())
    files = Files(folder=folder)
    files.configure(zones=["eu-west-2a", "eu-west-2b"])
    return files


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    releases = yaml.safe_load((ROOT / "releases.yaml").read_text())["releases"]
    with running(tmp_path, PACE) as account:
        create_baseline(
            account.endpoint,
            [(release["version"], release["image"]) for release in releases],
            policies={boundary_name(STACK): as_json(boundary(STACK, "eps-dos-api-dev-dataset", "aws"))},
        )
        yield account


def busier(files: Files) -> None:
    files.configure(capacity={"minimum": 0, "maximum": 8, "targetCpuPercent": 45})
    files.admit("198.51.100.128/28")
    files.configure(reservedZones=["eu-west-2c"])


def in_another_zone(files: Files) -> None:
    files.configure(reservedZones=[], zones=["eu-west-2a", "eu-west-2b", "eu-west-2c"])


CHANGES: Mapping[str, Callable[[Files], None]] = {
    "capacity, client, zone reserved": busier,
    "zone attached": in_another_zone,
}
"""Each is an apply, and what Terraform needs to begin at all is seconds."""


def refused_to_the_deploying_role(environment: Environment, calls: Sequence[Call]) -> Mapping[str, int]:
    """Return what of `calls` the role that deploys `environment` may not do, and how often it was done."""
    document = policy(environment, record(environment), ACCOUNT, "aws")
    role = Role.with_policies("deploying", document, tags={"Environment": STACK})
    return judged(calls, [role], may_fail=MAY_FAIL).refused


def test_the_real_provider_makes_changes_and_ends_an_environment(
    files: Files, account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        provider = find_provider()
        terraform = Terraform(tmp_path, provider, account.environment)
    except MissingError as missing:
        pytest.skip(f"the real AWS provider isn't on this machine: {missing}")

    def declared(schema: Schema) -> Mapping[str, Any]:
        document = rendered(
            record(files.environment()), schema, {"region": REGION, "s3_use_path_style": True}, provider.version
        )
        terraform.declare(document)
        return document

    before = account.inventory()
    terraform.declare(
        {"terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": provider.version}}}}
    )
    schema = terraform.schema()
    document = declared(schema)
    runs: dict[str, Run] = {"made": terraform.apply(), "looked at": terraform.plan()}
    unlike: dict[str, object] = {}
    for change, make in CHANGES.items():
        make(files)
        changed = declared(schema)
        runs[change] = terraform.apply()
        expected, document = differing(document, changed), changed
        if runs[change].planned != expected:
            unlike[change] = {"planned": runs[change].planned, "expected": expected}
    runs["looked at again"] = terraform.plan()
    runs["ended"] = terraform.destroy()
    calls = account.calls()
    left = account.inventory() ^ before
    problems = [f"{name}: {problem}" for name, run in runs.items() for problem in run.problems]
    refused = refused_to_the_deploying_role(files.environment(), calls)
    with capsys.disabled():
        print(  # noqa: T201 - a run says what it has seen, passed or not
            f"\nconformance: hashicorp/aws {provider.version}, {len(runs['made'].planned)} resources, "
            f"{len(calls)} calls: {len(problems)} problems, {len(left)} left over, "
            f"{sum(refused.values())} calls that the deploying role may not make"
        )
    assert problems == []
    assert (runs["looked at"].planned, runs["looked at again"].planned) == ({}, {})
    assert unlike == {}, json.dumps(unlike, indent=1)
    assert sorted(left) == []
    assert refused == {}
