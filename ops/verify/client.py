"""The environment as a client meets it: its name resolved, each virtual IP connected to, TLS spoken, certificate read.

Who isn't admitted is dropped without a word (Amazon VPC guide: security groups), so silence says nothing unless another
zone answers. Left out: the API's own answers, which need a supplier's credentials.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from ops.output.report import Check

TIMEOUT_SECONDS = 5.0
CERTIFICATE_DAYS = 14
"""With fewer left, a certificate counts as not renewed in time."""

Resolve = Callable[[str], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Met:
    """What became of one connection."""

    outcome: Literal["spoken", "silent", "wrong"]
    """`silent`: nothing came back, not even a refusal."""
    detail: str
    expires: datetime | None = None
    """Of the certificate, if its chain and its name are right."""


def from_client(
    name: str,
    addresses: Sequence[str],
    port: int,
    now: datetime,
    context: ssl.SSLContext,
    resolve: Resolve | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> tuple[Check, ...]:
    """Return what a client sees of `name`, at each of `addresses`; if there are none, at those that it resolves to."""
    resolved = _resolved(name, resolve or resolved_addresses)
    if isinstance(resolved, Check):
        return (resolved,)
    met = {address: meet(name, address, port, context, timeout) for address in addresses or resolved}
    anybody = any(connection.outcome != "silent" for connection in met.values())
    return (
        _name_check(name, addresses, resolved),
        *(_address_check(f"{address}:{port}", connection, anybody) for address, connection in met.items()),
        _certificate_check(name, met.values(), now),
    )


def meet(name: str, address: str, port: int, context: ssl.SSLContext, timeout: float) -> Met:
    """Connect, shake hands as if by name, and tell how it went."""
    try:
        connection = socket.create_connection((address, port), timeout=timeout)
    except TimeoutError:
        return Met(outcome="silent", detail=f"no answer within {timeout:g} s")
    except OSError as error:
        return Met(outcome="wrong", detail=f"connecting failed: {error.strerror or error}")
    with connection:
        try:
            with context.wrap_socket(connection, server_hostname=name) as secured:
                certificate = secured.getpeercert() or {}
                version = secured.version()
        except ssl.SSLCertVerificationError as error:
            return Met(outcome="wrong", detail=f"the certificate is not valid: {error.verify_message.rstrip('.')}")
        except TimeoutError:
            return Met(outcome="wrong", detail=f"connected, but no TLS within {timeout:g} s")
        except OSError as error:
            return Met(outcome="wrong", detail=f"connected, but TLS failed: {_reason(error)}")
    expires = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return Met(outcome="spoken", detail=str(version), expires=datetime.fromtimestamp(expires, UTC))


def resolved_addresses(name: str) -> Sequence[str]:
    """Return the IPv4 addresses of `name` as this machine resolves it. Raises OSError if it has none."""
    answers = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    return sorted({str(answer[4][0]) for answer in answers})


def _resolved(name: str, resolve: Resolve) -> Sequence[str] | Check:
    try:
        return resolve(name)
    except OSError as error:
        return Check.of("client: name", name, f"it can't be resolved here: {error.strerror or error}")


def _name_check(name: str, promised: Sequence[str], resolved: Sequence[str]) -> Check:
    evidence = f"resolves to {', '.join(resolved)}"
    if promised and set(promised) != set(resolved):
        return Check.of("client: name", name, f"{evidence}; published: {', '.join(sorted(promised))}")
    return Check.of("client: name", name, "", evidence)


def _address_check(where: str, met: Met, anybody_answered: bool) -> Check:
    if met.outcome == "spoken":
        return Check.of("client: address", where, "", f"{met.detail} with a valid certificate")
    if met.outcome == "silent" and not anybody_answered:
        evidence = f"{met.detail}; as for anyone who isn't admitted, so it may be this machine"
        return Check(name="client: address", value=where, verdict="not checked", evidence=evidence)
    also = ", and other zones answer" if met.outcome == "silent" else ""
    return Check.of("client: address", where, f"{met.detail}{also}")


def _certificate_check(name: str, met: Iterable[Met], now: datetime) -> Check:
    expiries = [connection.expires for connection in met if connection.expires]
    title, value = "client: certificate", f"valid for {name}"
    if not expiries:
        return Check(name=title, value=value, verdict="not checked", evidence="no address showed a valid one")
    first = min(expiries)
    left = first - now
    evidence = f"until {first:%Y-%m-%d}, {left.days} days"
    if left < timedelta(days=CERTIFICATE_DAYS):
        return Check.of(title, value, f"{evidence}; renew it when there are {CERTIFICATE_DAYS} left")
    return Check.of(title, value, "", evidence)


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    return str(reason).replace("_", " ").lower()
