"""Asks the emulator for what no client of AWS would: its health, and faults on purpose.

What it can be asked, and how it answers, is documented in lab.emulator.control.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from lab.errors import LabError, WrongUse
from lab.loopback import is_loopback

TIME_LIMIT_SECONDS = 30.0
"""The emulator answers one request at a time, and a large one may be before this."""
ADVANCE_TIME_LIMIT_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Health:
    """What the emulator says of itself."""

    run: str
    """Tells one life of the emulator from the next: an account lives as long."""
    started_at: str
    requests: int
    emulated_seconds: float


@dataclass(frozen=True, kw_only=True)
class Running:
    """An emulator's process, as it says where it serves."""

    port: int
    pid: int
    run: str
    number_space: str = ""
    """What `pid` is a number of (`lab.processes`)."""

    @property
    def endpoint(self) -> str:
        """Where AWS is."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def parse(cls, document: Mapping[str, object]) -> Running:
        """Return what `document` says. Raises KeyError or ValueError if it isn't what an emulator writes."""
        return cls(
            port=int(str(document["port"])),
            pid=int(str(document["pid"])),
            run=str(document["run"]),
            number_space=str(document.get("numberSpace", "")),
        )

    def document(self) -> Mapping[str, object]:
        """Return what `parse` reads."""
        return {"port": self.port, "pid": self.pid, "run": self.run, "numberSpace": self.number_space}


def require_loopback(url: str, what: str) -> str:
    """Return `url` if it leads to this machine; `what` says where it comes from.

    Raises WrongUse otherwise: what is done in the lab must never reach a real account.
    """
    if is_loopback(urlsplit(url).hostname or ""):
        return url
    raise WrongUse(
        f"{what} is {url!r}; allowed in the lab: an address of this machine, such as http://127.0.0.1:4566",
        f"unset {what}, or leave the lab: unset EPS_DOS_LAB, and no --lab",
    )


class Control:
    """The control API of the emulator at `endpoint`. Raises WrongUse if that isn't this machine."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = require_loopback(endpoint, "the endpoint")
        # Without proxies: one that the environment names would get requests that are for this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def health(self, time_limit_seconds: float = TIME_LIMIT_SECONDS) -> Health:
        """Return how the emulator is. Raises LabError if it doesn't answer."""
        answer = self._ask("GET", "health", time_limit_seconds=time_limit_seconds)
        try:
            return Health(
                run=str(answer["run"]),
                started_at=str(answer["startedAt"]),
                requests=int(str(answer["requests"])),
                emulated_seconds=float(str(answer["emulatedSeconds"])),
            )
        except (KeyError, ValueError) as error:
            raise self._stranger() from error

    def fail_health_checks(self, image_ids: Sequence[str]) -> None:
        """Let instances of these images fail their health checks from now on, and no others. Raises LabError."""
        self._add_fault("unhealthyImages", list(image_ids))

    def throttle(self, service: str, action: str, times: int) -> None:
        """Refuse the next `times` calls of a service's action (`*`: any), as AWS does when they come too fast."""
        self._add_fault("throttle", {"service": service, "action": action, "times": times})

    def load(self, scaling_group: str, instances: float) -> None:
        """Ask as much of a group as keeps `instances` of its instances busy, from now on. Raises LabError."""
        loads = self._ask("GET", "faults")["loads"]
        self._add_fault("loads", {**(loads if isinstance(loads, Mapping) else {}), scaling_group: instances})

    def darken(self, zone: str) -> None:
        """Let instances in a zone fail, and in no other. Raises LabError."""
        self._add_fault("darkZones", [zone])

    def fail_node(self, zone: str) -> None:
        """Let load balancers' nodes in a zone fail, and in no other. Raises LabError."""
        self._add_fault("failedNodes", [zone])

    def advance(self, seconds: float) -> str:
        """Let emulated seconds pass at once, and return the account's date and time then. Raises LabError."""
        # The emulator does all that was scheduled meanwhile before it answers.
        answer = self._ask("POST", "clock", {"advanceSeconds": seconds}, ADVANCE_TIME_LIMIT_SECONDS)
        return str(answer["calendar"])

    def unhealthy_images(self) -> tuple[str, ...]:
        """Return the images whose instances fail their health checks. Raises LabError."""
        images = self._ask("GET", "faults")["unhealthyImages"]
        return tuple(str(image) for image in images) if isinstance(images, list) else ()

    def have_addresses(self, addresses: Mapping[str, object]) -> None:
        """Let the account have addresses, and keep some, as `Project.addresses` says. Raises LabError."""
        self._ask("PUT", "addresses", addresses)

    def kept_addresses(self) -> Mapping[str, str]:
        """Return the addresses that are kept for somebody and that nobody has yet, by name. Raises LabError."""
        kept = self._ask("GET", "addresses")["kept"]
        return {str(name): str(address) for name, address in kept.items()} if isinstance(kept, Mapping) else {}

    def copy(self) -> Running:
        """Have a copy of the emulator made, with the same account; it ends when it is told to. Raises LabError."""
        answer = self._ask("POST", "copies")
        try:
            return Running.parse(answer)
        except (KeyError, ValueError) as error:
            raise self._stranger() from error

    def clear_faults(self) -> None:
        """Let nothing fail on purpose any more. Raises LabError."""
        self._ask("DELETE", "faults")

    def _add_fault(self, name: str, value: object) -> None:
        """Have this fault in place of others of its kind, beside those of other kinds."""
        self._ask("PUT", "faults", {**self._ask("GET", "faults"), name: value})

    def _ask(
        self,
        method: str,
        path: str,
        document: Mapping[str, object] | None = None,
        time_limit_seconds: float = TIME_LIMIT_SECONDS,
    ) -> Mapping[str, object]:
        request = urllib.request.Request(  # noqa: S310 - loopback, as the constructor made sure
            f"{self.endpoint}/_lab/{path}",
            method=method,
            data=None if document is None else json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=time_limit_seconds) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise LabError(
                f"{self.endpoint}: the emulator refuses {method} {path}: {error.read().decode(errors='replace')}",
                "see lab/emulator/control.py for what it can be asked",
            ) from error
        # No answer (OSError), or something else that listens there (ValueError).
        except (OSError, ValueError) as error:
            raise LabError(f"{self.endpoint}: the emulator doesn't answer: {error}", "eps-dos lab start") from error
        if not isinstance(answer, dict):
            raise self._stranger()
        return answer

    def _stranger(self) -> LabError:
        return LabError(f"{self.endpoint}: what answers there is not the lab's emulator", "eps-dos lab start")
