"""The API's deployment overview page: the original's shape, from stack files and published addresses only."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from infra.environment import SchedulePlan
from infra.settings import FACTS
from ops import cli
from ops.docs.command import CONFIGURATION, PAGE, SITE, with_settings
from ops.docs.forms import NOT_DEPLOYED, addresses, as_json, html, markdown, schema
from ops.docs.model import WORDS, environments, up_times
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


def page(folder: Path) -> str:
    return markdown(environments(folder))


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
    publish(project)
    made = page(project)
    assert table(made, "Int")["Virtual IP"] == "192.0.2.1, 192.0.2.2"
    assert "best put into firewalls now: 192.0.2.3. Nothing answers there yet." in made
    assert table(made, "Dev")["Virtual IP"] == NOT_DEPLOYED


def every_form(folder: Path) -> dict[str, str]:
    described = environments(folder)
    return {form.__name__: form(described) for form in (markdown, html, as_json, addresses)}


def test_no_form_names_a_supplier(project: Path) -> None:
    names = [one["name"] for one in yaml.safe_load((project / "suppliers.yaml").read_text())["suppliers"]]
    assert names
    forms = every_form(project)
    assert [(form, name) for form, text in forms.items() for name in names if name in text] == []


def test_every_form_has_every_published_address(project: Path) -> None:
    publish(project)
    for form, text in every_form(project).items():
        assert [address for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3") if address not in text] == [], form


def publish(folder: Path) -> None:
    """Give Int two addresses and a third that isn't attached yet."""
    file = StackFile(folder / "Pulumi.int.yaml")
    file.set("zones", ["eu-west-2a", "eu-west-2b"])
    file.set("reservedZones", ["eu-west-2c"])
    file.set("virtualIps", {"eu-west-2b": "192.0.2.2", "eu-west-2a": "192.0.2.1", "eu-west-2c": "192.0.2.3"})
    file.save()


def test_a_firewall_gets_an_address_a_line(project: Path) -> None:
    publish(project)
    assert addresses(environments(project)).splitlines() == [
        "# live: dos.eps.digital.nhs.uk, TCP 443: none published yet",
        "# nft: dos-NFT.eps.digital.nhs.uk, TCP 443: none published yet",
        "# int: dos-int.eps.digital.nhs.uk, TCP 443",
        "192.0.2.1",
        "192.0.2.2",
        "# int, to be added: nothing answers yet",
        "192.0.2.3",
        "# dev: dos-dev.eps.digital.nhs.uk, TCP 443: none published yet",
    ]


def test_a_program_gets_what_the_schema_says(project: Path) -> None:
    publish(project)
    document, described = json.loads(as_json(environments(project))), json.loads(schema())
    Draft202012Validator.check_schema(described)
    Draft202012Validator(described).validate(document)
    assert document["version"] == 1
    (integration,) = (facts for facts in document["environments"] if facts["name"] == "int")
    assert integration == {
        "name": "int",
        "title": "Int",
        "dnsName": "dos-int.eps.digital.nhs.uk",
        "port": 443,
        "protocol": "TCP",
        "virtualIps": {"eu-west-2a": "192.0.2.1", "eu-west-2b": "192.0.2.2"},
        "reservedVirtualIps": {"eu-west-2c": "192.0.2.3"},
        "dataset": "Test data",
        "release": "1.4.0",
        "up": "at all times",
    }
    # Each field says what it is, and none is forgotten or made up.
    fields = described["$defs"]["Facts"]["properties"]
    assert fields.keys() == integration.keys()
    assert all(field["description"] for field in fields.values())
    del integration["up"]
    assert not Draft202012Validator(described).is_valid(document)


def test_the_page_without_jekyll_needs_nothing_else(project: Path) -> None:
    publish(project)
    text = html(environments(project))
    assert re.findall(r"<script|@import|\bsrc=|url\(|https?://", text) == []
    beside = {*("environments.json", "environments.schema.json", "addresses.txt")}
    links = re.findall(r'href="([^"]+)"', text)
    inside = {f"#{anchor}" for anchor in re.findall(r'\bid="([^"]+)"', text)}
    assert [link for link in links if link not in {*inside, *beside, "data:,"}] == []
    assert text.count("<svg") == 4


