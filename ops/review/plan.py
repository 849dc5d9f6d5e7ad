"""A plan: what an operation would do to one stack, read from the engine's log of events.

The log says more than the document that `pulumi preview --json` prints: the order of a replacement, what a refresh
found, what policies said, and how far a preview came that failed. Whatever a newer engine writes is kept: an operation
that isn't known here is one that is not known, never none. Nothing is judged here, and nothing hidden: what may be
shown is `ops.review.values`' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

from infra import types
from infra.graph import Value, plain_properties
from infra.values import mapping, sequence

Json: TypeAlias = Mapping[str, Any]

Operation = Literal["unknown", "replace", "delete", "create", "update", "import", "forget", "refresh", "read", "same"]
"""What happens to a resource; of several steps, the earliest in this list wins."""

RANKED: tuple[Operation, ...] = get_args(Operation)

ENGINE_OPERATIONS: Mapping[str, Operation] = {
    "same": "same",
    "create": "create",
    "update": "update",
    "delete": "delete",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "read": "read",
    "read-replacement": "read",
    "refresh": "refresh",
    "discard": "forget",
    "discard-replaced": "forget",
    "remove-pending-replace": "forget",
    "import": "import",
    "import-replacement": "replace",
    "diff": "read",
    "extend-parameterize": "read",
}
"""Every operation of the engine (Pulumi, pkg/resource/deploy/step.go)."""

KNOWN_EVENTS = frozenset(
    {
        "sequence",
        "timestamp",
        "cancelEvent",
        "stdoutEvent",
        "diagnosticEvent",
        "preludeEvent",
        "summaryEvent",
        "resourcePreEvent",
        "resOutputsEvent",
        "resOpFailedEvent",
        "policyEvent",
        "policyRemediationEvent",
        "policyLoadEvent",
        "policyAnalyzeSummaryEvent",
        "policyRemediateSummaryEvent",
        "policyAnalyzeStackSummaryEvent",
        "startDebuggingEvent",
        "progressEvent",
        "errorEvent",
    }
)
"""What an event may hold (Pulumi, apitype.EngineEvent)."""


@dataclass(frozen=True)
class State:
    """A resource before or after, as the engine wrote it."""

    raw: Json

    @cached_property
    def inputs(self) -> Mapping[str, Value]:
        """Properties as the program gives them, secrets and unknown values as marks."""
        return _read(self.raw.get("inputs"))

    @cached_property
    def outputs(self) -> Mapping[str, Value]:
        """Properties as the provider knows them."""
        return _read(self.raw.get("outputs"))

    @property
    def raw_inputs(self) -> Json:
        """Inputs with Pulumi's marks unread."""
        return mapping(self.raw.get("inputs"))

    @property
    def raw_outputs(self) -> Json:
        """Outputs with Pulumi's marks unread."""
        return mapping(self.raw.get("outputs"))

    @property
    def protect(self) -> bool:
        """Whether the engine refuses to delete it."""
        return self.raw.get("protect") is True

    @property
    def retained(self) -> bool:
        """Whether it stays in AWS when the stack gives it up."""
        return self.raw.get("retainOnDelete") is True

    @property
    def left_over(self) -> bool:
        """Whether it was replaced and only waits to be deleted."""
        return self.raw.get("delete") is True


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that the engine would do."""

    operation: str
    """In the engine's words."""
    urn: str
    old: State | None
    new: State | None
    detailed_diff: Mapping[str, str] = field(default_factory=dict)
    """Path -> kind (`update`, `add-replace`, ...), as the provider sees it."""
    replace_reasons: tuple[str, ...] = ()

    @classmethod
    def from_event(cls, metadata: object) -> Step:
        """Return the step in an event."""
        written = mapping(metadata)
        old, new = (State(mapping(written.get(key))) if mapping(written.get(key)) else None for key in ("old", "new"))
        named = written.get("urn") or next((state.raw.get("urn") for state in (new, old) if state), "")
        diff = mapping(written.get("detailedDiff"))
        return cls(
            operation=str(written.get("op", "")),
            urn=str(named),
            old=old,
            new=new,
            detailed_diff={str(path): str(mapping(entry).get("diffKind", "")) for path, entry in diff.items()},
            replace_reasons=tuple(str(reason) for reason in sequence(written.get("keys"))),
        )


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource: all its steps."""

    urn: str
    operation: Operation
    engine_operations: tuple[str, ...]
    """The engine's names for its steps, in its order."""
    old: State | None
    new: State | None
    detailed_diff: Mapping[str, str]
    replace_reasons: tuple[str, ...]

    @cached_property
    def type(self) -> str:
        """The Pulumi type."""
        return self.qualified_type.rsplit("$", 1)[-1]

    @property
    def qualified_type(self) -> str:
        """The types of all its parents and its own."""
        parts = self.urn.split("::")
        return parts[2] if len(parts) > 2 else ""

    @property
    def name(self) -> str:
        """The logical name, the last part of the URN."""
        return self.urn.split("::", 3)[-1]

    @property
    def deletes_first(self) -> bool:
        """Whether the old one goes before the new one comes."""
        order = [step for step in self.engine_operations if step in {"create-replacement", "delete-replaced"}]
        return order[:1] == ["delete-replaced"]

    @property
    def retained(self) -> bool:
        """Whether the old resource stays in AWS."""
        return self.old is not None and self.old.retained

    @property
    def options(self) -> Iterator[tuple[str, bool, bool]]:
        """The engine's options that change: name, before, after."""
        if self.old is not None and self.new is not None:
            if self.old.protect != self.new.protect:
                yield "protect", self.old.protect, self.new.protect
            if self.old.retained != self.new.retained:
                yield "retainOnDelete", self.old.retained, self.new.retained

    def before(self, name: str) -> Value:
        """Return an input as it was, None if there was none."""
        return self.old.inputs.get(name) if self.old else None

    def after(self, name: str) -> Value:
        """Return an input as it will be, None if there will be none."""
        return self.new.inputs.get(name) if self.new else None


