"""Values survive the wire, and secrets stay secret."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import struct_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.provider.wire import UNKNOWN, UnsupportedValueError, decode, encode, has_unknown

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 Pulumi's mark

scalars = st.booleans() | st.integers(-(2**40), 2**40) | st.text() | st.just(UNKNOWN)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


def struct(content: dict[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(content)
    return made


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), values, max_size=3))
def test_what_is_encoded_is_decoded(properties: dict[str, Any]) -> None:
    assert decode(encode(properties)) == (properties, frozenset())


def test_a_secret_is_unwrapped_and_its_place_remembered() -> None:
    properties, secrets = decode(struct({"tags": {"a": {SIGNATURE: SECRET, "value": "hidden"}, "b": "seen"}}))
    assert properties == {"tags": {"a": "hidden", "b": "seen"}}
    assert decode(encode(properties, secrets)) == (properties, secrets)
    wrapped = encode(properties, secrets).fields["tags"].struct_value.fields["a"].struct_value
    assert wrapped.fields[SIGNATURE].string_value == SECRET


def test_a_secret_in_a_list_makes_the_list_secret() -> None:
    """Items of a set may be somewhere else when they come back."""
    properties, secrets = decode(struct({"list": ["seen", {SIGNATURE: SECRET, "value": "hidden"}]}))
    assert encode(properties, secrets).fields["list"].struct_value.fields[SIGNATURE].string_value == SECRET


def test_an_output_without_a_value_is_unknown() -> None:
    properties, _ = decode(struct({"a": {SIGNATURE: "d0e6a833031e9bbcd3f4e8bde6ca49a4"}}))
    assert properties == {"a": UNKNOWN}
    assert has_unknown({"list": [{"a": UNKNOWN}]})


def test_an_asset_is_refused_by_its_place() -> None:
    with pytest.raises(UnsupportedValueError, match=r"code\.file"):
        decode(struct({"code": {"file": {SIGNATURE: "c44067f5952c0a294b673a41bacd8c17"}}}))
