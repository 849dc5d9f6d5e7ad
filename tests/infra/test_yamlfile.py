"""YAML read strictly."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.errors import ConfigError
from infra.yamlfile import as_yaml, read_mapping


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "line 2, column 1: the key 'a' stands twice"),
        ("a: {b: 1, b: 2}\n", "line 1, column 11: the key 'b' stands twice"),
        ("a: [1\n", "is no valid YAML: line 2, column 1"),
        ("- a\n", "holds a list; allowed: keys and values"),
        ("1: a\n", "the key 1 is no text"),
        ("a: !!python/object/apply:os.system [true]\n", "could not determine a constructor"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "Pulumi.nft.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_mapping(file)
    assert str(raised.value).startswith("Pulumi.nft.yaml: ")
    assert message in str(raised.value)


def test_a_missing_file_is_told_with_the_command_that_brings_it_back(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)Pulumi.live.yaml: is missing.*git checkout -- Pulumi.live.yaml"):
        read_mapping(tmp_path / "Pulumi.live.yaml")


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# nothing yet\n")
    assert read_mapping(tmp_path / "a.yaml") == {}


def test_what_is_written_is_read_again_also_where_a_value_stands_twice(tmp_path: Path) -> None:
    ranges = ["192.0.2.0/28"]
    (tmp_path / "a.yaml").write_text(as_yaml({"first": ranges, "second": ranges}))
    assert read_mapping(tmp_path / "a.yaml") == {"first": ranges, "second": ranges}


@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_no_content_whatever_raises_anything_else(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    told = ""
    try:
        read = read_mapping(file)
    except ConfigError as error:
        read, told = {}, str(error)
    assert isinstance(read, dict)
    assert not told or told.startswith("a.yaml: ")
