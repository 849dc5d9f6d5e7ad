"""Workflows run on this machine as GitHub runs them: what a job's `if` says, each step in the shell that it names.

The text of a step is the YAML's own, in a file, run by `bash --noprofile --norc -eo pipefail` where `shell: bash` is
said and by `bash -e` where nothing is (GitHub docs, workflow syntax, `jobs.<job_id>.steps[*].shell`). `gh` is
tests/workflows/github.py, `eps-dos` whatever a test puts into the checkout. Actions of others do what a job needs of
them: artifacts are kept between jobs, everything else does nothing.

Left out: matrices (a test names the value), timeouts, and what GitHub decides before a run starts, such as concurrency.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
NAMES = sorted(file.name for file in FOLDER.glob("*.yml"))
SHELLS = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"], None: ["bash", "-e"]}

Yaml = dict[str, Any]


def document(path: Path) -> Yaml:
    """Return a workflow or an action; every value is text, and `on` is the word that it is."""
    loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - texts only
    assert isinstance(loaded, dict)
    return loaded


def workflow(name: str) -> Yaml:
    return document(FOLDER / name)


def action(name: str) -> Yaml:
    return document(FOLDER.parent / "actions" / name / "action.yml")


def steps(name: str) -> Iterator[tuple[str, Yaml]]:
    """Yield each step of a workflow with its job's name."""
    for job_name, job in workflow(name)["jobs"].items():
        yield from ((job_name, step) for step in job.get("steps", ()))


_TOKEN = re.compile(r"'(?:[^']|'')*'|[A-Za-z_][\w.*-]*(?<!-)|&&|\|\||!=|==|!|.", re.DOTALL)
_WORDS = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False"}
_CONTEXTS = ("github", "vars", "needs", "steps", "inputs", "env", "matrix", "runner", "secrets")


def _value(context: Mapping[str, Any], path: str) -> Any:
    """Return what `path` is in the context; '' if there is none, which is how GitHub compares null."""
    here: Any = context
    keys = path.split(".")
    for at, key in enumerate(keys):
        if key == "*":
            rest = ".".join(keys[at + 1 :])
            return [_value(item, rest) for item in here or ()]
        here = here.get(key) if isinstance(here, Mapping) else None
    return "" if here is None else here


def evaluated(expression: str, context: Mapping[str, Any], status: str = "success") -> Any:
    """Return what an expression is (GitHub docs, "Evaluate expressions"); `status` is the job's so far."""
    parts = []
    for token in _TOKEN.findall(expression):
        if token.startswith("'"):
            parts.append(repr(token[1:-1].replace("''", "'")))
        elif token.split(".")[0] in _CONTEXTS:
            parts.append(f"value({token!r})")
        else:
            parts.append(_WORDS.get(token, " " if token.isspace() else token))
    functions = {
        "value": lambda path: _value(context, path),
        "always": lambda: True,
        "success": lambda: status == "success",
        "failure": lambda: status == "failure",
        "cancelled": lambda: status == "cancelled",
        "contains": lambda many, item: item in many,
        "format": lambda form, *given: form.format(*given),
        "hashFiles": lambda *_patterns: "hash",
        "__builtins__": {},
    }
    return eval(f"({''.join(parts)})", functions)  # noqa: S307 - this checkout's own workflow


def filled(text: str, context: Mapping[str, Any]) -> str:
    """Return `text` with each `${{ }}` replaced by what it is."""

    def of(found: re.Match[str]) -> str:
        value = evaluated(found[1], context)
        return str(value).lower() if isinstance(value, bool) else str(value)

    return re.sub(r"\$\{\{(.*?)\}\}", of, text, flags=re.DOTALL)


def _bare(condition: str) -> str:
    """Return a condition without the `${{ }}` that may stand around it."""
    return re.sub(r"^\s*\$\{\{(.*)\}\}\s*$", r"\1", condition, flags=re.DOTALL)


