"""A new version of Pulumi: each test names what is still to do or to decide, in the order of the work."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pulumi.runtime.proto import (
    analyzer_pb2,
    language_pb2,
    language_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
)

from lab.engine import go_build, language_host, policy_pack
from lab.engine.setup import Engine, engine_version, sdk_version
from lab.provider import server

ROOT = Path(__file__).parents[2]
GO_MODULES = ("github.com/pulumi/pulumi/pkg/v3", "github.com/pulumi/pulumi/sdk/v3")

METHODS_LEFT_OUT: dict[type, set[str]] = {
    # Making code and packages, and linking them into a project: not what a program is run with. An engine asks for
    # GetRequiredPlugins only where GetRequiredPackages fails, and `pulumi new` for RuntimeOptionsPrompts.
    language_host.LanguageHost: {
        *("GeneratePackage", "GenerateProgram", "GenerateProject", "Link", "Pack", "Template"),
        *("GetRequiredPlugins", "RuntimeOptionsPrompts"),
    },
    # Components, listing, parameterised packages, and what only a converted Terraform provider has.
    server.Provider: {"Call", "Construct", "GetMapping", "GetMappings", "List", "Parameterize"},
}

EVERY_TYPE = {"type"}  # which the URN has as well
PROGRESS = {"resource_status_address", "resource_status_token", "old_views"}  # of resources that show parts
FIELDS_LEFT_OUT: dict[ModuleType, dict[Any, set[str]]] = {
    language_host: {
        language_pb2.RunRequest: {
            *("program", "queryMode"),  # deprecated
            "configPropertyMap",  # the same as config, which the executor takes
            *("loader_target", "mapper_target", "attach_debugger"),
        },
        language_pb2.RunPluginRequest: {"program", "loader_target", "attach_debugger"},
        language_pb2.ProgramInfo: set(),
        language_pb2.RunResponse: set(),
        language_pb2.RunPluginResponse: set(),
    },
    policy_pack: {
        analyzer_pb2.AnalyzerStackConfigureRequest: {"config_secret_keys", "tags"},  # which a pack gets passed on
    },
    server: {
        provider_pb2.ProviderHandshakeRequest: {
            *("engine_address", "root_directory", "program_directory"),
            *("mapper_target", "loader_target", "resolver_target"),
            # What the engine could do if the provider asked for it in its response.
            *("configure_with_urn", "supports_views", "supports_refresh_before_update", "invoke_with_preview"),
            *("accepts_byte_string", "sends_old_outputs_to_check"),
            *("accepts_outputs_in_invoke", "accepts_outputs_in_call", "accepts_outputs_in_check"),
        },
        provider_pb2.ProviderHandshakeResponse: {
            *("accept_resources", "accept_outputs", "accepts_byte_string"),
            *("accepts_outputs_in_invoke", "accepts_outputs_in_call", "accepts_outputs_in_check"),
        },
        provider_pb2.ConfigureRequest: {
            *("variables", "acceptResources", "sends_old_inputs", "sends_old_inputs_to_delete"),
            *EVERY_TYPE,
        },
        provider_pb2.CheckRequest: {"old_outputs", *EVERY_TYPE},
        provider_pb2.CheckResponse: set(),
        provider_pb2.DiffRequest: EVERY_TYPE,
        provider_pb2.DiffResponse: {"stables"},
        provider_pb2.CreateRequest: {*EVERY_TYPE, "resource_status_address", "resource_status_token"},
        provider_pb2.CreateResponse: {"refresh_before_update"},
        provider_pb2.ReadRequest: {*EVERY_TYPE, *PROGRESS},
        provider_pb2.ReadResponse: {"refresh_before_update"},
        provider_pb2.UpdateRequest: {*EVERY_TYPE, *PROGRESS},
        provider_pb2.UpdateResponse: {"refresh_before_update"},
        provider_pb2.DeleteRequest: {*EVERY_TYPE, *PROGRESS},
        provider_pb2.InvokeRequest: set(),
        provider_pb2.InvokeResponse: set(),
    },
}


def pinned(package: str, line: str) -> list[str]:
    """The versions that `package` is held to in `line`, which may be a whole file."""
    return re.findall(rf"^{re.escape(package)}==([\w.]+)", line, flags=re.MULTILINE)


@pytest.mark.parametrize("package", ["pulumi", "pulumi-aws", "pulumi-policy"])
def test_the_sdk_of_pyproject_is_required_and_installed(package: str) -> None:
    """pyproject.toml decides; `make requirements` and `make venv` follow."""
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    decided = pinned(package, "\n".join(dependencies))
    assert len(decided) == 1
    for name in ("requirements.txt", "requirements-dev.txt"):
        assert pinned(package, (ROOT / name).read_text()) == decided, f"run make requirements: {name}"
    assert [importlib.metadata.version(package)] == decided, "run make venv"


def test_the_engine_is_at_or_above_the_sdk_and_its_modules_are_of_one_version() -> None:
    """In lab/engine/cli: `go get github.com/pulumi/pulumi/pkg/v3@vVERSION && go mod tidy`."""
    engine = engine_version()
    assert engine.major == sdk_version().major
    assert engine >= sdk_version()
    for name, line in (("go.mod", "{} v{}"), ("go.sum", "{} v{} h1:")):
        text = (go_build.MODULE_DIR / name).read_text()
        for module in GO_MODULES:
            assert line.format(module, engine) in text, f"run go get and go mod tidy: {name}"


@pytest.mark.parametrize(
    ("service", "base", "served"),
    [
        (
            language_pb2.DESCRIPTOR.services_by_name["LanguageRuntime"],
            language_pb2_grpc.LanguageRuntimeServicer,
            language_host.LanguageHost,
        ),
        (
            provider_pb2.DESCRIPTOR.services_by_name["ResourceProvider"],
            provider_pb2_grpc.ResourceProviderServicer,
            server.Provider,
        ),
    ],
    ids=["language host", "provider"],
)
def test_every_method_of_a_protocol_is_served_or_left_out_knowingly(service: Any, base: type, served: type) -> None:
    """A new one that an engine needs answers UNIMPLEMENTED: decide, then serve it or list it above."""
    names = {method.name for method in service.methods}
    assert {name for name in names if getattr(served, name) is getattr(base, name)} == METHODS_LEFT_OUT[served]


@pytest.mark.parametrize(
    ("module", "message", "left_out"),
    [
        pytest.param(module, message, left_out, id=message.DESCRIPTOR.name)
        for module, messages in FIELDS_LEFT_OUT.items()
        for message, left_out in messages.items()
    ],
)
def test_every_field_of_a_message_is_used_or_left_out_knowingly(
    module: ModuleType, message: Any, left_out: set[str]
) -> None:
    """A new one may change what the engine expects: decide, then use it or list it above."""
    source = Path(str(module.__file__)).read_text()
    fields = {field.name for field in message.DESCRIPTOR.fields}
    assert {name for name in fields if not re.search(rf'[."]{name}\b|\b{name}=', source)} == left_out


def test_every_method_of_a_policy_pack_is_one_that_its_front_can_pass_on() -> None:
    """The front knows calls of one message and one answer only."""
    methods = analyzer_pb2.DESCRIPTOR.services_by_name["Analyzer"].methods
    assert [method.name for method in methods if method.client_streaming or method.server_streaming] == []


@pytest.mark.engine
def test_the_language_host_passes_every_option_that_the_executor_takes(engine: Engine, tmp_path: Path) -> None:
    """What a program learns of its stack, it learns by these."""
    help_text = subprocess.run(
        [sys.executable, engine.bin_dirs[-1] / go_build.EXECUTOR, "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    recorder, said = tmp_path / "recorder", tmp_path / "said"
    recorder.write_text(f"import json, pathlib, sys\npathlib.Path({str(said)!r}).write_text(json.dumps(sys.argv))")
    host = language_host.LanguageHost(recorder, "127.0.0.1:1", "tracing")
    filled = {
        field.name: field.name
        for field in language_pb2.RunRequest.DESCRIPTOR.fields
        if field.type == field.TYPE_STRING and field.label != field.LABEL_REPEATED
    }
    info = language_pb2.ProgramInfo(root_directory=str(tmp_path), entry_point=".")
    request = language_pb2.RunRequest(**filled, dryRun=True, parallel=1, info=info)
    assert not host.Run(request, SimpleNamespace(add_callback=lambda _callback: True)).error
    passed = {word for word in json.loads(said.read_text()) if word.startswith("--")}
    assert passed == set(re.findall(r"^  (--\w+)", help_text, flags=re.MULTILINE))
