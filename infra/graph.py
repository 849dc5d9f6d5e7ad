"""A graph of resources, and the comparison of two: what mirror, review, doctor and the rules all read.

One shape for several sources: the program recorded without a cloud (`infra.recording`), a stack's export, a preview's
JSON. Two graphs are compared by what things are and refer to, not by how they happen to be called: a resource is known
by its type, its logical name without the stack's, and its parents; an id, ARN or address that belongs to a resource of
the graph is compared as a reference to that resource. Left out: what may differ and why, which the caller says.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from operator import itemgetter
from typing import TypeAlias

from infra import types
from infra.values import mapping, objects, sequence

Value: TypeAlias = object
"""What JSON can hold, or one of the marks below."""

SECRET_KEY = "4dabf18193072939515e22adb298388d"  # noqa: S105 - the key under which Pulumi marks values, not a secret
SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - what stands there for a secret (Pulumi, sdk/resource/sig)
UNKNOWN_MARKS = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
    }
)
"""What stands for a value that isn't known before `up`, by type (Pulumi, sdk/resource/plugin/rpc.go)."""


class Mark:
    """A value that is told apart from every value a resource can have."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


UNKNOWN = Mark("[known after up]")
SECRET = Mark("[secret]")
ABSENT = Mark("[absent]")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of a stack. Inputs and outputs have Pulumi's property names, secrets as `SECRET`."""

    urn: str
    type: str
    inputs: Mapping[str, Value]
    outputs: Mapping[str, Value]
    parent: str | None = None
    """URN; None for the stack itself."""
    dependencies: tuple[str, ...] = ()
    """URNs, sorted."""
    protect: bool = False
    retain_on_delete: bool = False
    ignore_changes: tuple[str, ...] = ()
    provider: str = ""
    """URN of the provider; empty for components."""

    @property
    def name(self) -> str:
        """The logical name, the last part of the URN."""
        return self.urn.rsplit("::", 1)[-1]


