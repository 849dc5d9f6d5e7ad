"""What AWS really has of a mirror and of what it mirrors: neither state is believed, and neither is changed.

Four questions. What has AWS otherwise than the last `up` left it, and what otherwise than the program declares it
(`pulumi preview --refresh`)? What has it that no state can know, such as a rule that somebody added
(`ops.aws.inventory`)? And do the two environments, as they really are, differ in what they may not (`infra.mirroring`)?
Left out: what is measured or comes and goes by itself, such as the number of instances that run, and their health,
which `verify` looks at. Entered by verify.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Literal, TypeAlias

from infra import types
from infra.environment import Environment
from infra.graph import ABSENT, UNKNOWN, Difference, Graph, Mark, Resource, Value, differing, named, plain_properties
from infra.mirroring import differences, shared_names
from ops.aws.clients import Aws
from ops.aws.compute import LaunchTemplate, ScalingGroup
from ops.aws.inventory import Inventory, read
from ops.aws.leftovers import Leftover, find
from ops.aws.network import SecurityRule
from ops.aws.ownership import Subject
from ops.output.progress import Tell
from ops.output.redaction import Redactor
from ops.stacks.engine import NoSuchStackError, StackHandle
from ops.stacks.place import Place

Side: TypeAlias = Literal["live", "mirror"]

GONE = Mark("[gone from AWS]")
AS_DEPLOYED = Mark("[as deployed]")
"""What stands for the side of which nothing is to be told."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One environment: as its state has it, as a refresh would have it, as it is declared, and as AWS has it."""

    side: Side
    state: Graph
    refreshed: Graph
    inventory: Inventory
    declared: Mapping[str, Mapping[str, Value] | None] = field(default_factory=dict)
    """By URN: the properties that `up` would set otherwise, as the program has them; None: `up` would make it."""
    things: tuple[Leftover, ...] = ()
    """Everything that is recognised as the environment's, whatever it is."""


@dataclass(frozen=True, kw_only=True)
class Noted:
    """A difference, and how it came about if somebody changed AWS."""

    difference: Difference
    note: str = ""


def refreshed(state: Graph, events: Sequence[Mapping[str, Any]]) -> Graph:
    """Return `state` with what a refresh read, as the engine's `events` tell; what is gone from AWS is left out.

    The end of a refresh has what was read (Pulumi, apitype.ResOutputsEvent); ends of other operations tell what is
    planned. A resource that the events don't mention is as it was.
    """
    read: dict[str, Mapping[str, Any] | None] = {}
    for event in events:
        metadata = (event.get("resOutputsEvent") or {}).get("metadata") or {}
        if metadata.get("op") == "refresh":
            read[str(metadata.get("urn"))] = metadata.get("new")
    return Graph.of(state.stack, _read(state, read))


def declared(events: Sequence[Mapping[str, Any]]) -> Mapping[str, Mapping[str, Value] | None]:
    """Return by URN what a preview would make (None), or set otherwise than AWS has it, as the program has it.

    Left out: what it would delete, of which the program says nothing, and providers, which are nothing in AWS.
    """
    wanted: dict[str, Mapping[str, Value] | None] = {}
    for event in events:
        metadata = (event.get("resourcePreEvent") or {}).get("metadata") or {}
        operation, urn = metadata.get("op"), str(metadata.get("urn"))
        if str(metadata.get("type")).startswith(types.PROVIDERS):
            continue
        if operation == "create":
            wanted[urn] = None
        elif operation in {"update", "replace"}:
            inputs = plain_properties((metadata.get("new") or {}).get("inputs"))
            wanted[urn] = {name: inputs[name] for name in metadata.get("diffs") or () if name in inputs}
    return wanted


def _read(state: Graph, read: Mapping[str, Mapping[str, Any] | None]) -> Iterator[Resource]:
    for resource in state:
        new = read.get(resource.urn, {})
        if new is None:
            continue
        if not new:
            yield resource
            continue
        outputs = plain_properties(new.get("outputs"))
        yield replace(
            resource,
            inputs=plain_properties(new.get("inputs")),
            outputs={**outputs, **({"id": new["id"]} if new.get("id") else {})},
        )


def decided(graph: Graph) -> Graph:
    """Return `graph` without the inputs that the program leaves to AWS once a resource is made (`ignoreChanges`).

    How many instances are wanted is scaling's, and which template version a group uses is the rollout's.
    """
    return Graph.of(graph.stack, map(_decided, graph))


def _decided(resource: Resource) -> Resource:
    return replace(
        resource, inputs={key: value for key, value in resource.inputs.items() if key not in resource.ignore_changes}
    )


