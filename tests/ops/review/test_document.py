"""The document for programs, and the text: complete, and as docs/reviewing.md has it."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from ops.output.redaction import Redactor
from ops.output.shown import Shown
from ops.review import values as review_values
from ops.review.dangers import Address, Danger
from ops.review.document import FORMAT, UntrustedReviewError, as_json, from_json
from ops.review.markdown import as_markdown
from ops.review.model import (
    Component,
    Fact,
    Node,
    ResourceChange,
    Source,
    StackReview,
)
from ops.review.plan import PolicyResult
from ops.review.text import as_text, show
from tests.ops.review.plans import plan, reviewed, state, step, whole
from tests.ops.review.recording import SCENARIOS, Recorded
from tests.ops.review.test_markdown import problems

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "reviewing.md"

PARTS = (
    StackReview,
    Danger,
    Address,
    Fact,
    PolicyResult,
    Component,
    ResourceChange,
    Source,
    Node,
    review_values.PropertyChange,
    Shown,
)


def keys(value: Any) -> set[str]:
    """Return the names of all fields in a document; names of operations, which are keys too, left out."""
    if isinstance(value, dict):
        return {*value, *(key for name, item in value.items() if name != "counts" for key in keys(item))}
    return {key for item in value for key in keys(item)} if isinstance(value, list) else set()


def test_every_field_is_in_the_documentation() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    documented = set(re.findall(r"`([a-zA-Z]+)`", text))
    fields = {to_camel(field.name) for part in PARTS for field in dataclasses.fields(part)}
    assert fields - documented == set()
    assert f"`format` | {FORMAT}" in text


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_document_holds_the_documented_fields_and_no_other(name: str) -> None:
    document = json.loads(as_json(Recorded.read(name).review()))
    fields = {to_camel(field.name) for part in PARTS for field in dataclasses.fields(part)}
    top = {
        "format",
        "verdict",
        "passed",
        "commit",
        "madeAt",
        "judgedBy",
        "stacks",
        "acknowledgements",
        "stale",
        "unused",
        "headline",
    }
    assert keys(document) <= fields | top
    assert (document["format"], document["commit"], document["madeAt"]) == (FORMAT, "3f2a1bc", "2026-11-23T22:10:00Z")


def test_a_danger_is_told_whole() -> None:
    lost = step("delete", "aws:ec2/eip:Eip", "live-vip", state({}, {"publicIp": "192.0.2.1"}), None)
    review = whole(reviewed(plan(lost), published={"eu-west-2a": "192.0.2.1"}, clients=["Example"]))
    document = json.loads(as_json(review))
    assert (document["passed"], document["verdict"]) == (False, "dangerous")
    assert document["stacks"][0]["dangers"] == [
        {
            "action": "delete",
            "urn": "urn:pulumi:live::eps-dos-api::eps-dos-api:infra:VirtualIps$aws:ec2/eip:Eip::live-vip",
            "what": "virtual IP live-vip",
            "message": "is given up",
            "outage": "",
            "addresses": [{"address": "192.0.2.1", "zone": "eu-west-2a", "published": True}],
            "concerns": ["Example"],
            "acknowledged": "",
        }
    ]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_document_that_somebody_else_wrote_says_the_same_but_for_what_is_trusted(name: str) -> None:
    review = Recorded.read(name).review()
    (read,) = from_json(as_json(review), Redactor())
    assert dataclasses.replace(read, source=review.stacks[0].source) == review.stacks[0]
    assert "information, and no evidence" in read.source.label


def test_nothing_in_a_document_that_somebody_else_wrote_is_trusted() -> None:
    lost = step("delete", "aws:ec2/eip:Eip", "live-vip", state({}, {"publicIp": "192.0.2.1"}), None)
    document = json.loads(as_json(whole(reviewed(plan(lost)))))
    (stack,) = document["stacks"]
    stack["verdict"] = "calm"
    stack["dangers"][0]["acknowledged"] = "by nobody"
    stack["dangers"][0]["message"] = "\u202e@team\n```\n# approved ghp_0123456789abcdefghij"
    (read,) = from_json(json.dumps(document), Redactor())
    assert (read.verdict, read.dangers[0].acknowledged) == ("dangerous", "")
    assert read.dangers[0].message == "\\u{202e}@team\\n```\\n# approved [secret]"
    assert problems(as_markdown(whole(read))) == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"format": 1}', '{"format": 1, "stacks": [3]}', '{"format": 1, "stacks": [{}]}',
     '{"format": 2, "stacks": []}', "[" * 100_000, '{"format": 1, "stacks": "<script>"}', "x" * 20_000_001],
    ids=range(12),
)  # fmt: skip
def test_what_is_no_review_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(UntrustedReviewError) as raised:
        from_json(text, Redactor())
    assert "script" not in str(raised.value)


class Terminal(io.StringIO):
    """A terminal, as far as a program can tell."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_text_is_coloured_on_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    review = Recorded.read("zone-removed-from-live").review()
    terminal, pipe = Terminal(), io.StringIO()
    show(review, terminal)
    show(review, pipe)
    assert "\x1b[1;31mlive: the preview failed" in terminal.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()) == as_text(review)
    assert "\x1b" not in pipe.getvalue()


def test_text_names_what_is_changed_and_what_is_lost() -> None:
    text = as_text(Recorded.read("subnet-mapping-edited").review())
    assert "lost: 203.0.113." in text
    assert "(eu-west-2a), not published" in text
    assert "replace dev-lb aws:lb/loadBalancer:LoadBalancer, the new one comes first" in text
    assert "again: eps-dos review dev --base main" in text


def test_a_stream_that_has_no_arrows_gets_others() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(Recorded.read("scale").review(), stream)
    stream.seek(0)
    assert "capacity, minimum (instances): 3 -> 6" in stream.read()
