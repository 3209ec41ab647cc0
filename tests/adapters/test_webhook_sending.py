"""Requests to receivers that are away, slow, lying or malicious: each comes to an end in time, and says which."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from schemas.gameball_v4.webhook_addresses import forbidden
from services.adapters.webhook_addresses import LookUp
from services.adapters.webhook_sending import LONGEST_DETAIL_BYTES, Received, Sender
from services.domain.webhooks.answers import AttemptError
from services.domain.webhooks.rendering import rendered
from services.runtime.settings import Settings
from tests.domain.webhooks.hooks import AT, a_coupon, a_webhook
from tests.stand.company import make_company, serving_https
from tests.stand.receiver import Got, Script, answer, end, mine, own_code, receiving

PLAIN = Settings.model_construct(webhook_proxy=None, webhook_ca_file=None)
Send = Callable[..., Awaitable[Received]]


def nothing(_: object) -> bool:
    """Whatever leads somewhere may be dialled."""
    return False


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    """One that may dial any address."""
    sender = Sender(PLAIN, nothing)
    yield sender
    await sender.close()


async def sent(sender: Sender, url: str, *, seconds: float = 5, **webhook: Any) -> Received:
    """What comes of one request."""
    return await sender.send(
        rendered(a_webhook(url=url, **webhook), a_coupon(), id="issued_1", at=AT), seconds
    )


def names(**known: Sequence[str]) -> LookUp:
    """A server of names that knows these; `_` is a dot."""

    async def look_up(host: str) -> Sequence[str]:
        addresses = known.get(host.replace(".", "_"))
        if addresses is None:
            raise OSError("no such name")
        return addresses

    return look_up


async def test_request_is_what_was_rendered(sender: Sender) -> None:
    """Method, path with its query, headers and body; one name of a header once."""
    async with receiving() as receiver:
        received = await sent(
            sender,
            f"{receiver.url}?a=%2F",
            method="PUT",
            headers=(("Authorization", "Bearer t0ken"), ("X-U", "v w")),
            query=(("who", "{{playerUniqueId}}"),),
        )
    (got,) = receiver.got
    assert (got.method, got.path) == ("PUT", "/coupons?a=%2F&who=CUS_12345")
    assert got.json()["code"] == "50EGPOFF"
    assert got.headers["authorization"] == "Bearer t0ken"
    assert got.headers["x-u"] == "v w"
    assert (got.headers["content-type"], got.headers["accept-encoding"]) == (
        "application/json",
        "identity",
    )
    assert got.id == "issued_1"
    assert received.answer.document == {"code": "OWN-issued_1"}
    assert received.detail == '{"code": "OWN-issued_1"}'


async def _hang(_: Got) -> bytes:
    await asyncio.sleep(60)
    return b""


def _part(_: Got) -> bytes:
    return b"HTTP/1.1 200 It\r\nContent-Length: 1000\r\n\r\n{"


MANY = 2_000
ANSWERS: dict[str, tuple[Script | bytes, int | None, AttemptError | None]] = {
    "an error": (answer(500, {"oh": "no"}), 500, None),
    "a farewell": (answer(410), 410, AttemptError.NOT_JSON),
    "a redirect to a private address": (
        answer(302, None, "Location: http://10.0.0.1/"),
        302,
        AttemptError.NOT_JSON,
    ),
    "a redirect that keeps the method": (
        answer(307, None, "Location: http://10.0.0.1/"),
        307,
        AttemptError.NOT_JSON,
    ),
    "no JSON": (answer(200, body=b"<html>"), 200, AttemptError.NOT_JSON),
    "JSON that is too deep": (answer(200, body=b"[" * 30_000), 200, AttemptError.NOT_JSON),
    "JSON in no encoding": (answer(200, body=b'{"code":"\xff"}'), 200, AttemptError.NOT_JSON),
    "a body that is packed": (
        answer(200, {"code": "A"}, "Content-Encoding: gzip"),
        200,
        AttemptError.NOT_JSON,
    ),
    "something else before it": (
        b"HTTP/1.1 103 It\r\nLink: <x>\r\n\r\n" * 9 + answer(200, {"code": "A"}),
        200,
        None,
    ),
    "another protocol": (
        b"HTTP/1.1 101 It\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx",
        101,
        AttemptError.NOT_JSON,
    ),
    "bytes that are no text": (b"\xff\xfe\r\n\r\n", None, AttemptError.NOT_HTTP),
    "headers that are no text": (
        b"HTTP/1.1 200 \xe9\r\nRetry-After: \xff\r\nContent-Type: ;;\xff\r\nContent-Length: 2\r\n\r\n{}",
        200,
        None,
    ),
    "chunks that do not end": (
        b"HTTP/1.1 200 It\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        None,
        AttemptError.TIMEOUT,
    ),
    "chunks that are none": (
        b"HTTP/1.1 200 It\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        None,
        AttemptError.NOT_HTTP,
    ),
    "two lengths": (
        b"HTTP/1.1 200 It\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        None,
        AttemptError.NOT_HTTP,
    ),
    "a huge body": (answer(200, body=b"x" * (64 * 1024 + 1)), 200, AttemptError.TOO_LARGE),
    "the largest body": (answer(200, body=b'{"code":"A"}'.ljust(64 * 1024)), 200, None),
    "no end to headers": (
        b"HTTP/1.1 200 It\r\n" + b"a: b\r\n" * MANY + b"\r\n",
        None,
        AttemptError.NOT_HTTP,
    ),
    "a long header": (
        b"HTTP/1.1 200 It\r\nA: " + b"b" * 10_000 + b"\r\n\r\n",
        None,
        AttemptError.NOT_HTTP,
    ),
    "another language": (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", None, AttemptError.NOT_HTTP),
    "nothing": (b"", None, AttemptError.RESET),
    "silence": (_hang, None, AttemptError.TIMEOUT),
    "a body that does not end": (_part, None, AttemptError.TIMEOUT),
}


@pytest.mark.parametrize("what", ANSWERS)
async def test_answer_is_taken_for_what_it_is(sender: Sender, what: str) -> None:
    """Nothing that a receiver says is more than a status, a document or the word for what went wrong."""
    said, status, error = ANSWERS[what]
    async with receiving(said if callable(said) else lambda _: said) as receiver:
        began_at = time.monotonic()
        received = await sent(sender, receiver.url, seconds=1)
    assert (received.answer.status, received.answer.error) == (status, error)
    assert time.monotonic() - began_at < 3
    assert len((received.detail or "").encode()) <= LONGEST_DETAIL_BYTES
    assert len(receiver.got) == 1


async def test_body_that_is_slow_ends_by_the_deadline_of_all_of_it(sender: Sender) -> None:
    """Each byte is in time, and all of them together are not."""

    serving: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(mine())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 It\r\nContent-Length: 1000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        except (ConnectionError, asyncio.CancelledError):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    received = await sent(sender, f"http://127.0.0.1:{port}/", seconds=0.5)
    server.close()
    await end(serving)
    assert received.answer.error is AttemptError.TIMEOUT
    assert 400 <= received.duration_ms < 2_000


async def test_receiver_that_is_away_refuses(sender: Sender) -> None:
    """Nobody listens on port 1."""
    assert (await sent(sender, "http://127.0.0.1:1/")).answer.error is AttemptError.REFUSED


async def test_certificate_is_verified_by_authority_and_by_name(tmp_path: Path) -> None:
    """Of whom we were told to trust, and for this name; of anybody else it is `tls`."""
    company = make_company(tmp_path)
    look_up = names(other_example=["127.0.0.1"])
    trusting = Sender(
        PLAIN.model_copy(update={"webhook_ca_file": company.store}), nothing, look_up=look_up
    )
    doubting = Sender(PLAIN, nothing)
    with serving_https(_Shop, company) as url:
        elsewhere = url.replace("127.0.0.1", "other.example")
        assert (await sent(trusting, url)).answer.document == {"code": "A"}
        assert (await sent(trusting, elsewhere)).answer.error is AttemptError.TLS
        assert (await sent(doubting, url)).answer.error is AttemptError.TLS
        await trusting.close()
        await doubting.close()


class _Shop(BaseHTTPRequestHandler):
    """Behind a certificate."""

    def do_POST(self) -> None:
        self.wfile.write(answer(200, {"code": "A"}))

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("addresses", "error"),
    [
        (["10.0.0.1"], AttemptError.FORBIDDEN_ADDRESS),
        (["93.184.215.14", "127.0.0.1"], AttemptError.FORBIDDEN_ADDRESS),
        (["2606:2800::1", "::1"], AttemptError.FORBIDDEN_ADDRESS),
        (["::ffff:127.0.0.1"], AttemptError.FORBIDDEN_ADDRESS),
        (["fe80::1%eth0"], AttemptError.FORBIDDEN_ADDRESS),
        (["169.254.169.254"], AttemptError.FORBIDDEN_ADDRESS),
        ([], AttemptError.UNRESOLVED),
        (None, AttemptError.UNRESOLVED),
    ],
)
async def test_name_is_judged_by_every_address_it_has(
    addresses: list[str] | None, error: AttemptError
) -> None:
    """One that is forbidden is enough, and nothing is dialled; a name without any is none."""
    look_up = names() if addresses is None else names(shop_example=addresses)
    sender = Sender(PLAIN, forbidden, look_up=look_up)
    async with receiving() as receiver:
        port = receiver.url.rpartition(":")[2]
        assert (await sent(sender, f"https://shop.example:{port}")).answer.error is error
    await sender.close()
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "10.1.2.3",
        "[::ffff:10.1.2.3]",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f.1",
        "localhost",
        "localhost.",
    ],
)
async def test_address_is_judged_however_it_is_written(host: str) -> None:
    """As a literal, in an odd spelling, or by a name of this machine; at each attempt, whatever was set."""
    sender = Sender(PLAIN, forbidden)
    async with receiving() as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        received = await sent(sender, f"http://{host}:{port}/")
    await sender.close()
    assert received.answer.error is AttemptError.FORBIDDEN_ADDRESS
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "host",
    ["[2606:4700::1111]x", f"{'ü' * 64}.example", "a..b", ".example", "\u05d0a.example", "xn--é"],
)
async def test_host_that_nobody_can_be_called_is_found_nowhere(host: str) -> None:
    """Whatever was set, whoever knows the name: an attempt that fails, and nothing that stops who sends."""

    async def anybody(_: str) -> Sequence[str]:
        return ["127.0.0.1"]

    sender = Sender(PLAIN, nothing, look_up=anybody)
    async with receiving() as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        received = await sent(sender, f"https://{host}:{port}/")
    await sender.close()
    assert received.answer.error is AttemptError.UNRESOLVED
    assert receiver.connections == 0


async def test_name_that_leads_elsewhere_the_next_time_is_judged_again() -> None:
    """Also where the connection of the attempt before is still open; and what was judged is what is dialled."""
    places = [["127.0.0.2"], ["127.0.0.2"], ["127.0.0.3"]]
    asked: list[str] = []

    async def look_up(host: str) -> Sequence[str]:
        asked.append(host)
        return places.pop(0)

    sender = Sender(PLAIN, lambda address: address == ip_address("127.0.0.3"), look_up=look_up)
    async with receiving(host="127.0.0.2") as receiver:
        url = receiver.url.replace("127.0.0.2", "shop.example")
        errors = [(await sent(sender, url)).answer.error for _ in range(3)]
    await sender.close()
    assert errors == [None, None, AttemptError.FORBIDDEN_ADDRESS]
    assert (len(receiver.got), receiver.connections, len(asked)) == (2, 1, 3)


async def test_proxy_of_the_environment_is_not_used(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would dial what nobody has judged. Ours is used, and sees the name."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    async with receiving() as receiver:
        assert (await sent(sender, receiver.url)).answer.status == 200
        proxy = receiver.url.removesuffix("/coupons")
        through = Sender(PLAIN.model_copy(update={"webhook_proxy": proxy}), forbidden)
        assert (await sent(through, "http://shop.example/x")).answer.status == 200
        assert (
            await sent(through, "http://10.0.0.1/x")
        ).answer.error is AttemptError.FORBIDDEN_ADDRESS
        await through.close()
    assert [one.path for one in receiver.got] == ["/coupons", "http://shop.example/x"]


async def test_answer_does_not_show_what_we_keep_secret(sender: Sender) -> None:
    """A receiver that sends our headers back is kept with *** in their places."""
    async with receiving(lambda got: answer(500, got.headers)) as receiver:
        received = await sent(
            sender, receiver.url, headers=(("Authorization", "Bearer t0psecret"),)
        )
    assert received.detail is not None
    assert "t0psecret" not in received.detail
    assert '"authorization": "***"' in received.detail


async def test_secret_is_not_shown_in_part_where_an_answer_is_cut(sender: Sender) -> None:
    """One that begins within what is kept, and ends behind it; a sign of several bytes that is cut is left out."""
    body = b"x" * (LONGEST_DETAIL_BYTES - 5) + b"t0psecret" + "é".encode() * 9
    async with receiving(lambda _: answer(500, body=body)) as receiver:
        received = await sent(sender, receiver.url, headers=(("X-Token", "t0psecret"),))
    assert received.detail == "x" * (LONGEST_DETAIL_BYTES - 5) + "***é"


async def test_look_up_that_hangs_is_shared_and_ends_by_the_deadline() -> None:
    """A hundred who ask for one name wait for one look-up, and another name is found meanwhile."""
    asked: list[str] = []

    async def look_up(host: str) -> Sequence[str]:
        asked.append(host)
        if host == "slow.example":
            await asyncio.sleep(60)
        return ["127.0.0.1"]

    sender = Sender(PLAIN, nothing, look_up=look_up)
    async with receiving(own_code) as receiver:
        waiting = [sent(sender, "http://slow.example/", seconds=0.5) for _ in range(100)]
        quick = sent(sender, receiver.url.replace("127.0.0.1", "quick.example"), seconds=5)
        *late, found = await asyncio.gather(*waiting, quick)
    await sender.close()
    assert {one.answer.error for one in late} == {AttemptError.TIMEOUT}
    assert found.answer.status == 200
    assert sorted(asked) == ["quick.example", "slow.example"]
