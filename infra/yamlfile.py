"""YAML files read strictly: a key that stands twice is an error, since the last would silently win; so is an anchor.

A value is written where it counts: an alias makes two places of one, and a few lines of them memory without end.

What a whole file may say is a model's (`validated`); stack files have their own way (`infra.settings`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from infra.errors import ConfigError, Problem

Model = TypeVar("Model", bound=BaseModel)

LONGEST_NUMBER = 40
"""Characters; nothing that is set or counted here has a quarter of them."""


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys, anchors and aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next node. Raises YAMLError if it is called by a name, or is another's."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # as the stubs have it
        if getattr(event, "anchor", None) is not None:
            name = f"*{event.anchor}" if isinstance(event, yaml.AliasEvent) else f"&{event.anchor}"
            problem = f"the {'alias' if name[0] == '*' else 'anchor'} {name} isn't allowed; write the value out"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.MarkedYAMLError(problem=f"the key {key!r} is no text", problem_mark=key_node.start_mark)
        if key in seen:
            raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


def _integer(loader: _StrictLoader, node: yaml.ScalarNode) -> Any:  # noqa: ANN401 - as the loader's own
    # Python itself refuses to print one of more than 4,300 digits (int, sys.set_int_max_str_digits).
    if len(node.value) > LONGEST_NUMBER:
        problem = f"a number of {len(node.value)} digits; allowed: {LONGEST_NUMBER}"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    return loader.construct_yaml_int(node)


class _PlainDumper(yaml.SafeDumper):
    """A safe dumper that writes a value out wherever it stands, as the loader asks for."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - none is worth a name
        """Return that no value gets an anchor."""
        return True


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _integer)
_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_mapping(file: Path) -> dict[str, Any]:
    """Return the mapping in `file`; empty if the file is.

    Raises ConfigError: no such file, not UTF-8, broken YAML (with line and column), a duplicate key, not a mapping.
    """
    try:
        # The loader is a SafeLoader.
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506
    except FileNotFoundError:
        raise _problem(file, "is missing", f"restore it: git checkout -- {file.name}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _problem(file, f"can't be read: {error}", "make it a readable text file in UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        reason = getattr(error, "problem", None) or str(error).split("\n")[0]
        raise _problem(file, f"is no valid YAML: {place}{reason}", f"mend {file.name} there") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise _problem(file, f"holds a {type(content).__name__}; allowed: keys and values", f"mend {file.name}")
    return content


def validated(model: type[Model], content: Mapping[str, Any], file: str, fix: str = "") -> Model:
    """Return the `content` of a file as `model`. Raises ConfigError with everything that is wrong; `fix`: edit it."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(_problem_of(detail, file, fix or f"edit {file}") for detail in error.errors()) from None


def _problem_of(detail: ErrorDetails, file: str, fix: str) -> Problem:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
    written = detail["input"]
    # Of the file as a whole, the message itself says what is wrong.
    value = "" if detail["type"] == "missing" or not path else f"is {written}; "
    unquoted = " in quotes" if detail["type"] == "string_type" and isinstance(written, int | float) else ""
    message = f"{value}{detail['msg'].removeprefix('Value error, ')}{unquoted}"
    return Problem(where=f"{file}: {path.removeprefix('.')}".removesuffix(": "), message=message, fix=fix)


def _problem(file: Path, message: str, fix: str) -> ConfigError:
    return ConfigError.of(f"{file.name}:", message, fix)


def as_yaml(document: Mapping[str, object]) -> str:
    """Return a document as text that is read back here: without anchors, also where a value stands twice."""
    return str(yaml.dump(document, Dumper=_PlainDumper, allow_unicode=True))
