"""Sees to it that this machine has a Pulumi engine: found on PATH, installed by the vendor's installer, or built.

Once per user and version: the result is kept in the user's cache directory and shared by all checkouts, also by those
that need another version. Which version: that of cli/go.mod, at or above the SDK's. Left out: how the build goes
(go_build), what the language host does (language_host), and where a stack's state is kept.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semver import Version

from lab import exclusive
from lab.engine import child, go_build
from lab.engine.errors import EngineError

Source = Literal["path", "installer", "go"]
Progress = Callable[[str], None]

LANGUAGE_HOST = "pulumi-language-python"

_VERSION_SECONDS = 60.0
_INSTALLER_SECONDS = 600.0

# -P: the folder that the engine starts it in may hold a copy of the project.
_LANGUAGE_HOST_SCRIPT = f"""#!/bin/sh
# Written by lab.engine.setup: the language host of a Pulumi CLI that brings none.
PULUMI_LANGUAGE_PYTHON_EXEC="${{0%/*}}/{go_build.EXECUTOR}"
export PULUMI_LANGUAGE_PYTHON_EXEC
exec "${{PULUMI_PYTHON_CMD:-python3}}" -P -m lab.engine.language_host "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A Pulumi CLI that fits, and where its parts are.

    `bin_dirs`, put first on PATH in their order, let the CLI find `pulumi-language-python` beside itself: its own, or
    the project's (see language_host) where it brings none.
    """

    cli: Path
    version: str
    source: Source
    bin_dirs: tuple[Path, ...]

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return `base` (this process's environment by default) in which programs find this engine and this Python.

        PULUMI_PYTHON_CMD is what language host, programs and policy packs run on that name no virtual environment.
        """
        environment = dict(os.environ if base is None else base)
        first = [str(folder) for folder in self.bin_dirs]
        rest = [folder for folder in environment.get("PATH", os.defpath).split(os.pathsep) if folder not in first]
        return {
            **environment,
            "PATH": os.pathsep.join([*first, *rest]),
            "PULUMI_PYTHON_CMD": sys.executable,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }


def ensure(progress: Progress) -> Engine:
    """Return the engine of this machine, setting it up if there is none that fits.

    Looked for in this order: `pulumi` on PATH (same major version as the installed SDK, and not older), what an
    earlier call left in the cache, the vendor's installer, a build from the Go module; the last three have the version
    of cli/go.mod. `progress` gets one line per thing worth telling, at least every few seconds while something is
    under way, nothing if all is there.

    Interrupted (SIGINT, SIGTERM), it ends what it started and leaves nothing half done. Callers at the same time,
    also in other processes, wait for the one who is at it.

    Raises EngineError if every way failed: what is missing, and what to install.
    """
    on_path = _on_path(progress)
    if on_path is not None:
        return on_path
    home, wanted = engine_home(), engine_version()
    cached = _cached(home, wanted, progress)
    if cached is not None:
        return cached
    with child.termination_as_exception(), _exclusive(home, progress):
        return _cached(home, wanted, progress) or _set_up(home, wanted, progress)


def sdk_version() -> Version:
    """The version of the installed `pulumi` package: an older engine is not promised to understand it."""
    return Version.parse(importlib.metadata.version("pulumi"))


def engine_version() -> Version:
    """The version of the engine that is installed or built where PATH has none that fits."""
    return Version.parse(go_build.module_version())


def engine_home() -> Path:
    """The folder that holds engines by version: in XDG_CACHE_HOME, or ~/.cache.

    Raises EngineError if the user has no home directory to keep it in.
    """
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as error:
        raise EngineError(f"there is no folder for the Pulumi CLI: {error}", "set HOME or XDG_CACHE_HOME") from error
    # The specification of XDG_CACHE_HOME has relative paths ignored.
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "eps-dos-api" / "engine"


