"""The API's deployment overview page: the original's shape, from stack files and published addresses only."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from infra.settings import FACTS
from ops import cli
from ops.docs.command import CONFIGURATION, NOT_DEPLOYED, PAGE, page, with_settings
from ops.stacks.stackfile import StackFile

CHECKOUT = Path(__file__).parents[3]

FRONT_MATTER = {
    "title": "API Deployment Overview",
    "keywords": "deployment",
    "tags": ["testing", "integration", "deployment"],
    "sidebar": "overview_sidebar",
    "permalink": "deploy_overview.html",
    "summary": "An overview of how the API is deployed, and how to connect to it",
}
"""As the page has it that this one replaces."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the files that the page is made from, without addresses."""
    for path in (*CHECKOUT.glob("Pulumi*.yaml"), CHECKOUT / "releases.yaml", CHECKOUT / "suppliers.yaml"):
        shutil.copy2(path, tmp_path / path.name)
        if path.name.count(".") == 2:
            file = StackFile(tmp_path / path.name)
            file.remove("virtualIps")
            file.save()
    return tmp_path


def table(text: str, environment: str) -> dict[str, str]:
    """Return the table of an environment."""
    part = text.split(f"#### {environment} ####")[1].split("\n#")[0]
    return dict(re.findall(r"^\| \*\*(.+?)\*\* +\| (.+?) +\|$", part, re.MULTILINE))


def test_it_has_the_front_matter_and_the_four_tables_of_the_page_that_it_replaces(project: Path) -> None:
    made = page(project)
    _, front_matter, rest = made.split("---\n", 2)
    assert yaml.safe_load(front_matter) == FRONT_MATTER
    assert "TBC" not in rest
    assert {name: table(rest, name) for name in ("Live", "NFT", "Int", "Dev")} == {
        name: {"DNS Name": dns, "Virtual IP": NOT_DEPLOYED, "Port": "TCP 443", "Dataset": dataset}
        for name, dns, dataset in (
            ("Live", "dos.eps.digital.nhs.uk", "Live"),
            ("NFT", "dos-NFT.eps.digital.nhs.uk", "Live"),
            ("Int", "dos-int.eps.digital.nhs.uk", "Test data"),
            ("Dev", "dos-dev.eps.digital.nhs.uk", "Test data"),
        )
    }


def test_published_addresses_stand_in_it_and_reserved_ones_apart(project: Path) -> None:
    file = StackFile(project / "Pulumi.int.yaml")
    file.set("zones", ["eu-west-2a", "eu-west-2b"])
    file.set("reservedZones", ["eu-west-2c"])
    file.set("virtualIps", {"eu-west-2b": "192.0.2.2", "eu-west-2a": "192.0.2.1", "eu-west-2c": "192.0.2.3"})
    file.save()
    made = page(project)
    assert table(made, "Int")["Virtual IP"] == "192.0.2.1, 192.0.2.2"
    assert "best put into firewalls now: 192.0.2.3. Nothing answers there yet." in made
    assert table(made, "Dev")["Virtual IP"] == NOT_DEPLOYED


def test_it_names_no_supplier(project: Path) -> None:
    names = [one["name"] for one in yaml.safe_load((project / "suppliers.yaml").read_text())["suppliers"]]
    assert names
    assert [name for name in names if name in page(project)] == []


def test_every_table_with_a_heading_is_one_to_a_markdown_parser(project: Path) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(page(project).split("---\n", 2)[2])
    assert sum(token.type == "table_open" for token in tokens) == 3


def test_check_says_whether_it_is_stale(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert cli.run(["docs", "--check"]) == 1
    assert not (project / PAGE).exists()
    assert cli.run(["docs"]) == 0
    assert cli.run(["docs", "--check"]) == 0
    file = StackFile(project / "Pulumi.live.yaml")
    file.set("dnsName", "other.eps.digital.nhs.uk")
    file.save()
    capsys.readouterr()
    assert cli.run(["docs", "--check"]) == 1
    said = capsys.readouterr()
    assert "+| **DNS Name**    | other.eps.digital.nhs.uk |" in said.out
    assert "fix: eps-dos docs" in said.err


def test_the_one_in_the_repository_is_up_to_date() -> None:
    assert (CHECKOUT / PAGE).read_text(encoding="utf-8") == page(CHECKOUT)


def test_the_table_of_settings_is_up_to_date() -> None:
    written = (CHECKOUT / CONFIGURATION).read_text(encoding="utf-8")
    assert with_settings(written) == written, "docs/configuration.md is stale; fix: eps-dos docs, then commit it"
    rows = re.findall(r"^\| `(\w+)` \|", written, re.MULTILINE)
    assert rows == list(FACTS)


def test_check_shows_a_setting_that_the_page_lacks(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    text = (CHECKOUT / CONFIGURATION).read_text(encoding="utf-8")
    (project / "docs").mkdir()
    lacking = text.replace(re.findall(r"^\| `cidr` .*\n", text, re.MULTILINE)[0], "")
    (project / CONFIGURATION).write_text(lacking, encoding="utf-8")
    assert cli.run(["docs", "--check"]) == 1
    assert "+| `cidr` |" in capsys.readouterr().out
    assert cli.run(["docs"]) == 0
    assert (project / CONFIGURATION).read_text(encoding="utf-8") == text
