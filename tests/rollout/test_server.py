"""The provider as the engine sees it: a process of its own, started as a language host does, asked over gRPC."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

ROOT = Path(__file__).parents[2]
REFUSAL = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>"

PROPERTIES: dict[str, Any] = {
    "release": "1.4.0",
    "image": "eps-dos-api-1.4.0",
    "imageId": "ami-1",
    "autoScalingGroup": "nft-service-1234567",
    "launchTemplateId": "lt-1",
    "launchTemplateVersion": "1",
    "minimumHealthyPercent": 100,
    "maximumHealthyPercent": 110,
    "instanceWarmupSeconds": 120,
    "bakeSeconds": 300,
    "alarmNames": ["nft-unhealthy-hosts"],
    "alarmsOverridden": False,
}
CONFIGURATION = {"region": "eu-west-2"}
NEXT = {**PROPERTIES, "release": "1.5.0", "launchTemplateVersion": "2"}
SOME, NONE = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE


def struct(properties: dict[str, Any]) -> Struct:
    made = Struct()
    made.update(properties)
    return made


class Refusing(BaseHTTPRequestHandler):
    """An AWS that allows nothing: what asks it fails, and isn't asked again."""

    def do_POST(self) -> None:
        self.send_response(HTTPStatus.FORBIDDEN)
        self.end_headers()
        self.wfile.write(REFUSAL)

    def log_message(self, *_: Any) -> None:
        """Nothing is said."""


@contextmanager
def refusing_aws() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def started(folder: Path, endpoint: str = "") -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(folder), "127.0.0.1:1"],
        cwd=folder.parent,
        env={"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def stub_of(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    port = int(process.stdout.readline())
    return provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))


@pytest.fixture(scope="module")
def provider() -> Iterator[Any]:
    with refusing_aws() as endpoint, started(ROOT / "rollout", endpoint) as process:
        stub = stub_of(process)
        stub.Configure(provider_pb2.ConfigureRequest(args=struct(CONFIGURATION)))
        yield stub


def test_the_project_declares_it_and_it_names_the_projects_python() -> None:
    (declared,) = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["plugins"]["providers"]
    assert (declared["name"], ROOT / declared["path"]) == ("eps-dos", ROOT / "rollout")
    runtime = yaml.safe_load((ROOT / "rollout" / "PulumiPlugin.yaml").read_text())["runtime"]
    assert (runtime["name"], runtime["options"]) == ("python", {"virtualenv": "../.venv"})


@pytest.mark.parametrize(
    ("news", "changes", "replaces"),
    [
        (PROPERTIES, NONE, []),
        (NEXT, SOME, []),
        ({**PROPERTIES, "bakeSeconds": 600}, SOME, []),
        ({**PROPERTIES, "autoScalingGroup": "other"}, SOME, ["autoScalingGroup"]),
        ({**PROPERTIES, "imageMissing": "self has no image a-name"}, NONE, []),
    ],
)
def test_a_change_is_seen_and_another_group_is_another_rollout(
    provider: Any, news: dict[str, Any], changes: int, replaces: list[str]
) -> None:
    found = provider.Diff(provider_pb2.DiffRequest(olds=struct(PROPERTIES), news=struct(news)))
    assert (found.changes, list(found.replaces)) == (changes, replaces)


@pytest.mark.parametrize(
    ("news", "changes"), [(CONFIGURATION, NONE), ({**CONFIGURATION, "profile": "nhs"}, SOME), ({"region": "x"}, SOME)]
)
def test_another_configuration_is_a_change_and_no_other_provider(
    provider: Any, news: dict[str, Any], changes: int
) -> None:
    request = provider_pb2.DiffRequest(old_inputs=struct(CONFIGURATION), olds=struct({}), news=struct(news))
    found = provider.DiffConfig(request)
    assert (found.changes, list(found.replaces)) == (changes, [])


def test_in_a_state_from_before_it_had_inputs_it_reads_nothing() -> None:
    with started(ROOT / "rollout") as process:
        stub = stub_of(process)
        stub.Configure(provider_pb2.ConfigureRequest())
        read = stub.Read(provider_pb2.ReadRequest(id="nft-service-1234567", properties=struct(PROPERTIES)))
    assert read.properties == struct(PROPERTIES)