@dataclass(frozen=True, kw_only=True)
class PolicyResult:
    """What a policy said."""

    policy: str
    pack: str
    blocks: bool
    """Whether it stops the update. Unfamiliar levels do."""
    message: str
    urn: str


HARMLESS_LEVELS = frozenset({"advisory", "warning", "none", "disabled", "remediate"})
"""Of enforcement; `warning` is what newer engines call `advisory`."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that would happen to one stack."""

    stack: str
    changes: tuple[Change, ...]
    """One for each resource, in the engine's order; without the providers that the engine makes for itself."""
    drift: tuple[Change, ...] = ()
    """Differences between AWS and the state: `update`, or `delete` for what is gone."""
    warnings: tuple[str, ...] = ()
    """Of the engine, the program and the providers."""
    policies: tuple[PolicyResult, ...] = ()
    packs: tuple[str, ...] = ()
    """Policy packs that ran, with their versions."""
    policies_passed: int = 0
    errors: tuple[str, ...] = ()
    """Why the plan is incomplete; empty if it is complete."""
    duration_seconds: float | None = None
    uncounted: Mapping[str, int] = field(default_factory=dict)
    """Operations that the engine counted and of which there is no step."""
    unknown_events: tuple[str, ...] = ()
    """Kinds of events that only a newer engine has."""

    @property
    def failed(self) -> bool:
        """Whether the preview failed, so that the plan may be incomplete."""
        return bool(self.errors)

    def of_type(self, type_: str) -> tuple[Change, ...]:
        """Return the changes (and unchanged resources) of a Pulumi type."""
        return tuple(change for change in self.changes if change.type == type_)

    @property
    def outputs_before(self) -> Mapping[str, Value]:
        """The outputs of the stack, which stand in its state until the update."""
        return next((change.old.outputs for change in self.of_type(types.STACK) if change.old), {})


def read_plan(stack: str, events: Sequence[Json], errors: Iterable[str] = ()) -> Plan:
    """Return the plan in a preview's events. `errors` tell that the preview failed.

    Never raises for what is in them, however odd.
    """
    log = [mapping(event) for event in events]
    planned, refreshed = _steps_in(log)
    summary = next(reversed(_of_kind(log, "summaryEvent")), {})
    return Plan(
        stack=stack,
        changes=tuple(change for change in _merged(planned) if not _engines_own(change)),
        drift=tuple(change for step in refreshed if (change := _drifted(step)) is not None),
        warnings=tuple(_warnings(log)),
        policies=_policies(log),
        # A local pack's name has its folder behind it.
        packs=tuple(
            f"{str(name).split('|')[0]} {version}" for name, version in mapping(summary.get("PolicyPacks")).items()
        ),
        policies_passed=_passed(log),
        errors=tuple(str(error) for error in errors),
        duration_seconds=seconds if isinstance(seconds := summary.get("durationSeconds"), int) else None,
        uncounted=_uncounted(planned, mapping(summary.get("resourceChanges"))),
        unknown_events=tuple(sorted({str(key) for event in log for key in event} - KNOWN_EVENTS)),
    )


