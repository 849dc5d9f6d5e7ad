"""The lab as a person meets it: started, used with plain Pulumi, stopped.

A lab is a folder (.lab): the emulator's process, a file backend whose stacks live in its account, and a copy of the
project. Account and backend belong together and are forgotten together, so that no state ever speaks of things that
are not there. Left out: what AWS does (emulator), which engine this is (engine), what is deployed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab import exclusive, foreground
from lab.control import Control, Running, require_loopback
from lab.engine.child import termination_as_exception
from lab.engine.setup import Engine, ensure
from lab.errors import LabError, WrongUse
from lab.processes import is_emulator, may_run_unseen
from lab.project import Project

REGION = "eu-west-2"
PASSPHRASE = "lab"  # noqa: S105 - what it keeps secret are the lab's stacks, which hold no secrets
START_LIMIT_SECONDS = 60.0
STOP_LIMIT_SECONDS = 5.0
WORD_INTERVAL_SECONDS = 2.0
PORT_TAKEN = 3
EMULATOR_WRONG_USE = 2
"""Exit codes of `python -m lab.emulator`."""

CREATES_STACKS = frozenset({"up", "update", "preview", "pre"})
"""Commands of Pulumi's before which a stack that the project has a file of is made."""

_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    # The user's own files may name endpoints, profiles and programs to get credentials from.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a lab is. Without `running` there is no account, whatever the backend says."""

    running: Running | None
    started_at: str | None
    requests: int
    stacks: tuple[str, ...]
    """Those that the backend has."""
    unhealthy_images: tuple[str, ...]
    """Images whose instances fail on purpose."""