def compared(live: Seen, mirror: Seen, environments: tuple[Environment, Environment]) -> tuple[Noted, ...]:
    """Return all that the two, as AWS has them, differ in, and all in which either isn't as it was deployed.

    The latter may never be, whatever the former allows. Each stands once: Live's value on the left, the mirror's on
    the right, and who was changed in the note.
    """
    noted = [
        Noted(difference=difference)
        for difference in differences(decided(live.refreshed), decided(mirror.refreshed), environments)
    ]
    for seen in (live, mirror):
        for change in changes(seen, shared_names(environments)):
            _merge(noted, change, seen)
        for change in undeclared(seen, shared_names(environments)):
            _merge(noted, change, seen, "is declared")
        noted += [Noted(difference=difference, note="in no state") for difference in unknown(seen)]
    alike = {_values(entry.difference) for entry in noted}
    noted += [Noted(difference=difference) for difference in unlike(live, mirror) if _values(difference) not in alike]
    return tuple(noted)


def alone(seen: Seen) -> tuple[Noted, ...]:
    """Return all in which one environment isn't as it was deployed: on the left what was, on the right what is."""
    added = [
        replace(difference, left=ABSENT, right=difference.left if seen.side == "live" else difference.right)
        for difference in unknown(seen)
    ]
    return (
        *(Noted(difference=difference, note="changed") for difference in changes(seen)),
        *(Noted(difference=difference, note="not as declared") for difference in undeclared(seen)),
        *(Noted(difference=difference, note="in no state") for difference in added),
    )


def _values(difference: Difference) -> tuple[str, str, str]:
    """Return what a difference is, whatever it is called: the provider and AWS have different names for attributes."""
    return difference.key, text_of(difference.left).lower(), text_of(difference.right).lower()


def changes(seen: Seen, shared: Iterable[str] = ()) -> Iterator[Difference]:
    """Yield what AWS has otherwise than the state says, in what the program gave; `shared` as in `Graph.sharing`.

    On the left what was deployed, on the right what is; of a resource that is gone, no path. Values are
    those that the provider reported, then and now: its own way to write them is the same on both sides.
    """
    state = seen.state.sharing(shared)
    for before in state:
        after = seen.refreshed.resources.get(before.urn)
        key = state.key(before.urn)
        if after is None:
            yield Difference(key=key, path="", left=key, right=GONE)
            continue
        given = before.inputs.keys() - set(before.ignore_changes)
        old, new = (
            state.normalised({name: value for name, value in resource.outputs.items() if name in given})
            for resource in (before, after)
        )
        for path, one, other in differing(named(old), named(new)):
            # `tags` has them, too.
            if not path.startswith("tagsAll"):
                yield Difference(key=key, path=path, left=one, right=other)


def undeclared(seen: Seen, shared: Iterable[str] = ()) -> Iterator[Difference]:
    """Yield what the state and AWS have otherwise than the program: `pulumi refresh` takes a change by hand over.

    On the left what is declared, on the right what is. What `changes` tells isn't told again, nor what follows from
    another change, and so isn't known yet.
    """
    graph = seen.refreshed.sharing(shared)
    changed = {(change.key, change.path) for change in changes(seen, shared)}
    for urn, wanted in seen.declared.items():
        key, there = graph.key(urn), graph.resources.get(urn)
        if wanted is None or there is None:
            if (key, "") not in changed:
                yield Difference(key=key, path="", left=key, right=GONE)
            continue
        actual = {name: value for name, value in there.inputs.items() if name in wanted}
        for path, wanted_value, actual_value in differing(
            named(graph.normalised(wanted)), named(graph.normalised(actual))
        ):
            follows = repr(UNKNOWN) in text_of(wanted_value, path)
            if not follows and not path.startswith("tagsAll") and (key, path) not in changed:
                yield Difference(key=key, path=path, left=wanted_value, right=actual_value)


def _merge(noted: list[Noted], change: Difference, seen: Seen, when: str = "when deployed") -> None:
    """Put a change among what was found: at the difference that it makes, or as one of its own."""
    if change.path:
        was = "not there" if change.left is ABSENT else text_of(change.left, change.path)
        note = f"{seen.state.stack} was changed: {was} {when}"
    else:
        note = f"gone from {seen.state.stack}"
    for index, entry in enumerate(noted):
        difference = entry.difference
        if (difference.key, difference.path) != (change.key, change.path):
            continue
        now = change.right if change.path else ABSENT
        value, other = difference.left, difference.right
        if seen.side == "mirror":
            value, other = other, value
        # An element that was taken out of a list is told by what it was, since nothing stands where it stood.
        taken_out = change.path.endswith("[]") and now is ABSENT
        if value is AS_DEPLOYED or (other == change.left if taken_out else value == now):
            left, right = (now, difference.right) if seen.side == "live" else (difference.left, now)
            both = "; ".join(filter(None, (entry.note, note)))
            noted[index] = Noted(difference=replace(difference, left=left, right=right, allowed=None), note=both)
            return
    noted.append(Noted(difference=_one_sided(seen, change.key, change.path, change.right, AS_DEPLOYED), note=note))


