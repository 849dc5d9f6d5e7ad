"""The workflows of environments for one test: made by a label, gone with it or on time, with few rights."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from ops import cli
from ops.ephemeral.comment import MARKER
from tests.workflows.running import SHELLS, steps, workflow

NAMES = ("ephemeral.yml", "reap.yml")
ROLE = "arn:aws:iam::111111111111:role/ephemeral"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_runs_with_more_than_it_is_given(name: str) -> None:
    document = workflow(name)
    assert document["permissions"] == {}
    assert "pull_request_target" not in document["on"]
    for job in document["jobs"].values():
        with_aws = any("configure-aws-credentials" in step.get("uses", "") for step in job["steps"])
        rights = {"contents": "read", "id-token": "write"}
        assert job["permissions"] == (rights if with_aws else {"actions": "read", "pull-requests": "write"})


@pytest.mark.parametrize("name", NAMES)
def test_what_is_used_is_pinned_and_no_command_is_put_together_from_values(name: str) -> None:
    used = [step["uses"] for _, step in steps(name) if not step.get("uses", "./").startswith("./")]
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one)] == []
    assert all("${{" not in step.get("run", "") for _, step in steps(name))


@pytest.mark.parametrize("name", NAMES)
def test_no_run_ends_another_in_the_middle_and_each_has_the_role_of_its_own(name: str) -> None:
    assert workflow(name)["concurrency"]["cancel-in-progress"] == "false"
    roles = {step["with"]["role-to-assume"] for _, step in steps(name) if "role-to-assume" in step.get("with", {})}
    assert roles == {"${{ vars.EPHEMERAL_ROLE_ARN }}"}


def test_only_the_job_that_runs_nobodys_code_may_write() -> None:
    used = [step.get("uses", "") for name, step in steps("ephemeral.yml") if name == "comment"]
    assert [one.partition("@")[0] for one in used if one] == ["actions/download-artifact"]


def test_an_environment_ends_by_the_code_of_the_branch_that_is_merged_into() -> None:
    checkouts = {
        name: step["with"] for name, step in steps("ephemeral.yml") if "actions/checkout" in step.get("uses", "")
    }
    assert checkouts["destroy"]["ref"] == "${{ github.event.pull_request.base.ref }}"
    assert {one["persist-credentials"] for one in checkouts.values()} == {"false"}


@dataclass(frozen=True, kw_only=True)
class Event:
    """What GitHub tells a run of a pull request."""

    action: str
    label: str | None = None
    labels: tuple[str, ...] = ()
    state: str = "open"
    fork: bool = False
    role: str = ROLE

    def values(self) -> dict[str, Any]:
        head = "somebody/fork" if self.fork else "o/r"
        return {
            "github.event.label.name": self.label,
            "github.event.action": self.action,
            "github.event.pull_request.state": self.state,
            "github.event.pull_request.number": 7,
            "github.event.pull_request.labels.*.name": self.labels,
            "github.event.pull_request.head.repo.full_name": head,
            "github.repository": "o/r",
            "github.run_id": 99,
            "vars.EPHEMERAL_ROLE_ARN": self.role,
        }


def evaluated(expression: str, event: Event) -> Any:
    """Return what an expression of a workflow is for `event`: those operators and functions that are used here."""
    values = event.values()
    text = re.sub(r"\b(?:github|vars)\.[\w.*]+", lambda found: f"values[{found[0]!r}]", expression)
    text = re.sub(r"!(?!=)", " not ", text.replace("&&", " and ").replace("||", " or "))
    known = {
        "values": values,
        "contains": lambda many, one: one in many,
        "format": lambda form, *given: form.format(*given),
        "__builtins__": {},
    }
    return eval(f"({text})", known)  # noqa: S307 - this checkout's own workflow


MINE = ("ephemeral",)


@pytest.mark.parametrize(
    ("event", "does"),
    [
        (Event(action="labeled", label="ephemeral", labels=("bug", "ephemeral")), "create"),
        (Event(action="labeled", label="bug", labels=("bug", "ephemeral")), None),
        (Event(action="unlabeled", label="bug", labels=MINE), None),
        (Event(action="unlabeled", label="ephemeral", labels=("bug",)), "destroy"),
        (Event(action="unlabeled", label="ephemeral", state="closed"), "destroy"),
        (Event(action="closed", labels=MINE, state="closed"), "destroy"),
        (Event(action="closed", state="closed"), "destroy"),
        (Event(action="reopened", labels=MINE), "create"),
        # It may have taken the place of the run that was to destroy it.
        (Event(action="reopened"), "destroy"),
        (Event(action="labeled", label="ephemeral", labels=MINE, state="closed"), "destroy"),
        (Event(action="labeled", label="ephemeral", labels=MINE, fork=True), None),
        (Event(action="closed", labels=MINE, state="closed", fork=True), None),
        (Event(action="labeled", label="ephemeral", labels=MINE, role=""), None),
        (Event(action="closed", state="closed", role=""), None),
    ],
    ids=str,
)
def test_what_a_pull_requests_event_does(event: Event, does: str | None) -> None:
    jobs = workflow("ephemeral.yml")["jobs"]
    assert [name for name in ("create", "destroy") if evaluated(jobs[name]["if"], event)] == ([does] if does else [])
    group = workflow("ephemeral.yml")["concurrency"]["group"]
    (expression,) = re.findall(r"\$\{\{(.*?)\}\}", group, re.DOTALL)
    # Of those that wait in a group only the newest stays: one that does nothing must not push another out.
    if does:
        assert evaluated(expression, event) == "pr-7"
    elif event.role and not event.fork:
        assert evaluated(expression, event) == "not-99"


def test_the_reaper_looks_every_hour_but_not_when_everybody_does() -> None:
    document = workflow("reap.yml")
    (at,) = document["on"]["schedule"]
    minute, *others = at["cron"].split()
    assert 0 < int(minute) < 60
    assert others == ["*"] * 4
    assert document["on"]["workflow_dispatch"]["inputs"]["dry_run"]["type"] == "boolean"
    assert document["jobs"]["reap"]["if"] == "vars.EPHEMERAL_ROLE_ARN != ''"


COMMAND = 'printf "%s\\0" "$@" >> words; printf "\\n" >> words\n'
"""A stand-in that writes down what it was called with."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with stand-ins for what the steps run; `eps-dos` gives `$CODE`, `list` prints `$LISTED`."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed; GitHub's machines have it")
    for path, text in {
        ".venv/bin/eps-dos": f'{COMMAND}case "$2" in list) echo "$LISTED";; *) echo "stay    int: is permanent"; '
        'echo "destroying 1 (12 s)" >&2; exit "${CODE:-0}";; esac\n',
        "bin/gh": 'echo "$*" >> calls\n'
        'case "$*" in *--paginate*) echo "$EXISTING";; *) cp comment.json sent.json;; esac\n',
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{text}")
        file.chmod(0o755)
    return tmp_path


def run(folder: Path, name: str, job: str, step_name: str, variables: Mapping[str, str]) -> int:
    """Run a step as GitHub does; return its exit code."""
    (script,) = [step["run"] for of, step in steps(name) if of == job and step.get("name") == step_name]
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "NAME": "pr-7",
        "LISTED": "[]",
        "GITHUB_SERVER_URL": "https://github.invalid",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_RUN_ID": "99",
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        **variables,
    }
    return subprocess.run([*SHELLS["bash"], "-c", script], cwd=folder, env=environment, check=False).returncode


