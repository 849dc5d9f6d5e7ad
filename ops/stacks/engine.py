"""A stack on the real engine, through the Automation API: typed, and no more than commands need.

Everything runs in the process's environment, which says the backend and the AWS; `ops.lab` sees to it in the lab.
Events come as the engine writes them, not as the Automation API's classes, which would drop what a newer engine adds.
Left out: what a preview means (`infra.graph`), and plain Pulumi with its output on the terminal (`ops.lab.entering`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from pulumi.automation import CommandError, CommandResult, PulumiCommand, StackNotFoundError
from pulumi.automation.errors import create_command_error

from infra.deciding import aws_plan
from infra.environment import AwsPlan
from infra.errors import WRONG_USE, ConfigError, Problem, ReportedError
from infra.graph import Graph
from infra.naming import check_stack_name, stack_file
from infra.state import check_state
from infra.values import mapping, sequence
from infra.yamlfile import read_mapping
from ops.output.progress import Tell
from ops.stacks import locks as backend
from ops.stacks.holders import announced
from ops.stacks.place import Place
from ops.stacks.store import opened

Json: TypeAlias = Mapping[str, Any]
"""An object as Pulumi writes it; what the keys mean is documented with Pulumi's apitype package."""

POLL_SECONDS = 0.2

_PROGRAM = ("--run-program",)
"""A refresh then works with the providers of today's program; without, with those of the state."""

_GATE = ("/bin/sh", "-c", 'read -r _ && exec "$@"', "sh")
"""The command after it begins, as the same process, when a line arrives; it never does if its parent is gone."""

