"""Where a lane goes on: at Kafka's committed offset, unless the database knows better.

* Kafka is ahead of the database: a standby that lagged was promoted. What lies between was decided by a database that
  is no more, so it is read again; what the standby had of it are repeats.
* The database is ahead of what the topic has: the topic was made anew, and begins at 0 with other records.

Never skips anything: in doubt records are read again, and the decision log absorbs them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.adapters.postgres import next_offsets
from services.issuer.polls import Poll

log = logging.getLogger(__name__)


class Bookmarks:
    """Of one lane. `_noted`: up to where its partitions are decided, as far as it has looked or has noted it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._noted: dict[TopicPartition, int | None] = {}
        self._looking = asyncio.Lock()
        """What is found is acted on before anybody looks again: a topic is made anew once."""

    async def look(self, consumer: AIOKafkaConsumer) -> None:
        """Look whether anything has moved, also while no record comes. Raises what an outage raises."""
        async with self._looking:
            await self._look(consumer)

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        assigned = consumer.assignment()
        for gone in self._noted.keys() - assigned:
            del self._noted[gone]
        # A poll that is being decided has moved the position already: the group's word is what was decided.
        positions = {
            at: await (consumer.position(at) if at in self._noted else consumer.committed(at)) or 0
            for at in assigned
        }
        if positions:
            await self._compare(consumer, positions)

    async def let_through(self, consumer: AIOKafkaConsumer, poll: Poll) -> Poll:
        """The records of partitions that go on where the database does; the others are read from there."""
        # What lies before what was noted is read again, or is of another topic of the same name.
        unknown = {
            at: span.start
            for at, span in poll.spans.items()
            if at not in self._noted or span.start < (self._noted[at] or 0)
        }
        if not unknown:
            return poll
        async with self._looking:
            moved = await self._compare(consumer, unknown)
        return poll.without(moved) if moved else poll

    def noting(self, poll: Poll) -> str:
        """The statement to commit with the last of these records, see `next_offsets.noting`."""
        ends: dict[next_offsets.PartitionKey, int] = {
            at: span.stop for at, span in poll.spans.items()
        }
        return next_offsets.noting(ends, self._before(poll))

    def holding(self, poll: Poll) -> str:
        """The statement to commit with any other part of these records: it notes nothing new, and fails alike."""
        before = self._before(poll)
        return next_offsets.noting(before, before)

    def _before(self, poll: Poll) -> dict[next_offsets.PartitionKey, int]:
        return {at: noted for at in poll.spans if (noted := self._noted.get(at)) is not None}

    def noted(self, poll: Poll) -> None:
        """The statement is committed."""
        for at, span in poll.spans.items():
            self._noted[at] = max(span.stop, self._noted.get(at) or 0)

    def forget(self, poll: Poll) -> None:
        """The database went back: look again before the next record of these partitions is decided."""
        for at in poll.spans:
            self._noted.pop(at, None)

    async def _compare(
        self, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]
    ) -> set[TopicPartition]:
        """Which of these partitions, about to go on at these offsets, go on elsewhere."""
        # Before the database is asked: a batch may be noted meanwhile.
        noted = dict(self._noted)
        stored = await next_offsets.stored(self._pool, list(positions))
        ends = await consumer.end_offsets(list(positions))
        moved = set()
        anew = [at for at in positions if ends[at] < max(stored.get(at, 0), positions[at])]
        if anew:
            await next_offsets.made_anew(self._pool, anew)
        for at, position in positions.items():
            known = stored.get(at)
            last = noted.get(at, position if known is not None else None)
            if at in anew:
                log.warning("%s:%s was made anew", at.topic, at.partition)
                self._noted[at] = None
                moved.add(at)
                if at in consumer.assignment():
                    await consumer.seek_to_beginning(at)
            elif last is not None and (known or 0) < last:
                moved.add(at)
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