@dataclass(frozen=True)
class Graph:
    """All resources of one stack, by URN, in the order of their source."""

    stack: str
    resources: Mapping[str, Resource] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    """Names that mean the same thing in both graphs of a comparison, though one owns it: compared as written."""

    @classmethod
    def of(cls, stack: str, resources: Iterable[Resource]) -> "Graph":
        """Return the graph of `resources`."""
        return cls(stack, {resource.urn: resource for resource in resources})

    @classmethod
    def from_export(cls, export: Mapping[str, Value]) -> "Graph":
        """Return the graph in what `pulumi stack export` prints; resources waiting to be deleted are left out.

        Raises ValueError if `export` is something else.
        """
        deployment = export.get("deployment")
        if not isinstance(deployment, Mapping):
            raise ValueError("not an export of a stack: it has no deployment; make one with: pulumi stack export")
        states = [state for state in deployment.get("resources") or [] if not state.get("delete")]
        return cls._from_states(states)

    @classmethod
    def from_preview(cls, preview: Mapping[str, Value]) -> "Graph":
        """Return the graph that would be, in what `pulumi preview --json --show-sames` prints."""
        steps = preview.get("steps")
        if not isinstance(steps, Sequence):
            raise ValueError("not a preview: it has no steps; make one with: pulumi preview --json --show-sames")
        return cls._from_states([step["newState"] for step in steps if step.get("newState")])

    @classmethod
    def _from_states(cls, states: Sequence[Mapping[str, Value]]) -> "Graph":
        resources = [_from_state(state) for state in states]
        stack = resources[0].urn.split("::")[0].rsplit(":", 1)[-1] if resources else ""
        return cls.of(stack, resources)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources.values())

    def of_type(self, type_: str) -> tuple[Resource, ...]:
        """Return the resources of Pulumi type `type_`, such as `aws:ec2/eip:Eip`."""
        return tuple(resource for resource in self if resource.type == type_)

    def sharing(self, names: Iterable[str]) -> "Graph":
        """Return this graph, with `names` compared as they are written."""
        return replace(self, shared=frozenset(names))

    def one(self, type_: str, name: str) -> Resource:
        """Return the one resource of that type and logical name.

        Raises LookupError with the list of those of the type, if there is none or more than one.
        """
        of_type = self.of_type(type_)
        matching = [resource for resource in of_type if resource.name == name]
        if len(matching) != 1:
            there = ", ".join(sorted(resource.name for resource in of_type)) or "none"
            raise LookupError(f"{self.stack}: {len(matching)} of {type_} named {name}; of this type there are: {there}")
        return matching[0]

    def key(self, urn: str) -> str:
        """Return what a resource is, whichever stack it is in: types and own name, less the stack's."""
        type_, name = urn.split("::")[-2:]
        if type_ == types.STACK:
            return f"{types.STACK}::<stack>"
        if type_.startswith(types.PROVIDERS):
            # The program's own name for it, which a stack may happen to have, too.
            return f"{type_}::{name}"
        return f"{type_}::{_without_stack(name, self.stack)}"

    @cached_property
    def identities(self) -> Mapping[str, str]:
        """What identifies resources of this graph (ids, ARNs, names, addresses) -> the reference that stands for it."""
        references = {name: f"<shared {name}>" for name in self.shared}
        # A name that the program gives may be that of several, a role and its log group, and states are in any order:
        # the first by kind gives the reference.
        labels = [(f"{resource.type}::{_without_stack(resource.name, self.stack)}", resource) for resource in self]
        for label, resource in sorted(labels, key=itemgetter(0)):
            # A stack and its components are nothing in AWS, and a record's name is chosen: compared as it is written.
            if "id" not in resource.outputs or resource.type == types.RECORD:
                continue
            for property_name in IDENTIFYING:
                value = resource.outputs.get(property_name)
                # What holds a shared name (the ARN of a bucket) stays as it is, in both graphs alike.
                named = isinstance(value, str) and len(value) >= SHORTEST_IDENTITY
                # The dashboard's whole name is how others begin.
                named = named and value != f"{PREFIX}-{self.stack}"
                if named and not any(name in str(value) for name in self.shared):
                    references.setdefault(str(value), f"<{label}.{property_name}>")
        return references

    def normalised(self, value: Value) -> Value:
        """Return `value` with JSON parsed, and with what identifies resources of this graph, or it, made references.

        The stack's own name is taken out where the program puts it (`OWN_NAMES`, `PREFIX`) and nowhere else: people may
        have written the same word anywhere.
        """
        if isinstance(value, Mapping):
            tag = value.get("key")
            return {
                str(key): self._own_name(item)
                if key in OWN_NAMES or (key == "value" and tag in OWN_NAMES)
                else self.normalised(item)
                for key, item in value.items()
                if item is not None
            }
        if isinstance(value, list | tuple):
            return [self.normalised(item) for item in value]
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return value
        if isinstance(value, int | float):
            return float(value)
        document = json_document(value)
        if document is not None:
            return self.normalised(document)
        # In one pass, because a reference may hold the stack's name too.
        return self._pattern.sub(lambda match: self.identities.get(match[0], "<stack>"), value)

    def _own_name(self, value: Value) -> Value:
        return _without_stack(value, self.stack) if isinstance(value, str) else self.normalised(value)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # The longest first, so that an ARN is one reference and not a name inside a text.
        longest_first = sorted(set(self.identities) - {""}, key=len, reverse=True)
        own = [_own_name_pattern(self.stack)] if self.stack else []
        inside = "|".join([*(re.escape(identity) for identity in longest_first), *own])
        return re.compile(rf"(?<![A-Za-z0-9])(?:{inside})(?![A-Za-z0-9])" if inside else r"(?!)")


PREFIX = "eps-dos-api"
"""What the program puts before the stack's name where names are everybody's: `eps-dos-api-live-service`."""

OWN_NAMES = frozenset({"Environment", "Name", "environment", "scheduledActionName"})
"""Keys, of tags too, under which the program gives the stack's name, or a logical name, and nothing else."""


def _own_name_pattern(stack: str) -> str:
    return rf"(?<={PREFIX}[-/]){re.escape(stack)}"


def without_own_name(text: str, stack: str) -> str:
    """Return a text as the graph of `stack` has it, if it identifies no resource."""
    return re.sub(rf"{_own_name_pattern(stack)}(?![A-Za-z0-9])", "<stack>", text)


IDENTIFYING = (
    "arn",
    "id",
    "allocationId",
    "publicIp",
    "prefixListId",
    "dnsName",
    "arnSuffix",
    "name",
    "bucket",
    "zoneId",
)
"""Outputs that tell one resource from all others; an earlier one gives the reference its name."""

CLOUD_CONFIG_BASE64 = "I2Nsb3VkLWNvbmZpZw"
"""How `#cloud-config` begins in base64."""

