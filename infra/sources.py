"""What people wrote: the stack files and the two catalogues, read and not yet validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.errors import ConfigError, Problem
from infra.naming import stack_file, stack_names
from infra.releases import FILE as RELEASES
from infra.settings import parsed_engine_value
from infra.suppliers import FILE as SUPPLIERS
from infra.yamlfile import read_mapping


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What was written, not yet validated: stacks' configuration by stack, and the two catalogues."""

    stacks: Mapping[str, Mapping[str, Any]]
    releases: Mapping[str, Any]
    suppliers: Mapping[str, Any]


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
    for name in {*stack_names(folder), *({stack} if engine_config is None else ())}:
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
