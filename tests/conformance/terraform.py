"""Terraform and the AWS provider that nobody here wrote, where a machine has them; nothing is ever downloaded.

Sources: Terraform's "CLI Configuration File" (filesystem_mirror, implied local mirror directories, unpacked layout) and
"Machine-Readable UI" (the lines that -json prints).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLUGINS = "EPS_DOS_TERRAFORM_PLUGINS"
"""Names a folder that holds registry.terraform.io, before all other places."""

IMPLIED = (
    "~/.terraform.d/plugins",
    "~/.local/share/terraform/plugins",
    "/usr/local/share/terraform/plugins",
    "/usr/share/terraform/plugins",
)
"""Terraform's own implied mirrors on Linux."""

PROVIDER = "registry.terraform.io/hashicorp/aws"
CHANGES = frozenset({"create", "update", "replace", "delete", "remove", "move"})
"""Planned actions that change something; what is only read does not."""

AT_ONCE = 30
"""Resources at once: most of the time is the provider's own waiting."""


class MissingError(Exception):
    """Something isn't on this machine; the text says what, and where it was looked for."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """The AWS provider, unpacked in a mirror."""

    mirror: Path
    version: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """What Terraform did: the planned action by resource (`aws_vpc.dev-vpc`), and each error and warning."""

    planned: Mapping[str, str]
    problems: tuple[str, ...]


def find_provider() -> Provider:
    """Return the newest AWS provider of this machine. Raises MissingError."""
    for mirror in _mirrors():
        versions = sorted((mirror / PROVIDER).glob("*/*/terraform-provider-aws*"), key=_version)
        if versions:
            return Provider(mirror=mirror, version=versions[-1].parts[-3])
    raise MissingError(
        f"no folder with {PROVIDER}/VERSION/SYSTEM; looked in ${PLUGINS} and {', '.join(IMPLIED)}, /opt/*"
    )


class Terraform:
    """Terraform in a folder of its own. `environment` says where AWS is. Raises MissingError if there is none."""

    def __init__(self, folder: Path, provider: Provider, environment: Mapping[str, str]) -> None:
        command = shutil.which("terraform")
        if command is None:
            raise MissingError("no terraform on PATH")
        self._command = command
        self._folder = folder
        configuration = folder / "terraform.rc"
        mirrored = f"filesystem_mirror {{\n    path = {json.dumps(str(provider.mirror))}\n  }}"
        configuration.write_text(f"provider_installation {{\n  {mirrored}\n}}\n")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
            **environment,
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": str(configuration),
            "TF_IN_AUTOMATION": "1",
        }

    def declare(self, document: Mapping[str, Any]) -> None:
        """Let `document` be what is wanted from now on."""
        (self._folder / "main.tf.json").write_text(json.dumps(document, indent=1))

    def schema(self) -> Mapping[str, Any]:
        """Return the provider's schema. Raises AssertionError with what Terraform said if it has none."""
        done = self._run("init", "-no-color")
        assert done.returncode == 0, done.stdout + done.stderr
        done = self._run("providers", "schema", "-json")
        assert done.returncode == 0, done.stderr
        schema: Mapping[str, Any] = json.loads(done.stdout)["provider_schemas"][PROVIDER]
        return schema

    def plan(self) -> Run:
        """Read everything anew, and say what would change."""
        return self._told("plan")

    def apply(self) -> Run:
        """Make what is declared, by what the state says: `plan` is who reads anew."""
        return self._told("apply", "-auto-approve", "-refresh=false", f"-parallelism={AT_ONCE}")

    def destroy(self) -> Run:
        """Take everything away."""
        return self._told("destroy", "-auto-approve", "-refresh=false", f"-parallelism={AT_ONCE}")

    def _told(self, *arguments: str) -> Run:
        done = self._run(*arguments, "-json", "-input=false")
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        planned = {
            line["change"]["resource"]["addr"]: line["change"]["action"]
            for line in lines
            if line["type"] == "planned_change" and line["change"]["action"] in CHANGES
        }
        problems = tuple(_problem(line["diagnostic"]) for line in lines if line["type"] == "diagnostic")
        if done.returncode != 0 and not problems:
            problems = (f"terraform {arguments[0]} exited with {done.returncode}: {done.stderr}",)
        return Run(planned=planned, problems=problems)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._command, *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )


def _problem(diagnostic: Mapping[str, Any]) -> str:
    said = (diagnostic.get("address"), diagnostic["summary"], diagnostic.get("detail"))
    return f"{diagnostic['severity']}: {'; '.join(str(part) for part in said if part)}"


def _mirrors() -> Iterator[Path]:
    named = os.environ.get(PLUGINS)
    yield from (Path(folder).expanduser() for folder in ((named,) if named else ()))
    yield from (Path(folder).expanduser() for folder in IMPLIED)
    yield from sorted(Path("/opt").glob("*/"))


def _version(program: Path) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in program.parts[-3].split("."))
