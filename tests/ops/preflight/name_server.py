"""A name server on loopback that answers as a test says, in datagrams and over TCP."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Answer = Callable[[bytes, str], bytes | None]
"""Takes a question and the transport (`udp` or `tcp`) that it came by; returns the answer, None for silence."""


def answered(question: bytes, servers: Sequence[str], code: dns.rcode.Rcode = dns.rcode.NOERROR) -> bytes:
    """Return the answer that a zone has these name servers; with none, that there is nothing of that type."""
    message = dns.message.make_response(dns.message.from_wire(question), recursion_available=True)
    message.set_rcode(code)
    if servers:
        message.answer.append(dns.rrset.from_text(message.question[0].name, 60, "IN", "NS", *servers))
    return message.to_wire(max_size=65_535)


def truncated(question: bytes) -> bytes:
    """Return the answer that there is more than fits a datagram."""
    message = dns.message.make_response(dns.message.from_wire(question), recursion_available=True)
    message.flags |= dns.flags.TC
    return message.to_wire()


@contextmanager
def name_server(answer: Answer) -> Iterator[tuple[str, int]]:
    """Serve until the block ends; give the address and the port, which is the same for both transports."""

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked, socket = self.request
            if (reply := answer(asked, "udp")) is not None:
                socket.sendto(reply, self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            # Over TCP, each message has its length before it (RFC 1035, section 4.2.2).
            reply = answer(self.rfile.read(int.from_bytes(self.rfile.read(2), "big")), "tcp")
            if reply is not None:
                self.wfile.write(len(reply).to_bytes(2, "big") + reply)

    with ExitStack() as stack:
        stream = stack.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Stream))
        datagram = stack.enter_context(socketserver.ThreadingUDPServer(stream.server_address[:2], Datagram))
        for server in (stream, datagram):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            stack.callback(server.shutdown)
        yield "127.0.0.1", stream.server_address[1]
