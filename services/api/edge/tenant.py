"""Transactions of one partner: pooled connections of the role `couponry_api`, which row-level security holds to it.

The partner is set for the transaction only, so nothing is left on a connection that goes back to the pool, and the
pool need not clean it (which would cost a round trip per request).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from weakref import WeakValueDictionary

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from services.adapters.postgres.clock import OWN_CLOCK, ClockGuard
from services.adapters.postgres.failures import OUTAGES
from services.adapters.postgres.pool import API_ROLE, WAKE_RELAY, kept_if, open_pool
from services.api.edge.problems import unavailable
from services.runtime.settings import Settings

POOL_SIZE = 10
ACQUIRE_SECONDS = 5.0
"""How long a request waits for a connection before it is told to try again."""
SHARE_SECONDS = 2.0
"""How long it waits for the others of its partner, who have as many connections as one partner may."""
LOCK_MS = 2_000
"""How long it waits for a lock."""

_shares: WeakValueDictionary[tuple[int, int], asyncio.Semaphore] = WeakValueDictionary()
"""By pool and partner, while anybody holds or wants one."""


async def open_tenant_pool(settings: Settings) -> asyncpg.Pool:
    """Connections as the API's role. Raises what connecting raises."""
    return await open_pool(
        settings,
        "couponry-api",
        role=API_ROLE,
        min_size=2,
        max_size=POOL_SIZE,
        lock_timeout=str(LOCK_MS),
    )


@asynccontextmanager
async def lent(pool: asyncpg.Pool, partner_id: int) -> AsyncIterator[PoolConnectionProxy]:
    """A connection of the pool, of which one partner has at most half. Raises Problem 503, TimeoutError.

    One that a server answers on which takes no writes any more is let go: the next may lead to one that does.
    """
    key = (id(pool), partner_id)
    share = _shares.get(key)
    if share is None:
        share = _shares[key] = asyncio.Semaphore(max(1, pool.get_max_size() // 2))
    try:
        async with asyncio.timeout(SHARE_SECONDS):
            await share.acquire()
    except TimeoutError:
        raise unavailable() from None
    try:
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            try:
                yield connection
            except asyncpg.ReadOnlySQLTransactionError:
                connection.terminate()
                raise
    finally:
        share.release()


_BEGIN = "SELECT clock_timestamp() FROM set_config('couponry.partner_id', $1, true)"
"""Of a transaction that writes: whose it is, and how late."""


@asynccontextmanager
async def reading(pool: asyncpg.Pool, partner_id: int) -> AsyncIterator[asyncpg.Connection]:
    """A read-only transaction of this partner, in two round trips besides its queries, which all see the same instant.

    A balance and the lots that it is made of are read one after the other, and somebody may be writing.
    """
    async with lent(pool, partner_id) as connection:
        try:
            # One message: a partner id is a number of ours, so it can stand in the text.
            await connection.execute(
                f"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL couponry.partner_id = '{int(partner_id)}'"
            )
            yield cast(asyncpg.Connection, connection)
        finally:
            await _end(connection, "ROLLBACK")


@asynccontextmanager
async def writing(
    pool: asyncpg.Pool,
    partner_id: int,
    *,
    wakes_relay: bool = False,
    keeps: bool = True,
    guard: ClockGuard = OWN_CLOCK,
) -> AsyncIterator[asyncpg.Connection]:
    """A transaction of this partner; an exception rolls it back, and without one it commits if it `keeps`.

    Raises ClockApart while the database's clock is not to be believed.
    """
    async with lent(pool, partner_id) as connection:
        async with kept_if(keeps, connection):
            guard.check(await connection.fetchval(_BEGIN, str(int(partner_id))))
            yield cast(asyncpg.Connection, connection)
        if keeps and wakes_relay:
            await _wake_relay(connection)


async def _wake_relay(connection: Any) -> None:
    """A statement of its own: inside the transaction it would serialise all commits."""
    try:
        await connection.execute(WAKE_RELAY)
    except OUTAGES:
        pass  # what was asked for is done; the relay looks by itself before long


async def _end(connection: Any, how: str) -> None:
    if not connection.is_closed() and connection.is_in_transaction():
        try:
            await connection.execute(how)
        except BaseException:
            connection.terminate()  # rather than lend out a connection of unknown state
            raise
