"""What is decided without AWS: what a program's inputs are in full, what differs, what a preview can know.

It does what the vendor's bridge and the real provider do together before anything happens. Left out: doing it
(`lifecycle`), values' forms (`forms`), facts of resources (`rows`).

Sources: pulumi-terraform-bridge pkg/tfbridge (schema.go: defaults, names.go: auto-naming, provider.go: Check, Diff);
pulumi-aws provider/tags.go and provider/region.go (tagsAll and region are inputs that the check fills in).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.provider import schema
from lab.provider.changes import Change
from lab.provider.connection import Connection
from lab.provider.forms import DEFAULTS
from lab.provider.model import NOT_SENT, Name, Property, Resource
from lab.provider.schema import Problem
from lab.provider.wire import UNKNOWN, has_unknown

_RANDOM_CHARACTERS = 7


@dataclass(frozen=True)
class Autonaming:
    """What the engine wants a made-up name to be (the option `pulumi:autonaming`)."""

    proposed: str = ""
    disabled: bool = False


@dataclass(frozen=True)
class Checked:
    """Inputs with everything filled in, or what is wrong with them."""

    inputs: dict[str, Any]
    problems: list[Problem]


@dataclass(frozen=True)
class Differences:
    """What would change: `replacing` are the paths among the changes that need a new resource."""

    changes: list[Change] = field(default_factory=list)
    replacing: frozenset[str] = frozenset()
    delete_before_replace: bool = False


# --- check


def check(
    row: Resource,
    name: str,
    news: Mapping[str, Any],
    olds: Mapping[str, Any],
    connection: Connection,
    seed: bytes = b"",
    autonaming: Autonaming = Autonaming(),
) -> Checked:
    """Return the inputs of resource `name` as the other methods expect them, with all problems found."""
    inputs, problems = schema.coerced(schema.inputs_of("resources", row.type), news)
    problems += _unimplemented(row, inputs)
    if problems:
        # What follows takes each value to be of its type.
        return Checked(inputs, problems)
    problems += _out_of_range(row, inputs)
    problems += _conflicting(row, inputs)
    problems += [Problem(*problem) for check_inputs in row.checks for problem in check_inputs(inputs)]
    defaults: list[str] = []
    for key, rule in row.properties.items():
        if inputs.get(key) is None and rule.default is not None and not _conflicts_with_set(row, key, inputs):
            inputs[key] = rule.default
            defaults.append(key)
        elif key in inputs:
            inputs[key] = rule.form.completed(inputs[key])
    if row.name:
        _name(row.name, name, inputs, olds, seed, autonaming, defaults, problems)
    if row.tags:
        inputs["tagsAll"] = _all_tags(inputs.get("tags"), connection)
    if row.region and inputs.get("region") is None:
        inputs["region"] = connection.region
    inputs[DEFAULTS] = sorted(defaults)
    return Checked(inputs, problems)


def _unimplemented(row: Resource, inputs: Mapping[str, Any]) -> list[Problem]:
    missing: list[str] = []
    for name, value in inputs.items():
        if name in row.properties:
            missing += row.properties[name].form.unimplemented(name, value)
        elif name in row.unimplemented:
            missing.append(name)
    return [Problem(path, f"the lab's stand-in doesn't implement {path} of {row.type}") for path in missing]


def _out_of_range(row: Resource, inputs: Mapping[str, Any]) -> Iterable[Problem]:
    for name, value in inputs.items():
        rule = row.properties.get(name)
        if rule is None or has_unknown(value):
            continue
        if rule.allowed and isinstance(value, str) and value not in rule.allowed:
            yield Problem(name, f"expected {name} to be one of {list(rule.allowed)}, got {value}")
        if rule.longest and isinstance(value, str) and len(value) > rule.longest:
            yield Problem(name, f'"{name}" cannot be longer than {rule.longest} characters: {value!r}')
        if rule.between and isinstance(value, int | float):
            smallest, largest = rule.between
            if not smallest <= value <= largest:
                yield Problem(name, f"expected {name} to be in the range ({smallest} - {largest}), got {value}")


def _conflicting(row: Resource, inputs: Mapping[str, Any]) -> Iterable[Problem]:
    for group in (*row.conflicts, *row.one_of):
        given = [name for name in group if inputs.get(name) is not None]
        if len(given) > 1:
            yield Problem(given[1], f'Conflicting configuration arguments: "{given[1]}": conflicts with {given[0]}')
    for group in row.one_of:
        if not any(inputs.get(name) is not None for name in group):
            yield Problem(group[0], f"Invalid combination of arguments: one of `{','.join(group)}` must be specified")


def _conflicts_with_set(row: Resource, name: str, inputs: Mapping[str, Any]) -> bool:
    return any(
        name in group and any(inputs.get(other) is not None for other in group if other != name)
        for group in (*row.conflicts, *row.one_of)
    )


def _name(
    rule: Name,
    name: str,
    inputs: dict[str, Any],
    olds: Mapping[str, Any],
    seed: bytes,
    autonaming: Autonaming,
    defaults: list[str],
    problems: list[Problem],
) -> None:
    """Make up the physical name if the program gives neither name nor prefix. A made-up name is kept for life."""
    if inputs.get(rule.property) is not None or inputs.get(rule.prefix_property) is not None:
        return
    defaults.append(rule.property)
    if rule.property in (olds.get(DEFAULTS) or ()) and olds.get(rule.property) is not None:
        inputs[rule.property] = olds[rule.property]
        return
    if autonaming.disabled:
        problems.append(Problem(rule.property, "automatic naming is disabled; give the resource a name"))
        return
    made_up = autonaming.proposed or f"{name}-{hashlib.sha256(seed).hexdigest()[:_RANDOM_CHARACTERS]}"
    made_up = rule.finish(made_up, inputs)
    if len(made_up) > rule.longest:
        problems.append(
            Problem(
                rule.property,
                f"name '{name}-' plus {_RANDOM_CHARACTERS} random chars is longer than maximum length {rule.longest}",
            )
        )
    inputs[rule.property] = made_up


def _all_tags(tags: Any, connection: Connection) -> Any:
    if has_unknown(tags):
        return UNKNOWN
    every = {**connection.default_tags, **(tags or {})}
    return {key: value for key, value in every.items() if key not in connection.ignored_tags}


# --- diff


def diff(
    row: Resource,
    before: Mapping[str, Any],
    state: Mapping[str, Any],
    news: Mapping[str, Any],
    ignored: Sequence[str] = (),
) -> Differences:
    """Return what differs between the state (and the inputs that led to it) and checked new inputs."""
    ignoring = [_ignoring(path) for path in ignored]
    changes = [
        change
        for name in property_names(row)
        for change in _changes(row, name, before, state, news)
        if not any(pattern.match(change.path) for pattern in ignoring)
    ]
    replacing = {change.path for change in changes if (rule := row.properties.get(change.property)) and rule.replaces}
    if row.region:
        replacing |= {change.path for change in changes if change.property == "region"}
    if row.replaced_by:
        replacing |= set(row.replaced_by(changes, state, news))
    return Differences(changes, frozenset(replacing), bool(replacing) and _keeps_name(row, before, news))


def property_names(row: Resource) -> list[str]:
    """Return the names of a row's properties, and of tags and region where it has them."""
    return [*row.properties, *(("tags", "tagsAll") if row.tags else ()), *(("region",) if row.region else ())]


