"""Take an environment through its life, print what it took, and keep what was seen.

    python -m tests.acceptance --lab --report lab.json
    python -m tests.acceptance --set hostedZone=sandbox.example.org --against lab.json --report aws.json

It works on a copy of the checkout. In AWS it needs what `eps-dos preflight` asks for, images for two releases, and
permission to make and destroy everything that Dev is made of; docs/first-deployment.md says what that is. Calls are
read from CloudTrail's event history, which has them after about a quarter of an hour, and none of S3's objects.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import yaml

from ops.aws.clients import Aws
from ops.aws.leftovers import find
from ops.aws.ownership import Subject
from ops.lab.entering import environment_of, place
from ops.stacks.stackfile import StackFile
from tests.acceptance.seen import Call, calls_between, calls_of_the_lab, calls_of_the_trail, differences, resources
from tests.labs import EPS_DOS, copy_checkout

STACK = "dev"
"""The one that is empty at times, reads nobody's data, and is kept from being destroyed by nothing."""
LACKING_IN_THE_LAB = {"certificate"}
"""What the lab's account lacks and does without."""
SETTLES_WITHIN_SECONDS = 1800
BY_HAND_SECONDS = "77"


class FailedError(Exception):
    """A step didn't do what it is to do; the message says what was seen instead."""


@dataclass(kw_only=True)
class Run:
    """A copy of the checkout, the commands in it, and what they showed."""

    folder: Path
    in_lab: bool
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def file(self) -> StackFile:
        """The stack's file, read anew."""
        return StackFile(self.folder / f"Pulumi.{STACK}.yaml")

    def command(self, *words: str, answers: tuple[int, ...] = (0,)) -> str:
        """Run a command and return what it printed. Raises FailedError if it exits with none of `answers`."""
        variables = {**os.environ, **({"EPS_DOS_LAB": "1", "EPS_DOS_LAB_PACE": "600"} if self.in_lab else {})}
        done = subprocess.run(
            words, cwd=self.folder, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode not in answers:
            raise FailedError(
                f"{' '.join(words)} exited with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done.stdout

    def eps_dos(self, *words: str, answers: tuple[int, ...] = (0,)) -> str:
        """Run `eps-dos`."""
        return self.command(EPS_DOS, *words, answers=answers)

    def pulumi(self, *words: str) -> str:
        """Run plain Pulumi on the stack."""
        program = [EPS_DOS, "lab", "pulumi"] if self.in_lab else ["pulumi"]
        return self.command(*program, *words, "--stack", STACK, "--non-interactive")

    def aws(self) -> Aws:
        """Return clients of the account."""
        return Aws(environment_of(STACK, self.folder, self.in_lab).aws, place(self.in_lab))

    def up(self) -> dict[str, str]:
        """Deploy, and wait until all holds that was promised; return each line's verdict."""
        self.pulumi("up", "--yes", "--skip-preview")
        until = time.monotonic() + SETTLES_WITHIN_SECONDS
        while "failed" in (verdicts := self.verified()).values():
            if time.monotonic() > until:
                wrong = [name for name, verdict in verdicts.items() if verdict == "failed"]
                raise FailedError(f"verify still fails: {', '.join(wrong)}")
            time.sleep(1 if self.in_lab else 20)
        return verdicts

    def verified(self) -> dict[str, str]:
        """Return the verdict of each line of `verify`."""
        (report,) = json.loads(self.eps_dos("verify", STACK, "--json", answers=(0, 1)))
        return {check["name"]: check["verdict"] for check in report["checks"]}


def preflight(run: Run) -> dict[str, object]:
    (report,) = json.loads(run.eps_dos("preflight", STACK, "--json", answers=(0, 1)))
    lacking = {check["name"]: check["evidence"] for check in report["checks"] if check["verdict"] == "failed"}
    missing = lacking.keys() - (LACKING_IN_THE_LAB if run.in_lab else set())
    if missing:
        raise FailedError("\n".join(f"{name}: {lacking[name]}" for name in sorted(missing)))
    return {check["name"]: check["verdict"] for check in report["checks"] if check["name"] not in LACKING_IN_THE_LAB}


def bring_up(run: Run) -> dict[str, object]:
    verdicts = run.up()
    return {"verify": verdicts, "resources": resources(json.loads(run.pulumi("stack", "export")))}


def preview(run: Run) -> dict[str, object]:
    run.pulumi("preview", "--refresh", "--expect-no-changes")
    return {"changes": 0}


def change(run: Run) -> dict[str, object]:
    file = run.file
    capacity = file.get("capacity")
    assert isinstance(capacity, dict)
    file.set("capacity", {**capacity, "maximum": int(str(capacity["maximum"])) + 1})
    file.save()
    return {"capacity": run.up()["capacity"]}


def roll(run: Run) -> dict[str, object]:
    _, after = _releases(run)
    run.eps_dos("release", "promote", after, "--to", STACK)
    return {"release": run.up()["release"]}


def roll_back(run: Run) -> dict[str, object]:
    before, _ = _releases(run)
    run.eps_dos("release", "promote", before, "--to", STACK, "--rollback")
    return {"release": run.up()["release"]}


def _releases(run: Run) -> tuple[str, str]:
    """Return the two oldest of the catalogue; the stack begins with the first."""
    releases = yaml.safe_load((run.folder / "releases.yaml").read_text(encoding="utf-8"))["releases"]
    return str(releases[0]["version"]), str(releases[1]["version"])


def change_by_hand(run: Run) -> dict[str, object]:
    """Change what nobody deployed, see it found, and see it mended."""
    elbv2: Any = run.aws().elbv2
    (group,) = [
        one
        for one in elbv2.describe_target_groups()["TargetGroups"]
        if one["TargetGroupName"].startswith(f"{STACK}-tg")
    ]
    attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": BY_HAND_SECONDS}
    elbv2.modify_target_group_attributes(TargetGroupArn=group["TargetGroupArn"], Attributes=[attribute])
    found = run.eps_dos("verify", STACK, "--drift", answers=(1,))
    if BY_HAND_SECONDS not in found:
        raise FailedError(f"verify --drift doesn't find the deregistration delay that was changed by hand:\n{found}")
    run.pulumi("up", "--yes", "--skip-preview", "--refresh")
    described = elbv2.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])["Attributes"]
    if attribute in described:
        raise FailedError("what was changed by hand is still there after up --refresh")
    return {"found": True}


