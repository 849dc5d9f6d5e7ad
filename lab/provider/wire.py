"""Values on the wire: protobuf Structs become plain Python and back, with Pulumi's unknowns and secrets.

Unknowns are the one object `UNKNOWN`. Secrets are unwrapped, and where they were is remembered, so that an answer can
mark the same places. Left out: assets, archives and resource references, which no property of a row takes.

Source: sdk/go/common/resource/properties.go and sdk/python/lib/pulumi/runtime/rpc.py (signatures, the unknown's text).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict

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
    content = MessageToDict(struct)
    return {key: _decode(value, (key,), secrets) for key, value in content.items()}, frozenset(secrets)


def encode(properties: Mapping[str, Any], secrets: frozenset[Path] = frozenset()) -> struct_pb2.Struct:
    """Return properties as a Struct in which what is at one of the paths of `secrets` is marked as a secret.

    Inside a list the whole list is marked, since its items may have moved. None is left out.
    """
    struct = struct_pb2.Struct()
    struct.update({key: _encode(value, (key,), secrets) for key, value in properties.items() if value is not None})
    return struct


def has_unknown(value: Any) -> bool:
    """Tell whether a value is unknown, or holds one that is."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def _decode(value: Any, path: Path, secrets: set[Path]) -> Any:
    if value == _UNKNOWN_TEXT:
        return UNKNOWN
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_decode(item, (*path, str(index)), secrets) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    signature = value.get(_SIGNATURE_KEY)
    if signature == _SECRET or (signature == _OUTPUT and value.get("secret")):
        secrets.add(path)
    if signature in (_SECRET, _OUTPUT):
        return _decode(value.get("value", _UNKNOWN_TEXT), path, secrets)
    if signature:
        raise UnsupportedValueError(f"{'.'.join(path)}: an asset, archive or resource; a plain value is expected")
    return {key: _decode(item, (*path, key), secrets) for key, item in value.items()}


def _encode(value: Any, path: Path, secrets: frozenset[Path]) -> Any:
    hidden = path in secrets or (
        isinstance(value, list) and any(len(secret) > len(path) and secret[: len(path)] == path for secret in secrets)
    )
    encoded = _encode_plain(value, path, secrets)
    return {_SIGNATURE_KEY: _SECRET, "value": encoded} if hidden else encoded


def _encode_plain(value: Any, path: Path, secrets: frozenset[Path]) -> Any:
    if value is UNKNOWN:
        return _UNKNOWN_TEXT
    if isinstance(value, dict):
        return {key: _encode(item, (*path, key), secrets) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        # A list is marked as a whole, so nothing inside it is marked again.
        return [_encode(item, (*path, str(index)), frozenset()) for index, item in enumerate(value)]
    if value is None or isinstance(value, str | int | float):
        return value
    raise UnsupportedValueError(f"{'.'.join(path)}: a {type(value).__name__} can't be sent to the engine")
