"""What bad input gets (A9, X4): the envelope with the right status and a message that helps, never a 500."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from services.api.app import build_app
from services.api.edge.limits import Limits
from services.api.edge.tenant import open_tenant_pool, writing
from services.api.partners.keys import Secret
from services.runtime.settings import Settings
from tests.api.games import WHOLE, a_game
from tests.api.stand import SECRET, URL, Partner, a_tenant

BODIES = [
    pytest.param(b"", 400, id="empty"),
    pytest.param(b"{", 400, id="cut off"),
    pytest.param(b"[]", 400, id="list"),
    pytest.param(b'"text"', 400, id="text"),
    pytest.param(b"null", 400, id="null"),
    pytest.param(b"\xff\xfe{}", 400, id="not UTF-8"),
    pytest.param(b'{"name": NaN}', 400, id="NaN"),
    pytest.param(b'{"name": "\\ud800"}', 400, id="lone surrogate"),
    pytest.param(b"[" * 60_000, 400, id="deep"),
    pytest.param(b'{"name": "' + b"a" * 5_000_000 + b'"}', 413, id="large"),
    pytest.param(json.dumps(WHOLE | {"name": "a\0bc"}).encode(), 422, id="NUL"),
    pytest.param(json.dumps({"name": 10**30}).encode(), 422, id="huge number"),
    pytest.param(json.dumps({"name": [[[]]]}).encode(), 422, id="nested"),
]


@pytest.mark.parametrize(("content", "status"), BODIES)
@pytest.mark.parametrize("path", ["/games", "/cards", "/shops", "/products"])
async def test_edge_answers_bad_bodies(
    partner: Partner, path: str, content: bytes, status: int
) -> None:
    """Every resource answers in the envelope, and says what is wrong with the body."""
    answer = await partner.ask("POST", path, content=content)
    body = answer.json()
    assert answer.status_code == body["code"] == status
    assert body["success"] is False
    assert body["message"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert ("errors" in body) == (status == 422)


async def test_edge_stops_a_body_that_does_not_say_its_length(partner: Partner) -> None:
    """Without a length the body is counted as it comes."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    answer = await partner.ask("POST", "/games", content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, 413)


@pytest.mark.parametrize("locale", ["EN", "eng", "e", "e1", "ąč", "%20%20"])
async def test_edge_knows_locales_of_two_lower_case_letters(partner: Partner, locale: str) -> None:
    """Anything else is no path of ours."""
    answer = await partner.get("/games", locale=locale)
    assert (answer.status_code, answer.json()["message"]) == (404, "Not found")


async def test_edge_takes_any_language(partner: Partner) -> None:
    """Texts fall back to English."""
    for locale in ("en", "lt", "zz"):
        assert (await partner.get("/games/1000000", locale=locale)).json()[
            "message"
        ] == "Game not found"


