"""Room in the outbox: what the sweeper queues leaves in one line with new coupons, so it joins it when it is short."""

from __future__ import annotations

import asyncio
import time

import asyncpg

from services.adapters.postgres.outbox import backlog
from services.runtime.backoff import pause

QUEUED_AT_MOST = 2_000
"""It adds nothing while a batch of the relay is waiting."""
ROOM_POLL_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 1.0
"""Then it goes on whatever waits: without a relay what is over must still be closed."""


async def wait_for_room(connection: asyncpg.Connection, floor: int, stopping: asyncio.Event) -> int:
    """Wait until the outbox is short, but not for ever; returns the floor for the next time, see `backlog`."""
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while True:
        waiting, floor = await backlog(connection, floor, QUEUED_AT_MOST)
        if waiting < QUEUED_AT_MOST or time.monotonic() > deadline:
            return floor
        if await pause(stopping, ROOM_POLL_SECONDS):
            return floor
