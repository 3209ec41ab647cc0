"""A partner's own coupon system on this machine: it keeps what it was sent, and answers by a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """A request as it came; names of headers in small letters."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Its `webhook-id`."""
        return self.headers.get("webhook-id", "")

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


Script = Callable[[Got], Awaitable[bytes] | bytes]
"""The whole answer, head and body; nothing closes the connection without one."""


def answer(status: int, document: Any = None, *headers: str, body: bytes | None = None) -> bytes:
    """An answer of this JSON document, or of these bytes."""
    content = (
        body if body is not None else b"" if document is None else json.dumps(document).encode()
    )
    lines = (f"HTTP/1.1 {status} It", f"Content-Length: {len(content)}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def own_code(got: Got) -> bytes:
    """A code of its own for each coupon, the same each time."""
    return answer(200, {"code": f"OWN-{got.id}"})


@dataclass(slots=True)
class Receiver:
    """`script` may be changed while it runs; `got` is every request, in the order in which they came whole."""

    script: Script = own_code
    got: list[Got] = field(default_factory=list)
    url: str = ""
    connections: int = 0
    most_at_once: int = 0
    at_once: int = 0
    serving: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def ids(self) -> list[str]:
        """`webhook-id` of each request."""
        return [one.id for one in self.got]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.serving.add(mine())
        try:
            while (got := await _request(reader)) is not None:
                self.got.append(got)
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                try:
                    said = self.script(got)
                    raw = said if isinstance(said, bytes) else await said
                finally:
                    self.at_once -= 1
                writer.write(raw)
                await writer.drain()
                if not raw:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.serving.discard(mine())
            writer.close()


def mine() -> asyncio.Task[Any]:
    """The task this is."""
    task = asyncio.current_task()
    assert task is not None
    return task


async def end(tasks: set[asyncio.Task[Any]]) -> None:
    """Whatever they wait for."""
    ended = list(tasks)
    for task in ended:
        task.cancel()
    await asyncio.gather(*ended, return_exceptions=True)
    await asyncio.sleep(0)  # what they have closed is


async def _request(reader: asyncio.StreamReader) -> Got | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Got(method=method, path=path, headers=headers, body=body)


@asynccontextmanager
async def receiving(script: Script = own_code, host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """One on loopback while the block lasts."""
    receiver = Receiver(script)
    server = await asyncio.start_server(receiver._serve, host, 0)
    receiver.url = f"http://{host}:{server.sockets[0].getsockname()[1]}/coupons"
    try:
        yield receiver
    finally:
        server.close()
        await end(receiver.serving)
