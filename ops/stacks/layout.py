"""Where a backend that is a folder or a bucket keeps what of which stack.

There are two layouts: today's, by project, and the old one, in which all projects share the names of stacks and which
Pulumi keeps to wherever it finds it (pkg/backend/diy: meta.go, ensurePulumiMeta; store.go; lock.go, stackLockDir).
Left out: what is in the files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import yaml

from infra.errors import ConfigError
from infra.states import BACKUPS, HISTORY, LOCKS, STACKS
from infra.values import mapping
from ops.stacks.store import Store

META = ".pulumi/meta.yaml"
STATES = (".json", ".json.gz", ".json.zst")
"""How the name of a state ends, after the stack's."""
TAGS = ".pulumi-tags"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders of one project, each with a slash at its end; below `locks` and `history` is a folder per stack."""

    by_project: bool
    """Otherwise the old one: stacks of other projects are among them."""
    stacks: str
    locks: str
    history: str
    backups: str

    @classmethod
    def of(cls, store: Store, project: str) -> Layout:
        """Return the layout that Pulumi uses in `store`.

        Raises ConfigError if the backend is of a version that isn't known, botocore's errors if it can't be read.
        """
        if _by_project(store):
            return cls(
                by_project=True,
                stacks=f"{STACKS}{project}/",
                locks=f"{LOCKS}{project}/",
                history=f"{HISTORY}{project}/",
                backups=f"{BACKUPS}{project}/",
            )
        return cls(
            by_project=False,
            stacks=STACKS,
            locks=".pulumi/locks/",
            history=HISTORY,
            backups=BACKUPS,
        )

    def states(self, files: Iterable[str]) -> dict[str, list[str]]:
        """Return the paths of each stack's states, by stack: several while a backend changes its compression."""
        return states_in(self.stacks, files)


def states_in(folder: str, files: Iterable[str]) -> dict[str, list[str]]:
    """Return the paths of states that lie in `folder` itself, by stack."""
    states: dict[str, list[str]] = {}
    for path in files:
        name = path.removeprefix(folder)
        ending = next((ending for ending in STATES if name.endswith(ending)), None)
        if ending is not None and path.startswith(folder) and "/" not in name and name != ending:
            states.setdefault(name.removesuffix(ending), []).append(path)
    return states


def current(paths: Iterable[str], store: Store) -> str:
    """Return the state that Pulumi takes: of several forms the newest, of equally old ones the last in order of name.

    Source: pkg/backend/diy/state.go, stackPath. Raises FileNotFoundError if they are gone.
    """
    paths = sorted(paths)
    return paths[0] if len(paths) == 1 else max(paths, key=lambda path: (store.modified(path), path))


def _by_project(store: Store) -> bool:
    try:
        written = store.read(META)
    except FileNotFoundError:
        # No file: the old one, if there is anything of it; Pulumi makes the file before the first stack of a new one.
        return not states_in(STACKS, store.names(STACKS))
    try:
        version = mapping(yaml.safe_load(written)).get("version")
    except (yaml.YAMLError, RecursionError, ValueError):
        version = None
    if version not in (0, 1) or isinstance(version, bool):
        raise ConfigError.of(
            f"backend: {META}",
            "says no version of a layout that Pulumi has; allowed: version: 0, version: 1",
            "restore it from the backend's own versions, or log in to another backend: pulumi login URL",
        )
    return bool(version)
