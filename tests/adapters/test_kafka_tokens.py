"""Tokens for Kafka: asked for once, renewed in time, kept through an outage of who gives them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
from aiokafka.errors import KafkaConnectionError

from services.adapters.kafka import broker_options, client_options
from services.adapters.kafka_tokens import TokenProvider, token_provider
from services.runtime.settings import Settings, SettingsError

OURS = "Basic " + base64.b64encode(b"me%3A:s%26s").decode()


@contextmanager
def endpoint(*, takes_header: bool = True) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """Its address, and the forms that it has accepted."""
    forms: list[dict[str, list[str]]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            by_header = takes_header and self.headers["Authorization"] == OURS
            by_form = (form.get("client_id"), form.get("client_secret")) == (["me:"], ["s&s"])
            self.send_response(200 if by_header or by_form else 401)
            self.end_headers()
            if by_header or by_form:
                forms.append(form)
                token = {"access_token": f"token-{len(forms)}", "expires_in": 600}
                self.wfile.write(json.dumps(token).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/token", forms
        finally:
            server.shutdown()


def bearer(url: str, **changes: str) -> Settings:
    return Settings(
        kafka_bootstrap_servers="db:9092",
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_mechanism="OAUTHBEARER",
        kafka_sasl_oauth_token_url=url,
        kafka_sasl_oauth_client_id="me:",
        kafka_sasl_oauth_client_secret="s&s",
        **changes,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("takes_header", [True, False])
async def test_token_is_asked_for_once(takes_header: bool) -> None:
    """Both kinds of client share it, whichever way the endpoint wants the credentials."""
    with endpoint(takes_header=takes_header) as (url, forms):
        settings = bearer(url, kafka_sasl_oauth_scope="kafka")
        providers = [options(settings)["sasl_oauth_token_provider"] for options in (client_options, broker_options)]  # fmt: skip
        assert [await provider.token() for provider in providers] == ["token-1", "token-1"]
        (form,) = forms
        assert form["grant_type"] == ["client_credentials"]
        assert form["scope"] == ["kafka"]


async def test_wrong_secret_is_an_outage_without_the_secret() -> None:
    """Refused credentials are told by the address and the answer's number."""
    with endpoint() as (url, _):
        settings = bearer(url).model_copy(update={"kafka_sasl_oauth_client_secret": "wr0ng"})
        with pytest.raises(KafkaConnectionError, match="answers 401") as refusal:
            await token_provider(settings).token()
        assert "wr0ng" not in str(refusal.value)


async def test_token_is_renewed_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After most of its life; while nobody gives another it serves to its end, and then that is an outage."""
    now = [0.0]
    monkeypatch.setattr(
        "services.adapters.kafka_tokens.time", SimpleNamespace(monotonic=lambda: now[0])
    )
    given: list[tuple[str, float]] = [("second", 100.0), ("first", 100.0)]

    def fetch() -> tuple[str, float]:
        if not given:
            raise ConnectionError("nobody there")
        return given.pop()

    provider = TokenProvider(fetch)
    seen = []
    for at in (0.0, 79.0, 81.0, 160.0, 170.0):
        now[0] = at
        seen.append(await provider.token())
    assert seen == ["first", "first", "second", "second", "second"]
    now[0] = 181.0
    with pytest.raises(KafkaConnectionError, match="nobody there"):
        await provider.token()


def test_extra_for_amazon_is_named() -> None:
    """Without it the line says what to install."""
    settings = bearer("http://nowhere", kafka_sasl_oauth_aws_region="eu-north-1")
    with pytest.raises(SettingsError, match=r"couponry\[aws\]"):
        client_options(settings)
