"""Publishing addresses: what `up` got goes into the stack file, and what is published is never overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.errors import ConfigError
from ops import cli, vips
from ops.stacks.place import Place
from ops.vips import Publication, publications

STACK_FILE = """\
# Live: production.
config:
  eps-dos-api:zones: [eu-west-2a, eu-west-2b]  # three one day
  # virtualIps: written by a command
  eps-dos-api:release: "1.4.0"
"""


def test_each_zone_is_told_apart() -> None:
    deployed = {"eu-west-2a": "192.0.2.1", "eu-west-2b": "192.0.2.2", "eu-west-2c": "192.0.2.3"}
    published = {"eu-west-2a": "192.0.2.1", "eu-west-2b": "192.0.2.9", "eu-west-2d": "192.0.2.4"}
    assert publications(deployed, published) == (
        Publication(zone="eu-west-2a", address="192.0.2.1", state="published", published="192.0.2.1"),
        Publication(zone="eu-west-2b", address="192.0.2.2", state="differs", published="192.0.2.9"),
        Publication(zone="eu-west-2c", address="192.0.2.3", state="new", published=""),
        Publication(zone="eu-west-2d", address="", state="differs", published="192.0.2.4"),
    )


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        publications({"eu-west-2a": "nonsense"}, {})


class Deployed:
    """A stack that has addresses."""

    addresses: Mapping[str, str] = {}

    def __init__(self, name: str, _place: object) -> None:
        assert name == "live"

    def outputs(self) -> Mapping[str, object]:
        return {"virtualIps": self.addresses, "port": 443}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose Live has addresses, without an engine to ask."""
    (tmp_path / "Pulumi.yaml").write_text("name: eps-dos-api\n")
    (tmp_path / "Pulumi.live.yaml").write_text(STACK_FILE)
    monkeypatch.chdir(tmp_path)

    def place(_in_lab: bool) -> Place:
        return Place(folder=tmp_path, checkout=tmp_path, cli=tmp_path, version="", in_lab=False, check_endpoint=str)

    monkeypatch.setattr(vips, "place", place)
    monkeypatch.setattr("ops.vips.StackHandle", Deployed)
    return tmp_path


def test_the_file_gets_them_with_its_comments_kept(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Deployed, "addresses", {"eu-west-2b": "192.0.2.2", "eu-west-2a": "192.0.2.1"})
    assert cli.run(["vips", "publish", "live"]) == 0
    assert (project / "Pulumi.live.yaml").read_text() == (
        f'{STACK_FILE}  eps-dos-api:virtualIps:\n    eu-west-2a: "192.0.2.1"\n    eu-west-2b: "192.0.2.2"\n'
    )
    assert "protected and retained from the next: pulumi up --stack live" in capsys.readouterr().err


def test_publishing_twice_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deployed, "addresses", {"eu-west-2a": "192.0.2.1"})
    assert cli.run(["vips", "publish", "live"]) == 0
    once = (project / "Pulumi.live.yaml").read_bytes()
    assert cli.run(["vips", "publish", "live"]) == 0
    assert (project / "Pulumi.live.yaml").read_bytes() == once


def test_a_published_address_is_never_overwritten(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Deployed, "addresses", {"eu-west-2a": "192.0.2.1"})
    assert cli.run(["vips", "publish", "live"]) == 0
    before = (project / "Pulumi.live.yaml").read_bytes()
    monkeypatch.setattr(Deployed, "addresses", {"eu-west-2a": "192.0.2.7", "eu-west-2b": "192.0.2.2"})
    capsys.readouterr()
    assert cli.run(["vips", "publish", "live"]) == 1
    assert (project / "Pulumi.live.yaml").read_bytes() == before
    said = capsys.readouterr()
    assert "virtualIps.eu-west-2a is 192.0.2.1, and live has 192.0.2.7; nothing was written" in said.err
    assert "eu-west-2b  192.0.2.2        not published" in said.out


def test_a_stack_without_addresses_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["vips", "publish", "live"]) == 2
    assert "has no addresses of its own" in capsys.readouterr().err


def test_a_name_that_no_stack_can_have_is_refused_before_anything_is_read(project: Path) -> None:
    with pytest.raises(ConfigError):
        vips.publish("../live")
