"""A lab of a test's own, in a copy of a project, used as a person would: by the command `eps-dos`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from infra.ephemeral import LIMITS
from lab.project import FILES, FOLDERS
from lab.session import Lab

ROOT = Path(__file__).parents[1]
EPS_DOS = str(Path(sys.executable).with_name("eps-dos"))

# A program that needs no AWS: it shows what it was given, and takes as long as it is told to.
SMALL_PROGRAM = """\
import os, time, pulumi
seconds = float(os.environ.get("TAKE_SECONDS", "0"))
if seconds:
    print("the program runs", flush=True)
time.sleep(seconds)
pulumi.export("endpoint", os.environ.get("AWS_ENDPOINT_URL"))
pulumi.export("size", pulumi.Config().get("size"))
"""
SMALL_PROJECT = {
    "Pulumi.yaml": "name: eps-dos-api\nruntime: {name: python, options: {virtualenv: .venv}}\nmain: infra\n",
    "Pulumi.dev.yaml": "# Dev.\nconfig:\n  eps-dos-api:size: 1  # small\n",
    "Pulumi.int.yaml": "config:\n  eps-dos-api:size: 2\nsecretsprovider: awskms://alias/a-key\nencryptedkey: abc\n",
    "releases.yaml": 'releases:\n  - {version: "1.0.0", image: an-image}\n',
    "infra/__init__.py": "",
    "infra/__main__.py": SMALL_PROGRAM,
}


@dataclass(frozen=True, kw_only=True)
class LabCopy:
    """A project in a folder of its own, and its lab in there."""

    checkout: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the environment has beside this process's."""

    @property
    def lab(self) -> Lab:
        """The lab itself, for questions."""
        return Lab(self.checkout / ".lab", self.checkout)

    @property
    def environment(self) -> dict[str, str]:
        """What a command of this lab's user sees."""
        outside = {name: value for name, value in os.environ.items() if name not in ("EPS_DOS_LAB", "AWS_ENDPOINT_URL")}
        return {**outside, "EPS_DOS_LAB_PACE": "600", **self.variables}

    def eps_dos(
        self, *arguments: str, check: bool = False, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `eps-dos` in the project; with `check`, fail with what it printed unless it exits with 0."""
        done = subprocess.run(
            [EPS_DOS, *arguments],
            cwd=self.checkout,
            env={**self.environment, **(variables or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"eps-dos {' '.join(arguments)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run plain `pulumi` in the lab."""
        return self.eps_dos("lab", "pulumi", *arguments, "--non-interactive", check=check)


STACKS = ".pulumi/stacks/eps-dos-api"
LOCKS = ".pulumi/locks/organization/eps-dos-api"
"""Folders of a backend."""


def lock_of(pid: int) -> str:
    """Return what the backend has of a lock that a process of this machine takes now."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    return json.dumps({"pid": pid, "username": "ci", "hostname": os.uname().nodename, "timestamp": moment})


Copy = TypeVar("Copy", bound=LabCopy)


def copy_checkout(folder: Path) -> None:
    """Copy into `folder` what Pulumi and `eps-dos` read of this checkout."""
    for pattern in (*FILES, LIMITS, ".gitignore"):
        for path in ROOT.glob(pattern):
            shutil.copy2(path, folder / path.name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


@contextmanager
def copied(folder: Path) -> Iterator[LabCopy]:
    """Give the lab of a copy of this checkout, not started, and stop it afterwards."""
    copy_checkout(folder)
    with stopped_afterwards(LabCopy(checkout=folder)) as made:
        yield made


@contextmanager
def small(folder: Path) -> Iterator[LabCopy]:
    """Give the lab of a project that needs no AWS, not started, and stop it afterwards."""
    for name, text in SMALL_PROJECT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    with stopped_afterwards(LabCopy(checkout=folder)) as made:
        yield made


@contextmanager
def copied_lab(source: Copy, folder: Path) -> Iterator[Copy]:
    """Give a copy of a lab that is up, in `folder`: the same project, account and stacks, and its own from now on."""
    shutil.copytree(source.checkout, folder, ignore=shutil.ignore_patterns(".lab"), dirs_exist_ok=True)
    with stopped_afterwards(replace(source, checkout=folder)) as made:
        source.lab.copy(made.lab)
        yield made


@contextmanager
def stopped_afterwards(made: Copy) -> Iterator[Copy]:
    """Give `made`, and stop its lab whatever happens."""
    try:
        yield made
    finally:
        made.lab.stop(lambda _line: None)
