"""Nothing but loopback is ever spoken to, and no account but an allowed one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from lab.provider.connection import Connection, connect, decoded, refuse_unless_loopback
from lab.provider.errors import RefusedError
from tests.lab.emulator.conftest import RunningEmulator

pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:5000", "http://[::1]:80", "http://127.9.9.9"])
def test_loopback_is_allowed(url: str) -> None:
    refuse_unless_loopback(url, "it")


@pytest.mark.parametrize(
    "url",
    [
        "https://ec2.eu-west-2.amazonaws.com", "http://10.0.0.1", "http://127.0.0.1.example.test", "127.0.0.1", "",
        "http://user@example.test", "http://0.0.0.0:1",
    ],
)  # fmt: skip
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(RefusedError, match="loopback"):
        refuse_unless_loopback(url, "it")


def test_no_endpoint_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    with pytest.raises(RefusedError, match=r"sts's endpoint is https://sts.*amazonaws.com"):
        connect(decoded({}))


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_of_the_environment_is_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "https://example.test")
    with pytest.raises(RefusedError, match=f"{variable} is https://example.test"):
        connect(decoded({}))


def test_an_endpoint_of_a_profile_is_refused(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    config = os.path.join(tmp_path, "config")  # noqa: PTH118
    with open(config, "w") as file:  # noqa: PTH123
        file.write("[profile other]\nendpoint_url = https://example.test\nregion = eu-west-2\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", config)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    with pytest.raises(RefusedError, match="loopback"):
        connect(decoded({"profile": "other"}))


def test_a_request_that_leaves_its_endpoint_is_refused(connection: Connection) -> None:
    client = connection.client("s3")
    client.meta.events.register_first(
        "before-send", lambda request, **_: setattr(request, "url", "https://example.test/")
    )
    with pytest.raises(RefusedError, match=r"a request's host is https://example\.test"):
        client.list_buckets()


def test_the_account_is_known(connection: Connection) -> None:
    assert (connection.account, connection.partition, connection.region) == ("123456789012", "aws", "eu-west-2")


@pytest.mark.parametrize("allowed", ['["123456789012"]', '["111111111111", "123456789012"]', "[]"])
def test_an_allowed_account_is_taken(allowed: str) -> None:
    connect(decoded({"allowedAccountIds": allowed}))


@pytest.mark.parametrize("refused", [{"allowedAccountIds": '["1"]'}, {"forbiddenAccountIds": '["123456789012"]'}])
def test_another_account_is_refused_in_the_real_providers_words(refused: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match=r"^AWS account ID not allowed: 123456789012$"):
        connect(decoded(refused))


def test_an_unknown_or_missing_region_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedError, match="invalid AWS Region: eu-nowhere-1"):
        connect(decoded({"region": "eu-nowhere-1"}))
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(RefusedError, match="Missing region configuration"):
        connect(decoded({}))


def test_a_role_is_assumed(emulator: RunningEmulator) -> None:
    role = emulator.client("iam").create_role(
        RoleName="deploy",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            }
        ),
    )["Role"]["Arn"]
    connection = connect(decoded({"assumeRoles": json.dumps([{"roleArn": role, "sessionName": "session"}])}))
    assert connection.client("sts").get_caller_identity()["Arn"].endswith("assumed-role/deploy/session")


def test_an_emulator_that_is_not_there_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RefusedError, match=r"127\.0\.0\.1:9"):
        connect(decoded({}))


def test_a_proxy_of_the_environment_is_not_used(emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert connect(decoded({})).account == "123456789012"


def test_starting_the_provider_imports_neither_boto3_nor_pulumi_aws() -> None:
    """Every preview waits for it."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, lab.provider.server; print(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"boto3", "pulumi_aws"} & set(loaded)
