"""Python programs and policy packs under the real CLI, run by the project's language host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from pulumi.runtime.proto import language_pb2

from lab.engine.language_host import PLUGINS_ENVIRONMENT, OptionError, interpreter
from lab.engine.setup import Engine, write_language_host


@dataclass(frozen=True, kw_only=True)
class Project:
    """A Pulumi project with a file backend of its own, one stack, and the language host under test."""

    folder: Path
    environment: dict[str, str]

    def program(self, source: str) -> None:
        (self.folder / "__main__.py").write_text(textwrap.dedent(source))

    def pulumi(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(arguments),
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def command(self, arguments: Sequence[str]) -> list[str]:
        return ["pulumi", *arguments, "--non-interactive"]


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Project:
    """A project without a program, on the project's language host also where the CLI brings one."""
    environment = engine.environment()
    if engine.source != "go":
        own = tmp_path / "bin"
        own.mkdir()
        write_language_host(own)
        environment["PATH"] = os.pathsep.join([str(own), environment["PATH"]])
    environment.update(
        PULUMI_BACKEND_URL=f"file://{tmp_path}",
        PULUMI_HOME=str(tmp_path / "home"),
        PULUMI_CONFIG_PASSPHRASE="of a test",  # noqa: S106 nothing of worth is behind it
    )
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: tiny\nruntime: python\n")
    made = Project(folder=folder, environment=environment)
    assert made.pulumi("stack", "init", "dev").returncode == 0
    return made


PROVIDER = """
    import sys, threading
    from concurrent.futures import ThreadPoolExecutor

    import grpc
    from google.protobuf import empty_pb2
    from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

    class Provider(provider_pb2_grpc.ResourceProviderServicer):
        def Handshake(self, request, context):
            return provider_pb2.ProviderHandshakeResponse()

        def GetPluginInfo(self, request, context):
            return plugin_pb2.PluginInfo()

        def CheckConfig(self, request, context):
            return provider_pb2.CheckResponse(inputs=request.news)

        def Configure(self, request, context):
            return provider_pb2.ConfigureResponse(supportsPreview=True)

        def Check(self, request, context):
            return provider_pb2.CheckResponse(inputs=request.news)

        def Diff(self, request, context):
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

        def Create(self, request, context):
            made = request.properties
            made["doubled"] = 2 * int(made["size"])
            return provider_pb2.CreateResponse(id="made", properties=made)

        def Cancel(self, request, context):
            return empty_pb2.Empty()

    server = grpc.server(ThreadPoolExecutor())
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    threading.Event().wait()
    """
PROGRAM = """
    import pulumi

    class Thing(pulumi.CustomResource):
        doubled: pulumi.Output[int]

        def __init__(self, name, size):
            super().__init__("things:index:Thing", name, {"size": size, "doubled": None})

    config = pulumi.Config()
    print(f"{pulumi.get_project()}/{pulumi.get_stack()} of {pulumi.get_organization()}: {pulumi.runtime.is_dry_run()}")
    pulumi.export("doubled", Thing("thing", config.require("size")).doubled)
    pulumi.export("secret", config.require_secret("password"))
    """


def with_provider(project: Project) -> None:
    """Give the project a provider of its own, run from source, and a program that uses it."""
    plugin = project.folder / "things"
    plugin.mkdir()
    (plugin / "PulumiPlugin.yaml").write_text(f"runtime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}\n")
    (plugin / "__main__.py").write_text(textwrap.dedent(PROVIDER))
    manifest = project.folder / "Pulumi.yaml"
    manifest.write_text(f"{manifest.read_text()}plugins: {{providers: [{{name: things, path: things}}]}}\n")
    project.program(PROGRAM)


@pytest.mark.engine
def test_a_program_is_told_its_stack_and_uses_a_provider_run_from_source(project: Project) -> None:
    """Output is shown, configuration and its secrets arrive, and no warning tells of a strange language host."""
    with_provider(project)
    for arguments in (("size", "21"), ("password", "hidden", "--secret")):
        assert project.pulumi("config", "set", *arguments).returncode == 0
    up = project.pulumi("up", "--yes", "--skip-preview")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "tiny/dev of organization: False" in up.stdout
    assert "from $PATH" not in up.stdout + up.stderr
    outputs = project.pulumi("stack", "output", "--json", "--show-secrets").stdout
    assert json.loads(outputs) == {"doubled": 42, "secret": "hidden"}
    assert "hidden" not in up.stdout
    preview = project.pulumi("preview", "--expect-no-changes")
    assert preview.returncode == 0, preview.stdout
    assert "tiny/dev of organization: True" in preview.stdout


