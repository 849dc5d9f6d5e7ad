"""Edits a stack file as a careful person would: the one value, and every comment, order, indent and quote as it was.

The text is changed where the parser found the value, and nowhere else; Pulumi's own `config set` drops quotes and turns
numbers into text (tried). Left out: what a value may be (`infra.settings`), and keys of other namespaces.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from infra.errors import ConfigError
from infra.settings import NAMESPACE
from infra.yamlfile import read_mapping

Value: TypeAlias = object
"""What YAML can hold; a Decimal is a number."""

Keys: TypeAlias = tuple[str, ...]

# Text that is text without quotes, in lists too. What begins with a digit is quoted: versions are, and 1.10 is no text.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.+@-]*")
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


class StackFile:
    """The file of a stack as it was when this was made. Nothing is written before `save`.

    Raises ConfigError if the file is missing, is no valid YAML, or has a key twice.
    """

    def __init__(self, path: Path) -> None:
        read_mapping(path)
        # A link stays one.
        self.path = path.resolve()
        self._original = self.path.read_bytes()
        text = self._original.decode()
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._text = text.replace("\r\n", "\n")

    def get(self, key: str) -> Value:
        """Return the value of `eps-dos-api:KEY`, or None."""
        config = _document(self._text).get("config")
        return config.get(_full(key)) if isinstance(config, Mapping) else None

    def set(self, key: str, value: Value) -> None:
        """Set `eps-dos-api:KEY`, in its place if it is there, else at the end of the configuration.

        Of a mapping, what stays the same stays as it is written.
        """
        expected = self._expected()
        expected["config"][_full(key)] = value
        self._text = _set(self._text, ("config", _full(key)), value)
        self._make_sure(expected)

    def remove(self, key: str) -> None:
        """Remove `eps-dos-api:KEY`, if it is there, with what stands on its lines; comments around it stay."""
        expected = self._expected()
        expected["config"].pop(_full(key), None)
        self._text = _without(self._text, ("config", _full(key)))
        self._make_sure(expected)

    def save(self) -> bool:
        """Write the file in one step, with the rights that it has; return whether anything had changed.

        Raises ConfigError if somebody else changed the file since it was read.
        """
        content = self._text.replace("\n", self._newline).encode()
        if content == self._original:
            return False
        if not self.path.exists() or self.path.read_bytes() != self._original:
            raise ConfigError.of(
                f"{self.path.name}:",
                "was changed by somebody else meanwhile; nothing was written",
                "run the command again",
            )
        _replace(self.path, content)
        self._original = content
        return True

    def _expected(self) -> dict[str, Any]:
        document = _document(self._text)
        return {**document, "config": dict(document.get("config") or {})}

    def _make_sure(self, expected: Mapping[str, Value]) -> None:
        # A file that holds something else than was asked for must never be written.
        try:
            written = _document(self._text)
        except yaml.YAMLError:
            written = {}
        if _comparable(written) != _comparable(expected):
            raise ConfigError.of(
                f"{self.path.name}:",
                "is written in a way that can't be edited here without changing something else; nothing was written",
                "edit it by hand; comments between a key and its value, or keys with a question mark, are in the way",
            )


def _full(key: str) -> str:
    return f"{NAMESPACE}:{key}"


def _document(text: str) -> dict[str, Any]:
    document = yaml.safe_load(text)
    return document if isinstance(document, dict) else {}


def _comparable(value: Value) -> Value:
    """Return `value` without empty mappings and with numbers by value: what YAML can't tell apart is equal."""
    if isinstance(value, Mapping):
        items = {key: _comparable(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item not in ({}, None)}
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value]
    return Decimal(str(value)) if isinstance(value, float | Decimal) else value


def _root(text: str) -> yaml.Node | None:
    root: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    return root


def _entry(text: str, keys: Keys) -> tuple[yaml.Node, yaml.Node] | None:
    """Return the nodes of the key and the value that `keys` lead to, or None."""
    found = None
    node = _root(text)
    for key in keys:
        entries = node.value if isinstance(node, yaml.MappingNode) else []
        found = next((entry for entry in entries if entry[0].value == key), None)
        if found is None:
            return None
        node = found[1]
    return found


