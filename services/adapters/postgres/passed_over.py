"""Records that concern nobody: counted once each, and where they stood is kept by topic, partition, type and reason."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import columns_of

_SQL = queries("passed_over")


class PassedOverRow(NamedTuple):
    """One record: where it stands, its CloudEvents type, and why it is nobody's."""

    topic: str
    partition: int
    type: str
    reason: str
    offset: int


async def note(
    connection: Connection | asyncpg.Pool, rows: Collection[PassedOverRow]
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
