"""One pass of each thing that the project is for, through the real engine: what every change is held to.

One copy of a lab that is up, in order. Reviews are in tests/ops/review/test_engine.py, a new account is in
test_first_deployment.py, and what goes wrong in all the other ways, in the files that are marked as scenarios.
"""

from __future__ import annotations

import json

import pytest

from infra.environment import LIFETIME
from tests.labs import STACKS
from tests.shows.environments import Environments, sampled
from tests.shows.test_ephemeral import account, decisions, listed
from tests.shows.test_mirror import drift, other_health_check_interval
from tests.shows.test_reviewing import VIOLATIONS, edited
from tests.shows.test_verify import second_listener, verified

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("stack", ["live", "nft"])
def test_nothing_is_to_be_done_after_up(environments: Environments, stack: str) -> None:
    environments.pulumi("preview", "--stack", stack, "--expect-no-changes")


def test_a_violation_stops_up_before_anything_is_changed(environments: Environments) -> None:
    before, state = environments.inventory("dev"), environments.export("dev")
    with edited(environments, VIOLATIONS["versioned"]):
        refused = environments.pulumi("up", "--stack", "dev", "--yes", check=False)
    assert refused.returncode != 0
    assert "versioned" in refused.stdout + refused.stderr
    assert environments.inventory("dev") == before
    assert environments.export("dev")["deployment"]["resources"] == state["deployment"]["resources"]


def test_mirror_names_what_was_changed_by_hand(environments: Environments) -> None:
    assert drift(environments) == (0, set())
    with other_health_check_interval(environments):
        assert drift(environments) == (1, {("TargetGroup", "healthCheck.interval")})


def test_verify_names_what_was_changed_by_hand(environments: Environments) -> None:
    environments.publish("int")
    assert verified(environments) == (0, {})
    with second_listener(environments):
        code, failed = verified(environments)
    assert code == 1
    assert "listens on TCP 443, TCP 80" in failed["port"]
    assert failed.keys() == {"port", "rules"}


def test_scale_one_changes_minimum_maximum_and_what_names_them(environments: Environments) -> None:
    changed = environments.changed_by("nft", lambda: environments.edit("nft", "scale: 0.5", "scale: 1"))
    assert changed == {
        ("aws:autoscaling/group:Group", "minSize"),
        ("aws:autoscaling/group:Group", "maxSize"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "threshold"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "alarmDescription"),
        ("aws:cloudwatch/dashboard:Dashboard", "dashboardBody"),
    }
    assert (environments.group("nft")["MinSize"], environments.group("nft")["MaxSize"]) == (
        environments.group("live")["MinSize"],
        environments.group("live")["MaxSize"],
    )


def test_a_new_release_rolls_the_instances_with_never_fewer_in_service(environments: Environments) -> None:
    group = environments.outputs("dev")["autoScalingGroup"]
    before = environments.in_service(group)
    environments.set_release("dev", "1.4.0")
    with sampled(lambda: environments.in_service(group)) as seen:
        environments.up("dev")
    assert len(seen) > 10
    assert min(seen) >= before > 0
    assert environments.images("dev") == {environments.image("1.4.0")}
    assert environments.outputs("dev")["release"] == "1.4.0"
    # A rollout of ours is no change outside Pulumi.
    (review,) = json.loads(environments.eps_dos("review", "dev", "--format", "json").stdout)["stacks"]
    assert (review["verdict"], review["drift"], review["dangers"]) == ("unchanged", [], [])


def test_an_unhealthy_release_fails_up_in_one_sentence_and_the_old_one_runs(environments: Environments) -> None:
    environments.make_unhealthy("1.5.0")
    environments.set_release("dev", "1.5.0")
    failed = environments.pulumi("up", "--stack", "dev", "--yes", check=False)
    environments.make_healthy()
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "rollout of 1.5.0" in said
    assert "1.4.0 runs again" in said
    assert "Traceback" not in said
    assert environments.images("dev") == {environments.image("1.4.0")}
    assert environments.state_of("dev", "eps-dos:index:Rollout")["inputs"]["release"] == "1.4.0"
    preview = environments.pulumi("preview", "--stack", "dev", "--diff")
    assert '"1.4.0" => "1.5.0"' in preview.stdout


def test_an_environment_for_one_test_is_made_extended_and_reaped_when_it_is_expired(environments: Environments) -> None:
    before, files = account(environments), environments.changes_of_the_checkout()
    environments.eps_dos("ephemeral", "create", "pr-7", "--like", "int", "--ttl", "1h", "--owner", "a.tester")
    made = environments.outputs("pr-7")
    assert (made["dnsName"], made["owner"], made["like"]) == ("dos-pr-7.eps.digital.nhs.uk", "a.tester", "int")
    instances = {one["InstanceId"] for one in environments.group("pr-7")["Instances"]}
    environments.eps_dos("ephemeral", "extend", "pr-7", "--ttl", "3h")
    extended = environments.outputs("pr-7")["expiresAt"]
    assert extended > made["expiresAt"]
    assert {one["InstanceId"] for one in environments.group("pr-7")["Instances"]} == instances
    permanent = {"dev", "int", "live", "nft"}
    assert decisions(environments) == {**dict.fromkeys(permanent, "stay"), "pr-7": "stay"}
    let_expire(environments, "pr-7")
    assert decisions(environments, dry_run=False)["pr-7"] == "reap"
    assert listed(environments) == []
    assert account(environments) == before
    assert environments.changes_of_the_checkout() == files


def let_expire(environments: Environments, name: str) -> None:
    """Have the stack's state say that the environment was made and expired long ago."""
    file = environments.lab.root / "backend" / STACKS / f"{name}.json"
    state = json.loads(file.read_text())
    (mark,) = [one for one in state["checkpoint"]["latest"]["resources"] if one["type"] == LIFETIME]
    mark["inputs"]["settings"]["eps-dos-api:ephemeral"] |= {
        "createdAt": "2026-01-01T00:00:00Z",
        "expiresAt": "2026-01-01T01:00:00Z",
    }
    file.write_text(json.dumps(state))