NO_DOWNLOADS = {"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
"""Plugins are installed beforehand, by version: the engine fetches none that a state asks for (Pulumi, environment
variables)."""


class PulumiError(ReportedError):
    """Pulumi failed. `messages` are its errors, `events` the engine's whole log."""

    def __init__(self, stack: str, operation: str, messages: Sequence[str], events: Sequence[Json] = ()) -> None:
        self.stack = stack
        self.operation = operation
        self.messages = tuple(messages)
        self.events = tuple(events)
        super().__init__(f"pulumi {operation} of {stack} failed:\n" + "\n".join(self.messages))

    @property
    def refused_by_aws(self) -> bool:
        """Whether an operation on a resource failed, as opposed to anything before that."""
        return any("resOpFailedEvent" in event for event in self.events)

    @property
    def refused_by_lock(self) -> bool:
        """Whether somebody else holds the stack's lock, or tried for it at the same moment: then both give up."""
        return any("is currently locked by" in message for message in self.messages)


class NoBackendError(PulumiError):
    """Pulumi can't get at the states of stacks: nobody is logged in to a backend, or to the AWS that it is in."""

    exit_code = WRONG_USE

    def __init__(self, stack: str, operation: str, messages: Sequence[str], said: str) -> None:
        super().__init__(stack, operation, messages)
        self.args = (said,)


class NoSuchStackError(ConfigError):
    """The backend has no such stack."""

    def __init__(self, stack: str) -> None:
        message = "is not in the backend: it was never brought up, or is another backend's"
        fix = f"pulumi up --stack {stack}, or log in to the backend that has it"
        super().__init__([Problem(where=f"stack {stack}", message=message, fix=fix)])


@dataclass(frozen=True)
class Outcome:
    """What an operation did, or would do."""

    events: tuple[Json, ...]

    @property
    def changes(self) -> Json:
        """Counts of resources by operation (`create`, `update`, `same`, ...)."""
        summaries = [event["summaryEvent"] for event in self.events if "summaryEvent" in event]
        return mapping(summaries[-1].get("resourceChanges")) if summaries else {}


class StackHandle:
    """A stack of the project in `place`. Making one touches nothing but checks the name (ConfigError).

    Every method raises NoSuchStackError if the backend has no such stack, and PulumiError if Pulumi fails. Those that
    have a provider work raise ArmedStateError first if the state isn't the program's (`infra.state`).
    """

    def __init__(self, name: str, place: Place) -> None:
        self.name = check_stack_name(name)
        self.place = place

    def exists(self) -> bool:
        """Whether the backend has it."""
        try:
            self._run(["stack", "history", "--stack", self.name, "--page-size", "1", "--page", "1"])
        except NoSuchStackError:
            return False
        return True

    def create(self) -> None:
        """Make it in the backend, empty, unless it is there. The stack that is selected stays so."""
        if not self.exists():
            self.init()

    def init(self, secrets_provider: str | None = None) -> None:
        """Make it in the backend, empty; `secrets_provider` as in a stack file (awskms://...), None: the default.

        Raises PulumiError if it is there.
        """
        named = ["--secrets-provider", secrets_provider] if secrets_provider else []
        self._run(["stack", "init", self.name, "--no-select", *named], locks=True)

    def preview(self, tell: Tell, *, refresh: bool = False, plan: Path | None = None) -> Outcome:
        """Return what `up` would do; with `refresh`, seen from what AWS really has.

        `plan` is where to save it so that `up` does this and nothing else.
        """
        saved = ["--save-plan", str(plan)] if plan else []
        return self._operate("preview", ["--json", *(["--refresh", *_PROGRAM] if refresh else []), *saved], tell)

    def up(self, tell: Tell, *, plan: Path | None = None, message: str = "") -> Outcome:
        """Make AWS match the program; with `plan`, only as previewed."""
        options = ["--yes", *(["--plan", str(plan)] if plan else [])]
        return self._operate("up", [*options, *_message(message)], tell)

    def destroy(self, tell: Tell, *, message: str = "") -> Outcome:
        """Delete everything that the stack has made. The stack itself stays."""
        options = ["--yes", "--skip-preview", *_message(message)]
        return self._operate("destroy", options, tell, program_configures=False)

    def remove(self) -> None:
        """Delete the stack with its history from the backend; it must be empty. Its file stays."""
        self._run(["stack", "rm", "--stack", self.name, "--yes", "--preserve-config"], locks=True)

    def check_state(self, *, program_configures: bool) -> Json:
        """Return the state, as `export` does. Raise ArmedStateError if it isn't the program's (`infra.state`).

        Raises ConfigError if the AWS provider's plugin isn't installed.
        """
        _check_plugin(version("pulumi-aws"))
        state = self.export()
        check_state(self.name, state, self._aws, version("pulumi-aws"), program_configures=program_configures)
        return state

    def export(self) -> Json:
        """Return the state, secrets encrypted, as `pulumi stack export` prints it."""
        return _json_object(self._run(["stack", "export", "--stack", self.name]))

    def forget_pending(self) -> None:
        """Drop interrupted operations from the state. What they left in AWS is then in no state."""
        exported = dict(self.export())
        deployment = dict(exported["deployment"])
        deployment.pop("pending_operations", None)
        with tempfile.TemporaryDirectory(prefix="eps-dos-") as folder:
            file = Path(folder) / "state.json"
            file.write_text(json.dumps({**exported, "deployment": deployment}), encoding="utf-8")
            self._run(["stack", "import", "--stack", self.name, "--file", str(file)], locks=True)

    def graph(self) -> Graph:
        """Return the resources that the state has."""
        return Graph.from_export(self.export())

    def outputs(self) -> Json:
        """Return the stack's outputs (docs/configuration.md), secret ones as `[secret]`; empty before an `up`."""
        return _json_object(self._run(["stack", "output", "--json", "--stack", self.name]))

    def tags(self) -> Mapping[str, str]:
        """Return the tags that the backend keeps of it."""
        return dict(_json_object(self._run(["stack", "tag", "ls", "--json", "--stack", self.name])))

    def set_tag(self, key: str, value: str) -> None:
        """Set one tag. The backend locks nothing for it, so two at once may lose one."""
        self._run(["stack", "tag", "set", "--stack", self.name, "--", key, value])

    def locks(self) -> tuple[backend.Lock, ...]:
        """Return who is changing the stack, or was when it died. A preview takes no lock."""
        return backend.locks(self._url, self._project, self.name)

    def release(self, paths: Iterable[str]) -> None:
        """Remove the locks at these paths of the backend, which are of the dead, and no others."""
        store = opened(self._url)
        if store is not None:
            backend.release(store, self._project, self.name, paths)

    def cancel(self) -> None:
        """Remove all locks. Whoever still holds one goes on without: make sure that nobody does."""
        self._run(["cancel", "--yes", "--stack", self.name])

    def mend(self) -> tuple[str, ...]:
        """Remove files that a killed run left truncated; return their names. Nobody may be changing the stack."""
        return backend.mend(self._url, self._project, self.name)

    @cached_property
    def _url(self) -> str:
        return backend_url(self.place)

    @cached_property
    def _project(self) -> str:
        return backend.project_name(self.place.folder)

    @property
    def _aws(self) -> AwsPlan | None:
        """Where the stack is by its file, as that is now; None without a file or a region in it."""
        file = self.place.folder / stack_file(self.name)
        config = mapping(read_mapping(file).get("config")) if file.is_file() else {}
        return aws_plan(config) if "aws:region" in config else None

    def _operate(self, operation: str, options: list[str], tell: Tell, *, program_configures: bool = True) -> Outcome:
        state = self.check_state(program_configures=program_configures)
        with _event_log(tell) as log:
            arguments = [operation, "--stack", self.name, *options, "--event-log", str(log)]
            # Without it the engine has no --event-log.
            environment = {"PULUMI_DEBUG_COMMANDS": "true", **_here(self.place)}
            try:
                if operation == "preview":
                    _pulumi().run(arguments, str(self.place.folder), environment)
                else:
                    self._run_locking(arguments, environment)
            except StackNotFoundError:
                raise NoSuchStackError(self.name) from None
            except CommandError as error:
                events = with_options_of(state, _events(log))
                raise _failure(self.name, operation, _errors(events) or _errors_in(error), events) from error
            return Outcome(with_options_of(state, _events(log)))

    def _run(self, arguments: list[str], *, locks: bool = False) -> str:
        if not locks:
            return _printed(self.place, arguments, self.name)
        with _reported(self.name, arguments):
            return self._run_locking(arguments, _here(self.place))

    def _run_locking(self, arguments: list[str], environment: Mapping[str, str]) -> str:
        """Run what locks the stack, with its process written down first; return what it prints. Raises CommandError."""
        with announced(opened(self._url), self._project, self.name) as announce:
            process = subprocess.Popen(  # noqa: S603 - the engine, with a validated stack's name
                [*_GATE, _pulumi().command, "--non-interactive", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.place.folder,
                env={**os.environ, **environment, "PULUMI_AUTOMATION_API": "true"},
                encoding="utf-8",
                errors="replace",
            )
            with process:
                announce(process.pid)
                try:
                    stdout, stderr = process.communicate("\n")
                except BaseException:
                    # It has been told to end, too, and ends in order if somebody reads what it says about that.
                    process.communicate()
                    raise
        result = CommandResult(stdout=stdout, stderr=stderr, code=process.returncode)
        if result.code:
            raise create_command_error(result)
        return stdout


def backend_url(place: Place) -> str:
    """Return where the backend is that Pulumi is logged in to. Raises PulumiError if it is logged in to none."""
    return str(_json_object(_printed(place, ["whoami", "--json"])).get("url", ""))


def stack_names(place: Place, project: str) -> tuple[str, ...]:
    """Return the stacks of `project`, as Pulumi lists them. Raises PulumiError."""
    listed = json.loads(_printed(place, ["stack", "ls", "--project", project, "--json"]) or "[]")
    return tuple(sorted(str(stack["name"]).rpartition("/")[2] for stack in listed))


def _printed(place: Place, arguments: list[str], stack: str = "the backend") -> str:
    with _reported(stack, arguments):
        return str(_pulumi().run(arguments, str(place.folder), _here(place)).stdout)


@contextmanager
def _reported(stack: str, arguments: Sequence[str]) -> Iterator[None]:
    # The Automation API inserts options of its own into the list.
    operation = " ".join(arguments[:2])
    try:
        yield
    except StackNotFoundError:
        raise NoSuchStackError(stack) from None
    except CommandError as error:
        raise _failure(stack, operation, _errors_in(error)) from error


_NO_BACKEND = (
    (
        ("requires logging in", "PULUMI_ACCESS_TOKEN must be set"),
        "Pulumi is logged in to no backend of states",
        "pulumi login s3://BUCKET?region=REGION (eps-dos preflight names the account's); without AWS: --lab",
    ),
    (
        ("get credentials", "get identity", "ExpiredToken", "InvalidAccessKeyId", "InvalidClientTokenId"),
        "Pulumi's backend of states is in AWS, where nobody is logged in, or no longer",
        "aws sso login, with AWS_PROFILE set; without AWS: --lab",
    ),
    (
        ("unable to open state directory",),
        "Pulumi is logged in to a folder of states that isn't there",
        "pulumi login to the backend that has them, which eps-dos preflight names; without AWS: --lab",
    ),
)
"""What the engine and its backends say (seen from 3.274.1, AWS SDK for Go 2), what that means, and the next command."""


def _failure(stack: str, operation: str, messages: Sequence[str], events: Sequence[Json] = ()) -> PulumiError:
    for marks, meaning, fix in _NO_BACKEND:
        # A resource that fails for want of rights has an event, and its message is the user's.
        if not events and any(mark in message for mark in marks for message in messages):
            return NoBackendError(stack, operation, messages, f"{meaning}\n    fix: {fix}")
    return PulumiError(stack, operation, messages, events)


def _pulumi() -> PulumiCommand:
    # On PATH, where the place's engine comes first.
    return _pulumi_at(shutil.which("pulumi"))


@cache
def _pulumi_at(_cli: str | None) -> PulumiCommand:
    # Making one runs the CLI, to ask for its version.
    return PulumiCommand()


def _check_plugin(wanted: str) -> None:
    # On PATH Pulumi takes any version of it, which is how the lab's stand-in comes in.
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    if shutil.which("pulumi-resource-aws") or (home / "plugins" / f"resource-aws-v{wanted}").is_dir():
        return
    raise ConfigError.of(
        f"AWS provider {wanted}:",
        "its plugin is not installed, and eps-dos lets Pulumi download nothing",
        f"pulumi plugin install resource aws {wanted}",
    )


def _here(place: Place) -> dict[str, str]:
    # The environment may name another folder, which Pulumi takes before the one that it is started in.
    return {"PULUMI_OPTION_CWD": str(place.folder), **NO_DOWNLOADS}


@contextmanager
def _event_log(tell: Tell) -> Iterator[Path]:
    """Give a file for the engine to write its events to, one JSON object a line, and tell what is in it meanwhile."""
    with tempfile.TemporaryDirectory(prefix="eps-dos-") as folder:
        log = Path(folder) / "events"
        log.touch()
        over = threading.Event()
        teller = threading.Thread(target=_follow, args=(log, tell, over), daemon=True)
        teller.start()
        try:
            yield log
        finally:
            over.set()
            teller.join()


def _follow(log: Path, tell: Tell, over: threading.Event) -> None:
    done = 0
    unread = b""
    ended = False
    with log.open("rb") as file:
        while not ended:
            # When it is over, the rest is read once more.
            ended = over.wait(POLL_SECONDS)
            *lines, unread = (unread + file.read()).split(b"\n")
            for event in map(_event, lines):
                done = 0 if "preludeEvent" in event else done + ("resOutputsEvent" in event)
                step = (event.get("resourcePreEvent") or {}).get("metadata")
                if step:
                    tell(f"{done} resources, now {step.get('op', '')} {str(step.get('urn', '')).split('::')[-1]}")


OPTIONS = ("protect", "retainOnDelete")


def with_options_of(state: Json, events: Sequence[Json]) -> tuple[Json, ...]:
    """Return a log in which each resource had the engine's options that `state` has of it.

    A refresh that runs the program takes its options over before anything is planned, so that the steps of a plan that
    lifts a protection say that there was none (seen from 3.274.1).
    """
    resources = sequence(mapping(state.get("deployment")).get("resources"))
    kept = {
        (resource.get("urn"), resource.get("id")): {name: resource[name] for name in OPTIONS if name in resource}
        for resource in map(mapping, resources)
    }

    def restored(event: Json) -> Json:
        for kind in ("resourcePreEvent", "resOutputsEvent"):
            metadata = mapping(mapping(event.get(kind)).get("metadata"))
            old = mapping(metadata.get("old"))
            if (options := kept.get((old.get("urn"), old.get("id")))) is not None:
                others = {name: value for name, value in old.items() if name not in OPTIONS}
                return {**event, kind: {**event[kind], "metadata": {**metadata, "old": {**others, **options}}}}
        return event

    return tuple(map(restored, events))


def _events(log: Path) -> tuple[Json, ...]:
    # The last one is cut short if the engine was killed.
    return tuple(event for event in map(_event, log.read_text(encoding="utf-8").splitlines()) if event)


def _event(line: str | bytes) -> Json:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _errors(events: Sequence[Json]) -> list[str]:
    diagnostics = (event["diagnosticEvent"] for event in events if "diagnosticEvent" in event)
    return [str(diagnostic["message"]).strip() for diagnostic in diagnostics if diagnostic.get("severity") == "error"]


def _errors_in(error: CommandError) -> list[str]:
    """What the command printed as errors, from the text that the Automation API makes of its output."""
    _, _, stderr = str(error).partition("\n stderr: ")
    lines = (line.strip().removeprefix("error: ") for line in stderr.splitlines())
    return [line for line in lines if line] or [str(error).strip()]


def _message(text: str) -> list[str]:
    return ["--message", text] if text else []


def _json_object(printed: str) -> Json:
    document = json.loads(printed or "{}")
    return document if isinstance(document, dict) else {}
