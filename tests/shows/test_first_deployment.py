"""From an empty account to the first `up`: `preflight` says what is missing, and what it prints is followed to the end.

No lab: plain commands against an emulated account that has nothing, with the backend and the key that preflight asks
for. Commands are run as printed, by a shell. What a person would do instead is done here for them: the owner of the
parent zone delegates, and the release's image is built.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import dns.rcode
import pytest

from lab.emulator import quotas
from lab.engine.setup import Engine
from lab.provider import write_executable
from tests.labs import ROOT, copy_checkout
from tests.ops.preflight.name_server import answered, name_server

pytestmark = pytest.mark.engine

REGION, ACCOUNT, STACK = "eu-west-2", "123456789012", "live"
NEW_ACCOUNT = {code: one.aws_default for code, one in quotas.QUOTAS.items()}
COMMANDS = ("aws", "eps-dos", "pulumi")


@dataclass
class ParentZone:
    """A name server of the parent zone, which delegates what its owner was asked to."""

    port: int = 0
    delegated: list[str] = field(default_factory=list)

    def answer(self, question: bytes, _transport: str) -> bytes:
        """Return the answer to a question for name servers."""
        code = dns.rcode.NOERROR if self.delegated else dns.rcode.NXDOMAIN
        return answered(question, [f"{server}." for server in self.delegated], code)


@dataclass(frozen=True, eq=False)
class Account:
    """A checkout, and an AWS account in whose shell its commands are run."""

    checkout: Path
    variables: Mapping[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a person would type it."""
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.checkout,
            env=dict(self.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def client(self, service: str) -> Any:
        """Return a client of the account."""
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)  # noqa: S106 - of the emulator
        make: Any = session.client
        return make(service, endpoint_url=self.variables["AWS_ENDPOINT_URL"])


@pytest.fixture(scope="module")
def parent_zone() -> Iterator[ParentZone]:
    """The name servers of the parent zone; nothing is delegated yet."""
    made = ParentZone()
    with name_server(made.answer) as (_, made.port):
        yield made


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Account]:
    """A new account with nothing in it, and room for even less; nobody has logged in to a backend."""
    folder = tmp_path_factory.mktemp("first")
    checkout = folder / "checkout"
    checkout.mkdir()
    copy_checkout(checkout)
    (checkout / ".venv").symlink_to(sys.prefix)
    (checkout / "certificate.json").write_text('{"certificate": "...", "key": "..."}')
    commands = folder / "bin"
    write_executable(commands)
    aws = commands / "aws"
    aws.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {ROOT}/tests/shows/aws_command.py "$@"\n')
    aws.chmod(0o755)
    outside = {name: one for name, one in os.environ.items() if not name.startswith(("AWS_", "PULUMI_", "EPS_DOS_"))}
    with emulator(folder, outside) as endpoint:
        variables = {
            **engine.environment({**outside, "PATH": f"{commands}:{Path(sys.executable).parent}:{outside['PATH']}"}),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "PULUMI_HOME": str(folder / "pulumi-home"),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "NO_PROXY": "127.0.0.1",
        }
        scarce = json.dumps({**NEW_ACCOUNT, quotas.ELASTIC_IPS: 2, quotas.VPCS: 1}).encode()
        asked = urllib.request.Request(f"{endpoint}/_lab/quotas", data=scarce, method="PUT")  # noqa: S310 - of this machine
        urllib.request.urlopen(asked).close()  # noqa: S310 - of this machine
        yield Account(checkout, variables)


@contextmanager
def emulator(folder: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """Start an emulator of its own, and give its endpoint."""
    ready = folder / "ready.json"
    command = [sys.executable, "-P", "-m", "lab.emulator", "--port", "0", "--ready-file", str(ready)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**variables, "EPS_DOS_LAB_PACE": "600"}, stdout=log, stderr=log
        )
    try:
        while not ready.exists():
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{json.loads(ready.read_text())['port']}"
    finally:
        process.terminate()
        process.wait()


def preflight(account: Account, parent_zone: ParentZone) -> dict[str, str]:
    """Return the evidence of each check of `preflight` that failed, in order."""
    done = account.run(f"eps-dos preflight {STACK} --resolver 127.0.0.1:{parent_zone.port} --json")
    assert done.stdout, done.stderr
    (report,) = json.loads(done.stdout)
    failed = {one["name"]: one["evidence"] for one in report["checks"] if one["verdict"] == "failed"}
    assert done.returncode == (1 if failed else 0)
    return failed


def follow(account: Account, parent_zone: ParentZone, remedy: str) -> None:
    """Do what a remedy says: run it, or be the person whom it asks."""
    if remedy.split()[0] in COMMANDS:
        done = account.run(remedy)
        assert done.returncode == 0, f"{remedy}\n{done.stdout}\n{done.stderr}"
    elif asked := re.fullmatch(r"have the parent zone's owner add NS records of (\S+): (.+)", remedy):
        parent_zone.delegated[:] = asked[2].split(", ")
    elif built := re.match(r"build release (\S+) as an image of a new name in ", remedy):
        # No image here had any name: that of the catalogue is new.
        account.client("ec2").register_image(
            Name=f"eps-dos-api-{built[1]}",
            Architecture="arm64",
            VirtualizationType="hvm",
            RootDeviceName="/dev/xvda",
            BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}],
        )
    else:
        raise AssertionError(f"nobody knows what to do: {remedy}")


