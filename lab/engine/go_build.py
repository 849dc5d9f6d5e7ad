"""Builds the Pulumi CLI from its Go module, and takes from the same module what runs Python programs.

For machines where the vendor's installer can't be reached but Go modules can. The module, its version and the
checksums of all it needs stand in cli/go.mod and cli/go.sum. Left out: where the result is kept (setup).

Sources: https://go.dev/ref/mod (go.mod, GOFLAGS, GOPROXY, `go mod download -json`); the commands' own help.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.engine import child
from lab.engine.errors import EngineError

MODULE_DIR = Path(__file__).parent / "cli"
_COMMAND = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_SDK = "github.com/pulumi/pulumi/sdk/v3"
_VERSION_VARIABLE = f"{_SDK}/go/common/version.Version"

EXECUTOR = "pulumi-language-python-exec"
_EXECUTOR_IN_SDK = f"python/cmd/{EXECUTOR}"

# Measured on linux/amd64 with empty caches, with some room to spare. Go keeps both caches for the next time; of the
# temporary files, beside which the CLI takes 0.1 GB, nothing stays.
_MODULE_CACHE_BYTES = 1_500_000_000
_BUILD_CACHE_BYTES = 1_800_000_000
_COLD_SCRATCH_BYTES = 1_800_000_000
_WARM_SCRATCH_BYTES = 500_000_000

_OUT_OF_SPACE = ("no space left on device", "disk quota exceeded", "file too large")
_UNREACHABLE = (
    "dial tcp",
    "no such host",
    "connection refused",
    "connection reset",
    "network is unreachable",
    "i/o timeout",
    "tls:",
    "x509:",
    "unexpected eof",
    "proxyconnect",
    "module lookup disabled by goproxy=off",
    "403 forbidden",
    "404 not found",
    "502 bad gateway",
    "503 service unavailable",
    "gateway timeout",
    "too many requests",
)
_TAIL_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Go:
    """A Go that can build the module: its executable and its version ("1.26.8")."""

    executable: str
    version: str


def required_go() -> str:
    """The oldest Go that may build the CLI, as cli/go.mod says ("1.26.6")."""
    return _only(r"^go (\d+\.\d+(?:\.\d+)?)$", (MODULE_DIR / "go.mod").read_text(encoding="utf-8"))


def module_version() -> str:
    """The CLI's version in cli/go.mod, without its "v" ("3.274.1")."""
    return _only(r"^require github\.com/pulumi/pulumi/pkg/v3 v(\S+)$", (MODULE_DIR / "go.mod").read_text("utf-8"))


def find_go(progress: Callable[[str], None]) -> Go:
    """Return the Go on PATH, if it is new enough or fetches a newer one by itself (GOTOOLCHAIN=auto).

    Raises EngineError if there is none, it doesn't start, or it is too old.
    """
    executable = shutil.which("go")
    remedy = f"install Go {required_go()} or newer (https://go.dev/doc/install), put it on PATH and run again"
    if executable is None:
        raise EngineError("Go is needed to build the Pulumi CLI, and there is no `go` on PATH", remedy)
    answer = _ask(
        [executable, "version"], lambda elapsed: progress(f"waiting for Go to give its version ({elapsed:.0f} s)")
    )
    found = re.search(r"\bgo(\d+\.\d+(?:\.\d+)?)", "\n".join(answer.stdout))
    if answer.code != 0 or found is None:
        said = _tail([*answer.stdout, *answer.stderr]) or "nothing"
        if "go.mod requires go" in said:
            raise EngineError(f"the Go on PATH ({executable}) is too old: {said}", remedy)
        if _mentions(said, _UNREACHABLE):
            raise _unreachable(said)
        raise EngineError(f"`{executable} version` failed with exit code {answer.code}, saying: {said}", remedy)
    if _as_numbers(found[1]) < _as_numbers(required_go()):
        raise EngineError(f"the Go on PATH ({executable}) is {found[1]}; needed: {required_go()} or newer", remedy)
    return Go(executable=executable, version=found[1])


