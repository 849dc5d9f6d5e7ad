"""The emulator's manners: errors that AWS clients understand, one request at a time, a reset that empties it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.ec2.models import EC2Backend

from lab.emulator import clock, faults
from tests.lab.emulator.conftest import RunningEmulator

# A service of each protocol that AWS has, with an action that moto lacks.
UNKNOWN_ACTIONS = [
    ("ec2", "GetIpamPoolCidrs", {"IpamPoolId": "ipam-pool-1"}),  # ec2
    ("iam", "GetContextKeysForPrincipalPolicy", {"PolicySourceArn": "arn:aws:iam::123456789012:role/x"}),  # query
    ("cloudwatch", "ListMetricStreams", {}),  # JSON
    ("xray", "GetGroups", {}),  # REST with JSON
    ("route53", "GetAccountLimit", {"Type": "MAX_HEALTH_CHECKS_BY_OWNER"}),  # REST with XML
    ("snowball", "ListJobs", {}),  # a whole service
]


def call(client: Any, action: str, parameters: dict[str, Any]) -> Any:
    names = client.meta.method_to_api_mapping
    return getattr(client, next(name for name in names if names[name] == action))(**parameters)


@pytest.mark.parametrize(("service", "action", "parameters"), UNKNOWN_ACTIONS)
def test_an_unknown_call_is_an_error_that_names_it_and_is_not_tried_again(
    emulator: RunningEmulator, service: str, action: str, parameters: dict[str, Any]
) -> None:
    client = emulator.client(service, retries={"total_max_attempts": 5})
    with pytest.raises(ClientError) as raised:
        call(client, action, parameters)
    assert raised.value.response["Error"]["Code"] == "NotImplemented"
    assert raised.value.response["Error"]["Message"] == (
        f"The lab's emulator does not implement the action {action} of the service {service}."
    )
    assert emulator.app.account.calls.counts[f"{service}.{action}"] == 1


def test_a_failure_of_the_emulator_is_an_error_that_names_the_call(
    emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault of the lab")

    monkeypatch.setattr(EC2Backend, "describe_vpcs", fail)
    client = emulator.client("ec2", retries={"total_max_attempts": 5})
    with pytest.raises(ClientError, match=r"\(InternalFailure\).*The lab's emulator failed in ec2.DescribeVpcs"):
        client.describe_vpcs()
    assert emulator.app.account.calls.counts["ec2.DescribeVpcs"] == 1
    assert "ZeroDivisionError: a fault of the lab" in caplog.text


@pytest.mark.parametrize(
    ("service", "action", "code"),
    [
        ("ec2", "DescribeVpcs", "RequestLimitExceeded"),
        ("autoscaling", "DescribeAutoScalingGroups", "Throttling"),
        ("logs", "DescribeLogGroups", "ThrottlingException"),
        ("s3", "ListBuckets", "SlowDown"),
    ],
)
def test_throttling_refuses_so_many_calls_and_no_more(
    emulator: RunningEmulator, service: str, action: str, code: str
) -> None:
    faults.inject(faults.Faults(throttle=faults.Throttle(service=service, action=action, times=2)))
    client = emulator.client(service)
    for _ in range(2):
        with pytest.raises(ClientError, match=rf"\({code}\)"):
            call(client, action, {})
    call(client, action, {})


def test_a_throttled_call_succeeds_for_a_client_that_tries_again(emulator: RunningEmulator) -> None:
    faults.inject(faults.Faults(throttle=faults.Throttle(service="ec2", action="*", times=1)))
    client = emulator.client("ec2", retries={"total_max_attempts": 3, "mode": "standard"})
    assert client.describe_vpcs()["ResponseMetadata"]["RetryAttempts"] == 1


def test_calls_are_counted_by_service_and_action_and_logged_in_order(emulator: RunningEmulator) -> None:
    emulator.client("ec2").describe_vpcs()
    emulator.client("s3").list_buckets()
    emulator.client("ec2").describe_vpcs()
    assert dict(emulator.app.account.calls.counts) == {"ec2.DescribeVpcs": 2, "s3.ListBuckets": 1}
    assert [str(one.operation) for one in emulator.app.account.calls.log] == [
        "ec2.DescribeVpcs",
        "s3.ListBuckets",
        "ec2.DescribeVpcs",
    ]
    with pytest.raises(ClientError):
        emulator.client("s3").get_bucket_policy(Bucket="nobody")
    assert (str(emulator.app.account.calls.log[-1].operation), emulator.app.account.calls.log[-1].status) == (
        "s3.GetBucketPolicy",
        404,
    )


def test_a_call_is_logged_with_what_it_asked_for_and_the_tags_of_what_it_names(emulator: RunningEmulator) -> None:
    ec2, s3, route53 = emulator.client("ec2"), emulator.client("s3"), emulator.client("route53")
    tags = [{"Key": "Environment", "Value": "dev"}]
    specified = [{"ResourceType": "vpc", "Tags": tags}]
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=specified)["Vpc"]["VpcId"]
    table = ec2.create_route_table(
        VpcId=vpc, TagSpecifications=[{"ResourceType": "route-table", "Tags": [{"Key": "Project", "Value": "x"}]}]
    )["RouteTable"]["RouteTableId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_tags(Resources=[vpc])
    s3.create_bucket(Bucket="dataset", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    s3.put_object(Bucket="dataset", Key="a/b", Body=b"not kept")
    route53.list_hosted_zones_by_name(DNSName="eps.digital.nhs.uk")
    log = [(call.operation.action, call.asked) for call in emulator.app.account.calls.log]
    by_action = dict(log)
    assert by_action["CreateVpc"].parameters["TagSpecifications"] == specified
    assert (by_action["CreateVpc"].tags, by_action["CreateVpc"].caller) == ({}, "test")
    assert by_action["CreateSubnet"].tags == {vpc: {"Environment": "dev"}}
    assert by_action["DisassociateRouteTable"].tags == {association: {"Project": "x"}}
    assert by_action["DeleteTags"].tags == {vpc: {"Environment": "dev"}}
    assert (by_action["PutObject"].parameters["Bucket"], by_action["PutObject"].parameters["Key"]) == ("dataset", "a/b")
    assert "Body" not in by_action["PutObject"].parameters
    assert by_action["ListHostedZonesByName"].parameters == {"DNSName": "eps.digital.nhs.uk"}
    assert control(emulator, "GET", "calls/log")[1][0]["parameters"]["CidrBlock"] == "10.1.0.0/16"


def test_requests_are_answered_one_at_a_time(emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [0], [0]
    meanwhile = threading.Event()
    describe = EC2Backend.describe_vpcs

    def watched(*arguments: Any, **named: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        meanwhile.wait(0.05)
        inside[0] -= 1
        return describe(*arguments, **named)

    monkeypatch.setattr(EC2Backend, "describe_vpcs", watched)
    client = emulator.client("ec2")
    threads = [threading.Thread(target=client.describe_vpcs) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (emulator.app.account.calls.counts["ec2.DescribeVpcs"], most[0]) == (4, 1)


def test_a_reset_leaves_what_a_new_account_has(emulator: RunningEmulator) -> None:
    ec2, s3 = emulator.client("ec2"), emulator.client("s3")
    ec2.create_vpc(CidrBlock="10.20.0.0/16")
    s3.create_bucket(Bucket="dataset", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    emulator.advance(1000)
    faults.inject(faults.Faults(unhealthy_images=frozenset({"ami-1"})))
    emulator.app.account.reset()
    assert [vpc["IsDefault"] for vpc in ec2.describe_vpcs()["Vpcs"]] == [True]
    assert s3.list_buckets()["Buckets"] == []
    assert not faults.is_unhealthy("ami-1", "eu-west-2a")
    assert clock.now() < 1000


def control(emulator: RunningEmulator, method: str, path: str, document: object = None) -> tuple[int, Any]:
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(f"{emulator.endpoint}/_lab/{path}", data=body, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310  # the emulator's
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_health_tells_the_run_and_how_much_it_was_asked(emulator: RunningEmulator) -> None:
    emulator.client("ec2").describe_vpcs()
    status, health = control(emulator, "GET", "health")
    assert (status, health["status"], health["run"], health["requests"]) == (200, "ok", emulator.app.account.run_id, 1)


def test_faults_are_put_shown_and_deleted(emulator: RunningEmulator) -> None:
    wanted = {
        "unhealthyImages": ["ami-1"],
        "throttle": {"service": "ec2", "action": "RunInstances", "times": 3},
        "loads": {"service": 4.5},
        "darkZones": ["eu-west-2b"],
        "failedNodes": ["eu-west-2c"],
    }
    assert control(emulator, "PUT", "faults", wanted) == (200, wanted)
    assert control(emulator, "GET", "faults") == (200, wanted)
    assert faults.is_unhealthy("ami-1", "eu-west-2a")
    assert faults.is_unhealthy("ami-2", "eu-west-2b")
    none: dict[str, object] = {
        "unhealthyImages": [],
        "throttle": None,
        "loads": {},
        "darkZones": [],
        "failedNodes": [],
    }
    assert control(emulator, "DELETE", "faults") == (200, none)


def test_calls_quotas_clock_and_reset_can_be_reached(emulator: RunningEmulator) -> None:
    emulator.client("ec2").describe_vpcs()
    assert control(emulator, "GET", "calls") == (200, {"ec2.DescribeVpcs": 1})
    (logged,) = control(emulator, "GET", "calls/log")[1]
    assert (logged["service"], logged["action"], logged["status"]) == ("ec2", "DescribeVpcs", 200)
    assert control(emulator, "PUT", "quotas", {"L-0263D0A3": 5})[1]["L-0263D0A3"] == 5
    assert control(emulator, "DELETE", "quotas")[1]["L-0263D0A3"] > 5
    before = control(emulator, "GET", "clock")[1]["emulatedSeconds"]
    assert control(emulator, "POST", "clock", {"advanceSeconds": 5000})[1]["emulatedSeconds"] >= before + 5000
    # A new account has its default network, whatever the quota was.
    assert control(emulator, "PUT", "quotas", {"L-F678F1CE": 0})[1]["L-F678F1CE"] == 0
    assert control(emulator, "POST", "reset")[1]["requests"] == 0


@pytest.mark.parametrize(
    ("method", "path", "document", "status", "message"),
    [
        ("GET", "nothing", None, 404, "there are /_lab/health"),
        ("DELETE", "health", None, 405, "allowed: GET"),
        ("PUT", "faults", {"unhealthy": []}, 400, "the keys darkZones, failedNodes, loads, throttle, unhealthyImages"),
        ("PUT", "faults", {"unhealthyImages": "ami-1"}, 400, "a list of image ids"),
        ("PUT", "faults", {"loads": {"service": -1}}, 400, '{"service": 4.5}'),
        ("PUT", "faults", {"loads": {"service": float("inf")}}, 400, '{"service": 4.5}'),
        ("PUT", "faults", {"darkZones": "eu-west-2a"}, 400, "a list of zones"),
        ("PUT", "faults", {"throttle": {"service": "ec2", "action": "x", "times": 0}}, 400, '"times": 3'),
        ("PUT", "quotas", {"L-1": 5}, 400, "L-0263D0A3"),
        ("PUT", "quotas", {"L-0263D0A3": -1}, 400, "0 or more"),
        ("POST", "clock", {"advanceSeconds": "30"}, 400, '"advanceSeconds": 30'),
        ("POST", "clock", {"advanceSeconds": -1}, 400, "allowed: 0 to"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(
    emulator: RunningEmulator, method: str, path: str, document: object, status: int, message: str
) -> None:
    answered, document = control(emulator, method, path, document)
    assert isinstance(document, dict)
    assert (answered, message in document["error"]) == (status, True), document
