"""Edits of stack files: one value changes, everything else stays as it was written."""

from __future__ import annotations

import stat
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import ConfigError
from ops.stacks.stackfile import StackFile

FILE = """\
# Live: production.
config:
  aws:region: eu-west-2  # London
  # The release that everybody uses.
  eps-dos-api:release: "1.4.0"   # since Monday
  eps-dos-api:capacity:
    # Two per zone.
    minimum: 6   # or more
    maximum: 12

  # Room to grow.
  eps-dos-api:zones: [eu-west-2a, eu-west-2b]
  eps-dos-api:dataset: {bucket: a-bucket, readers: [nft]}
  eps-dos-api:virtualIps:
    eu-west-2a: 192.0.2.1
# The end.
"""


def edited(tmp_path: Path, text: str = FILE) -> StackFile:
    path = tmp_path / "Pulumi.live.yaml"
    path.write_bytes(text.encode())
    return StackFile(path)


def test_a_value_is_replaced_in_its_place_and_keeps_its_quotes_and_comments(tmp_path: Path) -> None:
    file = edited(tmp_path)
    file.set("release", "1.5.0")
    assert file.save()
    assert file.path.read_text() == FILE.replace('"1.4.0"', '"1.5.0"')


def test_of_a_mapping_only_what_differs_is_written(tmp_path: Path) -> None:
    file = edited(tmp_path)
    file.set("capacity", {"minimum": 6, "maximum": 24, "targetCpuPercent": 50})
    file.save()
    assert file.path.read_text() == FILE.replace("    maximum: 12\n", "    maximum: 24\n    targetCpuPercent: 50\n")


def test_a_new_key_goes_to_the_end_of_the_configuration(tmp_path: Path) -> None:
    file = edited(tmp_path)
    file.set("scale", Decimal("0.5"))
    file.save()
    expected = FILE.replace("# The end.", "  eps-dos-api:scale: 0.5\n# The end.")
    assert file.path.read_text() == expected


def test_addresses_of_new_zones_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    file = edited(tmp_path)
    file.set("virtualIps", {"eu-west-2a": "192.0.2.1", "eu-west-2b": "192.0.2.2"})
    file.save()
    assert file.path.read_text() == FILE.replace("192.0.2.1\n", '192.0.2.1\n    eu-west-2b: "192.0.2.2"\n')


def test_a_removed_key_takes_its_lines_and_leaves_the_comments_around_it(tmp_path: Path) -> None:
    file = edited(tmp_path)
    file.remove("capacity")
    file.remove("no-such-key")
    file.save()
    removed = "  eps-dos-api:capacity:\n    # Two per zone.\n    minimum: 6   # or more\n    maximum: 12\n"
    assert file.path.read_text() == FILE.replace(removed, "")


def test_a_value_in_braces_is_rewritten_in_braces(tmp_path: Path) -> None:
    file = edited(tmp_path)
    file.set("dataset", {"bucket": "a-bucket"})
    file.save()
    assert yaml.safe_load(file.path.read_text())["config"]["eps-dos-api:dataset"] == {"bucket": "a-bucket"}
    kept = [line for line in FILE.splitlines() if "dataset" not in line]
    assert [line for line in file.path.read_text().splitlines() if line in kept] == kept


@pytest.mark.parametrize(
    "text",
    ["config:\n", "config: {}\n", "# nothing yet\n", "", "encryptionsalt: v1\n", "config:\n  eps-dos-api:a: 1"],
)
def test_a_file_with_little_in_it_gets_its_first_key(tmp_path: Path, text: str) -> None:
    file = edited(tmp_path, text)
    file.set("release", "live+1")
    file.save()
    before = yaml.safe_load(text) or {}
    config = {**(before.get("config") or {}), "eps-dos-api:release": "live+1"}
    assert yaml.safe_load(file.path.read_text()) == {**before, "config": config}


def test_what_was_read_can_be_asked_for(tmp_path: Path) -> None:
    file = edited(tmp_path)
    assert (file.get("release"), file.get("capacity"), file.get("scale")) == (
        "1.4.0",
        {"minimum": 6, "maximum": 12},
        None,
    )


def test_saving_without_a_change_writes_nothing(tmp_path: Path) -> None:
    file = edited(tmp_path)
    before = file.path.stat()
    file.set("release", "1.4.0")
    assert not file.save()
    assert file.path.stat() == before


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = edited(tmp_path)
    file.set("release", "1.5.0")
    file.path.write_text("config: {}\n")
    with pytest.raises(ConfigError, match=r"Pulumi.live.yaml: was changed by somebody else meanwhile"):
        file.save()
    assert file.path.read_text() == "config: {}\n"
    assert [one.name for one in tmp_path.iterdir()] == ["Pulumi.live.yaml"]


def test_rights_and_links_and_line_ends_stay(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.yaml"
    target.write_bytes(FILE.replace("\n", "\r\n").encode())
    target.chmod(0o640)
    link = tmp_path / "Pulumi.live.yaml"
    link.symlink_to(target)
    file = StackFile(link)
    file.set("release", "1.5.0")
    file.save()
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.read_bytes() == FILE.replace('"1.4.0"', '"1.5.0"').replace("\n", "\r\n").encode()


def test_broken_and_ambiguous_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no valid YAML"):
        edited(tmp_path, "config: [")
    with pytest.raises(ConfigError, match="stands twice"):
        edited(tmp_path, "config: {a: 1, a: 2}")
    with pytest.raises(ConfigError, match="is missing"):
        StackFile(tmp_path / "Pulumi.none.yaml")


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\x85\u2028\u2029\ufeff")
)
scalars = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts)
keys = st.from_regex(r"[a-z][A-Za-z0-9]{0,8}", fullmatch=True)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(key=keys, first=values, then=values)
def test_any_value_reads_back_as_it_was_set_and_no_other_line_changes(
    tmp_path_factory: pytest.TempPathFactory, key: str, first: object, then: object
) -> None:
    file = edited(tmp_path_factory.mktemp("stack"))
    file.set(f"x{key}", first)
    file.set(f"x{key}", then)
    file.save()
    assert yaml.safe_load(file.path.read_text())["config"].get(f"eps-dos-api:x{key}") == then
    file.remove(f"x{key}")
    file.save()
    assert file.path.read_text() == FILE
