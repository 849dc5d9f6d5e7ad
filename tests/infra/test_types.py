"""Pulumi's type tokens are written in one module, and each of them is used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from infra import types
from tests.infra.stackfiles import CHECKOUT

TOKEN = re.compile(r"(aws:[a-z0-9]+/\w+:[A-Z]\w+|pulumi:(pulumi:Stack|providers:\w*)|eps-dos:index:\w+)")
NAMES = {name: value for name, value in vars(types).items() if name.isupper()}


def sources() -> Iterator[tuple[Path, ast.AST]]:
    for part in ("infra", "ops", "policy"):
        for file in sorted((CHECKOUT / part).rglob("*.py")):
            if file != Path(types.__file__):
                yield file.relative_to(CHECKOUT), ast.parse(file.read_text())


def test_no_other_module_writes_a_token() -> None:
    written = [
        f"{file}:{node.lineno} writes {node.value}; allowed: types.NAME, with the token in infra/types.py"
        for file, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and TOKEN.fullmatch(node.value)
    ]
    assert not written


def test_every_token_is_used_and_stands_once() -> None:
    used = {
        node.attr
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "types"
    } | {
        alias.name
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "infra.types"
        for alias in node.names
    }
    assert NAMES.keys() - used == set()
    assert len(set(NAMES.values())) == len(NAMES)
