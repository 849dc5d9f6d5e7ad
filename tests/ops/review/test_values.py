"""What a value looks like to a reviewer."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ops.output.redaction import Redactor
from ops.output.shown import LONGEST_SHOWN, shortened
from ops.output.visible import visible
from ops.review.values import change, changed_properties
from tests.ops.review.plans import MARKED_SECRET, UNKNOWN_TEXT


def told(before: Any, after: Any) -> list[tuple[str, str, str]]:
    """Return path, before and after of each difference of the property `p`, as shown."""
    found = changed_properties({"p": before}, {"p": after})
    return [
        (one.path, one.before.words, one.after.words)
        for one in (change(path, old, new, Redactor()) for path, old, new in found)
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (3, 4, [("p", "3", "4")]),
        (3.0, 4, [("p", "3", "4")]),
        ("3", 3, [("p", '"3"', "3")]),
        (True, "true", [("p", "true", '"true"')]),
        ("", "x", [("p", '""', "x")]),
        (None, "x", [("p", "none", "x")]),
        ("x", UNKNOWN_TEXT, [("p", "x", "known after up")]),
        ("x", dict(MARKED_SECRET), [("p", "x", "[secret]")]),
        ("x", "[secret]", [("p", "x", "[secret]")]),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, [("p.b", "2", "3")]),
        ([1, 2], [2, 3], [("p[]", "1", "3")]),
        ([{"key": "Owner", "value": "a"}], [{"key": "Owner", "value": "b"}], [("p[Owner].value", "a", "b")]),
        ([{"cidr": "192.0.2.0/28"}], [], [("p[192.0.2.0/28]", '{"cidr": "192.0.2.0/28"}', "none")]),
        ('{"Statement": [{"Sid": "A", "Action": "x"}]}', '{"Statement": [{"Sid": "A", "Action": "y"}]}',
         [("p.Statement[A].Action", "x", "y")]),
        ("same", "same", []),
        ([1, 2], [2, 1], []),
        # A zone attached: AWS hands the mappings back in an order of its own.
        ([{"subnetId": zone, "allocationId": f"eip-{zone}"} for zone in "ca"],
         [{"subnetId": zone, "allocationId": f"eip-{zone}"} for zone in "abc"],
         [("p[]", "none", '{"subnetId": "b", "allocationId": "eip-b"}')]),
    ],
)  # fmt: skip
def test_a_difference_is_told_where_it_is(before: Any, after: Any, expected: list[tuple[str, str, str]]) -> None:
    assert told(before, after) == expected


def test_user_data_is_told_line_by_line_not_in_base64() -> None:
    def user_data(release: str) -> str:
        content = json.dumps({"write_files": [{"content": json.dumps({"release": release})}]})
        return base64.b64encode(f"#cloud-config\n{content}".encode()).decode()

    assert told(user_data("1.4.0"), user_data("1.5.0")) == [("p.write_files[].content.release", "1.4.0", "1.5.0")]


def test_of_user_data_with_a_token_only_the_token_is_hidden() -> None:
    def script(token: str, release: str) -> str:
        lines = [
            "#!/bin/sh",
            "set -eu",
            f"export AGENT_TOKEN={token}",
            f"run-service --release {release} --port 443",
            "",
        ]
        return base64.b64encode("\n".join(lines).encode()).decode()

    ((path, before, after),) = told(script("hunter2", "1.4.0"), script("hunter3", "1.5.0"))
    assert (path, before) == (
        "p", "#!/bin/sh\\nset -eu\\nexport AGENT_TOKEN=[secret]\\nrun-service --release 1.4.0 --port 443\\n"
    )  # fmt: skip
    assert after == before.replace("1.4.0", "1.5.0")


def test_long_texts_are_told_from_a_little_before_their_first_difference() -> None:
    before, after = "a" * 5_000 + "X" + "b" * 5_000, "a" * 5_000 + "Y" + "b" * 5_000
    ((_, old, new),) = told(before, after)
    assert old.startswith("…aaaa")
    assert "X" in old
    assert "Y" in new
    assert "10,001 characters" in old


def test_a_text_of_a_million_characters_is_told_by_length_and_digest() -> None:
    ((_, old, new),) = told("a" * 1_000_000, "a" * 999_999 + "b")
    assert old.startswith("(1,000,000 characters, SHA-256 ")
    assert old != new
    assert len(old) < LONGEST_SHOWN


def test_what_is_nested_beyond_reading_is_cut() -> None:
    deep: Any = "bottom"
    for _ in range(400):
        deep = [deep]
    assert told(deep, "x")[0][1].count("[") < 40


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\u202egnp.exe", "\\u{202e}gnp.exe"),
        ("zero\u200bwidth", "zero\\u{200b}width"),
        ("\x1b[31m", "\\u{1b}[31m"),
        ("\ud800", "\\u{d800}"),
        ("שלום", "שלום"),
        ("fill\u3164er", "fill\\u{3164}er"),
    ],
)
def test_nothing_hides_or_reverses_in_a_line(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_short_text_is_whole() -> None:
    assert shortened("x" * LONGEST_SHOWN) == "x" * LONGEST_SHOWN