def destroy(run: Run) -> dict[str, object]:
    run.pulumi("destroy", "--yes", "--skip-preview")
    subject = Subject.of(environment_of(STACK, run.folder, run.in_lab))
    until = time.monotonic() + SETTLES_WITHIN_SECONDS
    # What has just ended is shown for a while.
    while left := find(run.aws(), subject):
        if time.monotonic() > until:
            raise FailedError("\n".join(f"left over: {leftover}" for leftover in left))
        time.sleep(1 if run.in_lab else 30)
    return {"left over": 0}


STEPS: Mapping[str, Callable[[Run], dict[str, object]]] = {
    "preflight": preflight,
    "up": bring_up,
    "an empty preview": preview,
    "a change": change,
    "a release rolled": roll,
    "the release rolled back": roll_back,
    "verify": lambda run: dict(run.verified()),
    "a change by hand found, and mended": change_by_hand,
    "destroy, nothing left": destroy,
}


def carried_out(run: Run) -> str:
    """Run the steps and return what failed; empty: nothing. What was made is destroyed all the same."""
    failure = ""
    for name, step in STEPS.items():
        if failure and step is not destroy:
            continue
        start = datetime.now(UTC)
        try:
            seen = step(run)
        except FailedError as error:
            failure, seen = failure or f"{name}: {error}", {"failed": str(error)}
        run.steps.append({"step": name, "start": start, "end": datetime.now(UTC), "seen": seen})
        sys.stderr.write(f"{name}: {'failed' if 'failed' in seen else 'done'}\n")
    return failure


