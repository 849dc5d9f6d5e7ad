"""A recorded graph as Terraform's JSON, for the provider that Pulumi's AWS provider is made from.

pulumi_aws is generated from that provider, so names follow from names: the token's module and name give the resource
type, camel case gives snake case, and the provider's own schema decides between the few readings (`aliases` is the
block `alias`). What only AWS would know is a made-up value in a recording; here it becomes a reference to the resource
that it was made for, wherever it stands, also inside a document. Left out: components, which are nothing in AWS; the
rollout, which is this project's own provider's; and protection, which Terraform would keep from being destroyed.

Sources: Terraform's "JSON Configuration Syntax", and "providers schema" for the schema's own form.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from infra.graph import Graph, Resource
from infra.recording import ACCOUNT_ID

Schema = Mapping[str, Any]
"""What `terraform providers schema -json` says of one provider."""

TYPES: Mapping[str, str] = {
    "aws:lb/loadBalancer:LoadBalancer": "aws_lb",
}
"""Where the provider's name of a type doesn't follow from pulumi_aws's."""

NAMED = frozenset({"aws_autoscaling_group"})
"""Types whose made-up names the deploying role's policy looks at; Terraform would make up some of another form."""
RANDOM_CHARACTERS = 7
"""That Pulumi puts after a hyphen at the end of the names that it makes up."""

LOOKED_UP = re.compile(r"get(?P<name>[A-Z]\w*)\((?P<arguments>\{.*\})\)")
"""How a recording writes the id of what a function looks up."""

HOSTED_ZONE = re.compile(r"Z-(?P<name>[a-z0-9-]+(?:\.[a-z0-9-]+)+)")
"""How a recording writes the id of a hosted zone that is there already."""

CALLER = "${data.aws_caller_identity.current.account_id}"
BASE64 = re.compile(r"[A-Za-z0-9+/]{64,}={0,2}")


class NotInSchemaError(LookupError):
    """The provider has no such type or property: a new exception for the tables above, or a newer provider's."""


