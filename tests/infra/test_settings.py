"""What holds of each setting stands beside it, and each decides something."""

import ast
import dataclasses

import pytest

from infra import environment
from infra.settings import FACTS, KEYS, StackSettings
from tests.infra.stackfiles import CHECKOUT


def read_outside(module: str) -> set[str]:
    """Return the names of all attributes that infra and ops read, but the module that declares them."""
    return {
        node.attr
        for package in ("infra", "ops")
        for file in (CHECKOUT / package).rglob("*.py")
        if file != CHECKOUT / module
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_has_its_facts(key: str) -> None:
    assert key in FACTS, f"infra/settings.py: {KEYS[key]} has no Facts(...), nor AS_LIVE"
    facts = FACTS[key]
    assert StackSettings.model_fields[KEYS[key]].description, f"infra/settings.py: {KEYS[key]} has no text under it"
    assert not (facts.mirrors_only and (facts.inherited or not facts.mirror)), "only a mirror may set it"
    assert facts.mirror or facts.test != "own" or not facts.inherited, "a mirror made for one test can't set its own"


def test_every_setting_is_read() -> None:
    """A setting that validates and changes nothing misleads whoever sets it; a promotion is a record, for people."""
    unread = set(KEYS.values()) - read_outside("infra/settings.py") - {"promotion"}
    assert unread == set(), f"{sorted(unread)}: read them in infra/deciding.py, or where else they decide"


def test_every_field_of_a_plan_is_read() -> None:
    plans = [value for value in vars(environment).values() if dataclasses.is_dataclass(value)]
    declared = {field.name for plan in plans for field in dataclasses.fields(plan)}
    unread = declared - read_outside("infra/environment.py")
    assert unread == set(), f"{sorted(unread)}: read them in the component of infra/components that they are for"
