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
from services.domain.events import Event
from services.issuer.codec import Poison, read_record
from services.runtime.settings import Settings

PATIENCE_SECONDS = 3.0
"""For all of it. Whoever asks waits for an answer that can do without."""
MOST_RECORDS = 20
"""Of a customer with a long history, the newest: each one is a fetch."""
FETCH_MS = 1_000


class Place(NamedTuple):
    """Where a record is, with the broker's name of the topic."""

    topic: str
    partition: int
    offset: int


async def event_at(settings: Settings, place: Place) -> Event | None:
    """The event of the record at this place; None if it cannot be had or read."""
    for record in await _records_at(settings, [place]):
        read = read_record(record)
        return None if isinstance(read, Poison) else read.event
    return None


async def arrivals(
    settings: Settings, wanted: Iterable[tuple[Place, str]]
) -> dict[Place, datetime]:
    """When the records at these places arrived, as far as the topics still have them: of the first few only.

    Each is named with its event's key: a topic that was made anew has other records at the same places.
    """
    keys = dict(wanted)
    found = {}
    for record in await _records_at(settings, list(keys)[:MOST_RECORDS]):
        place, read = Place(record.topic, record.partition, record.offset), read_record(record)
        if not isinstance(read, Poison) and read.event_key == keys[place]:
            found[place] = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return found


async def _records_at(settings: Settings, places: Collection[Place]) -> list[ConsumerRecord]:
    found: list[ConsumerRecord] = []
    if not places or settings.kafka_bootstrap_servers is None:
        return found
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            existing = await partitions_of(settings, {place.topic for place in places})
            async with side_reader(settings) as consumer:
                await _read(consumer, places, existing, found)
    except KAFKA_AWAY:
        pass
    return found


async def _read(
    consumer: AIOKafkaConsumer,
    places: Collection[Place],
    existing: Sequence[TopicPartition],
    found: list[ConsumerRecord],
) -> None:
    # Only of partitions that exist: the client would wait for others to come into being.
    bounds = await bounds_of(consumer, existing)
    for place in places:
        partition = TopicPartition(place.topic, place.partition)
        kept = bounds.get(partition)
        if kept is None or not kept.first <= place.offset < kept.end:
            continue
        consumer.assign([partition])
        consumer.seek(partition, place.offset)
        polled = await consumer.getmany(partition, timeout_ms=FETCH_MS, max_records=1)
        found += [one for one in polled.get(partition, []) if one.offset == place.offset]
