"""Read a part of a topic once, from the side: committed records only, no group, nothing committed.

For commands that look back over what happened. Transaction markers and aborted records have offsets too but are never
delivered, so a part is read to its end when the position has passed it, not when its last offset was seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from services.adapters.kafka import admin_client, client_options
from services.runtime.settings import Settings

POLL_RECORDS = 10_000
POLL_MS = 500
STALLED_SECONDS = 60.0
"""A part that does not move for this long will not. A transaction that a killed relay left open ends sooner."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")
Offsets = Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a partition retains: `first` inclusive, `end` exclusive."""

    first: int
    end: int


@asynccontextmanager
async def side_reader(
    settings: Settings, isolation: str = "read_committed"
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without group, for the functions below."""
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        client_id="couponry-reader",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # what retention takes away meanwhile is skipped
        isolation_level=isolation,
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    try:
        await consumer.start()
        await asyncio.sleep(
            0
        )  # its tasks must have begun, or stopping it at once raises CancelledError
        yield consumer
    finally:
        await consumer.stop()


async def learn_of(consumer: AIOKafkaConsumer, topics: Collection[str]) -> None:
    """Have it know them all. Left to itself it learns of one after another, each in a tenth of a second."""
    await consumer._client.set_topics(topics)  # noqa: SLF001 - in public only by assigning, which begins to fetch


async def bounds_of(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, Bounds]:
    """What each of these partitions retains now; to a reader of committed records an open transaction is the end."""
    if not partitions:
        return {}
    await learn_of(consumer, {partition.topic for partition in partitions})
    firsts = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    return {
        partition: Bounds(first=firsts[partition], end=ends[partition]) for partition in partitions
    }


async def first_since(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], at: datetime | None = None
) -> dict[TopicPartition, tuple[int, datetime] | None]:
    """Offset and broker's time of each partition's first record from `at` on, or of all; None where there is none."""
    # Whole milliseconds, rounded up; below zero the protocol has other meanings.
    since_ms = 0 if at is None else max(0, -((_EPOCH - at) // timedelta(milliseconds=1)))
    found = (
        await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms)) if partitions else {}
    )
    return {
        partition: None
        if (one := found.get(partition)) is None or one.offset < 0
        else (one.offset, _EPOCH + timedelta(milliseconds=one.timestamp))
        for partition in partitions
    }


async def read_parts(
    consumer: AIOKafkaConsumer, starts: Offsets, ends: Offsets
) -> AsyncIterator[list[ConsumerRecord]]:
    """Every committed record of these partitions from `starts` to before `ends`, in polls.

    Waits for transactions that lie before an end. Raises KafkaTimeoutError when nothing moves for 60 s.
    """
    waiting = {partition for partition, end in ends.items() if starts[partition] < end}
    if not waiting:
        return
    consumer.assign(list(waiting))
    for partition in waiting:
        consumer.seek(partition, starts[partition])
    moved_at = time.monotonic()
    positions = {partition: starts[partition] for partition in waiting}
    while waiting:
        polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
        records = [
            record
            for partition, some in polled.items()
            for record in some
            if record.offset < ends[partition]
        ]
        if records:
            yield records
        for partition in list(waiting):
            position = await asyncio.wait_for(consumer.position(partition), STALLED_SECONDS)
            if position != positions[partition]:
                positions[partition], moved_at = position, time.monotonic()
            if position >= ends[partition]:
                waiting.discard(partition)
                consumer.pause(partition)
        if time.monotonic() - moved_at > STALLED_SECONDS:
            partition = min(waiting)
            raise KafkaTimeoutError(
                f"{partition.topic}[{partition.partition}] stays at {positions[partition]}"
            )


async def written(
    settings: Settings, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """Where each of these partitions ends, transactions that are still open included."""
    async with side_reader(settings, "read_uncommitted") as consumer:
        return {
            partition: one.end for partition, one in (await bounds_of(consumer, partitions)).items()
        }


async def partitions_of(settings: Settings, topics: Collection[str]) -> list[TopicPartition]:
    """Every partition of those topics that exist, sorted."""
    async with admin_client(settings) as admin:
        return sorted(
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics()
            if topic["topic"] in topics
            for partition in topic["partitions"]
        )


async def group_offsets(settings: Settings, group: str) -> dict[TopicPartition, int]:
    """What a consumer group has committed, by partition; empty for a group nobody has seen."""
    async with admin_client(settings) as admin:
        committed = await _once_coordinated(lambda: admin.list_consumer_group_offsets(group))
        return {partition: at.offset for partition, at in committed.items() if at.offset >= 0}


async def has_members(settings: Settings, group: str) -> bool:
    """Whether anybody consumes as this group at the moment."""
    async with admin_client(settings) as admin:
        (response,) = await _once_coordinated(lambda: admin.describe_consumer_groups([group]))
    (_, _, _, _, _, members, *_), *_ = response.groups
    return bool(members)


async def _once_coordinated(ask: Callable[[], Awaitable[T]]) -> T:
    """On a new cluster the first question of all makes the broker create what answers it."""
    deadline = time.monotonic() + STALLED_SECONDS
    while True:
        try:
            return await ask()
        except KafkaError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