def copy_executor(go: Go, target: Path, progress: Callable[[str], None]) -> None:
    """Copy into `target` what the CLI's module ships for Python: the script that runs a program.

    Raises EngineError if the module can't be had.
    """
    answer = _ask(
        [go.executable, "mod", "download", "-json", _SDK],
        lambda elapsed: progress(f"downloading the Go module {_SDK} ({elapsed:.0f} s)"),
    )
    if answer.code != 0:
        raise _failure(f"download of the Go module {_SDK}", [*answer.stderr, *answer.stdout], target)
    copied = target / EXECUTOR
    shutil.copyfile(Path(json.loads("\n".join(answer.stdout))["Dir"]) / _EXECUTOR_IN_SDK, copied)
    # Go's module cache keeps files without the right to write or execute them.
    copied.chmod(0o755)


def build_cli(go: Go, target: Path, progress: Callable[[str], None]) -> None:
    """Build the CLI to `target`, saying at least every few seconds how far it is.

    Needs the network for modules that Go has not downloaded before. What is done is kept in Go's own caches, so an
    interrupted build goes on where it was. `target`'s folder also holds the build's temporary files.

    Raises EngineError if a module can't be downloaded, the disk is full, or the build fails.
    """
    _check_space(go, target.parent)
    flags = ["-mod=readonly", f"-ldflags=-s -w -X {_VERSION_VARIABLE}=v{module_version()}"]
    packages = _download(go, flags, target.parent, progress)
    _compile(go, flags, packages, target, progress)


def _download(go: Go, flags: Sequence[str], scratch: Path, progress: Callable[[str], None]) -> int:
    """Have Go download every module that the build needs; return the number of packages to compile at most."""
    modules_at_most = _count_checksummed_modules()
    downloaded = packages = 0
    said: list[str] = []

    def on_line(stream: str, line: str) -> None:
        nonlocal downloaded, packages
        if stream == "stdout":
            packages += 1
        elif line.startswith("go: downloading "):
            downloaded += 1
        else:
            said.append(line)

    progress(f"downloading the Go modules of the Pulumi CLI {module_version()} with Go {go.version}")
    finished = child.run(
        [go.executable, "list", flags[0], "-deps", _COMMAND],
        cwd=MODULE_DIR,
        environment=_environment(scratch),
        on_line=on_line,
        on_tick=lambda elapsed: progress(
            f"downloaded {downloaded} Go modules of at most {modules_at_most} ({elapsed:.0f} s)"
        ),
    )
    if finished.code != 0:
        raise _failure("download of the Pulumi CLI's Go modules", said, scratch)
    return packages


def _compile(go: Go, flags: Sequence[str], packages: int, target: Path, progress: Callable[[str], None]) -> None:
    compiled = 0
    linking = False
    said: list[str] = []

    def on_line(_stream: str, line: str) -> None:
        nonlocal compiled, linking
        # `go build -v` names each package as it comes to it, and says everything else with spaces in it.
        if re.fullmatch(r"[\w.~/+-]+", line):
            compiled += 1
            linking = linking or line == _COMMAND
        else:
            said.append(line)

    def on_tick(elapsed: float) -> None:
        # What Go finds compiled in its cache it doesn't name.
        stage = "linking" if linking or not compiled else f"compiled {compiled} packages of at most {packages}"
        progress(f"building the Pulumi CLI: {stage} ({elapsed:.0f} s)")

    progress("building the Pulumi CLI (four minutes on two cores where Go has compiled none of it before)")
    finished = child.run(
        [go.executable, "build", *flags, "-v", "-o", str(target), _COMMAND],
        cwd=MODULE_DIR,
        environment=_environment(target.parent),
        on_line=on_line,
        on_tick=on_tick,
    )
    if finished.code != 0:
        raise _failure("build of the Pulumi CLI", said, target.parent)


def _environment(scratch: Path | None = None) -> dict[str, str]:
    """The user's environment, in which GOPROXY and the like are theirs, but go.mod decides what is built."""
    environment = dict(os.environ)
    # A workspace around the checkout would replace go.mod.
    environment["GOWORK"] = "off"
    environment["GO111MODULE"] = "on"
    # Without this a C compiler that lacks its headers fails the build; the CLI doesn't need one.
    environment.setdefault("CGO_ENABLED", "0")
    if scratch is not None:
        # Where an interruption can't leave a gigabyte behind: setup removes this folder.
        environment["GOTMPDIR"] = str(scratch)
    return environment


