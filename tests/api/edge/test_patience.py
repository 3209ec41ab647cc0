"""Clients that take their time, and partners that take everything: nobody else waits for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from services.api.edge import asgi, tenant
from services.api.edge.call import MOST_COMMAS, MOST_NAMES
from services.api.edge.dialect import LARGEST_BODY_BYTES, USUAL_BODY_BYTES
from services.runtime import serving as server
from services.runtime.serving import serving
from tests.api.games import WHOLE
from tests.api.stand import Partner
from tests.stand.waiting import DEADLINE_SECONDS

CARD = {
    "title": {"en": "Card", "lt": "Kortele"}, "description": {}, "terms_conditions": {}, "card_design": {},
}  # fmt: skip


@pytest.fixture
async def url(app: FastAPI) -> AsyncIterator[str]:
    """The application behind a real server."""
    async with serving(app, "127.0.0.1", 0, announce_as="api") as address:
        yield address


Talk = Callable[[bytes], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@pytest.fixture
async def talk(url: str) -> AsyncIterator[Talk]:
    """Open a connection and say something that need not be a whole request."""
    writers = []

    async def begin(said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writers.append(writer)
        writer.write(said)
        await writer.drain()
        return reader, writer

    yield begin
    for writer in writers:
        writer.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_body_that_does_not_come_holds_nobody_up(
    url: str,
    talk: Talk,
    partner: Partner,
    stranger: Partner,
    method: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many as the pool has connections, and more: others are served, and the slow get 408 and are let go."""
    head = (
        f"{method} /en/partners/cards/1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {partner.token}\r\n"
        "idempotency-key: k\r\ncontent-length: 10\r\n\r\n{"
    ).encode()
    monkeypatch.setattr(asgi, "BODY_SECONDS", 1.0)
    readers = [(await talk(head))[0] for _ in range(tenant.POOL_SIZE + 2)]
    async with httpx.AsyncClient(base_url=url) as http:
        for one in (partner, stranger):
            headers = {"authorization": f"Bearer {one.token}"}
            assert (await http.get("/en/partners/games", headers=headers)).status_code == 200
    for reader in readers:
        answer = await asyncio.wait_for(reader.read(), DEADLINE_SECONDS)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("said", [b"", b"GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: "])
async def test_head_that_does_not_come_ends_its_connection(
    app: FastAPI, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether nothing was said or half of it."""
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    async with serving(app, "127.0.0.1", 0, announce_as="api") as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(said)
        answer = await asyncio.wait_for(reader.read(), DEADLINE_SECONDS)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert_hardened(answer)
        writer.close()


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"x-a: %s\r\n" % (b"a" * 1_000) * 100, b"431"),
        (b"GET / HTTP/1.1\r\nx-a: " + b"a" * 100_000, b"431"),
    ],
    ids=["no header", "a length below 0", "TLS", "many headers", "a long header"],
)
async def test_what_is_no_request_is_answered_like_one(
    talk: Talk, said: bytes, status: bytes
) -> None:
    """With the headers that every answer has; a head without end is not kept."""
    reader, _ = await talk(said)
    answer = await asyncio.wait_for(reader.read(), DEADLINE_SECONDS)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert_hardened(answer)


def assert_hardened(answer: bytes) -> None:
    """No answer is stored on the way, or taken for what it is not; this one is the connection's last."""
    for header in (
        b"cache-control: no-store",
        b"x-content-type-options: nosniff",
        b"connection: close",
    ):
        assert header in answer.lower()


@pytest.mark.parametrize("framing", ["content-length: {size}", "transfer-encoding: chunked"])
async def test_body_that_is_too_large_is_answered_once_it_was_sent(
    talk: Talk, framing: str
) -> None:
    """Who sends all of it before they listen hears 413, not that the connection broke."""
    size = LARGEST_BODY_BYTES + 1_000_000
    head = f"POST /en/partners/cards HTTP/1.1\r\nhost: x\r\n{framing.format(size=size)}\r\n\r\n".encode()
    is_chunked = "chunked" in framing
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"a" * size) if is_chunked else b"a" * size
    reader, _ = await talk(head + body)
    answer = await asyncio.wait_for(reader.read(), DEADLINE_SECONDS)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert_hardened(answer)


