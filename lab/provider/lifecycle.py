"""What is done to a resource: create, read, update and delete, driven by a row of the table.

After each change the resource is read, so that the state says what AWS has; and what AWS has is put in the program's
words wherever it means the same, so that a refresh without a change by hand changes nothing.

Left out: what is decided before (`planning`), gRPC and secrets (`server`), values' forms (`forms`), facts of resources
(`rows`).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jmespath  # type: ignore[import-untyped]  # it ships no types
from botocore.exceptions import BotoCoreError, ClientError

from lab.provider.connection import Connection
from lab.provider.errors import PartialError, ProviderError
from lab.provider.forms import DEFAULTS, PLAIN, TAGS, capital
from lab.provider.model import NOT_SENT, SPREAD, Call, Look, Property, Resource, Step, Tagging
from lab.provider.planning import diff, outputs_from, property_names
from lab.provider.work import Work, code_of, has_placeholders

_SERVICE_TAG = "aws:"
_SUFFIX_LENGTH = 26
_FAILURES = (BotoCoreError, ClientError, ProviderError)


# --- create, update, delete


def create(row: Resource, connection: Connection, inputs: Mapping[str, Any], patience_seconds: float = 0) -> Work:
    """Create the resource; the work returned has its id and, as `state`, its outputs.

    Raises ProviderError if nothing was made, PartialError if something was.
    """
    inputs = _with_prefixed_name(row, inputs)
    work = Work(row, connection, "creating", inputs=inputs, patience_seconds=patience_seconds)
    try:
        for step in row.create:
            _perform(work, step, _tag_parameters(work))
        if row.tags and not row.tags.parameter and inputs.get("tagsAll"):
            _tag(work, row.tags, inputs["tagsAll"], [])
        _wait(work)
        # What is left at its default, AWS has by itself.
        work.changed = frozenset(
            name for name, rule in row.properties.items() if inputs.get(name) not in (None, rule.default)
        )
        updates = [update for update in row.updates if update.after_create and work.changed.intersection(update.on)]
        for update in updates:
            _perform(work, update.do, everything=update.everything)
        if updates:
            _wait(work)
        _finish(work)
    except _FAILURES as error:
        failure = work.failure(error)
        if not work.id:
            raise failure from None
        raise PartialError(str(failure), work.id, _outputs_so_far(work)) from None
    return work


def update(
    row: Resource,
    connection: Connection,
    resource_id: str,
    before: Mapping[str, Any],
    state: Mapping[str, Any],
    news: Mapping[str, Any],
    ignored: Sequence[str] = (),
    patience_seconds: float = 0,
) -> Work:
    """Bring the resource to the new inputs; only what differs is sent. The work's `state` has the outputs.

    Raises PartialError if a part of it failed: the state must say how far it came.
    """
    differences = diff(row, before, state, news, ignored)
    changed = frozenset(change.property for change in differences.changes)
    inputs = _carried_over(row, news, state, changed)
    work = Work(row, connection, "updating", resource_id, inputs, before, state, changed, patience_seconds)
    try:
        if row.tags and changed & {"tags", "tagsAll"}:
            wanted, actual = news.get("tagsAll") or {}, state.get("tagsAll") or {}
            added = {key: value for key, value in wanted.items() if actual.get(key) != value}
            _tag(work, row.tags, added, sorted(actual.keys() - wanted.keys()))
        for step in row.updates:
            if changed.intersection(step.on):
                _perform(work, step.do, everything=step.everything)
        if changed:
            _wait(work)
        _finish(work)
    except _FAILURES as error:
        raise PartialError(str(work.failure(error)), resource_id, _outputs_so_far(work)) from None
    return work


def _carried_over(
    row: Resource, news: Mapping[str, Any], state: Mapping[str, Any], changed: frozenset[str]
) -> dict[str, Any]:
    """Return the inputs of an update with what the program leaves to AWS as it was, which the provider sends again.

    Of an argument that is optional and computed, and not set, Terraform plans the value in the state, unless the change
    renews it (terraform-plugin-sdk, helper/schema: Optional, Computed): so an edited schedule is sent with the start
    that AWS had worked out by the old one (terraform-provider-aws #38983).
    """
    renewed = {name for name, causes in row.renews.items() if changed.intersection(causes)}
    kept = {
        name: state[name]
        for name, rule in row.properties.items()
        if rule.computed and rule.reads != NOT_SENT and news.get(name) is None and name in state and name not in renewed
    }
    return {**news, **kept}


def delete(
    row: Resource,
    connection: Connection,
    resource_id: str,
    before: Mapping[str, Any],
    state: Mapping[str, Any],
    patience_seconds: float = 0,
) -> None:
    """Delete the resource; one that is gone already is fine. Raises ProviderError."""
    known = {**before, **state}
    work = Work(row, connection, "deleting", resource_id, {}, before, known, patience_seconds=patience_seconds)
    try:
        for step in row.delete:
            _perform(work, step)
    except _FAILURES as error:
        if not _means_gone(row, error):
            raise work.failure(error) from None


def _with_prefixed_name(row: Resource, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """A name from a prefix is made up by the provider at creation, not by the check (Terraform's PrefixedUniqueId)."""
    if row.name is None or inputs.get(row.name.property) or not inputs.get(row.name.prefix_property):
        return inputs
    prefix = inputs[row.name.prefix_property]
    suffix = f"{time.strftime('%Y%m%d%H%M%S', time.gmtime())}{time.time_ns():012x}"[:_SUFFIX_LENGTH]
    room = max(row.name.longest - len(prefix), 0)
    return {
        **inputs,
        row.name.property: row.name.finish(prefix + suffix[-room:] if room < len(suffix) else prefix + suffix, inputs),
    }


def _perform(work: Work, step: Step, extra: Mapping[str, Any] | None = None, everything: bool = True) -> None:
    if not isinstance(step, Call):
        step(work)
        return
    parameters = {**work.placed(step.parameters), **_sent(work, step, everything)}
    accepted = _operation_inputs(work.client(), step.operation)
    parameters.update({name: value for name, value in (extra or {}).items() if name in accepted})
    answer: dict[str, Any] = {}

    def succeeds() -> bool:
        nonlocal answer
        try:
            answer = work.call(step.operation, **parameters)
        except ClientError as error:
            if code_of(error) not in step.retries:
                raise
            failures.append(error)
            return False
        return True

    failures: list[ClientError] = []
    try:
        work.until(succeeds, f"{step.operation} to be accepted", step.patience_seconds)
    except ProviderError as error:
        # What AWS said last is the reason; that time ran out is not.
        raise (work.failure(failures[-1]) if failures and not work.connection.cancelled.is_set() else error) from None
    if step.id:
        work.id = str(work.placed(step.id) if "{" in step.id else search(step.id, answer))


def _sent(work: Work, call: Call, everything: bool) -> dict[str, Any]:
    """Return the parameters that come from properties: all that are set, or those that changed."""
    parameters: dict[str, Any] = {}
    accepted = _operation_inputs(work.client(), call.operation)
    for name, rule in work.row.properties.items():
        target = parameter_of(name, rule)
        if target == NOT_SENT or not (target == SPREAD or target.split(".")[0] in accepted):
            continue
        if (call.sends is not None and name not in call.sends) or not (everything or name in work.changed):
            continue
        value = work.inputs.get(name)
        if value is not None:
            sent = rule.form.send(value)
            if target == SPREAD:
                parameters.update({key: item for key, item in sent.items() if key in accepted})
            elif sent is not None:
                _put(parameters, target, sent)
        elif name in work.changed and rule.cleared is not None:
            _put(parameters, target, rule.cleared)
    return parameters


def _put(parameters: dict[str, Any], path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for name in outer:
        parameters = parameters.setdefault(name, {})
    parameters[last] = value


def _tag_parameters(work: Work) -> dict[str, Any]:
    tagging, tags = work.row.tags, work.inputs.get("tagsAll")
    if tagging is None or not tagging.parameter or not tags:
        return {}
    return {tagging.parameter: _shaped(tagging, tags)}


def _shaped(tagging: Tagging, tags: Mapping[str, str]) -> Any:
    if tagging.shape == "map":
        return dict(tags)
    listed = TAGS.send(tags)
    return [{"ResourceType": tagging.kind, "Tags": listed}] if tagging.shape == "specifications" else listed


def _tag(work: Work, tagging: Tagging, added: Mapping[str, str], removed: list[str]) -> None:
    if removed:
        work.facts["tag_keys"] = removed
        work.facts["tag_keys_only"] = [{"Key": key} for key in removed]
        _perform(work, tagging.remove)
    if added:
        work.facts["tags_added"] = dict(added) if tagging.shape == "map" else TAGS.send(added)
        _perform(work, tagging.add)


def _wait(work: Work) -> None:
    waiting = work.row.waits
    if waiting is None:
        return

    def reached() -> bool:
        description = described(work)
        value = None if description is None else search(waiting.path, description)
        if value in waiting.fails:
            reason = search(waiting.reason, description) if waiting.reason else value
            raise ProviderError(f"{work.describe_doing()}: unexpected state '{value}': {reason}")
        return value in waiting.until

    work.until(reached, f"state to become {' or '.join(map(str, waiting.until))}", waiting.patience_seconds)


def _finish(work: Work) -> None:
    description = described(work)
    if description is None:
        raise ProviderError(f"{work.describe_doing()}: AWS doesn't know it any more")
    work.state = _outputs(work, description)


def _outputs_so_far(work: Work) -> dict[str, Any]:
    """Return what can be said of a resource that a step has failed on."""
    try:
        description = described(work)
    except _FAILURES:
        description = None
    # Properties that can't be read count as done only if nothing says otherwise.
    return dict(work.state or outputs_from(work.inputs)) if description is None else _outputs(work, description)


# --- read


def read(
    row: Resource, connection: Connection, resource_id: str, before: Mapping[str, Any], state: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the resource's outputs and inputs as AWS has them, in the words of the earlier ones; None: it is gone.

    Raises ProviderError.
    """
    work = Work(row, connection, "reading", resource_id, inputs=before, before=before, state=state)
    try:
        description = described(work)
    except (BotoCoreError, ClientError) as error:
        raise work.failure(error) from None
    if description is None:
        return None
    outputs = _outputs(work, description)
    return outputs, _refreshed_inputs(row, before, state, outputs)


def described(work: Work) -> dict[str, Any] | None:
    """Return what AWS says of the resource, by the row's looks; None: it is gone. Raises botocore's ClientError."""
    description: dict[str, Any] = {}
    for position, look in enumerate(work.row.reads):
        try:
            result = search(look.result, _looked(work, look))
        except ClientError as error:
            if _means_gone(work.row, error):
                return None
            if code_of(error) not in look.absent:
                raise
            result = None
        if result is None and position == 0 and not look.absent:
            return None
        if look.into:
            description[look.into] = result
        elif result is not None:
            description.update(result)
    return work.row.describe(work, description) if work.row.describe else description


def _means_gone(row: Resource, error: Exception) -> bool:
    for gone in row.gone:
        code, _, words = gone.partition(": ")
        if code_of(error) == code and words in str(error):
            return True
    return False


def _looked(work: Work, look: Look) -> dict[str, Any]:
    client, parameters = work.client(), work.placed(look.parameters)
    if not client.can_paginate(look.operation):
        return work.call(look.operation, **parameters)
    # Every page: a group's hundredth rule counts as much as its first.
    pages: dict[str, Any] = client.get_paginator(look.operation).paginate(**parameters).build_full_result()
    return pages


def _outputs(work: Work, description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs that a description gives, each in the program's words if it means the same."""
    row = work.row
    outputs: dict[str, Any] = {}
    for name, rule in row.properties.items():
        path = rule.reads if rule.reads is not None else parameter_of(name, rule)
        said = work.value(name)
        if path == NOT_SENT:
            outputs[name] = rule.form.keep(said, said)
        else:
            actual = rule.form.receive(search(path, description))
            outputs[name] = rule.form.keep(said, actual)
    if row.tags:
        outputs |= _tag_outputs(work, row.tags, description)
    if row.region:
        outputs["region"] = work.region
    work.facts.update({name: value for name, value in outputs.items() if value is not None})
    for name, path in row.computed.items():
        value = work.placed(path) if has_placeholders(path) else search(path, description)
        outputs[name] = value
        work.facts[name] = value
    return {name: value for name, value in outputs.items() if value is not None}


def _tag_outputs(work: Work, tagging: Tagging, description: Mapping[str, Any]) -> dict[str, Any]:
    tags = search(tagging.reads, description) or {}
    tags = (TAGS.receive(tags) or {}) if isinstance(tags, list) else tags
    ignored = work.connection.ignored_tags
    actual = {key: value for key, value in tags.items() if not key.startswith(_SERVICE_TAG) and key not in ignored}
    said = work.value("tags")
    defaults = work.connection.default_tags
    own = {key: value for key, value in actual.items() if key in (said or {}) or defaults.get(key) != value}
    return {"tags": PLAIN.keep(said, own or None), "tagsAll": actual}


def _refreshed_inputs(
    row: Resource, before: Mapping[str, Any], state: Mapping[str, Any], outputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the inputs which a program would have if it had made what AWS has now.

    A property that the program doesn't set joins them if it was changed by hand; without earlier inputs (a resource
    that is read for the first time) all of them do.
    """
    inputs: dict[str, Any] = {name: value for name, value in before.items() if name.startswith("__")}
    for name in property_names(row):
        rule = row.properties.get(name, Property())
        said, actual = before.get(name), outputs.get(name)
        if said is not None:
            refreshed = said if rule.form.same(said, actual) else rule.form.as_input(said, rule.form.keep(said, actual))
            if refreshed is not None:
                inputs[name] = refreshed
        elif actual is not None and not rule.computed and name not in row.computed:
            by_hand = not rule.form.same(state.get(name), actual) if before else actual != rule.default
            if by_hand:
                inputs[name] = actual
    if not before:
        inputs[DEFAULTS] = []
    return inputs


# --- AWS's model


def parameter_of(name: str, rule: Property) -> str:
    """Return the parameter that takes a property: the row's word, or the name in AWS's capitals."""
    return capital(name) if rule.sends is None else rule.sends


@functools.cache
def _operation_inputs(client: Any, operation: str) -> frozenset[str]:
    """Return the names of an operation's parameters, by botocore's model. Raises KeyError if there is none."""
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape
    return frozenset(shape.members) if shape else frozenset()


@functools.cache
def _compiled(path: str) -> Any:
    return jmespath.compile(path)


def search(path: str, value: Any) -> Any:
    """Return what a JMESPath finds in a value, None if nothing."""
    return _compiled(path).search(value)
