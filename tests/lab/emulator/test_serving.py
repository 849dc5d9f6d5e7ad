"""A copy of the emulator: the same account at another port, and neither sees what is done in the other."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.settings import get_s3_default_key_buffer_size

from lab.control import Control, Running
from lab.errors import LabError
from tests.lab.emulator.conftest import REGION, RunningEmulator
from tests.lab.emulator.test_main import WAIT_SECONDS, started

LARGE = b"x" * (get_s3_default_key_buffer_size() + 1)
"""What moto keeps in a file and not in memory."""


def client(endpoint: str, service: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # the name is a variable: no stub fits
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  # the emulator checks none
    )


def networks(endpoint: str) -> dict[str, str]:
    return {vpc["VpcId"]: vpc["CidrBlock"] for vpc in client(endpoint, "ec2").describe_vpcs()["Vpcs"]}


def content(endpoint: str) -> bytes:
    body: bytes = client(endpoint, "s3").get_object(Bucket="a-bucket", Key="large")["Body"].read()
    return body


def exists(pid: int) -> bool:
    """Whether the system has the process, be it as a zombie."""
    return subprocess.run(["ps", "-p", str(pid)], stdout=subprocess.DEVNULL, check=False).returncode == 0


def end(running: Running) -> None:
    os.kill(running.pid, signal.SIGTERM)
    give_up = time.monotonic() + WAIT_SECONDS
    while exists(running.pid):
        assert time.monotonic() < give_up
        time.sleep(0.05)


def open_files(pid: int, kind: int, links: int) -> set[int]:
    """The inodes of what the process has open, of one kind of file and as many names as that."""
    described = [path.stat() for path in Path(f"/proc/{pid}/fd").iterdir()]
    return {one.st_ino for one in described if stat.S_IFMT(one.st_mode) == kind and one.st_nlink == links}


@dataclass(frozen=True)
class Source:
    """An emulator with a network, and a bucket with a large object."""

    pid: int
    endpoint: str

    @property
    def control(self) -> Control:
        return Control(self.endpoint)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    with started(tmp_path_factory.mktemp("source")) as (process, ready):
        source = Source(process.pid, f"http://127.0.0.1:{ready['port']}")
        ec2, s3 = client(source.endpoint, "ec2"), client(source.endpoint, "s3")
        ec2.create_vpc(CidrBlock="10.1.0.0/16")
        s3.create_bucket(Bucket="a-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="a-bucket", Key="large", Body=LARGE)
        yield source


@pytest.fixture
def copy(source: Source) -> Iterator[Running]:
    running = source.control.copy()
    yield running
    if exists(running.pid):
        end(running)


def test_a_copy_has_the_same_account_and_counts_its_own_calls(source: Source, copy: Running) -> None:
    assert networks(copy.endpoint) == networks(source.endpoint)
    assert "10.1.0.0/16" in networks(copy.endpoint).values()
    assert content(copy.endpoint) == LARGE
    health = Control(copy.endpoint).health()
    assert (health.run, health.requests) == (copy.run, 3)
    assert health.run != source.control.health().run


def test_what_is_done_in_either_is_not_seen_in_the_other(source: Source, copy: Running) -> None:
    before = networks(source.endpoint)
    assert networks(copy.endpoint) == before
    made = client(copy.endpoint, "ec2").create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
    other = client(source.endpoint, "ec2").create_vpc(CidrBlock="10.3.0.0/16")["Vpc"]["VpcId"]
    assert made != other
    assert networks(source.endpoint) == {**before, other: "10.3.0.0/16"}
    assert networks(copy.endpoint) == {**before, made: "10.2.0.0/16"}
    client(copy.endpoint, "s3").delete_object(Bucket="a-bucket", Key="large")
    assert content(source.endpoint) == LARGE
    Control(copy.endpoint).fail_health_checks(["ami-1"])
    assert source.control.unhealthy_images() == ()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system doesn't show what a process has open")
def test_a_copy_shares_no_file_and_no_connection(source: Source, copy: Running) -> None:
    """A large object's file has one position for both, and a connection doesn't end before both have closed it."""
    temporary = open_files(source.pid, stat.S_IFREG, links=0)
    assert len(temporary) == 1
    assert len(open_files(copy.pid, stat.S_IFREG, links=0) - temporary) == 1
    assert temporary.isdisjoint(open_files(copy.pid, stat.S_IFREG, links=0))
    listening = open_files(source.pid, stat.S_IFSOCK, links=1)
    assert listening
    assert listening.isdisjoint(open_files(copy.pid, stat.S_IFSOCK, links=1))


def test_an_end_of_either_leaves_the_other_and_no_zombie(source: Source, copy: Running) -> None:
    """The copy of a copy, too."""
    grandchild = Control(copy.endpoint).copy()
    end(copy)
    assert networks(grandchild.endpoint) == networks(source.endpoint)
    end(grandchild)


def test_a_copy_outlives_its_source(tmp_path: Path) -> None:
    with started(tmp_path) as (process, ready):
        copy = Control(f"http://127.0.0.1:{ready['port']}").copy()
        process.kill()
        process.wait()
        try:
            assert Control(copy.endpoint).health().run == copy.run
        finally:
            os.kill(copy.pid, signal.SIGTERM)


def test_an_emulator_inside_another_process_is_not_copied(emulator: RunningEmulator) -> None:
    with pytest.raises(LabError, match="part of a larger process"):
        Control(emulator.endpoint).copy()
