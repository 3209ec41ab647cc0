"""What a topic itself still has of a record: the event it carries, and when it arrived.

Looks by offset, so it costs one fetch however large the topic is. Kafka is asked for what Postgres does not store, and
nothing depends on the answer: a record that is gone, or a cluster that is away, is an instant that is not known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.adapters.failures import KAFKA_AWAY
from services.adapters.records import bounds_of, partitions_of, side_reader
from services.domain.arrival import Incoming
from services.domain.events import Event, Position
from services.issuer.codec import read_record
from services.runtime.settings import Settings

PATIENCE_SECONDS = 3.0
"""For all of it. Whoever asks waits for an answer that can do without."""
MOST_RECORDS = 20
"""Of a customer with a long history, the newest: each one is a fetch."""
FETCH_MS = 1_000


class Arrival(NamedTuple):
    """When a record came, and what it carries."""

    at: datetime
    event: Event


async def event_at(settings: Settings, position: Position) -> Event | None:
    """The event of the record at this position; None if it cannot be had or read."""
    for record in await _records_at(settings, [position]):
        read = read_record(record)
        return read.event if isinstance(read, Incoming) else None
    return None


async def arrivals(
    settings: Settings, wanted: Iterable[tuple[Position, str]]
) -> dict[Position, Arrival]:
    """When the records at these positions arrived, as far as the topics still have them: of the first few only.

    Each is named with its event's key: a topic that was made anew has other records at the same positions.
    """
    keys = dict(wanted)
    found = {}
    for record in await _records_at(settings, list(keys)[:MOST_RECORDS]):
        read = read_record(record)
        if isinstance(read, Incoming) and read.event_key == keys[read.position]:
            arrived_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            found[read.position] = Arrival(arrived_at, read.event)
    return found


async def _records_at(settings: Settings, positions: Collection[Position]) -> list[ConsumerRecord]:
    found: list[ConsumerRecord] = []
    if not positions or settings.kafka_bootstrap_servers is None:
        return found
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            existing = await partitions_of(settings, {position.topic for position in positions})
            async with side_reader(settings) as consumer:
                await _read(consumer, positions, existing, found)
    except KAFKA_AWAY:
        pass
    return found


async def _read(
    consumer: AIOKafkaConsumer,
    positions: Collection[Position],
    existing: Sequence[TopicPartition],
    found: list[ConsumerRecord],
) -> None:
    # Only of partitions that exist: the client would wait for others to come into being.
    bounds = await bounds_of(consumer, existing)
    for position in positions:
        partition = TopicPartition(position.topic, position.partition)
        kept = bounds.get(partition)
        if kept is None or not kept.first <= position.offset < kept.end:
            continue
        consumer.assign([partition])
        consumer.seek(partition, position.offset)
        polled = await consumer.getmany(partition, timeout_ms=FETCH_MS, max_records=1)
        found += [one for one in polled.get(partition, []) if one.offset == position.offset]
