"""Events that are not decided yet because their records wait: for what, and what somebody should do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import asyncpg

from services.adapters.event_keys import event_keys_of
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.waiting import record_of
from services.domain.arrival import Incoming
from services.insight.explain.entry import Entry
from services.insight.explain.known import PLACE, Row, shape, trace_in
from services.issuer.codec import read_record
from services.runtime.settings import Settings

_SQL = queries("explain", __package__)


async def waiting(
    connection: Connection, settings: Settings, asked: Mapping[str, Any], decided: Collection[str]
) -> list[tuple[Row, list[Entry]]]:
    """What waits of what was asked for, in the order in which it came; but for `decided` events' keys."""
    event_id, source = asked["event_id"], asked["source"]
    lowest, highest = event_keys_of(event_id) if event_id is not None else (None, None)
    place = PLACE(event_id or "")
    rows = await connection.fetch(
        _SQL["waiting"],
        lowest,
        highest,
        [place[1], settings.topic(place[1])] if place else None,
        int(place[2]) if place else None,
        int(place[3]) if place else None,
        asked["partner_id"],
        asked["customer"],
    )
    told = []
    for row in rows:
        incoming = _read(row)
        cause = None if incoming is None else incoming.event.cause
        is_it = place is not None or event_id in (None, cause and cause.id)
        if row["event_key"] in decided or not is_it:
            continue
        if source is None or (cause is not None and cause.source == source):
            told.append((_answer(row, incoming), _timeline(row)))
    return told


def _read(row: asyncpg.Record) -> Incoming | None:
    """None of a record that could not even be read."""
    try:
        incoming = read_record(record_of(row))
    except Exception:  # the very reason why it waits
        return None
    return incoming if isinstance(incoming, Incoming) else None


def _answer(row: asyncpg.Record, incoming: Incoming | None) -> Row:
    """As of an event that is decided, as far as there is anything to tell."""
    cause = None if incoming is None else incoming.event.cause
    return shape(
        row,
        (None, None, None) if cause is None else (cause.id, cause.source, cause.type),
        outcome="waiting",
        reason=row["why"],
        trace=trace_in(row),
    )


def _timeline(row: asyncpg.Record) -> list[Entry]:
    arrived_at = datetime.fromtimestamp(row["timestamp_ms"] / 1000, UTC)
    place = f"{row['topic']}:{row['partition']}:{row['offset']}"
    return [
        Entry(at=arrived_at, what="arrived", detail=f"as {place}", after=arrived_at),
        Entry(
            at=row["since"],
            what="waits",
            detail=f"{row['why']}: {row['todo']}",
            after=row["since"],
        ),
    ]