def _steps_in(events: Sequence[Json]) -> tuple[list[Step], list[Step]]:
    """Return the planned steps, and those of the refresh, of which only the end says what is there."""
    planned, refreshed = [], []
    refreshing: set[str] = set()
    for event in events:
        if "resourcePreEvent" in event:
            step = Step.from_event(mapping(event["resourcePreEvent"]).get("metadata"))
            if step.operation == "refresh":
                refreshing.add(step.urn)
            else:
                planned.append(step)
        elif "resOutputsEvent" in event:
            step = Step.from_event(mapping(event["resOutputsEvent"]).get("metadata"))
            if step.urn in refreshing:
                refreshing.discard(step.urn)
                refreshed.append(step)
    return planned, refreshed


def _drifted(step: Step) -> Change | None:
    change = _change(step.urn, [step])
    if step.old is None or change.type == types.STACK:
        return None
    operation: Operation = "update" if step.new else "delete"
    if step.new and (step.old.raw_outputs, step.old.raw_inputs) == (step.new.raw_outputs, step.new.raw_inputs):
        return None
    return replace(change, operation=operation)


def _engines_own(change: Change) -> bool:
    """Whether it is a default provider of the engine, which has the stack's whole configuration as inputs."""
    return (
        change.type.startswith(types.PROVIDERS) and change.name.startswith("default") and change.operation != "unknown"
    )


def _merged(steps: Sequence[Step]) -> tuple[Change, ...]:
    by_urn: dict[str, list[Step]] = {}
    for step in steps:
        by_urn.setdefault(step.urn, []).append(step)
    return tuple(_change(urn, of_one) for urn, of_one in by_urn.items())


def _change(urn: str, steps: Sequence[Step]) -> Change:
    # A resource that an earlier update replaced but couldn't delete is deleted beside its successor's steps.
    current = [step for step in steps if not (step.operation == "delete" and step.old and step.old.left_over)] or steps
    operations = [ENGINE_OPERATIONS.get(step.operation, "unknown") for step in current]
    if current is steps and all(step.old and step.old.left_over for step in current) and set(operations) == {"delete"}:
        operations = ["forget"]
    telling = sorted(current, key=lambda one: one.operation != "replace")
    return Change(
        urn=urn,
        operation=min(operations, key=RANKED.index),
        engine_operations=tuple(step.operation for step in current),
        old=next((step.old for step in telling if step.old), None),
        new=next((step.new for step in telling if step.new), None),
        detailed_diff={path: kind for step in current for path, kind in step.detailed_diff.items()},
        replace_reasons=tuple(dict.fromkeys(reason for step in current for reason in step.replace_reasons)),
    )


def _of_kind(events: Sequence[Json], kind: str) -> list[Json]:
    return [mapping(event[kind]) for event in events if kind in event]


def _warnings(events: Sequence[Json]) -> Iterator[str]:
    for diagnostic in _of_kind(events, "diagnosticEvent"):
        if diagnostic.get("severity") == "warning" and not diagnostic.get("ephemeral"):
            yield str(diagnostic.get("message", ""))


def _policies(events: Sequence[Json]) -> tuple[PolicyResult, ...]:
    results = [
        PolicyResult(
            policy=str(event.get("policyName", "")),
            pack=str(event.get("policyPackName", "")),
            blocks=str(event.get("enforcementLevel", "")) not in HARMLESS_LEVELS,
            message=str(event.get("message", "")),
            urn=str(event.get("resourceUrn", "")),
        )
        for event in _of_kind(events, "policyEvent")
    ]
    return tuple(dict.fromkeys(results))


def _passed(events: Sequence[Json]) -> int:
    """Return the number of policies that held for every resource."""
    held: set[tuple[str, str]] = set()
    broken: set[tuple[str, str]] = set()
    of_resources, of_stack = "policyAnalyzeSummaryEvent", "policyAnalyzeStackSummaryEvent"
    for summary in (*_of_kind(events, of_resources), *_of_kind(events, of_stack)):
        pack = str(summary.get("policyPackName"))
        held |= {(pack, str(name)) for name in sequence(summary.get("passed"))}
        broken |= {(pack, str(name)) for name in sequence(summary.get("failed"))}
    return len(held - broken)


def _uncounted(steps: Sequence[Step], counts: Json) -> Mapping[str, int]:
    shown = {step.operation for step in steps} | ENGINE_OPERATIONS.keys()
    # Not isinstance, since True is an int.
    return {
        str(name): count for name, count in counts.items() if type(count) is int and count > 0 and name not in shown
    }


def _read(properties: object) -> Mapping[str, Value]:
    try:
        return plain_properties(mapping(properties))
    except RecursionError:
        # Nested deeper than anything of AWS: nothing to look for in there.
        return {}
