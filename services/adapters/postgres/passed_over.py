"""Records that concern nobody: counted once each, and where they stood is kept by topic, partition, type and reason."""

from __future__ import annotations

from collections.abc import Collection

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import columns_of

_SQL = queries("passed_over")


NobodysRecord = tuple[str, int, str, str, int]
"""One record: topic and partition, its CloudEvents type, why it is nobody's, and its offset."""


async def note(
    connection: Connection | asyncpg.Pool, rows: Collection[NobodysRecord]
) -> dict[str, int]:
    """Keep where these stood. Returns how many of them were not met before, by reason."""
    met = await connection.fetch(_SQL["note"], *columns_of(rows))
    return {row["reason"]: row["records"] for row in met}


async def spans(connection: Connection) -> dict[tuple[str, int, str], tuple[int, int]]:
    """First and last offset by topic, partition and type."""
    found: dict[tuple[str, int, str], tuple[int, int]] = {}
    for row in await connection.fetch(_SQL["spans"]):
        place = row["topic"], row["partition"], row["type"]
        first, last = found.get(place, (row["first_offset"], row["last_offset"]))
        found[place] = min(first, row["first_offset"]), max(last, row["last_offset"])
    return found
