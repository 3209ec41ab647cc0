"""Where a lane goes on: at Kafka's committed offset, unless the database knows better.

* Kafka is ahead of the database: a standby that lagged was promoted. What lies between was decided by a database that
  is no more, so it is read again; what the standby had of it are repeats.
* The database is ahead of what the topic has: the topic was made anew, and begins at 0 with other records.

Never skips anything: in doubt records are read again, and the decision log absorbs them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.adapters.postgres import next_offsets

log = logging.getLogger(__name__)


class Bookmarks:
    """Of one lane. `_noted`: up to where its partitions are decided, as far as it has looked or has noted it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._noted: dict[TopicPartition, int | None] = {}

    async def look(self, consumer: AIOKafkaConsumer) -> None:
        """Look whether anything has moved, also while no record comes. Raises what an outage raises."""
        assigned = consumer.assignment()
        for gone in self._noted.keys() - assigned:
            del self._noted[gone]
        if assigned:
            await self._compare(consumer, {at: await consumer.position(at) for at in assigned})

    async def let_through(
        self, consumer: AIOKafkaConsumer, records: Sequence[ConsumerRecord]
    ) -> Sequence[ConsumerRecord]:
        """The records of partitions that go on where the database does; the others are read from there."""
        firsts: dict[TopicPartition, int] = {}
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            firsts[partition] = min(firsts.get(partition, record.offset), record.offset)
        unknown = {at: first for at, first in firsts.items() if at not in self._noted}
        if not unknown:
            return records
        moved = await self._compare(consumer, unknown)
        return [r for r in records if TopicPartition(r.topic, r.partition) not in moved]

    def noting(self, records: Sequence[ConsumerRecord]) -> str:
        """The statement to commit with these records, see `next_offsets.noting`."""
        ends = ends_of(records)
        before = {_key(at): noted for at in ends if (noted := self._noted.get(at)) is not None}
        return next_offsets.noting({_key(at): end for at, end in ends.items()}, before)

    def noted(self, records: Sequence[ConsumerRecord]) -> None:
        """The statement is committed. A database that knew less has noted nothing: the next look finds out."""
        for at, end in ends_of(records).items():
            self._noted[at] = max(end, self._noted.get(at) or 0)

    async def _compare(
        self, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]
    ) -> set[TopicPartition]:
        """Which of these partitions, about to go on at these offsets, go on elsewhere."""
        stored = await next_offsets.stored(self._pool, [_key(at) for at in positions])
        ends = await consumer.end_offsets(list(positions))
        moved = set()
        anew = [at for at in positions if ends[at] < max(stored.get(_key(at), 0), positions[at])]
        if anew:
            await next_offsets.made_anew(self._pool, [_key(at) for at in anew])
        for at, position in positions.items():
            known = stored.get(_key(at))
            last = self._noted.get(at, position if known is not None else None)
            if at in anew:
                log.warning("%s:%s was made anew", at.topic, at.partition)
                self._noted[at] = None
                moved.add(at)
                if at in consumer.assignment():
                    await consumer.seek_to_beginning(at)
            elif last is not None and (known or 0) < last:
                moved.add(at)
                await next_offsets.went_back(self._pool, _key(at), last, known or 0)
                self._go_back(consumer, at, known)
            elif at not in self._noted:
                self._noted[at] = known
        return moved

    def _go_back(self, consumer: AIOKafkaConsumer, at: TopicPartition, known: int | None) -> None:
        self._noted[at] = known
        if at in consumer.assignment():
            log.warning(
                "%s:%s goes on at %d: the database knows no more",
                at.topic,
                at.partition,
                known or 0,
            )
            consumer.seek(at, known or 0)


def ends_of(records: Sequence[ConsumerRecord]) -> dict[TopicPartition, int]:
    """The offset behind the last of these records, by partition."""
    ends: dict[TopicPartition, int] = {}
    for record in records:
        partition = TopicPartition(record.topic, record.partition)
        ends[partition] = max(ends.get(partition, 0), record.offset + 1)
    return ends


def _key(at: TopicPartition) -> next_offsets.PartitionKey:
    return at.topic, at.partition