@pytest.mark.scenario
@pytest.mark.engine
@pytest.mark.parametrize(
    ("source", "said", "of_the_host"),
    [
        ("raise ValueError('no such zone')", "ValueError: no such zone", False),
        ("import pulumi\nraise pulumi.RunError('the settings are wrong')", "error: the settings are wrong", True),
        ("import os\nos._exit(3)", "the program exited with code 3", True),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "the program was ended by SIGKILL", True),
    ],
)
def test_a_failing_program_shows_its_own_error_and_nothing_of_the_host(
    project: Project, source: str, said: str, of_the_host: bool
) -> None:
    """An exception, a sentence for the user, and an end without words each fail the preview with what is known.

    After an exception the executor has said all (exit code 32), and how the program ended is not added.
    """
    project.program(source)
    preview = project.pulumi("preview")
    shown = preview.stdout + preview.stderr
    assert preview.returncode != 0
    assert said in shown
    assert ("the program " in shown) == of_the_host
    assert "language_host" not in shown
    assert "runpy" not in shown


@pytest.mark.engine
def test_a_policy_pack_is_told_the_stack_and_can_refuse(project: Project, tmp_path: Path) -> None:
    """It reads stack and configuration; what it reports stops the update before anything is made."""
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (pack / "__main__.py").write_text(
        textwrap.dedent("""
            import pulumi
            from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

            def check(args, report):
                limit = pulumi.Config("tiny").require_int("limit")
                if int(args.props.get("size", 0)) > limit:
                    report(f"{args.name} of {pulumi.get_stack()} is larger than {limit}")

            policies = [ResourceValidationPolicy("size", "Small things only.", check)]
            PolicyPack("sizes", policies, enforcement_level=EnforcementLevel.MANDATORY)
        """)
    )
    with_provider(project)
    for setting in ("size=3", "limit=2", "password=x"):
        assert project.pulumi("config", "set", *setting.split("=")).returncode == 0
    refused = project.pulumi("up", "--yes", PULUMI_OPTION_POLICY_PACK=str(pack))
    assert refused.returncode != 0
    assert "thing of dev is larger than 2" in refused.stdout
    assert "Thing" not in project.pulumi("stack", "export").stdout
    assert project.pulumi("config", "set", "limit", "3").returncode == 0
    allowed = project.pulumi("up", "--yes", PULUMI_OPTION_POLICY_PACK=str(pack))
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr


