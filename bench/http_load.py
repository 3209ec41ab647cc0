"""Load over HTTP/1.1 that costs its sender little: prebuilt requests, kept connections, answers judged by status alone."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(slots=True, kw_only=True)
class Load:
    """What came of it. `latencies_ms` counts from the moment at which a request was due."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.statuses.total() / self.seconds

    def percentile_ms(self, share: float) -> float:
        """The latency that so many of the requests stayed below."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Connection:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> int:
        """Send it; the status of the answer, whose body has been read."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await self._reader.readexactly(length)
        return int(head[9:12])

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def connections(url: str, count: int) -> AsyncIterator[list[Connection]]:
    """So many connections to a server."""
    parts = urlsplit(url)
    opened = [
        Connection(*await asyncio.open_connection(parts.hostname, parts.port)) for _ in range(count)
    ]
    yield opened
    for connection in opened:
        connection.close()


def bearer(token: str) -> str:
    """The header of who has a token."""
    return f"authorization: Bearer {token}"


def request(method: str, path: str, who: str, body: bytes = b"") -> bytes:
    """A request as it goes over the wire. `who` are the headers that say who asks, each but the last with its end."""
    return (
        f"{method} {path} HTTP/1.1\r\nhost: api\r\n{who}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def as_fast_as_it_goes(
    opened: list[Connection], requests: Iterator[bytes], seconds: float
) -> Load:
    """Every connection sends its next request when it has its answer, until the time or the requests are over."""
    load = Load()
    began = time.perf_counter()

    async def keep_asking(connection: Connection) -> None:
        while (at := time.perf_counter()) - began < seconds and (asked := next(requests, b"")):
            load.statuses[await connection.ask(asked)] += 1
            load.latencies_ms.append(1000 * (time.perf_counter() - at))

    await asyncio.gather(*map(keep_asking, opened))
    load.seconds = time.perf_counter() - began
    return load


async def at_rate(
    opened: list[Connection], requests: Iterator[bytes], seconds: float, rate: float
) -> Load:
    """Requests are due at even intervals, whether or not a connection is free: waiting for one counts.

    Until the time or the requests are over.
    """
    load = Load()
    numbers = itertools.count()
    began = time.perf_counter()

    async def keep_asking(connection: Connection) -> None:
        while (due := next(numbers) / rate) < seconds and (asked := next(requests, b"")):
            await asyncio.sleep(began + due - time.perf_counter())
            load.statuses[await connection.ask(asked)] += 1
            load.latencies_ms.append(1000 * (time.perf_counter() - began - due))

    await asyncio.gather(*map(keep_asking, opened))
    load.seconds = time.perf_counter() - began
    return load
