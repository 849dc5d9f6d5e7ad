"""The account that the provider works in: the lab's emulator, in a process of its own, and what is in it.

In a process of its own because the emulator puts its extensions into moto for good.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import jmespath  # type: ignore[import-untyped]  # it ships no types

from tests.conformance.calls import Call
from tests.labs import ROOT

REGION = "eu-west-2"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
START_LIMIT_SECONDS = 60
TESTER = "tester"
"""Whose access key the test's own questions are signed with; the emulator's log has it."""

KINDS: tuple[tuple[str, str, str], ...] = (
    ("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups[].AutoScalingGroupName"),
    ("autoscaling", "describe_policies", "ScalingPolicies[].PolicyName"),
    ("autoscaling", "describe_scheduled_actions", "ScheduledUpdateGroupActions[].ScheduledActionName"),
    ("cloudwatch", "describe_alarms", "[MetricAlarms, CompositeAlarms][][].AlarmName"),
    ("cloudwatch", "list_dashboards", "DashboardEntries[].DashboardName"),
    ("ec2", "describe_addresses", "Addresses[].AllocationId"),
    ("ec2", "describe_dhcp_options", "DhcpOptions[].DhcpOptionsId"),
    ("ec2", "describe_flow_logs", "FlowLogs[].FlowLogId"),
    ("ec2", "describe_instances", "Reservations[].Instances[?State.Name!='terminated'][].InstanceId"),
    ("ec2", "describe_internet_gateways", "InternetGateways[].InternetGatewayId"),
    ("ec2", "describe_launch_templates", "LaunchTemplates[].LaunchTemplateId"),
    ("ec2", "describe_managed_prefix_lists", "PrefixLists[].PrefixListId"),
    ("ec2", "describe_network_acls", "NetworkAcls[].NetworkAclId"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces[].NetworkInterfaceId"),
    ("ec2", "describe_route_tables", "RouteTables[].RouteTableId"),
    ("ec2", "describe_security_groups", "SecurityGroups[].GroupId"),
    ("ec2", "describe_subnets", "Subnets[].SubnetId"),
    ("ec2", "describe_volumes", "Volumes[].VolumeId"),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints[].VpcEndpointId"),
    ("ec2", "describe_vpcs", "Vpcs[].VpcId"),
    ("elbv2", "describe_load_balancers", "LoadBalancers[].LoadBalancerArn"),
    ("elbv2", "describe_target_groups", "TargetGroups[].TargetGroupArn"),
    ("iam", "list_instance_profiles", "InstanceProfiles[].Arn"),
    ("iam", "list_roles", "Roles[].Arn"),
    ("logs", "describe_log_groups", "logGroups[].logGroupName"),
    ("s3", "list_buckets", "Buckets[].Name"),
    ("sns", "list_topics", "Topics[].TopicArn"),
)
"""What an environment could leave, beside records: service, call of boto3's client, where the answer has the ids."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A running emulator."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """What the environment of a client says, for it to work in here."""
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": REGION, **CREDENTIALS}

    def inventory(self) -> frozenset[str]:
        """Return what there is, as `KIND ID`."""
        there = {
            f"{operation.partition('_')[2]} {identifier}"
            for service, operation, path in KINDS
            for identifier in jmespath.search(path, getattr(self._client(service), operation)()) or []
        }
        return frozenset({*there, *self._records()})

    def calls(self) -> list[Call]:
        """Return what the provider has called since the emulator started, in order."""
        with urllib.request.urlopen(f"{self.endpoint}/_lab/calls/log") as answer:  # noqa: S310 - loopback
            return [
                Call.of(logged) for logged in json.load(answer) if logged["caller"] == CREDENTIALS["AWS_ACCESS_KEY_ID"]
            ]

    def _records(self) -> Iterator[str]:
        route53 = self._client("route53")
        for zone in route53.list_hosted_zones()["HostedZones"]:
            for record in route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]:
                yield f"record {record['Name']} {record['Type']}"

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]  # the name is a variable: no stub fits
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=TESTER,
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def running(folder: Path, pace: int) -> Iterator[Account]:
    """Give a new account, whose time goes `pace` times as fast; its log is emulator.log in `folder`."""
    ready, log = folder / "emulator.json", folder / "emulator.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.emulator", "--port", "0", "--ready-file", str(ready)],
            cwd=ROOT,
            env={"EPS_DOS_LAB_PACE": str(pace), "PATH": ""},
            stderr=errors,
        )
        try:
            deadline = time.monotonic() + START_LIMIT_SECONDS
            while not ready.exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, f"the emulator isn't ready after {START_LIMIT_SECONDS} s"
                time.sleep(0.1)
            yield Account(endpoint=f"http://127.0.0.1:{json.loads(ready.read_text())['port']}")
        finally:
            process.terminate()
            process.wait()
