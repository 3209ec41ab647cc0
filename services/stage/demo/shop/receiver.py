"""The shop's own coupon system: a small server on loopback that gives each coupon it is told of a code of its own.

It believes nobody whose signature does not hold, as Standard Webhooks has them: who knows the secret has said exactly
this, lately. Told of a coupon again it gives the same code.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

HOST: Final = "127.0.0.1"
COUPONS, CANCELLED = "/coupons", "/cancelled"
OLDEST_SECONDS: Final = 300
"""Of a signature; what is older may be somebody's who has overheard it."""


@dataclass(slots=True)
class Receiver:
    """`given`: the code of each coupon, by its id; `taken_back`: those that it heard are cancelled, both told by `url`.

    `secret` is what the service signs with, as it was shown. `refused` counts requests that were not believed.
    """

    url: str
    secret: str = ""
    given: dict[str, str] = field(default_factory=dict)
    taken_back: set[str] = field(default_factory=set)
    refused: int = 0

    def answer(
        self, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[HTTPStatus, dict[str, Any]]:
        """What is said to a request; `headers` by their names in small letters."""
        if not is_signed(self.secret, headers, body, time.time()):
            self.refused += 1
            return HTTPStatus.UNAUTHORIZED, {"error": "the signature does not hold"}
        coupon_id = json.loads(body)["couponId"]
        if path == CANCELLED:
            self.taken_back.add(coupon_id)
        code = self.given.setdefault(coupon_id, f"ROAST-{len(self.given) + 1:04}")
        return HTTPStatus.OK, {"couponCode": code}

    def problems(self) -> list[str]:
        """What is not as it should be, a line each."""
        if not self.refused:
            return []
        return [f"the shop's own system: {self.refused:,} requests whose signature does not hold"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request, until the other side has had enough."""
        try:
            while True:
                path, headers, body = await _request(reader)
                writer.write(_response(*self.answer(path, headers, body)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it has had enough
        finally:
            writer.close()


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether one of the signatures is that of this id, instant and body, and the instant (Unix time) is about now."""
    id_, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not at.isdecimal() or abs(now - int(at)) > OLDEST_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{id_}.{at}.".encode() + body
    right = "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(each.encode(), right.encode()) for each in given)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """One that answers while the block lasts."""
    connections = set[asyncio.Task[None]]()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(found.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(serve, HOST, 0)
    found = Receiver(f"http://{HOST}:{server.sockets[0].getsockname()[1]}")
    try:
        yield found
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    """Path, headers by their names in small letters, body. Raises IncompleteReadError at the end of a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")[:-2]
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return first.split(" ")[1], headers, body


def _response(status: HTTPStatus, document: Mapping[str, Any]) -> bytes:
    body = json.dumps(document).encode()
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