class Lab:
    """The lab in the folder `root`, for the project in `checkout`. Making one touches nothing.

    `policies` are managed policies that the account has from its beginning: documents by name.
    """

    def __init__(self, root: Path, checkout: Path, policies: Mapping[str, str] | None = None) -> None:
        self._policies = dict(policies or {})
        self.root = root.absolute()
        self.project = Project(self.root / "project", checkout.absolute())
        self.bin_dir = self.root / "bin"
        self.log = self.root / "emulator.log"
        self._backend = self.root / "backend"
        self._ready_file = self.root / "emulator.json"
        self._account_file = self.root / "account.json"
        self._home = self.root / "pulumi-home"
        self._say: Progress = lambda _line: None

    def start(self, progress: Progress, port: int | None = None) -> Running:
        """Set up what is missing and start the emulator at `port` (None: a free one); return what runs then.

        Does nothing where all of it is there, but to renew the copy of the project, the images of its releases and the
        addresses that its stacks have published, so every command that works in the lab begins with it. An emulator
        that ended without `stop` took its account along: the lab then starts anew, with an empty account and an empty
        backend, and says so. Of several callers at once, also in other processes, one starts and the others wait.

        Raises WrongUse if the port is in use, if the lab runs at another one, or if the environment leads elsewhere
        than to this machine; EngineError if there is no engine; LabError if something else is in the way.
        """
        _refuse_other_endpoints(os.environ)
        self._say = progress
        with self._exclusively(), termination_as_exception():
            return self._started(port)

    def copy(self, target: Lab) -> Running:
        """Make `target` a running lab with the same account and the same stacks; return its emulator.

        From then on neither sees what is done in the other. The checkout of `target` is expected to say what this
        lab's says. Raises LabError if this lab isn't running, if a stack is being changed (half of a change would be
        copied), if `target` holds a lab already, or if it can't be written.
        """
        if target._ready_file.exists() or target._backend.exists():
            raise LabError(f"{target.root}: there is a lab already", "eps-dos lab stop, in that project")
        with self._exclusively(), target._exclusively(), termination_as_exception():
            running = self._running()
            locked = sorted({path.parent.name for path in self._backend.glob(".pulumi/locks/**/*.json")})
            if locked:
                raise LabError(f"{', '.join(locked)}: a command is changing it", "wait until it has ended")
            copied = Control(running.endpoint).copy()
            try:
                for source, folder in (
                    (self._backend, target._backend),
                    (self.project.folder, target.project.folder),
                    (self.bin_dir, target.bin_dir),
                ):
                    shutil.copytree(source, folder, symlinks=True)
                # Its output goes where the source's goes.
                target.log.unlink(missing_ok=True)
                target.log.hardlink_to(self.log)
                account = _read_json(self._account_file)
                _write_json(target._account_file, {**account, "run": copied.run})
                _write_json(target._ready_file, copied.document())
            except BaseException:
                self._end(copied)
                target._forget()
                raise
        return copied

    def stop(self, progress: Progress) -> bool:
        """End the emulator and forget the account, and with it the backend and the copy of the project.

        Returns whether there was anything to end or forget. Raises LabError if it can't be done.
        """
        self._say = progress
        if not self.root.is_dir():
            return False
        with self._exclusively():
            recorded = _read_running(self._ready_file)
            had_account = self._account_file.exists() or self._backend.exists()
            if recorded is not None:
                self._end(recorded)
            self._forget()
        return recorded is not None or had_account

    def status(self) -> Status:
        """Return how the lab is, without changing anything."""
        running = self._answering()
        if running is None:
            return Status(running=None, started_at=None, requests=0, stacks=self.stacks(), unhealthy_images=())
        control = Control(running.endpoint)
        health = control.health()
        return Status(
            running=running,
            started_at=health.started_at,
            requests=health.requests,
            stacks=self.stacks(),
            unhealthy_images=control.unhealthy_images(),
        )

    def control(self) -> Control:
        """Return the control API of the running emulator. Raises LabError if none runs."""
        return Control(self._running().endpoint)

    def environment(self) -> dict[str, str]:
        """Return the environment in which everything works in the lab, and nothing outside of it.

        It is this process's, without what belongs to AWS, to Pulumi or to a proxy, plus `variables`, and raises as they
        do.
        """
        return {**_without_outside(os.environ), **self.variables()}

    def variables(self) -> dict[str, str]:
        """Return the variables that the lab sets: the same, whether they are set already or not.

        Raises WrongUse if an endpoint is set that isn't this machine, LabError if no emulator runs, EngineError if
        there is no engine.
        """
        _refuse_other_endpoints(os.environ)
        running = self._running()
        environment = self.engine.environment({"PATH": os.environ.get("PATH", os.defpath)})
        policy = self.project.folder / "policy"
        own = str(self.bin_dir)
        path = [folder for folder in environment["PATH"].split(os.pathsep) if folder != own]
        return {
            **environment,
            "PATH": os.pathsep.join([own, *path]),
            # Before the installed packages, which are those of the checkout.
            "PYTHONPATH": str(self.project.folder),
            "EPS_DOS_LAB": "1",
            "AWS_ENDPOINT_URL": require_loopback(running.endpoint, "the emulator's endpoint"),
            **_ACCOUNT,
            "PULUMI_HOME": str(self._home),
            # Wherever it is started, Pulumi works on the copy.
            "PULUMI_OPTION_CWD": str(self.project.folder),
            "PULUMI_BACKEND_URL": self._backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            # A plain `pulumi up` runs no policy pack unless this names one.
            **({"PULUMI_OPTION_POLICY_PACK": str(policy)} if (policy / "PulumiPolicy.yaml").exists() else {}),
        }

    def pulumi(self, arguments: Sequence[str], progress: Progress, announce: foreground.Announce | None = None) -> int:
        """Run `pulumi` with `arguments` on the copy of the project, as if typed there; return its exit code.

        `announce` as in `foreground.run`.

        A stack named by --stack that the project has a file of, and the backend doesn't know yet, is made first where
        the command would fail without it. Raises WrongUse for a command that is to work elsewhere than on the copy, and
        else as `start` does.
        """
        _refuse_other_folders(arguments)
        self.start(progress)
        environment = self.environment()
        stack = stack_option(arguments)
        code = 0
        if stack is not None and CREATES_STACKS & set(arguments):
            code = self._make_stack(stack, environment)
        if code == 0:
            code = self._run_pulumi(arguments, environment, announce)
        for name in self.project.changed_by_pulumi():
            progress(
                f"note: {name} was changed in the lab's copy, which the next command takes from the project again; "
                f"to keep the change, make it in {self.project.checkout / name}"
            )
        return code

    def stacks(self) -> tuple[str, ...]:
        """Return the names of the stacks that the backend has."""
        return tuple(sorted(path.stem for path in self._backend.glob(".pulumi/stacks/*/*.json")))

    @cached_property
    def engine(self) -> Engine:
        """The engine of this machine. Raises EngineError if there is none and none can be set up."""
        return ensure(self._say)

    def _run_pulumi(
        self, arguments: Sequence[str], environment: Mapping[str, str], announce: foreground.Announce | None
    ) -> int:
        command: Sequence[str | os.PathLike[str]] = [self.engine.cli, *arguments]
        return foreground.run(command, cwd=self.project.folder, environment=environment, announce=announce)

    def _make_stack(self, stack: str, environment: Mapping[str, str]) -> int:
        with self._exclusively():
            if stack in self.stacks() or stack not in self.project.stacks():
                return 0
            arguments = ["stack", "init", stack, "--no-select", "--non-interactive"]
            self._say(f"$ pulumi {' '.join(arguments)}")
            # What it does is said already; what goes wrong, Pulumi says on stderr.
            return subprocess.run(  # noqa: S603 - the engine, with the name of a file of the project
                [self.engine.cli, *arguments],
                cwd=self.project.folder,
                env=dict(environment),
                stdout=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                check=False,
            ).returncode

    def _started(self, port: int | None) -> Running:
        self.project.renew()
        # Before anything is started: without an engine there is no lab.
        _ = self.engine
        running = self._answering()
        account = _read_json(self._account_file)
        if running is None or account.get("run") != running.run:
            # Also one that answers, but whose start never came to its end.
            self._discard(_read_running(self._ready_file))
            running = self._launch(port)
            account = {}
        elif port not in (None, 0, running.port):
            raise WrongUse(
                f"--port is {port}; the lab runs at port {running.port} already", "eps-dos lab stop, then start again"
            )
        # Pulumi takes no backend that isn't there.
        self._backend.mkdir(exist_ok=True)
        self._write_provider()
        addresses = self.project.addresses(REGION)
        baseline = json.dumps([self.project.releases(), self.project.hosted_zones(), addresses, self._policies])
        if account.get("baseline") != baseline:
            self._create_baseline(running)
            Control(running.endpoint).have_addresses(addresses)
            _write_json(self._account_file, {"run": running.run, "baseline": baseline})
        return running

    def _discard(self, recorded: Running | None) -> None:
        """End what is left of an emulator, and forget its account."""
        if recorded is not None:
            self._end(recorded)
        if self.stacks():
            self._say(
                "the emulator ended without `eps-dos lab stop`, and its AWS account with it: the lab starts anew, with "
                f"an empty account and without the state of {', '.join(self.stacks())}"
            )
        self._forget()
        self.project.renew()

    def _forget(self) -> None:
        # The account's record goes first: whatever is left after an interruption, it belongs to no account.
        self._account_file.unlink(missing_ok=True)
        self._ready_file.unlink(missing_ok=True)
        # Which stack is selected is kept in the home; there is none any more.
        for folder in (self._backend, self.project.folder, self._home / "workspaces"):
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder)

    def _launch(self, port: int | None) -> Running:
        self._say("starting the emulator")
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - the project's own module, with a number
                [
                    *(sys.executable, "-P", "-m", "lab.emulator"),
                    *("--port", str(port or 0)),
                    *("--ready-file", str(self._ready_file)),
                ],
                cwd=self.root,
                env=_without_outside(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # It outlives the command that starts it, and that command's Ctrl-C.
                start_new_session=True,
            )
            said_before = log.tell()
        try:
            return self._wait_until_ready(process, port, said_before)
        except BaseException:
            process.kill()
            process.wait()
            self._ready_file.unlink(missing_ok=True)
            raise

    def _wait_until_ready(self, process: subprocess.Popen[bytes], port: int | None, said_before: int) -> Running:
        started = time.monotonic()
        next_word = WORD_INTERVAL_SECONDS
        while True:
            code = process.poll()
            if code is not None:
                raise self._not_started(code, port, said_before)
            running = self._answering()
            if running is not None and running.pid == process.pid:
                return running
            waited = time.monotonic() - started
            if waited > START_LIMIT_SECONDS:
                raise LabError(f"the emulator isn't ready after {waited:.0f} s", f"see {self.log}")
            if waited >= next_word:
                self._say(f"starting the emulator ({waited:.0f} s)")
                next_word = waited + WORD_INTERVAL_SECONDS
            time.sleep(0.05)

    def _not_started(self, code: int, port: int | None, said_before: int) -> LabError:
        said = self.log.read_bytes()[said_before:].decode(errors="replace").strip().splitlines()
        last = said[-1].removeprefix("error: ") if said else "it says nothing"
        if code == PORT_TAKEN and port:
            return WrongUse(
                f"--port is {port}, and something else listens there; allowed: a free port of this machine",
                "eps-dos lab start, which takes a free one",
            )
        if code == EMULATOR_WRONG_USE:
            return WrongUse(last, "change it and run again")
        return LabError(f"the emulator ended as it started (exit code {code}): {last}", f"see {self.log}")

    def _write_provider(self) -> None:
        from lab.provider import write_executable

        self.bin_dir.mkdir(exist_ok=True)
        write_executable(self.bin_dir)

    def _create_baseline(self, running: Running) -> None:
        # Slow to load, and needed once in an account's life.
        from lab.emulator.baseline import create_baseline

        with _environment_of_process(_without_outside(os.environ) | _ACCOUNT):
            create_baseline(running.endpoint, self.project.releases(), policies=self._policies)
            for zone in self.project.hosted_zones():
                create_baseline(running.endpoint, (), zone=zone)

    def _running(self) -> Running:
        running = self._answering()
        if running is None:
            raise LabError("the lab isn't running", "eps-dos lab start")
        return running

    def _answering(self) -> Running | None:
        """The emulator that is written down, if it is there; LabError if it is there and doesn't answer."""
        recorded = _read_running(self._ready_file)
        if recorded is None:
            return None
        try:
            health = Control(recorded.endpoint).health()
        except LabError as error:
            # To start anew would throw an account away that may only be busy, or out of sight.
            if may_run_unseen(recorded.number_space):
                raise self._unseen(recorded) from error
            if not is_emulator(recorded.pid):
                return None
            remedy = "eps-dos lab stop, then eps-dos lab start"
            raise LabError(f"process {recorded.pid}: {error.problem}", remedy) from error
        # What answers is believed, whether or not its number means anything here.
        return recorded if health.run == recorded.run else None

    def _unseen(self, recorded: Running) -> LabError:
        return LabError(
            f"{self.root}: the emulator (process {recorded.pid}) was started in another container of this machine, and "
            "can't be seen from here",
            "eps-dos lab stop there; if that container is gone, remove the folder",
        )

    def _end(self, recorded: Running) -> None:
        """End the emulator that is written down, if that process still is one. Raises LabError if it can't be seen."""
        if may_run_unseen(recorded.number_space):
            raise self._unseen(recorded)
        for number, limit_seconds in ((signal.SIGTERM, STOP_LIMIT_SECONDS), (signal.SIGKILL, STOP_LIMIT_SECONDS)):
            if not is_emulator(recorded.pid):
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(recorded.pid, number)
            deadline = time.monotonic() + limit_seconds
            while is_emulator(recorded.pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        if is_emulator(recorded.pid):
            raise LabError(f"the emulator (process {recorded.pid}) doesn't end", f"kill -9 {recorded.pid}")

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        try:
            with exclusive.hold(
                self.root / "lock",
                lambda waited: self._say(f"waiting for another command that starts or stops the lab ({waited:.0f} s)"),
            ):
                yield
        except OSError as error:
            raise LabError(
                f"{error.filename or self.root}: the lab can't work there: {error.strerror or error}",
                "free room and give yourself the right to write the folder .lab",
            ) from error


def stack_option(arguments: Sequence[str]) -> str | None:
    """Return the value of --stack or -s in arguments of Pulumi's, the last if there are several; None without one."""
    found = None
    words = iter(arguments)
    for word in words:
        if word == "--":
            break
        if word in ("--stack", "-s"):
            found = next(words, None)
        elif word.startswith("--stack="):
            found = word.removeprefix("--stack=")
        elif word.startswith("-s") and not word.startswith("--"):
            found = word.removeprefix("-s").removeprefix("=")
    return found


def _refuse_other_folders(arguments: Sequence[str]) -> None:
    for word in arguments:
        if word == "--":
            return
        if word.startswith(("--cwd", "-C")):
            raise WrongUse(
                f"{word}: in the lab, Pulumi works on the lab's copy of the project and nowhere else",
                f"leave {word} out",
            )


def _refuse_other_endpoints(environment: Mapping[str, str]) -> None:
    """Raise WrongUse if `environment` sends any service of AWS's elsewhere than to this machine."""
    for name, value in sorted(environment.items()):
        if name.startswith("AWS_ENDPOINT_URL") and value:
            require_loopback(value, name)


@contextlib.contextmanager
def _environment_of_process(environment: Mapping[str, str]) -> Iterator[None]:
    """Let this process have `environment` and nothing else while the block runs: boto3 looks nowhere else."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _without_outside(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` without what leads to AWS, to a Pulumi backend or through a proxy."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(("AWS_", "PULUMI_")) and not name.upper().endswith("_PROXY")
    }


def _read_running(ready_file: Path) -> Running | None:
    document = _read_json(ready_file)
    try:
        return Running.parse(document)
    except (KeyError, ValueError):
        return None


def _read_json(path: Path) -> Mapping[str, object]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _write_json(path: Path, document: Mapping[str, object]) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(document), encoding="utf-8")
    part.replace(path)