def text_of(value: Value, path: str = "") -> str:
    """Return the value of a property as a person would write it: text as it is, whole numbers without a point.

    Secrets are left out: what AWS has may be what somebody put there by hand.
    """
    value = Redactor().value(value, path.replace("[]", "").rsplit(".", 1)[-1])
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, default=repr)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _one_sided(seen: Seen, key: str, path: str, value: Value, other: Value = ABSENT) -> Difference:
    left, right = (value, other) if seen.side == "live" else (other, value)
    return Difference(key=key, path=path, left=left, right=right)


# --- What no state can know ---


def unknown(seen: Seen) -> Iterator[Difference]:
    """Yield what AWS has of an environment and its state has not, each at the resource that it hangs on."""
    for part in (_rules, _listeners, _targets, _scaling, _later_versions, _roles, _strangers):
        for key, path, value in part(seen):
            yield _one_sided(seen, key, path, value)
    for key, path, value in _used_versions(seen):
        yield _one_sided(seen, key, path, value, AS_DEPLOYED)


_Extra: TypeAlias = tuple[str, str, Value]
"""Key of the resource, path, value."""


def _resource(seen: Seen, identifier: str, kind: str = "") -> Resource | None:
    """Return the resource of the state that AWS calls by this id, ARN or name, one of `kind` before any other.

    A role and its log group have one name.
    """
    for resource in chain(seen.state.of_type(kind), seen.state):
        outputs = resource.outputs
        if identifier in (outputs.get("id"), outputs.get("arn"), outputs.get("allocationId"), outputs.get("name")):
            return resource
    return None


def _key(seen: Seen, identifier: str, kind: str) -> str:
    resource = _resource(seen, identifier, kind)
    return seen.state.key(resource.urn) if resource else f"{kind}::{identifier}"


def _ids(seen: Seen) -> set[object]:
    return {resource.outputs.get(name) for resource in seen.state for name in ("id", "arn", "securityGroupRuleId")}


def _rules(seen: Seen) -> Iterator[_Extra]:
    deployed = _ids(seen)
    for group in seen.inventory.security_groups:
        key = _key(seen, group.id, types.SECURITY_GROUP)
        for rule in group.rules:
            if rule.id not in deployed:
                yield key, "ingress[]" if rule.inbound else "egress[]", rule_text(rule)


def rule_text(rule: SecurityRule) -> str:
    """Return a rule as a person would say it: `tcp 22 from 0.0.0.0/0 (sgr-...)`."""
    what = "everything" if rule.protocol == "-1" else f"{rule.protocol} {rule.ports}"
    return f"{what} {'from' if rule.inbound else 'to'} {rule.peer} ({rule.id})"


def _listeners(seen: Seen) -> Iterator[_Extra]:
    deployed = _ids(seen)
    for balancer in seen.inventory.load_balancers:
        key = _key(seen, balancer.arn, types.LOAD_BALANCER)
        for listener in balancer.listeners:
            if listener.arn not in deployed:
                yield key, "listeners[]", f"{listener.protocol} {listener.port}"


def _targets(seen: Seen) -> Iterator[_Extra]:
    """Yield targets that are no instance of the group; one that is on its way out belongs to no group any more."""
    members = {member.id for group in seen.inventory.scaling_groups for member in group.members}
    for targets in seen.inventory.target_groups:
        key = _key(seen, targets.arn, types.TARGET_GROUP)
        for target in targets.targets:
            if target.id not in members and target.state != "draining":
                yield key, "targets[]", f"{target.id}, port {target.port}"


def _scaling(seen: Seen) -> Iterator[_Extra]:
    for group in seen.inventory.scaling_groups:
        key = _key(seen, group.name, types.SCALING_GROUP)
        for path, type_, name, there in (
            ("policies[]", types.SCALING_POLICY, "name", group.policies),
            ("schedules[]", types.SCHEDULE, "scheduledActionName", group.schedules),
        ):
            deployed = {resource.outputs.get(name) for resource in seen.state.of_type(type_)}
            yield from ((key, path, added) for added in sorted(there.keys() - deployed))


def _later_versions(seen: Seen) -> Iterator[_Extra]:
    """Yield template versions made after the last `up`, used or not."""
    for template in seen.inventory.launch_templates:
        resource = _resource(seen, template.id)
        latest = resource.outputs.get("latestVersion") if resource else None
        key = _key(seen, template.id, types.LAUNCH_TEMPLATE)
        for version in template.versions:
            if version.number > (latest if isinstance(latest, int | float) else 0):
                yield key, "versions[]", f"{version.number}, made after the last up"


