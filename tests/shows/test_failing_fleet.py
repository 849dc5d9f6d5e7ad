"""Live's instances fail and its alarm rings, or its image is gone: what can be deployed, and the way out.

One lab, in the order of an incident. In the lab an alarm's state is set: no metric has data there.
"""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from infra.types import LAUNCH_TEMPLATE, ROLLOUT, TOPIC_SUBSCRIPTION
from tests.shows.environments import Environments

pytestmark = [pytest.mark.engine, pytest.mark.scenario]

OLD, FIX = "1.4.0", "1.5.0"
REMOVED = "203.0.113.0/27"
"""Sample Dispensing's."""
REASON = "incident 4711: instances fail"


@pytest.fixture(scope="module", autouse=True)
def subscribed(environments: Environments) -> None:
    """Somebody hears of Live's alarms."""
    file = environments.checkout / "Pulumi.live.yaml"
    file.write_text(f"{file.read_text().rstrip()}\n  eps-dos-api:alarmSubscribers: [on-call@example.org]\n")
    environments.deploy("live")


def fail(environments: Environments, release: str) -> str:
    """Let instances of a release fail and the alarm ring; return its name."""
    environments.make_healthy()
    environments.make_unhealthy(release)
    (alarm,) = environments.state_of("live", ROLLOUT)["outputs"]["alarmNames"]
    environments.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="by a test")
    return str(alarm)


