"""What the lab says when it can't go on.

LabError        3: it could not be done: the emulator doesn't start, a folder can't be written
└── WrongUse    2: what was asked for can't be: a port in use, an endpoint that isn't this machine

The numbers are the exit codes of a command that ends with such an error.
"""

from __future__ import annotations

from typing import ClassVar


class LabError(Exception):
    """The lab can't do what it was asked: `problem` says what and where, `remedy` what to do about it.

    Both are for the person at the terminal; str() gives the two of them, the remedy on a line of its own.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n    fix: {self.remedy}"


class WrongUse(LabError):  # noqa: N818 it names whose doing it is, as HTTP's names for statuses do
    """The person who asks has to change something: an option, an environment variable, a file."""

    exit_code = 2
