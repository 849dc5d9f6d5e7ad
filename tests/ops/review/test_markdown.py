"""The comment on a pull request: safe for any value, within GitHub's length, the important first."""

from __future__ import annotations

import cProfile
import re
import sys

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ops.review.acknowledgements import Acknowledgement
from ops.review.document import as_json
from ops.review.markdown import GITHUB_LIMIT, MARKER, as_markdown
from ops.review.model import Review
from ops.review.text import as_text
from tests.ops.review.plans import (
    NASTY,
    NOW,
    UNKNOWN_TEXT,
    Malice,
    large_plan,
    plan,
    replacement,
    reviewed,
    state,
    step,
    whole,
)

EIP = "aws:ec2/eip:Eip"
GROUP = "aws:autoscaling/group:Group"
PARSER = MarkdownIt("commonmark").enable("table")

JOINER = "\u2060"
"""What keeps @ and a name apart; it shows nothing."""

OWN_TAGS = re.compile(r"</?(?:details|summary|sub|span|code)>")


def problems(markdown: str) -> list[str]:
    """Return what in a comment could be taken for something else than it is, by a parser of Markdown."""
    found = []
    if markdown.split("\n", 1)[0] != MARKER:
        found.append("the marker is not the first line")
    lines = markdown.split("\n")
    for token in PARSER.parse(markdown):
        if token.type == "fence" and token.map:
            last = lines[token.map[1] - 1].strip()
            if last != token.markup:
                found.append(f"a fence is never closed: it ends with {last!r}")
        elif token.type == "html_block":
            found += _tags(token)
        elif token.type == "inline":
            found += _inline(token)
        elif token.type == "code_block":
            found.append(f"a code block by indent: {token.content!r}")
    return found


def _tags(token: Token) -> list[str]:
    rest = OWN_TAGS.sub("", token.content.replace(MARKER, ""))
    return [f"HTML that is nobody's: {rest!r}"] if "<" in rest or ">" in rest else []


def _inline(token: Token) -> list[str]:
    found = []
    in_code = False
    for child in token.children or []:
        if child.type == "html_inline":
            found += _tags(child)
            in_code = child.content == "<code>" if child.content in {"<code>", "</code>"} else in_code
        elif child.type in {"link_open", "image"}:
            found.append(f"a link: {child.attrs}")
        elif child.type == "text" and not in_code:
            found += [
                f"{what}: {child.content!r}"
                for what, pattern in (
                    ("a mention", r"@\w"), ("a reference", r"#\d|\bGH-\d"), ("an address", r"://|www\."),
                    ("mathematics", r"\$.*\$"), ("an emoji", r":\w+:"),
                )
                if re.search(pattern, child.content)
            ]  # fmt: skip
            found += [f"a control character: {child.content!r}"] * (not child.content.replace(JOINER, "").isprintable())
    return found


def calm() -> Review:
    """Return the review of a change of capacity."""
    group = step(
        "update", GROUP, "live-service", state({"minSize": 6, "maxSize": 12}), state({"minSize": 8, "maxSize": 16})
    )
    return whole(reviewed(plan(group)))


@pytest.mark.parametrize(
    "value", [one for one in NASTY if len(one) < 1000], ids=range(sum(len(one) < 1000 for one in NASTY))
)
def test_a_value_is_shown_as_what_it_is_wherever_it_stands(value: str) -> None:
    eip = replacement(EIP, f"live-{value}", state({"name": value}, {"publicIp": value}), state({"name": UNKNOWN_TEXT}))
    policy = {"policyEvent": {"policyName": value, "message": value, "enforcementLevel": "mandatory"}}
    group = step("update", GROUP, value, state({value: "x", "minSize": value}), state({value: value, "minSize": 1}))
    tags = step("update", GROUP, "x", state({"tags": {value: value}}), state({"tags": {"a": value}}))
    strange = step(value, EIP, "strange", None, None)
    made = plan(*eip, policy, group, tags, strange, errors=[value])
    review = reviewed(made, published={"eu-west-2a": value}, clients=[value])
    acknowledged = Acknowledgement(
        stack="live", urn=review.dangers[0].urn, action=review.dangers[0].action, reason=value, expires=NOW.date()
    )
    stale = Acknowledgement(stack="live", urn=value, action="widen", reason=value, expires=NOW.date().replace(day=1))
    assert problems(as_markdown(whole(review, acknowledgements=[acknowledged, stale]))) == []


