"""What holds of each setting stands beside it."""

import pytest

from infra.settings import FACTS, KEYS


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_has_its_facts(key: str) -> None:
    assert key in FACTS, f"infra/settings.py: {KEYS[key]} has no Facts(about=..., mirror=..., inherited=..., test=...)"
    facts = FACTS[key]
    assert facts.about
    assert not (facts.mirrors_only and (facts.inherited or not facts.mirror)), "only a mirror may set it"
    assert facts.mirror or facts.test != "own" or not facts.inherited, "a mirror made for one test can't set its own"