SHORTEST_IDENTITY = 6
"""A shorter text than this could stand in another by chance."""


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """A difference that may be, and why. Patterns are as in `fnmatch`: `*` stands for anything."""

    type: str
    path: str
    reason: str
    holds: Callable[[Value, Value], bool] | None = None
    """What the two values must satisfy; None: they may be anything."""
    name: str = "*"
    """The logical name, less the stack's: `<stack>-at-maximum`."""
    must: bool = False
    """What doesn't satisfy `holds` is a difference even where two values are equal: one isn't what it has to be."""
    whole: bool = False
    """A list there is one value: `holds` gets both lists, not an element that one has and the other hasn't."""
    besides: tuple[str, ...] = ()
    """Types that the pattern covers and that aren't meant."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One property in which two graphs differ, or a resource that only one has (path empty)."""

    key: str
    """The resource, as `Graph.key` gives it."""
    path: str
    left: Value
    right: Value
    allowed: Allowed | None = None
    """The entry that lets it be; None: it may not."""

    @property
    def type(self) -> str:
        """The Pulumi type of the resource."""
        return _type_of(self.key)


def compare(
    left: Graph, right: Graph, allowed: Sequence[Allowed] = (), *, keyed: bool = False
) -> tuple[Difference, ...]:
    """Return every difference of two graphs, in order of resource and property, each with the entry that allows it.

    Compared are inputs, parents, dependencies, protection, retention and ignored changes. An entry of `allowed` counts
    only if its condition holds for the two values; otherwise the difference stands as one that may not be. Lists are
    compared without regard to order, which AWS's lists of ids, rules and entries don't have; with `keyed`, those of
    objects that have a name (`NAMING`) element by element: `entries.192.0.2.0/28.description`.
    """
    differences: list[Difference] = []
    lefts, rights = ({graph.key(resource.urn): resource for resource in graph} for graph in (left, right))
    for key in sorted(lefts.keys() | rights.keys()):
        if key not in lefts or key not in rights:
            present = (key, ABSENT) if key in lefts else (ABSENT, key)
            differences.append(_judged(Difference(key=key, path="", left=present[0], right=present[1]), allowed))
            continue
        both = _compared(left, lefts[key]), _compared(right, rights[key])
        if keyed:
            both = named_both(*both)
        here = [entry for entry in allowed if _is_of(entry, key)]
        whole = [entry.path for entry in here if entry.whole]
        judged = [
            _judged(Difference(key=key, path=path, left=left_value, right=right_value), here)
            for path, left_value, right_value in differing(*both, whole=whole)
        ]
        differences += [*judged, *_not_as_it_must_be(key, both, here, judged)]
    return tuple(differences)


def differing(
    left: Value, right: Value, path: str = "", whole: Sequence[str] = ()
) -> Iterator[tuple[str, Value, Value]]:
    """Yield (path, left, right) wherever two normalised values differ: `healthCheck.interval`, `entries[]`.

    Elements of lists that only one side has are paired in order if both have equally many, so that one changed number
    in a list of objects is one difference. Lists at paths that match one of `whole` stay whole.
    """
    # A list without elements has none with a name either (`named`).
    left = {} if left == [] and isinstance(right, Mapping) else left
    right = {} if right == [] and isinstance(left, Mapping) else right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in sorted(left.keys() | right.keys()):
            inside = f"{path}.{key}" if path else key
            yield from differing(left.get(key, ABSENT), right.get(key, ABSENT), inside, whole)
    elif isinstance(left, list) and isinstance(right, list):
        only_left, only_right = only_in_one(left, right)
        if (only_left or only_right) and any(_path_matches(path, pattern) for pattern in whole):
            yield path, left, right
        elif len(only_left) == len(only_right):
            for pair in zip(only_left, only_right, strict=True):
                yield from differing(*pair, f"{path}[]", whole)
        else:
            yield from ((f"{path}[]", element, ABSENT) for element in only_left)
            yield from ((f"{path}[]", ABSENT, element) for element in only_right)
    # In Python True is 1; in AWS a switch is no number.
    elif left != right or isinstance(left, bool) != isinstance(right, bool):
        yield path, left, right


def _not_as_it_must_be(
    key: str, both: tuple[Value, Value], here: Sequence[Allowed], differences: Sequence[Difference]
) -> Iterator[Difference]:
    """Yield what `here` doesn't let stand and `differences` lack: equal values, objects whose parts may all differ."""
    wrong = [difference.path for difference in differences if difference.allowed is None]
    for entry in here:
        for path, left, right in _values_at(entry.path, *both) if entry.must and entry.holds else ():
            reported = any(other.startswith(path) or path.startswith(other) for other in wrong)
            if not reported and entry.holds and not entry.holds(left, right):
                yield Difference(key=key, path=path, left=left, right=right)


