"""A review where nobody has credentials: a commit deployed to the lab, then the working tree previewed over it.

For a fork's pull request and for a laptop on a train. It has a lab of its own, so whatever runs in the project's own
lab stays as it is. Left out: what the lab is (`lab.session`).
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from infra.errors import ConfigError
from infra.naming import stack_names
from ops.lab import entering
from ops.output.progress import progress
from ops.stacks.engine import StackHandle
from ops.stacks.place import LAB_FOLDER, Place
from ops.stacks.stackfile import StackFile

Renamed: TypeAlias = Callable[[Any], Any]
"""Returns what was written in a lab (JSON), with the lab's temporary checkout called PROJECT."""


@contextmanager
def base_in_lab(
    checkout: Path, base: str, stacks: Sequence[str], say: Callable[[str], None]
) -> Iterator[tuple[Place, Renamed]]:
    """Give a lab in which `stacks` are deployed as of commit `base`, with the project of `checkout`.

    Stacks that `base` doesn't have are left for the preview to make. Raises ConfigError if there is no such commit,
    PulumiError if what it holds can't be deployed, and as the lab does.
    """

    def renamed(written: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        return json.loads(json.dumps(written).replace(json.dumps(str(project))[1:-1], "PROJECT"))

    archive = _archived(checkout, base)
    before, environment = Path.cwd(), dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="eps-dos-review-") as name:
        project = Path(name) / "project"
        project.mkdir()
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(project, filter="data")
        try:
            os.chdir(project)
            wanted = _with_foundations(stacks, project)
            place = entering.place(in_lab=True)
            _deploy(wanted, base, place, say)
            _replace(project, checkout)
            # Renews the copy that Pulumi works on.
            yield entering.place(in_lab=True), renamed
        finally:
            os.chdir(project)
            entering.here().stop(lambda _line: None)
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)


def resolved(checkout: Path, name: str) -> str | None:
    """Return the short form of the commit that `name` stands for in `checkout`; None if there is none."""
    # A name that begins with a hyphen would be an option.
    parsed = _git(checkout, "rev-parse", "--verify", "--quiet", "--short", "--end-of-options", f"{name}^{{commit}}")
    return parsed.stdout.decode().strip() or None if parsed.returncode == 0 else None


def commit(checkout: Path) -> str:
    """Return the short form of the commit that is checked out, with `+` if files differ from it; empty if none is."""
    head = resolved(checkout, "HEAD")
    if head is None:
        return ""
    changed = _git(checkout, "status", "--porcelain", "--untracked-files=no").stdout.strip()
    return f"{head}+" if changed else head


def _archived(checkout: Path, base: str) -> bytes:
    commit_id = resolved(checkout, base)
    if commit_id is None:
        raise ConfigError.of(
            "--base",
            f"is {base!r}, which is no commit here; allowed: a branch, a tag or a commit of this repository",
            "git fetch, or name another one",
        )
    return _git(checkout, "archive", "--format=tar", commit_id).stdout


def _git(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    git = shutil.which("git")
    if git is None:
        raise ConfigError.of("git", "is not on PATH", "install git")
    # git itself, with checked names.
    return subprocess.run([git, "-C", str(checkout), *arguments], capture_output=True, check=False)  # noqa: S603


def _with_foundations(stacks: Sequence[str], project: Path) -> list[str]:
    """Return the stacks that the project has a file of, each after the one that it mirrors."""
    there = stack_names(project)
    wanted: list[str] = []
    for stack in stacks:
        if stack not in there:
            continue
        mirrored = StackFile(project / f"Pulumi.{stack}.yaml").get("mirrors")
        wanted += [name for name in (mirrored, stack) if isinstance(name, str) and name in there]
    return list(dict.fromkeys(wanted))


def _deploy(stacks: Sequence[str], base: str, place: Place, say: Callable[[str], None]) -> None:
    for stack in stacks:
        with progress(f"deploying {stack} of {base} to the lab") as tell:
            handle = StackHandle(stack, place)
            handle.create()
            handle.up(tell)
    say(f"the lab has {', '.join(stacks) or 'no stack'} as {base} has it")


def _replace(project: Path, checkout: Path) -> None:
    """Make `project` what `checkout` is, but for the lab that works on it."""
    for there in project.iterdir():
        if there.name != LAB_FOLDER:
            shutil.rmtree(there) if there.is_dir() and not there.is_symlink() else there.unlink()
    for file in (file for pattern in entering.FILES for file in checkout.glob(pattern) if file.is_file()):
        shutil.copy2(file, project / file.name)
    for folder in (checkout / name for name in entering.FOLDERS if (checkout / name).is_dir()):
        shutil.copytree(folder, project / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
