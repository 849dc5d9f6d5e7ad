"""What a night's checks found, read from the JSON that they printed; and what couldn't be looked at.

Each check of each stack leaves one file, `STACK.CHECK.json`. A file that is missing or says something else is a check
that came to no end: that is told, and never taken for an all-clear. Left out: how the checks come about (`mirror`,
`verify`), and what the issue says of them (`ops.drift.issue`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from infra.environment import Environment
from ops.mirror.comparison import STATE_SIDES

Check: TypeAlias = Literal["mirror", "verify", "drift"]

LONGEST_FILE_BYTES = 20_000_000
"""A longer one is no answer of a check's."""


@dataclass(frozen=True, kw_only=True, order=True)
class Expected:
    """A check that a night makes of a stack."""

    stack: str
    check: Check

    def __str__(self) -> str:
        return f"{self.stack}.{self.check}"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that isn't as it should be. Its texts are from anywhere."""

    source: Expected
    what: str
    path: str
    """The property of a resource; empty for a check of `verify`, and for a resource that is missing or too many."""
    should: str
    """What was promised or deployed, or what Live has."""
    instead: str
    """What there is instead, or what the mirror has."""
    note: str = ""

    @property
    def identity(self) -> str:
        """What tells it from others, from one night to the next: 16 hexadecimal digits.

        Its values may change and it is still the same; but for what is in a list, where they alone tell things apart.
        """
        values = [self.should, self.instead] if self.path.endswith("[]") else []
        return hashlib.sha256(json.dumps([self.what, self.path, *values]).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Night:
    """All that was found, and what wasn't looked at, with the reason."""

    findings: tuple[Finding, ...]
    unchecked: Mapping[Expected, str]


class _UnreadableError(ValueError):
    """A file doesn't hold what its check prints."""


def expected(environments: Iterable[Environment]) -> tuple[Expected, ...]:
    """Return the checks that a night makes: of every stack `verify`, of a mirror `mirror`, else `drift`, which is
    `verify --drift`.

    A mirror's is of what it mirrors, too, so that this isn't looked at twice.
    """
    environments = tuple(environments)
    mirrored = {environment.mirrors for environment in environments if environment.mirrors}
    checks = [Expected(stack=environment.name, check="verify") for environment in environments]
    checks += [Expected(stack=environment.name, check="mirror") for environment in environments if environment.mirrors]
    checks += [
        Expected(stack=environment.name, check="drift")
        for environment in environments
        if not environment.mirrors and environment.name not in mirrored
    ]
    return tuple(sorted(checks))


def read(folder: Path, checks: Sequence[Expected]) -> Night:
    """Return what the files in `folder` say of `checks`. Never raises for what is in them."""
    findings: list[Finding] = []
    unchecked: dict[Expected, str] = {}
    for source in checks:
        try:
            findings += _findings(source, _json(folder / f"{source}.json"))
        except _UnreadableError as error:
            unchecked[source] = str(error)
    return Night(findings=tuple(findings), unchecked=unchecked)


def _json(file: Path) -> object:
    try:
        if file.stat().st_size > LONGEST_FILE_BYTES:
            raise _UnreadableError("its answer is too long to be one")
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _UnreadableError("it came to no end; see the run") from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, _UnreadableError):
            raise
        raise _UnreadableError("its answer can't be read; see the run") from None


def _findings(source: Expected, document: object) -> list[Finding]:
    try:
        parts = _objects(document)
        if not parts:
            raise _UnreadableError("it says nothing; see the run")
        read_part = _of_verify if source.check == "verify" else _of_level
        return [finding for part in parts for finding in read_part(source, part)]
    except (KeyError, TypeError) as error:
        raise _UnreadableError("its answer isn't what it should be; see the run") from error


def _of_verify(source: Expected, report: Mapping[str, Any]) -> list[Finding]:
    return [
        Finding(
            source=source,
            what=str(check["name"]),
            path="",
            should=str(check["value"]),
            instead=str(check["evidence"]),
        )
        for check in _objects(report["checks"])
        if check["verdict"] == "failed"
    ]


def _of_level(source: Expected, level: Mapping[str, Any]) -> list[Finding]:
    if level["checked"] is not True:
        raise _UnreadableError(str(level["reason"]))
    should, instead = ("live", "mirror") if source.check == "mirror" else STATE_SIDES
    return [
        Finding(
            source=source,
            what=str(difference["what"]),
            path=str(difference["property"]),
            should=str(difference[should]),
            instead=str(difference[instead]),
            note=str(difference["reason"] or ""),
        )
        for difference in _objects(level["differences"])
        if difference["verdict"] == "DRIFT"
    ]


def _objects(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise TypeError("not a list of objects")
    return value
