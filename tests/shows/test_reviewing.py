"""What a reviewer is promised: what breaks a rule changes nothing, and a published address stays.

One lab with Live, in the order of its life: refused before there is anything, brought up, published, and held to it.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.types import EIP
from tests.shows.environments import Environments

pytestmark = [pytest.mark.engine, pytest.mark.scenario]

VIOLATIONS = {
    # One that is seen as soon as the resource is, and one that shows when all of the stack is known.
    "imds-v2": ("infra/components/service.py", 'http_tokens="required"', 'http_tokens="optional"'),
    "versioned": ("infra/components/dataset.py", 'status="Enabled"', 'status="Suspended"'),
}
COMMANDS = {
    "pulumi up": ("lab", "pulumi", "up", "--stack", "live", "--yes", "--non-interactive"),
    "eps-dos up": ("up", "live", "--lab"),
}


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environments]:
    """A lab with nothing in it."""
    with Environments.started(tmp_path_factory.mktemp("reviewing")) as made:
        yield made


@contextmanager
def violating(environments: Environments, rule: str) -> Iterator[None]:
    """Let the program break a rule."""
    name, old, new = VIOLATIONS[rule]
    file = environments.checkout / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    try:
        yield
    finally:
        file.write_text(text)


def resources(environments: Environments) -> list[Any]:
    """Return the state of Live, resource by resource; none before it was ever brought up."""
    return list(environments.export("live")["deployment"].get("resources") or [])


@pytest.mark.parametrize(("rule", "command"), list(zip(VIOLATIONS, COMMANDS, strict=True)))
def test_a_violation_stops_up_before_anything_is_made(environments: Environments, rule: str, command: str) -> None:
    with violating(environments, rule):
        refused = environments.eps_dos(*COMMANDS[command], check=False)
    assert refused.returncode != 0
    assert rule in refused.stdout + refused.stderr
    assert environments.inventory("live") == Counter()
    assert resources(environments) == []


def test_a_violation_stops_up_before_anything_is_changed(environments: Environments) -> None:
    environments.up("live")
    before, state = environments.inventory("live"), resources(environments)
    assert before["instance"] > 0
    environments.edit("live", "minimum: 6", "minimum: 9")
    with violating(environments, "versioned"):
        refused = environments.eps_dos(*COMMANDS["pulumi up"], check=False)
    assert refused.returncode != 0
    assert "versioned" in refused.stdout + refused.stderr
    environments.undo_edits()
    assert environments.inventory("live") == before
    assert environments.group("live")["MinSize"] == 6
    assert resources(environments) == state


def planned(environments: Environments) -> set[tuple[str, str]]:
    """Return type and what an `up` of Live would change of it: an operation, an option or an input."""
    printed = environments.pulumi("preview", "--stack", "live", "--json", "--show-sames").stdout
    found = set()
    for step in json.loads(printed)["steps"]:
        old, new = step.get("oldState") or {}, step.get("newState") or {}
        kind = str((new or old)["type"])
        if step["op"] != "same":
            found.add((kind, str(step["op"])))
        # An option that isn't set isn't written.
        found |= {(kind, option) for option in ("protect", "retainOnDelete") if old.get(option) != new.get(option)}
        if old.get("inputs") != new.get("inputs"):
            found.add((kind, "inputs"))
    return found


def test_publishing_protects_and_retains_the_addresses_and_changes_nothing_else(environments: Environments) -> None:
    addresses = environments.outputs("live")["virtualIps"]
    before = (environments.checkout / "Pulumi.live.yaml").read_text()
    assert environments.eps_dos("vips", "publish", "live").stdout.count(" published") == 3
    written = (environments.checkout / "Pulumi.live.yaml").read_text()
    lines = [f'    {zone}: "{address}"' for zone, address in sorted(addresses.items())]
    assert written == "\n".join([before.rstrip("\n"), "  eps-dos-api:virtualIps:", *lines, ""])
    assert planned(environments) == {(EIP, "protect"), (EIP, "retainOnDelete")}
    environments.deploy("live")
    assert planned(environments) == set()
    assert environments.outputs("live")["virtualIps"] == addresses


def test_what_is_published_refuses_to_be_destroyed(environments: Environments) -> None:
    before, addresses = environments.inventory("live"), environments.outputs("live")["virtualIps"]
    # By itself, since all of Live is refused for its load balancer already.
    target = ("--target", "**live-vip-eu-west-2a")
    refused = environments.pulumi("destroy", "--stack", "live", "--yes", *target, check=False)
    assert refused.returncode != 0
    assert "it is protected" in refused.stdout + refused.stderr
    assert environments.inventory("live") == before
    assert environments.outputs("live")["virtualIps"] == addresses


def test_a_change_by_hand_is_seen_and_several_stacks_are_reviewed_at_once(environments: Environments) -> None:
    elbv2, arn = environments.client("elbv2"), environments.group("live")["TargetGroupARNs"][0]
    elbv2.modify_target_group(TargetGroupArn=arn, HealthCheckIntervalSeconds=30)
    refreshed = reviews(environments, "live", "nft")
    assert [one["name"] for one in refreshed["live"]["drift"]] == ["live-tg"]
    assert refreshed["live"]["source"]["label"] == "the lab as it is, not AWS, refreshed"
    # Not there yet: all of it would be made.
    assert set(refreshed["nft"]["counts"]) == {"create"}
    assert (refreshed["nft"]["verdict"], refreshed["nft"]["drift"]) == ("calm", [])
    assert reviews(environments, "live", "--no-refresh")["live"]["drift"] == []
    elbv2.modify_target_group(TargetGroupArn=arn, HealthCheckIntervalSeconds=10)


def reviews(environments: Environments, *arguments: str) -> dict[str, Any]:
    """Return the review of each stack."""
    printed = environments.eps_dos("review", *arguments, "--format", "json", check=False).stdout
    return {one["stack"]: one for one in json.loads(printed)["stacks"]}


def test_another_address_in_the_file_is_refused_with_whose_firewalls_have_it(environments: Environments) -> None:
    address = environments.outputs("live")["virtualIps"]["eu-west-2b"]
    environments.edit("live", f'eu-west-2b: "{address}"', 'eu-west-2b: "192.0.2.77"')
    said = f"would be {address} in eu-west-2b; 192.0.2.77 is published"
    refused = environments.pulumi("up", "--stack", "live", "--yes", check=False)
    assert refused.returncode != 0
    assert said in refused.stdout + refused.stderr
    live = reviews(environments, "live")["live"]
    assert live["verdict"] == "failed"
    concerned = {(one["address"], *danger["concerns"]) for danger in live["dangers"] for one in danger["addresses"]}
    assert concerned == {(address, "Example Prescribing", "Sample Dispensing")}
