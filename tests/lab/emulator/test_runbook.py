"""What the runbook says is run as it stands, where the lab's AWS is enough for it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.lab.emulator.conftest import RunningEmulator
from tests.labs import ROOT

BUCKET = "eps-dos-api-live-dataset"
AS_IT_WAS = {"changed.csv": "as it was", "deleted.csv": "as it was", "same.csv": "same"}


@pytest.fixture
def s3(emulator: RunningEmulator) -> Any:
    """A bucket that keeps versions, as Live's dataset."""
    client = emulator.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


def put(s3: Any, contents: dict[str, str]) -> None:
    for key, content in contents.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=content.encode())


def contents(s3: Any) -> dict[str, str]:
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in keys}


def test_a_dataset_is_brought_back_as_it_was(emulator: RunningEmulator, s3: Any, tmp_path: Path) -> None:
    # S3 keeps whole seconds: what shall be told apart happens in different ones.
    put(s3, {**AS_IT_WAS, "gone before.csv": "x"})
    time.sleep(1.1)
    s3.delete_object(Bucket=BUCKET, Key="gone before.csv")
    time.sleep(1.1)
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    time.sleep(1.1)
    put(s3, {"changed.csv": "spoilt", "new.csv": "new"})
    s3.delete_object(Bucket=BUCKET, Key="deleted.csv")

    guide = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"```bash\n(bucket={BUCKET} at=.*?)```", guide, re.DOTALL)
    aws = tmp_path / "aws"
    aws.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {ROOT}/tests/shows/aws_command.py "$@"\n')
    aws.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", re.sub(r"at=\S+", f"at={moment}", block)],
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}", "AWS_REGION": "eu-west-2", "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": emulator.endpoint, "NO_PROXY": "127.0.0.1",
        },
        check=False,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert contents(s3) == {**AS_IT_WAS, "new.csv": "new"}
