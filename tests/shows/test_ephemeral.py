"""Environments made for one test, as testers and the hourly workflow meet them: what issue "Ephemeral" promises.

On the real engine and the emulator; what only decides is tested beside `infra.ephemeral` and `infra.reaping`.
"""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import pytest

from infra.environment import LIFETIME
from infra.types import LAUNCH_TEMPLATE
from lab.control import Control
from ops.stacks.holders import announced
from ops.stacks.store import Folder
from tests.labs import EPS_DOS, LOCKS, STACKS, lock_of
from tests.shows.environments import Environments, kill_session, until

pytestmark = [pytest.mark.engine, pytest.mark.scenario]

POINTS = 10
"""So often a create is killed, each time further on."""


@pytest.fixture(autouse=True)
def nothing_is_left(environments: Environments) -> Iterator[None]:
    """Whatever a test makes and lets go, the account is afterwards what it was, and so is the checkout."""
    before, files = account(environments), environments.changes_of_the_checkout()
    yield
    left = [one["name"] for one in listed(environments)]
    for name in left:
        # What failed here is not to fail the next.
        environments.eps_dos("ephemeral", "destroy", name, "--yes", check=False)
    assert left == []
    assert account(environments) == before
    assert environments.changes_of_the_checkout() == files


def account(environments: Environments) -> dict[str, set[str]]:
    """Return everything in the account that an environment could have left, by kind."""
    ec2, elbv2, iam = (environments.client(service) for service in ("ec2", "elbv2", "iam"))
    s3, logs, cloudwatch = (environments.client(service) for service in ("s3", "logs", "cloudwatch"))
    route53, autoscaling, sns = (environments.client(service) for service in ("route53", "autoscaling", "sns"))
    running = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    reservations = ec2.describe_instances(Filters=running)["Reservations"]
    return {
        "VPCs": {one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]},
        "subnets": {one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]},
        "gateways": {one["InternetGatewayId"] for one in ec2.describe_internet_gateways()["InternetGateways"]},
        "route tables": {one["RouteTableId"] for one in ec2.describe_route_tables()["RouteTables"]},
        "endpoints": {one["VpcEndpointId"] for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]},
        "flow logs": {one["FlowLogId"] for one in ec2.describe_flow_logs()["FlowLogs"]},
        "security groups": {one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]},
        "interfaces": {one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]},
        "load balancers": {one["LoadBalancerArn"] for one in elbv2.describe_load_balancers()["LoadBalancers"]},
        "target groups": {one["TargetGroupArn"] for one in elbv2.describe_target_groups()["TargetGroups"]},
        "addresses": {one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]},
        "prefix lists": {one["PrefixListId"] for one in ec2.describe_managed_prefix_lists()["PrefixLists"]},
        "templates": {one["LaunchTemplateId"] for one in ec2.describe_launch_templates()["LaunchTemplates"]},
        "instances": {one["InstanceId"] for reservation in reservations for one in reservation["Instances"]},
        "volumes": {one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]},
        "scaling groups": {
            one["AutoScalingGroupName"] for one in autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        },
        "roles": {one["RoleName"] for one in iam.list_roles()["Roles"]},
        "profiles": {one["InstanceProfileName"] for one in iam.list_instance_profiles()["InstanceProfiles"]},
        "buckets": {one["Name"] for one in s3.list_buckets()["Buckets"]},
        "records": {
            one["Name"]
            for zone in route53.list_hosted_zones()["HostedZones"]
            for one in route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
        },
        "log groups": {one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]},
        "alarms": {
            one["AlarmName"]
            for kind in ("MetricAlarms", "CompositeAlarms")
            for one in cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])[kind]
        },
        "dashboards": {one["DashboardName"] for one in cloudwatch.list_dashboards()["DashboardEntries"]},
        "topics": {one["TopicArn"] for one in sns.list_topics()["Topics"]},
    }


def listed(environments: Environments) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(environments.eps_dos("ephemeral", "list", "--json").stdout)
    return found


