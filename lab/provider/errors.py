"""What goes wrong, as the engine is to hear it.

ProviderError          a call failed, a state wasn't reached, an input makes no sense: the message says which
├── RefusedError       the provider won't work with this configuration, before any call
├── PartialError       the resource exists but isn't finished: its id and what it is so far go with it
└── CancelledError     the engine was interrupted while something was waited for
"""

from __future__ import annotations

from typing import Any


class ProviderError(Exception):
    """Something the person at the terminal reads after the resource's name; no traceback goes with it."""


class RefusedError(ProviderError):
    """The configuration is one that the provider won't use: another account, an endpoint that isn't loopback."""


class CancelledError(ProviderError):
    """The engine said stop while the provider waited for AWS."""


class PartialError(ProviderError):
    """A resource that exists and isn't what was asked for: state must keep it, or nobody would ever delete it."""

    def __init__(self, message: str, resource_id: str, outputs: dict[str, Any]) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.outputs = outputs
