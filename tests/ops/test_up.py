"""`eps-dos up`: what is wrong is said before anything is touched; what is up is held against what was promised."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.errors import ConfigError
from ops.stacks.locks import Lock
from ops.up import UpError, wanted
from tests.labs import LOCKS, STACKS, LabCopy, copied_lab, lock_of


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Replace a text in a file; it must be there."""
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


WRONG: dict[str, tuple[str, str, str, str]] = {
    "scale of a word": ("Pulumi.nft.yaml", "scale: 0.5", "scale: half", "Pulumi.nft.yaml: eps-dos-api:scale is half"),
    "scale of nought": ("Pulumi.nft.yaml", "scale: 0.5", "scale: 0", "Pulumi.nft.yaml: eps-dos-api:scale is 0"),
    "a key twice": (
        "Pulumi.nft.yaml",
        "eps-dos-api:scale: 0.5",
        "eps-dos-api:scale: 0.5\n  eps-dos-api:scale: 0.5",
        "stands twice",
    ),
    "a key that no mirror has": (
        "Pulumi.nft.yaml",
        "eps-dos-api:scale: 0.5",
        "eps-dos-api:instanceType: c7g.xlarge",
        "Pulumi.nft.yaml: eps-dos-api:instanceType",
    ),
    "broken YAML": ("Pulumi.nft.yaml", "config:", "config: [", "Pulumi.nft.yaml: is no valid YAML: line"),
    "broken YAML in Live's file": ("Pulumi.live.yaml", "config:", "config: [", "Pulumi.live.yaml: is no valid YAML"),
    "no such release": ("Pulumi.live.yaml", '"1.4.0"', '"9.9.9"', "9.9.9; allowed: a version of releases.yaml"),
    "a broken catalogue": ("releases.yaml", "version:", "versoin:", "releases.yaml"),
}