def test_fuzzed_plans_neither_crash_nor_leak_nor_break_out() -> None:
    """At least 500 plans of ill will, in all formats."""
    plans = secrets = 0
    for seed in range(600):
        malice = Malice(seed)
        made = malice.plan()
        names = malice.texts(3)
        review = whole(reviewed(made, published={names[0]: names[1]}, clients=names))
        markdown, text, document = as_markdown(review), as_text(review, full=seed % 2 == 0), as_json(review)
        plans += 1
        secrets += len(malice.cores)
        for rendering in (markdown, text, document):
            leaked = [core for core in malice.cores if core in rendering or core.upper()[:16] in rendering]
            assert leaked == [], f"seed {seed}"
        assert problems(markdown) == [], f"seed {seed}"
        assert len(markdown) < GITHUB_LIMIT
        assert all(line.isprintable() for line in text.splitlines()), f"seed {seed}"
    assert plans >= 500
    sys.stdout.write(f"{plans} fuzzed plans, {secrets} secrets in them: no crash, no leak, no broken fence\n")


def test_no_step_of_a_newer_engine_is_dropped() -> None:
    made = plan(step("frobnicate", "aws:ec2/subnet:Subnet", "live-a", state({}), state({"x": 1})))
    review = whole(reviewed(made))
    for rendering in (as_markdown(review), as_text(review), as_json(review)):
        assert "frobnicate" in rendering
        assert "unknown" in rendering
    assert not review.gate.passed


def test_two_thousand_steps_fit() -> None:
    markdown = as_markdown(whole(reviewed(large_plan(2_000))))
    assert len(markdown) < 60_000
    assert "Left out for length" in markdown
    assert problems(markdown) == []


def test_twice_the_steps_are_twice_the_work() -> None:
    """Counted in calls of functions, which are the same on every machine; `make bench` has the seconds."""

    def calls(steps: int) -> int:
        made = cProfile.Profile()
        large = large_plan(steps)
        made.runcall(lambda: as_markdown(whole(reviewed(large))))
        return sum(entry.callcount for entry in made.getstats())

    calls(10)
    small, twice = calls(1_000), calls(2_000)
    sys.stdout.write(f"1,000 steps: {small:,} calls; 2,000 steps: {twice:,}\n")
    assert 1.5 < twice / small < 2.5


def test_four_large_stacks_fit_into_one_comment_and_keep_their_dangers() -> None:
    def large(stack: str) -> Review:
        lost = step("delete", EIP, f"{stack}-vip", state({}, {"publicIp": "192.0.2.1"}), None)
        rest = [
            step(
                "update",
                GROUP,
                f"{stack}-{index}",
                state({"minSize": index}),
                state({"minSize": index + 1, "x": "y" * 150}),
            )
            for index in range(300)
        ]
        return whole(reviewed(plan(lost, *rest, stack=stack), published={"eu-west-2a": "192.0.2.1"}))

    reviews = [large(stack).gate.reviews[0] for stack in ("live", "nft", "int", "dev")]
    markdown = as_markdown(whole(*reviews))
    assert len(markdown) < GITHUB_LIMIT
    assert markdown.count("would be lost") >= 4
    assert [f"### 🔴 {stack}:" in markdown for stack in ("live", "nft", "int", "dev")] == [True] * 4


def test_what_is_least_important_goes_first() -> None:
    tags = step("update", GROUP, "tagged", state({"tags": {"a": "1"}}), state({"tags": {"a": "2"}}))
    lost = step("delete", EIP, "live-vip", state({}, {"publicIp": "192.0.2.1"}), None)
    group = step("update", GROUP, "live-service", state({"minSize": 6}), state({"minSize": 8}))
    review = whole(reviewed(plan(tags, lost, group)))
    everything = as_markdown(review)
    parts = ("Tags only", "How to acknowledge", "Service: 1 update", "VirtualIps: 1 delete", "is given up")
    kept = []
    for limit in range(len(everything) + 450, 600, -50):
        markdown = as_markdown(review, limit)
        assert len(markdown) <= limit
        kept.append([part for part in parts if part in markdown])
    order = sorted(range(len(parts)), key=lambda index: sum(parts[index] in one for one in kept))
    assert order == list(range(len(parts)))
    assert kept[0] == list(parts)


def test_a_calm_change_is_told_calmly() -> None:
    markdown = as_markdown(calm())
    assert "### 🟢 live: nothing dangerous: 1 updated" in markdown
    assert "| capacity, minimum (instances) | `6` | `8` |" in markdown
    assert "Dangerous" not in markdown
    assert "commit `3f2a1bc` · 2026-11-23 22:10 UTC · the lab" in markdown
