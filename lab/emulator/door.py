"""Who may ask the emulator: programs of this machine, and no page that a browser of this machine shows.

A page can send requests to loopback, and can read the answers once its own name leads here (DNS rebinding: the browser
then takes both for one site). What gives it away is what a browser adds and a page can't take off: the name in Host,
Origin, and Sec-Fetch-Site. No client of AWS sends the last two.

Sources: Fetch standard, "Origin header" and "Forbidden request-header"; W3C "Fetch Metadata Request Headers", 2.3; RFC
6761, 6.3 (names under localhost are loopback, whoever is asked). Left out: other users of this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from lab.loopback import is_loopback

BY_HAND = "none"
"""Sec-Fetch-Site of what a person typed into the address bar."""


def reason_to_refuse(environ: Mapping[str, Any]) -> str:
    """Return why a request (WSGI) isn't answered, in a sentence; empty if it is."""
    remote = environ.get("REMOTE_ADDR", "127.0.0.1")
    if not is_loopback(remote):
        return f"the request comes from {remote}; allowed: this machine, such as 127.0.0.1"
    host = str(environ.get("HTTP_HOST", ""))
    if not _is_here(host):
        return f"Host is {host!r}; allowed: 127.0.0.1, [::1], localhost and names under it, with any port"
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None:
        return f"Origin is {origin!r}; allowed: none, since no web page has business here"
    site = environ.get("HTTP_SEC_FETCH_SITE", BY_HAND)
    if site != BY_HAND:
        return f"Sec-Fetch-Site is {site!r}; allowed: {BY_HAND!r}, since no web page has business here"
    return ""


def _is_here(host: str) -> bool:
    try:
        # Of a host in another form, such as a list of two, something is left that isn't a name.
        address = urlsplit(f"//{host}")
        name, _ = address.hostname or "", address.port
    except ValueError:
        return False
    # S3 has a bucket's name before the endpoint's: dataset.s3.localhost.
    return address.netloc == host and "@" not in host and (is_loopback(name) or name.endswith(".localhost"))
