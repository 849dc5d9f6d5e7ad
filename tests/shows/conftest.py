"""Fixtures of the shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.labs import copied_lab
from tests.shows.environments import Environments


@pytest.fixture(scope="module")
def environments(all_up: Environments, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environments]:
    """A copy of the lab with all four environments up, for one file: dev on 1.3.0, the others on Live's 1.4.0."""
    with copied_lab(all_up, tmp_path_factory.mktemp("environments")) as made:
        yield made
