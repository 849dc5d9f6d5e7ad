"""Whether a state may be used: what it makes the engine start and call is the program's own, and nothing else.

Whoever may write a state decides which plugins the engine starts, with which inputs, and which pickled code a dynamic
provider runs, all with the rights of whoever runs Pulumi; a preview of it says "unchanged". So a state is judged before
each operation. Left out: whether its resources are true, which a refresh says, and plain `pulumi`, which asks nobody.

Source: the engine's apitype package (DeploymentV3, ResourceV3), and how it configures a provider from a state
(`__internal` holds pluginDownloadURL, pluginChecksums and parameterization; `version` picks the plugin).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from infra.environment import AwsPlan
from infra.errors import Problem, ReportedError
from infra.settings import NAMESPACE
from infra.types import AWS_PROVIDER, OWN_PROVIDER, PROVIDERS, ROLLOUT, STACK
from infra.values import mapping

_INPUTS = {
    AWS_PROVIDER: ("allowedAccountIds", "assumeRoles", "ignoreTags", "profile", "region"),
    OWN_PROVIDER: ("assumeRoles", "profile", "region"),
}
"""What the program gives its providers."""
_REGISTERED = (f"{AWS_PROVIDER}::aws", f"{OWN_PROVIDER}::eps-dos")
_DEPLOYMENT_KEYS = frozenset({"manifest", "secrets_providers", "resources", "pending_operations", "metadata"})
"""Of a deployment; an engine also reads `snippets` (program code) and `extensions` (plugins)."""
_SWITCHES = {"skipCredentialsValidation": "false", "skipRegionValidation": "true"}
"""Inputs that the AWS provider's SDK sets by itself, and to what; its CheckConfig adds none (pulumi-terraform-bridge,
pkg/tfbridge/provider.go; pulumi-aws, provider/resources.go, preConfigureCallback)."""


class ArmedStateError(ReportedError):
    """A state holds what the program never put there: nothing may be run on it."""

    def __init__(self, stack: str, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(f"the state of {stack} must not be used; nothing was run\n" + "\n".join(map(str, problems)))


def check_state(
    stack: str, exported: Mapping[str, Any], aws: AwsPlan | None, version: str, *, program_configures: bool
) -> None:
    """Raise ArmedStateError, naming every resource that no deployment of this program leaves in `stack`'s state.

    `exported` is what `pulumi stack export` prints, `aws` where the stack is by its file (None: it has none), `version`
    the AWS provider's. `program_configures`: the operation runs the program, so its two providers work with today's
    accounts, profile and roles, and those in the state may be of before an edit.
    """
    deployment = mapping(exported.get("deployment"))
    history = f"restore the state from before: pulumi stack history --stack {stack}, then the backend's own versions"
    problems = [
        Problem(where=f"{stack}: {key}", message="is in the state; the program leaves no such part", fix=history)
        for key in sorted(deployment.keys() - _DEPLOYMENT_KEYS)
        if deployment[key]
    ]
    resources = tuple(_resources(deployment))
    times = Counter(str(resource.get("urn")) for resource in resources)
    for resource in resources:
        urn, kind = str(resource.get("urn")), str(resource.get("type"))
        where = f"{urn.split('::', 2)[-1]}:"
        problems += [Problem(where=where, message=message, fix=history) for message in _foreign(resource)]
        if kind not in _INPUTS:
            continue
        problems += [
            Problem(where=where, message=message, fix=history)
            for part in ("inputs", "outputs")
            for message in _unexpected(kind, mapping(resource.get(part)), version)
        ]
        # Of several with one URN, the program configures the last.
        configured = program_configures and urn.endswith(_REGISTERED) and times[urn] == 1
        if aws is not None and resource.get("inputs"):
            undo = f"undo the edit of aws:region in Pulumi.{stack}.yaml"
            fix = undo if configured else f"if Pulumi.{stack}.yaml was edited: eps-dos up {stack}"
            problems += [
                Problem(where=where, message=message, fix=f"{fix}; else {history}")
                for message in _elsewhere(
                    mapping(resource["inputs"]), aws, ("region",) if configured else _INPUTS[kind]
                )
            ]
    if problems:
        raise ArmedStateError(stack, tuple(dict.fromkeys(problems)))


def _resources(deployment: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from map(mapping, deployment.get("resources") or ())
    # The engine takes up what was begun and never ended.
    yield from (mapping(mapping(operation).get("resource")) for operation in deployment.get("pending_operations") or ())


def _foreign(resource: Mapping[str, Any]) -> Iterator[str]:
    """Say what makes a resource another program's, or code."""
    kind = str(resource.get("type"))
    if kind != str(resource.get("urn")).partition("::")[2].partition("::")[2].partition("::")[0].rpartition("$")[2]:
        yield f"is of type {kind}, which its URN doesn't say"
    if any("__provider" in mapping(resource.get(part)) for part in ("inputs", "outputs")):
        yield "carries a provider's code (__provider); the program has no dynamic resources"
    if kind in _INPUTS:
        return
    if kind.startswith(PROVIDERS):
        yield f"is a provider of kind {kind.removeprefix(PROVIDERS)}; allowed: aws, eps-dos"
    elif not resource.get("custom"):
        if kind != STACK and kind.partition(":")[0] != NAMESPACE:
            yield f"is a component of type {kind}; allowed: {NAMESPACE}:*"
        if resource.get("provider"):
            yield "is a component with a provider of its own"
    elif kind.partition(":")[0] not in ("aws", "eps-dos"):
        yield f"is of type {kind}; allowed: aws:*, {ROLLOUT}"
    else:
        expected = f"{PROVIDERS}{kind.partition(':')[0]}"
        reference = str(resource.get("provider")).split("::")
        if len(reference) != 5 or reference[2].rpartition("$")[2] != expected:
            yield f"has the provider {resource.get('provider')}; allowed: one of type {expected}"


