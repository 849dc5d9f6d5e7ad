"""Who must approve what: every file but tests and pages has an owner, whatever is added."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.workflows.running import ROOT

LINES = [
    line.split("#")[0].split()
    for line in (ROOT / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    if line.split("#")[0].strip()
]


def owners(path: str) -> list[str]:
    """Return who owns `path`: the last line that matches counts (GitHub docs, "About code owners").

    Of the patterns that GitHub knows, those that this file needs: everything, and a file or folder at the top.
    """
    found: list[str] = []
    for pattern, *people in LINES:
        if pattern == "*" or path == pattern[1:] or path.startswith(f"{pattern.rstrip('/')}/"[1:]):
            found = people
    return found


def test_every_pattern_is_of_a_kind_that_is_read_here() -> None:
    assert [line[0] for line in LINES if not re.fullmatch(r"\*|/[\w.-]+(/[\w.-]+)*/?", line[0])] == []
    assert {owner for line in LINES for owner in line[1:]} == {"@eps-dos-api/owners"}


def test_every_tracked_file_but_tests_and_pages_has_an_owner() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    free = ("tests/", "docs/")
    assert [path for path in listed.stdout.splitlines() if bool(owners(path)) == path.startswith(free)] == []


@pytest.mark.parametrize(
    "path",
    [
        "infra/new.py",
        ".github/workflows/new.yml",
        ".github/CODEOWNERS",
        "ops/tests/new.py",
        "lab/docs/new.md",
        "docs.py",
        "tests.yaml",
    ],
)
def test_a_new_file_has_an_owner_wherever_it_is(path: str) -> None:
    assert owners(path) == ["@eps-dos-api/owners"]


def test_github_reads_this_file_and_no_other() -> None:
    """It takes the first of .github/, the top and docs/."""
    assert not (ROOT / ".github" / "CODEOWNERS").exists()