def rendered(graph: Graph, schema: Schema, provider: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return `graph` as the content of a main.tf.json, for the provider hashicorp/aws of `version`.

    `provider` is the provider's configuration in Terraform's names. Raises NotInSchemaError where a name can't
    be derived.
    """
    return _Rendering(graph, schema).document(provider, version)


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Return what leads from one document to the next: `create`, `update` or `delete`, by address."""
    old, new = (
        {f"{kind}.{label}": body for kind, bodies in document["resource"].items() for label, body in bodies.items()}
        for document in (before, after)
    )
    created = dict.fromkeys(new.keys() - old.keys(), "create")
    deleted = dict.fromkeys(old.keys() - new.keys(), "delete")
    changed = [address for address in new.keys() & old.keys() if _said(new[address]) != _said(old[address])]
    return {**created, **deleted, **dict.fromkeys(changed, "update")}


def type_of(token: str, schema: Schema) -> str:
    """Return the Terraform type of Pulumi's `token`: `aws:ec2/eip:Eip` is aws_eip."""
    _, path, _ = token.split(":")
    module, _, name = path.partition("/")
    types = schema["resource_schemas"]
    candidates = (TYPES.get(token, ""), f"aws_{module}_{_snake(name)}", f"aws_{_snake(name)}")
    fitting = next((candidate for candidate in candidates if candidate in types), None)
    if fitting is None:
        raise NotInSchemaError(f"{token}: the provider has none of {', '.join(filter(None, candidates))}")
    return fitting


def property_of(name: str, block: Mapping[str, Any], kind: str = "") -> str:
    """Return the Terraform name of Pulumi's property `name` in a block of the schema; `kind` is the resource type."""
    snake = _snake(name)
    # A list's plural: `subnetMappings` is the block subnet_mapping, `aliases` alias, `entries` entry.
    singular = (re.sub(plural, one, snake) for plural, one in (("s$", ""), ("es$", ""), ("ies$", "y")))
    candidates = [snake, *singular, f"{kind.rpartition('_')[2]}_{snake}"]
    there = {**block.get("attributes", {}), **block.get("block_types", {})}
    fitting = next((candidate for candidate in candidates if candidate in there), None)
    if fitting is None:
        raise NotInSchemaError(f"{kind}: {name} is none of {', '.join(sorted(there))}")
    return fitting


@dataclass
class _Rendering:
    graph: Graph
    schema: Schema
    data: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"aws_caller_identity": {"current": {}}}  # the account that is worked in
    )

    def document(self, provider: Mapping[str, Any], version: str) -> dict[str, Any]:
        resources: dict[str, dict[str, Any]] = {}
        for resource in self._real():
            resources.setdefault(self._type(resource), {})[_label(resource)] = self._body(resource)
        return {
            "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": version}}},
            "provider": {"aws": provider},
            "data": self.data,
            "resource": resources,
        }

    def _real(self) -> Iterator[Resource]:
        return (resource for resource in self.graph if resource.type.startswith("aws:"))

    def _type(self, resource: Resource) -> str:
        return type_of(resource.type, self.schema)

    def _block(self, resource: Resource) -> Mapping[str, Any]:
        block: Mapping[str, Any] = self.schema["resource_schemas"][self._type(resource)]["block"]
        return block

    def _body(self, resource: Resource) -> dict[str, Any]:
        kind, block = self._type(resource), self._block(resource)
        body = self._object(resource.inputs, block, kind)
        for name, attribute in block.get("attributes", {}).items():
            # Pulumi makes a name up where the program gives none; Terraform does so for some types only.
            if attribute.get("required") and name not in body and name.endswith("name"):
                body[name] = resource.name
        if kind in NAMED and "name" not in body:
            body["name"] = f"{resource.name}-{'0' * RANDOM_CHARACTERS}"
        if resource.ignore_changes:
            body["lifecycle"] = {"ignore_changes": [property_of(name, block, kind) for name in resource.ignore_changes]}
        needed = sorted(set(self._needed(resource)))
        return {**body, "depends_on": needed} if needed else body

    def _needed(self, resource: Resource) -> Iterator[str]:
        """What must be there first: a component's children wait for what the component waits for."""
        within: Resource | None = resource
        while within is not None:
            for urn in within.dependencies:
                other = self.graph.resources[urn]
                if other.type.startswith("aws:"):
                    yield f"{self._type(other)}.{_label(other)}"
            within = self.graph.resources.get(within.parent or "")

    def _object(self, values: Mapping[str, Any], block: Mapping[str, Any], kind: str) -> dict[str, Any]:
        rendered: dict[str, Any] = {}
        for name, value in values.items():
            here = property_of(name, block, kind)
            inner = block.get("block_types", {}).get(here)
            rendered[here] = self._attribute(value, block["attributes"][here]) if inner is None else (
                [self._object(each, inner["block"], here) for each in value]
                if isinstance(value, list | tuple)
                else self._object(value, inner["block"], here)
            )  # fmt: skip
        return rendered

    def _attribute(self, value: Any, attribute: Mapping[str, Any]) -> Any:
        match attribute["type"]:
            case [("set" | "list"), ["object", members]]:
                # A block that the provider has as an attribute: each part must be said, if only to be null.
                return [{**dict.fromkeys(members), **self._object(each, {"attributes": _as_attributes(members)}, "")}
                        for each in value]  # fmt: skip
            case _:
                return self._value(value)

    def _value(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(each) for each in value]
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        looked_up = LOOKED_UP.fullmatch(text)
        if looked_up:
            return self._looked_up(_snake(looked_up["name"]), json.loads(looked_up["arguments"]))
        if BASE64.fullmatch(text):
            inside = self._text(base64.b64decode(text).decode())
            return f"${{base64encode({json.dumps(inside)})}}" if "${" in inside else text
        escaped = text.replace("${", "$${").replace("%{", "%%{")
        return self._pattern.sub(lambda match: self._references.get(match[0]) or self._hosted_zone(match[0]), escaped)

    @cached_property
    def _references(self) -> Mapping[str, str]:
        """What a recording made up -> the reference to what AWS will have there."""
        references = {ACCOUNT_ID: CALLER}
        for resource in self._real():
            kind, attributes = self._type(resource), self._block(resource)["attributes"]
            for name, value in resource.outputs.items():
                if name in resource.inputs or not isinstance(value, str):
                    continue
                try:
                    attribute = property_of(name, {"attributes": attributes}, kind)
                except NotInSchemaError:  # made up for every type alike
                    continue
                references[value] = f"${{{kind}.{_label(resource)}.{attribute}}}"
        return references

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self._references, key=len, reverse=True)
        return re.compile("|".join([*map(re.escape, longest_first), HOSTED_ZONE.pattern.replace("?P<name>", "?:")]))

    def _hosted_zone(self, text: str) -> str:
        match = HOSTED_ZONE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text} is no hosted zone of a recording")
        return self._looked_up("route53_zone", {"name": match["name"]}, "zone_id")

    def _looked_up(self, name: str, arguments: Mapping[str, Any], attribute: str = "id") -> str:
        kind = f"aws_{name}"
        label = re.sub(r"\W+", "-", "-".join(str(each) for each in _leaves(arguments))).strip("-")
        block = self.schema["data_source_schemas"][kind]["block"]
        self.data.setdefault(kind, {})[f"x-{label}"] = self._object(arguments, block, kind)
        return f"${{data.{kind}.x-{label}.{attribute}}}"


def _said(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "depends_on"}


def _as_attributes(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"type": type_} for name, type_ in members.items()}


def _leaves(value: Any) -> Iterator[Any]:
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else None
    if inside is None:
        yield value
    else:
        for each in inside:
            yield from _leaves(each)


def _label(resource: Resource) -> str:
    return resource.name


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