def decisions(environments: Environments, *, dry_run: bool = True) -> dict[str, str]:
    """Return what reaping would do, or does, with each stack."""
    flags = ["--dry-run"] if dry_run else []
    done = environments.eps_dos("ephemeral", "reap", "--json", *flags, check=False)
    return {one["name"]: one["decision"] for one in json.loads(done.stdout)}


def calls(environments: Environments) -> dict[str, int]:
    """Return how often each operation of AWS has been called."""
    with urlopen(f"{environments.endpoint}/_lab/calls") as answer:  # noqa: S310 - of the loopback
        counts: dict[str, int] = json.load(answer)
    return counts


def requests(environments: Environments) -> int:
    return Control(environments.endpoint).health().requests


def begin(environments: Environments, *arguments: str) -> subprocess.Popen[str]:
    """Begin a command in a session of its own, so that all of it can be killed.

    What a killed command leaves of its temporary files, it leaves beside the checkout and not in this machine's folder.
    """
    return subprocess.Popen(
        [EPS_DOS, *arguments],
        cwd=environments.checkout,
        env={**environments.environment, "TMPDIR": str(environments.checkout.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def killed_after(environments: Environments, calls: int, *arguments: str) -> None:
    """Run a command and kill it, with all that it started, as soon as AWS has been called so often."""
    limit = requests(environments) + calls
    process = begin(environments, "ephemeral", *arguments)
    until(lambda: process.poll() is not None or requests(environments) >= limit)
    kill_session(process.pid)
    process.communicate()


@contextmanager
def odd_ones_beside(environments: Environments, expired: str) -> Iterator[Mapping[str, str]]:
    """Give stacks that are like an expired one but for one thing each, with the reason why each stays.

    They are in the backend alone; that nobody touched them shows at the end.
    """
    backend = environments.checkout / ".lab" / "backend"
    states = backend / ".pulumi" / "stacks" / "eps-dos-api"
    text = (states / f"{expired}.json").read_text()
    locks = backend.joinpath(*LOCKS.split("/"), "held")

    def edited(edit: Callable[[dict[str, Any]], object]) -> str:
        document = json.loads(text)
        for one in document["checkpoint"]["latest"]["resources"]:
            edit(one)
        return json.dumps(document)

    def undated(resource: dict[str, Any]) -> None:
        if resource["type"] == LIFETIME:
            resource["inputs"]["settings"]["eps-dos-api:ephemeral"]["expiresAt"] = "on Friday"

    # As the type of nothing, the mark is none.
    unmarked = text.replace(LIFETIME, "eps-dos-api:infra:Nothing")
    guarded = edited(lambda one: one.update(protect=one["type"] == "aws:ec2/vpc:Vpc"))
    content = {
        "guarded": (guarded, "holds what is protected: guarded-vpc"),
        "held": (text, "is being changed by ci on"),
        "live-2": (text, "has a name that no environment made for one test may have"),
        "undated": (edited(undated), "has an expiry that can't be read, or none"),
        "unmarked": (unmarked, "doesn't say in its state that it was made for one test"),
    }
    files = {states / f"{name}.json": state.replace(expired, name) for name, (state, _) in content.items()}
    # Its resources are tagged as the other's.
    files[states / "strange.json"] = text
    for file, state in files.items():
        file.write_text(state)
    locks.mkdir(parents=True)
    (locks / "someone.json").write_text(lock_of(os.getpid()))
    try:
        yield {
            **{name: reason for name, (_, reason) in content.items()},
            "strange": f"holds what is tagged as {expired}'s",
        }
        assert {file: file.read_text() for file in files} == files
    finally:
        for file in files:
            file.unlink(missing_ok=True)
        shutil.rmtree(locks)


def test_of_three_exactly_the_expired_goes(environments: Environments) -> None:
    lives = {"short": "1s", "long": "2h", "window": "1d"}
    with ThreadPoolExecutor(2) as pool:
        starts = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7200))
        made = pool.map(
            lambda one: environments.eps_dos(
                "ephemeral", "create", one, "--like", "int", "--ttl", lives[one],
                *(["--from", starts] if one == "window" else []), check=False,
            ),
            lives,
        )  # fmt: skip
        assert [one.returncode for one in made] == [0, 0, 0]
    # Its instances wait for the window.
    assert environments.group("window")["DesiredCapacity"] == 0
    assert environments.group("long")["DesiredCapacity"] == 3
    (action,) = environments.client("autoscaling").describe_scheduled_actions(
        AutoScalingGroupName=environments.outputs("window")["autoScalingGroup"]
    )["ScheduledUpdateGroupActions"]
    assert (action["DesiredCapacity"], f"{action['StartTime']:%Y-%m-%dT%H:%M:%SZ}") == (3, starts)

    with odd_ones_beside(environments, "short") as odd:
        stay = dict.fromkeys(("dev", "int", "live", "long", "nft", "window"), "stay")
        assert decisions(environments) == {**stay, **dict.fromkeys(odd, "refuse"), "short": "reap"}
        reaped = environments.eps_dos("ephemeral", "reap", check=False)
        assert "gone    short: expired at" in reaped.stderr
        for name, reason in odd.items():
            assert f"refuse  {name}: {reason}" in reaped.stderr
        # Somebody has to look at all that say they were made for a test, and may be over their time.
        assert (reaped.returncode, reaped.stdout) == (1, "1 gone, 5 still there; 6 stay\n")
    assert [one["name"] for one in listed(environments)] == ["long", "window"]
    assert environments.inventory("short") == {}
    for name in ("long", "window"):
        assert environments.inventory(name) != {}
        environments.eps_dos("ephemeral", "destroy", name, "--yes")


def test_its_whole_life(environments: Environments) -> None:
    test_data = environments.checkout.parent / "data"
    test_data.mkdir()
    (test_data / "services.json").write_text('{"services": []}')
    made = environments.eps_dos(
        "ephemeral", "create", "pr-7", "--like", "nft", "--scale", "0.25", "--until", "2099-01-01T00:00Z", check=False
    )
    assert made.returncode == 2
    assert "allowed: until" in made.stderr

    secret = environments.client("secretsmanager").create_secret(Name="eps-dos-api/one_test/any", SecretString="{}")[
        "ARN"
    ]
    create = (
        "ephemeral", "create", "pr-7", "--like", "int", "--ttl", "1h", "--owner", "a.tester", "--clients",
        "198.51.100.7/32", "--dataset", str(test_data), "--certificate",
    )  # fmt: skip
    without = environments.eps_dos(*create, secret.replace("/any-", "/none-"), check=False)
    assert (without.returncode, "certificate: arn:" in without.stderr) == (1, True)
    made = environments.eps_dos(*create, secret)
    assert "✗" not in made.stdout
    assert "tester 198.51.100.7/32" in made.stdout
    outputs = environments.outputs("pr-7")
    assert (outputs["dnsName"], outputs["owner"], outputs["like"]) == (
        "dos-pr-7.eps.digital.nhs.uk", "a.tester", "int",
    )  # fmt: skip
    assert outputs["virtualIps"] == {}
    told = environments.state_of("pr-7", LAUNCH_TEMPLATE)["inputs"]["userData"]
    assert secret in base64.b64decode(told).decode()
    resources = environments.export("pr-7")["deployment"]["resources"]
    assert not [one["urn"] for one in resources if one.get("protect") or one.get("retainOnDelete")]
    tags = environments.tags_in_aws("pr-7")
    # What would make instances anew doesn't carry what changes during a life.
    lacking = {kind for kind, known in tags.items() if "ExpiresAt" not in known}
    assert {kind.partition("::")[0] for kind in lacking} == {"aws:ec2/launchTemplate:LaunchTemplate"}
    objects = environments.client("s3").list_objects_v2(Bucket="eps-dos-api-pr-7-dataset")["Contents"]
    assert [one["Key"] for one in objects if not one["Key"].startswith("_loads/")] == ["services.json"]
    assert "made like int" in environments.eps_dos("dataset", "log", "pr-7").stdout

    again = environments.eps_dos("ephemeral", "create", "pr-7", "--like", "int", check=False)
    assert (again.returncode, "pr-7 is there, until" in again.stderr) == (1, True)
    group = environments.group("pr-7")
    extend = ("ephemeral", "extend", "pr-7", "--ttl", "3h")
    program = environments.checkout / "infra" / "tags.py"
    before = environments.export("pr-7")["deployment"]["resources"]
    try:
        program.write_text(program.read_text().replace('"directory-of-services-api"', '"another"'))
        refused = environments.eps_dos(*extend, check=False)
    finally:
        environments.undo_edits()
    assert (refused.returncode, "pr-7 would change in more than its end" in refused.stderr) == (1, True)
    assert "  aws:ec2/vpc:Vpc::pr-7-vpc: tags" in refused.stderr, refused.stderr
    assert environments.export("pr-7")["deployment"]["resources"] == before
    calls_before = calls(environments)
    environments.eps_dos(*extend)
    # What was called since tells another end, and that is all.
    since = {call.partition(".")[2] for call, count in calls(environments).items() if count > calls_before.get(call, 0)}
    changing = {action for action in since if not action.startswith(("Describe", "Get", "List", "Head"))}
    assert {action for action in changing if "Tag" not in action} == set(), changing
    assert changing
    assert environments.outputs("pr-7")["expiresAt"] > outputs["expiresAt"]
    assert {one["InstanceId"] for one in environments.group("pr-7")["Instances"]} == {
        one["InstanceId"] for one in group["Instances"]
    }
    history = json.loads(environments.pulumi("stack", "history", "--stack", "pr-7", "--json").stdout)
    assert history[0]["message"].startswith("extended by")
    shorter = environments.eps_dos("ephemeral", "extend", "pr-7", "--ttl", "1m", check=False)
    assert (shorter.returncode, "allowed: later" in shorter.stderr) == (2, True)
    longest = environments.eps_dos("ephemeral", "extend", "pr-7", "--ttl", "15d", check=False)
    assert (longest.returncode, "336 hours after" in longest.stderr) == (2, True)
    gone = environments.eps_dos("ephemeral", "destroy", "pr-7", "--yes")
    assert gone.stdout == "pr-7: gone\n"


def test_a_mirror_for_a_test_leaves_lives_data_alone_unless_it_says_why(environments: Environments) -> None:
    why = ["--live-data", "--reason", "a fault that only Live's data shows"]
    without_reason = environments.eps_dos("ephemeral", "create", "m", "--like", "nft", "--live-data", check=False)
    assert (without_reason.returncode, "needs --reason" in without_reason.stderr) == (2, True)
    environments.eps_dos("ephemeral", "create", "own", "--like", "nft", "--ttl", "1h", "--scale", "0.25")
    environments.eps_dos("ephemeral", "create", "lives", "--like", "nft", "--ttl", "1h", "--scale", "0.25", *why)
    assert environments.outputs("own")["dataset"] == {"kind": "Test data", "bucket": "eps-dos-api-own-dataset"}
    assert environments.outputs("lives")["dataset"] == {"kind": "Live", "bucket": "eps-dos-api-live-dataset"}
    for name in ("own", "lives"):
        assert environments.eps_dos("mirror", name, "--level", "state").returncode == 0
        environments.eps_dos("ephemeral", "destroy", name, "--yes")
    assert "eps-dos-api-live-dataset" in account(environments)["buckets"]


def test_of_two_creates_at_once_one_is_made(environments: Environments) -> None:
    both = [begin(environments, "ephemeral", "create", "twin", "--like", "int", "--ttl", ttl) for ttl in ("1h", "2h")]
    said = [one.communicate()[1] for one in both]
    codes = [one.returncode for one in both]
    assert sorted(codes)[0] == 0, said
    assert sorted(codes)[1] in (1, 3), said
    assert "Traceback" not in "".join(said)
    (twin,) = listed(environments)
    winner = ("1h", "2h")[codes.index(0)]
    assert twin["state"] == "up"
    assert twin["expiresIn"].startswith("59 m" if winner == "1h" else "1 h")
    environments.eps_dos("ephemeral", "destroy", "twin", "--yes")


def test_killed_at_any_point_nothing_is_left_behind(environments: Environments) -> None:
    first = requests(environments)
    environments.eps_dos("ephemeral", "create", "killed", "--like", "int", "--ttl", "1h")
    whole = requests(environments) - first
    killed_after(environments, 60, "destroy", "killed", "--yes")
    (halved,) = listed(environments)
    assert halved["state"] == "interrupted"
    environments.eps_dos("ephemeral", "destroy", "killed", "--yes")
    before = account(environments)
    for point in range(POINTS):
        killed_after(
            environments, whole * (point + 1) // (POINTS + 1), "create", "killed", "--like", "int", "--ttl", "1s"
        )
        # By turns, by hand and by the workflow.
        if point % 2:
            environments.eps_dos("ephemeral", "destroy", "killed", "--yes")
        else:
            time.sleep(1)
            reaped = environments.eps_dos("ephemeral", "reap", check=False)
            assert reaped.returncode == 0, (point, reaped.stdout, reaped.stderr)
        left = account(environments)
        assert {kind: left[kind] - before[kind] for kind in left if left[kind] - before[kind]} == {}, point
        assert listed(environments) == [], point


def test_a_living_lock_keeps_it_and_a_dead_one_throttling_edits_and_broken_files_do_not(
    environments: Environments,
) -> None:
    environments.eps_dos("ephemeral", "create", "old", "--like", "int", "--ttl", "1s")
    stored = environments.checkout / ".lab" / "backend"
    lock = stored / LOCKS / "old" / "someone.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(lock_of(os.getpid()))
    reaped = environments.eps_dos("ephemeral", "reap", check=False)
    assert reaped.returncode == 1
    assert "refuse  old: is being changed by ci on" in reaped.stderr
    # One that eps-dos has written down, as it does before Pulumi locks anything.
    with announced(Folder(stored), "eps-dos-api", "old") as announce:
        gone = subprocess.Popen(["sleep", "600"])
        announce(gone.pid)
        (written,) = stored.glob(".pulumi/eps-dos/eps-dos-api/old/*.json")
        beside = written.with_name("someone.json")
        beside.write_bytes(written.read_bytes())
    gone.kill()
    gone.wait()
    lock.write_text(lock_of(gone.pid))
    # What it was writing when it died.
    (stored / STACKS / "old.json.attrs").write_text("")
    # A tag says nothing about when it goes.
    ec2 = environments.client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "tag:Environment", "Values": ["old"]}])["Vpcs"]
    ec2.create_tags(Resources=[vpc["VpcId"]], Tags=[{"Key": "ExpiresAt", "Value": "2099-01-01T00:00:00Z"}])
    Control(environments.endpoint).throttle("ec2", "DeleteSubnet", 3)
    try:
        (environments.checkout / "__main__.py").write_text("raise RuntimeError('written for another Pulumi')\n")
        (environments.checkout / "Pulumi.int.yaml").write_text("config: [broken")
        (environments.checkout / "releases.yaml").write_text("releases: []\n")
        reaped = environments.eps_dos("ephemeral", "reap", check=False)
        assert reaped.returncode == 0, reaped.stderr
    finally:
        environments.undo_edits()


def test_while_the_backend_is_gone_nothing_is_lost(environments: Environments) -> None:
    backend = environments.checkout / ".lab" / "backend"
    away = backend.with_name("away")
    enough = requests(environments) + 60
    making = begin(environments, "ephemeral", "create", "unkept", "--like", "int", "--ttl", "1s")
    until(lambda: requests(environments) >= enough)
    backend.rename(away)
    # A file, since Pulumi would make the folder anew.
    backend.touch()
    try:
        said = making.communicate()[1]
        assert making.returncode == 3
        assert "eps-dos ephemeral destroy unkept" in said
        assert "Traceback" not in said
        refused = environments.eps_dos("ephemeral", "reap", check=False)
        assert (refused.returncode, refused.stdout) == (3, "")
        assert "Traceback" not in refused.stderr
    finally:
        backend.unlink()
        away.rename(backend)
    environments.eps_dos("ephemeral", "reap")
