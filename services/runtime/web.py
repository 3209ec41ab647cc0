"""Fetching over HTTP: by the proxies of the environment, but never for this machine; trusting what the system trusts.

A company's proxy re-signs what it lets through, with a certificate that administrators put into the system's store and
Python's build may never look at. So that store is read in addition to Python's own.
"""

from __future__ import annotations

import base64
import os
import ssl
import urllib.request
from contextlib import suppress
from email.message import Message
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

SYSTEM_STORES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",  # older RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS, BSD
)
STORE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Where other tools on this machine are told of a store."""


def open_url(
    url: str,
    *,
    timeout_seconds: float,
    data: bytes | None = None,
    headers: dict[str, str] | None = None,
    method: str | None = None,
) -> IO[bytes]:
    """The answer's body, to be read; `data` makes it a POST, unless a method is named. Raises OSError, of which
    HTTPError and URLError are kinds.

    A user and password in the address are sent as they are meant. Proxies are asked for other machines alone.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise OSError(f"not an http address: {url}")
    sent = dict(headers or {})
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        sent.setdefault("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
        url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], *parts[2:]))
    handlers: list[urllib.request.BaseHandler] = [_Redirects()]
    if parts.scheme == "https" or not is_loopback(parts.hostname):
        handlers.append(urllib.request.HTTPSHandler(context=system_trust()))
    if is_loopback(parts.hostname):
        handlers.append(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=data, headers=sent, method=method)  # noqa: S310 - the scheme was checked
    answer: IO[bytes] = urllib.request.build_opener(*handlers).open(
        request, timeout=timeout_seconds
    )
    return answer


def is_loopback(host: str | None) -> bool:
    """Whether this name or address is this machine itself."""
    if host is None:
        return False
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost")


@cache
def system_trust() -> ssl.SSLContext:
    """For clients: what Python trusts, and what the system and the environment name as well."""
    context = ssl.create_default_context()
    named = [os.environ[variable] for variable in STORE_VARIABLES if os.environ.get(variable)]
    for store in (*named, *SYSTEM_STORES):
        # What is no store adds nothing; then the answer's certificate is refused, which says more than this could.
        with suppress(OSError, ssl.SSLError):
            if Path(store).is_dir():
                context.load_verify_locations(capath=store)
            else:
                context.load_verify_locations(cafile=store)
    return context


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows as usual, but takes a password nowhere else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> Any:
        again = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if again is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            again.remove_header("Authorization")
        return again
