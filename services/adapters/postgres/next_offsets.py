"""Where reading goes on, by partition: Kafka's word is good only as long as the database knows what it speaks of."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

_SQL = queries("next_offsets")

PartitionKey = tuple[str, int]
"""Topic and partition."""


async def note(
    connection: Connection | asyncpg.Pool,
    ends: Mapping[PartitionKey, int],
    before: Mapping[PartitionKey, int],
) -> dict[PartitionKey, int | None]:
    """These partitions are decided up to before these offsets; `before`: what was noted last, where anything was.

    Returns the partitions of which less is known than that, with what is: the database has gone back.
    """
    rows = await connection.fetch(
        _SQL["note"],
        [topic for topic, _ in ends],
        [partition for _, partition in ends],
        list(ends.values()),
        [before.get(at) for at in ends],
    )
    return {(row["topic"], row["partition"]): row["known"] for row in rows}


async def stored(
    connection: Connection | asyncpg.Pool, partitions: Collection[PartitionKey]
) -> dict[PartitionKey, int]:
    """Up to where these are decided, as far as anything is known."""
    rows = await connection.fetch(
        _SQL["stored"], [topic for topic, _ in partitions], [number for _, number in partitions]
    )
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def made_anew(
    connection: Connection | asyncpg.Pool, partitions: Collection[PartitionKey]
) -> None:
    """These partitions begin at 0 again: what is stored of their old records is of another topic, whatever its name.

    Their letters keep that name with a `#` and a number behind it, which no topic can have.
    """
    await connection.execute(
        _SQL["made_anew"], [topic for topic, _ in partitions], [number for _, number in partitions]
    )
