"""What counts as a change and what doesn't."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.provider.forms import (
    PLAIN,
    Document,
    DomainName,
    FlagText,
    Form,
    Joined,
    ListOf,
    Part,
    Policy,
    SetOf,
    Synonyms,
    TagMap,
    TextFlag,
    Unchanged,
    nested,
)
from lab.provider.wire import UNKNOWN

MAPPING = SetOf(nested("subnetId allocationId"), key="subnetId")


def changes(form: Form, new: Any, old: Any, before: Any = None) -> dict[str, str]:
    return {change.path: change.kind.value for change in form.changes("p", new, old, before)}


@given(st.lists(st.text(), unique=True).flatmap(lambda items: st.tuples(st.just(items), st.permutations(items))))
def test_order_in_a_set_is_no_change(lists: tuple[list[str], list[str]]) -> None:
    wanted, actual = lists
    assert changes(SetOf(), wanted, actual) == {}


def test_order_in_a_list_is_a_change() -> None:
    assert changes(ListOf(), ["a", "b"], ["b", "a"]) == {"p[0]": "update", "p[1]": "update"}


def test_a_set_names_the_item_that_came_and_the_one_that_went() -> None:
    assert changes(SetOf(), ["a", "c"], ["b", "a"]) == {"p[1]": "add", "p[0]": "delete"}


def test_an_item_with_a_key_is_the_same_item_after_an_edit() -> None:
    old = [{"subnetId": "1", "allocationId": "a"}, {"subnetId": "2", "allocationId": "b"}]
    new = [{"subnetId": "2", "allocationId": "c"}, {"subnetId": "1", "allocationId": "a"}]
    assert changes(MAPPING, new, old, old) == {"p[0].allocationId": "update"}


def test_what_aws_adds_to_an_object_is_no_change() -> None:
    form = nested("path", timeout=Part(computed=True))
    assert changes(form, {"path": "/"}, {"path": "/", "timeout": 6}, {"path": "/"}) == {}


def test_what_the_program_drops_from_an_object_is_a_change_unless_aws_decides_it() -> None:
    form = nested("path", timeout=Part(computed=True))
    said = {"path": "/", "timeout": 5}
    assert changes(form, {}, said, said) == {"p.path": "delete"}


def test_a_key_that_somebody_added_to_a_map_is_a_change() -> None:
    assert changes(PLAIN, {"a": "1"}, {"a": "1", "b c": "2"}) == {'p["b c"]': "delete"}


def test_an_unknown_value_is_a_change() -> None:
    assert changes(PLAIN, UNKNOWN, "a") == {"p": "update"}
    assert changes(SetOf(), ["a", UNKNOWN], ["a", "b"]) == {"p[1]": "update"}


@pytest.mark.parametrize("nothing", [None, "", [], {}, False, 0])
def test_nothing_and_a_types_zero_are_the_same(nothing: Any) -> None:
    assert changes(PLAIN, nothing, None) == changes(PLAIN, None, nothing) == {}


def test_layout_and_order_of_keys_of_a_document_are_no_change() -> None:
    assert changes(Document(), '{"a": 1, "b": [2]}', '{\n "b":[2],"a":1}') == {}
    assert changes(Document(), '{"b": [2, 3]}', '{"b": [3, 2]}') == {"p": "update"}


def statement(**parts: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **parts}]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"Action": "s3:GetObject"}, {"Action": ["s3:GetObject"]}),
        ({"Action": ["a:B", "c:D"]}, {"Action": ["c:D", "a:B"]}),
        ({"Principal": "*"}, {"Principal": {"AWS": "*"}}),
        ({"Condition": {"Bool": {"k": "true"}}}, {"Condition": {"Bool": {"k": True}}}),
    ],
)
def test_policies_that_mean_the_same_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert changes(Policy(), statement(**one), statement(**other)) == {}


def test_policies_that_mean_something_else_differ() -> None:
    assert changes(Policy(), statement(Action="a:B"), statement(Action="a:C")) == {"p": "update"}
    assert changes(Policy(), statement(Effect="Deny"), statement()) == {"p": "update"}


def test_a_name_keeps_its_case_in_the_program_and_loses_it_in_the_state() -> None:
    assert changes(DomainName(), "dos-NFT.example.test", "dos-nft.example.test.") == {}
    assert DomainName().keep("dos-NFT.example.test", "dos-nft.example.test.") == "dos-nft.example.test"


@pytest.mark.parametrize(
    ("form", "ours", "theirs"),
    [
        (TextFlag(), "true", True),
        (FlagText(), False, "false"),
        (Joined(), ["a", "b"], "a,b"),
        (TagMap(), {"a": "1"}, [{"Key": "a", "Value": "1"}]),
        (Unchanged(), -1, None),
        (nested("imageId", x=Part("Y")), {"imageId": "i", "x": 1}, {"ImageId": "i", "Y": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_as_it_was_sent(form: Form, ours: Any, theirs: Any) -> None:
    assert form.send(ours) == theirs
    assert form.receive(theirs) == ours


def test_a_synonym_is_no_change() -> None:
    assert changes(Synonyms({"6": "tcp"}), "TCP", "6") == {}


def test_defaults_of_parts_are_filled_in_and_listed() -> None:
    form = ListOf(nested("path", port=Part(default="traffic-port")))
    assert form.completed([{"path": "/"}]) == [{"path": "/", "port": "traffic-port", "__defaults": ["port"]}]


def test_parts_that_no_row_knows_are_named_with_their_place() -> None:
    form = ListOf(nested("path"))
    assert list(form.unimplemented("checks", [{"path": "/"}, {"matcher": "200"}])) == ["checks[1].matcher"]
