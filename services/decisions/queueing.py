"""Events that others hand to us: they wait in the outbox for the topic that they belong on, and come back from there.

Not decided here: on their topic they stand in one order with everything else that the customer does.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.topics import http_source
from services.adapters.postgres.clock import clock
from services.adapters.postgres.outbox import event_row
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.tables import add
from services.decisions.manner import Manner


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a partner tells over HTTP: an event of this type whose data, as JSON, are `value`."""

    partner_id: int
    customer_id: str
    topic: str
    type: str
    id: str
    value: str
    traceparent: str | None = None


async def queue(connection: Connection, told: Told, manner: Manner) -> None:
    """Queue it, in the caller's transaction: it happens now."""
    row = event_row(
        told.topic,
        told.type,
        told.id,
        at=await clock(connection, manner.clock_offset),
        subject=None,
        customer_id=told.customer_id,
        value=told.value,
        traceparent=told.traceparent,
        source=http_source(told.partner_id),
    )
    await add(connection, "outbox", [row], by_copy=False)
