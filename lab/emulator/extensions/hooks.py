"""How extensions get into moto: a backend's class is replaced by a subclass, an action is added to a service's answers.

State that an extension adds lives in the backends, never in a module: then a reset of the lab takes it away too.
"""

from __future__ import annotations

from typing import Any

from moto.core.base_backend import BackendDict


def extend_backend(backends: BackendDict[Any], extension: type) -> None:
    """Have moto make its backends (a BackendDict) with `extension`, which subclasses the backend's class.

    Several extensions of one service build a chain, each calling super(). Done before a backend is made: existing ones
    keep their class until the lab is reset. Doing it twice is the same as once.
    """
    if extension in backends.backend.__mro__:
        return
    # moto finds the URLs of a service, and the API model of its errors, by the module of the backend's class.
    names = {"__module__": backends.backend.__module__}
    bases = (extension,) if backends.backend in extension.__mro__ else (extension, backends.backend)
    backends.backend = type(extension.__name__, bases, names)


def add_actions(responses: type, actions: type) -> None:
    """Give a service's response class the public methods of `actions`: one per API action, in snake case."""
    for name, action in vars(actions).items():
        if not name.startswith("_") and callable(action):
            setattr(responses, name, action)
