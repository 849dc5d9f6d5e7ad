"""Name servers are asked for as the DNS has it: against a server on loopback."""

from __future__ import annotations

import dns.rcode
import dns.resolver
import pytest

from ops.preflight import dns as delegation
from ops.preflight.dns import name_servers
from tests.ops.preflight.name_server import answered, name_server, truncated

ZONE = "eps.digital.nhs.uk"
MANY = [f"ns-{number:03}.a-rather-long-name-for-a-server.example" for number in range(200)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for what doesn't come."""
    monkeypatch.setattr(delegation, "TIMEOUT_SECONDS", 0.3)


def test_name_servers_are_read_also_where_a_name_goes_on_elsewhere() -> None:
    # The end of the second is in the question (RFC 1035, section 4.1.4).
    with name_server(lambda asked, _: answered(asked, ["ns.example.", "ns2.digital.nhs.uk."])) as address:
        assert name_servers(ZONE, address) == ["ns.example", "ns2.digital.nhs.uk"]


def test_a_zone_that_is_not_there_has_none() -> None:
    with name_server(lambda asked, _: answered(asked, (), dns.rcode.NXDOMAIN)) as address:
        assert name_servers(ZONE, address) == []


def test_a_name_that_is_no_zone_has_none() -> None:
    with name_server(lambda asked, _: answered(asked, ())) as address:
        assert name_servers(ZONE, address) == []


def test_what_does_not_fit_a_datagram_is_asked_for_again_over_tcp() -> None:
    def answer(asked: bytes, transport: str) -> bytes:
        return truncated(asked) if transport == "udp" else answered(asked, [f"{server}." for server in MANY])

    with name_server(answer) as address:
        assert name_servers(ZONE, address) == MANY


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED], ids=["SERVFAIL", "REFUSED"])
def test_a_resolver_that_fails_is_an_error(code: dns.rcode.Rcode) -> None:
    with (
        name_server(lambda asked, _: answered(asked, (), code)) as address,
        pytest.raises(OSError, match=f"127.0.0.1@{address[1]} answered {dns.rcode.to_text(code)}"),
    ):
        name_servers(ZONE, address)


def test_a_resolver_that_is_silent_is_an_error(impatient: None) -> None:
    with name_server(lambda _, __: None) as address, pytest.raises(OSError, match="timed out"):
        name_servers(ZONE, address)


def test_an_answer_to_another_question_is_none(impatient: None) -> None:
    def another(asked: bytes, _: str) -> bytes:
        whole = answered(asked, ["ns.example."])
        return bytes([whole[0] ^ 0xFF]) + whole[1:]

    with name_server(another) as address, pytest.raises(OSError, match="timed out"):
        name_servers(ZONE, address)


def test_an_answer_that_never_ends_is_none(impatient: None) -> None:
    # One record, whose name goes on at itself: 0xC0 and where it is.
    def endless(asked: bytes, _: str) -> bytes:
        head = bytearray(answered(asked, ()))
        head[7] = 1
        return bytes(head) + bytes([0xC0, len(head)])

    with name_server(endless) as address, pytest.raises(OSError, match="timed out"):
        name_servers(ZONE, address)


def test_a_machine_without_a_resolver_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unconfigured(*_: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", unconfigured)
    with pytest.raises(OSError, match="Resolver configuration could not be read"):
        name_servers(ZONE)
