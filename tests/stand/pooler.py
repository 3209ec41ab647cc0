"""A pooler in transaction mode, in small: whoever has a transaction has a server, and another the next time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

_IDLE = b"Z\x00\x00\x00\x05I"
_Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Pooler:
    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._idle: list[_Line] = []
        self._all: list[_Line] = []
        self._clients: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def stop(self) -> None:
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        for _, writer in self._all:
            writer.transport.abort()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        line = await asyncio.open_connection(*self._upstream)  # for the log-in
        self._all.append(line)
        answering = asyncio.create_task(self._answer(line, to_client))
        try:
            while piece := await client.read(65536):
                if answering.done():
                    line = self._idle.pop()
                    answering = asyncio.create_task(self._answer(line, to_client))
                line[1].write(piece)
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def _answer(self, line: _Line, to_client: asyncio.StreamWriter) -> None:
        """Hand on what the server says, until it is idle."""
        while said := await line[0].read(65536):
            to_client.write(said)
            if said.endswith(_IDLE):
                self._idle.append(line)
                return


@asynccontextmanager
async def pooled(address: str) -> AsyncIterator[str]:
    """The address of a pooler before the server of this one."""
    parts = urlsplit(address)
    assert parts.hostname
    assert parts.port
    pooler = _Pooler(parts.hostname, parts.port)
    server = await asyncio.start_server(pooler.accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        login = parts.netloc.rpartition("@")[0]
        yield urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))
    finally:
        server.close()
        await pooler.stop()
        await server.wait_closed()
