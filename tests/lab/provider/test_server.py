"""The protocol, as an engine speaks it: the provider in a process of its own, against the emulator."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from lab.provider import write_executable
from lab.provider.wire import UNKNOWN, decode, encode
from tests.lab.emulator.conftest import RunningEmulator

EIP, GROUP, BALANCER = "aws:ec2/eip:Eip", "aws:ec2/securityGroup:SecurityGroup", "aws:lb/loadBalancer:LoadBalancer"


def urn(token: str, name: str = "one") -> str:
    return f"urn:pulumi:test::table::a:b:C${token}::{name}"


class Client:
    """A provider's process, and an engine's side of the conversation."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [write_executable(folder), "127.0.0.1:1"], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)

    def configure(self, **arguments: Any) -> None:
        self.stub.Configure(provider_pb2.ConfigureRequest(args=encode(arguments), acceptSecrets=True))

    def check(self, token: str, inputs: dict[str, Any]) -> dict[str, Any]:
        answer = self.stub.Check(provider_pb2.CheckRequest(urn=urn(token), news=encode(inputs), randomSeed=b"seed"))
        assert not answer.failures, answer.failures
        return decode(answer.inputs)[0]

    def create(self, token: str, inputs: dict[str, Any], **more: Any) -> tuple[str, dict[str, Any]]:
        answer = self.stub.Create(provider_pb2.CreateRequest(urn=urn(token), properties=encode(inputs), **more))
        return answer.id, decode(answer.properties)[0]


