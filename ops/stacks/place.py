"""Where a command works: a folder with the project, an engine, and an AWS that may be this machine's.

It tells the lab from the real thing once, so that nothing else has to. How the lab is entered is in `ops.lab.entering`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.errors import ConfigError

LAB_FOLDER = ".lab"
LAB_COPY = "project"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A project that Pulumi can work on. The process's environment says which AWS and which backend."""

    folder: Path
    """Holds Pulumi.yaml, the stack files and the catalogues; in the lab, the lab's copy of them."""
    checkout: Path
    """What people edit; outside the lab, the same folder."""
    cli: Path
    version: str
    """Of the engine."""
    in_lab: bool
    check_endpoint: Callable[[str], str]
    """Returns the endpoint of an AWS client if it may be called from here, else raises."""


def project_folder(start: Path) -> Path:
    """Return the project's folder, `start` or one above it, as Pulumi finds it.

    Inside the lab's copy it is the checkout that the copy was made of. Raises ConfigError if there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            if folder.name == LAB_COPY and folder.parent.name == LAB_FOLDER:
                return project_folder(folder.parent.parent)
            return folder
    raise ConfigError.of(
        f"{start}:", "there is no Pulumi.yaml here or in a folder above", "run eps-dos in the project's folder"
    )
