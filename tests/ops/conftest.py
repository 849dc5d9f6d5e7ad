"""Fixtures of the commands' tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from ops.lab.entering import place
from ops.stacks.place import Place
from tests.labs import LabCopy, copied


@pytest.fixture
def small_place(small_lab: LabCopy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """This process in the lab of a small project, as a command is: the environment leads nowhere else."""
    before = dict(os.environ)
    monkeypatch.chdir(small_lab.checkout)
    try:
        yield place(in_lab=True)
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def moto_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account that has nothing yet, as moto plays it in this process."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    # The emulator, if this process has loaded it, says that there are none.
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "true")
    with mock_aws():
        yield


@pytest.fixture
def unstarted_lab(tmp_path: Path) -> Iterator[LabCopy]:
    """A copy of this checkout with a lab that isn't started: for commands that shall not start it."""
    with copied(tmp_path) as made:
        yield made
