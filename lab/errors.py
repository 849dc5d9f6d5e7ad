"""What the lab says when it can't go on.

LabError        it could not be done: the emulator doesn't start, a folder can't be written
└── WrongUse    what was asked for can't be: a port in use, an endpoint that isn't this machine
"""

from __future__ import annotations


class LabError(Exception):
    """The lab can't do what it was asked: `problem` says what and where, `remedy` what to do about it.

    Both are for the person at the terminal; str() gives the two of them, the remedy on a line of its own.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n    fix: {self.remedy}"


class WrongUse(LabError):  # noqa: N818 it names whose doing it is, as HTTP's names for statuses do
    """The person who asks has to change something: an option, an environment variable, a file."""
