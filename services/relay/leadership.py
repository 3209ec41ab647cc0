"""One relay at a time: a session-level advisory lock, and the connection that holds it.

The lock only keeps two relays from getting in each other's way; that nothing is published twice rests on Kafka's
fencing and on relay-progress. So what matters here is that the lock is let go: the server ends this session when
it has been idle for `IDLE_SESSION_SECONDS` (a frozen process, a lost machine), and the relay uses it every
`HEARTBEAT_SECONDS`. The same connection listens for the notifications that wake the relay.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from services.adapters.postgres.pool import OUTBOX_CHANNEL, connect
from services.relay.outbox import PLANNING, SQL, Floor
from services.runtime.backoff import pause
from services.runtime.settings import Settings

LOCK_KEY = int.from_bytes(
    hashlib.blake2b(b"couponry relay", digest_size=8).digest(), "big", signed=True
)

WAIT_SECONDS = 1.0
"""Between two tries for the lock."""
HEARTBEAT_SECONDS = 2.0
HEARTBEAT_TIMEOUT_SECONDS = 25.0
"""Long: a session with a slow query is not idle, and nothing but time is lost if the lock is."""
IDLE_SESSION_SECONDS = 12
"""Leaves a successor more than half of the 30 s in which it has to have taken over."""
assert 3 * HEARTBEAT_SECONDS < IDLE_SESSION_SECONDS <= 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Leadership:
    """Held as long as `connection` lives. `wake` is set by notifications."""

    connection: asyncpg.Connection
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    floor: Floor = field(default_factory=Floor)

    async def idle(self, seconds: float, stopping: asyncio.Event) -> None:
        """Wait to be woken or told to stop, but not longer than `seconds`."""
        reasons = {asyncio.ensure_future(event.wait()) for event in (self.wake, stopping)}
        await asyncio.wait(reasons, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for reason in reasons:
            reason.cancel()

    async def beat(self, on_figures: Callable[[Mapping[str, Any]], None]) -> None:
        """Keep the connection in use: let the floor rise, hand on the row of the query `figures`. Never returns.

        Raises what an outage raises: then the lock is as good as lost.
        """
        while True:
            await self.floor.rise(self.connection, HEARTBEAT_TIMEOUT_SECONDS)
            (figures,) = await self.connection.fetch(
                SQL["figures"], self.floor.id, timeout=HEARTBEAT_TIMEOUT_SECONDS
            )
            on_figures(dict(figures))
            await asyncio.sleep(HEARTBEAT_SECONDS)


@asynccontextmanager
async def leadership(
    settings: Settings, stopping: asyncio.Event, *, on_wait: Callable[[], None]
) -> AsyncIterator[Leadership | None]:
    """Wait for the lock and hold it; None if told to stop meanwhile. Raises what an outage raises.

    `on_wait` is called whenever another relay turns out to hold it.
    """
    connection = await connect(
        settings,
        "couponry-relay-lock",
        idle_session_timeout=str(IDLE_SESSION_SECONDS * 1000),
        tcp_user_timeout=str(IDLE_SESSION_SECONDS * 1000),
        **PLANNING,
    )
    try:
        while not await connection.fetchval(
            SQL["take_leadership"], LOCK_KEY, timeout=HEARTBEAT_TIMEOUT_SECONDS
        ):
            on_wait()
            if await pause(stopping, WAIT_SECONDS):
                yield None
                return
        held = Leadership(connection=connection)
        await connection.add_listener(OUTBOX_CHANNEL, lambda *_: held.wake.set())
        yield held
    finally:
        connection.terminate()