def _value(text: str, keys: Keys) -> Value:
    value: Value = _document(text)
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _set(text: str, keys: Keys, value: Value) -> str:
    found = _entry(text, keys)
    if found is None:
        return _added(text, keys, value)
    key_node, node = found
    if _is_block(node) and isinstance(value, Mapping) and value:
        for name in [entry[0].value for entry in node.value if entry[0].value not in value]:
            text = _without(text, (*keys, name))
        for name, item in value.items():
            text = _set(text, (*keys, str(name)), item)
        return text
    if type(_value(text, keys)) is type(value) and _value(text, keys) == value:
        return text
    start = text.index(":", key_node.end_mark.index) + 1
    style = node.style if isinstance(node, yaml.ScalarNode) else None
    written = _written(value, key_node.start_mark.column, style)
    # A block scalar (|, >) ends after its line.
    ended = "\n" if text[start : _end(node)].endswith("\n") else ""
    return text[:start] + written + ended + text[_end(node) :]


def _added(text: str, keys: Keys, value: Value) -> str:
    """Return `text` with an entry at the end of the mapping that all but the last of `keys` lead to."""
    *above, key = keys
    found = _entry(text, tuple(above)) if above else None
    if above and (found is None or not _is_block(found[1]) or not found[1].value):
        there = _value(text, tuple(above))
        there = there if isinstance(there, Mapping) else {}
        return _set(text, tuple(above), {**there, key: value})
    node = found[1] if found else _root(text)
    if not isinstance(node, yaml.MappingNode) or not node.value:
        return f"{_ended(text)}{key}:{_written(value, 0, None)}\n"
    column = node.value[0][0].start_mark.column
    before = _ended(text[: _line_end(text, _end(node))])
    after = text[_line_end(text, _end(node)) :]
    return f"{before}{' ' * column}{key}:{_written(value, column, None)}\n{after}"


def _without(text: str, keys: Keys) -> str:
    found = _entry(text, keys)
    if found is None:
        return text
    key_node, node = found
    above = _entry(text, keys[:-1])
    if above is not None and not _is_block(above[1]):
        there = _value(text, keys[:-1])
        rest = {key: item for key, item in there.items() if key != keys[-1]} if isinstance(there, Mapping) else {}
        return _set(text, keys[:-1], rest)
    start = text.rfind("\n", 0, key_node.start_mark.index) + 1
    return text[:start] + text[_line_end(text, max(_end(node), key_node.end_mark.index)) :]


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and not node.flow_style


def _end(node: yaml.Node) -> int:
    """Return where a value ends; the parser has a block go on to whatever comes after its comments."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _line_end(text: str, index: int) -> int:
    """Return the index of the line after the one that `index` is in, or ends."""
    if index > 0 and text[index - 1] == "\n":
        return index
    newline = text.find("\n", index)
    return len(text) if newline < 0 else newline + 1


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _written(value: Value, column: int, style: str | None) -> str:
    """Return what follows a key's colon; `column` is the key's, `style` the quotes that the value had."""
    if isinstance(value, Mapping) and value:
        indent = " " * (column + 2)
        return "".join(
            f"\n{indent}{_scalar(key, None)}:{_written(item, column + 2, None)}" for key, item in value.items()
        )
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping | list | tuple) for item in value):
        indent = " " * (column + 2)
        return "".join(f"\n{indent}- {_flow(item)}" for item in value)
    return f" {_flow(value) if isinstance(value, Mapping | list | tuple) else _scalar(value, style)}"


def _flow(value: Value) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key, None)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value, None)


def _scalar(value: Value, style: str | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        # YAML 1.1, which PyYAML reads, takes 1e-05 for a text and 1.0e-05 for a number.
        digits, exponent, power = str(value).partition("e")
        return f"{digits}.0e{power}" if exponent and "." not in digits else str(value)
    text = str(value)
    if style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    if style != '"' and _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return json.dumps(text, ensure_ascii=False)


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
