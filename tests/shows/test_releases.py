"""A release travels from its catalogue to Live, on the real engine and the emulated AWS.

One lab, in the order of the journey: each test is one station, and says what holds there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.shows.environments import Environments, sampled

pytestmark = [pytest.mark.engine, pytest.mark.scenario]

OLD, NEW = "1.4.0", "1.5.0"
INSTANCES = {"dev": 3, "int": 3, "nft": 3, "live": 6}


def files(environments: Environments) -> dict[str, bytes]:
    """Return what the stack files and the catalogue have."""
    return {one.name: one.read_bytes() for one in environments.checkout.glob("*.yaml")}


def changed(environments: Environments, before: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return the lines that files have otherwise than `before`, by file."""
    now = files(environments)
    return {
        name: [line for line in content.decode().splitlines() if line not in before[name].decode().splitlines()]
        for name, content in now.items()
        if content != before[name]
    }


def positions(environments: Environments) -> dict[str, dict[str, Any]]:
    """Return what `status` says, by stack."""
    printed = environments.eps_dos("status", "--json", check=False).stdout
    return {one["stack"]: one for one in json.loads(printed)["environments"]}


def refreshes(environments: Environments, stack: str) -> dict[str, str]:
    """Return the status of each instance refresh that the stack's group has had, by its id."""
    group = environments.outputs(stack)["autoScalingGroup"]
    described = environments.client("autoscaling").describe_instance_refreshes(AutoScalingGroupName=group)
    return {one["InstanceRefreshId"]: one["Status"] for one in described["InstanceRefreshes"]}


def members(environments: Environments, stack: str) -> set[str]:
    """Return the ids of the group's instances."""
    return {one["InstanceId"] for one in environments.group(stack)["Instances"]}


def rolled_out(environments: Environments, stack: str) -> None:
    """Deploy NEW to `stack`; all of it runs it then, and at no moment was there less in service than before."""
    group = environments.outputs(stack)["autoScalingGroup"]
    with sampled(lambda: environments.in_service(group)) as seen:
        said = environments.deploy(stack)
    assert f"rollout of {NEW}: Successful, 100 % of the instances replaced" in said
    assert len(seen) > 10
    assert min(seen) >= INSTANCES[stack]
    assert environments.images(stack) == {environments.image(NEW)}
    position = positions(environments)[stack]
    assert (position["resolved"], position["deployed"], position["running"]) == (NEW, NEW, {NEW: INSTANCES[stack]})


def test_live_does_not_take_what_nft_never_ran_and_no_byte_is_written(environments: Environments) -> None:
    before = files(environments)
    refused = environments.eps_dos("release", "promote", NEW, "--to", "live", check=False)
    assert refused.returncode == 1
    assert f"nft never ran {NEW}" in refused.stdout
    assert files(environments) == before


def test_an_unhealthy_release_is_rolled_back_and_everything_agrees_on_what_runs(environments: Environments) -> None:
    environments.eps_dos("release", "promote", NEW, "--to", "nft")
    environments.make_unhealthy(NEW)
    group = environments.outputs("nft")["autoScalingGroup"]
    with sampled(lambda: environments.in_service(group)) as seen:
        failed = environments.pulumi("up", "--stack", "nft", "--yes", "--skip-preview", check=False)
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    (sentence,) = [line.strip() for line in said.splitlines() if line.strip().startswith("error: rollout of")]
    assert sentence.startswith(
        f"error: rollout of {NEW} to {group} ended as RollbackSuccessful: {OLD} runs again; "
        "reason: Instances failed to become healthy: i-"
    )
    assert "failed the load balancer's health check" in sentence
    assert "Traceback" not in said
    assert min(seen) >= INSTANCES["nft"]
    assert environments.images("nft") == {environments.image(OLD)}
    nft = positions(environments)["nft"]
    assert (nft["resolved"], nft["deployed"], nft["running"], nft["inOrder"]) == (NEW, OLD, {OLD: 3}, False)
    told = environments.eps_dos("status", check=False)
    assert told.returncode == 1
    assert "ended as RollbackSuccessful" in told.stdout
    assert f"{NEW} is pending: pulumi up --stack nft" in told.stdout
    preview = environments.pulumi("preview", "--stack", "nft", "--diff")
    assert f'"{OLD}" => "{NEW}"' in preview.stdout
    # Nobody else runs it yet: whoever did would lose instances as long as this lasts.
    environments.make_healthy()


def test_dev_takes_any_release(environments: Environments) -> None:
    before = files(environments)
    environments.eps_dos("release", "promote", NEW, "--to", "dev")
    assert changed(environments, before) == {"Pulumi.dev.yaml": [f'  eps-dos-api:release: "{NEW}"']}
    rolled_out(environments, "dev")


def test_int_takes_the_next_as_live_plus_one(environments: Environments) -> None:
    before = files(environments)
    environments.eps_dos("release", "promote", NEW, "--to", "int")
    assert changed(environments, before) == {"Pulumi.int.yaml": ["  eps-dos-api:release: live+1"]}
    rolled_out(environments, "int")


