"""Random single changes of a recorded graph, and what a comparison has to say of each.

A change is at one place: a property at any depth, inside JSON and user data too; an element of a list; an option; or a
resource as a whole. What is to be told of it is known from how it was made, not from how graphs are compared.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeAlias

from infra.graph import NAMING, Difference, Graph, Resource
from infra.types import STACK

KINDS = (
    "element",
    "option",
    "property added",
    "property removed",
    "resource added",
    "resource removed",
    "the other's value",
    "value changed",
)

Path: TypeAlias = tuple[str | int, ...]
"""Keys of mappings, indices of lists."""


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """A graph with one change, and where that is."""

    what: str
    graph: Graph
    resource: Resource
    """As it was; of a resource that was added, that one."""
    path: Path
    old: object = None
    new: object = None

    @property
    def key(self) -> str:
        """The resource, as `Graph.key` gives it."""
        return self.graph.key(self.resource.urn)

    def is_told_by(self, found: tuple[Difference, ...]) -> bool:
        """Whether these differences tell of this change and of nothing else."""
        own = [one for one in found if one.key == self.key]
        if not own or not all(one.key == self.key or self._refers(one) for one in found):
            return False
        # What gave an element its name: one is gone, another is new.
        renamed = any(isinstance(part, int) for part in self.path) and self.path[-1] in {*NAMING, "title"}
        return len(own) <= (2 if renamed else 1) and all(_is_at(one.path, self.path, renamed) for one in own)

    def _refers(self, difference: Difference) -> bool:
        # Where a resource is gone, what referred to it refers to nothing that is known.
        told = f"{difference.path} {difference.left} {difference.right}"
        label = f"{self.resource.type}::{self.key.rsplit('::', 1)[-1]}"
        called = [label, *(one for one in self.resource.outputs.values() if isinstance(one, str) and one)]
        return self.what == "resource removed" and any(one in told for one in called)


def _is_at(told: str, path: Path, renamed: bool) -> bool:
    """Whether a told path is this one. `[]` or a name stands for an index; lists and elements may be told whole."""
    told_as = [""]
    whole = []
    for part in path[:-1] if renamed else path:
        if isinstance(part, int):
            told_as.append(rf"{told_as[-1]}(\[\]|\..+)")
            whole += told_as[-2:]
        else:
            told_as.append(f"{told_as[-1]}{chr(92)}.{re.escape(part)}" if told_as[-1] else re.escape(part))
    return any(re.fullmatch(pattern, told) for pattern in (told_as[-1], *whole))


def mutated(random: Random, graph: Graph, other: Graph) -> Mutation:
    """Return `graph` with one random change; `other` is the one that it will be compared with."""
    while True:
        resource = random.choice([one for one in graph if one.type != STACK])
        kinds = (_property, _property, _property, _twins, _twins, _element, _element, _option, _resource)
        kind = random.choice(kinds)
        found = kind(random, graph, resource, other)
        if found is not None:
            return found


def _resource(random: Random, graph: Graph, resource: Resource, other: Graph) -> Mutation:
    if random.random() < 0.5:
        rest = [one for one in graph if one is not resource]
        return Mutation(what="resource removed", graph=Graph.of(graph.stack, rest), resource=resource, path=())
    name = random.choice((f"{graph.stack}-spare", "spare", f"{other.stack}-spare", f"{resource.name}-2"))
    outputs = {key: f"{value}-spare" for key, value in resource.outputs.items() if isinstance(value, str)}
    added = replace(resource, urn=f"{resource.urn.rsplit('::', 1)[0]}::{name}", outputs=outputs)
    return Mutation(what="resource added", graph=Graph.of(graph.stack, [*graph, added]), resource=added, path=())


def _option(random: Random, graph: Graph, resource: Resource, other: Graph) -> Mutation:
    choice = random.choice(("protect", "retain_on_delete", "parent", "fewer", "more", "ignore_changes", "provider"))
    path: Path
    if choice in ("protect", "retain_on_delete"):
        flips = {"protect": not resource.protect, "retain_on_delete": not resource.retain_on_delete}
        changed = Resource(**{**vars(resource), choice: flips[choice]})
        path = ("(options)", "protect" if choice == "protect" else "retainOnDelete")
    elif choice == "parent":
        others = [one.urn for one in graph if one.urn not in (resource.urn, resource.parent)]
        changed, path = replace(resource, parent=random.choice(others)), ("(options)", "parent")
    elif choice == "provider":
        provider = f"urn:pulumi:{graph.stack}::eps-dos-api::pulumi:providers:aws::spare"
        changed, path = replace(resource, provider=provider), ("(options)", "provider")
    elif choice == "ignore_changes":
        changed = replace(resource, ignore_changes=(*resource.ignore_changes, "tags"))
        path = ("(options)", "ignoreChanges", 0)
    else:
        dependencies = list(resource.dependencies)
        if choice == "fewer" and dependencies:
            dependencies.remove(random.choice(dependencies))
        else:
            dependencies.append(random.choice([one.urn for one in graph if one.urn not in dependencies]))
        changed, path = replace(resource, dependencies=tuple(sorted(dependencies))), ("(options)", "dependencies", 0)
    what = "element" if isinstance(path[-1], int) else "option"
    return _with(graph, resource, changed, what=what, path=path)


def _property(random: Random, graph: Graph, resource: Resource, other: Graph) -> Mutation | None:
    places = list(_places(resource.inputs))
    kind = random.choice(("changed", "changed", "changed", "removed", "added"))
    if kind == "added":
        path = random.choice([(), *(path for path, value in places if isinstance(_plain(value), Mapping))])
        path = (*path, "spareProperty")
        new: object = random.choice(("spare", 7.0, True, ["spare"], {"a": "b"}))
        return _with_inputs(graph, resource, path, lambda _: new, what="property added", new=new)
    if not places:
        return None
    if kind == "changed" and random.random() < 0.9:
        places = [(path, value) for path, value in places if not isinstance(_plain(value), Mapping | list)] or places
    path, old = random.choice(places)
    if kind == "removed":
        if isinstance(path[-1], int):
            return None
        return _with_inputs(graph, resource, path, lambda _: _GONE, what="property removed", old=old)
    new = _another(random, old, graph, other)
    return _with_inputs(graph, resource, path, lambda _: new, what="value changed", old=old, new=new)


def _twins(random: Random, graph: Graph, resource: Resource, other: Graph) -> Mutation | None:
    """Give a property the value that the other environment has there: its number, its name, its resource."""
    key = graph.key(resource.urn)
    there = {path: value for one in other if other.key(one.urn) == key for path, value in _places(one.inputs)}
    places = [
        (path, value, there[path])
        for path, value in _places(resource.inputs)
        if path in there and isinstance(value, str | int | float) and _plain(value) is value and value != there[path]
    ]
    # Elements of lists stand in another order, and what is there twice is another change.
    places = [one for one in places if not any(isinstance(part, int) for part in one[0])]
    if not places:
        return None
    path, old, new = random.choice(places)
    return _with_inputs(graph, resource, path, lambda _: new, what="the other's value", old=old, new=new)


def _element(random: Random, graph: Graph, resource: Resource, other: Graph) -> Mutation | None:
    lists = [(path, value) for path, value in _places(resource.inputs) if isinstance(_plain(value), list)]
    if not lists:
        return None
    path, text = random.choice(lists)
    old = list(_plain(text))
    kind = random.choice(("added", "removed", "duplicated"))
    new = list(old)
    if kind == "added" or not old:
        one = _another(random, old[0], graph, other) if old else "spare"
        if old and isinstance(old[0], Mapping):
            one = {key: _another(random, value, graph, other) for key, value in old[0].items()}
        new.insert(random.randint(0, len(new)), one)
    elif kind == "removed":
        new.remove(random.choice(new))
    else:
        new.append(random.choice(new))
    return _with_inputs(graph, resource, path, lambda _: new, what="element", old=old, new=new)


def _another(random: Random, value: object, graph: Graph, other: Graph) -> object:
    """Return another value, mostly of the same kind."""
    if isinstance(value, bool):
        return random.choice((not value, float(value), str(value)))
    if isinstance(value, int | float):
        return random.choice((value + 1, value * 2 + 3, -value - 1, f"{value}", bool(value)))
    if isinstance(value, str) and _plain(value) is value:
        references = [str(one.outputs["id"]) for one in (*graph, *other) if one.outputs.get("id")]
        changed = (f"{value}-spare", f"x{value}", value[:-1], value.swapcase(), random.choice(references), "7")
        fits = [one for one in changed if one != value and not _means_the_same(one, value)]
        return random.choice(fits)
    return "spare"


def _means_the_same(one: str, other: str) -> bool:
    # A name in DNS has no case.
    return one.lower() == other.lower() and "." in one


_GONE = object()


def _places(value: object, path: Path = ()) -> list[tuple[Path, object]]:
    """Return every place inside a value, with what stands there; documents are looked into."""
    found: list[tuple[Path, object]] = [(path, value)] if path else []
    plain = _plain(value)
    if isinstance(plain, Mapping):
        for key, item in plain.items():
            found += _places(item, (*path, str(key))) if item is not None else []
    elif isinstance(plain, list | tuple):
        for index, item in enumerate(plain):
            found += _places(item, (*path, index))
    return found


_CLOUD_CONFIG = "#cloud-config\n"


def _plain(value: object) -> Any:
    """Return what a document holds; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        if value.startswith(("{", "[")):
            return json.loads(value)
        text = base64.b64decode(value, validate=True).decode()
        return json.loads(text.removeprefix(_CLOUD_CONFIG)) if text.startswith(_CLOUD_CONFIG) else value
    except ValueError:
        return value


