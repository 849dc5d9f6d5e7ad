"""Forms of values: how a property's value is sent to AWS, taken from AWS's description, and compared.

Comparing is where a stand-in goes wrong first: order in a set, the layout of a JSON document and the case of a name
mean nothing to AWS, and a preview that shows them as changes is useless. A form knows what means nothing. Left out:
which property has which form (rows), types of values (schema).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.provider.changes import Change, Kind, key_path
from lab.provider.wire import UNKNOWN, has_unknown

DEFAULTS = "__defaults"
"""The bridge's list, in inputs and in the objects inside them, of the properties which the check filled in."""


class Form:
    """A value that AWS takes and gives as it is: a scalar, a list in order, a map."""

    def send(self, value: Any) -> Any:
        """Return what a call's parameter takes for this value."""
        return value

    def receive(self, value: Any) -> Any:
        """Return the property's value for what the description has."""
        return value

    def changes(self, path: str, new: Any, old: Any, before: Any) -> Iterator[Change]:
        """Yield what differs between the wanted value and the actual one.

        `before` is what was wanted last time: only what the program says, or said and no longer says, counts; the rest
        of the actual value is AWS's own. A value nobody can know yet differs from everything.
        """
        if _is_nothing(new) and _is_nothing(old):
            return
        if new is UNKNOWN or _is_nothing(old):
            yield Change(path, Kind.ADD if _is_nothing(old) else Kind.UPDATE)
        elif new is None:
            yield Change(path, Kind.DELETE)
        else:
            yield from self._differences(path, new, old, before)

    def same(self, wanted: Any, actual: Any) -> bool:
        """Tell whether the actual value is the wanted one, whatever else AWS adds to it."""
        return not any(self.changes("", wanted, actual, wanted))

    def keep(self, wanted: Any, actual: Any) -> Any:
        """Return the actual value in the words of the wanted one, as far as they mean the same."""
        return wanted if wanted is not None and self.same(wanted, actual) else actual

    def completed(self, value: Any) -> Any:
        """Return the value with the defaults of its parts, and the bridge's list of those in each object."""
        return value

    def as_input(self, said: Any, actual: Any) -> Any:  # noqa: ARG002 a plain value has no parts
        """Return what a program would say to have the actual value, no more than it `said` where AWS adds things."""
        return actual

    def unimplemented(self, path: str, value: Any) -> Iterator[str]:  # noqa: ARG002 nothing is, in a plain value
        """Yield the paths inside a value which pulumi_aws knows and this form doesn't."""
        yield from ()

    def _differences(self, path: str, new: Any, old: Any, before: Any) -> Iterator[Change]:
        if isinstance(new, dict) and isinstance(old, dict):
            said = before if isinstance(before, dict) else {}
            for key in sorted(new.keys() | old.keys() | said.keys()):
                if not key.startswith("__"):
                    yield from PLAIN.changes(key_path(path, key), new.get(key), old.get(key), said.get(key))
        elif isinstance(new, list) and isinstance(old, list):
            yield from _by_position(PLAIN, path, new, old, before)
        elif self._meaning(new) != self._meaning(old):
            yield Change(path, Kind.UPDATE)

    def _meaning(self, value: Any) -> Any:
        """Return what two values have in common that are the same to AWS."""
        return value


PLAIN = Form()


class TextFlag(Form):
    """A flag that Pulumi's schema has as a text ("true"), and AWS as a boolean."""

    def send(self, value: Any) -> Any:
        return str(value).lower() == "true"

    def receive(self, value: Any) -> Any:
        return None if value is None else str(value).lower()


class FlagText(Form):
    """A flag that AWS has as a text ("true"), as load balancer attributes do."""

    def send(self, value: Any) -> Any:
        return str(value).lower()

    def receive(self, value: Any) -> Any:
        return None if value is None else str(value).lower() == "true"


class NumberText(Form):
    """A number that AWS has as a text."""

    def send(self, value: Any) -> Any:
        return str(value)

    def receive(self, value: Any) -> Any:
        return None if value in (None, "") else int(value)


class DomainName(Form):
    """A DNS name: its case, and a dot at its end, mean nothing; `\\052` is the asterisk that Route 53 escapes."""

    def receive(self, value: Any) -> Any:
        return None if value is None else _plain_name(value)

    def keep(self, wanted: Any, actual: Any) -> Any:  # noqa: ARG002 as in Form
        # As the real provider's state does.
        return self.receive(actual)

    def _meaning(self, value: Any) -> Any:
        return _plain_name(value)


class Caseless(Form):
    """A word whose case means nothing: a protocol."""

    def _meaning(self, value: Any) -> Any:
        return str(value).lower()


@dataclass(frozen=True)
class Renamed(Form):
    """A value for which Pulumi and AWS have different words: {Pulumi's: AWS's}. Other values stay."""

    words: Mapping[Any, Any]

    def send(self, value: Any) -> Any:
        return self.words.get(value, value)

    def receive(self, value: Any) -> Any:
        return next((ours for ours, theirs in self.words.items() if theirs == value), value)


