"""Who may call: tokens, algorithms, scopes, and what is told to those who may not."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.edge.problems import Problem
from services.api.edge.tenant import open_tenant_pool
from services.api.partners.keys import Keys, KeySet, Secret, keys_by
from services.runtime.settings import Settings, SettingsError
from tests.api.stand import SECRET, URL, Partner, token

REFUSAL = {"success": False, "code": 401, "message": "Unauthorized. Valid JWT token required."}
CARDS = "/en/partners/cards"


def claims(partner_id: object, **changes: Any) -> dict[str, Any]:
    """Good claims, unless changed; None leaves one out."""
    good = {"partner_id": partner_id, "scope": "games cards", "exp": int(time.time()) + 60}
    return {name: value for name, value in (good | changes).items() if value is not None}


def unsigned(content: dict[str, Any], algorithm: str) -> str:
    """A token without a signature that names this algorithm."""
    parts = (json.dumps({"alg": algorithm, "typ": "JWT"}), json.dumps(content))
    return (
        ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
        + "."
    )


def signed(content: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token signed with a secret."""
    return jwt.encode(content, secret, algorithm=algorithm)


BAD_TOKENS: dict[str, Any] = {
    "expired": lambda id: signed(claims(id, exp=int(time.time()) - 1)),
    "without expiry": lambda id: signed(claims(id, exp=None)),
    "not yet valid": lambda id: signed(claims(id, nbf=int(time.time()) + 60)),
    "another secret": lambda id: signed(claims(id), "another secret of 32 bytes and more"),
    "another algorithm": lambda id: signed(claims(id), SECRET * 2, "HS512"),
    "alg none": lambda id: unsigned(claims(id), "none"),
    "alg None": lambda id: unsigned(claims(id), "None"),
    "alg HS256 unsigned": lambda id: unsigned(claims(id), "HS256"),
    "no partner": lambda id: signed(claims(None)),
    "partner as text": lambda id: signed(claims(str(id))),
    "partner true": lambda id: signed(claims(True)),
    "partner 0": lambda id: signed(claims(0)),
    "partner of nobody": lambda id: signed(claims(2**62)),
    "partner beyond bigint": lambda id: signed(claims(2**63)),
    "partner as list": lambda id: signed(claims([id])),
    "garbage": lambda id: "garbage",
    "three dots": lambda id: "..",
    "too long": lambda id: "a" * 9000,
    "bad header": lambda id: "e30.e30.e30",
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_access_k15_refuses_the_token(partner: Partner, kind: str) -> None:
    """K15: whatever is wrong with a token, the answer is the same 401."""
    header = {"authorization": f"Bearer {BAD_TOKENS[kind](partner.id)}"}
    answer = await partner.http.get(CARDS, headers=header)
    body = answer.json()
    assert body.pop("request_id") == answer.headers["x-request-id"]
    assert (answer.status_code, body) == (401, REFUSAL)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer\u00e9"])
async def test_access_k15_refuses_the_header(http: httpx.AsyncClient, header: str | None) -> None:
    """K15: no token at all, or another scheme."""
    headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
    assert (await http.get(CARDS, headers=headers)).status_code == 401


async def test_access_k01_asks_every_path_for_a_token(http: httpx.AsyncClient) -> None:
    """K01: every operation below a locale is refused without a token, before anything else is looked at."""
    document = (await http.get("/openapi.json")).json()
    checked = 0
    for path, operations in document["paths"].items():
        if not path.startswith("/{locale}"):
            continue
        for method in operations:
            place = path.replace("{locale}", "en")
            answer = await http.request(method, place, content=b"{")
            assert (answer.status_code, answer.json()["message"]) == (401, REFUSAL["message"]), (
                method,
                path,
            )
            checked += 1
    assert checked >= 15


async def test_access_takes_scope_as_text_or_list(api_settings: Settings, partner: Partner) -> None:
    """A token may what its scope names, whether one string or a list; without a scope nothing."""
    for scope, expected in (
        ("cards", 200), (["cards", "games"], 200), ("games", 403), ("", 403), (None, 403), ("Cards", 403), (7, 403),
    ):  # fmt: skip
        header = {"authorization": f"bearer {signed(claims(partner.id, scope=scope))}"}
        answer = await partner.http.get(CARDS, headers=header)
        assert answer.status_code == expected, scope
        if expected == 403:
            assert answer.json()["message"] == "Forbidden. The token lacks the scope cards."
    staff = {"authorization": f"Bearer {token(api_settings, partner.id, 'staff')}"}
    assert (await partner.http.get("/en/partners/games", headers=staff)).status_code == 403


async def test_access_remembers_no_token_beyond_its_expiry(partner: Partner) -> None:
    """A remembered token is refused from the moment it expires."""
    header = {"authorization": f"Bearer {signed(claims(partner.id, exp=int(time.time()) + 2))}"}
    assert (await partner.http.get(CARDS, headers=header)).status_code == 200
    deadline = time.monotonic() + 10
    while (await partner.http.get(CARDS, headers=header)).status_code == 200:
        assert time.monotonic() < deadline


async def test_access_checks_issuer_and_audience(api_settings: Settings, partner: Partner) -> None:
    """Where the configuration names them, a token must have them."""
    settings = api_settings.model_copy(
        update={"jwt_issuer": "https://id.test", "jwt_audience": "couponry"}
    )
    async with client(settings, Secret(SECRET)) as http:
        for changes, expected in (
            ({"iss": "https://id.test", "aud": "couponry"}, 200),
            ({"iss": "https://id.test", "aud": ["other", "couponry"]}, 200),
            ({"iss": "https://other.test", "aud": "couponry"}, 401),
            ({"iss": "https://id.test", "aud": "other"}, 401),
            ({"iss": "https://id.test"}, 401),
            ({"aud": "couponry"}, 401),
        ):
            header = {"authorization": f"Bearer {signed(claims(partner.id, **changes))}"}
            assert (await http.get(CARDS, headers=header)).status_code == expected, changes
        own = {"authorization": f"Bearer {token(settings, partner.id)}"}
        assert (await http.get(CARDS, headers=own)).status_code == 200


async def test_access_takes_keys_from_a_key_set(api_settings: Settings, partner: Partner) -> None:
    """RS256 and EdDSA by key id; a secret, an unknown key and a public key used as a secret are refused."""
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ed_key = ed25519.Ed25519PrivateKey.generate()
    public = rsa_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    keys = [
        json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key.public_key())) | {"kid": "r", "use": "sig", "alg": "RS256"},
        json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(ed_key.public_key())) | {"kid": "e", "alg": "EdDSA"},
        {"kty": "oct", "kid": "o", "k": base64.urlsafe_b64encode(SECRET.encode()).decode(), "alg": "HS256"},
        {"kty": "strange", "kid": "s"},
    ]  # fmt: skip
    good = claims(partner.id)
    tokens = {
        jwt.encode(good, rsa_key, algorithm="RS256", headers={"kid": "r"}): 200,
        jwt.encode(good, ed_key, algorithm="EdDSA", headers={"kid": "e"}): 200,
        jwt.encode(good, rsa_key, algorithm="RS256", headers={"kid": "e"}): 401,
        jwt.encode(good, rsa_key, algorithm="RS256", headers={"kid": "unknown"}): 401,
        jwt.encode(good, rsa_key, algorithm="RS256"): 401,
        jwt.encode(good, rsa_key, algorithm="RS512", headers={"kid": "r"}): 401,
        jwt.encode(good, SECRET, algorithm="HS256", headers={"kid": "o"}): 401,
        hmac_with_public_key(good, public): 401,
    }
    with serving({"keys": keys}) as url:
        settings = api_settings.model_copy(update={"jwt_jwks_url": url})
        async with client(settings, keys_by(settings)) as http:
            for text, expected in tokens.items():
                header = {"authorization": f"Bearer {text}"}
                assert (await http.get(CARDS, headers=header)).status_code == expected, (
                    jwt.get_unverified_header(text)
                )


