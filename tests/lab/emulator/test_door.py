"""Programs of this machine are answered, and no web page is: over real HTTP, with the headers that a browser sends."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import pytest

from lab.emulator.door import reason_to_refuse
from tests.lab.emulator.conftest import REGION, RunningEmulator

SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 Credential=test/20261129/{REGION}/ec2/aws4_request, Signature=0"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CREATE_VPC = urlencode({"Action": "CreateVpc", "CidrBlock": "10.66.0.0/16", "Version": "2016-11-15"})


def ask(
    emulator: RunningEmulator, method: str, path: str, headers: Mapping[str, str | None], body: str = ""
) -> tuple[int, str]:
    """Ask with just these headers and, unless they say otherwise (None: no Host), the one Host that is right."""
    connection = http.client.HTTPConnection(urlsplit(emulator.endpoint).netloc)
    host = urlsplit(emulator.endpoint).netloc
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": host, "Content-Length": str(len(body)), **headers}.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body.encode())
    with connection.getresponse() as answer:
        return answer.status, answer.read().decode()


FROM_PAGES: list[dict[str, str | None]] = [
    {"Host": "dns-rebinding.example"},
    {"Host": "dns-rebinding.example:4566"},
    {"Host": "127.0.0.1.dns-rebinding.example"},
    {"Host": "localhost.dns-rebinding.example"},
    {"Host": "evillocalhost"},
    {"Host": "user@127.0.0.1"},
    {"Host": "127.0.0.1,dns-rebinding.example"},
    {"Host": "127.0.0.1/dns-rebinding.example"},
    {"Host": "127.0.0.1:http"},
    {"Host": "[::1"},
    {"Host": "192.0.2.1"},
    {"Host": "[2001:db8::1]:4566"},
    {"Host": ""},
    {"Host": None},
    {"Origin": "https://dns-rebinding.example"},
    {"Origin": "http://127.0.0.1:8080"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize("headers", FROM_PAGES, ids=str)
def test_no_page_can_call_aws_or_control_the_lab(emulator: RunningEmulator, headers: dict[str, str | None]) -> None:
    (name, value), *_ = headers.items()
    said = f"{name} is {value or ''!r}"
    status, text = ask(emulator, "POST", "/", {**SIGNED, **FORM, **headers}, CREATE_VPC)
    assert (status, "<Code>AccessDenied</Code>" in text) == (403, True), text
    status, text = ask(emulator, "POST", "/_lab/clock", headers, '{"advanceSeconds": 1000000}')
    assert (status, said in json.loads(text)["error"]) == (403, True), text
    # Neither did anything, nor counts as a call of the account's.
    assert dict(emulator.app.account.calls.counts) == {}
    assert [vpc["CidrBlock"] for vpc in emulator.client("ec2").describe_vpcs()["Vpcs"]] == ["172.31.0.0/16"]
    assert json.loads(ask(emulator, "GET", "/_lab/clock", {})[1])["emulatedSeconds"] < 1_000_000


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "127.0.0.1"},
        {"Host": "127.9.9.9:1"},
        {"Host": "localhost:4566"},
        {"Host": "LOCALHOST"},
        {"Host": "[::1]:4566"},
        {"Host": "dataset.s3.localhost:4566"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
def test_programs_and_whoever_types_an_address_are_answered(
    emulator: RunningEmulator, headers: dict[str, str | None]
) -> None:
    assert ask(emulator, "POST", "/", {**SIGNED, **FORM, **headers}, CREATE_VPC)[0] == 200
    assert ask(emulator, "GET", "/_lab/health", headers)[0] == 200


def test_a_refusal_is_an_error_that_clients_of_aws_understand(emulator: RunningEmulator) -> None:
    status, text = ask(emulator, "GET", "/dataset?list-type=2", {"Host": "dns-rebinding.example"})
    assert status == 403
    assert "<Error><Code>AccessDenied</Code><Message>The lab's emulator answers programs of this machine" in text
    assert "allowed: 127.0.0.1, [::1], localhost and names under it, with any port." in text


def test_another_machine_is_not_answered() -> None:
    assert reason_to_refuse({"REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": "127.0.0.1"}).startswith(
        "the request comes from 192.0.2.1"
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        "/moto-api/",
        "/moto-api/data.json",
        "/moto-api/reset",
        "/moto-api/seed?a=1",
        "/moto-api/recorder/start-recording",
        "/favicon.ico",
        "/latest/meta-data/iam/security-credentials/",
        "/latest/api/token",
    ],
)
def test_motos_own_pages_are_gone(emulator: RunningEmulator, method: str, path: str) -> None:
    ec2 = emulator.client("ec2")
    ec2.create_vpc(CidrBlock="10.1.0.0/16")
    status, text = ask(emulator, method, path, {})
    assert status >= 400
    assert "<Code>" in text, text
    assert "10.1.0.0/16" in {vpc["CidrBlock"] for vpc in ec2.describe_vpcs()["Vpcs"]}