def promote(environments: Environments, version: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Promote a release to Live, which no mirror has run: evidence is overridden where it isn't a rollback."""
    return environments.eps_dos("release", "promote", version, "--to", "live", *options, check=False)


def newest(environments: Environments) -> dict[str, Any]:
    """Return the newest instance refresh of Live's group; empty if it had none."""
    described = environments.client("autoscaling").describe_instance_refreshes(
        AutoScalingGroupName=environments.outputs("live")["autoScalingGroup"]
    )
    return next(iter(described["InstanceRefreshes"]), {})


def admitted(environments: Environments) -> set[str]:
    """Return the ranges that may connect to Live, as AWS has them."""
    ec2 = environments.client("ec2")
    lists = ec2.describe_managed_prefix_lists(Filters=[{"Name": "tag:Environment", "Values": ["live"]}])["PrefixLists"]
    (found,) = lists
    entries = ec2.get_managed_prefix_list_entries(PrefixListId=found["PrefixListId"])["Entries"]
    return {entry["Cidr"] for entry in entries}


def hears(environments: Environments) -> bool:
    """Return whether anybody hears of Live's alarms, as its state has it."""
    resources = environments.export("live")["deployment"]["resources"]
    return any(resource["type"] == TOPIC_SUBSCRIPTION for resource in resources)


def test_nobody_promotes_past_an_alarm_without_a_word(environments: Environments) -> None:
    alarm = fail(environments, OLD)
    before = (environments.checkout / "Pulumi.live.yaml").read_bytes()
    refused = promote(environments, FIX, "--override", "evidence", "--reason", REASON)
    assert refused.returncode == 1
    assert f"{alarm} is ALARM: AWS starts no rollout until it is OK again" in refused.stdout
    assert f"eps-dos release promote {FIX} --to live --override alarms" in refused.stdout
    assert (environments.checkout / "Pulumi.live.yaml").read_bytes() == before


def test_the_fix_does_not_start_and_all_else_is_deployed(environments: Environments) -> None:
    alarm = fail(environments, OLD)
    assert REMOVED in admitted(environments)
    environments.set_release("live", FIX)
    suppliers = environments.checkout / "suppliers.yaml"
    suppliers.write_text(suppliers.read_text().replace("environments: [live, int]", "environments: [int]"))
    environments.edit("live", "  eps-dos-api:alarmSubscribers: [on-call@example.org]\n", "")
    environments.eps_dos("lab", "start")
    warned = environments.eps_dos("review", "live", "--no-refresh", check=False).stdout
    assert f"{alarm} is ALARM: the rollout of {FIX} would not start, and all else would be deployed" in warned
    failed = environments.pulumi("up", "--stack", "live", "--yes", "--skip-preview", check=False)
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    (sentence,) = [line.strip() for line in said.splitlines() if line.strip().startswith("error: rollout of")]
    group = environments.outputs("live")["autoScalingGroup"]
    assert sentence == (
        f"error: rollout of {FIX} to {group} was not started, since AWS starts none unless its alarms are OK, and "
        f"{alarm} is ALARM; {OLD} stays; to roll it out all the same: eps-dos release promote {FIX} --to live "
        '--override alarms --reason "..."'
    )
    assert newest(environments) == {}
    assert REMOVED not in admitted(environments)
    assert environments.state_of("live", ROLLOUT)["outputs"]["release"] == OLD
    # Pulumi deletes last, and nothing after a failure: what only goes waits.
    assert hears(environments)


def test_the_fix_goes_out_where_the_alarm_is_overridden(environments: Environments) -> None:
    done = promote(environments, FIX, "--override", "evidence", "--override", "alarms", "--reason", REASON)
    assert done.returncode == 0, done.stdout + done.stderr
    said = environments.deploy("live")
    assert "nothing is rolled back by itself" in said
    ended = newest(environments)
    assert ended["Status"] == "Successful"
    assert ended["Preferences"]["AutoRollback"] is False
    assert "AlarmSpecification" not in ended["Preferences"]
    assert environments.images("live") == {environments.image(FIX)}
    assert not hears(environments)


def test_a_rollback_to_what_live_has_run_needs_no_further_word(environments: Environments) -> None:
    fail(environments, FIX)
    done = promote(environments, OLD, "--rollback")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a rollback starts all the same" in done.stdout
    environments.deploy("live")
    assert newest(environments)["Status"] == "Successful"
    assert environments.images("live") == {environments.image(OLD)}
    environments.pulumi("preview", "--stack", "live", "--expect-no-changes")


def test_where_the_image_is_gone_a_supplier_is_cut_off_all_the_same(environments: Environments) -> None:
    """Nothing can be launched, so instances and their launch template stay; the rollout comes last and says why."""
    ec2 = environments.client("ec2")
    gone, fix = environments.image(OLD), environments.image(FIX)
    ec2.deregister_image(ImageId=gone)
    ec2.disable_image(ImageId=fix)
    environments.undo_edits()
    environments.set_release("live", OLD)
    suppliers = environments.checkout / "suppliers.yaml"
    suppliers.write_text(suppliers.read_text().replace(", 198.51.100.16/28]", "]"))
    environments.eps_dos("lab", "start")
    before = environments.state_of("live", LAUNCH_TEMPLATE)["inputs"]
    assert f"release {OLD}: self has no image eps-dos-api-{OLD} that can be launched" in environments.deploy("live")
    assert "198.51.100.16/28" not in admitted(environments)
    assert environments.state_of("live", LAUNCH_TEMPLATE)["inputs"] == before
    assert environments.state_of("live", ROLLOUT)["outputs"]["imageId"] == gone

    asked = environments.eps_dos("release", "check", "live").stdout
    assert "instances stay as they are" in asked
    assert f"live runs it: self has no image {gone} that can be launched" in asked
    verified = environments.eps_dos("verify", "live", check=False)
    assert verified.returncode == 1
    assert f"self has no image {gone} that can be launched" in verified.stdout

    environments.set_release("live", FIX)
    suppliers.write_text(suppliers.read_text().replace("[192.0.2.0/28]", "[192.0.2.0/29]"))
    environments.eps_dos("lab", "start")
    failed = environments.pulumi("up", "--stack", "live", "--yes", "--skip-preview", check=False)
    assert failed.returncode != 0
    group = environments.outputs("live")["autoScalingGroup"]
    sentence = (
        f"rollout of {FIX} to {group} was not started, since self has no image eps-dos-api-{FIX} that can be launched"
    )
    assert f"error: {sentence}" in failed.stdout + failed.stderr
    assert "192.0.2.0/29" in admitted(environments)
    assert environments.state_of("live", ROLLOUT)["outputs"]["release"] == OLD

    ec2.enable_image(ImageId=fix)
    (alarm,) = environments.state_of("live", ROLLOUT)["outputs"]["alarmNames"]
    environments.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="by a test")
    environments.make_healthy()
    environments.deploy("live")
    assert environments.images("live") == {fix}


def test_another_cost_centre_replaces_nobody(environments: Environments) -> None:
    """It is on the group, and on what the group launches from then on."""
    rolled_out, template = newest(environments)["InstanceRefreshId"], environments.state_of("live", LAUNCH_TEMPLATE)
    environments.edit("live", "CostCentre: to be decided", "CostCentre: '4711'")
    environments.eps_dos("lab", "start")
    environments.deploy("live")
    assert newest(environments)["InstanceRefreshId"] == rolled_out
    after = environments.state_of("live", LAUNCH_TEMPLATE)
    assert after["outputs"]["latestVersion"] == template["outputs"]["latestVersion"]
    assert after["outputs"]["tags"]["CostCentre"] == "4711"
    handed_on = {tag["Key"]: tag["Value"] for tag in environments.group("live")["Tags"] if tag["PropagateAtLaunch"]}
    assert handed_on["CostCentre"] == "4711"
    environments.pulumi("preview", "--stack", "live", "--expect-no-changes")
