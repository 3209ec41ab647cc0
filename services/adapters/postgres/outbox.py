"""What waits to be published: the one way to make a row of the outbox, and to queue it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from schemas.topics import DEAD_LETTERS
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

_SQL = queries("outbox")


class OutboxRow(NamedTuple):
    """An event, or the number of a dead letter whose bytes stay where they are.

    `source` is that of an event which somebody else has told us; without one it comes from us.
    """

    ce_time: datetime | None
    dead_letter_id: int | None
    topic: str
    ce_type: str | None
    ce_id: str | None
    subject: str | None
    key: str | None
    value: str | None
    republished: bool | None = None
    traceparent: str | None = None
    source: str | None = None


def event_row(
    topic: str,
    type: str,
    id: str,
    *,
    at: datetime,
    subject: str | None,
    customer_id: str,
    value: str,
    republished: bool | None = None,
    traceparent: str | None = None,
    source: str | None = None,
) -> OutboxRow:
    """An event about one customer; its `id` is fixed here, for ever."""
    return OutboxRow(
        at, None, topic, type, id, subject, customer_id, value, republished, traceparent, source
    )


def letter_row(letter_id: int) -> OutboxRow:
    """A dead letter."""
    return OutboxRow(None, letter_id, DEAD_LETTERS, None, None, None, None, None)


async def backlog(connection: Connection, floor: int, most: int) -> tuple[int, int]:
    """How many events wait to be published, up to `most`, and the floor for the next call.

    A floor, because the index still has what was published until a vacuum; what commits below it later is not counted.
    """
    (row,) = await connection.fetch(_SQL["backlog"], floor, most)
    return row["waiting"], row["lowest"]
