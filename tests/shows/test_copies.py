"""A lab whose stacks are up is copied: the copy has them at once, and neither lab touches the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engine.setup import Engine
from lab.errors import LabError
from tests.labs import copied_lab
from tests.shows.environments import Environments

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Environments]:
    with Environments.started(tmp_path_factory.mktemp("source")) as made:
        made.deploy_all("dev")
        yield made


def test_a_copy_is_up_and_neither_lab_touches_the_other(source: Environments, tmp_path: Path) -> None:
    """Ids and addresses are the same, nothing is to do, and destroying it leaves the source as it was."""
    state, inventory, address = source.export("dev"), source.inventory("dev"), source.outputs("dev")["virtualIps"]
    with copied_lab(source, tmp_path) as copy:
        copied = copy.lab.status().running
        assert copied is not None
        assert copied != source.lab.status().running
        assert copy.export("dev") == state
        assert copy.inventory("dev") == inventory
        assert copy.healthy_targets("dev") == source.healthy_targets("dev")
        copy.pulumi("preview", "--stack", "dev", "--refresh", "--expect-no-changes")
        copy.pulumi("destroy", "--stack", "dev", "--yes", "--skip-preview")
        assert copy.inventory("dev") == {}
        assert copy.lab.status().running == copied
    assert copy.lab.status().running is None
    assert source.outputs("dev")["virtualIps"] == address
    assert source.export("dev") == state
    assert source.inventory("dev") == inventory
    source.pulumi("preview", "--stack", "dev", "--refresh", "--expect-no-changes")


def test_a_lab_is_copied_only_where_there_is_none(source: Environments) -> None:
    with pytest.raises(LabError, match="there is a lab already"):
        source.lab.copy(source.lab)


def test_a_stack_that_is_being_changed_is_not_copied(source: Environments, tmp_path: Path) -> None:
    lock = source.lab.root / "backend/.pulumi/locks/organization/eps-dos-api/dev/a.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("{}")
    try:
        with pytest.raises(LabError, match="dev: a command is changing it"), copied_lab(source, tmp_path):
            pass
    finally:
        lock.unlink()
