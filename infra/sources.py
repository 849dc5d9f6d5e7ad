"""What people wrote: the stack files and the two catalogues, read and not yet validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.errors import ConfigError, Problem
from infra.naming import PERMANENT, stack_file, stack_names
from infra.releases import FILE as RELEASES
from infra.settings import nearest, parsed_engine_value
from infra.suppliers import FILE as SUPPLIERS
from infra.yamlfile import read_mapping


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What was written, not yet validated: stacks' configuration by stack, and the two catalogues."""

    stacks: Mapping[str, Mapping[str, Any]]
    releases: Mapping[str, Any]
    suppliers: Mapping[str, Any]


def unknown_stack(stack: str, folder: Path) -> Problem:
    """Return that `stack` has no file in `folder`, with the stack that was most likely meant."""
    names = stack_names(folder)
    meant = nearest(stack, names)
    message = f"is missing; stacks with a file: {', '.join(names) or 'none'}"
    if stack in PERMANENT:
        fix = f"restore it: git checkout -- {stack_file(stack)}"
    elif meant:
        message += f"; did you mean {meant}?"
        fix = f"the same with {meant}"
    else:
        fix = "eps-dos ephemeral list, for those made for one test, which have no file"
    return Problem(where=f"{stack_file(stack)}:", message=message, fix=fix)


def read_sources(stack: str, folder: Path, engine_config: Mapping[str, str] | None) -> tuple[Sources, list[Problem]]:
    """Return what was written, and what couldn't be read of it."""
    problems: list[Problem] = []

    def read(name: str) -> Mapping[str, Any]:
        try:
            return read_mapping(folder / name)
        except ConfigError as error:
            problems.extend(error.problems)
            return {}

    stacks: dict[str, Mapping[str, Any]] = {}
    names = stack_names(folder)
    if engine_config is None and stack not in names:
        problems.append(unknown_stack(stack, folder))
    for name in names:
        before = len(problems)
        config = read(stack_file(name)).get("config") or {}
        if len(problems) > before:
            continue
        if isinstance(config, Mapping):
            stacks[name] = config
        else:
            fix = "write keys and values under config:"
            problems.append(Problem(where=f"{stack_file(name)}: config", message="holds no keys and values", fix=fix))
    if engine_config is not None:
        stacks[stack] = {key: parsed_engine_value(value) for key, value in engine_config.items()}
    return Sources(stacks=stacks, releases=read(RELEASES), suppliers=read(SUPPLIERS)), problems
