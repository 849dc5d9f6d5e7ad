"""Name servers are asked for as RFC 1035 says: against a server on loopback that answers in datagrams."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ops.preflight.dns import name_servers

ZONE = "eps.digital.nhs.uk"


@contextmanager
def answering(body: bytes, answers: int, code: int = 0) -> Iterator[tuple[str, int]]:
    """Give the address of a server that repeats the question and adds `body`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            asked, client = server.recvfrom(512)
            number = struct.unpack_from(">H", asked)[0]
            server.sendto(struct.pack(">6H", number, 0x8180 | code, 1, answers, 0, 0) + asked[12:] + body, client)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()
        thread.join(5)


def record(kind: int, data: bytes) -> bytes:
    # 0xC00C: the name is the question's, which begins after the header of twelve bytes.
    return struct.pack(">3HIH", 0xC00C, kind, 1, 60, len(data)) + data


def test_name_servers_are_read_also_where_a_name_goes_on_elsewhere() -> None:
    whole = record(2, b"\x02ns\x07example\x00")
    # 0xC010: from the second label of the question on.
    shortened = record(2, b"\x03ns2\xc0\x10")
    with answering(record(1, b"\xc0\x00\x02\x01") + whole + shortened, 3) as address:
        assert name_servers(ZONE, address) == ["ns.example", "ns2.digital.nhs.uk"]


def test_a_zone_that_is_not_there_has_none() -> None:
    with answering(b"", 0, code=3) as address:
        assert name_servers(ZONE, address) == []


def test_a_resolver_that_fails_is_an_error() -> None:
    with answering(b"", 0, code=2) as address, pytest.raises(OSError, match="refused"):
        name_servers(ZONE, address)


def test_an_answer_that_never_ends_is_an_error() -> None:
    # A name that goes on at itself.
    with answering(b"\xc0\x24", 1) as address, pytest.raises(OSError, match="can't be read"):
        name_servers(ZONE, address)