@pytest.fixture
def client(aws_environment: None, tmp_path: Path) -> Iterator[Client]:
    made = Client(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


def test_it_says_what_it_is(client: Client) -> None:
    assert client.stub.GetPluginInfo(empty_pb2.Empty()).version == "7.51.1"
    answer = client.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
    assert answer.accept_secrets
    assert answer.supports_autonaming_configuration


def test_unknown_configuration_is_refused(client: Client) -> None:
    request = provider_pb2.CheckRequest(news=encode({"regoin": "eu-west-2", "useFipsEndpoint": "true", "region": "x"}))
    failures = client.stub.CheckConfig(request).failures
    assert {failure.property for failure in failures} == {"regoin", "useFipsEndpoint"}


def test_another_account_is_refused_at_configuration(client: Client) -> None:
    with pytest.raises(grpc.RpcError, match="AWS account ID not allowed: 123456789012"):
        client.configure(allowedAccountIds='["111111111111"]')


def test_nothing_is_done_by_a_provider_that_was_refused(client: Client) -> None:
    with pytest.raises(grpc.RpcError, match="isn't configured"):
        client.create(EIP, {})


def test_a_preview_creates_nothing(client: Client, emulator: RunningEmulator) -> None:
    client.configure()
    resource_id, outputs = client.create(EIP, client.check(EIP, {}), preview=True)
    assert (resource_id, outputs["publicIp"]) == ("", UNKNOWN)
    assert emulator.client("ec2").describe_addresses()["Addresses"] == []


def test_a_life_without_an_engine(client: Client, emulator: RunningEmulator) -> None:
    client.configure()
    inputs = client.check(EIP, {"domain": "vpc", "tags": {"Owner": "a"}})
    resource_id, outputs = client.create(EIP, inputs)
    assert outputs["publicIp"] == emulator.client("ec2").describe_addresses()["Addresses"][0]["PublicIp"]
    news = client.check(EIP, {"domain": "vpc", "tags": {"Owner": "b"}})
    request = {"id": resource_id, "urn": urn(EIP), "olds": encode(outputs), "old_inputs": encode(inputs)}
    diff = client.stub.Diff(provider_pb2.DiffRequest(**request, news=encode(news)))
    assert set(diff.detailedDiff) == {"tags.Owner", "tagsAll.Owner"}
    assert (list(diff.replaces), diff.changes) == ([], provider_pb2.DiffResponse.DIFF_SOME)
    client.stub.Update(provider_pb2.UpdateRequest(**request, news=encode(news)))
    read = client.stub.Read(
        provider_pb2.ReadRequest(id=resource_id, urn=urn(EIP), properties=encode(outputs), inputs=encode(news))
    )
    assert decode(read.inputs)[0] == news
    delete = provider_pb2.DeleteRequest(id=resource_id, urn=urn(EIP), properties=encode(outputs))
    client.stub.Delete(delete)
    client.stub.Delete(delete)
    assert client.stub.Read(provider_pb2.ReadRequest(id=resource_id, urn=urn(EIP))).id == ""


def test_aws_says_no_in_its_own_words(client: Client) -> None:
    client.configure()
    subnet = "aws:ec2/subnet:Subnet"
    with pytest.raises(grpc.RpcError, match=r"creating EC2 Subnet: InvalidVpcID\.NotFound: "):
        client.create(subnet, client.check(subnet, {"vpcId": "vpc-0123456789abcdef0", "cidrBlock": "10.0.0.0/24"}))


def test_what_exists_unfinished_is_handed_over(client: Client, emulator: RunningEmulator) -> None:
    """Or nobody would ever delete it."""
    client.configure()
    policy = "aws:iam/instanceProfile:InstanceProfile"
    with pytest.raises(grpc.RpcError) as raised:
        client.create(policy, client.check(policy, {"role": "nobody"}))
    assert "NoSuchEntity" in str(raised.value.details())
    metadata = dict(raised.value.trailing_metadata())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    failed = provider_pb2.ErrorResourceInitFailed()
    status.details[0].Unpack(failed)
    [profile] = emulator.client("iam").list_instance_profiles()["InstanceProfiles"]
    assert failed.id == profile["InstanceProfileName"]
    assert "role" not in decode(failed.properties)[0]
    assert failed.reasons[0].startswith("creating IAM Instance Profile")


def test_a_secret_stays_one(client: Client) -> None:
    client.configure()
    secrets = frozenset({("tags", "Owner")})
    checked = client.stub.Check(provider_pb2.CheckRequest(urn=urn(EIP), news=encode({"tags": {"Owner": "x"}}, secrets)))
    assert decode(checked.inputs)[1] == {("tags", "Owner"), ("tagsAll", "Owner")}
    created = client.stub.Create(provider_pb2.CreateRequest(urn=urn(EIP), properties=checked.inputs))
    assert decode(created.properties)[1] == {("tags", "Owner"), ("tagsAll", "Owner")}


def test_an_unknown_type_and_an_unknown_function_are_refused(client: Client) -> None:
    client.configure()
    with pytest.raises(grpc.RpcError, match="doesn't implement the resource type aws:sqs/queue:Queue"):
        client.check("aws:sqs/queue:Queue", {})
    with pytest.raises(grpc.RpcError, match="doesn't implement the function aws:ec2/getVpc:getVpc"):
        client.stub.Invoke(provider_pb2.InvokeRequest(tok="aws:ec2/getVpc:getVpc"))


def test_a_throttled_call_is_tried_again(client: Client, emulator: RunningEmulator) -> None:
    import requests

    fault: Any = {"throttle": {"service": "ec2", "action": "AllocateAddress", "times": 2}}
    requests.put(f"{emulator.endpoint}/_lab/faults", json=fault, timeout=5).raise_for_status()
    client.configure()
    assert client.create(EIP, client.check(EIP, {}))[0].startswith("eipalloc-")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told(client: Client, number: signal.Signals) -> None:
    client.configure()
    client.process.send_signal(number)
    assert client.process.wait(timeout=60) == 0


def test_cancelling_ends_a_wait(client: Client, emulator: RunningEmulator) -> None:
    client.configure()
    ec2 = emulator.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    first, second = (ec2.create_security_group(GroupName=name, Description="d", VpcId=vpc)["GroupId"] for name in "ab")
    permission = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": first}]}
    ec2.authorize_security_group_ingress(GroupId=second, IpPermissions=[permission])
    waiting = client.stub.Delete.future(
        provider_pb2.DeleteRequest(id=first, urn=urn(GROUP), properties=encode({"name": "a"}))
    )
    time.sleep(1)
    assert not waiting.done()
    client.stub.Cancel(empty_pb2.Empty())
    with pytest.raises(grpc.RpcError, match="cancelled"):
        waiting.result(timeout=60)
