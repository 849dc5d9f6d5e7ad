"""What moto lacks or bends of AWS's behaviour, a module per subject.

Each says in its docstring which rule of AWS it adds and where AWS states it, and is tested over HTTP with boto3. It is
in moto once it is imported. A function `advance(now)` in it moves its part of the account on as time passes. Methods
have the names of the API's actions, and a docstring where a rule is theirs alone.
"""

from __future__ import annotations

import importlib
import pkgutil

from lab.emulator import clock

EXTENSIONS: tuple[str, ...] = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def install_all() -> None:
    """Put every extension into moto. Doing it twice is the same as once."""
    for name in EXTENSIONS:
        advance = getattr(importlib.import_module(f"{__name__}.{name}"), "advance", None)
        # In the order of the names: scaling groups take their target groups along as they move on, step by step.
        if advance is not None:
            clock.at_each_request(advance)
