"""Tell at one look which records were decided: those that a decision names by their position in the topic.

Reading a record (16 of the 20 µs that a repeat costs) is only needed to learn whether it is an event and which. If
the decision of the event its headers name says "read from here", this very record was read and decided, whatever we
would make of it today. Every other record (a repeat, poison, an envelope inside the value) goes the whole way.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import ConsumerRecord

from schemas.envelope import MAX_ATTRIBUTE_BYTES
from services.adapters.event_keys import event_key_of_bytes
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

_SQL = queries("recognition", __package__)


async def unrecognised(
    connection: Connection, records: Sequence[ConsumerRecord]
) -> list[ConsumerRecord]:
    """Those of the records that no decision names as its own; in their order. All of one topic."""
    if not records:
        return []
    found = await connection.fetch(
        _SQL["not_decided_from"],
        records[0].topic,
        [_key(record) for record in records],
        [record.partition for record in records],
        [record.offset for record in records],
    )
    return [records[position - 1] for (position,) in found]


def _key(record: ConsumerRecord) -> object:
    """The key that the event in the headers has, None if they name none. Wrong headers match no decision."""
    headers = dict(record.headers)
    event_id, source = headers.get("ce_id") or b"", headers.get("ce_source") or b""
    if not 0 < len(event_id) <= MAX_ATTRIBUTE_BYTES or not 0 < len(source) <= MAX_ATTRIBUTE_BYTES:
        return None  # nothing of that size was ever decided
    return event_key_of_bytes(source, event_id)