def calls(run: Run, wait_minutes: float) -> list[Call]:
    """Return what was called meanwhile: by the lab's own log, or by CloudTrail's."""
    if run.in_lab:
        endpoint = json.loads(run.eps_dos("lab", "env", "--json"))["set"].get("AWS_ENDPOINT_URL", "")
        asked = urllib.request.Request(f"{endpoint or os.environ['AWS_ENDPOINT_URL']}/_lab/calls/log")  # noqa: S310 - of this machine
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - of this machine
            return calls_of_the_lab(json.load(answer))
    time.sleep(wait_minutes * 60)
    return calls_of_the_trail(_trail(run.steps[0]["start"]))


def _trail(start: datetime) -> Iterator[Mapping[str, Any]]:
    pages = (
        boto3.client("cloudtrail").get_paginator("lookup_events").paginate(StartTime=start, EndTime=datetime.now(UTC))
    )
    for event in pages.search("Events[].CloudTrailEvent"):
        yield json.loads(event)


def table(run: Run) -> str:
    """Return a line for each step: minutes, calls, and those that were refused."""
    lines = [f"{'minutes':>8}{'calls':>8}{'refused':>9}  step"]
    for step in run.steps:
        counts: Mapping[str, int] = step["calls"]
        refused = sum(count for action, count in counts.items() if action.endswith("!"))
        minutes = (step["end"] - step["start"]).total_seconds() / 60
        lines.append(f"{minutes:8.1f}{sum(counts.values()):8}{refused:9}  {step['step']}")
    return "\n".join(lines)


def main() -> int:
    """Do it; 0: all as it is to be, 1: not, or AWS answers otherwise than the lab."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance", description=__doc__)
    parser.add_argument("--lab", action="store_true", help="on the lab's AWS")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=f"a setting of {STACK}'s file")
    parser.add_argument("--report", type=Path, required=True, metavar="FILE", help="where what was seen is kept")
    parser.add_argument("--against", type=Path, metavar="FILE", help="the report of a run in the lab")
    parser.add_argument("--trail-minutes", type=float, default=15, help="how long CloudTrail is waited for")
    options = parser.parse_args()
    report, against = options.report.resolve(), json.loads(options.against.read_text()) if options.against else None
    with tempfile.TemporaryDirectory() as temporary:
        run = Run(folder=Path(temporary), in_lab=options.lab)
        copy_checkout(run.folder)
        os.chdir(run.folder)
        file = run.file
        # Dev is empty at night, when nothing could be seen of it.
        file.remove("schedules")
        file.set("release", _releases(run)[0])
        for setting in options.set:
            key, _, value = setting.partition("=")
            file.set(key, yaml.safe_load(value))
        file.save()
        if run.in_lab:
            run.eps_dos("lab", "start")
        try:
            failure = carried_out(run)
            called = calls(run, options.trail_minutes)
        finally:
            if run.in_lab:
                run.eps_dos("lab", "stop")
        for step in run.steps:
            step["calls"] = calls_between(called, step["start"], step["end"])
    sys.stdout.write(f"{table(run)}\n")
    kept: dict[str, Any] = {"steps": run.steps, "otherwise": []}
    if against is not None:
        lab = {step["step"]: step["seen"] for step in against["steps"]}
        kept["otherwise"] = [*differences(lab, {step["step"]: step["seen"] for step in run.steps})]
        sys.stdout.write(
            "\n".join(["", "AWS answered otherwise than the lab:", *(kept["otherwise"] or ["nothing"]), ""])
        )
    report.write_text(json.dumps(kept, indent=2, default=lambda value: value.isoformat()), encoding="utf-8")
    if failure:
        sys.stderr.write(f"{failure}\n")
    return 1 if failure or kept["otherwise"] else 0


if __name__ == "__main__":
    sys.exit(main())