def _used_versions(seen: Seen) -> Iterator[_Extra]:
    """Yield what a version that a group or an instance uses has otherwise than the one that was rolled out."""
    deployed = next(
        (str(rollout.outputs.get("launchTemplateVersion")) for rollout in seen.state.of_type(types.ROLLOUT)), ""
    )
    for template in seen.inventory.launch_templates:
        for used in sorted(_used(seen.inventory.scaling_groups, template) - {deployed}):
            for path, value in _unlike_deployed(template, deployed, used):
                yield _key(seen, template.id, types.LAUNCH_TEMPLATE), path, value


def _used(groups: Iterable[ScalingGroup], template: LaunchTemplate) -> set[str]:
    named = [(group.template_id, group.template_version) for group in groups]
    named += [
        (member.template_id, member.template_version)
        for group in groups
        for member in group.members
        if member.lifecycle == "InService"
    ]
    return {version for identifier, version in named if identifier == template.id}


def _unlike_deployed(template: LaunchTemplate, deployed: str, used: str) -> Iterator[tuple[str, Value]]:
    data = {name: version.data for version in template.versions for name in _names(version.number, template)}
    yield "version", f"{used} is used, {deployed} was deployed"
    before, now = (plain_properties(data.get(version, {})) for version in (deployed, used))
    for path, _, value in differing(before, now):
        yield f"{path[:1].lower()}{path[1:]}", f"{text_of(value, path)} in version {used}, which is used"


def _names(number: int, template: LaunchTemplate) -> Iterator[str]:
    yield str(number)
    if number == template.versions[-1].number:
        yield "$Latest"
    if any(version.default and version.number == number for version in template.versions):
        yield "$Default"


def _roles(seen: Seen) -> Iterator[_Extra]:
    for role in seen.inventory.roles:
        key = _key(seen, role.name, types.ROLE)
        deployed = {
            str(resource.outputs.get("name"))
            for resource in seen.state.of_type(types.ROLE_POLICY)
            if resource.outputs.get("role") == role.name
        }
        attached = {
            resource.outputs.get("policyArn")
            for resource in seen.state.of_type(types.ROLE_POLICY_ATTACHMENT)
            if resource.outputs.get("role") == role.name
        }
        for name in sorted(role.inline.keys() - deployed):
            yield key, f"inlinePolicies.{name}", role.inline[name]
        yield from ((key, "attachedPolicies[]", arn) for arn in sorted(set(role.attached) - attached))


def _strangers(seen: Seen) -> Iterator[_Extra]:
    """Yield what is recognised as the environment's and is in no state, but for what ends with something else."""
    deployed = {value for resource in seen.state for value in resource.outputs.values() if isinstance(value, str)}
    for thing in seen.things:
        if not thing.reason and thing.id not in deployed:
            yield f"{thing.kind}::{thing.id}", "", thing.id


# --- What neither program says ---

NOT_ALIKE = frozenset({"deletion_protection.enabled"})
"""Attributes that the program gives, and that `infra.mirroring` therefore judges."""


def unlike(live: Seen, mirror: Seen) -> Iterator[Difference]:
    """Yield attributes in which load balancers and target groups of the two differ, also those that no program sets."""
    mirrored, own = _attributes(live), _attributes(mirror)
    for key in sorted(own.keys() & mirrored.keys()):
        for path, left, right in differing(mirrored[key], own[key]):
            if path.removeprefix("attributes.") not in NOT_ALIKE:
                yield Difference(key=key, path=path, left=left, right=right)


def _attributes(seen: Seen) -> dict[str, Value]:
    attributes: dict[str, Value] = {}
    for balancer in seen.inventory.load_balancers:
        attributes[_key(seen, balancer.arn, "load balancer")] = {"attributes": balancer.attributes}
    for group in seen.inventory.target_groups:
        both = {"attributes": group.attributes, "healthCheck": group.health_check}
        attributes[_key(seen, group.arn, "target group")] = both
    return attributes


def state_of(environment: Environment, at: Place) -> Graph | None:
    """Return what the state of an environment's stack has; None if it isn't deployed. Raises PulumiError.

    A stack that was only made, or was destroyed, has nothing that a provider made.
    """
    try:
        graph = StackHandle(environment.name, at).graph()
    except NoSuchStackError:
        return None
    return graph if any(resource.provider for resource in graph) else None


def look(side: Side, environment: Environment, state: Graph, at: Place, tell: Tell) -> Seen:
    """Return what AWS has for an environment that has a state. Raises PulumiError and botocore's errors."""
    preview = StackHandle(environment.name, at).preview(tell, refresh=True)
    aws, subject = Aws(environment.aws, at), Subject.of(environment)
    return Seen(
        side=side,
        state=state,
        refreshed=refreshed(state, preview.events),
        declared=declared(preview.events),
        inventory=read(aws, subject),
        things=find(aws, subject),
    )
