"""What moto lacks or bends of AWS's behaviour, a module per subject.

Each says in its docstring which rule of AWS it adds and where AWS states it, and is tested over HTTP with boto3.
A module here with a function `install()` is an extension; the others are what extensions share.
"""

from __future__ import annotations

import importlib
import pkgutil

EXTENSIONS: tuple[str, ...] = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def install_all() -> None:
    """Put every extension into moto. Done once per process: each is idempotent."""
    for name in EXTENSIONS:
        module = importlib.import_module(f"{__name__}.{name}")
        install = getattr(module, "install", None)
        if install is not None:
            install()
