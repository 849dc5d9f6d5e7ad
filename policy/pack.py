"""The policy pack: `infra.rules`, asked by the engine before anything is changed. An adapter, and nothing else.

A rule that one resource alone decides is asked for each resource, before the engine touches it; the others of
the whole stack, at the end of a preview. The engine shows a stack policy outputs only, so inputs are noted as the
resources go by. In the lab, which addresses AWS is going to hand out is asked of the emulator. Left out: how long data
stays when it is given up, which the engine tells no policy.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Secret,
    StackValidationArgs,
    StackValidationPolicy,
)

from infra.errors import ConfigError
from infra.graph import SECRET, UNKNOWN, UNKNOWN_MARKS, Graph, Resource, Value
from infra.rules import (
    DECLARED,
    RULES,
    Rule,
    account_allowed,
    certificate_of_its_own,
    published_addresses,
    reads_lives_dataset,
)
from infra.settings import own_of
from infra.values import mapping
from infra.yamlfile import read_mapping

NAME = "eps-dos-api"
LIVE_FILE = "Pulumi.live.yaml"


class Noted:
    """The inputs of the resources that have gone by, which the engine asks about many at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inputs: dict[str, Mapping[str, Value]] = {}

    def note(self, urn: str, inputs: Mapping[str, Value]) -> None:
        """Keep the inputs of a resource."""
        with self._lock:
            self._inputs[urn] = inputs

    def of(self, urn: str) -> Mapping[str, Value] | None:
        """Return the inputs of a resource, or None."""
        with self._lock:
            return self._inputs.get(urn)


def make(folder: Path, environment: Mapping[str, str]) -> PolicyPack:
    """Return the pack for the project in `folder`, as the process's `environment` has it."""
    noted = Noted()
    return PolicyPack(
        name=NAME,
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=[_policy(rule, noted) for rule in rules(folder, environment)],
    )


def rules(folder: Path, environment: Mapping[str, str]) -> tuple[Rule, ...]:
    """Return the rules to ask for: all, and those that depend on where this is.

    Live needs accounts that it is allowed in, except in the lab; nobody may have Live's certificate, nor write its
    dataset.
    """
    live = _lives_settings(folder)
    dataset = live.get("dataset")
    chosen = [
        *RULES,
        *DECLARED,
        published_addresses(_kept_in_lab(environment)),
        certificate_of_its_own(_text(live.get("certificateSecretArn"))),
        reads_lives_dataset(_text(dataset.get("bucket")) if isinstance(dataset, Mapping) else None),
    ]
    if not in_lab(environment):
        chosen.append(account_allowed)
    return tuple(chosen)


def _kept_in_lab(environment: Mapping[str, str]) -> Collection[str]:
    """Return the published addresses that the lab's account has for stacks which haven't made theirs yet."""
    if not in_lab(environment):
        return ()
    # Elsewhere there may be no lab.
    from lab.control import Control

    return frozenset(Control(environment["AWS_ENDPOINT_URL"]).kept_addresses().values())


def in_lab(environment: Mapping[str, str]) -> bool:
    """Whether AWS is this machine: it is not enough to say so, it must be spoken to here."""
    host = urlsplit(environment.get("AWS_ENDPOINT_URL", "")).hostname
    return environment.get("EPS_DOS_LAB") == "1" and host in {"127.0.0.1", "localhost", "::1"}


def _lives_settings(folder: Path) -> Mapping[str, object]:
    try:
        config = read_mapping(folder / LIVE_FILE).get("config")
    except ConfigError:
        # The program reads the same file, and says what is wrong with it.
        return {}
    return own_of(mapping(config))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _policy(rule: Rule, noted: Noted) -> Policy:
    description = f"{rule.description} ({rule.source})"
    if rule.alone:
        return ResourceValidationPolicy(name=rule.name, description=description, validate=_for_resource(rule, noted))
    return StackValidationPolicy(name=rule.name, description=description, validate=_for_stack(rule, noted))


def _for_resource(rule: Rule, noted: Noted) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = _resource(args, plain(args.props), {})
        noted.note(resource.urn, resource.inputs)
        for violation in rule.violations(Graph.of(_stack([resource]), [resource])):
            report(violation.message, violation.urn)

    return validate


def _for_stack(rule: Rule, noted: Noted) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for violation in rule.violations(graph(args.resources, noted)):
            report(violation.message, violation.urn)

    return validate


def graph(resources: Sequence[PolicyResource], noted: Noted) -> Graph:
    """Return the stack's graph; what wasn't noted has its outputs for inputs, which name more."""
    made = []
    for resource in resources:
        outputs = plain(resource.props)
        inputs = noted.of(resource.urn)
        made.append(_resource(resource, outputs if inputs is None else inputs, outputs))
    return Graph.of(_stack(made), made)


def plain(properties: Mapping[str, Any]) -> dict[str, Value]:
    """Return properties as a Graph has them: the SDK's proxies resolved, secrets and unknown values as marks."""
    return {str(key): _plain(value) for key, value in _unwrapped(properties).items() if not str(key).startswith("__")}


def _plain(value: Any) -> Value:  # noqa: ANN401 - whatever the SDK gives
    value = _unwrapped(value)
    if isinstance(value, Secret):
        return SECRET
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str) and value in UNKNOWN_MARKS:
        return UNKNOWN
    return value


def _unwrapped(value: Any) -> Any:  # noqa: ANN401 - whatever the SDK gives
    """Return what a proxy stands for. Reading a proxy raises at the first unknown value; a rule wants the others."""
    if type(value).__module__ == "pulumi_policy.proxy":
        return value["__target"]
    return value


def _resource(
    source: PolicyResource | ResourceValidationArgs, inputs: Mapping[str, Value], outputs: Mapping[str, Value]
) -> Resource:
    parent = getattr(source, "parent", None)
    return Resource(
        urn=source.urn,
        type=source.resource_type,
        inputs=inputs,
        outputs=outputs,
        parent=parent.urn if parent else None,
        dependencies=tuple(sorted(resource.urn for resource in getattr(source, "dependencies", ()))),
        protect=bool(source.opts.protect),
        ignore_changes=tuple(sorted(source.opts.ignore_changes)),
        provider=source.provider.urn if source.provider else "",
    )


def _stack(resources: Sequence[Resource]) -> str:
    return resources[0].urn.split("::")[0].rsplit(":", 1)[-1] if resources else ""


def main() -> None:
    """Serve the pack of the project that this folder is part of."""
    make(Path(__file__).resolve().parents[1], os.environ)
