"""Where reading goes on, by partition: Kafka's word is good only as long as the database knows what it speaks of."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import asyncpg

from services.adapters.postgres.failures import WentBack
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

TABLE = "next_offsets"

_SQL = queries(TABLE)

PartitionKey = tuple[str, int]
"""Topic and partition."""


def noting(ends: Mapping[PartitionKey, int], before: Mapping[PartitionKey, int]) -> str:
    """The statement that notes that these partitions are decided up to before these offsets; empty if there are none.

    `before`: what was noted last, where anything was. A database that knows less has gone back, and the statement
    fails: see `raise_if_gone_back`.
    """
    rows = (
        f"('{_quoted(topic)}'::text, {int(partition)}::integer, {int(end)}::bigint, "
        f"{int(before.get((topic, partition), -1))}::bigint)"
        for (topic, partition), end in sorted(ends.items())
    )
    decided = ", ".join(rows)
    return _SQL["noting"].format(decided=decided).strip().rstrip(";") if decided else ""


async def note(pool: asyncpg.Pool, noting: str) -> None:
    """The statement, of records that nothing is to be decided of. Raises WentBack."""
    try:
        await pool.execute(noting)
    except asyncpg.NotNullViolationError as error:
        raise_if_gone_back(error)
        raise


def raise_if_gone_back(error: Exception) -> None:
    """Raises WentBack if this is how `noting` fails."""
    if isinstance(error, asyncpg.NotNullViolationError) and error.table_name == TABLE:
        raise WentBack(
            "the database knows less than was decided before: a standby that lagged was promoted"
        ) from error


def _quoted(topic: str) -> str:
    """Kafka's names have letters, digits, dots, dashes and underscores; whatever else somebody made up is quoted."""
    return topic.replace("'", "''")


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
