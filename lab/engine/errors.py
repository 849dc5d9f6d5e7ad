"""What the engine's set-up says when it can't go on."""

from __future__ import annotations


class EngineError(Exception):
    """The engine can't be had here: what is missing, and what to do about it.

    `problem` says what was tried and what came of it, `remedy` what to install or change. Both are for the person
    at the terminal; str() gives the two of them, the remedy on lines of its own.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n    fix: {self.remedy}"
