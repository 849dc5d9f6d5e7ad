"""What a client meets, against real TLS servers on loopback: good, expired, wrong name, refused, silent."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.output.report import Check
from ops.verify.client import from_client
from tests.ops.verify.tls_servers import Authority, closed_port, dropping, speaking

NAME = "dos-nft.eps.digital.nhs.uk"
NOW = datetime.now(UTC)
PATIENCE_SECONDS = 0.5


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def met(
    authority: Authority | None, port: int, addresses: Sequence[str] = ("127.0.0.1",), resolved: Sequence[str] = ()
) -> dict[str, Check]:
    context = ssl.create_default_context(cafile=authority.certificate if authority else None)
    checks = from_client(
        NAME, addresses, port, NOW, context, resolve=lambda _: resolved or addresses, timeout=PATIENCE_SECONDS
    )
    keys = [one.value.split(":")[0] if one.name == "client: address" else one.name for one in checks]
    return dict(zip(keys, checks, strict=True))


def verdicts(checks: dict[str, Check]) -> dict[str, str]:
    return {key: one.verdict for key, one in checks.items()}


def test_a_good_server_is_fine_and_its_certificate_says_for_how_long(authority: Authority) -> None:
    with speaking(authority.context(NAME, NOW + timedelta(days=60, hours=1))) as port:
        checks = met(authority, port)
    assert set(verdicts(checks).values()) == {"ok"}
    assert checks["127.0.0.1"].evidence == "TLSv1.3 with a valid certificate"
    assert checks["client: certificate"].evidence == f"until {NOW + timedelta(days=60, hours=1):%Y-%m-%d}, 60 days"


def test_one_that_ends_soon_is_told_before_it_ends(authority: Authority) -> None:
    with speaking(authority.context(NAME, NOW + timedelta(days=5, hours=1))) as port:
        checks = met(authority, port)
    assert checks["client: certificate"].verdict == "failed"
    assert checks["client: certificate"].evidence.endswith("5 days; renew it when there are 14 left")


@pytest.mark.parametrize(
    ("name", "days", "reason"),
    [(NAME, -1, "certificate has expired"), ("dos-int.eps.digital.nhs.uk", 60, "Hostname mismatch")],
)
def test_an_expired_certificate_or_one_for_another_name_is_named(
    authority: Authority, name: str, days: int, reason: str
) -> None:
    with speaking(authority.context(name, NOW + timedelta(days=days))) as port:
        checks = met(authority, port)
    assert checks["127.0.0.1"].verdict == "failed"
    assert checks["127.0.0.1"].evidence.startswith(f"the certificate is not valid: {reason}")
    assert checks["client: certificate"].verdict == "not checked"


def test_an_authority_that_is_not_trusted_is_named(authority: Authority) -> None:
    with speaking(authority.context(NAME, NOW + timedelta(days=60))) as port:
        checks = met(None, port)
    assert checks["127.0.0.1"].verdict == "failed"
    assert "unable to get local issuer certificate" in checks["127.0.0.1"].evidence


def test_a_refusal_is_a_failure_since_who_is_not_admitted_gets_none(authority: Authority) -> None:
    checks = met(authority, closed_port())
    assert (checks["127.0.0.1"].verdict, checks["127.0.0.1"].evidence) == (
        "failed",
        "connecting failed: Connection refused",
    )


def test_silence_everywhere_is_not_checked_since_so_meets_who_is_not_admitted(authority: Authority) -> None:
    with dropping() as port:
        checks = met(authority, port)
    assert checks["127.0.0.1"].verdict == "not checked"
    assert checks["127.0.0.1"].evidence.startswith("no answer within 0.5 s")


def test_silence_of_one_zone_is_a_failure_if_another_answers(authority: Authority) -> None:
    context = authority.context(NAME, NOW + timedelta(days=60))
    with speaking(context) as port, dropping("127.0.0.2", port):
        checks = met(authority, port, addresses=("127.0.0.1", "127.0.0.2"))
    assert (checks["127.0.0.1"].verdict, checks["127.0.0.2"].verdict) == ("ok", "failed")
    assert checks["127.0.0.2"].evidence == "no answer within 0.5 s, and other zones answer"


def test_one_that_accepts_and_says_nothing_is_a_failure(authority: Authority) -> None:
    with speaking(None) as port:
        checks = met(authority, port)
    assert (checks["127.0.0.1"].verdict, checks["127.0.0.1"].evidence) == (
        "failed",
        "connected, but no TLS within 0.5 s",
    )


def test_a_name_that_leads_elsewhere_is_a_failure(authority: Authority) -> None:
    with speaking(authority.context(NAME, NOW + timedelta(days=60))) as port:
        checks = met(authority, port, resolved=("192.0.2.1",))
    assert checks["client: name"].evidence == "resolves to 192.0.2.1; published: 127.0.0.1"
    assert verdicts(checks)["client: name"] == "failed"


def test_a_name_that_cannot_be_resolved_is_a_failure() -> None:
    # RFC 6761: `.invalid` never resolves.
    context = ssl.create_default_context()
    (only,) = from_client("dos.invalid", ["127.0.0.1"], 443, NOW, context)
    assert only.verdict == "failed"
    assert only.evidence.startswith("it can't be resolved here: ")


def test_an_unusable_file_of_authorities_is_said_before_anything_starts(tmp_path: Path) -> None:
    from infra.errors import ConfigError
    from ops.verify.command import _trusted

    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"--ca is .*ca\.pem, which can't be used"):
        _trusted(tmp_path / "ca.pem")