@pytest.mark.parametrize(("name", "old", "new", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_configuration_is_one_error_before_anything_starts(
    unstarted_lab: LabCopy, name: str, old: str, new: str, said: str
) -> None:
    edit(unstarted_lab.checkout, name, old, new)
    refused = unstarted_lab.eps_dos("up", "--lab", "nft")
    assert refused.returncode == 2, refused.stderr
    assert said in refused.stderr
    assert "    fix: " in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""
    assert not (unstarted_lab.checkout / ".lab").exists()


def test_a_mirror_of_a_file_that_is_gone_is_one_error(unstarted_lab: LabCopy) -> None:
    (unstarted_lab.checkout / "Pulumi.live.yaml").unlink()
    refused = unstarted_lab.eps_dos("up", "--lab", "nft")
    assert (refused.returncode, refused.stderr.count("Pulumi.live.yaml")) == (2, 2)
    assert "there is no Pulumi.live.yaml" in refused.stderr
    assert not (unstarted_lab.checkout / ".lab").exists()


@pytest.mark.parametrize("stack", ["../x", "-y", "LIVE", "a b", "", "staging"])
def test_a_stack_that_there_can_not_be_is_one_error(unstarted_lab: LabCopy, stack: str) -> None:
    refused = unstarted_lab.eps_dos("up", "--lab", "--", stack)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert not (unstarted_lab.checkout / ".lab").exists()


def test_an_endpoint_elsewhere_is_refused(unstarted_lab: LabCopy) -> None:
    elsewhere = {"AWS_ENDPOINT_URL": "https://ec2.eu-west-2.amazonaws.com"}
    refused = unstarted_lab.eps_dos("up", "--lab", "dev", variables=elsewhere)
    assert refused.returncode == 2
    assert "allowed in the lab" in refused.stderr


def test_what_a_mirror_leans_on_comes_first_in_the_lab_and_is_left_alone_elsewhere(unstarted_lab: LabCopy) -> None:
    folder = unstarted_lab.checkout
    assert [one.name for one in wanted("nft", folder, with_foundation=True)] == ["live", "nft"]
    assert [one.name for one in wanted("nft", folder, with_foundation=False)] == ["nft"]
    assert [one.name for one in wanted("dev", folder, with_foundation=True)] == ["dev"]
    edit(folder, "Pulumi.live.yaml", "minimum: 6", "minimum: six")
    with pytest.raises(ConfigError):
        wanted("nft", folder, with_foundation=True)


@pytest.fixture(scope="module")
def int_up(all_up: LabCopy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCopy]:
    """A lab with int up, and brought up again by the command."""
    with copied_lab(all_up, tmp_path_factory.mktemp("int")) as lab:
        done = lab.eps_dos("up", "--lab", "int", check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert "$ pulumi up --stack int --yes" in done.stderr
        assert "not Amazon's" in done.stderr
        assert "✓  name             dos-int.eps.digital.nhs.uk" in done.stdout
        assert "✗" not in done.stdout
        yield lab


def table(lab: LabCopy) -> tuple[int, dict[str, dict[str, Any]]]:
    """Bring int up again; return the exit code, and its table by line."""
    done = lab.eps_dos("up", "--lab", "--json", "int", check=False)
    # Pulumi's own progress comes first.
    printed = done.stdout[done.stdout.index("\n[\n") :]
    (report,) = json.loads(printed)
    assert report["title"] == "int"
    return done.returncode, {check["name"]: check for check in report["checks"]}


def aws(lab: LabCopy, service: str) -> Any:
    """Return a client of the lab's AWS."""
    running = lab.lab.status().running
    assert running is not None
    # The emulator's; no secret.
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-2")  # noqa: S106
    return session.client(service, endpoint_url=running.endpoint)  # type: ignore[call-overload]  # any service


@pytest.mark.scenario
@pytest.mark.engine
def test_the_table_holds_for_what_pulumi_has_made(int_up: LabCopy) -> None:
    code, checks = table(int_up)
    assert code == 0
    assert {check["verdict"] for check in checks.values()} == {"ok"}
    outputs = json.loads(int_up.pulumi("stack", "output", "--json", "--stack", "int").stdout)
    assert all(address in checks["virtual IPs"]["value"] for address in outputs["virtualIps"].values())
    assert checks["name"]["evidence"] == f"alias of {outputs['loadBalancerDnsName']}"


@pytest.mark.scenario
@pytest.mark.engine
def test_a_change_behind_pulumis_back_fails_its_line(int_up: LabCopy) -> None:
    """`up` without a refresh doesn't see it; the table, which asks AWS, does."""
    ec2, elbv2 = aws(int_up, "ec2"), aws(int_up, "elbv2")
    own = [{"Name": "tag:Environment", "Values": ["int"]}]
    groups = ec2.describe_security_groups(Filters=own)["SecurityGroups"]
    (group,) = [one["GroupId"] for one in groups if one["GroupName"].startswith("int-load-balancer")]
    opened = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[opened])
    balancers = elbv2.describe_load_balancers()["LoadBalancers"]
    (balancer,) = [one["LoadBalancerArn"] for one in balancers if one["LoadBalancerName"].startswith("int-")]
    (targets,) = elbv2.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]
    forward = [{"Type": "forward", "TargetGroupArn": targets["TargetGroupArn"]}]
    second = elbv2.create_listener(LoadBalancerArn=balancer, Protocol="TCP", Port=8443, DefaultActions=forward)
    try:
        code, checks = table(int_up)
    finally:
        elbv2.delete_listener(ListenerArn=second["Listeners"][0]["ListenerArn"])
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[opened])
    assert code == 1
    assert checks["who may connect"]["evidence"] == "whoever is outside 10.40.0.0/16 may not"
    assert checks["port"]["evidence"] == "the load balancer listens on TCP 443, TCP 8443"
    assert {name for name, one in checks.items() if one["verdict"] == "failed"} == {"who may connect", "port"}
    assert table(int_up)[0] == 0