def _changes(
    row: Resource, name: str, before: Mapping[str, Any], state: Mapping[str, Any], news: Mapping[str, Any]
) -> Iterable[Change]:
    rule = row.properties.get(name, Property())
    new, old = news.get(name), (before if rule.reads == NOT_SENT else state).get(name)
    if new is None and (rule.computed or before.get(name) is None):
        # Left to AWS, or never said: whatever it is, it stays.
        return ()
    return rule.form.changes(name, new, old, before.get(name))


def _ignoring(path: str) -> re.Pattern[str]:
    exact = re.escape(path).replace(r"\[\*\]", r"\[[^\]]*\]").replace(r"\.\*", r"\.[^.\[]*")
    return re.compile(rf"{exact}(?=$|\.|\[)")


def _keeps_name(row: Resource, before: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """A name that the program chose and keeps can't be had twice (the bridge's nameRequiresDeleteBeforeReplace)."""
    if row.name is None or DEFAULTS not in news:
        return False
    name = row.name.property
    chosen = news.get(name) is not None and name not in news[DEFAULTS]
    return chosen and before.get(name) == news.get(name)


# --- preview


def planned_create(row: Resource, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs of a create that hasn't happened: what AWS decides is unknown."""
    outputs = outputs_from(inputs)
    for name, rule in row.properties.items():
        if rule.computed and name not in outputs:
            outputs[name] = UNKNOWN
    for name in row.computed:
        outputs.setdefault(name, UNKNOWN)
    return outputs


def planned_update(
    row: Resource,
    before: Mapping[str, Any],
    state: Mapping[str, Any],
    news: Mapping[str, Any],
    changes: Sequence[Change],
) -> dict[str, Any]:
    """Return the outputs of an update that hasn't happened: what the change renews is unknown, the rest stays."""
    changed = {change.property for change in changes}
    dropped = {name for name in before if name not in news and not row.properties.get(name, Property()).computed}
    outputs = {name: value for name, value in state.items() if name not in dropped or name in row.computed}
    outputs |= {name: news[name] for name in changed if name in news}
    for name, causes in row.renews.items():
        if changed.intersection(causes):
            outputs[name] = UNKNOWN
    return outputs


def outputs_from(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs that are outputs as they are: all but the bridge's own."""
    return {name: value for name, value in inputs.items() if not name.startswith("__")}
