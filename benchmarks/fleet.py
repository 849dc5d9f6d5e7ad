"""How long it takes to read and judge a backend full of environments: what `list` and `reap --dry-run` do.

The states are those of a whole environment made for one test, recorded without a cloud and written as Pulumi writes
them. Left out: starting the command, and asking AWS for the time.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError

from infra import ephemeral
from infra.deciding import load_environment
from infra.ephemeral import Lifetime, Wish
from infra.naming import stack_names
from infra.reaping import verdict
from infra.recording import PROJECT, record
from infra.times import stamp
from infra.yamlfile import as_yaml, read_mapping
from ops.stacks import fleet, store

CHECKOUT = Path(__file__).parents[1]
SIZES = (250, 500, 1000)
REPEATS = 3
SAMPLE = "pr-00000"
BUCKET = "states"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EXPIRED, ALIVE = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
_START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement."""

    backend: str
    stacks: int
    reaped: int
    """Of them, how many would go."""
    bytes_each: int
    seconds: float
    """The shortest of several runs."""


def sample_state() -> str:
    """Return the state of an environment called SAMPLE that has expired, as Pulumi's own backends write it."""
    life = Lifetime(created_at=NOW - timedelta(hours=72), starts_at=None, expires_at=EXPIRED)
    wish = Wish(name=SAMPLE, like="int", lifetime=life, owner="benchmark")
    stacks = {name: read_mapping(CHECKOUT / f"Pulumi.{name}.yaml")["config"] for name in stack_names(CHECKOUT)}
    limits = ephemeral.limits_of(CHECKOUT)
    settings = ephemeral.configuration(wish, stacks, next(limits.pool.subnets(new_prefix=20)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in CHECKOUT.glob("*.yaml"):
            (folder / path.name).write_bytes(path.read_bytes())
        (folder / f"Pulumi.{SAMPLE}.yaml").write_text(as_yaml({"config": settings}), encoding="utf-8")
        graph = record(load_environment(SAMPLE, folder))
    resources = [
        {
            "urn": one.urn,
            "custom": bool(one.provider),
            "type": one.type,
            "inputs": one.inputs,
            "outputs": one.outputs,
            "parent": one.parent,
            "dependencies": one.dependencies,
            "provider": one.provider,
        }
        for one in graph.resources.values()
    ]
    latest = {"manifest": {"time": stamp(NOW), "version": "v3"}, "resources": resources}
    document = {"version": 3, "checkpoint": {"stack": f"organization/{PROJECT}/{SAMPLE}", "latest": latest}}
    return json.dumps(document, indent=4)


def states(sample: str, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each of `count` states; every other one is over its time."""
    for number in range(1, count + 1):
        name = f"pr-{number:05}"
        expires_at = EXPIRED if number % 2 else ALIVE
        text = sample.replace(SAMPLE, name).replace(stamp(EXPIRED), stamp(expires_at))
        yield f".pulumi/stacks/{PROJECT}/{name}.json", text.encode()


@contextmanager
def folder() -> Iterator[tuple[str, Callable[[str, bytes], object]]]:
    """Give the URL of a backend that is a folder, and how a file is put there."""
    with tempfile.TemporaryDirectory() as name:

        def put(path: str, content: bytes) -> None:
            file = Path(name) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

        yield Path(name).as_uri(), put


@contextmanager
def bucket() -> Iterator[tuple[str, Callable[[str, bytes], object]]]:
    """Give the URL of a backend that is a bucket of an emulator in a process of its own, and how an object is put."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own words
    try:
        s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{port}")
        _begun(lambda: s3.create_bucket(Bucket=BUCKET))
        url = f"s3://{BUCKET}?region=us-east-1&endpoint=127.0.0.1:{port}&disableSSL=true&s3ForcePathStyle=true"
        yield url, lambda path, content: s3.put_object(Bucket=BUCKET, Key=path, Body=content)
    finally:
        server.terminate()
        server.wait()


def measured(backend: str, url: str, each_bytes: int) -> Row:
    """Return how long it takes to read and judge every stack of the backend at `url`."""
    committed, limits = stack_names(CHECKOUT), ephemeral.limits_of(CHECKOUT)
    seconds: list[float] = []
    decided: Counter[str] = Counter()
    for _ in range(REPEATS):
        began = time.perf_counter()
        opened = store.opened(url)
        if opened is None:
            raise ValueError(f"{url} is no folder and no bucket")
        found = [verdict(one, NOW, committed, limits) for one in fleet.from_store(opened, PROJECT)]
        seconds.append(time.perf_counter() - began)
        decided = Counter(one.decision for one in found)
    return Row(
        backend=backend,
        stacks=decided.total(),
        reaped=decided["reap"],
        bytes_each=each_bytes,
        seconds=min(seconds),
    )


def rows(sizes: Sequence[int] = SIZES) -> Iterator[Row]:
    """Yield a measurement for each kind of backend and each size, the smaller sizes first."""
    sample = sample_state()
    for kind, made in (("folder", folder), ("S3", bucket)):
        with made() as (url, put):
            filled: set[str] = set()
            for size in sorted(sizes):
                for path, content in states(sample, size):
                    if path not in filled:
                        put(path, content)
                        filled.add(path)
                yield measured(kind, url, len(sample.encode()))


def as_text(measurements: Sequence[Row]) -> str:
    """Return the table that people read."""
    lines = [f"{'backend':<8} {'stacks':>6} {'would go':>8} {'kB each':>7} {'seconds':>8} {'ratio':>6}"]
    before: Row | None = None
    for one in measurements:
        same = before is not None and before.backend == one.backend
        ratio = f"{one.seconds / before.seconds:.2f}" if before is not None and same else ""
        line = f"{one.backend:<8} {one.stacks:>6} {one.reaped:>8} {one.bytes_each / 1000:>7.0f}"
        lines.append(f"{line} {one.seconds:>8.2f} {ratio:>6}".rstrip())
        before = one
    lines += [
        "",
        f"Seconds to read and judge every stack, the shortest of {REPEATS} runs: what `eps-dos ephemeral list` and",
        "`reap --dry-run` do once they have started. Ratio: to the line above, twice the stacks; 2 is linear.",
        "S3 is an emulator on this machine: its one process answers, so that real S3 is further away and faster.",
    ]
    return "\n".join(lines)


def _begun(call: Callable[[], Any]) -> None:
    """Call until the emulator answers. Raises botocore's error if it doesn't."""
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            call()
        except BotoCoreError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
