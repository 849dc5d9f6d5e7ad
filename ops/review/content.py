"""What a review says of one stack: a plan, ranked and made fit to be shown.

Here the plan's values become texts without secrets (`ops.review.values`); renderings see nothing else. The dataclasses
are the JSON document, too: names of fields are a contract (docs/reviewing.md).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from infra import types
from infra.graph import ABSENT, Value
from infra.values import mapping
from ops.output.redaction import Redactor
from ops.output.shown import Shown, shown
from ops.output.visible import visible
from ops.review.dangers import Danger, Declared, dangers
from ops.review.model import Component, Fact, Node, NodeState, ResourceChange, Source, StackReview, verdict
from ops.review.plan import RANKED, Change, Operation, Plan, PolicyResult
from ops.review.values import NOT_SHOWN, PropertyChange, changed_properties, readable
from ops.review.values import change as shown_change

COMPONENT_PREFIX = "eps-dos-api:infra:"
TAGS = frozenset({"tags", "tagsAll"})

COMPONENTS = (
    "VirtualIps",
    "LoadBalancer",
    "Dns",
    "Dataset",
    "Rollout",
    "Service",
    "Clients",
    "SecurityGroups",
    "Network",
    "Endpoints",
    "Monitoring",
)
"""The most important first; others follow by name."""

NO_COMPONENT = "(the stack itself)"

MOST_ERROR_LINES = 40
LONGEST_MESSAGE = 2_000
LONGEST_LABEL = 120

ENGINES_END = frozenset({"preview failed", "update failed"})
ENGINES_NOTE = "using pulumi-"
"""How the engine's notes begin that say which plugin it starts, and from where."""
MOST_FIGURES = 3

_Safe = Callable[..., str]
"""Takes a text and a maximum length; returns one line without secrets."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a review knows beside the plan."""

    source: Source
    declared: Declared
    clients: Sequence[str] = ()
    """Suppliers that may connect."""
    warnings: Sequence[str] = ()
    """Beside those of the engine."""
    redactor: Redactor


def review_stack(plan: Plan, context: Context) -> StackReview:
    """Return the review of `plan`, with nothing acknowledged yet."""
    redactor = context.redactor

    def safe(text: str, longest: int = LONGEST_MESSAGE) -> str:
        hidden = redactor.text(text)
        return visible(hidden) if len(hidden) <= longest else f"{visible(hidden[:longest])}…"

    def safe_danger(danger: Danger) -> Danger:
        addresses = tuple(replace(lost, address=safe(lost.address), zone=safe(lost.zone)) for lost in danger.addresses)
        published = any(address.published for address in addresses)
        return replace(
            danger,
            urn=safe(danger.urn),
            what=safe(danger.what),
            message=safe(danger.message),
            outage=safe(danger.outage),
            addresses=addresses,
            concerns=tuple(map(safe, context.clients)) if published else (),
        )

    def safe_result(result: PolicyResult) -> PolicyResult:
        # A secret may span lines: hide it before any line is left out.
        message = safe(_without_heading(redactor.text(result.message)))
        policy, pack, urn = safe(result.policy), safe(result.pack), safe(result.urn)
        return replace(result, policy=policy, pack=pack, message=message, urn=urn)

    changed = [
        (described, _tags_only(described.operation, (changed.path for changed in described.properties)))
        for change in plan.changes
        if (described := _resource_change(change, redactor, safe)) is not None
    ]
    component_of = {safe(change.urn): component_name(change) for change in plan.changes}
    made = StackReview(
        stack=plan.stack,
        verdict="calm",
        source=context.source,
        errors=tuple(_error_lines(plan, redactor, safe)),
        dangers=tuple(map(safe_danger, dangers(plan, context.declared))),
        capacity=tuple(_facts(_capacity(plan), redactor)),
        release=tuple(_facts(_release(plan), redactor)),
        mentioned=tuple(fact for fact in _facts(_mentioned(plan), redactor) if fact.changes),
        policies=tuple(map(safe_result, plan.policies)),
        policies_passed=plan.policies_passed,
        policy_packs=tuple(map(safe, plan.packs)),
        counts=_counts(plan),
        components=tuple(_by_component([described for described, tags in changed if not tags], component_of, safe)),
        tag_changes=tuple(described for described, tags in changed if tags),
        instances_replaced=_instances_replaced(plan),
        drift=tuple(_drift(plan, redactor, safe)),
        picture=tuple(_picture(plan, safe)),
        warnings=(*map(safe, context.warnings), *_warnings(plan, safe)),
        duration_seconds=plan.duration_seconds,
        fingerprint=fingerprint(plan),
    )
    return replace(made, verdict=verdict(made))


