"""The language host: runs Python programs and policy packs for a Pulumi engine that brings no host for Python.

`pulumi-language-python`, found on PATH or beside the CLI, starts it: `python -m lab.engine.language_host ADDRESS`,
ADDRESS being the engine's. It serves LanguageRuntime on a loopback port, says which on stdout, and ends with the
engine. Starting fast matters, as every preview waits for it: nothing is imported that only a rare call needs.

Left out: installing packages (the project's own set-up does that), virtual environments that aren't made by venv
(the runtime options toolchain, typechecker), debuggers, making code. An engine that asks for those gets an error.

Sources: proto/pulumi/language.proto, as documented in the installed pulumi.runtime.proto.language_pb2; what the
vendor's pulumi-language-python hands to its executor, whose options a test holds this to (tests/lab/test_upgrade.py).
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import IO

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

# The program has told the user what is wrong: the engine is to stop and add nothing (the executor's convention).
EXIT_AFTER_MESSAGE = 32

# The vendor's own limit; gRPC's default of 4 MB is less than a large stack's configuration and inputs.
MESSAGE_LIMIT_BYTES = 400 * 1024 * 1024
EXECUTOR = "pulumi-language-python-exec"
PLUGINS_ENVIRONMENT = "venv"
"""Where the vendor's host looks for a plugin's virtual environment that says of none: never on an ambient Python
(pulumi-language-python, main.go, RunPlugin)."""
_GRACE_SECONDS = 2.0
_QUESTION_SECONDS = 60.0
_PARENT_POLL_SECONDS = 1.0
_WHICH_PYTHON = "import json, platform, sys; print(json.dumps([[sys.executable, platform.python_version()]]))"
_WHICH_PACKAGES = (
    "import json, importlib.metadata as metadata;"
    " print(json.dumps(sorted({(found.name, found.version) for found in metadata.distributions()})))"
)


class OptionError(Exception):
    """A runtime option of Pulumi.yaml or PulumiPolicy.yaml that can't be honoured; says which, and what to do."""


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Serves one engine. What isn't defined here answers UNIMPLEMENTED, as gRPC's base class does."""

    def __init__(self, executor: Path, engine_address: str, tracing: str) -> None:
        self._executor = executor
        self._engine_address = engine_address
        self._tracing = tracing
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopping = False

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, _context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        """An engine that attaches to a running host says where it listens; one that starts a host passes it."""
        self._engine_address = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: empty_pb2.Empty, _context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """The version of the SDK that the host's protocol is taken from."""
        import importlib.metadata

        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def GetRequiredPackages(
        self, _request: language_pb2.GetRequiredPackagesRequest, _context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """None: an engine told of a plugin beforehand downloads it, although PATH may have one; later it looks."""
        return language_pb2.GetRequiredPackagesResponse()

    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        """Run the program to its end. Its output is the host's own, which the engine shows."""
        try:
            python, environment = interpreter(request.info)
        except OptionError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        arguments = {
            "monitor": request.monitor_address,
            "engine": self._engine_address,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "pwd": request.pwd,
            "dry_run": "true" if request.dryRun else "false",
            "parallel": str(request.parallel),
            "tracing": self._tracing,
            "organization": request.organization,
        }
        command = [
            python,
            str(self._executor),
            *(word for name, value in arguments.items() if value for word in (f"--{name}", value)),
            request.info.entry_point,
            *request.args,
        ]
        environment["PULUMI_CONFIG"] = json.dumps(dict(request.config))
        environment["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
        try:
            program = self._start(command, environment, cwd=None, output=None)
        except OSError as error:
            return language_pb2.RunResponse(error=f"the program can't be started with {python}: {error.strerror}")
        # The engine gives up on the call, as when it is interrupted itself.
        _when_over(context, lambda: _end(program))
        code = program.wait()
        self._forget(program)
        if code == 0:
            return language_pb2.RunResponse()
        if code == EXIT_AFTER_MESSAGE:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"the program {_ending(code)}")

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a policy pack, or a plugin that is a folder with __main__.py, passing on its output as it comes."""
        folder = request.info.program_directory
        analyzer = request.kind == "analyzer"
        try:
            python, environment = interpreter(request.info, None if analyzer else PLUGINS_ENVIRONMENT)
        except OptionError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        environment.update(assignment.split("=", 1) for assignment in request.env if "=" in assignment)
        if analyzer:
            from lab.engine.policy_pack import Front

            front = Front(MESSAGE_LIMIT_BYTES)
            _when_over(context, front.close)
            yield language_pb2.RunPluginResponse(stdout=f"{front.port}\n".encode())
            environment.update(front.wait_for_stack())
            # Order and working directory are those of the vendor's host: packs rely on them.
            command = [python, "-u", "-m", "pulumi.policy", *request.args, folder]
            yield from self._stream(command, environment, folder, context, front.attach)
        elif (Path(folder) / "__main__.py").is_file():
            yield from self._stream([python, folder, *request.args], environment, request.pwd, context)
        else:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"the plugin in {folder} has no __main__.py to run")

    def InstallDependencies(
        self, _request: language_pb2.InstallDependenciesRequest, _context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Nothing to do: the virtual environment is the project's to make."""
        yield language_pb2.InstallDependenciesResponse(stdout=b"Python packages are installed by the project.\n")

    def About(self, request: language_pb2.AboutRequest, context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        """Which Python programs run on, for `pulumi about`."""
        ((executable, version),) = self._ask(request.info, _WHICH_PYTHON, context)
        return language_pb2.AboutResponse(executable=executable, version=version, metadata={"toolchain": "pip"})

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        """Every package that the program's Python has, for `pulumi about`: direct ones aren't told apart."""
        found = self._ask(request.info, _WHICH_PACKAGES, context)
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[language_pb2.DependencyInfo(name=name, version=version) for name, version in found]
        )

    def Cancel(self, _request: empty_pb2.Empty, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Let programs end by themselves; those who don't are ended."""
        threading.Thread(target=self.stop, args=(signal.SIGINT,), daemon=True).start()
        return empty_pb2.Empty()

    def stop(self, first_signal: signal.Signals = signal.SIGTERM) -> None:
        """End every program and pack, and start no more."""
        with self._lock:
            self._stopping = True
            children = list(self._children)
        for process in children:
            process.send_signal(first_signal)
        for process in children:
            _end(process)

    def _start(
        self, command: Sequence[str], environment: Mapping[str, str], cwd: str | None, output: int | None
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopping:
                raise OSError(0, "the engine is stopping")
            # It stays in the host's process group, which the engine interrupts and kills as a whole.
            process = subprocess.Popen(  # noqa: S603 - what the engine that started this host asks for
                command, env=dict(environment), cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            self._children.add(process)
            return process

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._children.discard(process)

    def _stream(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        cwd: str,
        context: grpc.ServicerContext,
        on_first_line: Callable[[bytes], None] | None = None,
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run `command`, yielding its output as it comes and its exit code last.

        With `on_first_line`, that gets the first line of its standard output (empty if there was none).
        """
        try:
            process = self._start(command, environment, cwd, subprocess.PIPE)
        except OSError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{command[0]} can't be started: {error.strerror}")
        _when_over(context, lambda: _end(process))
        responses: queue.Queue[language_pb2.RunPluginResponse | None] = queue.Queue()

        def read_stdout() -> None:
            with _buffered(process.stdout) as stream:
                if on_first_line is not None:
                    on_first_line(stream.readline())
                while chunk := stream.read1():
                    responses.put(language_pb2.RunPluginResponse(stdout=chunk))
            responses.put(None)

        def read_stderr() -> None:
            with _buffered(process.stderr) as stream:
                while chunk := stream.read1():
                    responses.put(language_pb2.RunPluginResponse(stderr=chunk))
            responses.put(None)

        readers = (read_stdout, read_stderr)
        for reader in readers:
            threading.Thread(target=reader, daemon=True).start()
        for _ in readers:
            while (response := responses.get()) is not None:
                yield response
        code = process.wait()
        self._forget(process)
        yield language_pb2.RunPluginResponse(exitcode=code)

    def _ask(self, info: language_pb2.ProgramInfo, question: str, context: grpc.ServicerContext) -> list[list[str]]:
        """Have the program's Python answer a question, in JSON."""
        try:
            python, environment = interpreter(info)
            answer = subprocess.run(  # noqa: S603 - one of this module's questions
                [python, "-c", question], env=environment, capture_output=True, check=True, timeout=_QUESTION_SECONDS
            ).stdout
        except (OptionError, OSError, subprocess.SubprocessError) as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        parsed: list[list[str]] = json.loads(answer)
        return parsed


def interpreter(info: language_pb2.ProgramInfo, virtualenv: str | None = None) -> tuple[str, dict[str, str]]:
    """Return the Python that a program, pack or plugin is to run on, and the environment to run it in.

    That of the runtime option `virtualenv` (relative to the project, pack or plugin), `virtualenv` without it; else
    PULUMI_PYTHON_CMD, else this one.

    Raises OptionError for an option that this host can't honour.
    """
    options = info.options
    for option, known in (("toolchain", "pip"), ("typechecker", None)):
        if option in options and options[option] != known:
            raise OptionError(
                f"runtime option {option} is {options[option]}; this language host knows "
                f"{'only ' + known if known else 'none'}. Remove it, or install the Pulumi CLI"
            )
    environment = dict(os.environ)
    chosen = str(options["virtualenv"]) if "virtualenv" in options else virtualenv
    if chosen is None:
        return environment.get("PULUMI_PYTHON_CMD") or sys.executable, environment
    # By name and not by link, as the vendor's host: `..` of a linked folder is where the link is.
    folder = Path(os.path.normpath(Path(info.root_directory, chosen)))
    python = folder / "bin" / "python"
    if not python.is_file():
        raise OptionError(
            f"runtime option virtualenv is {chosen}, and {folder} is no virtual environment. "
            f"Create it (python3 -m venv {folder}) and install the project's requirements in it"
        )
    environment["VIRTUAL_ENV"] = str(folder)
    environment["PATH"] = os.pathsep.join([str(python.parent), environment.get("PATH", os.defpath)])
    environment.pop("PYTHONHOME", None)
    return str(python), environment


def serve(executor: Path, engine_address: str, tracing: str) -> None:
    """Serve until interrupted, terminated, or left behind by the process that started this one."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: stopped.set())
    parent = os.getppid()
    host = LanguageHost(executor, engine_address, tracing)
    server = grpc.server(
        # A program or pack takes one thread for as long as it runs.
        ThreadPoolExecutor(max_workers=32),
        options=[
            ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
            ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
        ],
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not stopped.wait(_PARENT_POLL_SECONDS):
        if os.getppid() != parent:
            break
    host.stop()
    server.stop(None)


def main() -> None:
    """Parse what an engine passes: options for logging and tracing, then its own address."""
    parser = argparse.ArgumentParser(prog="pulumi-language-python", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("engine_address", nargs="?", default="")
    parser.add_argument("--use-executor", default=os.environ.get("PULUMI_LANGUAGE_PYTHON_EXEC", EXECUTOR))
    parser.add_argument("--tracing", default="")
    parser.add_argument("--logtostderr", action="store_true", help="accepted for the engine's sake")
    parser.add_argument("-v", default="", help="accepted for the engine's sake")
    arguments = parser.parse_args()
    executor = shutil.which(arguments.use_executor) or shutil.which(EXECUTOR)
    if executor is None:
        parser.error(f"{arguments.use_executor} is not there; run `python -m lab.engine` to set the engine up")
    serve(Path(executor), arguments.engine_address, arguments.tracing)
    sys.stdout.flush()
    # Not sys.exit: taking interpreter and gRPC down in order costs every command a tenth of a second.
    os._exit(0)


def _when_over(context: grpc.ServicerContext, action: Callable[[], None]) -> None:
    """Do `action` when the call is over, also if it is over already."""
    if not context.add_callback(action):
        action()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _buffered(stream: IO[bytes] | None) -> BufferedReader:
    """The pipe of a process that was started with one, as what it is: its type allows less."""
    if not isinstance(stream, BufferedReader):
        raise TypeError("the process was started without a pipe for its output")
    return stream


def _ending(code: int) -> str:
    return f"exited with code {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"


if __name__ == "__main__":
    main()