def _check_space(go: Go, scratch: Path) -> None:
    """Refuse to start what a nearly full disk would fail after minutes."""
    answer = _ask([go.executable, "env", "GOCACHE", "GOMODCACHE"], lambda _elapsed: None)
    if answer.code != 0 or len(answer.stdout) != 2:
        raise _failure("question to Go where its caches are (`go env`)", answer.stderr, scratch)
    build_cache, module_cache = (Path(line) for line in answer.stdout)
    compiled = build_cache.is_dir() and any(build_cache.iterdir())
    downloaded = (module_cache / "cache" / "download" / _SDK).is_dir()
    needed: dict[int, int] = {}
    places: dict[int, Path] = {}
    for place, size in (
        (scratch, _WARM_SCRATCH_BYTES if compiled else _COLD_SCRATCH_BYTES),
        (build_cache, 0 if compiled else _BUILD_CACHE_BYTES),
        (module_cache, 0 if downloaded else _MODULE_CACHE_BYTES),
    ):
        existing = next(folder for folder in (place, *place.parents) if folder.exists())
        disk = existing.stat().st_dev
        needed[disk] = needed.get(disk, 0) + size
        places.setdefault(disk, existing)
    for disk, size in needed.items():
        free = shutil.disk_usage(places[disk]).free
        if free < size:
            raise EngineError(
                f"too little room to build the Pulumi CLI: {free / 1e9:.1f} GB free for {places[disk]},"
                f" needed: {size / 1e9:.1f} GB",
                "free room there, or set XDG_CACHE_HOME, GOCACHE and GOMODCACHE to folders on a larger disk",
            )


def _failure(what: str, said: Sequence[str], scratch: Path) -> EngineError:
    """The error that Go's last words call for."""
    tail = _tail(said) or "nothing"
    if _mentions(tail, _OUT_OF_SPACE):
        return EngineError(
            f"the {what} failed, the disk is full ({shutil.disk_usage(scratch).free / 1e9:.1f} GB free"
            f" for {scratch.parent}): {tail}",
            "free some gigabytes, or set XDG_CACHE_HOME, GOCACHE and GOMODCACHE to folders on a larger disk",
        )
    if _mentions(tail, _UNREACHABLE):
        return _unreachable(tail)
    return EngineError(
        f"the {what} failed. Go's last words:\n{tail}",
        "mend what Go names (out of memory: stop other programs); or install the Pulumi CLI"
        f" {module_version()} (https://www.pulumi.com/docs/install) and run again",
    )


def _unreachable(said: str) -> EngineError:
    return EngineError(
        f"a Go module can't be downloaded (GOPROXY: {os.environ.get('GOPROXY') or 'as Go is set up'}): {said}",
        "connect to the network, or set GOPROXY (and HTTPS_PROXY, SSL_CERT_FILE) to what serves Go modules here,"
        f" and run again; or install the Pulumi CLI {module_version()} (https://www.pulumi.com/docs/install)",
    )


@dataclass(frozen=True, kw_only=True)
class _Answer:
    code: int
    stdout: list[str]
    stderr: list[str]


def _ask(command: Sequence[str], on_tick: Callable[[float], None]) -> _Answer:
    """Run a `go` command for its output. A command that can't be started answers 127, as a shell would."""
    lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
    try:
        finished = child.run(
            command,
            cwd=MODULE_DIR,
            environment=_environment(),
            on_line=lambda stream, line: lines[stream].append(line),
            on_tick=on_tick,
        )
    except OSError as error:
        return _Answer(code=127, stdout=[], stderr=[f"{command[0]}: {error.strerror}"])
    return _Answer(code=finished.code, **lines)


def _count_checksummed_modules() -> int:
    lines = (MODULE_DIR / "go.sum").read_text(encoding="utf-8").splitlines()
    return sum(1 for line in lines if "/go.mod h1:" not in line)


def _tail(lines: Sequence[str]) -> str:
    return "\n".join([line for line in lines if line.strip()][-_TAIL_LINES:])


def _mentions(text: str, phrases: Sequence[str]) -> bool:
    lowered = text.lower()
    return any(phrase in lowered for phrase in phrases)


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _only(pattern: str, text: str) -> str:
    found = re.findall(pattern, text, flags=re.MULTILINE)
    if len(found) != 1:
        raise ValueError(f"{MODULE_DIR / 'go.mod'} matches {pattern!r} {len(found)} times; expected once")
    return str(found[0])
