"""The table is held against what it was made from: the installed pulumi_aws and botocore's models of AWS."""

from __future__ import annotations

from collections.abc import Iterator

import botocore.session
import pytest
from botocore import xform_name

from lab.provider import make_schema, schema
from lab.provider.forms import Form, ListOf, Nested
from lab.provider.functions import FUNCTIONS
from lab.provider.lifecycle import parameter_of
from lab.provider.model import NOT_SENT, SPREAD, Call, Look, Resource
from lab.provider.rows import ROWS

SESSION = botocore.session.get_session()
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))


def calls(row: Resource) -> Iterator[Call]:
    steps = [*row.create, *row.delete, *(update.do for update in row.updates)]
    steps += [row.tags.add, row.tags.remove] if row.tags else []
    yield from (step for step in steps if isinstance(step, Call))


def parameters(row: Resource, operation: str) -> set[str]:
    """Return the parameters of an operation of the row's service; an unknown one raises KeyError."""
    model = SESSION.get_service_model(row.service)
    names = {xform_name(name): name for name in model.operation_names}
    shape = model.operation_model(names[operation]).input_shape
    return set(shape.members) if shape else set()


def test_the_schema_is_that_of_the_installed_package() -> None:
    """Otherwise: python -m lab.provider.make_schema, and look at what an upgrade has changed."""
    made = make_schema.as_text(make_schema.schema(list(ROWS), list(FUNCTIONS)))
    assert schema.SCHEMA_FILE.read_text(encoding="utf-8") == made


@every_row
def test_a_row_speaks_of_every_input_and_of_no_other(row: Resource) -> None:
    known = set(row.properties) | set(row.unimplemented)
    known |= ({"tags"} if row.tags else set()) | ({"region"} if row.region else set())
    assert known == set(schema.inputs_of("resources", row.type)["inputs"])


@every_row
def test_a_row_has_no_output_that_the_class_lacks(row: Resource) -> None:
    assert {*row.properties, *row.computed} <= set(schema.inputs_of("resources", row.type)["outputs"])


@every_row
def test_nested_properties_are_those_of_the_class(row: Resource) -> None:
    entry = schema.inputs_of("resources", row.type)["inputs"]
    for name, rule in row.properties.items():
        if name in entry:
            assert list(unknown_parts(rule.form, entry[name], name)) == []


def unknown_parts(form: Form, described: object, path: str) -> Iterator[str]:
    if isinstance(form, ListOf):
        inner = described["array"] if isinstance(described, dict) and "array" in described else described
        yield from unknown_parts(form.item, inner, path)
    elif isinstance(form, Nested) and isinstance(described, dict):
        for name, part in form.parts.items():
            if name not in described["object"]:
                yield f"{path}.{name}"
            else:
                yield from unknown_parts(part.form, described["object"][name], f"{path}.{name}")


@every_row
def test_calls_and_looks_are_aws_operations_with_these_parameters(row: Resource) -> None:
    looks: list[Call | Look] = [*row.reads, *calls(row)]
    for one in looks:
        assert set(one.parameters) <= parameters(row, one.operation), one.operation


@every_row
def test_what_a_call_says_it_sends_are_its_parameters(row: Resource) -> None:
    for call in calls(row):
        for name in call.sends or ():
            target = parameter_of(name, row.properties[name])
            assert target == SPREAD or target.split(".")[0] in parameters(row, call.operation), (call.operation, name)


@every_row
def test_every_property_reaches_aws_by_a_call_or_a_step(row: Resource) -> None:
    by_steps = {name for update in row.updates if not isinstance(update.do, Call) for name in update.on} | (
        set(row.properties) if any(not isinstance(step, Call) for step in row.create) else set()
    )
    sent = {
        name
        for name, rule in row.properties.items()
        for call in calls(row)
        if (call.sends is None or name in call.sends)
        and parameter_of(name, rule) not in (NOT_SENT,)
        and (
            parameter_of(name, rule) == SPREAD
            or parameter_of(name, rule).split(".")[0] in parameters(row, call.operation)
        )
    }
    kept_here = {name for name, rule in row.properties.items() if rule.sends == NOT_SENT and rule.reads == NOT_SENT}
    assert set(row.properties) - sent - by_steps - kept_here == set()


@every_row
def test_every_property_that_can_change_has_an_update(row: Resource) -> None:
    """One that can't must say that it replaces; one that nobody sends is the provider's own."""
    changing = {
        name
        for name, rule in row.properties.items()
        if not rule.replaces and not (rule.sends == NOT_SENT and rule.reads == NOT_SENT)
    }
    assert changing - {name for update in row.updates for name in update.on} == set()


@pytest.mark.parametrize("token", FUNCTIONS)
def test_functions_implement_arguments_that_there_are(token: str) -> None:
    assert set(FUNCTIONS[token].implements) <= set(schema.inputs_of("functions", token)["inputs"])
