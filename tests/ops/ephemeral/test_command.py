"""The commands: what is wrong with what was typed is said before anything is started."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import cli
from tests.infra.stackfiles import CHECKOUT, project

NOT_NAMES = ("live", "nft", "live-pr-1", "..", "-y", "a b", "a" * 200, "PR-7", "prüf", "", "a/b", "pr-")
CREATE = ("ephemeral", "create", "pr-7", "--like", "int", "--lab")
MIRROR = ("ephemeral", "create", "pr-7", "--like", "nft", "--lab")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project to type in; that nothing of it is started shows at the end."""
    project(tmp_path)
    shutil.copy(CHECKOUT / "ephemeral-limits.yaml", tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert {path.name for path in tmp_path.iterdir()} == before


def refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was said to a command that was refused as wrong."""
    assert cli.run(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("name", NOT_NAMES)
def test_no_other_name_is_made(name: str, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "allowed: " in refused(("ephemeral", "create", "--like", "int", "--lab", "--", name), capsys)


@pytest.mark.parametrize("name", [one for one in NOT_NAMES if one not in {"live", "nft", "live-pr-1"}])
@pytest.mark.parametrize("command", [("destroy", "--yes"), ("extend", "--ttl", "1h")], ids=lambda one: one[0])
def test_no_other_name_is_looked_for(
    command: tuple[str, ...], name: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "allowed: " in refused(("ephemeral", *command, "--lab", "--", name), capsys)


@pytest.mark.parametrize("command", [("create", "--like", "int"), ("destroy",), ("extend", "--ttl", "1h")])
def test_a_name_like_an_option_is_none(
    command: tuple[str, ...], checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Usage: eps-dos ephemeral" in refused(("ephemeral", *command, "-x"), capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*CREATE, "--ttl", "garbage"), "--ttl is 'garbage'; allowed: days, hours, minutes, seconds"),
        ((*CREATE, "--ttl", "0h"), "--ttl is '0h'"),
        ((*CREATE, "--ttl", "-1h"), "--ttl is '-1h'"),
        ((*CREATE, "--ttl", "15d"), "expiry would be"),
        ((*CREATE, "--until", "2026-12-01T18:00"), "--until is '2026-12-01T18:00'; allowed: a day, such as"),
        ((*CREATE, "--until", "2020-01-01T00:00Z"), "--until leaves nothing"),
        ((*CREATE, "--until", "9999-12-31T23:00-05:00"), "--until is '9999-12-31T23:00-05:00'"),
        ((*CREATE, "--until", "2999-01-01T00:00Z", "--ttl", "1h"), "--until is given beside --ttl"),
        ((*CREATE, "--from", "tomorrow"), "--from is 'tomorrow'"),
        ((*CREATE, "--from", "2020-01-01T00:00Z"), "--from is 2020-01-01T00:00:00Z, and it is"),
        ((*CREATE, "--live-data"), "--live-data needs --reason, and --reason needs it"),
        ((*CREATE, "--reason", "a reason"), "--live-data needs --reason, and --reason needs it"),
        ((*CREATE, "--live-data", "--reason", "a reason"), "--live-data is given, and int mirrors nothing"),
        ((*CREATE, "--scale", "0.5"), "--scale is 0.5, and int mirrors nothing"),
        ((*MIRROR, "--scale", "half"), "--scale is 'half'; allowed: a number such as 0.5"),
        ((*CREATE, "--dataset", "live"), "--dataset is 'live'; allowed: dev, int, or a folder"),
        ((*CREATE, "--dataset", "nft"), "--dataset is 'nft'; allowed: dev, int, or a folder"),
        ((*CREATE, "--dataset", "nowhere"), "--dataset is 'nowhere'; allowed: dev, int, or a folder"),
        (("ephemeral", "create", "pr-7", "--like", "prod", "--lab"), "--like is 'prod'; allowed: dev, int, live, nft"),
        (("ephemeral", "create", "pr-7", "--lab"), "Missing option '--like'"),
        (("ephemeral", "extend", "pr-7", "--ttl", "later", "--lab"), "--ttl is 'later'"),
        (("ephemeral", "reap", "--parallel", "0", "--lab"), "--parallel"),
    ],
)
def test_wrong_options_are_told(
    arguments: tuple[str, ...], said: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in " ".join(refused(arguments, capsys).split())


@pytest.mark.parametrize("command", ["list", "reap", "create"])
def test_limits_that_cannot_be_read_are_told(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project(tmp_path)
    (tmp_path / "ephemeral-limits.yaml").write_text("mostAtATime: many\n")
    monkeypatch.chdir(tmp_path)
    arguments = ("create", "pr-7", "--like", "int") if command == "create" else (command,)
    assert "ephemeral-limits.yaml: mostAtATime" in refused(("ephemeral", *arguments, "--lab"), capsys)
    assert not (tmp_path / ".lab").exists()
