"""A release travels from NFT to Live, on the real engine and the emulated AWS: each test is one station, in order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.labs import LabCopy, copied

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("releases")]

FILES = ("Pulumi.live.yaml", "Pulumi.nft.yaml", "Pulumi.int.yaml", "Pulumi.dev.yaml")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, engine: object) -> Iterator[LabCopy]:
    """Live and its mirror, both on 1.4.0; evidence is asked for, but no time is."""
    with copied(tmp_path_factory.mktemp("releases")) as made:
        catalogue = made.checkout / "releases.yaml"
        catalogue.write_text(f"evidenceHours: 0\n{catalogue.read_text()}")
        made.eps_dos("up", "nft", "--lab", check=True)
        yield made


def contents(lab: LabCopy) -> dict[str, bytes]:
    return {name: (lab.checkout / name).read_bytes() for name in FILES}


def client(lab: LabCopy, service: str) -> Any:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-2")  # noqa: S106 - of the emulator
    running = lab.lab.status().running
    assert running is not None
    make: Any = session.client
    return make(service, endpoint_url=running.endpoint)


def positions(lab: LabCopy) -> dict[str, dict[str, Any]]:
    return {one["stack"]: one for one in json.loads(lab.eps_dos("release", "status", "--lab", "--json").stdout)}


def test_live_does_not_take_what_nft_never_ran_and_nothing_is_written(lab: LabCopy) -> None:
    before = contents(lab)
    refused = lab.eps_dos("release", "promote", "1.5.0", "--to", "live", "--lab")
    assert refused.returncode == 1
    assert "nft never ran 1.5.0" in refused.stdout
    assert contents(lab) == before


def test_an_unhealthy_release_is_rolled_back_and_everything_agrees_on_what_runs(lab: LabCopy) -> None:
    lab.eps_dos("release", "promote", "1.5.0", "--to", "nft", "--lab", check=True)
    lab.eps_dos("lab", "fault", "unhealthy", "1.5.0", check=True)
    failed = lab.pulumi("up", "--stack", "nft", "--yes", "--skip-preview", check=False)
    assert failed.returncode != 0
    assert "ended as RollbackSuccessful: 1.4.0 runs again" in failed.stdout
    nft = positions(lab)["nft"]
    assert (nft["resolved"], nft["deployed"], nft["running"]) == ("1.5.0", "1.4.0", {"1.4.0": 3})
    assert "ended as RollbackSuccessful" in nft["rollout"]
    preview = lab.pulumi("preview", "--stack", "nft", "--diff")
    assert '"1.4.0" => "1.5.0"' in preview.stdout
    lab.eps_dos("lab", "fault", "clear", check=True)


def test_a_rollout_brings_every_instance_and_the_number_in_service_never_falls(lab: LabCopy) -> None:
    counts: list[int] = []
    over = threading.Event()
    autoscaling = client(lab, "autoscaling")

    def sample() -> None:
        while not over.wait(0.1):
            groups = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
            (group,) = [one for one in groups if one["AutoScalingGroupName"].startswith("nft-")]
            counts.append(sum(one["LifecycleState"] == "InService" for one in group["Instances"]))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        done = lab.pulumi("up", "--stack", "nft", "--yes", "--skip-preview")
    finally:
        over.set()
        sampler.join()
    assert "rollout of 1.5.0: Successful, 100 % of the instances replaced" in done.stdout
    assert len(counts) > 5
    assert min(counts) >= 3
    assert positions(lab)["nft"]["running"] == {"1.5.0": 3}


def test_once_live_has_it_nft_has_nothing_to_do(lab: LabCopy) -> None:
    promoted = lab.eps_dos("release", "promote", "1.5.0", "--to", "live", "--lab", check=True)
    assert "deployed successfully to nft at" in promoted.stdout
    lab.pulumi("up", "--stack", "live", "--yes", "--skip-preview")
    assert positions(lab)["live"]["running"] == {"1.5.0": 6}
    lab.pulumi("preview", "--stack", "nft", "--expect-no-changes")


def test_verify_finds_what_was_promised_and_names_what_somebody_changed(lab: LabCopy) -> None:
    lab.eps_dos("verify", "live", "--lab", check=True)
    autoscaling, ec2 = client(lab, "autoscaling"), client(lab, "ec2")
    groups = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    (group,) = [one["AutoScalingGroupName"] for one in groups if one["AutoScalingGroupName"].startswith("live-")]
    autoscaling.update_auto_scaling_group(AutoScalingGroupName=group, MaxSize=60)
    tagged = [{"Name": "tag:Name", "Values": ["live-service"]}]
    (security_group,) = [one["GroupId"] for one in ec2.describe_security_groups(Filters=tagged)["SecurityGroups"]]
    ec2.authorize_security_group_ingress(
        GroupId=security_group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="10.0.0.0/8"
    )
    verified = lab.eps_dos("verify", "live", "--lab", "--json")
    assert verified.returncode == 1
    (report,) = json.loads(verified.stdout)
    wrong = {one["name"]: one["evidence"] for one in report["checks"] if one["verdict"] == "failed"}
    assert wrong.keys() == {"capacity", "firewall rules", "rules"}
    assert "the group has 6 to 60" in wrong["capacity"]
    assert wrong["firewall rules"] == "live-service: tcp 22 from 10.0.0.0/8 is not decided"
