"""What may be put into a dataset: whole files of known kinds, by names that are safe, and nothing of Live's."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.environment import DatasetPlan, SupplierArea
from infra.testdata import (
    KINDS,
    LARGEST_FILE_BYTES,
    LARGEST_LOAD_BYTES,
    LONGEST_KEY_BYTES,
    key_of,
    problem_of_request,
    problems_of_content,
    problems_of_files,
    refusal,
)
from tests.infra.sample import environment, mirror

AREA = SupplierArea(supplier="Example Ltd", account_id="111122223333", prefix="suppliers/example/")
UTF8 = st.characters(codec="utf-8")


def told(content: bytes, key: str) -> list[str]:
    return [one.message for one in problems_of_content(key, content)]


def told_of(*names: str, size: int = 1) -> list[str]:
    return [one.message for one in problems_of_files(dict.fromkeys(names, size), [AREA])]


def test_test_data_goes_into_what_an_environment_has_of_its_own() -> None:
    assert refusal(environment("int").dataset, "int") is None


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (replace(environment("live").dataset, kind="Live"), "answers from Live's dataset, eps-dos-api-live-dataset"),
        (mirror("nft").dataset, "answers from Live's dataset, eps-dos-api-live-dataset"),
        (replace(environment("int").dataset, owned=False), "has no dataset of its own"),
    ],
    ids=["Live's", "a mirror's", "another's"],
)
def test_what_is_lives_or_anothers_is_refused(plan: DatasetPlan, said: str) -> None:
    assert said in str(refusal(plan, "it"))


@pytest.mark.parametrize("reference", ["C", "CHG0012345", "RITM 1/2 (again)", "x" * 100, "~!"])
def test_a_reference_is_what_a_supplier_writes(reference: str) -> None:
    assert problem_of_request(reference) is None


@pytest.mark.parametrize("reference", ["", " ", " C", "C ", "x" * 101, "a\nb", "a\tb", "a\x7f", "ÄND-1", "C\n"])
def test_a_reference_that_a_header_or_a_terminal_could_take_otherwise_is_refused(reference: str) -> None:
    problem = problem_of_request(reference)
    assert problem is not None
    assert str(problem).isascii()
    assert str(problem).replace("\n    fix", "").isprintable()


@pytest.mark.parametrize("name", ["a.csv", "b/c/d e.json", "Zürich.xml", ".csv", "a..b.csv", "-y.json", "_loads.json"])
def test_an_ordinary_name_is_a_key(name: str) -> None:
    assert told_of(name) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../a.csv", "parts such as .."),
        ("a/./b.csv", "parts such as .."),
        ("/a.csv", "parts such as .."),
        ("a//b.csv", "parts such as .."),
        ("a\nb.csv", "signs that don't print"),
        ("a\x1b[31m.csv", "signs that don't print"),
        ("a\u202eb.csv", "signs that don't print"),
        ("a\udce9.csv", "signs that don't print"),
        ("ä" * 511 + ".csv", "a name of 1026 bytes"),
        ("_loads/a.json", "among the records of loads"),
        ("suppliers/example/a.csv", "in the area of Example Ltd"),
        ("a.xlsx", "kind that isn't known; allowed: .csv, .json, .xml"),
        ("a.CSV", "kind that isn't known"),
        ("csv", "kind that isn't known"),
        (".DS_Store", "kind that isn't known"),
    ],
)
def test_a_name_that_is_none_is_refused_and_can_be_printed(name: str, said: str) -> None:
    (problem,) = problems_of_files({name: 1}, [AREA])
    assert said in problem.message
    assert problem.where.isprintable()
    assert len(problem.where) < 220


def test_everything_that_is_wrong_with_a_name_is_told() -> None:
    assert len(told_of(f"suppliers/example/../{'x' * LONGEST_KEY_BYTES}", size=LARGEST_FILE_BYTES + 1)) == 5


def test_a_name_is_the_same_key_however_its_accents_are_written() -> None:
    composed, apart = "Zürich.csv", unicodedata.normalize("NFD", "Zürich.csv")
    assert composed != apart
    assert key_of(composed) == key_of(apart) == composed
    assert told_of(composed, apart) == ["is the name of 2 files, written in different ways"]
    assert told_of("a.csv", "A.csv") == []


def test_a_load_has_its_limits() -> None:
    assert told_of() == ["holds no file"]
    assert told_of("a.csv", size=LARGEST_FILE_BYTES) == []
    assert told_of("a.csv", size=LARGEST_FILE_BYTES + 1) == ["has 268435457 bytes; allowed: 268435456"]
    full = [f"{number}.csv" for number in range(LARGEST_LOAD_BYTES // LARGEST_FILE_BYTES)]
    assert told_of(*full, size=LARGEST_FILE_BYTES) == []
    assert told_of(*full, "one.csv", size=LARGEST_FILE_BYTES) == ["has 4563402752 bytes; allowed: 4294967296"]


@given(name=st.text(max_size=30).flatmap(lambda stem: st.sampled_from([stem + kind for kind in KINDS])))
def test_every_key_that_is_accepted_is_one_that_s3_and_people_take(name: str) -> None:
    if problems_of_files({name: 1}):
        return
    key = key_of(name)
    assert key == key_of(key)
    assert key.isprintable()
    assert 0 < len(key.encode()) <= LONGEST_KEY_BYTES
    assert not {"", ".", ".."} & set(key.split("/"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(UTF8),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(UTF8), inner),
    max_leaves=10,
)


@given(value=JSON, escaped=st.booleans())
def test_whatever_is_json_is_accepted(value: object, escaped: bool) -> None:
    assert told(json.dumps(value, ensure_ascii=escaped).encode(), "a.json") == []


@given(data=st.data(), columns=st.integers(min_value=1, max_value=4), mark=st.sampled_from(["", "\ufeff"]))
def test_whatever_is_a_table_is_accepted(data: st.DataObject, columns: int, mark: str) -> None:
    rows = data.draw(st.lists(st.lists(st.text(UTF8), min_size=columns, max_size=columns), min_size=1, max_size=5))
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(rows)
    assert told((mark + written.getvalue()).encode(), "a.csv") == []


@given(data=st.data(), columns=st.integers(min_value=1, max_value=4), at=st.integers(min_value=1, max_value=4))
def test_one_line_of_another_width_is_found(data: st.DataObject, columns: int, at: int) -> None:
    rows = [["x"] * columns for _ in range(5)]
    other = data.draw(st.integers(min_value=1, max_value=6).filter(lambda width: width != columns))
    rows[at] = ["y"] * other
    said = told("\n".join(",".join(row) for row in rows).encode(), "a.csv")
    assert said == [f"has {other} columns in line {at + 1}, and {columns} in the first"]


@given(content=st.binary() | st.text(alphabet='<>!&"/a{}[]:,\n \\1e-', max_size=40).map(str.encode))
@pytest.mark.parametrize("kind", KINDS)
def test_any_content_is_accepted_or_told_in_a_line(kind: str, content: bytes) -> None:
    assert all(one.isprintable() for one in told(content, f"a{kind}"))


@pytest.mark.parametrize(
    ("key", "content", "said"),
    [
        ("a.csv", b"a,b\n\xff,1\n", "isn't UTF-8 at byte 4"),
        ("a.json", "{}".encode("utf-16"), "isn't UTF-8 at byte 0"),
        ("a.csv", b"", "holds no line"),
        ("a.csv", b"\n\n", "holds no line"),
        ("a.csv", b'a,b\n"x,1\n', "isn't CSV: unexpected end of data in line 2"),
        ("a.csv", b"a,b\n\n1,2\n", "has a blank line before line 3"),
        ("a.csv", b'a,b\n"1\n2",3,4\n', "has 3 columns in line 3, and 2 in the first"),
        ("a.json", b"", "isn't JSON: Expecting value in line 1, column 1"),
        ("a.json", b'{"a": 1,}', "isn't JSON: "),
        ("a.json", b'{"a": 1}\n{"b": 2}\n', "isn't JSON: Extra data in line 2, column 1"),
        ("a.json", b"[NaN]", "isn't JSON: it has NaN, which is no number in JSON"),
        ("a.json", b"[-Infinity]", "isn't JSON: it has -Infinity, which is no number in JSON"),
        ("a.json", b"[" * 100_000, "is nested too deeply to be read"),
        ("a.xml", b"", "isn't XML: no element found in line 1, column 1"),
        ("a.xml", b"<a>\n<b></a>", "isn't XML: mismatched tag in line 2, column 6"),
        ("a.xml", b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "has a document type declaration"),
        ("a.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "has a document type declaration"),
        ("a.xml", b"<a>&b;</a>", "isn't XML: undefined entity in line 1, column 4"),
    ],
)
def test_what_is_broken_is_told_with_its_place(key: str, content: bytes, said: str) -> None:
    (message,) = told(content, key)
    assert message.startswith(said)


def test_what_is_whole_is_accepted() -> None:
    assert told(b"[1" + b"0" * 10_000 + b"]", "a.json") == []
    assert told('\ufeff{"name": "Zürich"}'.encode(), "a.json") == []
    assert told('<?xml version="1.0" encoding="UTF-8"?>\n<a b="ü">&amp;</a>'.encode(), "a.xml") == []
    assert told(b'a,b\r\n"x\r\ny, ""z""",1\r\n', "a.csv") == []
