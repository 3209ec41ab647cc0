"""Records that wait: kept whole when they cannot be judged yet for a reason that is ours, tried again, let go.

The same customer's later records of that game wait behind, so that they are decided in the order in which they came.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import asyncpg
from aiokafka import ConsumerRecord

from services.adapters.kept_records import record_from, storable
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.domain.arrival import CustomerKey, Incoming

_SQL = queries("waiting")

COUNTED_TO = 10_000
MOST_CHARACTERS = 1_000
"""Of a reason."""

Queue = tuple[CustomerKey, int | None]
"""A customer, and a game, or None for its orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A record that waits: for what, and what somebody should do. `incoming` is None if it could not even be read.

    `is_behind`: for an earlier one of its queue, and nothing of its own.
    """

    record: ConsumerRecord
    why: str
    todo: str
    incoming: Incoming | None = None
    is_behind: bool = False


def queue_of(incoming: Incoming) -> Queue:
    """Where this event would wait."""
    return incoming.customer, getattr(incoming.event, "game_id", None)


async def put(connection: Connection | asyncpg.Pool, asides: Iterable[Aside]) -> None:
    """Keep them, in this order; those that wait already rest for a while."""
    await connection.executemany(_SQL["put"], [_row(aside) for aside in asides])


def _row(aside: Aside) -> tuple[object, ...]:
    record, incoming = aside.record, aside.incoming
    (partner_id, customer_id), game_id = queue_of(incoming) if incoming else ((None, None), None)
    return (
        record.topic, record.partition, record.offset, incoming.event_key if incoming else "",
        record.timestamp, record.timestamp_type or 0, record.key, record.value,
        [storable(name) for name, _ in record.headers], [value for _, value in record.headers],
        partner_id, customer_id, game_id, storable(aside.why, MOST_CHARACTERS), storable(aside.todo, MOST_CHARACTERS),
        aside.is_behind,
    )  # fmt: skip


def record_of(row: asyncpg.Record) -> ConsumerRecord:
    """The record as it was read."""
    return record_from(row, row["timestamp_ms"], row["timestamp_type"])


async def queues_of(
    connection: Connection | asyncpg.Pool, customers: Collection[CustomerKey]
) -> set[Queue]:
    """What these customers have waiting."""
    rows = await connection.fetch(
        _SQL["queues_of"],
        [partner_id for partner_id, _ in customers],
        [customer_id for _, customer_id in customers],
    )
    return {((row["partner_id"], row["customer_id"]), row["game_id"]) for row in rows}


async def due(connection: Connection | asyncpg.Pool, limit: int) -> list[asyncpg.Record]:
    """Records whose turn it is, each the first of its queue."""
    return await connection.fetch(_SQL["due"], limit)


async def hold(connection: Connection, places: Collection[int]) -> set[int]:
    """Those that still wait and are ours to try until this transaction ends."""
    return {row["place"] for row in await connection.fetch(_SQL["hold"], list(places))}


async def remove(connection: Connection, places: Collection[int]) -> None:
    """Let these go: what came of them is in this transaction."""
    await connection.execute(_SQL["remove"], list(places))


async def rest(connection: Connection | asyncpg.Pool, places: Collection[int]) -> None:
    """Count a try in vain."""
    await connection.execute(_SQL["rest"], list(places))


async def first(connection: Connection | asyncpg.Pool) -> asyncpg.Record | None:
    """The one that has waited longest, with how many there are, at most 10,000; None: nothing waits."""
    return await connection.fetchrow(_SQL["first"], COUNTED_TO)


async def listed(connection: Connection, limit: int) -> list[asyncpg.Record]:
    """The first that wait, without their bytes."""
    return await connection.fetch(_SQL["list"], limit)
