"""Whether Postgres does what a process needs of it, asked when there is nothing else to do there.

A process at work hears from its own statements that Postgres is away. One that idles would not, and a server that has
become read-only takes reads all the same: so each asks now and then.
"""

from __future__ import annotations

import asyncio
import time

import asyncpg

from services.adapters.postgres.clock import ClockGuard
from services.adapters.postgres.failures import OF_POSTGRES
from services.adapters.postgres.hosts import ReadOnlyServer
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

ANSWER_SECONDS = 5.0
"""A server that has not answered by then is away."""
REFUSES_WRITES = "Postgres refuses writes (read-only); waiting for one that takes them"

_SQL = queries("standing")


class Standing:
    """`fault` is None, or why Postgres is of no use now; the guard is shown its clock."""

    def __init__(self, guard: ClockGuard) -> None:
        self.fault: str | None = None
        self._guard = guard

    async def look(self, pool: asyncpg.Pool) -> None:
        """Ask, on a connection that the pool lends."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS), pool.acquire() as connection:
                await self.ask(connection)
        except ReadOnlyServer:
            self.fault = REFUSES_WRITES
        except OF_POSTGRES as error:
            self.fault = f"Postgres does not answer ({type(error).__name__})"

    async def ask(self, connection: Connection) -> None:
        """Ask, on this connection. Raises what an outage raises."""
        (row,) = await connection.fetch(_SQL["standing"], timeout=ANSWER_SECONDS)
        self.fault = REFUSES_WRITES if row["read_only"] else None
        self._guard.look(row["now"])


class Pace:
    """`fault` is None, or for how long a step that asks Postgres has not come back."""

    def __init__(self) -> None:
        self._began_at: float | None = None

    @property
    def fault(self) -> str | None:
        if self._began_at is None:
            return None
        taken = time.monotonic() - self._began_at
        return f"Postgres has not answered for {taken:.0f} s" if taken > ANSWER_SECONDS else None

    def __enter__(self) -> None:
        self._began_at = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._began_at = None