def write_language_host(bin_dir: Path) -> Path:
    """Write the executable `pulumi-language-python` into `bin_dir`, unless it is there already; return its path.

    It runs lab.engine.language_host with PULUMI_PYTHON_CMD (`python3` if unset), so that one script serves every
    checkout, and the executor beside it.
    """
    script = bin_dir / LANGUAGE_HOST
    if script.is_file() and script.read_text(encoding="utf-8") == _LANGUAGE_HOST_SCRIPT:
        return script
    handle, name = tempfile.mkstemp(dir=bin_dir, prefix=f".{LANGUAGE_HOST}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(_LANGUAGE_HOST_SCRIPT)
    written = Path(name)
    written.chmod(0o755)
    # In one step: another engine may be about to start it.
    written.replace(script)
    return script


def _on_path(progress: Progress) -> Engine | None:
    """The `pulumi` on PATH, if it fits; else say why not, if there is one."""
    oldest = sdk_version()
    found = shutil.which("pulumi")
    if found is None or Path(found).resolve().is_relative_to(engine_home().resolve()):
        return None
    cli = Path(found).absolute()
    try:
        version = _version_of(cli)
    except EngineError as error:
        progress(f"not using {cli}: {error.problem}")
        return None
    if version.major != oldest.major or version < oldest:
        progress(f"not using {cli}: it is {version}; needed: {oldest} or newer, and below {oldest.major + 1}.0.0")
        return None
    # A package manager's link: the CLI itself looks beside its real path, too.
    beside = os.pathsep.join([str(cli.parent), str(cli.resolve().parent), os.environ.get("PATH", "")])
    if shutil.which(LANGUAGE_HOST, path=beside):
        return Engine(cli=cli, version=str(version), source="path", bin_dirs=(cli.parent,))
    try:
        parts = _python_parts(progress)
    except EngineError as error:
        progress(f"not using {cli}: it brings no {LANGUAGE_HOST}, and {error.problem}")
        return None
    return Engine(cli=cli, version=str(version), source="path", bin_dirs=(cli.parent, parts))


def _python_parts(progress: Progress) -> Path:
    """The folder with the language host and its scripts alone, for a CLI that has none. Raises EngineError."""
    home = engine_home()
    folder = home / f"{_label(engine_version())}-python"
    if folder.is_dir():
        return write_language_host(folder / "bin").parent
    with child.termination_as_exception(), _exclusive(home, progress):
        if not folder.is_dir():
            go = go_build.find_go(progress)
            with _filled_atomically(folder) as partial:
                go_build.copy_executor(go, partial / "bin", progress)
                write_language_host(partial / "bin")
    return folder / "bin"


def _cached(home: Path, wanted: Version, progress: Progress) -> Engine | None:
    folder = home / _label(wanted)
    origin = folder / "source"
    if not origin.is_file():
        return None
    cli = folder / "bin" / "pulumi"
    try:
        version = _version_of(cli)
    except EngineError as error:
        progress(f"the Pulumi CLI in {folder} is broken and is set up anew: {error.problem}")
        return None
    source: Source = "go" if origin.read_text(encoding="utf-8").strip() == "go" else "installer"
    if source == "go":
        write_language_host(cli.parent)
    return Engine(
        cli=cli,
        version=str(version),
        source=source,
        bin_dirs=(cli.parent,),
    )


def _set_up(home: Path, wanted: Version, progress: Progress) -> Engine:
    folder = home / _label(wanted)
    failures = []
    for source, fill in (("installer", _install), ("go", _build)):
        try:
            with _filled_atomically(folder) as partial:
                fill(partial, wanted, progress)
                (partial / "source").write_text(f"{source}\n", encoding="utf-8")
        except EngineError as error:
            failures.append(error)
            if source == "installer":
                progress(f"{error.problem}; building the CLI from its Go module instead")
            continue
        engine = _cached(home, wanted, progress)
        if engine is not None:
            progress(f"the Pulumi CLI {engine.version} is set up in {folder}")
            return engine
        failures.append(EngineError(f"the Pulumi CLI made in {folder} does not start", f"look at {folder}"))
    installer, build = failures
    raise EngineError(
        f"there is no Pulumi CLI here, and none could be set up.\n  {installer.problem}\n  {build.problem}",
        build.remedy,
    )


def _install(partial: Path, wanted: Version, progress: Progress) -> None:
    """Have the vendor's installer put CLI and language host into `partial`/bin."""
    said: list[str] = []
    progress(f"installing the Pulumi CLI {wanted} with the vendor's installer")
    finished = child.run(
        [sys.executable, "-P", "-m", "lab.engine.installer", str(partial), str(wanted)],
        cwd=partial,
        environment=os.environ,
        on_line=lambda _stream, line: said.append(line),
        on_tick=lambda elapsed: progress(f"the vendor's installer is at work ({elapsed:.0f} s)"),
        time_limit_seconds=_INSTALLER_SECONDS,
    )
    if finished.timed_out:
        raise EngineError(f"the vendor's installer did not end in {_INSTALLER_SECONDS:.0f} s", _remedy(wanted))
    if finished.code != 0 or not (partial / "bin" / "pulumi").exists():
        reason = said[-1] if said else f"exit code {finished.code}"
        raise EngineError(f"the vendor's installer failed ({reason})", _remedy(wanted))


def _build(partial: Path, _wanted: Version, progress: Progress) -> None:
    """Build the CLI into `partial`/bin, with the project's language host beside it."""
    go = go_build.find_go(progress)
    bin_dir = partial / "bin"
    go_build.build_cli(go, bin_dir / "pulumi", progress)
    go_build.copy_executor(go, bin_dir, progress)
    write_language_host(bin_dir)


def _remedy(wanted: Version) -> str:
    return f"install the Pulumi CLI {wanted} (https://www.pulumi.com/docs/install) and run again"


@contextlib.contextmanager
def _filled_atomically(folder: Path) -> Iterator[Path]:
    """A folder to fill, with an empty bin/ in it, that becomes `folder` if the block succeeds, else vanishes.

    To be called with the lock held: leftovers of those who were killed are removed here. Raises EngineError if the
    disk is full or may not be written.
    """
    prefix = f".{folder.name}.partial-"
    partial = None
    try:
        for leftover in folder.parent.glob(f"{prefix}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
        (partial / "bin").mkdir()
        yield partial
        partial.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def _exclusive(home: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of `home`; raise EngineError if there is no room for it. What the block raises is the block's."""

    def on_wait(seconds: float) -> None:
        progress(f"waiting for another process that sets up the Pulumi CLI ({seconds:.0f} s)")

    with contextlib.ExitStack() as held:
        try:
            held.enter_context(exclusive.hold(home / "lock", on_wait))
        except OSError as error:
            raise _cannot_write(home, error) from error
        yield


def _cannot_write(where: Path, error: OSError) -> EngineError:
    return EngineError(
        f"{where} can't be written: {error.strerror or error}",
        "free room and give yourself the right to write there, or set XDG_CACHE_HOME to another folder",
    )


def _version_of(cli: Path) -> Version:
    """Ask a CLI for its version. Raises EngineError if it doesn't start or says something else."""
    try:
        answer = subprocess.run(  # noqa: S603 - the program that the user would run
            [cli, "version"],
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=True,
        ).stdout.strip()
        return Version.parse(answer.removeprefix("v"))
    except OSError as error:
        reason = error.strerror or str(error)
    except subprocess.TimeoutExpired:
        reason = f"no answer in {_VERSION_SECONDS:.0f} s"
    except subprocess.CalledProcessError as error:
        reason = f"exit code {error.returncode}"
    except ValueError:
        reason = f"it says {answer!r}"
    raise EngineError(f"`{cli} version` failed ({reason})", _remedy(engine_version()))


def _label(version: Version) -> str:
    """What an engine's folder is called: a home directory may be shared by machines of several kinds."""
    return f"{version}-{platform.system().lower()}-{platform.machine()}"
