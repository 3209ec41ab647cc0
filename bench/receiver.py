"""A partner's own coupon system, as quick as can be: `python -m bench.receiver`, a server that makes up coupon codes.

How it answers stands in the path of the address that it is called at, so a partner's webhook names it: `/quick` at once,
`/wait/250` after so many milliseconds, `/hang` never. `/told` says how many requests each path has had so far. It prints
`{"receiver": "http://127.0.0.1:…"}` once it can be reached.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import uvloop

TOLD: Final = "/told"
HANG: Final = "/hang"
WAIT: Final = "/wait/"
BACKLOG: Final = 1_000


@dataclass(slots=True)
class Receiver:
    """What it was asked, by path, and the codes that it gives, each once."""

    told: Counter[str] = field(default_factory=Counter)
    codes: Iterator[int] = field(default_factory=itertools.count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request, until the other side has had enough."""
        try:
            while True:
                path = await _next_path(reader)
                if path == HANG:
                    self.told[path] += 1
                    await reader.read()
                    return
                writer.write(_response(await self._answer(path)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it has had enough
        finally:
            writer.close()

    async def _answer(self, path: str) -> dict[str, object]:
        if path == TOLD:
            return dict(self.told)
        self.told[path] += 1
        if path.startswith(WAIT):
            await asyncio.sleep(int(path.removeprefix(WAIT)) / 1000)
        return {"couponCode": f"RECEIVER-{next(self.codes)}"}


async def _next_path(reader: asyncio.StreamReader) -> str:
    """Of the next request, which has been read whole."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = head.lower().partition("content-length:")[2].partition("\r\n")[0]
    await reader.readexactly(int(length or 0))
    return head.split(" ", 2)[1].partition("?")[0]


def _response(document: dict[str, object]) -> bytes:
    body = json.dumps(document).encode()
    return (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def run() -> None:
    """Until it is stopped."""
    server = await asyncio.start_server(Receiver().serve, "127.0.0.1", 0, backlog=BACKLOG)
    host, port = server.sockets[0].getsockname()
    print(json.dumps({"receiver": f"http://{host}:{port}"}), flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(run())
