"""How the house is laid out: which way imports go between its rooms. They are read, not run.

A folder in `ops` is a command's room, or ground that commands stand on. Another command's room is entered only through
a module whose docstring says so: "Entered by verify and drift.", or "Entered by every command.".
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("infra", "lab", "ops", "policy")
GROUND = {"aws", "errors", "output", "stacks"}
"""Rooms of `ops` that every command may use as it likes, and that use no command."""
MOST_ENTRIES = 20
MOST_UNFORMATTED = 20
"""Tables that the formatter would stretch to a word a line."""


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {
    name_of(file): ast.parse(file.read_text(encoding="utf-8"))
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
}


def statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that happen at run time; those inside of functions, too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from statements(child)


def imported(module: str) -> set[str]:
    """Return the modules of the project that `module` imports."""
    names = set()
    for statement in statements(TREES[module]):
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        else:
            assert not statement.level, f"{module}: a relative import"
            inner = {f"{statement.module}.{alias.name}" for alias in statement.names}
            names |= (inner & TREES.keys()) or {str(statement.module)}
    return names & TREES.keys()


IMPORTS = {module: imported(module) for module in TREES}


def room(module: str) -> str:
    """Return the room of a module of `ops`: `ops.review.plan` is in review, `ops.up` in up."""
    return module.split(".")[1] if module.startswith("ops.") else ""


def test_no_module_imports_itself_by_way_of_others() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_ops_has_few_rooms() -> None:
    entries = [entry.name for entry in (ROOT / "ops").iterdir() if entry.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES, sorted(entries)


def test_only_the_room_of_the_lab_knows_the_lab() -> None:
    knowing = {module for module, names in IMPORTS.items() if any(name.startswith("lab.") for name in names)}
    assert {room(module) for module in knowing if room(module)} == {"lab"}


@pytest.mark.parametrize(
    ("package", "may"),
    [("infra", {"infra"}), ("lab", {"lab"}), ("policy", {"policy", "infra", "lab.control"})],
)
def test_what_lies_below_knows_nothing_of_what_is_above(package: str, may: set[str]) -> None:
    others = {
        f"{module}: {name}"
        for module, names in IMPORTS.items()
        for name in names
        if module.split(".")[0] == package and not {name, name.split(".")[0]} & may
    }
    assert others == set()


def test_ground_uses_no_command() -> None:
    upward = {
        f"{module}: {name}"
        for module, names in IMPORTS.items()
        for name in names
        if room(module) in GROUND and room(name) not in GROUND | {""}
    }
    assert upward == set()


def test_a_room_is_entered_only_where_the_module_says_by_whom() -> None:
    entering = defaultdict(set)
    for module, names in IMPORTS.items():
        for name in names:
            if room(module) and room(name) not in GROUND | {"", room(module)}:
                entering[name].add(room(module))
    said = {}
    for name in entering:
        match = re.search(r"Entered by ([\w, ]+)\.", ast.get_docstring(TREES[name]) or "")
        said[name] = set(re.split(r", | and ", match[1])) if match else set()
    wrong = {
        name: f"is entered by {sorted(rooms)} and says {sorted(said[name])}"
        for name, rooms in entering.items()
        if said[name] not in ({"every command"}, rooms)
    }
    assert wrong == {}


def test_imports_stand_at_the_top_of_the_commands() -> None:
    """A command's module is loaded when it is called, so nothing is gained by importing later."""
    late = {
        f"{module}: line {statement.lineno}"
        for module, tree in TREES.items()
        if room(module)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for statement in statements(function)
    }
    assert late == set()


def test_the_formatter_lays_out_all_but_a_few_tables() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    assert sum(file.read_text(encoding="utf-8").count("# fmt: skip") for file in files) <= MOST_UNFORMATTED


def test_what_contributing_names_is_there() -> None:
    """Its lists are followed by who doesn't know the project yet."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tests = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", text)
    assert named
    assert [name for name in named if f"def {name}(" not in tests] == []
    paths = [path for path in re.findall(r"`([\w./]+)`", text) if "/" in path and "NAME" not in path]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
