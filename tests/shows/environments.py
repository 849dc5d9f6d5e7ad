"""Environments in a lab of their own, and questions to AWS about them: what the shows read."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from infra.graph import Graph, Resource, compare
from infra.rules import TAGGABLE
from infra.types import SCALING_GROUP, STACK
from tests.labs import LabCopy, copy_checkout, stopped_afterwards

LONGEST_WAIT_SECONDS = 300.0
STACKS = ("live", "nft", "int", "dev")


@dataclass(frozen=True, kw_only=True)
class Environments(LabCopy):
    """A copy of the checkout with its lab, and environments in it."""

    _exports: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    _clients: dict[str, Any] = field(init=False, default_factory=dict)

    @classmethod
    def at(cls, folder: Path, pace: int = 600) -> "Environments":
        """Return the lab of a checkout under `folder`; making it touches nothing.

        `pace` is how many seconds pass in it while one does here.
        """
        return cls(checkout=folder / "checkout", variables={"EPS_DOS_LAB_PACE": str(pace), "EPS_DOS_LAB": "1"})

    def prepare(self) -> None:
        """Copy this checkout, and start the lab."""
        self.checkout.mkdir(parents=True)
        copy_checkout(self.checkout)
        for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "as it was"]):
            git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", *command]
            _run(git, self.checkout, os.environ)
        self.eps_dos("lab", "start")

    @classmethod
    @contextmanager
    def started(cls, folder: Path, pace: int = 600) -> Iterator["Environments"]:
        """Give a lab with nothing in it, as `at` and `prepare` make it, and stop it afterwards."""
        made = cls.at(folder, pace)
        with stopped_afterwards(made):
            made.prepare()
            yield made

    def eps_dos(
        self, *arguments: str, check: bool = True, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `eps-dos` in the checkout; with `check`, fail with what it printed unless it exits with 0."""
        self._exports.clear()
        return super().eps_dos(*arguments, check=check, variables=variables)

    def up(self, stack: str) -> None:
        """Bring `stack` up, and hold each line of its table against AWS."""
        self.eps_dos("up", stack)

    def deploy(self, stack: str) -> str:
        """Bring `stack` up by plain Pulumi, without the preview that takes a third of the time; return what it said."""
        return self.pulumi("up", "--stack", stack, "--yes", "--skip-preview").stdout

    def deploy_all(self, *stacks: str) -> None:
        """Deploy in this order, and wait until all instances that there are to be serve."""
        for stack in stacks:
            self.deploy(stack)
        groups = {one["AutoScalingGroupName"]: one["DesiredCapacity"] for one in map(self.group, stacks)}
        until(lambda: all(self.in_service(group) >= count for group, count in groups.items()))

    def export(self, stack: str) -> dict[str, Any]:
        """Return the stack's state, as `pulumi stack export` prints it; asked for anew after each command."""
        if stack not in self._exports:
            # Nothing of the checkout is in it, so the lab's copy needs no renewal.
            command = ["pulumi", "stack", "export", "--stack", stack, "--non-interactive"]
            self._exports[stack] = json.loads(_run(command, self.checkout, self.inside).stdout)
        return self._exports[stack]

    def outputs(self, stack: str) -> dict[str, Any]:
        """Return the stack's outputs."""
        return dict(self.state_of(stack, STACK)["outputs"])

    def state_of(self, stack: str, type_: str) -> dict[str, Any]:
        """Return the one resource of a type as the stack's state has it."""
        (found,) = [one for one in self.export(stack)["deployment"]["resources"] if one["type"] == type_]
        return dict(found)

    def changed_by(self, stack: str, change: Callable[[], None]) -> set[tuple[str, str]]:
        """Make a change, bring the stack up, and return (type, property) of all that changed in its inputs."""
        before = Graph.from_export(self.export(stack))
        change()
        self.up(stack)
        return {(one.type, one.path.split(".")[0]) for one in compare(before, Graph.from_export(self.export(stack)))}

    # Changes a person would make.

    def edit(self, stack: str, old: str, new: str) -> None:
        """Replace text in a stack file; it must be there."""
        file = self.checkout / f"Pulumi.{stack}.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def set_release(self, stack: str, version: str) -> None:
        """Have a stack run a version."""
        file = self.checkout / f"Pulumi.{stack}.yaml"
        file.write_text(re.sub(r"(eps-dos-api:release:) .*", rf'\1 "{version}"', file.read_text()))

    def publish(self, stack: str) -> None:
        """Write the addresses of a stack into its file, as published."""
        addresses = json.dumps(self.outputs(stack)["virtualIps"])
        file = self.checkout / f"Pulumi.{stack}.yaml"
        file.write_text(f"{file.read_text().rstrip()}\n  eps-dos-api:virtualIps: {addresses}\n")

    def keep_edits(self) -> None:
        """Have `undo_edits` come back to the checkout's files as they are now."""
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
        _run(["git", *identity, "commit", "--quiet", "--all", "--message", "as it is now"], self.checkout, os.environ)

    def undo_edits(self) -> None:
        """Bring the checkout's files back."""
        _run(["git", "checkout", "--quiet", "."], self.checkout, os.environ)

    def changes_of_the_checkout(self) -> str:
        """Return what `git status` says of the checkout."""
        return _run(["git", "status", "--porcelain"], self.checkout, os.environ).stdout

    def make_unhealthy(self, version: str) -> None:
        """Let instances of a release fail their health check."""
        self.eps_dos("lab", "fault", "unhealthy", version)

    def make_healthy(self) -> None:
        """Let no release fail on purpose."""
        self.eps_dos("lab", "fault", "clear")

    # Questions to AWS.

    @cached_property
    def inside(self) -> Mapping[str, str]:
        """The environment of a shell that has evaluated `eps-dos lab env`."""
        changed = json.loads(self.eps_dos("lab", "env", "--json").stdout)
        outside = {name: one for name, one in self.environment.items() if name not in changed["unset"]}
        return {**outside, **changed["set"]}

    @cached_property
    def endpoint(self) -> str:
        """Where the emulator is."""
        return self.inside["AWS_ENDPOINT_URL"]

    def client(self, service: str) -> Any:
        """Return a client of the emulator."""
        if service not in self._clients:
            self._clients[service] = self._client(service)
        return self._clients[service]

    def _client(self, service: str) -> Any:
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-2")  # noqa: S106 - of the emulator
        client: Callable[..., Any] = session.client
        return client(service, endpoint_url=self.endpoint)

    def aliases(self) -> dict[str, str]:
        """Return alias records: name -> what it is an alias of, both with a dot at the end."""
        route53 = self.client("route53")
        (zone,) = route53.list_hosted_zones()["HostedZones"]
        records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
        return {
            one["Name"]: f"{one['AliasTarget']['DNSName'].rstrip('.')}."
            for one in records
            if one["Type"] == "A" and "AliasTarget" in one
        }

    def balancers(self) -> list[dict[str, Any]]:
        """Return all load balancers."""
        return list(self.client("elbv2").describe_load_balancers()["LoadBalancers"])

    def balancer(self, stack: str) -> dict[str, Any]:
        """Return the stack's load balancer, found by its output."""
        name = self.outputs(stack)["loadBalancerDnsName"]
        (found,) = [one for one in self.balancers() if one["DNSName"] == name]
        return found

    def group(self, stack: str) -> dict[str, Any]:
        """Return the stack's Auto Scaling group, found by its output."""
        name = self.outputs(stack)["autoScalingGroup"]
        (found,) = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])[
            "AutoScalingGroups"
        ]
        return dict(found)

    def in_service(self, group: str) -> int:
        """Return how many instances of a group are in service, or are healthy at its target group if those are fewer.

        Counts and not the instances that are both: between the two calls one may go whose place another has taken.
        """
        autoscaling, elbv2 = self.client("autoscaling"), self.client("elbv2")
        (found,) = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
        serving = {one["InstanceId"] for one in found["Instances"] if one["LifecycleState"] == "InService"}
        return min(len(serving), len(_healthy(elbv2, found["TargetGroupARNs"][0])))

    def healthy_targets(self, stack: str) -> set[str]:
        """Return the ids of the instances that the stack's load balancer counts as healthy."""
        return _healthy(self.client("elbv2"), self.group(stack)["TargetGroupARNs"][0])

    def images(self, stack: str) -> set[str]:
        """Return the images that the stack's instances run."""
        ids = [one["InstanceId"] for one in self.group(stack)["Instances"]]
        reservations = self.client("ec2").describe_instances(InstanceIds=ids)["Reservations"]
        return {one["ImageId"] for reservation in reservations for one in reservation["Instances"]}

    def image(self, version: str) -> str:
        """Return the id of a release's image."""
        named = [{"Name": "name", "Values": [f"eps-dos-api-{version}"]}]
        (found,) = self.client("ec2").describe_images(Owners=["self"], Filters=named)["Images"]
        return str(found["ImageId"])

    def tags_in_aws(self, stack: str) -> dict[str, dict[str, str]]:
        """Return the tags that AWS has for each taggable resource of the stack's state, by type and logical name."""
        graph = Graph.from_export(self.export(stack))
        return {f"{one.type}::{one.name}": self._tags(one) for one in graph if one.type in {*TAGGABLE, SCALING_GROUP}}

    def _tags(self, resource: Resource) -> dict[str, str]:
        service, _, kind = resource.type.removeprefix("aws:").partition("/")
        identifier, arn = str(resource.outputs["id"]), str(resource.outputs.get("arn"))
        if service == "iam":
            iam = self.client("iam")
            if kind.endswith("Role"):
                return _pairs(iam.list_role_tags(RoleName=identifier)["Tags"])
            return _pairs(iam.get_instance_profile(InstanceProfileName=identifier)["InstanceProfile"]["Tags"])
        if service == "lb":
            return _pairs(self.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"])
        if service == "s3":
            return _pairs(self.client("s3").get_bucket_tagging(Bucket=identifier)["TagSet"])
        if service == "sns":
            return _pairs(self.client("sns").list_tags_for_resource(ResourceArn=arn)["Tags"])
        if service == "autoscaling":
            named = [{"Name": "auto-scaling-group", "Values": [identifier]}]
            return _pairs(self.client("autoscaling").describe_tags(Filters=named)["Tags"])
        if kind.endswith("LogGroup"):
            return dict(self.client("logs").list_tags_for_resource(resourceArn=arn.removesuffix(":*"))["tags"])
        if service == "cloudwatch":
            return _pairs(self.client("cloudwatch").list_tags_for_resource(ResourceARN=arn)["Tags"])
        by_id = [{"Name": "resource-id", "Values": [identifier]}]
        return _pairs(self.client("ec2").describe_tags(Filters=by_id)["Tags"])

    def inventory(self, stack: str) -> Counter[str]:
        """Return how many things of each kind AWS has that are the stack's, by tag or, untagged, by name."""
        ec2, tagged = self.client("ec2"), [{"Name": "tag:Environment", "Values": [stack]}]
        instances = [
            one
            for reservation in ec2.describe_instances(Filters=tagged)["Reservations"]
            for one in reservation["Instances"]
            if one["State"]["Name"] != "terminated"
        ]
        found = {
            "vpc": ec2.describe_vpcs(Filters=tagged)["Vpcs"],
            "subnet": ec2.describe_subnets(Filters=tagged)["Subnets"],
            "gateway": ec2.describe_internet_gateways(Filters=tagged)["InternetGateways"],
            "route table": ec2.describe_route_tables(Filters=tagged)["RouteTables"],
            "security group": ec2.describe_security_groups(Filters=tagged)["SecurityGroups"],
            "address": ec2.describe_addresses(Filters=tagged)["Addresses"],
            "prefix list": ec2.describe_managed_prefix_lists(Filters=tagged)["PrefixLists"],
            "endpoint": ec2.describe_vpc_endpoints(Filters=tagged)["VpcEndpoints"],
            "launch template": ec2.describe_launch_templates(Filters=tagged)["LaunchTemplates"],
            "volume": ec2.describe_volumes(Filters=tagged)["Volumes"],
            "instance": instances,
            "flow log": ec2.describe_flow_logs(Filters=tagged)["FlowLogs"],
            "load balancer": [one for one in self.balancers() if one["LoadBalancerName"].startswith(f"{stack}-")],
            "target group": _named(
                self.client("elbv2").describe_target_groups()["TargetGroups"], "TargetGroupName", stack
            ),
            "group": _named(
                self.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"],
                "AutoScalingGroupName",
                stack,
            ),
            "role": [
                one
                for one in self.client("iam").list_roles()["Roles"]
                if one["RoleName"].startswith((f"{stack}-", f"eps-dos-api-{stack}-"))
            ],
            "bucket": _named(self.client("s3").list_buckets()["Buckets"], "Name", f"eps-dos-api-{stack}"),
            "log group": _named(
                self.client("logs").describe_log_groups()["logGroups"], "logGroupName", f"eps-dos-api-{stack}"
            ),
            "alarm": _named(
                self.client("cloudwatch").describe_alarms()["MetricAlarms"], "AlarmName", f"eps-dos-api-{stack}"
            ),
            "dashboard": [
                one
                for one in self.client("cloudwatch").list_dashboards()["DashboardEntries"]
                if one["DashboardName"] == f"eps-dos-api-{stack}"
            ],
            "topic": [
                one for one in self.client("sns").list_topics()["Topics"] if f":eps-dos-api-{stack}-" in one["TopicArn"]
            ],
        }
        return Counter({kind: len(things) for kind, things in found.items() if things})


def until(holds: Callable[[], bool], each_time: Callable[[], None] = lambda: None) -> None:
    """Wait until it holds, calling `each_time` before each further look; a test that would wait for ever fails."""
    give_up = time.monotonic() + LONGEST_WAIT_SECONDS
    while not holds():
        assert time.monotonic() < give_up
        each_time()
        time.sleep(0.1)


def kill_session(leader: int) -> None:
    """Kill every process of a session: the engine's plugins are in process groups of their own."""
    listed = _run(["ps", "-e", "-o", "pid=,sess="], Path.cwd(), os.environ).stdout
    for pid, session in (line.split() for line in listed.splitlines()):
        if int(session) == leader:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


@contextmanager
def sampled(look: Callable[[], int]) -> Iterator[list[int]]:
    """Call `look` all the while, and give what it said. What it raises is raised at the end: no sample is missed."""
    seen: list[int] = []
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            seen.append(look())
            over.wait(0.05)

    with ThreadPoolExecutor(max_workers=1) as thread:
        sampling = thread.submit(run)
        try:
            yield seen
        finally:
            over.set()
        sampling.result()


def _run(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=folder, env=dict(variables), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def _healthy(elbv2: Any, target_group_arn: str) -> set[str]:
    described = elbv2.describe_target_health(TargetGroupArn=target_group_arn)["TargetHealthDescriptions"]
    return {one["Target"]["Id"] for one in described if one["TargetHealth"]["State"] == "healthy"}


def _named(things: Iterable[dict[str, Any]], key: str, stack: str) -> list[dict[str, Any]]:
    return [one for one in things if one[key].startswith(f"{stack}-")]


def _pairs(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in tags}
