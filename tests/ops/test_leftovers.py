"""What a killed run has left: all of it goes, whatever it is, and nothing that is another's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ops.aws import Aws
from ops.leftovers import Leftover, find, remove
from tests.ops.leftover_world import KINDS, Emulator, World, account, aws_of, emulator, hosted_zone, subject

NAME, BESIDE = "pr", "pr-2"
"""The names of one begin as those of the other do."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator")) as made:
        yield made


@pytest.fixture(scope="module")
def clients(running: Emulator) -> Iterator[Aws]:
    with pytest.MonkeyPatch.context() as patch:
        yield aws_of(running, patch)


@pytest.fixture
def aws(running: Emulator, clients: Aws) -> Aws:
    """An account with the zone of all, and nothing else."""
    running.ask("POST", "reset")
    hosted_zone(clients)
    return clients


def removed(aws: Aws, name: str = NAME) -> tuple[Leftover, ...]:
    """Remove with a clock that waits for nobody."""
    return remove(aws, subject(name), lambda _: None, wait=lambda _: None)


def test_a_whole_environment_goes_and_the_one_beside_it_stays(aws: Aws) -> None:
    World(aws, BESIDE, network=50).make(KINDS)
    before = account(aws)
    World(aws, NAME, network=60).make(KINDS)
    assert len(account(aws)) > len(before) + len(KINDS)
    assert removed(aws) == ()
    assert account(aws) == before
    assert find(aws, subject(NAME)) == ()


@pytest.mark.parametrize(
    "kinds",
    [
        ("vpc",),
        ("subnets", "gateway", "routes"),
        ("lone gateway", "lone volume", "address", "prefix list"),
        ("load balancer",),
        ("target group", "rules"),
        ("S3 endpoint", "logs endpoint", "flow log"),
        ("role policy",),
        ("role in profile",),
        ("bucket", "log group", "dashboard", "subscription"),
        ("scaling", "listener", "lone instance", "lone interface"),
        ("alarms in a circle",),
    ],
    ids=" and ".join,
)
def test_what_a_killed_run_leaves_goes(aws: Aws, kinds: tuple[str, ...]) -> None:
    before = account(aws)
    World(aws, NAME, network=60).make(kinds)
    assert account(aws) > before
    assert find(aws, subject(NAME))
    assert removed(aws) == ()
    assert account(aws) == before