def test_the_overviews_own_words_stay() -> None:
    """Word by word as the page has them that this one replaces; only what is ours is marked so."""
    assert "or the current release +1 to allow NFT of the new release." in WORDS["int"].description
    assert WORDS["nft"].description == (
        "Non Functional Test Environment. Infrastructure should directly reflect live, although may be scaled. "
        "Dataset should be the same as the live environment."
    )
    assert (
        WORDS["dev"].description == "Integration Test Environment. Test data may be configured directly by suppliers."
    )
    theirs, ours = page(CHECKOUT).split("## As We Run It")
    assert "live+1" not in theirs
    assert "NFT may have the release after Live's, too" in ours
    assert [line for line in theirs.splitlines() if line.startswith("> ") and "s configured" not in line] == []


@pytest.mark.parametrize(
    ("schedules", "said"),
    [
        ((), "when somebody asks for it"),
        ((("0 7 * * 1-5", 3), ("0 19 * * 1-5", 0)), "Monday to Friday, 07:00 to 19:00 (Europe/London), and empty "
                                                    "otherwise"),
        ((("0 19 * * 0", 0), ("30 6 * * 0", 3)), "Sunday, 06:30 to 19:00 (Europe/London), and empty otherwise"),
        ((("0 7 * * *", 3), ("0 19 * * *", 0)), "every day, 07:00 to 19:00 (Europe/London), and empty otherwise"),
        # Over midnight, on other days, every second hour, and never emptied: no pair of hours says that.
        ((("0 19 * * *", 3), ("0 7 * * *", 0)), None),
        ((("0 7 * * 1-5", 3), ("0 19 * * 1-6", 0)), None),
        ((("0 */2 * * *", 3), ("0 19 * * *", 0)), None),
        ((("0 7 * * 1-5", 3), ("0 19 * * 1-5", 1)), None),
        ((("0 7 * * 1-5", 3),), None),
    ],
)  # fmt: skip
def test_when_it_is_up_is_said_in_words(schedules: tuple[tuple[str, int], ...], said: str | None) -> None:
    plans = [
        SchedulePlan(name=str(desired), recurrence=recurrence, time_zone="Europe/London", start=None, desired=desired)
        for recurrence, desired in schedules
    ]
    by_the_clock = ", ".join(
        f"{desired} instances from then on: {recurrence} (Europe/London)" for recurrence, desired in schedules
    )
    assert up_times(plans, may_be_empty=True) == (said or f"by the clock, as cron has it: {by_the_clock}")
    assert up_times(plans, may_be_empty=False) == "at all times"


def test_a_second_run_writes_the_same_bytes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    assert cli.run(["docs"]) == 0
    files = {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}
    assert {file.name for file in (project / SITE).iterdir()} == {
        *("index.html", "environments.json", "environments.schema.json", "addresses.txt")
    }
    assert cli.run(["docs"]) == 0
    assert {file: file.read_bytes() for file in project.rglob("*") if file.is_file()} == files
    (project / "docs" / "addresses.txt").write_text("192.0.2.99\n")
    assert cli.run(["docs", "--check"]) == 1


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


def test_what_is_in_the_repository_is_up_to_date(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(CHECKOUT)
    assert cli.run(["docs", "--check"]) == 0, capsys.readouterr().out


def test_the_table_of_settings_is_up_to_date() -> None:
    written = (CHECKOUT / CONFIGURATION).read_text(encoding="utf-8")
    assert with_settings(written) == written, "docs/configuration.md is stale; fix: eps-dos docs, then commit it"
    rows = re.findall(r"^\| `(\w+)` \|", written.split("## Outputs")[0], re.MULTILINE)
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
