"""Fixtures of every part's tests."""

from __future__ import annotations

import sys

import pytest

from lab.engine.setup import Engine, ensure


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The real Pulumi engine, set up if this machine has none yet: minutes once, a moment ever after."""
    return ensure(lambda line: print(f"engine: {line}", file=sys.__stderr__, flush=True))
