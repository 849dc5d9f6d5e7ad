"""What jobs with credentials run: by version and SHA-256, and nothing where a sum is missing or wrong."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from lab.engine.setup import engine_version
from tests.workflows.running import FOLDER, ROOT, action

SETUP = FOLDER.parent / "actions" / "setup"
ROW = re.compile(r"(\S+) (\S+) (to-be-decided|[0-9a-f]{64}) (https://\S+)")


def archive(name: str, program: str) -> bytes:
    """Return an archive as the vendor's: pulumi/pulumi, or the plugin at the top."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        member = tarfile.TarInfo(f"pulumi/{name}" if name == "pulumi" else name)
        member.size, member.mode = len(program), 0o755
        tar.addfile(member, io.BytesIO(program.encode()))
    return made.getvalue()


PROGRAM = '#!/bin/sh\necho "$@" >> "$HOME/plugins"\n'
ARCHIVES = {
    "https://example.invalid/pulumi-v3.0.0.tar.gz": archive("pulumi", PROGRAM),
    "https://example.invalid/aws-v7.0.0.tar.gz": archive("pulumi-resource-aws", ""),
}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A folder with the script, and a `curl` that has two archives and keeps what it was asked for."""

    folder: Path

    def rows(self, *sums: str) -> None:
        names = ("pulumi 3.0.0", "pulumi-resource-aws 7.0.0")
        addresses = ("https://example.invalid/pulumi-v{}.tar.gz", "https://example.invalid/aws-v{}.tar.gz")
        lines = [" ".join(row) for row in zip(names, sums, addresses, strict=True)]
        (self.folder / "binaries.txt").write_text("# a comment\n" + "\n".join(lines) + "\n")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.folder / "binaries"), *arguments],
            cwd=self.folder,
            env={"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    def install(self) -> subprocess.CompletedProcess[str]:
        return self.run("install", "cache", "pulumi", "binaries.txt")

    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    shutil.copy(SETUP / "binaries", tmp_path)
    (tmp_path / "bin").mkdir()
    for address, content in ARCHIVES.items():
        (tmp_path / "bin" / address.rpartition("/")[2]).write_bytes(content)
    curl = tmp_path / "bin" / "curl"
    # The last argument is the address, the one before it where to put it.
    curl.write_text(
        '#!/bin/bash\nargs=("$@")\necho "${args[-1]}" >> "$HOME/asked"\ncp "$HOME/bin/${args[-1]##*/}" "${args[-2]}"\n'
    )
    curl.chmod(0o755)
    return Machine(folder=tmp_path)


SUMS = [hashlib.sha256(content).hexdigest() for content in ARCHIVES.values()]


def test_an_empty_slot_stops_the_job_before_anything_is_downloaded(machine: Machine) -> None:
    machine.rows(SUMS[0], "to-be-decided")
    done = machine.install()
    assert done.returncode == 1
    assert "pulumi-resource-aws 7.0.0 has no SHA-256" in done.stderr
    assert "binaries fill" in done.stderr
    assert machine.asked() == []


def test_what_has_another_sum_is_neither_run_nor_kept(machine: Machine) -> None:
    machine.rows(SUMS[0], "0" * 64)
    done = machine.install()
    assert done.returncode == 1
    assert f"is {SUMS[1]}, not {'0' * 64}" in done.stderr
    assert not (machine.folder / "plugins").exists()
    assert [file.name for file in (machine.folder / "cache").iterdir()] == ["pulumi-3.0.0.tar.gz"]


def test_an_archive_that_somebody_put_into_the_cache_is_looked_at_too(machine: Machine) -> None:
    machine.rows(*SUMS)
    (machine.folder / "cache").mkdir()
    (machine.folder / "cache" / "pulumi-3.0.0.tar.gz").write_bytes(archive("pulumi", "#!/bin/sh\n"))
    assert machine.install().returncode == 1
    assert not (machine.folder / "pulumi" / "pulumi").exists()


def test_what_has_its_sum_is_installed_and_the_second_time_from_the_cache(machine: Machine) -> None:
    machine.rows(*SUMS)
    for _ in range(2):
        done = machine.install()
        assert (done.returncode, done.stderr) == (0, "")
    assert machine.asked() == list(ARCHIVES)
    assert (machine.folder / "pulumi" / "pulumi").read_text() == PROGRAM
    line = "plugin install resource aws 7.0.0 --file cache/pulumi-resource-aws-7.0.0.tar.gz"
    assert (machine.folder / "plugins").read_text().splitlines() == [line] * 2


def test_one_command_fills_what_is_empty_and_leaves_the_rest(machine: Machine) -> None:
    machine.rows("f" * 64, "to-be-decided")
    assert machine.run("fill").stdout == f"pulumi-resource-aws 7.0.0: {SUMS[1]}\n"
    lines = (machine.folder / "binaries.txt").read_text().splitlines()
    assert [line.split()[2] for line in lines[1:]] == ["f" * 64, SUMS[1]]
    assert lines[0] == "# a comment"


def test_wrong_use_says_how_it_is_used(machine: Machine) -> None:
    done = machine.run("instal")
    assert done.returncode == 2
    assert "binaries install CACHE FOLDER LIST" in done.stderr


def test_the_versions_are_those_of_the_requirements() -> None:
    lines = (SETUP / "binaries.txt").read_text(encoding="utf-8").splitlines()
    rows = [ROW.fullmatch(line) for line in lines if not line.startswith("#")]
    versions = {row[1]: row[2] for row in rows if row}
    assert versions == {"pulumi": str(engine_version()), "pulumi-resource-aws": version("pulumi-aws")}
    assert all(rows)


def test_with_credentials_they_are_installed_before_anything_else_runs_and_kept_by_versions_and_sums() -> None:
    steps = action("setup")["runs"]["steps"]
    with_them = [step for step in steps if step.get("if") == "inputs.credentials == 'true'"]
    cache, install = with_them
    assert "hashFiles('.github/actions/setup/binaries.txt')" in cache["with"]["key"]
    assert cache["with"]["path"] in install["run"]
    assert steps.index(install) < [step.get("run") for step in steps].index("make setup")


def test_dependabot_looks_at_every_folder_with_something_to_renew() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    folders = {update["package-ecosystem"]: update.get("directories") or [update["directory"]] for update in updates}
    assert sorted(folders["gomod"]) == sorted(f"/{file.parent.relative_to(ROOT)}" for file in ROOT.glob("*/**/go.mod"))
    actions = sorted(f"/{file.parent.relative_to(ROOT)}" for file in (FOLDER.parent / "actions").glob("*/action.yml"))
    assert sorted(folders["github-actions"]) == ["/", *actions]
    assert folders["pip"] == ["/"]
