"""One process sends at a time: a session-level advisory lock, and the connection that holds it.

That makes a partner's limits exact, and the order in which its customers hear of their coupons. The server ends the
session when it has been idle for `IDLE_SESSION_SECONDS` (a frozen process, a lost machine); whoever takes the lock then
finds the attempts that were begun, and nobody can end them any more but it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from services.adapters.postgres.deliveries import DELIVERIES_CHANNEL, figures
from services.adapters.postgres.pool import connect
from services.adapters.postgres.queries import queries
from services.runtime.backoff import pause
from services.runtime.settings import Settings
from services.webhooks import metrics

LOCK_KEY = int.from_bytes(
    hashlib.blake2b(b"couponry webhooks", digest_size=8).digest(), "big", signed=True
)
_SQL = queries("turns", __package__)
WAIT_SECONDS = 0.5
"""Between two tries for the lock."""
HEARTBEAT_SECONDS = 2.0
IDLE_SESSION_SECONDS = 12
assert 3 * HEARTBEAT_SECONDS < IDLE_SESSION_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Held as long as `connection` lives. `wake` is set when there may be something to send."""

    connection: asyncpg.Connection
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def beat(self, settings: Settings, stopping: asyncio.Event) -> None:
        """Keep the connection in use, and measure what waits, until told to stop. Raises what an outage raises."""
        while True:
            pending, oldest = await figures(self.connection, settings.clock_offset)
            metrics.PENDING.set(pending)
            metrics.OLDEST.set(oldest)
            if await pause(stopping, HEARTBEAT_SECONDS):
                return


@asynccontextmanager
async def turn(
    settings: Settings, stopping: asyncio.Event, *, on_wait: Callable[[], None]
) -> AsyncIterator[Turn | None]:
    """Wait for the lock and hold it; None if told to stop meanwhile. `on_wait`: another process has it."""
    connection = await connect(
        settings,
        "couponry-webhooks-lock",
        idle_session_timeout=str(IDLE_SESSION_SECONDS * 1000),
        tcp_user_timeout=str(IDLE_SESSION_SECONDS * 1000),
    )
    try:
        while not await connection.fetchval(_SQL["take_turn"], LOCK_KEY):
            on_wait()
            if await pause(stopping, WAIT_SECONDS):
                yield None
                return
        held = Turn(connection=connection)
        await connection.add_listener(DELIVERIES_CHANNEL, lambda *_: held.wake.set())
        yield held
    finally:
        connection.terminate()