@pytest.mark.scenario
@pytest.mark.engine
def test_a_program_that_fails_ends_with_one_sentence_and_exit_3(int_up: LabCopy) -> None:
    """What the configuration can't know, AWS says: here, that somebody else has the dataset's name."""
    taken = "a-bucket-of-somebody-else"
    aws(int_up, "s3").create_bucket(Bucket=taken, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    edit(int_up.checkout, "Pulumi.int.yaml", "eps-dos-api-int-dataset", taken)
    try:
        failed = int_up.eps_dos("up", "--lab", "int", check=False)
    finally:
        edit(int_up.checkout, "Pulumi.int.yaml", taken, "eps-dos-api-int-dataset")
    assert failed.returncode == 3
    assert "pulumi up of int failed (exit code" in failed.stderr
    assert "Traceback" not in failed.stderr + failed.stdout


@pytest.mark.scenario
@pytest.mark.engine
def test_a_state_that_a_killed_run_left_unreadable_is_mended_and_the_next_up_is_fine(int_up: LabCopy) -> None:
    backend = int_up.checkout / ".lab" / "backend"
    description = backend / STACKS / "int.json.attrs"
    description.write_text("")
    at_work = backend / LOCKS / "int" / "a.json"
    at_work.parent.mkdir(parents=True, exist_ok=True)
    at_work.write_text(lock_of(os.getpid()))
    try:
        # Whoever has the lock may be about to write it.
        left_alone = int_up.eps_dos("up", "--lab", "int", check=False)
        assert description.read_text() == ""
    finally:
        at_work.unlink()
    assert (left_alone.returncode, "cut short" in left_alone.stderr) == (3, False)
    mended = int_up.eps_dos("up", "--lab", "int", check=False)
    assert mended.returncode == 3
    assert mended.stderr.endswith(
        "removed int.json.attrs, which a run that is dead left cut short\n    fix: the same command again\n"
    )
    assert table(int_up)[0] == 0


def test_waiting_ends_when_nothing_settles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Targets that never get healthy are told after the time that they have, and no later."""
    from dataclasses import replace

    from ops.stacks.engine import StackHandle
    from ops.stacks.place import Place
    from ops.verify import settled as settling
    from ops.verify.settled import HEALTHY_WITHIN_SECONDS, settled
    from tests.infra.sample import environment
    from tests.ops import sample

    found = sample.inventory()
    sick = tuple(replace(one, state="unhealthy") for one in found.target_groups[0].targets)
    found = replace(found, target_groups=(replace(found.target_groups[0], targets=sick),))
    monkeypatch.setattr(settling, "read", lambda _aws, _subject: found)
    monkeypatch.setattr(StackHandle, "outputs", lambda _self: {"virtualIps": sample.ADDRESSES})
    at = Place(
        folder=tmp_path, checkout=tmp_path, cli=tmp_path, version="0", in_lab=True, check_endpoint=lambda one: one
    )
    times = itertools.count(0, 30)
    pauses: list[float] = []
    seen = settled(environment("live"), at, clock=lambda: next(times), pause=pauses.append)
    assert [check.name for check in seen.checks if check.verdict == "failed"] == ["targets"]
    assert len(pauses) == HEALTHY_WITHIN_SECONDS // 30 - 1
    assert pauses == sorted(pauses)


def lock(*, dead: bool | None) -> Lock:
    taken = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    return Lock(path="a.json", pid=7, username="ann", hostname="a-runner", taken=taken, dead=dead)


def test_a_lock_is_named_with_who_has_it_since_when_and_what_removes_it() -> None:
    gone = str(UpError("nft", 255, [lock(dead=True)]))
    assert "nft is locked since 2026-11-24 09:30 by ann@a-runner, process 7, which is gone\n" in gone
    assert "    fix: pulumi cancel --yes --stack nft, then again; a rollout that goes on is joined" in gone
    elsewhere = str(UpError("nft", 255, [lock(dead=None)], in_lab=True))
    assert (
        "by ann@a-runner, process 7, if it is gone\n    fix: eps-dos lab pulumi cancel --yes --stack nft" in elsewhere
    )
    # Somebody who is at work is nobody's to unlock.
    assert str(UpError("nft", 255, [lock(dead=False)])) == str(UpError("nft", 255))
