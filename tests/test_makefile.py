"""What `make` sets up, once, and what it says where it can't. Python is a shell script that writes down its calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Stands for python3 and, copied, for .venv/bin/python.
PYTHON = """#!/bin/sh
[ "$1" = -c ] && exit 0
echo "$2 $3" >> calls
case "$2 $3" in
    "venv --clear") mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    "pip install") [ ! -e no-network ] ;;
    "lab.engine ") [ ! -e no-engine ] ;;
esac
"""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A folder with the project's Makefile, and a PATH of its own."""

    folder: Path
    bin_dir: Path

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(shutil.which("make")), *arguments],
            cwd=self.folder,
            env={"PATH": os.pathsep.join([str(self.folder / "first"), str(self.bin_dir)]), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What Python was asked for since the last question, `pip --version` left out."""
        log = self.folder / "calls"
        calls = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [call for call in calls if call != "pip --version"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(folder=tmp_path / "checkout", bin_dir=tmp_path / "bin")
    for folder in (made.folder / "first", made.bin_dir):
        folder.mkdir(parents=True)
    for tool in ("sh", "cat", "cksum", "cp", "mkdir", "mv", "rm", "tail"):
        (made.bin_dir / tool).symlink_to(str(shutil.which(tool)))
    executable(made.bin_dir / "python3", PYTHON)
    shutil.copy(ROOT / "Makefile", made.folder)
    for name in ("pyproject.toml", "requirements-dev.txt"):
        (made.folder / name).write_text(f"{name}\n")
    return made


def executable(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)


MADE = ["venv --clear", "pip install", "pip install"]


def test_the_environment_is_made_once_and_follows_the_requirements(checkout: Checkout) -> None:
    """Nothing is done twice; changed requirements are installed in the environment that is there."""
    assert (checkout.make("venv").returncode, checkout.calls()) == (0, MADE)
    assert (checkout.make("venv").returncode, checkout.calls()) == (0, [])
    (checkout.folder / "requirements-dev.txt").write_text("another==1\n")
    assert (checkout.make("venv").returncode, checkout.calls()) == (0, MADE[1:])


def test_an_installation_that_failed_is_taken_up_again(checkout: Checkout) -> None:
    """A lost network or Ctrl-C leaves an environment that isn't taken for a whole one."""
    (checkout.folder / "no-network").touch()
    assert checkout.make("setup").returncode != 0
    assert checkout.calls() == MADE[:2]
    (checkout.folder / "no-network").unlink()
    assert (checkout.make("setup").returncode, checkout.calls()) == (0, [*MADE[1:], "lab.engine "])


def test_a_python_that_does_not_work_is_passed_over(checkout: Checkout) -> None:
    """The first python3 on PATH may be a version manager's stand-in for nothing, or too old."""
    executable(
        checkout.folder / "first" / "python3", "#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n"
    )
    made = checkout.make("venv")
    assert made.returncode == 0
    assert f"making .venv with {checkout.bin_dir / 'python3'}" in made.stdout


def test_without_a_python_it_names_what_it_found_and_what_is_needed(checkout: Checkout) -> None:
    """One message, with a way out."""
    executable(
        checkout.bin_dir / "python3", "#!/bin/sh\necho 'a warning' >&2\necho 'Python 3.9 is too old' >&2\nexit 1\n"
    )
    failed = checkout.make("venv")
    assert failed.returncode != 0
    assert "Python 3.11 or newer with the module venv is needed, and there is none on PATH." in failed.stderr
    assert f"    {checkout.bin_dir / 'python3'}: Python 3.9 is too old\n" in failed.stderr
    assert "    fix: install it" in failed.stderr
    assert not (checkout.folder / ".venv").exists()


@pytest.mark.parametrize("stack", ["nft", "$(touch made)`touch made`; touch made", "-y", "../x"])
def test_the_name_of_a_stack_is_passed_on_as_it_is(checkout: Checkout, stack: str) -> None:
    """No shell reads it, and a leading dash is no option: eps-dos judges it."""
    assert checkout.make("venv").returncode == 0
    executable(checkout.folder / ".venv" / "bin" / "eps-dos", '#!/bin/sh\nprintf "[%s]" "$@" > asked\n')
    # Make itself expands a dollar sign, unless it is doubled.
    assert checkout.make("up", f"STACK={stack.replace('$', '$$')}").returncode == 0
    assert (checkout.folder / "asked").read_text() == f"[up][--lab][--][{stack}]"
    assert not (checkout.folder / "made").exists()


@pytest.mark.parametrize(("target", "tier"), [("test", "[-m][not scenario]"), ("scenarios", "[-m][scenario]")])
def test_without_an_engine_the_other_tests_are_run_but_in_ci(checkout: Checkout, target: str, tier: str) -> None:
    """Each test is in one of the two tiers, by its mark."""
    assert checkout.make("venv").returncode == 0
    executable(checkout.folder / ".venv" / "bin" / "pytest", '#!/bin/sh\nprintf "[%s]" "$@" > asked\n')
    (checkout.folder / "no-engine").touch()
    assert checkout.make(target, CI="true").returncode != 0
    assert not (checkout.folder / "asked").exists()
    made = checkout.make(target)
    assert made.returncode == 0
    assert "what needs the engine is skipped" in made.stdout
    assert tier in (checkout.folder / "asked").read_text()


def test_ci_runs_all_parts_whatever_fails_and_fails_with_any(checkout: Checkout) -> None:
    (checkout.folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", checkout.folder / ".ci")
    executable(checkout.bin_dir / "make", '#!/bin/sh\necho "$1 $CI" >> made\n[ ! -e "broken-$1" ]\n')

    def run() -> tuple[int, str]:
        done = subprocess.run(
            [str(shutil.which("bash")), ".ci/run"],
            cwd=checkout.folder,
            env={"PATH": os.pathsep.join([str(checkout.bin_dir), os.defpath])},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    assert run() == (0, "")
    (checkout.folder / "broken-lint").touch()
    (checkout.folder / "broken-test").touch()
    assert run() == (1, "failed: lint test\n")
    assert (checkout.folder / "made").read_text().splitlines() == ["lint true", "test true", "scenarios true"] * 2