def component_name(change: Change) -> str:
    """Return the component that a resource belongs to: the outermost of the program's own among its parents."""
    chain = change.qualified_type.split("$")
    own = next((type_ for type_ in chain if type_.startswith(COMPONENT_PREFIX)), "")
    if own:
        return own.removeprefix(COMPONENT_PREFIX)
    return "Rollout" if change.type == types.ROLLOUT else NO_COMPONENT


def _resource_change(change: Change, redactor: Redactor, safe: _Safe) -> ResourceChange | None:
    options = list(_options(change))
    if change.operation in {"same", "read"} and not options:
        return None
    properties = [] if change.operation == "delete" else list(_properties(change, redactor))
    return _described(change, [*options, *properties], _note(change), safe)


def _described(change: Change, properties: Sequence[PropertyChange], note: str, safe: _Safe) -> ResourceChange:
    return ResourceChange(
        urn=safe(change.urn),
        name=safe(change.name),
        type=safe(change.type),
        # The engine counts a change of its own options as none.
        operation="update" if change.operation in {"same", "read"} else change.operation,
        engine_operations=tuple(map(safe, change.engine_operations)),
        properties=tuple(properties),
        note=note,
    )


def _options(change: Change) -> Iterator[PropertyChange]:
    for name, *sides in change.options:
        before, after = (Shown("value", str(side).lower()) for side in sides)
        yield PropertyChange(path=f"(option) {name}", before=before, after=after)


def _properties(change: Change, redactor: Redactor) -> Iterator[PropertyChange]:
    before = change.old.raw_inputs if change.old else {}
    after = change.new.raw_inputs if change.new else {}
    if change.old is not None and change.new is None:
        return
    replacing = {_general(path) for path, kind in change.detailed_diff.items() if kind.endswith("-replace")}
    replacing |= {_general(reason) for reason in change.replace_reasons}
    seen = set()
    for path, old, new in changed_properties(before, after):
        general = _general(path)
        seen.add(general)
        yield shown_change(path, old, new, redactor, replaces=_touches(general, replacing))
    if change.old is None:
        return
    # Differences in what AWS has, but not in the program.
    for path in change.detailed_diff:
        general = _general(path)
        # `tagsAll` follows from `tags`: see `changed_properties`.
        if path.startswith("__") or _touches(general.replace("tagsAll", "tags", 1), seen):
            continue
        old = _at(change.old.raw_outputs, path, _at(before, path, ABSENT))
        new = _at(after, path, _at(change.new.raw_outputs if change.new else {}, path, ABSENT))
        made = shown_change(path, readable(old), readable(new), redactor, replaces=_touches(general, replacing))
        if made.before == made.after and made.before.kind != "secret":
            made = replace(made, after=NOT_SHOWN)
        yield made


_INDEX = re.compile(r"\[[^\]]*\]")


def _general(path: str) -> str:
    """Return a property path without list indexes: the engine counts entries, which have names here."""
    return _INDEX.sub("", path).strip(".")


def _touches(path: str, others: Collection[str]) -> bool:
    """Whether `path` is one of `others`, lies in one, or holds one."""
    if path in others:
        return True
    return any(path.startswith(f"{other}.") or other.startswith(f"{path}.") for other in others)


_STEPS = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)')


def _at(properties: Value, path: str, otherwise: Value) -> Value:
    """Return the value at a property path as Pulumi writes it (`a.b[0]["c.d"]`), else `otherwise`."""
    value = properties
    for quoted, index, name in _STEPS.findall(path):
        if index:
            items = value if isinstance(value, list | tuple) else ()
            if int(index) >= len(items):
                return otherwise
            value = items[int(index)]
            continue
        if not isinstance(value, Mapping) or (quoted or name) not in value:
            return otherwise
        value = value[quoted or name]
    return value


