"""Which addresses the account has for whom, before anybody asks AWS for one.

A published address belongs to the account in which it was made. The lab's account stands in for that one: it keeps each
published address for whoever allocates under its name, and has the addresses that were allocated outside the stacks.
Told through the control API (`PUT /_lab/addresses`), read by the extension of EC2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address


@dataclass(frozen=True, kw_only=True)
class Allocated:
    """An address that exists, whoever made it."""

    allocation_id: str
    address: str | None
    """None: any."""
    region: str


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """The addresses that the account is to have."""

    kept: Mapping[str, str] = field(default_factory=dict)
    """Value of the tag Name -> the address that is allocated for it."""
    allocated: tuple[Allocated, ...] = ()


_current = Addresses()


def current() -> Addresses:
    """Return the addresses that the account is to have."""
    return _current


def tell(addresses: Addresses) -> None:
    """Put `addresses` into effect, in place of those before."""
    global _current  # noqa: PLW0603  # the one state of this module: the emulator is one process
    _current = addresses


def parse(document: object) -> Addresses:
    """Return what a JSON document tells. Raises ValueError naming what is wrong with it."""
    allowed = {"kept", "allocated"}
    if not isinstance(document, Mapping) or not set(document) <= allowed:
        raise ValueError(f"addresses are {document!r}; allowed: an object with the keys {', '.join(sorted(allowed))}")
    kept, allocated = document.get("kept") or {}, document.get("allocated") or []
    if not isinstance(kept, Mapping) or not isinstance(allocated, list):
        raise ValueError(f"addresses are {document!r}; allowed: kept is an object, allocated a list")
    return Addresses(
        kept={str(name): _checked(address) for name, address in kept.items()},
        allocated=tuple(_parse_allocated(one) for one in allocated),
    )


def _parse_allocated(document: object) -> Allocated:
    match document:
        case {"allocationId": str(allocation_id), "region": str(region), **rest} if set(rest) <= {"address"}:
            address = rest.get("address")
            checked = None if address is None else _checked(address)
            return Allocated(allocation_id=allocation_id, address=checked, region=region)
        case _:
            raise ValueError(
                f"allocated is {document!r}; allowed: "
                '{"allocationId": "eipalloc-0123456789abcdef0", "region": "eu-west-2", "address": "192.0.2.1"}'
            )


def _checked(address: object) -> str:
    try:
        return str(IPv4Address(str(address)))
    except AddressValueError as error:
        raise ValueError(f"address is {address!r}; allowed: an IPv4 address, such as 192.0.2.1") from error