def test_an_empty_account_lacks_everything_by_name(account: Account, parent_zone: ParentZone) -> None:
    failed = preflight(account, parent_zone)
    assert list(failed) == [
        "account template",
        "state backend",
        "secrets provider",
        "allowed accounts",
        "permissions boundary",
        "hosted zone",
        "image",
        "certificate",
        "quota: Elastic IPs",
        "quota: VPCs",
        "quota: vCPUs of On-Demand instances",
    ]
    assert all("; fix: " in evidence for evidence in failed.values())


def test_following_what_it_prints_ends_with_the_first_up(account: Account, parent_zone: ParentZone) -> None:
    # The delegation shows only once there is a zone: twice is enough.
    for _ in range(2):
        for evidence in preflight(account, parent_zone).values():
            follow(account, parent_zone, evidence.split("; fix: ", 1)[1])
    assert preflight(account, parent_zone) == {}

    before = calls(account)
    # As a workflow deploys: what was reviewed, held to the rules, is applied.
    reviewed = account.run(f"eps-dos review {STACK} --save-plan plans --output review.md")
    assert reviewed.returncode == 0, reviewed.stdout + reviewed.stderr
    deployed = account.run(f"eps-dos release apply {STACK} --plan plans/{STACK}.plan.json")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert "Policies:" in deployed.stdout
    bucket = account.client("s3").list_objects_v2(Bucket=f"eps-dos-api-states-{ACCOUNT}")["Contents"]
    assert f".pulumi/stacks/eps-dos-api/{STACK}.json" in {one["Key"] for one in bucket}
    zones = account.client("elbv2").describe_load_balancers()["LoadBalancers"][0]["AvailabilityZones"]
    assert len(zones) == 3

    made = {one for one, count in calls(account).items() if count > before.get(one, 0)}
    assert "ec2.CreateVpc" in made
    refused = sorted(one for one in made if not allowed(account, one))
    assert refused == [], "the policies of the role that deploys don't allow what was called"


def test_nothing_is_missing_of_what_the_template_makes(account: Account, parent_zone: ParentZone) -> None:
    """As deployed, nothing; changed by hand, each part is named."""
    iam, s3 = account.client("iam"), account.client("s3")
    bucket, deploying = f"eps-dos-api-states-{ACCOUNT}", {"RoleName": "eps-dos-deploy-live", "PolicyName": "own"}
    own = iam.get_role_policy(**deploying)["PolicyDocument"]
    iam.delete_role_policy(**deploying)
    iam.update_role(RoleName="eps-dos-ephemeral", MaxSessionDuration=3600)
    policy = f"arn:aws:iam::{ACCOUNT}:policy/eps-dos-reading"
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=json.dumps(everything), SetAsDefault=True)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    failed = preflight(account, parent_zone)
    assert list(failed) == ["state bucket", "policies", "roles for workflows"]
    assert failed["state bucket"].startswith(f"{bucket} is not versioned; fix: ")
    assert failed["policies"].startswith("eps-dos-reading isn't as printed; fix: ")
    assert failed["roles for workflows"].startswith(
        "eps-dos-deploy-live: its own policy; eps-dos-ephemeral: its longest session; fix: "
    )
    assert "--deployment-mode REVERT_DRIFT" in failed["policies"]
    # The lab's CloudFormation reverts nothing.
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    iam.set_default_policy_version(PolicyArn=policy, VersionId="v1")
    iam.put_role_policy(**deploying, PolicyDocument=json.dumps(own))
    iam.update_role(RoleName="eps-dos-ephemeral", MaxSessionDuration=14400)
    assert preflight(account, parent_zone) == {}


def calls(account: Account) -> dict[str, int]:
    """Return how often the account was asked what, by service and operation as botocore calls them."""
    with urllib.request.urlopen(f"{account.variables['AWS_ENDPOINT_URL']}/_lab/calls") as answer:  # noqa: S310 - of this machine
        return dict(json.load(answer))


PREFIXES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
S3_ACTIONS = {
    "CopyObject": "PutObject",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
"""Operations whose right has another name (Service Authorization Reference, Amazon S3)."""


def allowed(account: Account, call: str) -> bool:
    """Whether the role that deploys has the right to a call, for whatever resource; one needs no right."""
    service, operation = call.split(".")
    right = f"{PREFIXES.get(service, service)}:{S3_ACTIONS.get(operation, operation) if service == 's3' else operation}"
    return call == "sts.GetCallerIdentity" or any(fnmatchcase(right, one) for one in rights(account))


@cache
def rights(account: Account) -> frozenset[str]:
    """Return the actions that the role's policies allow."""
    iam, role = account.client("iam"), f"eps-dos-deploy-{STACK}"
    attached = [one["PolicyArn"] for one in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]]
    documents = [
        iam.get_policy_version(PolicyArn=arn, VersionId=iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"])[
            "PolicyVersion"
        ]["Document"]
        for arn in attached
    ]
    documents += [
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    listed = [one["Action"] for each in documents for one in each["Statement"] if one["Effect"] == "Allow"]
    return frozenset(action for one in listed for action in ([one] if isinstance(one, str) else one))


def test_what_it_made_is_what_was_promised(account: Account) -> None:
    give_up = time.monotonic() + 60
    while (verified := account.run(f"eps-dos verify {STACK}")).returncode != 0:
        assert time.monotonic() < give_up, verified.stdout + verified.stderr
    assert "all 6 instances run eps-dos-api-1.4.0" in verified.stdout