def _note(change: Change) -> str:
    if change.operation == "replace":
        order = "the old one goes first" if change.deletes_first else "the new one comes first"
        return f"{order}; the old one stays in AWS" if change.retained else order
    if change.operation == "delete" and change.retained:
        return "stays in AWS, but belongs to no stack"
    if change.operation == "forget":
        return "leaves the state; nothing happens in AWS but the end of an earlier replacement"
    if change.operation == "same":
        return "nothing changes in AWS"
    return ""


TEMPLATE = ("launchTemplateId", "launchTemplateVersion")
"""What starts an instance refresh when it becomes another, for whatever reason, a tag included (rollout/server.py)."""


def _instances_replaced(plan: Plan) -> int | None:
    """Return how many instances are wanted now, which a rollout would replace; None if there is no rollout."""
    rollouts = [rollout for rollout in plan.of_type(types.ROLLOUT) if rollout.old and rollout.new]
    if not any(rollout.before(key) != rollout.after(key) for rollout in rollouts for key in TEMPLATE):
        return None
    wanted = [group.old.outputs.get("desiredCapacity") for group in plan.of_type(types.SCALING_GROUP) if group.old]
    return sum(int(count) for count in wanted if isinstance(count, int | float))


def _tags_only(operation: Operation, paths: Iterable[str]) -> bool:
    """Whether an operation changes nothing but tags."""
    properties = {re.split(r"[.\[]", path, maxsplit=1)[0] for path in paths}
    return operation == "update" and bool(properties) and properties <= TAGS


def _counts(plan: Plan) -> dict[str, int]:
    counted = Counter(change.operation for change in plan.changes)
    return {operation: counted[operation] for operation in RANKED if counted[operation]}


def _by_component(
    changes: Sequence[ResourceChange], component_of: Mapping[str, str], safe: _Safe
) -> Iterator[Component]:
    grouped: dict[str, list[ResourceChange]] = {}
    for change in changes:
        grouped.setdefault(safe(component_of[change.urn]), []).append(change)

    def order(name: str) -> tuple[int, int, str]:
        worst = min(RANKED.index(change.operation) for change in grouped[name])
        position = COMPONENTS.index(name) if name in COMPONENTS else len(COMPONENTS)
        # Replaced and deleted resources come before created and changed ones, in any component.
        return (worst if worst <= RANKED.index("delete") else len(RANKED), position, name)

    for name in sorted(grouped, key=order):
        of_one = sorted(grouped[name], key=lambda one: (RANKED.index(one.operation), one.type, one.name))
        yield Component(name=name, changes=tuple(of_one))


LEFT_TO_OTHERS: Mapping[str, frozenset[str]] = {
    types.SCALING_GROUP: frozenset({"desiredCapacity", "launchTemplate.version"})
}
"""What changes after `up` without anybody's hand, and is ignored by the program: how many instances are wanted is
scaling's, and which template version the group has is the rollout's, whose own refresh reports any other
(rollout/server.py, Read)."""


def _drift(plan: Plan, redactor: Redactor, safe: _Safe) -> Iterator[ResourceChange]:
    for change in plan.drift:
        properties = []
        if change.old and change.new:
            # What the program doesn't say is AWS's to change: which interface an address is at, who uses a group.
            managed = change.old.raw_inputs
            before, after = (
                {key: value for key, value in state.raw_outputs.items() if key in managed}
                for state in (change.old, change.new)
            )
            others = LEFT_TO_OTHERS.get(change.type, frozenset())
            changed = [entry for entry in changed_properties(before, after) if entry[0] not in others]
            properties = [shown_change(path, old, new, redactor) for path, old, new in changed]
            if not properties:
                continue
        yield _described(change, properties, "is no longer there" if change.operation == "delete" else "", safe)


_Pair = tuple[str, Value, Value]

MINIMUM, MAXIMUM = "capacity, minimum (instances)", "capacity, maximum (instances)"


def _capacity(plan: Plan) -> Iterator[_Pair]:
    for group in plan.of_type(types.SCALING_GROUP):
        for name, key in ((MINIMUM, "minSize"), (MAXIMUM, "maxSize")):
            yield (name, group.before(key), group.after(key))
    for policy in plan.of_type(types.SCALING_POLICY):
        key = "targetTrackingConfiguration"
        before, after = (mapping(target).get("targetValue") for target in (policy.before(key), policy.after(key)))
        yield ("CPU target (percent)", before, after)
    for template in plan.of_type(types.LAUNCH_TEMPLATE):
        yield ("instance type", template.before("instanceType"), template.after("instanceType"))


