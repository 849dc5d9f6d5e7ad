"""One piece of work: a create, read, update or delete of one resource, with what its steps need to know and do.

Steps of rows get it. Left out: which steps there are, and in what order they run (`lifecycle`).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.emulator.clock import pace_from
from lab.provider.errors import CancelledError, ProviderError

if TYPE_CHECKING:
    from lab.provider.connection import Connection
    from lab.provider.model import Resource

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 3.0
_SHORTEST_PATIENCE_SECONDS = 10.0


@dataclass
class Work:
    """What is being done to one resource.

    inputs: the program's, checked. before: those of the last time. state: the outputs of the last time. changed: the
    top-level properties that differ, in an update. patience_seconds: real time, if the program set a timeout.
    """

    row: Resource
    connection: Connection
    doing: str
    id: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    patience_seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    """Further placeholders, set by steps."""

    @property
    def region(self) -> str:
        """The region that the resource is in."""
        return str(self.inputs.get("region") or self.state.get("region") or self.connection.region)

    def value(self, name: str) -> Any:
        """Return a property as the program has it, or else as it was."""
        return self.inputs[name] if self.inputs.get(name) is not None else self.state.get(name)

    def client(self, service: str | None = None) -> Any:
        """Return the client of a service, by default the row's."""
        return self.connection.client(service or self.row.service, self.region)

    def call(self, operation: str, *, service: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call AWS and return its answer. Raises botocore's ClientError."""
        if self.connection.cancelled.is_set():
            raise CancelledError(f"{self.describe_doing()}: cancelled")
        answer: dict[str, Any] = getattr(self.client(service), operation)(**parameters)
        return answer

    def placed(self, value: Any) -> Any:
        """Return a value with its placeholders filled in. One alone gives the thing itself, not its text."""
        if isinstance(value, Mapping):
            return {key: self.placed(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.placed(item) for item in value]
        if not isinstance(value, str):
            return value
        whole = _PLACEHOLDER.fullmatch(value)
        return self._fact(whole[1]) if whole else _PLACEHOLDER.sub(lambda found: str(self._fact(found[1])), value)

    def until(self, done: Callable[[], bool], what: str, patience_seconds: float) -> None:
        """Wait until `done`, for `patience_seconds` of emulated time. Raises ProviderError: `what` never came.

        AWS's durations pass faster in the lab (EPS_DOS_LAB_PACE), so the provider's patience does too.
        """
        limit = self.patience_seconds or max(patience_seconds / pace_from(os.environ), _SHORTEST_PATIENCE_SECONDS)
        deadline = time.monotonic() + limit
        pause = _FIRST_PAUSE_SECONDS
        while not done():
            if time.monotonic() >= deadline:
                raise ProviderError(f"{self.describe_doing()}: timeout while waiting for {what} (after {limit:.0f}s)")
            if self.connection.cancelled.wait(pause):
                raise CancelledError(f"{self.describe_doing()}: cancelled while waiting for {what}")
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    def describe_doing(self) -> str:
        """Return what is being done, as AWS's errors are introduced: `updating EC2 EIP (eipalloc-1)`."""
        name = self.id or (self.row.name and self.inputs.get(self.row.name.property)) or ""
        return f"{self.doing} {self.row.label}" + (f" ({name})" if name else "")

    def failure(self, error: Exception) -> ProviderError:
        """Return AWS's refusal as the engine shows it: `creating EC2 EIP: AddressLimitExceeded: ...`."""
        return error if isinstance(error, ProviderError) else ProviderError(f"{self.describe_doing()}: {said(error)}")

    def _fact(self, name: str) -> Any:
        if name in self.facts:
            return self.facts[name]
        known = {
            "id": self.id,
            "region": self.region,
            "account": self.connection.account,
            "partition": self.connection.partition,
            "dns_suffix": self.connection.dns_suffix,
        }
        return known[name] if name in known else self.value(name)


def has_placeholders(text: str) -> bool:
    """Tell whether a text is to be filled in (`{id}`); what has braces else is an expression (`{dnsName: DnsName}`)."""
    return _PLACEHOLDER.search(text) is not None


def said(error: Exception) -> str:
    """Return a botocore ClientError in AWS's words, `CODE: MESSAGE`, another error in its own."""
    details = (getattr(error, "response", None) or {}).get("Error")
    return f"{details.get('Code')}: {details.get('Message')}" if details else str(error)


def code_of(error: Exception) -> str:
    """Return the code of a botocore ClientError, empty for another error."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
