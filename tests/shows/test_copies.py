"""A lab whose stacks are up is copied: the copy has them at once, and neither lab touches the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from tests.labs import LOCKS, copied_lab
from tests.shows.environments import Environments

pytestmark = pytest.mark.engine


def test_a_copy_is_up_and_neither_lab_touches_the_other(all_up: Environments, tmp_path: Path) -> None:
    """Ids and addresses are the same, nothing is to do, and destroying it leaves the source as it was."""
    state, inventory, address = all_up.export("dev"), all_up.inventory("dev"), all_up.outputs("dev")["virtualIps"]
    with copied_lab(all_up, tmp_path) as copy:
        copied = copy.lab.status().running
        assert copied is not None
        assert copied != all_up.lab.status().running
        assert copy.export("dev") == state
        assert copy.inventory("dev") == inventory
        assert copy.healthy_targets("dev") == all_up.healthy_targets("dev")
        copy.pulumi("preview", "--stack", "dev", "--refresh", "--expect-no-changes")
        copy.pulumi("destroy", "--stack", "dev", "--yes", "--skip-preview")
        assert copy.inventory("dev") == {}
        assert copy.lab.status().running == copied
    assert copy.lab.status().running is None
    assert all_up.outputs("dev")["virtualIps"] == address
    assert all_up.export("dev") == state
    assert all_up.inventory("dev") == inventory
    all_up.pulumi("preview", "--stack", "dev", "--refresh", "--expect-no-changes")


def test_a_lab_is_copied_only_where_there_is_none(all_up: Environments) -> None:
    with pytest.raises(LabError, match="there is a lab already"):
        all_up.lab.copy(all_up.lab)


def test_a_stack_that_is_being_changed_is_not_copied(environments: Environments, tmp_path: Path) -> None:
    lock = environments.lab.root / "backend" / LOCKS / "dev" / "a.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("{}")
    with pytest.raises(LabError, match="dev: a command is changing it"), copied_lab(environments, tmp_path):
        pass
