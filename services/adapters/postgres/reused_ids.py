"""Records that repeat an id which was decided for another partner, customer or type: kept once each, and counted."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.domain.arrival import Incoming

_SQL = queries("reused_ids")


async def note(connection: Connection | asyncpg.Pool, repeats: Sequence[Incoming]) -> int:
    """Keep those of these repeats that say something else than what was decided. Returns how many are new."""
    number: int = await connection.fetchval(
        _SQL["note"],
        [one.event_key for one in repeats],
        [one.event.partner_id for one in repeats],
        [one.event.customer_id for one in repeats],
        [one.event.cause.type for one in repeats],
        [one.position.topic for one in repeats],
        [one.position.partition for one in repeats],
        [one.position.offset for one in repeats],
    )
    return number


async def of_events(connection: Connection, event_keys: Collection[str]) -> list[asyncpg.Record]:
    """Of these events, oldest first."""
    return list(await connection.fetch(_SQL["of_events"], list(event_keys)))