def _release(plan: Plan) -> Iterator[_Pair]:
    for rollout in plan.of_type(types.ROLLOUT):
        yield ("release", rollout.before("release"), rollout.after("release"))
        yield ("image", rollout.before("imageId"), rollout.after("imageId"))


def _mentioned(plan: Plan) -> Iterator[_Pair]:
    subscriptions = plan.of_type(types.TOPIC_SUBSCRIPTION)
    before = [subscription.before("endpoint") for subscription in subscriptions]
    after = [subscription.after("endpoint") for subscription in subscriptions]
    yield ("alarm subscribers", _joined(before), _joined(after))
    for schedule in plan.of_type(types.SCHEDULE):
        yield (f"schedule {schedule.name}", _fires(schedule.before), _fires(schedule.after))


def _joined(values: Iterable[Value]) -> str:
    return ", ".join(sorted(str(value) for value in values if value is not None)) or "nobody"


def _fires(side: Callable[[str], Value]) -> str | None:
    """Return when a schedule sets how many instances, on one side of a change; None if it isn't there."""
    if side("desiredCapacity") is None:
        return None
    return f"{readable(side('desiredCapacity'))} instances at {side('recurrence')} ({side('timeZone') or 'UTC'})"


def _facts(pairs: Iterator[_Pair], redactor: Redactor) -> Iterator[Fact]:
    for name, before, after in pairs:
        if before is None and after is None:
            continue
        old, new = (shown(ABSENT if side is None else readable(side), redactor, name).words for side in (before, after))
        yield Fact(name=name, before=old, after=new)


def _without_heading(message: str) -> str:
    """Return what a policy found, without its description, which the engine puts on the first line."""
    _, *lines = message.strip().splitlines() or [""]
    return " ".join(" ".join(lines or [message]).split())


def _error_lines(plan: Plan, redactor: Redactor, safe: _Safe) -> Iterator[str]:
    # A private key spans lines: hide secrets before splitting.
    lines = [line for error in plan.errors for line in redactor.text(error).strip().splitlines()]
    # The engine's closing line says nothing that other lines don't.
    telling = [line for line in lines if line not in ENGINES_END]
    lines = telling or ([] if any(result.blocks for result in plan.policies) else lines)
    yield from (safe(line) for line in lines[:MOST_ERROR_LINES])
    if len(lines) > MOST_ERROR_LINES:
        yield f"… {len(lines) - MOST_ERROR_LINES} more lines"


def _warnings(plan: Plan, safe: _Safe) -> Iterator[str]:
    for warning in plan.warnings:
        if not warning.startswith(ENGINES_NOTE):
            yield safe(warning.strip())
    if plan.unknown_events:
        kinds = ", ".join(plan.unknown_events)
        yield safe(f"the engine told of what this version doesn't know: {kinds}")


def _picture(plan: Plan, safe: _Safe) -> Sequence[Node]:
    nodes = [replace(node, label=safe(node.label, LONGEST_LABEL)) for node in _nodes(plan)]
    return nodes if any(node.state != "same" for node in nodes) else ()


_BRIEF = {MINIMUM: "minimum", MAXIMUM: "maximum", "release": "release"}
"""What the box of the instances shows; it has no room for more."""


def _nodes(plan: Plan) -> Iterator[Node]:
    for record in plan.of_type(types.RECORD):
        names = [str(name) for name in (record.before("name"), record.after("name")) if name is not None]
        label = " → ".join(dict.fromkeys(names))
        yield Node(column="name", label=label, state=_state([record]))
    yield from _addresses(plan)
    balancers, listeners = plan.of_type(types.LOAD_BALANCER), plan.of_type(types.LISTENER)
    for listener in listeners:
        label = f"{listener.name}, TCP {readable(listener.after('port') or listener.before('port'))}"
        yield Node(column="listener", label=label, state=_state([*balancers, listener]))
    behind = [*plan.of_type(types.TARGET_GROUP), *plan.of_type(types.ROLLOUT)]
    figures = [
        f"{_BRIEF[fact]} {_arrow(before, after)}"
        for fact, before, after in (*_capacity(plan), *_release(plan))
        if fact in _BRIEF
    ]
    for group in plan.of_type(types.SCALING_GROUP):
        label = ", ".join((group.name, *figures[:MOST_FIGURES]))
        yield Node(column="group", label=label, state=_state([*behind, group]))
    buckets = plan.of_type(types.BUCKET)
    for bucket in buckets:
        name = bucket.after("bucket") or bucket.before("bucket") or bucket.name
        yield Node(column="dataset", label=str(name), state=_state([bucket]))
    if not buckets:
        # A mirror reads another environment's.
        name = mapping(plan.outputs_before.get("dataset")).get("bucket")
        if isinstance(name, str):
            yield Node(column="dataset", label=f"{name}, read only", state="same")


