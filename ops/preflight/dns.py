"""Which name servers the world is led to for a zone: one question to this machine's resolver (RFC 1035).

The standard library asks for addresses only, and a dependency for one question is too much. Left out: everything else
of DNS; an answer that doesn't fit a datagram counts as none.
"""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Sequence
from pathlib import Path

NS, INTERNET = 2, 1
RECURSION_DESIRED = 0x0100
TRUNCATED, ANSWER_CODE = 0x0200, 0x000F
NO_SUCH_NAME = 3
TIMEOUT_SECONDS = 5.0
RESOLVERS = Path("/etc/resolv.conf")


def name_servers(zone: str, resolver: tuple[str, int] | None = None) -> Sequence[str]:
    """Return the name servers of `zone`; none if there is no such zone. Raises OSError if nobody answers."""
    address = resolver or (_resolver(), 53)
    number = secrets.randbelow(1 << 16)
    question = (
        struct.pack(">6H", number, RECURSION_DESIRED, 1, 0, 0, 0) + _encoded(zone) + struct.pack(">2H", NS, INTERNET)
    )
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as channel:
        channel.settimeout(TIMEOUT_SECONDS)
        channel.connect(address)
        channel.send(question)
        answer = channel.recv(4096)
    try:
        return _servers(answer, number)
    except (struct.error, IndexError, UnicodeDecodeError):
        raise OSError(f"{address[0]} gave an answer that can't be read") from None


def _servers(answer: bytes, number: int) -> Sequence[str]:
    got, flags, questions, answers, _, _ = struct.unpack_from(">6H", answer)
    if flags & ANSWER_CODE == NO_SUCH_NAME:
        return []
    if got != number or flags & TRUNCATED or flags & ANSWER_CODE:
        raise OSError(f"the resolver refused (code {flags & ANSWER_CODE})")
    offset = 12
    for _ in range(questions):
        _, offset = _name(answer, offset)
        offset += 4
    found = []
    for _ in range(answers):
        _, offset = _name(answer, offset)
        kind, _, _, length = struct.unpack_from(">2HIH", answer, offset)
        offset += 10
        if kind == NS:
            found.append(_name(answer, offset)[0])
        offset += length
    return sorted(found)


def _name(message: bytes, offset: int) -> tuple[str, int]:
    """Return the name at `offset`, and where what follows it begins. Names may go on elsewhere (section 4.1.4)."""
    labels: list[str] = []
    after = None
    for _ in range(128):
        length = message[offset]
        if length >= 0xC0:
            after = after or offset + 2
            offset = struct.unpack_from(">H", message, offset)[0] & 0x3FFF
        elif length:
            labels.append(message[offset + 1 : offset + 1 + length].decode("ascii"))
            offset += 1 + length
        else:
            return ".".join(labels), after or offset + 1
    raise IndexError("a name that never ends")


def _encoded(name: str) -> bytes:
    labels = name.rstrip(".").split(".")
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in labels) + b"\0"


def _resolver() -> str:
    for line in RESOLVERS.read_text().splitlines():
        if line.startswith("nameserver "):
            return line.split()[1]
    raise OSError(f"{RESOLVERS} names no resolver")
