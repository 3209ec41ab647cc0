"""Count players, completions and begun stamp cards per game, behind the issuer's back.

Decisions carry a running number, but numbers are drawn before the commit: a higher one may be visible before a lower
one. So each pass notes the highest number drawn so far, and the next pass counts up to that note once every
transaction that ran then has ended. Nothing is counted twice or missed, and the issuer does nothing for it.
"""

from __future__ import annotations

from datetime import timedelta

import asyncpg

from services.adapters.postgres.queries import queries

_SQL = queries("counters", __package__)

LATEST_COMMIT = timedelta(minutes=5)
"""How much earlier than its neighbours' notes a decision may be dated: clocks that are set back a little, and time
between a decision's instant and its number. Transactions of issuers end within seconds."""


async def count_once(connection: asyncpg.Connection, clock_offset: timedelta = timedelta()) -> bool:
    """One pass, in its own transaction. False: somebody else is at it, or old transactions have not ended yet."""
    async with connection.transaction():
        rows = await connection.fetch(_SQL["take"])
        if not rows or not rows[0]["is_final"]:
            return False
        (state,) = rows
        since = state["counted_at"] - LATEST_COMMIT + min(clock_offset, timedelta())
        if state["noted_to"] > state["counted_to"]:
            between = (state["counted_to"], state["noted_to"], since)
            await connection.execute(_SQL["count_games"], *between)
            await connection.execute(_SQL["count_cards"], *between)
        highest = await connection.fetchval(_SQL["highest"])
        await connection.execute(_SQL["note"], state["noted_to"], state["noted_at"], highest)
    return True
