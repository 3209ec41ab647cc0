"""Fetching: which way it goes, whom it trusts, and what it tells whom."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import pytest

from services.runtime import web
from services.runtime.web import is_loopback, open_url
from tests.stand.company import make_company, serving_https

Seen = list[tuple[str, str | None]]
"""What was asked for, and with which authorization."""


class _Answers(BaseHTTPRequestHandler):
    def __init__(self, seen: Seen, *arguments: object) -> None:
        self.seen = seen
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Authorization"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")

    def do_POST(self) -> None:
        self._take()

    def do_PUT(self) -> None:
        self._take()

    def _take(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((f"{self.command} {self.path}", self.headers["Authorization"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def answering(seen: Seen) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answers, seen)) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("LOCALHOST.", True),
        ("kafka.localhost", True), ("10.0.0.1", False), ("localhost.example", False), ("example", False), (None, False),
    ],
)  # fmt: skip
def test_loopback_is_known(host: str | None, ours: bool) -> None:
    """By name and by address."""
    assert is_loopback(host) is ours


def test_data_is_posted_unless_another_method_is_named() -> None:
    """What is sent goes the way that the caller says."""
    seen: Seen = []
    with answering(seen) as host:
        for method in (None, "PUT"):
            with open_url(f"http://{host}/it", timeout_seconds=5, data=b"{}", method=method):
                pass
    assert seen == [("POST /it", None), ("PUT /it", None)]


def test_proxy_is_asked_for_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable a proxy may stand in: none of them leads a request to this machine astray."""
    seen: Seen = []
    asked: Seen = []
    with answering(seen) as server, answering(asked) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy}")
            monkeypatch.setenv(name.upper(), f"http://{proxy}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for host in (server, server.replace("127.0.0.1", "localhost")):
            with open_url(f"http://{host}/own", timeout_seconds=5) as answer:
                assert answer.read() == b"here"
        with open_url("http://else.invalid/theirs", timeout_seconds=5) as answer:
            assert answer.read() == b"here"
    assert [path for path, _ in seen] == ["/own", "/own"]
    assert [path for path, _ in asked] == ["http://else.invalid/theirs"]


def test_user_of_an_address_is_sent_as_one() -> None:
    """A mirror that asks for a password gets it, and nobody finds it in the request line."""
    seen: Seen = []
    with answering(seen) as server, open_url(f"http://me:p%40ss@{server}/x", timeout_seconds=5):
        pass
    assert seen == [("/x", "Basic " + base64.b64encode(b"me:p@ss").decode())]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_store_of_the_environment_is_trusted(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not vouch for is refused; that the system's own store counts, the jars' test shows."""
    company = make_company(tmp_path)
    with serving_https(partial(_Answers, []), company) as url:
        web.system_trust.cache_clear()
        with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
            open_url(url, timeout_seconds=5)
        monkeypatch.setenv(variable, str(company.store))
        web.system_trust.cache_clear()
        with open_url(url, timeout_seconds=5) as answer:
            assert answer.read() == b"here"
    web.system_trust.cache_clear()
