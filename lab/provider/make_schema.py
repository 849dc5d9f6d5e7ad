"""Writes `schema.json`: what the installed pulumi_aws accepts and returns for the types that the provider serves.

Importing pulumi_aws takes seconds and hundreds of megabytes, and the provider starts with every preview; so the names
are taken once, by `python -m lab.provider.make_schema`, and a test holds the file against the package. Left out:
documentation, and every type and function that no row declares.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import json
import re
import typing
from typing import Any

import pulumi
from pulumi import _types

from lab.provider.schema import SCHEMA_FILE

# A value as the wire has it: "string", {"array": ...}, {"map": ...} or {"object": {...}, "required": [...]}.
Described = str | dict[str, Any]

_SCALARS: dict[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}
_CAMEL_BOUNDARY = re.compile(r"(?<!^)(?=[A-Z])")


def describe_resource(token: str) -> dict[str, Any]:
    """Return what the class of `token` (`aws:ec2/eip:Eip`) takes: inputs, required ones, and all its outputs."""
    module_name, class_name = _place(token)
    module = importlib.import_module(module_name)
    # A resource whose arguments would be named as some nested value has `InitArgs` instead.
    arguments = getattr(module, f"{class_name}InitArgs", None) or getattr(module, f"{class_name}Args")
    state = getattr(module, f"_{class_name}State")
    inputs = _object(arguments)
    outputs = _object(state)["object"]
    return {"inputs": inputs["object"], "required": inputs["required"], "outputs": sorted(outputs)}


def describe_provider() -> dict[str, Any]:
    """Return what the provider's own configuration takes."""
    inputs = _object(importlib.import_module("pulumi_aws.provider").ProviderArgs)
    return {"inputs": inputs["object"], "required": inputs["required"]}


def describe_function(token: str) -> dict[str, Any]:
    """Return the arguments of a function's token (`aws:ec2/getAmi:getAmi`) and the properties of its result."""
    module_name, function_name = _place(token)
    module = importlib.import_module(module_name)
    python_name = _CAMEL_BOUNDARY.sub("_", function_name).lower()
    source = inspect.getsource(getattr(module, python_name))
    hints = typing.get_type_hints(getattr(module, python_name))
    arguments = {wire: _described(hints[python]) for wire, python in re.findall(r"__args__\['(\w+)'\] = (\w+)", source)}
    result = getattr(module, f"{function_name[0].upper()}{function_name[1:]}Result")
    names = [
        getter.fget.__dict__.get("_pulumi_name", name)
        for name, getter in vars(result).items()
        if isinstance(getter, property) and getter.fget is not None
    ]
    return {"inputs": arguments, "required": [], "outputs": sorted(names)}


def schema(resources: list[str], functions: list[str]) -> dict[str, Any]:
    """Return the whole content of the file for these tokens."""
    return {
        "provider": describe_provider(),
        "resources": {token: describe_resource(token) for token in sorted(resources)},
        "functions": {token: describe_function(token) for token in sorted(functions)},
    }


def as_text(content: dict[str, Any]) -> str:
    """Return the file's text: one line per token, so that an upgrade of pulumi_aws shows as a readable diff."""
    lines = ["{", f' "provider": {json.dumps(content["provider"], sort_keys=True)},']
    for kind in ("resources", "functions"):
        lines.append(f' "{kind}": {{')
        entries = [
            f"  {json.dumps(token)}: {json.dumps(entry, sort_keys=True)}" for token, entry in content[kind].items()
        ]
        lines.append(",\n".join(entries))
        lines.append(" }," if kind == "resources" else " }")
    return "\n".join([*lines, "}"]) + "\n"


def _place(token: str) -> tuple[str, str]:
    _package, path, name = token.split(":")
    module, _, file = path.partition("/")
    file = _CAMEL_BOUNDARY.sub("_", file).lower()
    return ".".join(["pulumi_aws", *([] if module == "index" else [module]), file]), name


def _object(input_type: Any) -> dict[str, Any]:
    names = _types.input_type_py_to_pulumi_names(input_type)
    types = _types.input_type_types(input_type)
    required = {
        names[name]
        for name, parameter in inspect.signature(input_type.__init__).parameters.items()
        if name in names and parameter.default is inspect.Parameter.empty
    }
    return {"object": {name: _described(types[name]) for name in sorted(types)}, "required": sorted(required)}


def _described(hint: Any) -> Described:
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
        return _described_union(arguments)
    if origin in (collections.abc.Sequence, list):
        return {"array": _described(arguments[0])}
    if origin in (collections.abc.Mapping, dict):
        return {"map": _described(arguments[1])}
    if inspect.isclass(hint) and issubclass(hint, str):
        return "string"
    if inspect.isclass(hint) and _types.is_input_type(hint):
        return _object(hint)
    raise TypeError(f"{hint!r} is a kind of value that the schema can't describe; teach make_schema about it")


def _described_union(alternatives: tuple[Any, ...]) -> Described:
    # Leave out what only says how a value may be handed over: None, Awaitable, Output, and the TypedDict form.
    plain = [
        alternative
        for alternative in alternatives
        if alternative is not type(None)
        and not (inspect.isclass(alternative) and issubclass(alternative, pulumi.Output))
        and typing.get_origin(alternative) not in (collections.abc.Awaitable, pulumi.Output)
        and not typing.is_typeddict(alternative)
    ]
    # A string beside an object is a document (an IAM policy), which the bridge takes either way.
    if str in plain:
        return "document" if any(_types.is_input_type(one) for one in plain if inspect.isclass(one)) else "string"
    return _described(plain[0])


def main() -> None:
    """Write the file for all rows and functions that the provider declares."""
    from lab.provider.functions import FUNCTIONS
    from lab.provider.rows import ROWS

    SCHEMA_FILE.write_text(as_text(schema(list(ROWS), list(FUNCTIONS))), encoding="utf-8")


if __name__ == "__main__":
    main()
