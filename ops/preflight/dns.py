"""Which name servers the world is led to for a zone: one question to this machine's resolver, or to another's.

The standard library asks for addresses only. Left out: whether those servers answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from dns.exception import DNSException
from dns.resolver import NXDOMAIN, Resolver

TIMEOUT_SECONDS = 5.0


def name_servers(zone: str, resolver: tuple[str, int] | None = None) -> Sequence[str]:
    """Return the name servers of `zone`; none if there is no such zone. Raises OSError if nobody answers.

    `resolver` is the address and the port of the name server to ask; None: those that this machine is set up with.
    """
    try:
        client = Resolver(configure=resolver is None)
        if resolver:
            client.nameservers, client.port = [resolver[0]], resolver[1]
        answer = client.resolve(zone, "NS", lifetime=TIMEOUT_SECONDS, search=False, raise_on_no_answer=False)
    except NXDOMAIN:
        return []
    except DNSException as error:
        raise OSError(str(error)) from None
    return sorted(record.target.to_text(omit_final_dot=True) for record in answer.rrset or ())