@dataclass(frozen=True)
class Synonyms(Form):
    """A word that has others of the same meaning: {a synonym: the word}. The protocol 6 is tcp."""

    words: Mapping[str, str]

    def _meaning(self, value: Any) -> Any:
        lower = str(value).lower()
        return self.words.get(lower, lower)


class Document(Form):
    """A JSON document as a text: layout and the order of keys mean nothing."""

    def receive(self, value: Any) -> Any:
        return json.dumps(value, separators=(",", ":")) if isinstance(value, dict | list) else value

    def _meaning(self, value: Any) -> Any:
        try:
            return self._normalised(json.loads(value))
        except ValueError:
            return value

    def _normalised(self, parsed: Any) -> Any:
        return parsed


class Policy(Document):
    """An IAM policy document: besides, one text or a list of it are the same, and such lists have no order.

    Source: IAM user guide, "Grammar of the IAM JSON policy language".
    """

    def _normalised(self, parsed: Any) -> Any:
        if isinstance(parsed, dict):
            return {key: self._normalised(self._statements(key, value)) for key, value in parsed.items()}
        if isinstance(parsed, list):
            if all(isinstance(item, str | bool | int | float) for item in parsed):
                words = sorted({str(item).lower() if isinstance(item, bool) else str(item) for item in parsed})
                return words[0] if len(words) == 1 else words
            return [self._normalised(item) for item in parsed]
        return str(parsed).lower() if isinstance(parsed, bool) else parsed

    @staticmethod
    def _statements(key: str, value: Any) -> Any:
        if key == "Statement" and isinstance(value, dict):
            return [value]
        # "*" stands for every AWS principal.
        return {"AWS": "*"} if key == "Principal" and value == "*" else value


class Joined(Form):
    """A set of texts that AWS has as one text with commas."""

    def send(self, value: Any) -> Any:
        return ",".join(value)

    def receive(self, value: Any) -> Any:
        return [word for word in value.split(",") if word] or None if value else None

    def _differences(self, path: str, new: Any, old: Any, before: Any) -> Iterator[Change]:
        return SetOf().changes(path, new, old, before)


@dataclass(frozen=True)
class Pairs(Form):
    """A map that AWS has as a list of objects with these two keys: the dimensions of a metric."""

    key: str = "Name"
    value: str = "Value"

    def send(self, value: Any) -> Any:
        return [{self.key: key, self.value: item} for key, item in sorted(value.items())]

    def receive(self, value: Any) -> Any:
        return {item[self.key]: item.get(self.value, "") for item in value or ()} or None


@dataclass(frozen=True)
class TagMap(Pairs):
    """A map that AWS has as a list of Key and Value."""

    key: str = "Key"


TAGS = TagMap()


class Moment(Form):
    """A point in time, as a text in UTC: `2026-01-31T09:00:00Z`."""

    def receive(self, value: Any) -> Any:
        return value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else value


class Unchanged(Form):
    """A number of which -1 means "leave it as it is", and is not sent."""

    def send(self, value: Any) -> Any:
        return None if value == -1 else value

    def receive(self, value: Any) -> Any:
        return -1 if value is None else value


@dataclass(frozen=True)
class Part:
    """A property inside a nested object: AWS's name for it, its form; as for `model.Property` otherwise."""

    sends: str | None = None
    form: Form = PLAIN
    computed: bool = False
    default: Any = None


