"""What a preview of NFT takes, against its floor: as many resources that decide nothing, on the same engine.

Pairs, one after the other in turn, so that a machine that is slow for a while is slow for all of them. Seconds are of
the whole command; CPU is of all its processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.labs import EPS_DOS, LabCopy, copied, copied_lab

STACK = "nft"
PAIRS = 7
POLICY_PACK = "PULUMI_OPTION_POLICY_PACK"

FLOOR_PROJECT = "name: floor\nruntime: {name: python, options: {virtualenv: .venv}}\n"
FLOOR_PROGRAM = """\
import os, pulumi
for number in range(int(os.environ["RESOURCES"])):
    pulumi.CustomResource("aws:sns/topic:Topic", f"topic-{number}", {})
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The runs of one command."""

    name: str
    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command that is measured."""

    name: str
    arguments: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]

    def run(self) -> tuple[float, float]:
        """Return the seconds of a run and those of CPU. Raises RuntimeError with what it printed if it fails."""
        began = time.monotonic()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(  # noqa: S603 - what is measured
                self.arguments, cwd=self.folder, env=dict(self.environment), stdout=output, stderr=output
            )
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                output.seek(0)
                raise RuntimeError(f"{' '.join(self.arguments)}\n{output.read().decode(errors='replace')}")
        return seconds, used.ru_utime + used.ru_stime


def in_turn(commands: Sequence[Command], pairs: int) -> Iterator[Row]:
    """Run each command once for warming up, then all in turn; give the rows."""
    for command in commands:
        command.run()
    runs = [[command.run() for command in commands] for _ in range(pairs)]
    for command, of_one in zip(commands, zip(*runs, strict=True), strict=True):
        seconds, cpu_seconds = zip(*of_one, strict=True)
        yield Row(name=command.name, seconds=seconds, cpu_seconds=cpu_seconds)


def rows(pairs: int = PAIRS) -> Iterator[Row]:
    """Bring NFT and Live up in a lab of its own, and measure; previews in pairs, the rest once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source").mkdir()
        with copied(folder / "source") as lab:
            yield from made_from_nothing(lab, "up", "up", "--lab", STACK)
            yield from in_turn(previews(lab, folder / "floor"), pairs)
            yield from made_from_nothing(lab, "review", "review", "--lab", STACK)
            with copied_lab(lab, folder / "copy") as copy:
                create = (
                    "ephemeral",
                    "create",
                    "pr-1",
                    "--lab",
                    "--like",
                    STACK,
                    "--ttl",
                    "1h",
                    "--owner",
                    "benchmark",
                )
                yield from made_from_nothing(copy, "ephemeral create", *create)


def made_from_nothing(lab: LabCopy, name: str, *arguments: str) -> Iterator[Row]:
    """Give the row of one run of `eps-dos`."""
    command = Command(name=name, arguments=(EPS_DOS, *arguments), folder=lab.checkout, environment=lab.environment)
    seconds, cpu_seconds = command.run()
    yield Row(name=name, seconds=(seconds,), cpu_seconds=(cpu_seconds,))


def previews(lab: LabCopy, floor: Path) -> list[Command]:
    """Return the floor, the preview without the policy pack, and the one with it."""
    inside = {**lab.lab.environment(), "PULUMI_OPTION_NON_INTERACTIVE": "true"}
    without_pack = {name: value for name, value in inside.items() if name != POLICY_PACK}
    preview = (str(lab.lab.engine.cli), "preview", "--stack")
    prepare_floor(floor, lab)
    at_floor = {**without_pack, "PULUMI_OPTION_CWD": str(floor), "RESOURCES": str(resources(lab))}
    Command(name="init", arguments=(preview[0], "stack", "init", "floor"), folder=floor, environment=at_floor).run()
    return [
        Command(name="floor", arguments=(*preview, "floor"), folder=floor, environment=at_floor),
        Command(name="preview", arguments=(*preview, STACK), folder=lab.checkout, environment=without_pack),
        Command(name="preview, policies", arguments=(*preview, STACK), folder=lab.checkout, environment=inside),
    ]


def prepare_floor(folder: Path, lab: LabCopy) -> None:
    """Write the floor's program; it has the lab's packages and a stack of its own."""
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(FLOOR_PROJECT)
    (folder / "Pulumi.floor.yaml").write_text("config: {aws:region: eu-west-2}\n")
    (folder / "__main__.py").write_text(FLOOR_PROGRAM)
    (folder / ".venv").symlink_to((lab.lab.project.folder / ".venv").resolve())


def resources(lab: LabCopy) -> int:
    """Return how many resources NFT's state has, without the stack itself."""
    state = json.loads(lab.pulumi("stack", "export", "--stack", STACK).stdout)
    return len(state["deployment"]["resources"]) - 1


def as_text(measured: Sequence[Row]) -> str:
    """Return the table that people read: medians, and the median of the ratios to the floor's run beside each."""
    floor = next((row for row in measured if row.name == "floor"), None)
    lines = ["                    runs  seconds  x floor  CPU seconds"]
    for row in measured:
        ratio = ""
        if floor is not None and len(row.seconds) == len(floor.seconds):
            ratio = f"{median(one / other for one, other in zip(row.seconds, floor.seconds, strict=True)):.2f}"
        seconds, cpu_seconds = median(row.seconds), median(row.cpu_seconds)
        lines.append(f"{row.name:<20}{len(row.seconds):>4} {seconds:>8.2f} {ratio:>8} {cpu_seconds:>12.2f}")
    return "\n".join(lines)
