"""What was checked, the result and its evidence, as text for people and as JSON for programs.

Checks are made elsewhere. Left out: Markdown, which each comment and issue lays out by itself (`ops.output.markdown`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.output.visible import visible

Verdict = Literal["ok", "failed", "not checked"]

MARKS: dict[Verdict, str] = {"ok": "✓", "failed": "✗", "not checked": "?"}
PLAIN_MARKS: dict[Verdict, str] = {"ok": "ok", "failed": "FAILED", "not checked": "-"}
"""For terminals whose encoding has no such marks."""

STYLES: dict[Verdict, str] = {"ok": "green", "failed": "bold red", "not checked": "yellow"}


@dataclass(frozen=True, kw_only=True)
class Check:
    """A promise, and whether it holds."""

    name: str
    verdict: Verdict
    evidence: str
    """What the verdict is based on; if failed, what holds instead; if not checked, why."""
    value: str = ""
    """What was promised, as a person would say it."""

    @classmethod
    def of(cls, name: str, value: str, wrong: str | Iterable[str], evidence: str = "") -> Check:
        """Return a check that failed, if anything is `wrong`, which is the evidence then; or one that holds."""
        failed = wrong if isinstance(wrong, str) else "; ".join(wrong)
        return cls(name=name, value=value, verdict="failed" if failed else "ok", evidence=failed or evidence)


@dataclass(frozen=True, kw_only=True)
class Report:
    """All checks of one subject, such as a stack."""

    title: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed. What couldn't be checked is no failure."""
        return all(check.verdict != "failed" for check in self.checks)


def as_json(reports: Sequence[Report]) -> str:
    """Return `[{"title", "passed", "checks": [{"name", "verdict", "evidence", "value"}]}]`."""
    return json.dumps(
        [
            {"title": report.title, "passed": report.passed, "checks": [asdict(check) for check in report.checks]}
            for report in reports
        ],
        indent=2,
        ensure_ascii=False,
    )


def as_text(reports: Sequence[Report], marks: dict[Verdict, str] = MARKS) -> str:
    """Return lines without colours or a width: for a file, a log, a pipe."""
    return "\n\n".join(_plain(report, marks) for report in reports) + "\n"


def show(reports: Sequence[Report], stream: TextIO) -> None:
    """Print `reports` to `stream`: as tables if it is a terminal, else as plain text."""
    marks = MARKS if _can_encode("".join(MARKS.values()), stream.encoding) else PLAIN_MARKS
    console = Console(file=stream)
    if not console.is_terminal:
        stream.write(as_text(reports, marks))
        return
    for report in reports:
        console.print(_table(report, marks))


def _plain(report: Report, marks: dict[Verdict, str]) -> str:
    mark_width = max(len(mark) for mark in marks.values())
    name_width = max((len(check.name) for check in report.checks), default=0)
    indent = " " * (mark_width + name_width + 4)
    lines = [report.title]
    for check in report.checks:
        value, evidence = _one_line(check.value), _one_line(check.evidence)
        first, *rest = [text for text in (value, evidence) if text] or [""]
        lines.append(f"{marks[check.verdict]:{mark_width}}  {check.name:{name_width}}  {first}")
        lines += [f"{indent}{text}" for text in rest]
    return "\n".join(lines)


def _table(report: Report, marks: dict[Verdict, str]) -> Table:
    table = Table(title=Text(report.title, style="bold"), title_justify="left", show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(ratio=1, style="dim")
    for check in report.checks:
        style = STYLES[check.verdict]
        # As Text, since a string's square brackets would be taken for styles.
        table.add_row(
            Text(marks[check.verdict], style),
            Text(visible(check.name)),
            Text(visible(check.value)),
            Text(visible(check.evidence), style),
        )
    return table


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _can_encode(text: str, encoding: str | None) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
