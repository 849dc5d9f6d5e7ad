"""A change between what is and what is wanted, at a property's path."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What happened at a path."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True)
class Change:
    """One difference; `path` is Pulumi's: `subnetMappings[1].allocationId`, `tags.Owner`, `tags["a b"]`."""

    path: str
    kind: Kind

    @property
    def property(self) -> str:
        """The top-level property that the path starts with."""
        return self.path.split(".", 1)[0].split("[", 1)[0]


def key_path(path: str, key: str) -> str:
    """Return the path of `key` below `path`, quoted where a plain word won't do."""
    if key.isidentifier():
        return f"{path}.{key}" if path else key
    quoted = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'{path}["{quoted}"]'