def _addresses(plan: Plan) -> Iterator[Node]:
    """Yield the addresses by zone; those allocated elsewhere, which are no resource of the stack, as they were."""
    made = {change.name.removeprefix(f"{plan.stack}-vip-"): change for change in plan.of_type(types.EIP)}
    by_zone = mapping(plan.outputs_before.get("virtualIps"))
    # A zone in use has a public subnet; a reserved one has nothing but its address.
    used = {subnet.name.removeprefix(f"{plan.stack}-public-") for subnet in plan.of_type(types.SUBNET)}
    for zone in sorted({*made, *by_zone}):
        change = made.get(zone)
        address = change.old.outputs.get("publicIp") if change and change.old else by_zone.get(zone)
        label = f"{address} ({zone})" if isinstance(address, str) else zone
        state = _state([change]) if change else "same"
        if zone in used:
            yield Node(column="address", label=label, state=state)
        else:
            yield Node(column="address", label=f"{label}, reserved", state=state, attached=False)


def _arrow(before: Value, after: Value) -> str:
    old, new = readable(before), readable(after)
    return f"{new}" if old in (None, new) else f"{old} → {new}"


def _state(changes: Sequence[Change]) -> NodeState:
    """Return the state of a box that stands for several resources: the worst of theirs; tags alone are none."""
    states: Mapping[Operation, NodeState] = {
        "unknown": "unknown",
        "replace": "replaced",
        "delete": "gone",
        "create": "new",
        "update": "changed",
        "import": "changed",
    }
    operations: list[Operation] = [change.operation for change in changes if not _same_but_tags(change)]
    return states.get(min(operations, key=RANKED.index), "same") if operations else "same"


def _same_but_tags(change: Change) -> bool:
    if change.old is None or change.new is None:
        return False
    return _tags_only(
        change.operation, (path for path, _, _ in changed_properties(change.old.raw_inputs, change.new.raw_inputs))
    )


def fingerprint(plan: Plan) -> str:
    """Return a digest of what would be done, whenever and from wherever it was previewed.

    Names that are made up anew at each preview don't count, nor does what Pulumi marks as a secret, which no preview
    shows. What the review hides, or shortens, counts: two boot scripts that differ in a hidden line are two plans.
    """
    made_up = _made_up_names(plan)

    def comparable(value: Value) -> Value:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=repr)
        return made_up.sub(r"\1-*", text)

    changes = []
    for change in plan.changes:
        before = change.old.raw_inputs if change.old else {}
        after = change.new.raw_inputs if change.new else {}
        options = [(option.path, option.before.text, option.after.text) for option in _options(change)]
        if change.operation in {"same", "read"} and not options:
            continue
        changed = [] if change.operation == "delete" else changed_properties(before, after)
        properties = sorted([path, comparable(old), comparable(new)] for path, old, new in changed)
        changes.append([change.urn, change.operation, change.deletes_first, options, properties])
    return hashlib.sha256(json.dumps(sorted(changes, key=lambda one: str(one[0]))).encode()).hexdigest()


def _made_up_names(plan: Plan) -> re.Pattern[str]:
    """Return what matches a name that Pulumi makes up: the logical one, a hyphen and seven hexadecimal digits."""
    new = {change.name for change in plan.changes if change.operation in {"create", "replace"}}
    inside = "|".join(re.escape(name) for name in sorted(new, key=len, reverse=True) if name)
    return re.compile(rf"({inside})-[0-9a-f]{{7}}(?![0-9a-f])" if inside else r"(?!)()")
