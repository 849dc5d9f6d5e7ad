"""Reports: what was checked, as text, as JSON; nothing in a value changes what it is shown in."""

from __future__ import annotations

import io
import json

import pytest

from ops.output.report import PLAIN_MARKS, Check, Report, as_json, as_text, show

REPORT = Report(
    title="nft",
    checks=(
        Check(name="name", verdict="ok", value="dos-nft", evidence="alias of a-load-balancer"),
        Check(name="port", verdict="failed", value="TCP 443", evidence="listens on TCP 80"),
        Check(name="certificate", verdict="not checked", evidence="this machine may not connect"),
    ),
)


def test_text_has_a_mark_a_value_and_the_evidence_below_it() -> None:
    assert as_text([REPORT]) == (
        "nft\n"
        "✓  name         dos-nft\n"
        "                alias of a-load-balancer\n"
        "✗  port         TCP 443\n"
        "                listens on TCP 80\n"
        "?  certificate  this machine may not connect\n"
    )


def test_what_was_not_checked_is_no_failure() -> None:
    assert not REPORT.passed
    assert Report(title="x", checks=(REPORT.checks[0], REPORT.checks[2])).passed


def test_json_is_for_programs() -> None:
    (document,) = json.loads(as_json([REPORT]))
    assert (document["title"], document["passed"]) == ("nft", False)
    assert document["checks"][1] == {
        "name": "port",
        "verdict": "failed",
        "evidence": "listens on TCP 80",
        "value": "TCP 443",
    }


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_marks_are_words_where_the_stream_has_no_such_characters(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    show([REPORT], stream)
    stream.flush()
    expected = as_text([REPORT]) if encoding == "utf-8" else as_text([REPORT], PLAIN_MARKS)
    assert raw.getvalue().decode(encoding) == expected


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    show([REPORT], terminal)
    printed = terminal.getvalue()
    assert "\x1b[" in printed
    assert "dos-nft" in printed
    assert "listens on TCP 80" in printed


def test_no_value_breaks_a_line_of_text() -> None:
    report = Report(title="x", checks=(Check(name="n", verdict="ok", value="a\nb\x1b[31m", evidence=""),))
    assert as_text([report]) == "x\n✓  n  a b [31m\n"
