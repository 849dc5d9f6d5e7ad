"""How extensions get into moto: a backend's class gives way to a subclass, a class of moto's is given methods.

Both happen when the extension's module is imported, and hold for the process. State that an extension adds lives in the
backends, never in a module: then a reset of the lab takes it away too.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from moto.core.base_backend import BackendDict

Extension = TypeVar("Extension", bound=type)
Backend = TypeVar("Backend")


def extends(backends: BackendDict[Any]) -> Callable[[Extension], Extension]:
    """Have moto make these backends with the decorated class, which subclasses theirs.

    Several extensions of one service build a chain, each calling super().
    """

    def extend(extension: Extension) -> Extension:
        # moto finds the URLs of a service, and the API model of its errors, by the module of the backend's class.
        names = {"__module__": backends.backend.__module__}
        bases = (extension,) if backends.backend in extension.__mro__ else (extension, backends.backend)
        backends.backend = type(extension.__name__, bases, names)
        return extension

    return extend


def adds_to(changed: type) -> Callable[[Extension], Extension]:
    """Give a class of moto's the methods and properties of the decorated one: of answers, an action each."""

    def add(additions: Extension) -> Extension:
        for name, addition in vars(additions).items():
            if isinstance(addition, FunctionType | property | classmethod):
                setattr(changed, name, addition)
        return additions

    return add


def each(backends: BackendDict[Any], kind: type[Backend]) -> list[Backend]:
    """Return the backends that there are, of every account and region."""
    return [backend for _, _, backend in backends.iter_backends() if isinstance(backend, kind)]


def is_true(flag: object) -> bool:
    """Tell whether a flag is set, which moto has as a text or as a boolean, by where it comes from."""
    return str(flag).lower() == "true"