async def test_body_that_is_too_large_is_not_asked_for(talk: Talk) -> None:
    """Who waits to be asked is told at once."""
    head = (
        f"POST /en/partners/cards HTTP/1.1\r\nhost: x\r\ncontent-length: {LARGEST_BODY_BYTES + 1}\r\n"
        "expect: 100-continue\r\n\r\n"
    )
    reader, _ = await talk(head.encode())
    answer = await asyncio.wait_for(reader.read(), DEADLINE_SECONDS)
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("path", "most"),
    [("/games", USUAL_BODY_BYTES), ("/shops", USUAL_BODY_BYTES), ("/cards", LARGEST_BODY_BYTES)],
)
@pytest.mark.parametrize("is_announced", [True, False])
async def test_body_has_its_size_to_the_byte(
    partner: Partner, path: str, most: int, is_announced: bool
) -> None:
    """As many as may be are read; one more is 413, whether or not the request says its length."""

    async def in_parts(content: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(content), 50_000):
            yield content[start : start + 50_000]

    for size, status in ((most, 422), (most + 1, 413)):
        content = json.dumps({"unknown": ""}).encode().ljust(size)
        sent = content if is_announced else in_parts(content)
        answer = await partner.ask("POST", path, content=sent)
        assert answer.status_code == status, size


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({**CARD, "description": dict.fromkeys(map(str, range(380_000)), "")}).encode(),
        json.dumps({**CARD, "description": {str(n): "" for n in range(MOST_NAMES + 1)}}).encode(),
        json.dumps({**CARD, "shop_ids": [1] * (MOST_COMMAS + 2)}).encode(),
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    ],
    ids=["380,000 names", "many names", "a long list", "deep"],
)
async def test_wide_body_is_refused_before_it_is_read(partner: Partner, content: bytes) -> None:
    """By a count that costs nothing; what it says is nobody's business then."""
    answer = await partner.ask("POST", "/cards", content=content[:LARGEST_BODY_BYTES])
    assert (answer.status_code, "errors" in answer.json()) == (413, False)


@pytest.mark.parametrize("wrong", ["x", 2**62])
async def test_answer_names_fifty_errors_at_most(partner: Partner, wrong: object) -> None:
    """However many there are, of what is no id and of ids that are nobody's."""
    for path, body in (
        ("/cards", {**CARD, "shop_ids": [wrong] * 999}),
        ("/games", {**WHOLE, "product_ids": [wrong] * 999}),
    ):
        answer = await partner.post(path, body)
        assert (answer.status_code, len(answer.json()["errors"])) == (422, 50)


async def test_partner_has_half_of_the_pool(
    app: FastAPI, partner: Partner, stranger: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has it asks in vain, and is told when to come again; others are served meanwhile."""
    monkeypatch.setattr(tenant, "SHARE_SECONDS", 0.1)
    pool: asyncpg.Pool = app.state.api.pool
    holding = [tenant.lent(pool, partner.id) for _ in range(tenant.POOL_SIZE // 2)]
    for one in holding:
        await one.__aenter__()
    try:
        answer = await partner.get("/games")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await stranger.get("/games")).status_code == 200
    finally:
        for one in holding:
            await one.__aexit__(None, None, None)
    assert (await partner.get("/games")).status_code == 200


async def test_lock_is_waited_for_two_seconds(
    partner: Partner, database: asyncpg.Connection
) -> None:
    """Then the request is 503, to come again; what it would have done is not done."""
    game = (await partner.post("/games", WHOLE)).json()["data"]
    async with database.transaction():
        await database.execute("SELECT FROM games WHERE id = $1 FOR UPDATE", game["id"])
        answer = await partner.put(f"/games/{game['id']}", {"name": "Not yet"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (await partner.get(f"/games/{game['id']}")).json()["data"]["name"] == WHOLE["name"]


async def test_connection_to_a_server_that_takes_no_writes_is_let_go(
    app: FastAPI, partner: Partner
) -> None:
    """503 to come again, and the next request has another connection."""
    pool: asyncpg.Pool = app.state.api.pool
    met = []

    async def write() -> None:
        async with tenant.writing(pool, partner.id) as connection:
            met.append(connection.get_server_pid())
            await connection.execute("SET TRANSACTION READ ONLY")
            await connection.execute(
                "INSERT INTO shops (partner_id, name) VALUES ($1, 'x')", partner.id
            )

    for _ in range(3):
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await write()
    assert len(set(met)) == 3


@pytest.mark.parametrize(
    "fault",
    [
        asyncpg.ReadOnlySQLTransactionError, asyncpg.DiskFullError, asyncpg.TooManyConnectionsError,
        asyncpg.InvalidPasswordError, asyncpg.CannotConnectNowError, ConnectionRefusedError, asyncpg.PostgresIOError,
    ],
)  # fmt: skip
async def test_server_that_refuses_everybody_is_503(
    partner: Partner, fault: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is wrong with the request: it is told to come again."""

    def refuse(*_: object, **__: object) -> None:
        raise fault("refused")

    monkeypatch.setattr(tenant, "lent", refuse)
    answer = await partner.get("/games")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_every_answer_is_kept_nowhere(url: str, partner: Partner) -> None:
    """Whatever the status, of the API and of health pages."""
    async with httpx.AsyncClient(base_url=url) as http:
        headers = {"authorization": f"Bearer {partner.token}"}
        for method, path in (
            ("GET", "/en/partners/games"), ("GET", "/nothing"), ("PATCH", "/en/partners/games"),
            ("GET", "/openapi.json"), ("POST", "/en/partners/games"),
        ):  # fmt: skip
            answer = await http.request(method, path, headers=headers)
            assert answer.headers.get_list("cache-control") == ["no-store"], path
            assert answer.headers.get_list("x-content-type-options") == ["nosniff"], path
            assert len(answer.headers.get_list("allow")) == (answer.status_code == 405)