def _values_at(
    path: str, left: Value, right: Value, reached: str = "", exact: bool = True
) -> Iterator[tuple[str, Value, Value]]:
    """Yield (path, left, right) of the values at `path`, where both have one; `*` as a part stands for any key.

    Where neither has a value, both are ABSENT if both have what it would be in; never behind a `*`, which names no key.
    """
    if not path:
        yield reached, left, right
        return
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return
    there = [key for key in left.keys() | right.keys() if path == key or path.startswith(f"{key}.")]
    if reached and not there and exact and not path.startswith("*"):
        yield f"{reached}.{path}", ABSENT, ABSENT
    for key in sorted(left.keys() & right.keys()):
        first, _, rest_of_any = path.partition(".")
        if first == "*":
            rest = rest_of_any
        elif path == key or path.startswith(f"{key}."):
            # A key may hold dots itself.
            rest = path[len(key) + 1 :]
        else:
            continue
        inside = f"{reached}.{key}" if reached else key
        yield from _values_at(rest, left[key], right[key], inside, exact and first != "*")


NAMING = ("Sid", "cidr", "key", "label", "subnetId", "resourceType", "deviceName", "deviceIndex", "path", "title")
"""Properties by which people know the elements of a list; the first one that all have, each another, counts."""


def named(value: Value) -> Value:
    """Return `value`, normalised, with lists of objects that have names (`NAMING`) made mappings by name."""
    if isinstance(value, Mapping):
        return {key: named(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    for naming in NAMING if value else ():
        names = _names(value, naming)
        if names and len(set(names)) == len(names):
            return {name: named(element) for name, element in zip(names, value, strict=True)}
    return [named(element) for element in value]


def named_both(left: Value, right: Value) -> tuple[Value, Value]:
    """Return two normalised values as `named` does, lists that both have by the same property.

    Where one side has a name twice, its second is `NAME#2`.
    """
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        pairs = {key: named_both(left.get(key, ABSENT), right.get(key, ABSENT)) for key in left.keys() | right.keys()}
        return tuple(  # type: ignore[return-value]  # two
            {key: pair[side] for key, pair in pairs.items() if pair[side] is not ABSENT} for side in (0, 1)
        )
    if isinstance(left, list) and isinstance(right, list) and left and right:
        for naming in NAMING:
            names, others = _names(left, naming), _names(right, naming)
            if names and others and any(len(set(side)) == len(side) for side in (names, others)):
                return named_both(_by_name(names, left), _by_name(others, right))
    return named(left), named(right)


def _names(elements: Sequence[Value], naming: str) -> list[str] | None:
    """Return the names of objects by the property `naming`; None unless all are objects that have one."""
    names = [_name_of(element, naming) if isinstance(element, Mapping) else None for element in elements]
    return [str(name) for name in names] if all(isinstance(name, str | float) for name in names) else None


def _by_name(names: Sequence[str], elements: Sequence[Value]) -> dict[str, Value]:
    seen = Counter[str]()
    by_name = {}
    for name, element in zip(names, elements, strict=True):
        seen[name] += 1
        by_name[name if seen[name] == 1 else f"{name}#{seen[name]}"] = element
    return by_name


def _name_of(element: Mapping[str, Value], naming: str) -> Value:
    # A dashboard's widget has its title among its properties.
    properties = element.get("properties") if naming == "title" else element
    return properties.get(naming) if isinstance(properties, Mapping) else None


def only_in_one(left: list[Value], right: list[Value]) -> tuple[list[Value], list[Value]]:
    """Return the elements that only the left list has, and those that only the right has, whatever their order."""
    rest = list(right)
    only_left = []
    for item in left:
        twin = next((index for index, other in enumerate(rest) if same(item, other)), None)
        if twin is None:
            only_left.append(item)
        else:
            del rest[twin]
    return sorted(only_left, key=_order), sorted(rest, key=_order)


def same(left: Value, right: Value) -> bool:
    """Return whether two normalised values are the same, as `differing` sees it."""
    return next(differing(left, right), None) is None


def _order(value: Value) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _compared(graph: Graph, resource: Resource) -> Value:
    inputs = graph.normalised(resource.inputs)
    options = {
        "parent": graph.key(resource.parent) if resource.parent else ABSENT,
        "dependencies": sorted(graph.key(urn) for urn in resource.dependencies),
        "protect": resource.protect,
        "retainOnDelete": resource.retain_on_delete,
        "ignoreChanges": sorted(resource.ignore_changes),
        "provider": graph.key(resource.provider) if resource.provider else ABSENT,
    }
    return {**(inputs if isinstance(inputs, dict) else {}), "(options)": options}


def _judged(difference: Difference, allowed: Sequence[Allowed]) -> Difference:
    """Return a difference with the entry that lets it be, if one does."""
    for entry in allowed:
        if not _is_of(entry, difference.key) or not _path_matches(difference.path, entry.path):
            continue
        if entry.holds is None or entry.holds(difference.left, difference.right):
            return replace(difference, allowed=entry)
    return difference


def _is_of(entry: Allowed, key: str) -> bool:
    type_, name = _type_of(key), key.rsplit("::", 1)[-1]
    return fnmatchcase(type_, entry.type) and type_ not in entry.besides and fnmatchcase(name, entry.name)


def _type_of(key: str) -> str:
    return key.split("::")[0].rsplit("$", 1)[-1]


def _path_matches(path: str, pattern: str) -> bool:
    # fnmatch takes [] for a set of characters; in a path it says "an element".
    return fnmatchcase(path.replace("[]", "/"), pattern.replace("[]", "/"))


def _from_state(state: Mapping[str, Value]) -> Resource:
    options = {key: state.get(key) for key in ("parent", "provider", "dependencies", "ignoreChanges")}
    urn = str(state["urn"])
    return Resource(
        urn=urn,
        type=str(state["type"]),
        inputs=plain_properties(state.get("inputs")),
        outputs={**plain_properties(state.get("outputs")), **({"id": state["id"]} if state.get("id") else {})},
        parent=str(options["parent"]) if options["parent"] else None,
        dependencies=tuple(sorted(map(str, sequence(options["dependencies"])))),
        protect=bool(state.get("protect", False)),
        retain_on_delete=bool(state.get("retainOnDelete", False)),
        ignore_changes=tuple(sorted(map(str, sequence(options["ignoreChanges"])))),
        # A reference to a provider is its URN and its id, joined by ::.
        provider=str(options["provider"]).rsplit("::", 1)[0] if options["provider"] else "",
    )


def plain_properties(properties: Value) -> dict[str, Value]:
    """Return properties without Pulumi's own (`__defaults`, `__provider`), unknown values and secrets as marks."""
    plain = _plain(properties or {})
    return plain if isinstance(plain, dict) else {}


def _plain(value: Value) -> Value:
    if isinstance(value, Mapping):
        if value.get(SECRET_KEY) == SECRET_MARK:
            return SECRET
        return {str(key): _plain(item) for key, item in value.items() if not str(key).startswith("__")}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return UNKNOWN if isinstance(value, str) and value in UNKNOWN_MARKS else value


def _without_stack(name: str, stack: str) -> str:
    if name == stack:
        return "<stack>"
    return f"<stack>{name.removeprefix(stack)}" if name.startswith(f"{stack}-") else name


def policy_statements(document: Value) -> tuple[Mapping[str, Value], ...]:
    """Return the statements of an IAM policy, given as JSON or parsed; none if it is neither.

    A single statement may stand without its list (IAM JSON policy grammar).
    """
    parsed = json_document(document) if isinstance(document, str) else document
    statements = parsed.get("Statement", []) if isinstance(parsed, Mapping) else []
    return tuple(objects(statements if isinstance(statements, list) else [statements]))


def canonical_statement(statement: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return what a statement of a policy says, in one of its legal forms and without its Sid.

    A list of a single value is that value, lists have no order, names of actions and condition keys no case, and
    everybody is `*` or `{"AWS": "*"}` (IAM guide: JSON policy grammar; JSON policy elements, Action, Condition,
    Principal).
    """
    said = {key: _canonical(value) for key, value in statement.items() if key != "Sid"}
    for key in ("Principal", "NotPrincipal"):
        if said.get(key) == "*":
            said[key] = {"AWS": "*"}
    for key in ("Action", "NotAction"):
        if key in said:
            said[key] = json.loads(json.dumps(said[key]).lower())
    operators = mapping(said.get("Condition"))
    if operators:
        said["Condition"] = {
            operator: {key.lower(): value for key, value in mapping(tests).items()}
            for operator, tests in operators.items()
        }
    return said


def _canonical(value: Value) -> Value:
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = sorted((_canonical(item) for item in value), key=str)
        return items[0] if len(items) == 1 else items
    return str(value).lower() if isinstance(value, bool) else value


def json_document(text: str) -> Value | None:
    """Return what `text` holds if it is JSON (a policy, a dashboard) or user data as `user_data` writes it."""
    try:
        if text.startswith(CLOUD_CONFIG_BASE64):
            text = base64.b64decode(text).decode().removeprefix("#cloud-config\n")
        if not text.startswith(("{", "[")):
            return None
        return json.loads(text)  # type: ignore[no-any-return]  # whatever JSON holds is a Value
    except (ValueError, RecursionError):
        # Cut off, or nested too deeply: a text like any other.
        return None