def test_nft_takes_it_once_it_is_healthy(environments: Environments) -> None:
    rolled_out(environments, "nft")


def test_live_waits_until_nft_has_run_it_for_long_enough(environments: Environments) -> None:
    before = files(environments)
    refused = environments.eps_dos("release", "promote", NEW, "--to", "live", check=False)
    assert refused.returncode == 1
    assert f"nft has run {NEW} for 0 min; asked: 24 h; fix: wait until" in refused.stdout
    assert files(environments) == before


def test_live_takes_it_and_nothing_else_moves(environments: Environments) -> None:
    catalogue = environments.checkout / "releases.yaml"
    catalogue.write_text(f"evidenceHours: 0\n{catalogue.read_text()}")
    before = files(environments)
    promoted = environments.eps_dos("release", "promote", NEW, "--to", "live")
    assert "deployed successfully to nft at" in promoted.stdout
    # What meant this version goes on meaning it.
    assert changed(environments, before) == {
        "Pulumi.live.yaml": [f'  eps-dos-api:release: "{NEW}"'],
        "Pulumi.int.yaml": ["  eps-dos-api:release: live"],
        "Pulumi.nft.yaml": ["  eps-dos-api:release: live"],
    }
    rolled_out(environments, "live")
    for stack in ("int", "nft"):
        environments.pulumi("preview", "--stack", stack, "--expect-no-changes")
        environments.eps_dos("release", "check", stack)
    assert environments.eps_dos("status").returncode == 0


def test_a_change_of_capacity_starts_no_rollout(environments: Environments) -> None:
    had, ran = refreshes(environments, "nft"), members(environments, "nft")
    environments.edit("nft", "scale: 0.5", "scale: 0.75")
    environments.deploy("nft")
    group = environments.group("nft")
    assert (group["MinSize"], group["MaxSize"]) == (5, 9)
    assert refreshes(environments, "nft") == had
    assert ran <= members(environments, "nft")
    environments.edit("nft", "scale: 0.75", "scale: 0.5")
    environments.deploy("nft")
    assert refreshes(environments, "nft") == had


def test_the_same_version_with_a_patched_image_is_a_rollout_under_the_same_gates(environments: Environments) -> None:
    before, catalogue = environments.image(NEW), environments.checkout / "releases.yaml"
    catalogue.write_text(
        catalogue.read_text().replace(f"image: eps-dos-api-{NEW}", f"image: eps-dos-api-{NEW}-patched")
    )
    refused = environments.eps_dos("release", "check", "live", check=False)
    patched = environments.image(f"{NEW}-patched")
    assert refused.returncode == 1
    assert f"nft has run {NEW} from {before}, not from eps-dos-api-{NEW}-patched ({patched})" in refused.stdout
    environments.eps_dos("release", "check", "nft")
    group = environments.outputs("nft")["autoScalingGroup"]
    had = refreshes(environments, "nft")
    with sampled(lambda: environments.in_service(group)) as seen:
        environments.deploy("nft")
    assert min(seen) >= INSTANCES["nft"]
    assert environments.images("nft") == {patched}
    assert len(refreshes(environments, "nft")) == len(had) + 1
    assert "deployed successfully to nft at" in environments.eps_dos("release", "check", "live").stdout


def test_what_was_reviewed_is_applied_and_nothing_else(environments: Environments, tmp_path: Path) -> None:
    environments.edit("dev", "maximum: 6", "maximum: 9")
    plan, approved = reviewed(environments, tmp_path / "approved")
    # By hand, in between: what would be done is something else now, and is to be approved again.
    autoscaling, group = environments.client("autoscaling"), environments.group("dev")["AutoScalingGroupName"]
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=group, MaxSize=7)
    assert reviewed(environments, tmp_path / "again")[1] != approved
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=group, MaxSize=6)

    # Another commit: what the plan doesn't have is not done.
    environments.edit("dev", "maximum: 9", "maximum: 12")
    refused = environments.eps_dos("release", "apply", "dev", "--plan", str(plan), check=False)
    assert refused.returncode != 0
    assert "violates plan" in refused.stdout
    assert "eps-dos review dev --save-plan" in refused.stderr
    assert environments.group("dev")["MaxSize"] == 6
    environments.edit("dev", "maximum: 12", "maximum: 9")

    environments.eps_dos("release", "apply", "dev", "--plan", str(plan), "--message", "as approved")
    assert environments.group("dev")["MaxSize"] == 9
    (newest,) = json.loads(
        environments.pulumi("stack", "history", "--stack", "dev", "--json", "--page-size", "1").stdout
    )
    assert (newest["message"], newest["result"]) == ("as approved", "succeeded")


def reviewed(environments: Environments, folder: Path) -> tuple[Path, str]:
    """Review dev as a workflow does; return the plan that is kept, and the fingerprint that is approved with it."""
    folder.mkdir()
    document = folder / "review.json"
    environments.eps_dos("review", "dev", "--save-plan", str(folder), "--output", str(document))
    (stack,) = json.loads(document.read_text())["stacks"]
    return folder / "dev.plan.json", str(stack["fingerprint"])