def _unexpected(kind: str, properties: Mapping[str, Any], version: str) -> Iterator[str]:
    """Say which inputs a provider has that no stack file can give it."""
    sdk_adds = {"version": version, **_SWITCHES} if kind == AWS_PROVIDER else {}
    for key, value in sorted(properties.items()):
        if key == "__internal":
            if value:
                yield f"has {', '.join(sorted(map(str, mapping(value))))} in __internal; allowed: nothing"
        elif key == "version" and key in sdk_adds:
            if not _is_up_to(str(value), version):
                yield f"has version {value}; allowed: {version}, or an older one before an upgrade"
        elif key in sdk_adds:
            if str(value).lower() != sdk_adds[key]:
                yield f"has {key} {value}; allowed: {sdk_adds[key]}"
        elif key not in _INPUTS[kind]:
            # Not the value: it may be a key.
            yield f"has {key}; allowed: {', '.join(sorted((*_INPUTS[kind], *sdk_adds)))}"


def _is_up_to(version: str, newest: str) -> bool:
    parts = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", text) for text in (version, newest)]
    return None not in parts and tuple(map(int, parts[0].groups())) <= tuple(map(int, parts[1].groups()))  # type: ignore[union-attr]  # both matched


def _elsewhere(inputs: Mapping[str, Any], aws: AwsPlan, keys: Iterable[str]) -> Iterator[str]:
    """Say where a provider of the state would work: in which region, account or role, but for the stack file's."""
    today: dict[str, object] = {
        "region": aws.region,
        "allowedAccountIds": list(aws.allowed_account_ids),
        "profile": aws.profile or "",
        "assumeRoles": [{"roleArn": arn} for arn in aws.assume_role_arns],
    }
    # Which tags it leaves alone (ignoreTags) is no place, and a mirror has them from another file.
    for key in (key for key in keys if key in today):
        value = _parsed(inputs.get(key)) or type(today[key])()
        if value != today[key]:
            yield f"has {key} {json.dumps(value)}; by the stack file: {json.dumps(today[key])}"


def _parsed(value: object) -> object:
    # A provider's inputs are texts: lists are JSON in them.
    try:
        return json.loads(value) if isinstance(value, str) and value.startswith(("[", "{")) else value
    except (ValueError, RecursionError):
        return value
