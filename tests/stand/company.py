"""A company that signs its own certificates: a store that vouches for it, and servers that it vouches for."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """`store` holds its certificate, `server` key and certificate of a server on 127.0.0.1."""

    store: Path
    server: Path


def make_company(directory: Path) -> Company:
    """Both files in this directory."""
    own_key, server_key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a company")])
    server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "its server")])
    authority = x509.BasicConstraints(ca=True, path_length=None)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    company = Company(store=directory / "company.pem", server=directory / "server.pem")
    company.store.write_bytes(_signed(own, own_key.public_key(), own, own_key, authority, True))
    company.server.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + _signed(server, server_key.public_key(), own, own_key, address, False)
    )
    return company


@contextmanager
def serving_https(handler: Callable[..., Any], company: Company) -> Iterator[str]:
    """A server on this machine that the company vouches for; its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(company.server)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _signed(
    subject: x509.Name, key: Any, issuer: x509.Name, by: Any, extension: Any, critical: bool
) -> bytes:
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical)
        .sign(by, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
