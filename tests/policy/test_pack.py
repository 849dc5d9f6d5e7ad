"""The pack as the real engine asks it: every rule, over a program that breaks each one beside what keeps it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from lab.engine.setup import Engine
from lab.project import FOLDERS
from lab.session import Lab
from policy import pack

CHECKOUT = Path(__file__).parents[2]
OFFENDERS = Path(__file__).with_name("offenders.py")
STACKS = ("live", "nft", "pr-7")
NAMES = "dev"
"""The stack with too long a name in it: the provider refuses that as well, and then the engine looks no further."""

LIVES_CERTIFICATE = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:live-certificate-a1b2c3"
LIVES_DATASET = "live-dataset"

pytestmark = pytest.mark.engine


@dataclass(frozen=True)
class Previewed:
    """What a preview of the offenders said."""

    failed: bool
    resources: frozenset[str]
    """Logical names of what would be made."""
    reported: frozenset[tuple[str, str]]
    """Rule and logical name of each violation."""


@pytest.fixture(scope="module")
def previews(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Mapping[str, Previewed]]:
    """The offenders previewed in each stack; the pack holds the emulator for the real AWS."""
    assert engine.version
    folder = tmp_path_factory.mktemp("offenders")
    for name in FOLDERS:
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    runtime = "{name: python, options: {virtualenv: .venv}}"
    (folder / "Pulumi.yaml").write_text(f"name: eps-dos-api\nruntime: {runtime}\n")
    shutil.copy2(OFFENDERS, folder / "__main__.py")
    stacks = (*STACKS, NAMES)
    for stack in stacks:
        write_stack_file(folder, stack, addresses={})
    lab = Lab(folder / ".lab", folder)
    try:
        lab.start(lambda _line: None)
        # Not said to be the lab, so that the pack asks for accounts that Live is allowed in.
        environment = {key: value for key, value in lab.environment().items() if key != "EPS_DOS_LAB"}
        write_stack_file(folder, "live", allocated(environment["AWS_ENDPOINT_URL"], count=4))
        lab.start(lambda _line: None)
        yield {stack: previewed(stack, lab, environment) for stack in stacks}
    finally:
        lab.stop(lambda _line: None)


def write_stack_file(folder: Path, stack: str, addresses: Mapping[str, str]) -> None:
    """Say what the offenders, and the pack, read."""
    config = {
        "certificateSecretArn": LIVES_CERTIFICATE,
        "dataset": {"bucket": LIVES_DATASET},
        "lives-certificate": LIVES_CERTIFICATE,
        "lives-dataset": LIVES_DATASET,
        "addresses": dict(addresses),
    }
    lines = (f"  eps-dos-api:{key}: {json.dumps(value)}\n" for key, value in config.items())
    (folder / f"Pulumi.{stack}.yaml").write_text(f"config:\n{''.join(lines)}")


def allocated(endpoint: str, count: int) -> dict[str, str]:
    """Return addresses that AWS has, tagged as the offenders say: allocation id -> address."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-2")  # noqa: S106 - of the emulator
    ec2 = session.client("ec2", endpoint_url=endpoint)
    made = [ec2.allocate_address(Domain="vpc") for _ in range(count)]
    return {one["AllocationId"]: one["PublicIp"] for one in made}


def previewed(stack: str, lab: Lab, environment: Mapping[str, str]) -> Previewed:
    """Return what the engine says of the offenders in `stack`."""

    def pulumi(*arguments: str) -> int:
        return subprocess.run(
            [str(lab.engine.cli), *arguments, "--stack", stack, "--non-interactive"],
            cwd=lab.project.folder,
            # Without it the engine has no --event-log.
            env={**environment, "PULUMI_DEBUG_COMMANDS": "true"},
            check=False,
        ).returncode

    log = lab.root / f"{stack}.events"
    assert pulumi("stack", "init", "--no-select") == 0
    code = pulumi("preview", "--event-log", str(log))
    events = [json.loads(line) for line in log.read_text().splitlines()]
    resources = {
        event["resourcePreEvent"]["metadata"]["urn"].split("::")[-1] for event in events if "resourcePreEvent" in event
    }
    violations = [event["policyEvent"] for event in events if "policyEvent" in event]
    reported = {(one["policyName"], one["resourceUrn"].split("::")[-1]) for one in violations}
    return Previewed(failed=code != 0, resources=frozenset(resources), reported=frozenset(reported))


def wanted(names: frozenset[str]) -> frozenset[tuple[str, str]]:
    """Return rule and name of those resources that break one."""
    return frozenset((name.split(".")[1], name) for name in names if name.startswith("bad."))


@pytest.mark.parametrize("stack", STACKS)
def test_what_breaks_a_rule_is_reported_and_what_keeps_all_is_not(
    previews: Mapping[str, Previewed], stack: str
) -> None:
    preview = previews[stack]
    assert preview.failed
    assert preview.reported == wanted(preview.resources)


def test_a_name_longer_than_aws_takes_is_reported(previews: Mapping[str, Previewed]) -> None:
    reported = previews[NAMES].reported
    assert ("names-fit", "bad.names-fit.list") in reported
    assert {name for rule, name in reported if rule == "names-fit"} == {"bad.names-fit.list"}


def test_every_rule_has_something_that_breaks_it(previews: Mapping[str, Previewed]) -> None:
    asked_for = {rule.name for rule in pack.rules(CHECKOUT, {})}
    assert {rule for preview in previews.values() for rule, _ in preview.reported} == asked_for
