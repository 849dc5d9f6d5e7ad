"""What is wrong with a configuration, told so that it can be mended: where, the value, what is allowed, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass


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


class ConfigError(Exception):
    """A configuration that no environment can be made from. Holds every problem that was found, not the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
