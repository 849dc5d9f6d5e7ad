"""Errors that are for the person at the terminal: where, the value, what is allowed, what to do, and the exit code.

ReportedError          str() says all that there is to say, `exit_code` what the command exits with
└── ConfigError        2: an option, a file or a setting has to change
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

OK, NO, WRONG_USE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: fine; the answer is no; wrong use or configuration; it could not be done; interrupted (as shells do)."""


class ReportedError(Exception):
    """An error that says itself what is wrong and what to do about it. Nobody needs a traceback of it."""

    exit_code: ClassVar[int] = FAILED


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong."""

    where: str
    """File and key: `Pulumi.nft.yaml: eps-dos-api:scale`."""
    message: str
    """What is so, and what is allowed; continues `where`: `is 6; allowed: more than 0, at most 4`."""
    fix: str
    """What to do, a command where there is one."""

    def __str__(self) -> str:
        return f"{self.where} {self.message}\n    fix: {self.fix}"


class ConfigError(ReportedError):
    """A configuration that no environment can be made from. Holds every problem, not only the first."""

    exit_code = WRONG_USE

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def of(cls, where: str, message: str, fix: str) -> ConfigError:
        """Return the error of a single problem; the arguments are `Problem`'s fields."""
        return ConfigError([Problem(where=where, message=message, fix=fix)])