@pytest.mark.scenario
@pytest.mark.engine
def test_a_policy_pack_that_does_not_start_fails_the_preview(project: Project, tmp_path: Path) -> None:
    """It doesn't wait for a pack that will never answer, and shows why the pack ended."""
    (tmp_path / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (tmp_path / "__main__.py").write_text("raise ValueError('this pack is broken')\n")
    project.program("")
    preview = project.pulumi("preview", PULUMI_OPTION_POLICY_PACK=str(tmp_path))
    assert preview.returncode != 0
    assert "ValueError: this pack is broken" in preview.stdout + preview.stderr


@pytest.mark.scenario
@pytest.mark.engine
def test_an_interrupted_preview_ends_with_the_program(project: Project, tmp_path: Path) -> None:
    """Ctrl-C reaches the program. Whether the engine kills a slow host (after 5 s) is not seen: nothing is timed."""
    started = tmp_path / "started"
    project.program(
        f"import os, pathlib, time\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    )
    process = subprocess.Popen(
        project.command(["preview"]),
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not (started.exists() and started.read_text()):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


@pytest.mark.scenario
@pytest.mark.engine
def test_the_virtual_environment_of_a_project_is_used_or_missed_by_name(project: Project) -> None:
    """`virtualenv` is relative to the project; one that isn't there is an error that says how to make it."""
    option = "name: tiny\nruntime:\n  name: python\n  options:\n    virtualenv: {folder}\n"
    manifest = project.folder / "Pulumi.yaml"
    project.program("import sys\nprint('runs on', sys.prefix)")
    manifest.write_text(option.format(folder=os.path.relpath(sys.prefix, project.folder)))
    preview = project.pulumi("preview", PULUMI_PYTHON_CMD=sys.executable)
    assert f"runs on {sys.prefix}" in preview.stdout, preview.stdout + preview.stderr
    manifest.write_text(option.format(folder="absent"))
    preview = project.pulumi("preview")
    assert preview.returncode != 0
    assert f"python3 -m venv {project.folder}/absent" in preview.stdout + preview.stderr


@pytest.mark.engine
def test_about_tells_which_python_programs_run_on(project: Project) -> None:
    """`pulumi about` asks the host for it, and for the packages."""
    about = project.pulumi("about", "--json").stdout
    assert json.loads(about)["runtime"]["executable"] == sys.executable
    assert "pulumi_aws" in {found["name"].replace("-", "_") for found in json.loads(about)["dependencies"]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_host_says_its_port_and_ends_when_told(number: signal.Signals) -> None:
    """By itself, with exit code 0. The engine waits for it at the end of every command, at most five seconds."""
    host = start_host()
    assert host.stdout is not None
    assert int(host.stdout.readline()) > 1024
    host.send_signal(number)
    _, said = host.communicate(timeout=60)
    assert (host.returncode, said) == (0, "")


@pytest.mark.scenario
def test_the_host_does_not_outlive_the_engine() -> None:
    """An engine that was killed can't end it; it notices by itself."""
    engine = subprocess.Popen(
        ["/bin/sh", "-c", f"{sys.executable} -m lab.engine.language_host --use-executor /bin/sh 127.0.0.1:1 & wait"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    assert engine.stdout.readline()
    engine.kill()
    # The pipe ends when its last holder, the host, has ended.
    engine.communicate(timeout=60)


def start_host() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lab.engine.language_host", "--use-executor", "/bin/sh", "-v=9", "127.0.0.1:1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def info(**options: str) -> language_pb2.ProgramInfo:
    made = language_pb2.ProgramInfo(root_directory="/project")
    made.options.update(options)
    return made


def test_without_virtual_environment_the_named_python_is_used_else_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """PULUMI_PYTHON_CMD is the vendor's name for it."""
    monkeypatch.delenv("PULUMI_PYTHON_CMD", raising=False)
    assert interpreter(info())[0] == sys.executable
    monkeypatch.setenv("PULUMI_PYTHON_CMD", "/opt/python")
    assert interpreter(info(toolchain="pip"))[0] == "/opt/python"


@pytest.mark.parametrize(("option", "value"), [("toolchain", "uv"), ("toolchain", "poetry"), ("typechecker", "mypy")])
def test_options_that_cannot_be_honoured_are_refused(option: str, value: str) -> None:
    """Passing over them would run the program on another Python, or unchecked."""
    with pytest.raises(OptionError, match=f"runtime option {option} is {value}"):
        interpreter(info(**{option: value}))


def test_a_plugin_is_never_run_on_an_ambient_python() -> None:
    """The vendor's host takes `venv` in the plugin's folder where the plugin names none; more would only work here."""
    with pytest.raises(OptionError, match="/project/venv is no virtual environment"):
        interpreter(info(), PLUGINS_ENVIRONMENT)


def test_a_linked_plugins_virtual_environment_is_beside_the_link(tmp_path: Path) -> None:
    """The vendor's host takes the name of a path for what it says (Go's filepath.Join)."""
    for folder in ("real/plugin", "real/.venv/bin", "work/.venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    for made in ("real", "work"):
        (tmp_path / made / ".venv/bin/python").touch()
    (tmp_path / "work/plugin").symlink_to(tmp_path / "real/plugin")
    linked = language_pb2.ProgramInfo(root_directory=str(tmp_path / "work/plugin"))
    linked.options.update({"virtualenv": "../.venv"})
    assert interpreter(linked, PLUGINS_ENVIRONMENT)[0] == str(tmp_path / "work/.venv/bin/python")
