"""A merge's way through the environments, run as GitHub runs it: what is approved is what is done, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.naming import PERMANENT
from tests.workflows.running import GitHub, workflow

STACKS = ("dev", "int", "nft", "live")
"""In the order in which a merge travels."""

EPS_DOS = """#!/bin/sh
# A stand-in: $UNCHANGED are stacks in which nothing changes, $FAILING those whose `up` fails, $REFUSED those with a
# danger that nobody acknowledged, $MOVING those whose changes are other ones at each look.
echo "$*" >> "$HOME/calls"
stack=$2
case "$1 $2" in
"review "*)
    verdict=calm fingerprint="of-$stack" code=0
    case " $UNCHANGED " in *" $stack "*) verdict=unchanged;; esac
    case " $REFUSED " in *" $stack "*) verdict=dangerous code=1;; esac
    look=$(grep -c "review $stack " "$HOME/calls")
    case " $MOVING " in *" $stack "*) fingerprint="$fingerprint-$look";; esac
    echo '{"stacks": [{"fingerprint": "'$fingerprint'", "verdict": "'$verdict'"}]}' > review.json
    echo "## $stack: $verdict, look $look" > review.md
    exit $code;;
"release apply") case " $FAILING " in *" $3 "*) exit 3;; esac;;
esac
"""


@pytest.fixture
def github(tmp_path: Path) -> GitHub:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed; GitHub's machines have it")
    return GitHub(tmp_path, checkout={".venv/bin/eps-dos": EPS_DOS}, variables={"DEPLOY_ROLE_ARN": "arn"})


def results(github: GitHub, job: str) -> dict[str, str]:
    """Return what came of a job of each stack that was looked at."""
    found = {stack: github.jobs.get(f"deploy.yml/{stack}/{job}") for stack in STACKS}
    return {stack: done.result for stack, done in found.items() if done}


def calls(github: GitHub, command: str) -> list[str]:
    file = github.folder / "calls"
    lines = file.read_text().splitlines() if file.exists() else []
    return [line for line in lines if line.startswith(command)]


def test_a_merge_deploys_one_stack_after_the_other_by_the_plan_that_was_approved(github: GitHub) -> None:
    github.run("deploy.yml", github.event("push"))
    assert results(github, "deploy") == dict.fromkeys(STACKS, "success")
    assert results(github, "again") == dict.fromkeys(STACKS, "skipped")
    run = "https://github.invalid/o/r/actions/runs/99"
    assert calls(github, "release apply") == [
        f"release apply {stack} --plan plans/{stack}.plan.json --message {run}" for stack in STACKS
    ]
    assert calls(github, "verify") == [f"verify {stack}" for stack in STACKS]
    # What approvers read is the preview that the fingerprint stands for.
    assert calls(github, "review live")[0] == "review live --output review.json --output review.md"
    assert github.jobs["deploy.yml/live/plan"].summary == "## live: calm, look 1\n"


def test_nobody_is_asked_to_approve_that_nothing_changes_and_the_merge_goes_on(github: GitHub) -> None:
    github.environment = {"UNCHANGED": "dev nft"}
    github.run("deploy.yml", github.event("push"))
    assert results(github, "plan") == dict.fromkeys(STACKS, "success")
    assert results(github, "deploy") == {"dev": "skipped", "int": "success", "nft": "skipped", "live": "success"}
    assert [line.split()[2] for line in calls(github, "release apply")] == ["int", "live"]


@pytest.mark.parametrize("stack", STACKS[:3])
@pytest.mark.parametrize("how", ["FAILING", "REFUSED"])
def test_the_first_failure_stops_the_merge(github: GitHub, how: str, stack: str) -> None:
    github.environment = {how: stack}
    github.run("deploy.yml", github.event("push"))
    at = STACKS.index(stack)
    wanted = ["success"] * at + ["failure"] + ["skipped"] * (3 - at)
    assert [github.jobs[f"deploy.yml/{name}"].result for name in STACKS] == wanted
    assert not calls(github, f"verify {stack}")
    if how == "REFUSED":
        assert github.jobs[f"deploy.yml/{stack}/deploy"].result == "skipped"
        assert github.jobs[f"deploy.yml/{stack}/plan"].summary == f"## {stack}: dangerous, look 1\n"


@pytest.mark.parametrize("stack", STACKS)
def test_one_stack_is_deployed_by_hand_by_the_same_gates_and_no_other_is_touched(github: GitHub, stack: str) -> None:
    github.run("deploy.yml", github.event("workflow_dispatch", inputs={"stack": stack}))
    assert results(github, "deploy") == {stack: "success"}
    assert [line.split()[1] for line in calls(github, "review")] == [stack] * 2
    assert calls(github, "release check") == [f"release check {stack}"] * 2
    assert calls(github, "verify") == [f"verify {stack}"]


def test_changes_that_are_no_longer_those_approved_are_approved_again_and_a_third_time_is_an_error(
    github: GitHub,
) -> None:
    github.environment = {"MOVING": "live"}
    github.run("deploy.yml", github.event("workflow_dispatch", inputs={"stack": "live"}))
    assert calls(github, "release apply") == []
    first = github.jobs["deploy.yml/live/deploy"]
    assert (first.result, first.outputs) == ("success", {"changed": "true", "fingerprint": "of-live-2"})
    # What is approved next is what the new fingerprint stands for.
    assert first.summary == "## live: calm, look 2\n"
    again = github.jobs["deploy.yml/live/again"]
    assert again.result == "failure"
    assert "find out who else is changing this stack" in again.log


def test_no_stack_is_deployed_twice_at_once_whatever_started_it_and_none_is_cut_off() -> None:
    jobs = workflow("deploy-stack.yml")["jobs"]
    for name in ("deploy", "again"):
        assert jobs[name]["concurrency"] == {"group": "stack-${{ inputs.stack }}", "cancel-in-progress": "false"}
        assert jobs[name]["environment"] == "${{ inputs.stack }}"
    document = workflow("deploy.yml")
    assert document["concurrency"] == {"group": "deploy-${{ inputs.stack || 'merge' }}", "cancel-in-progress": "false"}
    assert document["on"]["workflow_dispatch"]["inputs"]["stack"]["options"] == list(STACKS)
    assert set(STACKS) == set(PERMANENT)


def test_a_danger_that_came_since_the_approval_stops_the_deployment_and_is_in_the_summary(github: GitHub) -> None:
    github.environment = {"REFUSED": "live"}
    done = github.steps_of("deploy-stack.yml", "deploy", {}, {"inputs": {"stack": "live"}})
    assert (done.result, done.summary) == ("failure", "## live: dangerous, look 1\n")
    assert calls(github, "release apply") == []