def parsed_calls(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return what the real command line reads in each call of `eps-dos`. Fails if it refuses one."""
    found = []
    for line in (folder / "words").read_text().splitlines():
        words = line.rstrip("\0").split("\0")
        command: Any = typer.main.get_command(cli.app)
        path = []
        while hasattr(command, "commands"):
            path.append(words.pop(0))
            command = command.commands[path[-1]]
        found.append((" ".join(path), command.make_context(path[-1], words).params))
    return found


def test_a_pull_requests_environment_is_like_int_and_lives_for_a_day(folder: Path) -> None:
    variables = {"OWNER": "renovate[bot]", "CLIENTS": "198.51.100.0/28 203.0.113.7/32"}
    assert run(folder, "ephemeral.yml", "create", "Create", variables) == 0
    ((command, given),) = parsed_calls(folder)
    assert command == "ephemeral create"
    wanted = {"name": "pr-7", "like": "int", "ttl": "24h", "dataset": "int", "owner": "renovate-bot-"}
    assert {key: given[key] for key in wanted} == wanted
    assert [*given["clients"]] == ["198.51.100.0/28", "203.0.113.7/32"]
    assert given["for_programs"] is True


def test_values_of_others_stay_one_word_and_no_clients_are_none(folder: Path) -> None:
    assert run(folder, "ephemeral.yml", "create", "Create", {"OWNER": "$(touch bad) --lab", "CLIENTS": ""}) == 0
    ((_, given),) = parsed_calls(folder)
    assert given["owner"] == "--touch-bad----lab"
    assert not given["clients"]
    assert given["in_lab"] is False
    assert not (folder / "bad").exists()


def test_a_create_that_fails_fails_the_run(folder: Path) -> None:
    assert run(folder, "ephemeral.yml", "create", "Create", {"OWNER": "a", "CLIENTS": "", "CODE": "1"}) == 1


@pytest.mark.parametrize(
    ("listed", "called"),
    [
        ("[]", ["ephemeral list"]),
        ('[{"name": "pr-77"}]', ["ephemeral list"]),
        ('[{"name": "pr-7"}]', ["ephemeral list", "ephemeral destroy"]),
    ],
)
def test_only_what_is_there_is_destroyed(folder: Path, listed: str, called: list[str]) -> None:
    assert run(folder, "ephemeral.yml", "destroy", "Destroy", {"LISTED": listed}) == 0
    calls = parsed_calls(folder)
    assert [name for name, _ in calls] == called
    assert all((given["name"], given["yes"]) == ("pr-7", True) for name, given in calls if name == "ephemeral destroy")


@pytest.mark.parametrize(("dry_run", "is_dry"), [("", False), ("false", False), ("true", True)])
def test_the_reaper_reaps_unless_it_was_told_only_to_say(folder: Path, dry_run: str, is_dry: bool) -> None:
    assert run(folder, "reap.yml", "reap", "Reap", {"DRY_RUN": dry_run}) == 0
    ((command, given),) = parsed_calls(folder)
    assert (command, given["dry_run"], given["parallel"]) == ("ephemeral reap", is_dry, 4)


def test_what_is_still_there_fails_the_run_and_is_in_the_summary(folder: Path) -> None:
    assert run(folder, "reap.yml", "reap", "Reap", {"DRY_RUN": "", "CODE": "1"}) == 1
    assert (folder / "summary").read_text() == "\n    stay    int: is permanent\n"


def posted(folder: Path, comment: str | None, existing: str = "", destroyed: str = "skipped") -> tuple[str, str]:
    """Run the step that writes the comment; return what it would send, and its calls."""
    if comment is not None:
        (folder / "comment.md").write_text(comment, encoding="utf-8")
    own = workflow("ephemeral.yml")["jobs"]["comment"]["env"]["MARKER"]
    variables = {"MARKER": own, "NUMBER": "7", "EXISTING": existing, "DESTROYED": destroyed}
    assert run(folder, "ephemeral.yml", "comment", "Update the comment, or make it", variables) == 0
    sent = folder / "sent.json"
    return json.loads(sent.read_text())["body"] if sent.exists() else "", (folder / "calls").read_text()


def test_the_first_comment_is_made_and_the_next_takes_its_place(folder: Path) -> None:
    text = f"{MARKER}\n## it is there\n"
    body, calls = posted(folder, text)
    assert body == text
    assert "--method POST repos/o/r/issues/7/comments --input" in calls
    assert "PATCH" not in calls
    body, calls = posted(folder, text, existing="12")
    assert body == text
    assert "--method PATCH repos/o/r/issues/comments/12 --input" in calls


@pytest.mark.parametrize("comment", [None, "## approved, really\n", f"{MARKER}\n" + "x" * 65_001])
def test_what_is_no_comment_is_told_to_be_none(folder: Path, comment: str | None) -> None:
    body, _ = posted(folder, comment)
    assert body.startswith(
        f"{MARKER}\n## ❌ `pr-7`: [the run came to no end](https://github.invalid/o/r/actions/runs/99)"
    )
    assert "really" not in body


def test_nobody_hears_of_the_end_of_what_never_was(folder: Path) -> None:
    body, calls = posted(folder, f"{MARKER}\n## gone\n", destroyed="success")
    assert body == ""
    assert "POST" not in calls
    assert posted(folder, f"{MARKER}\n## gone\n", existing="12", destroyed="success")[0] == f"{MARKER}\n## gone\n"
