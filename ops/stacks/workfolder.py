"""A temporary folder for stacks without a file: the project's files with theirs beside them, for one command.

Nothing of the checkout is written. What the folder held is in the stack's state, so it can go at any time. Pulumi keeps
in a stack's file how its secrets are encrypted; that is in the state, too.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra.yamlfile import as_yaml, read_mapping
from ops.stacks.place import LAB_FOLDER, Place

PROJECT_FILE = "Pulumi.yaml"
VIRTUAL_ENVIRONMENT = ".venv"
_LEFT_OUT = frozenset({LAB_FOLDER, VIRTUAL_ENVIRONMENT, PROJECT_FILE, ".git"})


@contextmanager
def work_folder(at: Place, *, with_program: bool) -> Iterator[Place]:
    """Give a place like `at` whose folder may be written.

    `with_program`: the project's files are there, linked. Otherwise only what destroying needs is, which none of them
    can spoil: the project's name, its own providers, and the Python that runs these.
    """
    with tempfile.TemporaryDirectory(prefix="eps-dos-") as name:
        folder = Path(name)
        (folder / VIRTUAL_ENVIRONMENT).symlink_to(sys.prefix, target_is_directory=True)
        if with_program:
            for path in at.folder.iterdir():
                if path.name not in _LEFT_OUT:
                    (folder / path.name).symlink_to(path.absolute())
            (folder / PROJECT_FILE).write_bytes((at.folder / PROJECT_FILE).read_bytes())
        else:
            declared = read_mapping(at.folder / PROJECT_FILE)
            plugins = declared.get("plugins") or {}
            for provider in plugins.get("providers", []):
                (folder / provider["path"]).symlink_to((at.folder / provider["path"]).absolute())
            project = {
                "name": declared.get("name"),
                "runtime": {"name": "python", "options": {"virtualenv": VIRTUAL_ENVIRONMENT}},
                "plugins": plugins,
            }
            (folder / PROJECT_FILE).write_text(as_yaml(project), encoding="utf-8")
        yield replace(at, folder=folder)


def write_stack_file(
    at: Place, stack: str, settings: Mapping[str, Any], deployment: Mapping[str, Any] | None = None
) -> None:
    """Write the file of `stack` into the folder of `at`; `deployment` is its state, if it has one."""
    document = {**_encryption(deployment or {}), "config": dict(settings)}
    (at.folder / f"Pulumi.{stack}.yaml").write_text(as_yaml(document), encoding="utf-8")


def secrets_provider(at: Place, stack: str) -> str | None:
    """Return the secrets provider that a stack's file names; None: the backend's own."""
    named = read_mapping(at.folder / f"Pulumi.{stack}.yaml").get("secretsprovider")
    return None if named is None else str(named)


def _encryption(deployment: Mapping[str, Any]) -> dict[str, str]:
    """Return how a state says that its secrets are encrypted, as a stack's file has it (Pulumi, stack settings)."""
    provider = deployment.get("secrets_providers") or {}
    state = provider.get("state") or {}
    if provider.get("type") == "passphrase" and state.get("salt"):
        return {"encryptionsalt": str(state["salt"])}
    if provider.get("type") == "cloud" and state.get("url"):
        return {"secretsprovider": str(state["url"]), "encryptedkey": str(state.get("encryptedkey", ""))}
    return {}
