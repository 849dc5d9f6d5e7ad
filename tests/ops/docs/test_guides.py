"""What README and guides tell people to type is there, and so is what they point to.

Commands are parsed, not run: each as the command itself would take it. Stories of them are run in tests/shows.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ops import cli

CHECKOUT = Path(__file__).parents[3]
GUIDES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
MOST_GUIDES = 10
NO_GUIDES = {"deploy_overview.md", "configuration.md", "changelog.md"}
"""The page that is published, the reference, and what changed."""

STANDS_FOR = {"STACK": "nft", "NAME": "pr-7", "VERSION": "1.5.0", "RELEASE": "1.5.0", "ZONE": "eu-west-2a", "N": "8080",
              "INSTANCES": "4.5"}  # fmt: skip
"""What a reader puts in place of a word in capitals."""


def tokens(guide: Path) -> list[Token]:
    text = guide.read_text(encoding="utf-8")
    # Jekyll's front matter is no Markdown.
    return MarkdownIt("commonmark").enable("table").parse(re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL))


def lines_typed(guide: Path) -> Iterator[tuple[str, bool]]:
    """Yield commands of `eps-dos` and `make`, and whether each is whole: in a block, not in a sentence."""
    for token in tokens(guide):
        if token.type == "fence":
            yield from ((line, True) for line in token.content.splitlines())
        for inner in token.children or ():
            if inner.type == "code_inline":
                yield inner.content, False


def typed(guide: Path, program: str) -> Iterator[tuple[list[str], bool]]:
    for line, whole in lines_typed(guide):
        # What follows at a distance, or a #, is a comment; brackets hold what may be left out.
        command = re.split(r"\s{2,}|\s#", line.strip().removeprefix("$ "))[0]
        command = command.removeprefix(".venv/bin/")
        if command.startswith(f"{program} "):
            words = shlex.split(re.sub(r"\[.*?\]", "", command))[1:]
            yield [STANDS_FOR.get(word, word) for word in words], whole


def problem(words: list[str], *, whole: bool) -> str | None:
    """Return what `eps-dos` has against these words; None: nothing."""
    command: Any = typer.main.get_command(cli.app)
    rest = [word for word in words if word not in {">", "..."}]
    if ">" in words:
        rest = words[: words.index(">")]
    while rest and hasattr(command, "commands"):
        name = rest.pop(0)
        if name in {"-h", "--help", "--install-completion"}:
            return None
        if name not in [*command.commands]:
            return f"no command {name}"
        command = command.commands[name]
    if hasattr(command, "commands"):
        return "a group, without a command" if whole else None
    try:
        command.make_context(command.name, rest)
    except typer.TyperException as error:
        # A sentence names a command without all that it takes.
        return None if not whole and type(error).__name__ == "MissingParameter" else error.format_message()
    except typer.Exit:
        return None
    return None


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_what_it_says_to_type_is_a_command_with_these_options(guide: Path) -> None:
    wrong = [
        (" ".join(words), what) for words, whole in typed(guide, "eps-dos") if (what := problem(words, whole=whole))
    ]
    assert wrong == []
    targets = re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert [words for words, _ in typed(guide, "make") if words[0] not in targets] == []


def test_commands_are_seen_at_all() -> None:
    seen = [words for guide in GUIDES for words, _ in typed(guide, "eps-dos")]
    assert len(seen) > 60
    assert ["ephemeral", "extend", "pr-7", "--ttl", "24h"] in seen
    assert problem(["mirror", "nft", "--levels", "all"], whole=False)
    assert problem(["release", "list"], whole=False)
    assert problem(["dataset", "load", "int"], whole=True)


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(guide: Path) -> set[str]:
    found = tokens(guide)
    return {slug(found[index + 1].content) for index, token in enumerate(found) if token.type == "heading_open"}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_what_it_points_to_is_there(guide: Path) -> None:
    links = [
        str(inner.attrs["href"])
        for token in tokens(guide)
        for inner in token.children or ()
        if inner.type == "link_open"
    ]
    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        target = (guide.parent / path).resolve() if path else guide
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_there_are_few_guides() -> None:
    guides = {guide.name for guide in (CHECKOUT / "docs").glob("*.md")} - NO_GUIDES
    assert len(guides) <= MOST_GUIDES


def test_the_readme_names_the_versions_that_are_needed() -> None:
    required = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    versions = dict(line.split("==") for line in required if "==" in line)
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert f"Pulumi CLI, {versions['pulumi']} or newer" in readme
    assert f"`pulumi plugin install resource aws {versions['pulumi-aws']}`" in readme
    (go,) = re.findall(r"^go (\S+)$", (CHECKOUT / "lab/engine/cli/go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"Go {go} or newer" in readme