@dataclass
class Done:
    """What came of a job: its result (success, failure, skipped), outputs, summary, and the steps that ran."""

    result: str = "success"
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    log: str = ""
    used: list[str] = field(default_factory=list)
    """Actions, without their commits."""


@dataclass
class GitHub:
    """A repository, o/r: its issues, pull requests and comments, and the runs of its workflows.

    `checkout` holds the files that a checkout and a set-up leave, by path.
    """

    folder: Path
    checkout: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    """The repository's `vars`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """For the stand-ins of a test."""
    jobs: dict[str, Done] = field(default_factory=dict)
    """Of all runs: `preview.yml/gate`, those of a reusable workflow below the job that calls it."""

    def __post_init__(self) -> None:
        self.set(issues=[], comments=[], pulls=[], calls=[], runs=[], stopped={}, fails="")
        gh = self.folder / "bin" / "gh"
        gh.parent.mkdir(parents=True, exist_ok=True)
        gh.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {Path(__file__).with_name("github.py")} "$@"\n')
        gh.chmod(0o755)

    def set(self, **values: Any) -> None:
        """Set parts of the state that the stand-in of `gh` keeps."""
        file = self.folder / "gh.json"
        before = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**before, **values}))

    def __getitem__(self, part: str) -> Any:
        return json.loads((self.folder / "gh.json").read_text())[part]

    def comments(self, number: int) -> list[str]:
        """The texts of a pull request's comments."""
        return [comment["body"] for comment in self["comments"] if comment["issue"] == number]

    def event(self, name: str, **payload: Any) -> Yaml:
        """Return the context of a run that event `name` started."""
        github = {
            "event_name": name,
            "event": payload,
            "repository": "o/r",
            "run_id": "99",
            "token": "token",
            "actor": "somebody",
            "server_url": "https://github.invalid",
            "ref": "refs/heads/main",
        }
        return {"github": github, "vars": dict(self.variables), "inputs": payload.get("inputs", {})}

    def run(self, name: str, context: Yaml, at: str = "") -> dict[str, Done]:
        """Run a workflow, its jobs in the order in which they stand; return them by name."""
        at = at or name
        definition = workflow(name)
        done: dict[str, Done] = {}
        for job_name, job in definition["jobs"].items():
            needed = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            needs = {need: {"result": done[need].result, "outputs": done[need].outputs} for need in needed}
            values = {**context, "needs": needs, "env": {}}
            values["env"] = {key: filled(text, values) for key, text in definition.get("env", {}).items()}
            done[job_name] = self._job(f"{at}/{job_name}", job, values, definition)
        self.jobs.update({f"{at}/{job_name}": job for job_name, job in done.items()})
        return done

    def steps_of(self, name: str, job: str, env: Mapping[str, str], context: Yaml | None = None) -> Done:
        """Run a job's steps with these variables, whatever its `if` and its `env` say."""
        definition = workflow(name)
        folder = self.folder / "jobs" / f"{name}-{job}"
        folder.mkdir(parents=True, exist_ok=True)
        done = Done()
        values = {**self.event(""), "needs": {}, **(context or {}), "env": dict(env), "steps": {}}
        self._steps(definition["jobs"][job]["steps"], folder, values, definition, done)
        return done

    def _job(self, at: str, job: Yaml, context: Yaml, definition: Yaml) -> Done:
        results = {need["result"] for need in context["needs"].values()}
        status = "success" if results <= {"success"} else "failure" if "failure" in results else "skipped"
        if not self._goes(job.get("if"), context, status):
            return Done(result="skipped")
        if "uses" in job:
            name = Path(job["uses"]).name
            inputs = {key: filled(text, context) for key, text in job.get("with", {}).items()}
            called = self.run(name, {**context, "inputs": inputs}, at)
            failed = any(inner.result == "failure" for inner in called.values())
            return Done(result="failure" if failed else "success")
        folder = self.folder / "jobs" / at.replace("/", "-")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        context["env"] |= {key: filled(text, context) for key, text in job.get("env", {}).items()}
        done = Done()
        values = {**context, "steps": {}}
        self._steps(job["steps"], folder, values, definition, done)
        done.outputs = {key: filled(text, values) for key, text in job.get("outputs", {}).items()}
        return done

    def _goes(self, condition: str | None, context: Yaml, status: str) -> bool:
        text = _bare(condition or "success()")
        # Without one of these, GitHub puts `success() &&` before a condition.
        if not re.search(r"\b(always|success|failure|cancelled)\(\)", text):
            text = f"success() && ({text})"
        return bool(evaluated(text, context, status))

    def _steps(self, listed: Sequence[Yaml], folder: Path, context: Yaml, definition: Yaml, done: Done) -> None:
        """Run steps; what each gives goes into the context's `steps`."""
        for at, step in enumerate(listed):
            env = {**context["env"], **{key: filled(text, context) for key, text in step.get("env", {}).items()}}
            inner = {**context, "env": env}
            if not self._goes(step.get("if"), inner, done.result):
                continue
            given = {key: filled(text, inner) for key, text in step.get("with", {}).items()}
            if "run" in step:
                shell = step.get("shell") or definition.get("defaults", {}).get("run", {}).get("shell")
                good, made = self._script(step["run"], SHELLS[shell], folder, env, done)
            elif step["uses"].startswith("./") and not step["uses"].endswith("/setup"):
                composite = action(Path(step["uses"]).name)
                below = {**inner, "inputs": given, "steps": {}}
                self._steps(composite["runs"]["steps"], folder, below, {}, done)
                made = {key: filled(output["value"], below) for key, output in composite.get("outputs", {}).items()}
                good = done.result == "success"
            else:
                name = step["uses"].partition("@")[0]
                done.used.append(name)
                good, made = self._action(name, given, folder), {}
            context["steps"][step.get("id", f"step {at}")] = {
                "outputs": made,
                "outcome": "success" if good else "failure",
            }
            if not good and step.get("continue-on-error") != "true":
                done.result = "failure"

    def _script(
        self, text: str, shell: Sequence[str], folder: Path, env: Mapping[str, str], done: Done
    ) -> tuple[bool, dict[str, str]]:
        files = {name: folder / f".{name}" for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        script = folder / ".step.sh"
        script.write_text(text, encoding="utf-8")
        ran = subprocess.run(
            [*shell, str(script)],
            cwd=folder,
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "LC_ALL": "C.UTF-8",
                "GH_STATE": str(self.folder / "gh.json"),
                "GITHUB_SERVER_URL": "https://github.invalid",
                "GITHUB_REPOSITORY": "o/r",
                "GITHUB_RUN_ID": "99",
                **{name: str(file) for name, file in files.items()},
                **self.environment,
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        done.log += ran.stdout
        done.summary += files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
        lines = files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines()
        return ran.returncode == 0, {key: value for key, _, value in (line.partition("=") for line in lines)}

    def _action(self, name: str, given: Mapping[str, str], folder: Path) -> bool:
        kept = self.folder / "artifacts"
        if name == "actions/checkout":
            self._check_out(folder / given.get("path", ""))
        elif name == "actions/upload-artifact":
            for pattern in given["path"].split():
                for file in folder.glob(pattern):
                    source = file if file.is_dir() else file.parent
                    for path in source.iterdir() if file.is_dir() else (file,):
                        (kept / given["name"]).mkdir(parents=True, exist_ok=True)
                        shutil.copy(path, kept / given["name"] / path.name)
        elif name == "actions/download-artifact":
            folders = sorted(kept.glob(given.get("name") or given["pattern"]))
            for source in folders:
                shutil.copytree(source, folder / given.get("path", ""), dirs_exist_ok=True)
            return bool(folders)
        return True

    def _check_out(self, folder: Path) -> None:
        for path, text in self.checkout.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755)
