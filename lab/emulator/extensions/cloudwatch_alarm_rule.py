"""The rule of a composite alarm: ALARM("a") AND NOT (OK("b") OR ALARM("c")).

Grammar: CloudWatch API reference, PutCompositeAlarm, AlarmRule. Names may stand without quotes, and be ARNs.
Left out: AT_LEAST.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

StateOf = Callable[[str], str]

FUNCTIONS = ("ALARM", "OK", "INSUFFICIENT_DATA")
TOKEN = re.compile(r'\s*(?:(?P<mark>[()])|"(?P<quoted>[^"]*)"|(?P<word>[^\s()"]+))')


class AlarmRuleError(ValueError):
    """The rule can't be understood. The message says where."""


@dataclass(frozen=True)
class AlarmRule:
    """A rule that was understood: which alarms it asks about, and what it says."""

    alarm_names: tuple[str, ...]
    holds: Callable[[StateOf], bool]  # given the state of each alarm by its name


def parse(rule: str) -> AlarmRule:
    """Return what `rule` says. Raises AlarmRuleError."""
    parser = _Parser(_tokens(rule))
    holds = parser.any_of()
    parser.end()
    return AlarmRule(tuple(dict.fromkeys(parser.names)), holds)


def _tokens(rule: str) -> list[tuple[str, str]]:
    def found() -> Iterator[tuple[str, str]]:
        position = 0
        while rule[position:].strip():
            match = TOKEN.match(rule, position)
            if match is None:
                raise AlarmRuleError(f"unexpected {rule[position:].strip()[:20]!r}")
            position = match.end()
            kind = str(match.lastgroup)
            yield kind, match.group(kind)

    return list(found())


class _Parser:
    # AND binds closer than OR, NOT closer than AND.
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.names: list[str] = []

    def any_of(self) -> Callable[[StateOf], bool]:
        parts = [self.all_of()]
        while self._take("word", "OR"):
            parts.append(self.all_of())
        return lambda state_of: any(part(state_of) for part in parts)

    def all_of(self) -> Callable[[StateOf], bool]:
        parts = [self.one()]
        while self._take("word", "AND"):
            parts.append(self.one())
        return lambda state_of: all(part(state_of) for part in parts)

    def one(self) -> Callable[[StateOf], bool]:
        if self._take("word", "NOT"):
            inner = self.one()
            return lambda state_of: not inner(state_of)
        if self._take("mark", "("):
            inside = self.any_of()
            self._need("mark", ")")
            return inside
        for constant in (True, False):
            if self._take("word", str(constant).upper()):
                return lambda _, constant=constant: constant  # type: ignore[misc]  # bound here on purpose
        for function in FUNCTIONS:
            if self._take("word", function):
                return self._function(function)
        raise AlarmRuleError(f"expected an alarm's state, found {self._shown()}")

    def end(self) -> None:
        if self.tokens:
            raise AlarmRuleError(f"expected AND, OR or the end, found {self._shown()}")

    def _function(self, state: str) -> Callable[[StateOf], bool]:
        self._need("mark", "(")
        if not self.tokens or self.tokens[0][0] == "mark":
            raise AlarmRuleError(f"expected an alarm's name, found {self._shown()}")
        name = self.tokens.pop(0)[1]
        name = name.split(":alarm:", 1)[1] if name.startswith("arn:") and ":alarm:" in name else name
        self._need("mark", ")")
        self.names.append(name)
        return lambda state_of: state_of(name) == state

    def _take(self, kind: str, text: str) -> bool:
        if self.tokens and self.tokens[0] == (kind, text):
            self.tokens.pop(0)
            return True
        return False

    def _need(self, kind: str, text: str) -> None:
        if not self._take(kind, text):
            raise AlarmRuleError(f"expected {text!r}, found {self._shown()}")

    def _shown(self) -> str:
        return repr(self.tokens[0][1]) if self.tokens else "the end"