@dataclass(frozen=True)
class Nested(Form):
    """An object with known properties. Those that only AWS sets aren't compared."""

    parts: Mapping[str, Part]

    def send(self, value: Any) -> Any:
        return {
            part.sends or capital(name): part.form.send(value[name])
            for name, part in self.parts.items()
            if value.get(name) is not None
        }

    def receive(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return None
        received = {
            name: part.form.receive(value.get(part.sends or capital(name))) for name, part in self.parts.items()
        }
        return {name: item for name, item in received.items() if item is not None} or None

    def keep(self, wanted: Any, actual: Any) -> Any:
        if not isinstance(wanted, dict) or not isinstance(actual, dict):
            return super().keep(wanted, actual)
        kept = {
            name: part.form.keep(wanted.get(name), actual.get(name))
            for name, part in self.parts.items()
            if name in wanted or name in actual
        }
        return {name: item for name, item in kept.items() if item is not None}

    def completed(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = {name: self.parts[name].form.completed(item) for name, item in value.items() if name in self.parts}
        assumed = {
            name: part.default
            for name, part in self.parts.items()
            if part.default is not None and given.get(name) is None
        }
        return {**given, **assumed, DEFAULTS: sorted(assumed)}

    def as_input(self, said: Any, actual: Any) -> Any:
        if not isinstance(said, dict) or not isinstance(actual, dict):
            return actual
        refreshed = {
            name: self.parts[name].form.as_input(said[name], value)
            for name, value in actual.items()
            if said.get(name) is not None and name in self.parts
        }
        return {**refreshed, DEFAULTS: said[DEFAULTS]} if DEFAULTS in said else refreshed

    def unimplemented(self, path: str, value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for name, item in value.items():
                if name in self.parts:
                    yield from self.parts[name].form.unimplemented(key_path(path, name), item)
                elif item is not None:
                    yield key_path(path, name)

    def _differences(self, path: str, new: Any, old: Any, before: Any) -> Iterator[Change]:
        said = before if isinstance(before, dict) else {}
        for name, part in self.parts.items():
            place = key_path(path, name)
            if new.get(name) is not None:
                yield from part.form.changes(place, new[name], old.get(name), said.get(name))
            elif said.get(name) is not None and not part.computed:
                yield from part.form.changes(place, None, old.get(name), said.get(name))


class Single(Nested):
    """An object that AWS has as a list of one."""

    def send(self, value: Any) -> Any:
        return [super().send(value)]

    def receive(self, value: Any) -> Any:
        return super().receive(value[0]) if value else None


@dataclass(frozen=True)
class ListOf(Form):
    """A list whose order matters."""

    item: Form = PLAIN

    def send(self, value: Any) -> Any:
        return [self.item.send(item) for item in value]

    def receive(self, value: Any) -> Any:
        return [self.item.receive(item) for item in value] or None if value else None

    def completed(self, value: Any) -> Any:
        return [self.item.completed(item) for item in value] if isinstance(value, list) else value

    def as_input(self, said: Any, actual: Any) -> Any:
        if not isinstance(said, list) or not isinstance(actual, list):
            return actual
        return [self.item.as_input(self._said_of(item, index, said), item) for index, item in enumerate(actual)]

    def _said_of(self, _item: Any, index: int, said: list[Any]) -> Any:
        return said[index] if index < len(said) else None

    def unimplemented(self, path: str, value: Any) -> Iterator[str]:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.item.unimplemented(f"{path}[{index}]", item)

    def _differences(self, path: str, new: Any, old: Any, before: Any) -> Iterator[Change]:
        yield from _by_position(self.item, path, new, old, before)


class Only(ListOf):
    """A list of one item at most, which AWS has as the item itself."""

    def send(self, value: Any) -> Any:
        return self.item.send(value[0]) if value else None

    def receive(self, value: Any) -> Any:
        received = self.item.receive(value)
        return None if received is None else [received]


@dataclass(frozen=True)
class SetOf(ListOf):
    """A list whose order means nothing. Items with a `key` are the same one as long as the key is."""

    key: str = ""

    def _differences(self, path: str, new: Any, old: Any, before: Any) -> Iterator[Change]:
        said = before if isinstance(before, list) else []
        left = list(enumerate(old))
        unmatched: list[tuple[int, Any]] = []
        for index, item in enumerate(new):
            match = next((entry for entry in left if not has_unknown(item) and self.item.same(item, entry[1])), None)
            if match is None:
                unmatched.append((index, item))
            else:
                left.remove(match)
        added: set[int] = set()
        for index, item in unmatched:
            place = f"{path}[{index}]"
            partner = next((entry for entry in left if self._is_partner(item, entry[1])), None)
            if partner is None:
                added.add(index)
                continue
            left.remove(partner)
            earlier = next((one for one in said if self._is_partner(item, one)), None)
            yield from list(self.item.changes(place, item, partner[1], earlier)) or [Change(place, Kind.UPDATE)]
        deleted = {index for index, _item in left}
        # A path can be named once: one item for another in the same place is an update.
        for kind, indexes in (
            (Kind.ADD, added - deleted),
            (Kind.UPDATE, added & deleted),
            (Kind.DELETE, deleted - added),
        ):
            yield from (Change(f"{path}[{index}]", kind) for index in sorted(indexes))

    def _said_of(self, item: Any, _index: int, said: list[Any]) -> Any:
        return next((one for one in said if self._is_partner(item, one) or self.item.same(one, item)), None)

    def _is_partner(self, item: Any, other: Any) -> bool:
        if not self.key or not isinstance(item, dict) or not isinstance(other, dict):
            return False
        return item.get(self.key) is not UNKNOWN and item.get(self.key) == other.get(self.key)


def nested(names: str = "", /, **parts: Part) -> Nested:
    """Return an object's form: `names` are those that AWS has under the same name in its capitals."""
    return Nested({**{name: Part() for name in names.split()}, **parts})


def capital(name: str) -> str:
    """Return AWS's usual name for one of Pulumi's: `imageId` -> `ImageId`."""
    return name[:1].upper() + name[1:]


def _by_position(form: Form, path: str, new: list[Any], old: list[Any], before: Any) -> Iterator[Change]:
    said = before if isinstance(before, list) else []
    for index in range(max(len(new), len(old))):
        wanted, actual, earlier = (items[index] if index < len(items) else None for items in (new, old, said))
        yield from form.changes(f"{path}[{index}]", wanted, actual, earlier)


def _is_nothing(value: Any) -> bool:
    """The real provider can't tell a property that isn't set from one set to its type's zero."""
    return value is None or ((value is not UNKNOWN and value in ("", [], {})) or value is False or value == 0)


def _plain_name(name: Any) -> str:
    return str(name).replace("\\052", "*").rstrip(".").lower()
