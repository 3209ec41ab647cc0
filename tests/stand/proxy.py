"""A TCP proxy in front of a server, to cut, hold or slow down the line at a chosen moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

_READY = tuple(b"Z\x00\x00\x00\x05" + state for state in (b"I", b"T", b"E"))
"""How an answer of Postgres ends: idle, in a transaction, in a failed one."""

Fate = Literal["pass", "cut", "cut the answer", "hold"]


class Proxy:
    """`fate` is asked for every piece of what a client sends. A line that is held stays open and mute.

    `trips`: how often a client has spoken since a Postgres said that it is ready for more. It means round trips where
    one client at a time speaks; a COPY is one, since its rows do not wait for the server's word.
    `delay_seconds`: how long every piece is on its way, in either direction.
    """

    def __init__(self, host: str, port: int) -> None:
        self.fate: Callable[[bytes], Fate] = lambda _: "pass"
        self.trips = 0
        self.delay_seconds = 0.0
        self._is_asked = False
        self._upstream = (host, port)
        self._links: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen on a free port, and return it."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Cut what is left."""
        assert self._server
        self._server.close()
        await self._server.wait_closed()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.create_task(self._serve(reader, writer))
        self._links.add(link)
        # Also when it is cancelled before its first step.
        link.add_done_callback(lambda _: writer.transport.abort())
        link.add_done_callback(self._links.discard)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await asyncio.open_connection(*self._upstream)
        except OSError:
            return  # nobody there: to the client, a server that hangs up
        back = asyncio.create_task(self._answer(server, to_client))
        try:
            while piece := await _read(client):
                await self._travel()
                self.trips += not self._is_asked
                self._is_asked = True
                fate = self.fate(piece)
                if fate == "cut":
                    break
                if fate != "pass":
                    back.cancel()  # from now on the client hears nothing
                to_server.write(piece)
                await to_server.drain()
                if fate == "cut the answer":
                    await server.read(65536)
                    break
                if fate == "hold":
                    await asyncio.Event().wait()
        except ConnectionError:
            pass  # the server is gone
        finally:
            back.cancel()
            for writer in (to_client, to_server):
                writer.transport.abort()
            await asyncio.gather(
                back, to_client.wait_closed(), to_server.wait_closed(), return_exceptions=True
            )

    async def _answer(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        while piece := await _read(server):
            await self._travel()
            self._is_asked = self._is_asked and not piece.endswith(_READY)
            to_client.write(piece)
            await to_client.drain()
        to_client.close()

    async def _travel(self) -> None:
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)


async def _read(side: asyncio.StreamReader) -> bytes:
    """The next piece; nothing once that side is gone, however it went."""
    try:
        return await side.read(65536)
    except ConnectionError:
        return b""


@asynccontextmanager
async def proxied(address: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy to the server of this URL, and the URL that leads through it."""
    parts = urlsplit(address)
    assert parts.hostname
    assert parts.port
    proxy = Proxy(parts.hostname, parts.port)
    port = await proxy.start()
    login = parts.netloc.rpartition("@")[0]
    netloc = f"{login}@127.0.0.1:{port}" if login else f"127.0.0.1:{port}"
    try:
        yield proxy, urlunsplit(parts._replace(netloc=netloc))
    finally:
        await proxy.stop()
