"""docs/configuration.md lists what the settings are, no more and no less."""

import re

from infra.overlay import MIRROR_KEYS
from infra.settings import KEYS
from tests.infra.stackfiles import CHECKOUT

ROWS = dict(
    re.findall(r"^\| `(\w+)` \|.*\|([^|]*)\|$", (CHECKOUT / "docs/configuration.md").read_text(), flags=re.MULTILINE)
)


def test_every_key_has_its_row() -> None:
    assert ROWS.keys() == KEYS


def test_the_keys_of_a_mirror_have_the_reasons_that_the_code_has() -> None:
    assert {key: reason.strip() for key, reason in ROWS.items() if reason.strip()} == dict(MIRROR_KEYS)
