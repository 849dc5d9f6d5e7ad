"""What `eps-dos` alone says under its help: the stacks, as their files have them, and the next step.

Only local files are read, so it answers at once, without an engine, a backend or an account. Left out: what is
deployed, which `status` asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.deciding import load_environment
from infra.environment import Environment
from infra.errors import ConfigError
from infra.naming import PERMANENT, stack_names
from ops.stacks.place import LAB_FOLDER, project_folder


def standing() -> str:
    """Return the stacks of the project that the working directory is in, a line each, and what to do next."""
    try:
        folder = project_folder(Path.cwd())
    except ConfigError as error:
        return str(error)
    there = stack_names(folder)
    names = sorted(there, key=[*PERMANENT, *there].index)
    environments: dict[str, Environment | ConfigError] = {}
    for name in names:
        try:
            environments[name] = load_environment(name, folder)
        except ConfigError as error:
            environments[name] = error
    # As Pulumi's file backend lays it out (pkg/backend/diy).
    in_lab = sorted(file.stem for file in (folder / LAB_FOLDER / "backend").glob(".pulumi/stacks/*/*.json"))
    rows = [("", "name", "release", "virtual IPs"), *(_row(name, of) for name, of in environments.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(["Stacks, by their files:", *(f"  {line}" for line in lines), "", *_next(environments, in_lab)])


def _row(name: str, environment: Environment | ConfigError) -> tuple[str, str, str, str]:
    if isinstance(environment, ConfigError):
        return name, "its file can't be used", "", ""
    published = _published(environment)
    return (
        name,
        environment.dns.name,
        environment.service.release,
        f"{published} published" if published else "none published",
    )


def _published(environment: Environment) -> int:
    return sum(plan.published is not None for plan in environment.virtual_ips.values())


def _next(environments: Mapping[str, Environment | ConfigError], in_lab: Sequence[str]) -> list[str]:
    """Return the commands to go on with, the most urgent first, each with what it does."""
    wrong = [of for of in environments.values() if isinstance(of, ConfigError)]
    if wrong:
        return ["Next: mend what is wrong.", str(wrong[0])]
    lab = (
        f"eps-dos status --lab      what is in the lab: {', '.join(in_lab)}"
        if in_lab
        else "eps-dos up nft --lab      Live and NFT on this machine, without AWS"
    )
    waiting = [name for name, of in environments.items() if isinstance(of, Environment) and not _published(of)]
    aws = (
        f"eps-dos preflight {waiting[0]:7} what AWS lacks before: pulumi up --stack {waiting[0]}"
        if waiting
        else "eps-dos status            where they stand in AWS"
    )
    return [f"Next: {aws}", f"      {lab}"]
