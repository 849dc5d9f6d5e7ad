"""Which hosts are this machine: the lab serves there, and nothing in it asks anything elsewhere."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether `host` is an address of this machine alone, or localhost.

    Other names aren't looked up, since what they lead to can change before the next call.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
