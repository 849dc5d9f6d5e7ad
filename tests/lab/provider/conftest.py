"""The provider for tests: connected to an emulator in the test's own process."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.engine.setup import Engine
from lab.provider import write_executable
from lab.provider.connection import Connection, connect, decoded
from tests.lab.emulator.conftest import RunningEmulator, emulator, emulator_for_session

__all__ = ["emulator", "emulator_for_session"]

PROGRAM = Path(__file__).with_name("program.py")
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "eu-west-2",
    "EPS_DOS_LAB_PACE": "600",
}


@pytest.fixture
def aws_environment(emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that a started lab gives, and nothing of the developer's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**ACCOUNT, "AWS_ENDPOINT_URL": emulator.endpoint, "AWS_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def connection(aws_environment: None) -> Connection:
    """A connection to an account with nothing in it."""
    return connect(decoded({}))


@dataclass(frozen=True)
class Stack:
    """A stack of a program that makes what `resources.json` lists, run by the real engine."""

    folder: Path
    environment: Mapping[str, str]

    def declare(self, resources: list[Mapping[str, Any]]) -> None:
        """Say what there shall be."""
        (self.folder / "resources.json").write_text(json.dumps(resources), encoding="utf-8")

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `pulumi`; with `check`, fail with what it printed unless it exits with 0."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"pulumi {' '.join(arguments)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def up(self) -> None:
        """Make what was declared."""
        self.pulumi("up", "--yes", "--skip-preview")

    def expect_no_changes(self) -> None:
        """Fail with what an `up` would change, if it would."""
        self.pulumi("preview", "--diff", "--expect-no-changes")

    def planned(self) -> dict[str, str]:
        """Return what an `up` would do, by resource name; without what stays the same."""
        steps = json.loads(self.pulumi("preview", "--json").stdout)["steps"]
        planned: dict[str, str] = {}
        for step in steps:
            if step["op"] != "same":
                # A replacement is several steps; the one that says so is the last that counts.
                name = step["urn"].rsplit("::", 1)[-1]
                planned[name] = "replace" if "replace" in step["op"] else step["op"]
        return planned

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the state's resources by name."""
        exported = json.loads(self.pulumi("stack", "export").stdout)
        return {
            one["urn"].rsplit("::", 1)[-1]: one
            for one in exported["deployment"]["resources"]
            if one["type"].startswith("aws:")
        }


@pytest.fixture
def stack(emulator: RunningEmulator, engine: Engine, tmp_path: Path) -> Stack:
    """A stack with nothing in it, in an account with nothing in it but a zone and an image."""
    return make_stack(emulator, engine, tmp_path)


def make_stack(emulator: RunningEmulator, engine: Engine, folder: Path) -> Stack:
    """Return a stack of its own in `folder`."""
    project = folder / "project"
    project.mkdir()
    (project / "__main__.py").write_text(PROGRAM.read_text(encoding="utf-8"), encoding="utf-8")
    (project / "Pulumi.yaml").write_text("name: table\nruntime: python\n", encoding="utf-8")
    (project / "Pulumi.test.yaml").write_text("config: {aws:region: eu-west-2}\n", encoding="utf-8")
    (folder / "backend").mkdir()
    write_executable(folder / "bin")
    environment = engine.environment()
    environment = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    environment |= {
        **ACCOUNT,
        "AWS_ENDPOINT_URL": emulator.endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "PATH": f"{folder / 'bin'}{os.pathsep}{environment['PATH']}",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": f"file://{folder / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    made = Stack(project, environment)
    made.pulumi("stack", "init", "test")
    return made
