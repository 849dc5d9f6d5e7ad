"""What becomes of a rollout whose `pulumi up` is gone, or that goes wrong half way.

One stack, in order, in a lab where time is let pass by the tests, so that each sees the moment that it is about.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.shows.environments import Environments, kill_session, sampled, until

pytestmark = [pytest.mark.engine, pytest.mark.scenario]

STACK, INSTANCES = "dev", 3
OLD, NEW, NEXT = "1.3.0", "1.4.0", "1.5.0"


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory, engine: object) -> Iterator[Environments]:
    """Dev, up, where time passes as it does here: a rollout takes ten minutes, however busy this machine is."""
    with Environments.started(tmp_path_factory.mktemp("interrupted"), pace=1) as made:
        made.deploy(STACK)
        group = made.outputs(STACK)["autoScalingGroup"]
        until(lambda: made.in_service(group) == INSTANCES, each_time=lambda: let_pass(made, 30))
        yield made


class Up:
    """A plain `pulumi up` under way, in a session of its own."""

    def __init__(self, environments: Environments, log: Path) -> None:
        self.log = log
        command = ["pulumi", "up", "--stack", STACK, "--yes", "--skip-preview", "--non-interactive"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=environments.inside, stdout=output, stderr=output, start_new_session=True
            )

    def said(self) -> str:
        """What it has printed by now."""
        return self.log.read_text()

    def running(self) -> bool:
        """Whether it isn't over."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End all of it at once, the engine, its plugins and the program: a machine that is switched off."""
        kill_session(self._process.pid)
        self._process.wait()

    def end(self, environments: Environments) -> int:
        """Let time pass until it is over; return its exit code."""
        until(lambda: not self.running(), each_time=lambda: let_pass(environments, 30))
        return self._process.wait()


def let_pass(environments: Environments, seconds: int) -> None:
    """Let emulated time pass at once."""
    body = json.dumps({"advanceSeconds": seconds}).encode()
    url = f"{environments.endpoint}/_lab/clock"
    urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST")).close()  # noqa: S310 - of this machine


def newest(environments: Environments) -> dict[str, Any]:
    """Return the newest instance refresh of the group, as AWS describes it; empty if there is none."""
    return next(iter(refreshes(environments)), {})


def refreshes(environments: Environments) -> list[dict[str, Any]]:
    """Return the group's instance refreshes, the newest first."""
    group = environments.outputs(STACK)["autoScalingGroup"]
    described = environments.client("autoscaling").describe_instance_refreshes(AutoScalingGroupName=group)
    return list(described["InstanceRefreshes"])


def test_an_up_that_was_killed_is_joined_by_the_next(environments: Environments, tmp_path: Path) -> None:
    environments.set_release(STACK, NEW)
    environments.eps_dos("lab", "start")
    group = environments.outputs(STACK)["autoScalingGroup"]
    with sampled(lambda: environments.in_service(group)) as seen:
        killed = Up(environments, tmp_path / "killed")
        until(
            lambda: newest(environments).get("PercentageComplete", 0) > 0, each_time=lambda: let_pass(environments, 1)
        )
        killed.kill()
        (left,) = refreshes(environments)
        assert left["Status"] == "InProgress"

        told = environments.eps_dos("status", check=False)
        assert told.returncode == 1
        assert f"{STACK}: rollout in progress since " in told.stdout
        assert f"{NEW} is pending: pulumi up --stack {STACK}" in told.stdout

        # The state is locked by somebody who is dead: the next is told who, and what to do.
        refused = environments.eps_dos("up", STACK, check=False)
        assert refused.returncode == 3
        assert "locked" in refused.stdout + refused.stderr
        assert f"eps-dos lab pulumi cancel --yes --stack {STACK}" in refused.stderr

        environments.pulumi("cancel", "--yes", "--stack", STACK)
        joining = Up(environments, tmp_path / "joining")
        until(lambda: "joining the one in progress" in joining.said())
        assert joining.end(environments) == 0, joining.said()
    assert f"rollout of {NEW}: Successful, 100 % of the instances replaced" in joining.said()
    (ended,) = refreshes(environments)
    assert (ended["InstanceRefreshId"], ended["Status"]) == (left["InstanceRefreshId"], "Successful")
    assert min(seen) >= INSTANCES
    assert environments.images(STACK) == {environments.image(NEW)}
    environments.pulumi("preview", "--stack", STACK, "--expect-no-changes")


def test_a_failed_rollout_tells_each_new_instance_and_what_its_check_said(
    environments: Environments, tmp_path: Path
) -> None:
    environments.set_release(STACK, NEXT)
    environments.make_unhealthy(NEXT)
    failing = Up(environments, tmp_path / "failing")
    until(lambda: " fails: " in failing.said(), each_time=lambda: let_pass(environments, 1))
    assert failing.end(environments) != 0
    environments.make_healthy()
    (sentence,) = [line.strip() for line in failing.said().splitlines() if line.strip().startswith("error: rollout of")]
    assert f"{NEW} runs again" in sentence
    assert "; of 1 new instances 1 failed: i-" in sentence
    assert "(eu-west-2" in sentence
    assert "Health checks failed" in sentence
    assert environments.images(STACK) == {environments.image(NEW)}


def test_an_alarm_of_the_environment_stops_a_rollout(environments: Environments, tmp_path: Path) -> None:
    cloudwatch = environments.client("cloudwatch")
    alarmed = Up(environments, tmp_path / "alarmed")
    until(lambda: newest(environments).get("Status") == "InProgress", each_time=lambda: let_pass(environments, 1))
    alarm = newest(environments)["Preferences"]["AlarmSpecification"]["Alarms"][0]
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="by a test")
    assert alarmed.end(environments) != 0
    assert f"ended as RollbackSuccessful: {NEW} runs again" in alarmed.said()
    assert alarm in alarmed.said()
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="by a test")
    assert environments.images(STACK) == {environments.image(NEW)}
