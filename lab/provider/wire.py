"""Values on the wire: protobuf Structs become plain Python and back, with Pulumi's unknowns and secrets.

Unknowns are the one object `UNKNOWN`. Secrets are unwrapped, and where they were is remembered, so that an answer can
mark the same places. Left out: assets, archives and resource references, which no property of a row takes.

Source: sdk/go/common/resource/properties.go and sdk/python/lib/pulumi/runtime/rpc.py (signatures, the unknown's text).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import struct_pb2

Path = tuple[str, ...]

_SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 Pulumi's mark of a secret, not one
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class _Unknown:
    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN: Final = _Unknown()
"""A value that is known only after an apply."""


class UnsupportedValueError(Exception):
    """A kind of value that no property of the provider takes: an asset, an archive, a resource reference."""


def decode(struct: struct_pb2.Struct) -> tuple[dict[str, Any], frozenset[Path]]:
    """Return a Struct's content as plain Python, and the paths (keys and list positions) at which secrets were."""
    secrets: set[Path] = set()
    return {key: _decode(value, (key,), secrets) for key, value in struct.fields.items()}, frozenset(secrets)


def encode(properties: Mapping[str, Any], secrets: frozenset[Path] = frozenset()) -> struct_pb2.Struct:
    """Return properties as a Struct in which what is at one of the paths of `secrets` is marked as a secret.

    Inside a list the whole list is marked, since its items may have moved. None is left out.
    """
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        if value is not None:
            struct.fields[key].CopyFrom(_encode(value, (key,), secrets))
    return struct


def has_unknown(value: Any) -> bool:
    """Tell whether a value is unknown, or holds one that is."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def _decode(value: struct_pb2.Value, path: Path, secrets: set[Path]) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == _UNKNOWN_TEXT else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_decode(item, (*path, str(index)), secrets) for index, item in enumerate(value.list_value.values)]
    if kind == "struct_value":
        return _decode_struct(value.struct_value, path, secrets)
    return None


def _decode_struct(struct: struct_pb2.Struct, path: Path, secrets: set[Path]) -> Any:
    fields = struct.fields
    signature = fields[_SIGNATURE_KEY].string_value if _SIGNATURE_KEY in fields else ""
    if signature == _SECRET:
        secrets.add(path)
        return _decode(fields["value"], path, secrets)
    if signature == _OUTPUT:
        if "secret" in fields and fields["secret"].bool_value:
            secrets.add(path)
        return _decode(fields["value"], path, secrets) if "value" in fields else UNKNOWN
    if signature:
        raise UnsupportedValueError(f"{'.'.join(path)}: an asset, archive or resource; a plain value is expected")
    return {key: _decode(item, (*path, key), secrets) for key, item in fields.items()}


def _encode(value: Any, path: Path, secrets: frozenset[Path]) -> struct_pb2.Value:
    encoded = _encode_plain(value, path, secrets)
    hidden = path in secrets or (
        isinstance(value, list) and any(len(secret) > len(path) and secret[: len(path)] == path for secret in secrets)
    )
    if not hidden:
        return encoded
    wrapped = struct_pb2.Value()
    wrapped.struct_value.fields[_SIGNATURE_KEY].string_value = _SECRET
    wrapped.struct_value.fields["value"].CopyFrom(encoded)
    return wrapped


def _encode_plain(value: Any, path: Path, secrets: frozenset[Path]) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=_UNKNOWN_TEXT)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    result = struct_pb2.Value()
    if isinstance(value, dict):
        result.struct_value.SetInParent()
        for key, item in value.items():
            if item is not None:
                result.struct_value.fields[key].CopyFrom(_encode(item, (*path, key), secrets))
        return result
    if isinstance(value, list):
        result.list_value.SetInParent()
        # A list is marked as a whole, so nothing inside it is marked again.
        result.list_value.values.extend(
            _encode(item, (*path, str(index)), frozenset()) for index, item in enumerate(value)
        )
        return result
    raise UnsupportedValueError(f"{'.'.join(path)}: a {type(value).__name__} can't be sent to the engine")
