"""Real TLS servers on loopback, with certificates of an authority of the test's own."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Signs certificates for servers; `certificate` is what a client is to trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        now = datetime.now(UTC)
        made = self._builder(self._name, self._key, now - timedelta(days=900), now + timedelta(days=900))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.certificate = folder / "authority.pem"
        self.certificate.write_bytes(self._signed(made))

    def context(self, name: str, not_after: datetime) -> ssl.SSLContext:
        """Return what a server needs to show a certificate for `name` until `not_after`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(subject, key, not_after - timedelta(days=90), not_after)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        file = self._folder / f"{name}-{not_after:%Y%m%d}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + self._signed(made)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, start: datetime, end: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def _signed(self, made: x509.CertificateBuilder) -> bytes:
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@contextmanager
def speaking(context: ssl.SSLContext | None, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Give the port of a server that shakes hands; without a context, one that accepts and says nothing."""
    listening = socket.create_server((address, port))
    over = threading.Event()

    def serve() -> None:
        held = []
        while not over.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                break
            held.append(connection)
            if context is None:
                continue
            connection.settimeout(5)
            # A client that doesn't trust it hangs up in the middle.
            with contextlib.suppress(OSError):
                held.append(context.wrap_socket(connection, server_side=True))
        for one in held:
            one.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@contextmanager
def dropping(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Give the port of a listener whose queue is full: Linux then drops what else arrives, as a firewall would."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting = []
        try:
            for _ in range(3):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex((address, port))
                waiting.append(one)
            yield port
        finally:
            for one in waiting:
                one.close()


def closed_port(address: str = "127.0.0.1") -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as one:
        one.bind((address, 0))
        return int(one.getsockname()[1])