async def test_edge_answers_unknown_paths_and_methods(http: httpx.AsyncClient) -> None:
    """Paths that are not there and methods that a path has not, in the envelope too."""
    for method, path, status in (
        ("GET", "/", 404), ("GET", "/en/partners", 404), ("GET", "/en/partners/games/", 404),
        ("PATCH", "/en/partners/games", 405), ("DELETE", "/en/partners/shops/1", 405), ("POST", "/openapi.json", 405),
        ("GET", "/en/partners/games%0a", 404), ("GET", "/en/partners/games%0A%0A", 404),
    ):  # fmt: skip
        answer = await http.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (status, status), (method, path)
        assert "x-request-id" in answer.headers
        assert (status != 405) or answer.headers["allow"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/games", "GET, POST"),
        ("/games/1", "GET, PUT"),
        ("/staff/coupons/verify", "POST"),
        ("/staff/coupons/00000000-0000-0000-0000-000000000000", "GET"),
    ],
)
async def test_edge_allows_what_a_path_has(partner: Partner, path: str, allowed: str) -> None:
    """Every method of it once, and none of another path that would match as well."""
    answer = await partner.ask("PATCH", path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_edge_names_every_request(partner: Partner) -> None:
    """A sensible request id is taken over, another one replaced."""
    for given, kept in (
        ("abc-1.2:3_4", True),
        ("~{a=1;b/2}!", True),
        ("a" * 128, True),
        ("", False),
        ("a" * 129, False),
        ("a b", False),
        ("a\u00e9", False),
    ):
        answer = await partner.get("/games", headers={"x-request-id": given.encode("latin-1")})
        assert (answer.headers["x-request-id"] == given) is kept
        assert answer.headers["x-request-id"]


async def test_edge_asks_to_come_back_when_the_database_is_busy(
    api_settings: Settings, partner: Partner
) -> None:
    """A lock that cannot be had in time is 503 with Retry-After, and has changed nothing."""
    settings = api_settings.model_copy(update={"lock_timeout_ms": 200})
    pool, limits = await open_tenant_pool(settings), Limits(settings)
    app = build_app(settings, pool, limits=limits, keys=Secret(SECRET))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        impatient = await a_tenant(settings, http, partner.database)
        game = await a_game(impatient)
        async with writing(pool, impatient.id) as holder:
            await holder.execute("SELECT FROM games WHERE id = $1 FOR UPDATE", game["id"])
            answer = await impatient.put(f"/games/{game['id']}", {"name": "Another"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await impatient.get(f"/games/{game['id']}")).json()["data"]["name"] == WHOLE["name"]
        pool.terminate()
        assert (await impatient.get("/games")).status_code == 503
    await limits.close()


async def test_edge_limits_requests_of_a_token(api_settings: Settings, partner: Partner) -> None:
    """RateLimit headers count down; beyond the limit 429 with Retry-After; other tokens go on."""
    settings = api_settings.model_copy(
        update={"api_requests_per_minute": 3, "api_failed_lookups_per_minute": 2}
    )
    pool, limits = await open_tenant_pool(settings), Limits(settings)
    app = build_app(settings, pool, limits=limits, keys=Secret(SECRET))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        tired, fresh = [await a_tenant(settings, http, partner.database) for _ in range(2)]
        await next_window(15)
        answers = [await tired.get("/games") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
        last = answers[-1]
        assert last.headers["ratelimit-limit"] == "3"
        assert last.headers["ratelimit-policy"] == "3;w=60"
        assert 1 <= int(last.headers["ratelimit-reset"]) <= 60
        assert last.headers["retry-after"] == last.headers["ratelimit-reset"]
        assert last.json()["message"] == "Too many requests"
        assert (await fresh.get("/games")).status_code == 200
    await limits.close()
    pool.terminate()


async def test_edge_shares_limits_between_processes(api_settings: Settings) -> None:
    """What one process counted the other knows after sharing; without Redis each counts alone."""
    settings = api_settings.model_copy(update={"api_requests_per_minute": 10})
    await next_window(15)
    one, other = Limits(settings), Limits(settings)
    for _ in range(4):
        one.request("key")
    other.request("key")
    for limits in (one, other):
        await limits.share()
    one.request("key")
    await one.share()
    standing = one.request("key")
    assert standing is not None
    assert standing.used == 7
    await one.close()
    await other.close()
    alone = Limits(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"}))
    alone.request("key")
    await alone.share()
    assert "Redis does not answer" in (alone.fault or "")
    standing = alone.request("key")
    assert standing is not None
    assert standing.used == 2
    await alone.close()


async def test_edge_serializes_changes_of_one_game(partner: Partner) -> None:
    """Updates at the same moment take turns: none undoes what another one did."""
    game = await a_game(partner)
    changes = [
        {"name": "Another"},
        {"stamps_required": 5},
        {"is_active": False},
        {"coupon_validity_days": 9},
    ]
    answers = await asyncio.gather(
        *(partner.put(f"/games/{game['id']}", change) for change in changes)
    )
    assert [answer.status_code for answer in answers] == [200] * 4
    after = (await partner.get(f"/games/{game['id']}")).json()["data"]
    for change in changes:
        assert after | change == after


async def next_window(seconds: float) -> None:
    """Wait, if need be, until the limits' window lasts at least this long."""
    while 60 - time.time() % 60 < seconds:
        await asyncio.sleep(0.1)