def _again(document: object, like: object) -> object:
    """Return a document written as `like` was."""
    if not isinstance(like, str) or document is _GONE:
        return document
    if like.startswith(("{", "[")):
        return json.dumps(document)
    return base64.b64encode(f"{_CLOUD_CONFIG}{json.dumps(document)}".encode()).decode()


def _edited(value: object, path: Path, change: Callable[[object], object]) -> object:
    if not path:
        plain, new = _plain(value), change(value)
        return _again(new, value) if plain is not value and isinstance(new, list | dict) else new
    plain = _plain(value)
    first, rest = path[0], path[1:]
    if isinstance(plain, Mapping):
        items = {**plain, first: _edited(plain.get(str(first)), rest, change)}
        edited: object = {key: one for key, one in items.items() if one is not _GONE}
    else:
        edited = [_edited(one, rest, change) if index == first else one for index, one in enumerate(plain)]
    return _again(edited, value) if plain is not value else edited


def _with_inputs(
    graph: Graph, resource: Resource, path: Path, change: Callable[[object], object], **facts: Any
) -> Mutation:
    inputs: Any = _edited(dict(resource.inputs), path, change)
    if facts["what"] == "element":
        path = (*path, 0)
    return _with(graph, resource, replace(resource, inputs=inputs), path=path, **facts)


def _with(graph: Graph, resource: Resource, changed: Resource, **facts: Any) -> Mutation:
    resources = [changed if one is resource else one for one in graph]
    return Mutation(graph=Graph.of(graph.stack, resources), resource=resource, **facts)


def changed(graph: Graph, type_: str, name: str, path: Path, value: object) -> Graph:
    """Return `graph` with another value at one place of one resource's inputs; None takes away what is there."""
    resource = graph.one(type_, name)
    return _with_inputs(graph, resource, path, lambda _: _GONE if value is None else value, what="value changed").graph