async def test_access_asks_for_unknown_keys_with_restraint() -> None:
    """Strangers' key ids do not make us fetch the set each time; before it was fetched once the answer is 503."""
    served: list[int] = []
    with serving({"keys": []}, served) as url:
        keys = KeySet(url)
        for number in range(20):
            assert await keys.key(f"key-{number}") is None
    assert len(served) == 1
    assert await keys.key("key-0") is None
    with pytest.raises(Problem) as away:
        await KeySet(url).key("any")
    assert (away.value.status, away.value.headers) == (503, {"retry-after": "1"})


def test_access_needs_a_key_to_verify_with(api_settings: Settings) -> None:
    """Neither secret nor key set, a short secret, or another scheme: one line that says what to do."""
    for changes, words in (
        ({"jwt_secret": None}, "COUPONRY_JWT_SECRET is not set"),
        ({"jwt_secret": "short"}, "shorter than 32 bytes"),
        ({"jwt_jwks_url": "file:///etc/passwd"}, "must begin with https"),
    ):
        with pytest.raises(SettingsError, match=words):
            keys_by(api_settings.model_copy(update=changes))


@asynccontextmanager
async def client(settings: Settings, keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with this configuration."""
    pool = await open_tenant_pool(settings)
    limits = Limits(settings)
    app = build_app(settings, pool, limits=limits, keys=keys)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        yield http
    await limits.close()
    pool.terminate()


@contextmanager
def serving(document: Any, served: list[int] | None = None) -> Iterator[str]:
    """A URL that answers with this document."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if served is not None:
                served.append(1)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/keys"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def hmac_with_public_key(content: dict[str, Any], public: bytes) -> str:
    """What an attacker makes of a public key: the library refuses to, so by hand."""
    import hashlib
    import hmac

    text = unsigned(content, "HS256").rstrip(".")
    digest = hmac.new(public, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