def test_a_preview_asks_nothing_of_aws(provider: Any) -> None:
    created = provider.Create(provider_pb2.CreateRequest(properties=struct(PROPERTIES), preview=True))
    updated = provider.Update(provider_pb2.UpdateRequest(olds=struct(PROPERTIES), news=struct(NEXT), preview=True))
    assert (created.properties, updated.properties) == (struct(PROPERTIES), struct(NEXT))


def test_preferences_alone_ask_nothing_of_aws(provider: Any) -> None:
    news = struct({**PROPERTIES, "bakeSeconds": 600})
    assert provider.Update(provider_pb2.UpdateRequest(olds=struct(PROPERTIES), news=news)).properties == news


@pytest.mark.parametrize("news", [NEXT, {**PROPERTIES, "image": "eps-dos-api-1.4.0-2"}])
def test_a_release_without_an_image_is_not_rolled_out(provider: Any, news: dict[str, Any]) -> None:
    missing = struct({**news, "imageId": "ami-1", "imageMissing": "self has no image"})
    request = provider_pb2.UpdateRequest(olds=struct(PROPERTIES), news=missing)
    with pytest.raises(grpc.RpcError) as failed:
        provider.Update(request)
    assert failed.value.details() == (
        f"rollout of {news['release']} to nft-service-1234567 was not started, since self has no image; 1.4.0 stays"
    )


@pytest.mark.parametrize("olds", [PROPERTIES, {key: value for key, value in PROPERTIES.items() if key != "image"}])
def test_an_image_that_is_missing_stops_nothing_else_and_is_not_kept(provider: Any, olds: dict[str, Any]) -> None:
    news = {**PROPERTIES, "bakeSeconds": 600}
    request = provider_pb2.UpdateRequest(olds=struct(olds), news=struct({**news, "imageMissing": "it is gone"}))
    assert provider.Update(request).properties == struct(news)


@pytest.mark.parametrize("call", ["Create", "Update", "Read"])
def test_what_fails_is_one_sentence_and_nothing_of_grpc(provider: Any, call: str) -> None:
    requests = {
        "Create": provider_pb2.CreateRequest(properties=struct(PROPERTIES)),
        "Update": provider_pb2.UpdateRequest(olds=struct(PROPERTIES), news=struct(NEXT)),
        "Read": provider_pb2.ReadRequest(id="nft-service-1234567", properties=struct(PROPERTIES)),
    }
    with pytest.raises(grpc.RpcError) as failed:
        getattr(provider, call)(requests[call])
    sentence = failed.value.details()
    assert sentence.startswith(f"rollout of {'1.5.0' if call == 'Update' else '1.4.0'} to nft-service-1234567: ")
    assert sentence.endswith(": not authorized")


def test_what_a_stack_is_given_are_its_inputs_and_no_code(provider: Any) -> None:
    checked = provider.Check(provider_pb2.CheckRequest(news=struct(PROPERTIES)))
    assert MessageToDict(checked.inputs).keys() == PROPERTIES.keys()


def test_a_preview_loads_neither_boto3_nor_the_program() -> None:
    """Every preview starts it."""
    source = "import sys, rollout.server; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "'grpc'" in loaded
    for heavy in ("boto3", "botocore", "infra.program", "pulumi_aws", "pydantic"):
        assert f"'{heavy}'" not in loaded


def test_a_copy_of_its_folder_runs_the_copys_code(tmp_path: Path) -> None:
    """The lab copies the project; what is installed is the checkout's."""
    shutil.copytree(ROOT / "rollout", tmp_path / "rollout", ignore=shutil.ignore_patterns("__pycache__"))
    server = tmp_path / "rollout" / "server.py"
    server.write_text("def serve():\n    print('the copy')\n")
    with started(tmp_path / "rollout") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "the copy\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_told_and_says_nothing(number: signal.Signals) -> None:
    with started(ROOT / "rollout") as process:
        stub_of(process)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, "")


def test_it_does_not_outlive_the_engine() -> None:
    engine = subprocess.Popen(
        ["/bin/sh", "-c", f"{sys.executable} {ROOT / 'rollout'} 127.0.0.1:1 & wait"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    assert engine.stdout.readline()
    engine.kill()
    # The pipe ends when its last holder, the provider, has ended.
    engine.communicate(timeout=60)
