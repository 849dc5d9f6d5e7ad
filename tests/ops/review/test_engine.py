"""`eps-dos review` from end to end: a commit deployed to a lab, and the working tree previewed by the real engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.engine.setup import Engine
from ops.stacks.stackfile import StackFile

CHECKOUT = Path(__file__).parents[3]
COPIED = ("infra", "policy", "rollout", "Pulumi.yaml", "__main__.py", "releases.yaml", "suppliers.yaml")
PUBLISHED = {"eu-west-2a": "192.0.2.1", "eu-west-2b": "192.0.2.2", "eu-west-2c": "192.0.2.3"}
NFTS = {"eu-west-2a": "192.0.2.11", "eu-west-2b": "192.0.2.12", "eu-west-2c": "192.0.2.13"}

MARKED, LOOKALIKE, NAMED = "canary-marked-7Hq2", "ghp_canaryLookalike0123456789abcdef", "canary-named-9Xw4"

pytestmark = pytest.mark.engine


class Project:
    """A repository of its own: its first commit is the base, what is edited afterwards the change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (*COPIED, *(path.name for path in CHECKOUT.glob("Pulumi.*.yaml"))):
            copy = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copy2
            copy(CHECKOUT / name, folder / name)
        self.set("live", virtualIps=PUBLISHED)
        # The first was allocated outside the stack.
        self.set("nft", virtualIps=NFTS, allocationIds={"eu-west-2a": "eipalloc-0123456789abcdef0"})
        for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "base"]):
            git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", *command]
            subprocess.run(git, cwd=folder, check=True)

    def set(self, stack: str, **values: object) -> None:
        file = StackFile(self.folder / f"Pulumi.{stack}.yaml")
        for key, value in values.items():
            file.set(key, value)
        file.save()

    def review(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `eps-dos review` over the base, as a person would."""
        main = "import sys; sys.argv[0] = 'eps-dos'; from ops.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", main, "review", *arguments, "--base", "HEAD"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "EPS_DOS_LAB_PACE": "600"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path, engine: Engine) -> Iterator[Project]:
    assert engine.version
    folder = tmp_path / "project"
    folder.mkdir()
    yield Project(folder)
    assert not (folder / ".lab").exists()


def by_stack(document: Path) -> dict[str, Any]:
    return {one["stack"]: one for one in json.loads(document.read_text(encoding="utf-8"))["stacks"]}


def test_a_zone_of_live_removed_is_refused_with_the_address_and_whom_it_concerns(
    project: Project, tmp_path: Path
) -> None:
    project.set("live", zones=["eu-west-2a", "eu-west-2b"])
    project.set("live", virtualIps={zone: one for zone, one in PUBLISHED.items() if zone != "eu-west-2c"})
    document = tmp_path / "review.json"
    done = project.review("live", "--output", str(document), "--output", str(tmp_path / "review.md"))
    assert done.returncode == 1, done.stderr
    live = by_stack(document)["live"]
    lost = {one["address"]: one["published"] for danger in live["dangers"] for one in danger["addresses"]}
    assert lost == {"192.0.2.3": True}
    assert live["dangers"][0]["concerns"] == ["Example Prescribing", "Sample Dispensing"]
    lines = (tmp_path / "review.md").read_text(encoding="utf-8").splitlines()
    assert (
        "- **`192.0.2.3` (eu-west-2c)**, published: in the firewalls of Example Prescribing, Sample Dispensing" in lines
    )


@pytest.mark.scenario
def test_a_scale_change_is_let_through_and_its_plan_kept(project: Project, tmp_path: Path) -> None:
    project.set("nft", scale=1)
    document, plans = tmp_path / "review.json", tmp_path / "plans"
    done = project.review("nft", "--output", str(document), "--save-plan", str(plans))
    assert done.returncode == 0, done.stderr
    nft = by_stack(document)["nft"]
    assert (nft["verdict"], nft["dangers"]) == ("calm", [])
    assert {one["name"]: (one["before"], one["after"]) for one in nft["capacity"]}["capacity, maximum (instances)"] == (
        "6",
        "12",
    )
    assert (plans / "nft.plan.json").exists()
    shown = [one["label"] for one in nft["picture"] if one["column"] == "address"]
    assert shown == [f"{address} ({zone})" for zone, address in NFTS.items()]


@pytest.mark.scenario
def test_no_secret_is_shown_in_any_format_nor_in_a_plan_that_is_kept(project: Project, tmp_path: Path) -> None:
    program = project.folder / "infra" / "program.py"
    text = program.read_text(encoding="utf-8")
    canaries = (
        f'    aws.sns.Topic("marked", display_name=pulumi.Output.secret("{MARKED}"), tags=tags, opts=opts)\n'
        f'    aws.sns.Topic("lookalike", display_name="{LOOKALIKE}", tags=tags, opts=opts)\n'
        f'    aws.sns.Topic("named", tags={{**tags, "adminPassword": "{NAMED}"}}, opts=opts)\n'
        f'    pulumi.log.warn("the token is {LOOKALIKE}, and password={NAMED}")\n'
    )
    marker = "    network = Network(\n"
    assert marker in text
    program.write_text(text.replace(marker, f"{canaries}{marker}", 1), encoding="utf-8")
    outputs = [tmp_path / f"review{suffix}" for suffix in (".md", ".json", ".txt")]
    plans = tmp_path / "plans"
    done = project.review(
        "live", *(part for one in outputs for part in ("--output", str(one))), "--save-plan", str(plans)
    )
    assert done.returncode == 0, done.stderr
    shown = {one.name: one.read_text(encoding="utf-8") for one in outputs}
    shown["stderr"] = done.stderr
    shown.update({path.name: path.read_text(encoding="utf-8") for path in plans.iterdir()})
    leaked = [(name, canary) for name, text in shown.items() for canary in (MARKED, LOOKALIKE, NAMED) if canary in text]
    assert leaked == []
    assert "[secret]" in shown["review.md"]
    # What nobody marked stands in a plan as it is.
    assert list(plans.iterdir()) == []
    assert "the plan is not kept" in done.stderr
