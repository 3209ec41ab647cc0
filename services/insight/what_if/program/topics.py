"""Read what the topics have of a partner's events, partitions divided among those who read at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aiokafka import TopicPartition

from schemas.topics import CUSTOMERS, GAME_COMPLETED, ORDERS
from services.adapters.records import Bounds, bounds_of, partitions_of, read_parts, side_reader
from services.insight.what_if.program.spool import Spool
from services.runtime.settings import Settings
from services.terminal.addresses import reaching_kafka

TOPICS = (GAME_COMPLETED, ORDERS, CUSTOMERS)
"""What we tell ourselves is not read: the world tells it anew."""

Parts = Mapping[TopicPartition, Bounds]


async def kept_now(settings: Settings) -> Parts:
    """What each partition of the topics has now. Raises CommandError."""
    with reaching_kafka(settings):
        partitions = await partitions_of(settings, {settings.topic(name) for name in TOPICS})
        async with side_reader(settings) as consumer:
            return await bounds_of(consumer, partitions)


def size_of(parts: Parts) -> int:
    """About how many records there are; each transaction has an offset, too."""
    return sum(bounds.end - bounds.first for bounds in parts.values())


def divided(parts: Parts, count: int) -> Sequence[Parts]:
    """So many heaps of about the same size, the largest partitions first."""
    heaps: list[dict[TopicPartition, Bounds]] = [{} for _ in range(count)]
    for partition, bounds in sorted(parts.items(), key=lambda each: -size_of(dict([each]))):
        min(heaps, key=size_of)[partition] = bounds
    return heaps


async def read_events(
    told: Callable[[int], None],
    settings: Settings,
    partner_id: int,
    parts: Parts,
    directory: Path,
    number: int,
) -> None:
    """Put them into the directory's spool of this number. Tells how many records it has read. Raises CommandError."""
    spool, read = Spool(directory, number, partner_id), 0
    try:
        with reaching_kafka(settings):
            async with side_reader(settings) as consumer:
                starts = {partition: bounds.first for partition, bounds in parts.items()}
                ends = {partition: bounds.end for partition, bounds in parts.items()}
                async for records in read_parts(consumer, starts, ends):
                    for record in records:
                        spool.put(record)
                    read += len(records)
                    told(read)
    finally:
        spool.close()
