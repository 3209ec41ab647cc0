"""When is the last expected `coupon.issued` readable? Asked of the topic itself, at next to no cost.

Reading every message while the contestants run would take their CPU. So the topic's last stable offsets (the end of
what a reader of committed records can see) are noted every 10 ms instead. Once they have advanced far enough that
the run may be over, the messages are read and counted; the finish is the first note that lies behind the last
message due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.meter import Meter
from bench.stage import Stage, partitions_of
from services.adapters.kafka import client_options

NOTE_SECONDS = 0.01
READ_RECORDS = 500
SETTLE_SECONDS = 1.0
"""Once all are there, watch this much longer for messages that should not be there."""


class NotFinished(Exception):
    """The expected messages did not all become readable in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    at: float
    ends: dict[TopicPartition, int]
    cpu_seconds: dict[str, float]

    def covers(self, offsets: dict[TopicPartition, int]) -> bool:
        return all(self.ends[partition] >= offset for partition, offset in offsets.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """`at` is a time.perf_counter() instant; `messages` counts all that became readable, `distinct` their ce_ids."""

    at: float
    cpu_seconds: dict[str, float]
    messages: int
    distinct: int


@dataclass(slots=True, kw_only=True)
class Reader:
    """Follows a topic from its end as it was when the reader was made, or last finished."""

    consumer: AIOKafkaConsumer
    partitions: list[TopicPartition]
    starts: dict[TopicPartition, int]
    notes: list[Note] = field(default_factory=list)

    async def finish(
        self, expected: int, *, meter: Meter, deadline: float, check: Callable[[], None]
    ) -> Finish:
        """Wait for `expected` messages. `check` raises when waiting is pointless. Raises NotFinished."""
        self.notes.clear()
        noting = asyncio.create_task(self._take_notes(expected, meter))
        seen: set[bytes] = set()
        messages = 0
        behind_last = dict(self.starts)
        complete_since: float | None = None
        try:
            while complete_since is None or time.perf_counter() - complete_since < SETTLE_SECONDS:
                check()
                if time.perf_counter() > deadline:
                    raise NotFinished(f"{len(seen)} of {expected} messages before the deadline")
                if self.progress() < expected:
                    await asyncio.sleep(NOTE_SECONDS)
                    continue
                for partition, offset, ce_id in await self._read():
                    messages += 1
                    if ce_id not in seen:
                        seen.add(ce_id)
                        behind_last[partition] = offset + 1
                if len(seen) >= expected and complete_since is None:
                    complete_since = time.perf_counter()
            last = next(note for note in self.notes if note.covers(behind_last))
            self.starts = await self.consumer.end_offsets(self.partitions)
            return Finish(
                at=last.at, cpu_seconds=last.cpu_seconds, messages=messages, distinct=len(seen)
            )
        finally:
            noting.cancel()
            await asyncio.gather(noting, return_exceptions=True)

    def progress(self) -> int:
        """Messages readable since the start, counting the broker's own transaction marks."""
        ends = self.notes[-1].ends if self.notes else self.starts
        return sum(ends.values()) - sum(self.starts.values())

    async def _read(self) -> list[tuple[TopicPartition, int, bytes]]:
        polled = await self.consumer.getmany(timeout_ms=20, max_records=READ_RECORDS)
        return [
            (partition, record.offset, dict(record.headers).get("ce_id", b""))
            for partition, records in polled.items()
            for record in records
        ]

    async def _take_notes(self, expected: int, meter: Meter) -> None:
        before: dict[TopicPartition, int] = {}
        while True:
            ends = await self.consumer.end_offsets(self.partitions)
            if ends != before:
                at = time.perf_counter()
                due = sum(ends.values()) - sum(self.starts.values()) >= expected
                cpu_seconds = meter.seconds() if due else {}
                # Only the last note matters until the run may be over.
                self.notes = [
                    *(self.notes if due else ()),
                    Note(at=at, ends=ends, cpu_seconds=cpu_seconds),
                ]
                before = ends
            await asyncio.sleep(NOTE_SECONDS)


@asynccontextmanager
async def following(stage: Stage, topic: str) -> AsyncIterator[Reader]:
    """A reader of committed records that begins at the topic's present end."""
    consumer = AIOKafkaConsumer(
        **client_options(stage.settings),
        group_id=None,
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    try:
        partitions = await partitions_of(consumer, topic)
        starts = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        for partition, offset in starts.items():
            consumer.seek(partition, offset)
        yield Reader(consumer=consumer, partitions=partitions, starts=starts)
    finally:
        await consumer.stop()
