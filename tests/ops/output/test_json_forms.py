"""What commands print with --json is what docs/commands.schema.json says, and every such command is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator

from infra.deciding import load_environment
from infra.ephemeral import Lifetime, limits_of
from infra.mirroring import differences
from infra.reaping import StackFacts, verdict
from infra.recording import record
from ops import cli
from ops.dataset.record import Load, Stored
from ops.ephemeral import command, listing, reap
from ops.mirror.comparison import STATE_SIDES, Comparison, Level, NotChecked, as_json, not_deployed
from ops.output import report
from ops.output.report import Check, Report
from ops.status.command import as_document
from ops.vips import publications
from tests.infra.stackfiles import CHECKOUT
from tests.infra.test_promotion import pipeline
from tests.infra.test_reaping import said, stack
from tests.labs import LabCopy
from tests.ops.status.test_picture import position

SCHEMA = json.loads((CHECKOUT / "docs" / "commands.schema.json").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def check(name: str, printed: str | object) -> None:
    """Raise if what the command `name` printed isn't as the schema has it."""
    document = json.loads(printed if isinstance(printed, str) else json.dumps(printed))
    schema = {**SCHEMA, "$ref": f"#/$defs/{name}"}
    Draft202012Validator(schema).validate(document)


def with_json(command: Any, path: tuple[str, ...] = ()) -> list[str]:
    inner = getattr(command, "commands", {})
    here = [" ".join(path)] if any("--json" in parameter.opts for parameter in command.params) else []
    return here + [name for word, child in inner.items() for name in with_json(child, (*path, word))]


def test_every_command_that_programs_read_is_in_it() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    commands = with_json(typer.main.get_command(cli.app))
    assert len(commands) > 10
    assert set(SCHEMA["$defs"]) - {"report", "listed", "verify --drift"} == {*commands}


@pytest.mark.parametrize("name", ["up", "verify", "preflight", "release check", "release promote"])
def test_reports(name: str) -> None:
    checks = (Check.of("port", "TCP 443", "it is 444"), Check(name="dns", verdict="not checked", evidence="no network"))
    check(name, report.as_json([Report(title="nft", checks=checks)]))


def test_differences() -> None:
    live, nft = load_environment("live", CHECKOUT), load_environment("nft", CHECKOUT)
    changes = differences(record(live), record(nft), (live, nft))
    compared: list[Comparison | NotChecked] = [
        Comparison(level=Level.declared, resources=80, differences=changes),
        not_deployed(Level.state, ["nft"]),
    ]
    check("mirror", as_json(compared))
    check("verify --drift", as_json(compared, STATE_SIDES))


ASKED = stack(marks=(said(askedIn=12),))


@pytest.mark.parametrize("facts", [StackFacts(name="pr-7"), StackFacts(name="pr-8", unreadable="is no JSON"), ASKED])
def test_environments_for_tests(facts: StackFacts) -> None:
    judgement = verdict(facts, NOW, (), limits_of(CHECKOUT))
    row = listing._row(facts, judgement, NOW)
    check("ephemeral list", [row])
    check("ephemeral reap", [reap._row(judgement, facts, ())])
    of = pipeline(int_="live+1")
    check("status", as_document([position("live", resolved="1.4.0", running={"1.4.0": 6})], of, [row]))


def test_addresses() -> None:
    decided = publications({"eu-west-2a": "192.0.2.1"}, {"eu-west-2b": "192.0.2.2"})
    check("vips publish", [vars(publication) for publication in decided])


def test_loads() -> None:
    stored: Mapping[str, Stored] = {"a.json": Stored(version="1", sha256="0f")}
    load = Load(
        request="CHG1", source="data", who="", when="", tool="eps-dos 0.1.0", added=stored, changed={}, adopted={},
        removed={"b.json": "2"}, unchanged=3,
    )  # fmt: skip
    check("dataset log", [asdict(load)])
    check("dataset load", {**asdict(load), "dryRun": True})


def test_a_lab_that_does_not_run(
    unstarted_lab: LabCopy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(unstarted_lab.checkout)
    assert cli.run(["lab", "status", "--json"]) == 1
    check("lab status", capsys.readouterr().out)


def test_an_environment_that_was_made_says_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    lifetime = Lifetime(created_at=NOW, starts_at=None, expires_at=NOW + timedelta(hours=72))
    command._show(Report(title="pr-7", checks=()), lifetime, for_programs=True)
    check("ephemeral create", capsys.readouterr().out)
