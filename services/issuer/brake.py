"""The brake: stop a partition whose records are mostly poison, instead of draining it into dead letters.

Judged before each batch from what is stored, so that a restart does not reset it: when `limit` of the 1,000 records
before a batch are dead letters nobody has dealt with, the partition is paused. It goes on by itself once letters have
been redriven or discarded, or the limit was raised.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.adapters.postgres.dead_letters import open_letters_before
from services.domain.letters import DeadLetter
from services.issuer import metrics
from services.issuer.polls import Poll

WINDOW_RECORDS = 1_000

log = logging.getLogger(__name__)


class Brake:
    """Which of one lane's partitions are paused, and at which offset each goes on. `limit` 0 lets all pass."""

    def __init__(self, pool: asyncpg.Pool, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._paused: dict[TopicPartition, int] = {}
        self._clean: dict[tuple[str, int], int] = {}
        """The offset before which a partition of ours has no open letter: there is nothing to ask about it then. One
        that somebody else had meanwhile goes on at another offset, and is asked about."""

    def is_paused(self, partition: TopicPartition) -> bool:
        return partition in self._paused

    def reason(self) -> str | None:
        """None, or which partitions are stopped and what to do about it."""
        if not self._paused:
            return None
        partitions = ", ".join(f"{at.topic}:{at.partition}" for at in sorted(self._paused))
        return (
            f"paused {partitions}: at least {self._limit} of the last {WINDOW_RECORDS} records are dead "
            "letters; mend the producer and redrive or discard them, or raise "
            "COUPONRY_DEAD_LETTER_LIMIT"
        )

    async def let_through(self, consumer: AIOKafkaConsumer, poll: Poll) -> Poll:
        """The records of partitions that may go on; the others are paused where this batch began."""
        if not self._limit:
            return poll
        unknown: dict[tuple[str, int], int] = {
            at: span.start for at, span in poll.spans.items() if self._clean.get(at) != span.start
        }
        poisoned = await self._poisoned(unknown) if unknown else set()
        if not poisoned:
            return poll
        for topic, number in poisoned:
            partition = TopicPartition(topic, number)
            if partition in consumer.assignment():
                first = poll.spans[partition].start
                consumer.pause(partition)
                consumer.seek(partition, first)
                self._hold(partition, first)
                log.error("paused %s:%s: too many dead letters", topic, number)
        return poll.without(poisoned)

    def note(self, poll: Poll, letters: Iterable[DeadLetter]) -> None:
        """These records have been decided, but for these letters."""
        for partition, span in poll.spans.items():
            if partition in self._clean:
                self._clean[partition] = max(self._clean[partition], span.stop)
        for letter in letters:
            self._clean.pop((letter.position.topic, letter.position.partition), None)

    async def release(self, consumer: AIOKafkaConsumer) -> None:
        """Resume what may go on again; forget partitions that are no longer ours."""
        if not self._paused:
            return
        for partition in self._paused.keys() - consumer.assignment():
            self._let_go(partition)
        firsts = {
            (partition.topic, partition.partition): first
            for partition, first in self._paused.items()
        }
        poisoned = await self._poisoned(firsts) if firsts else set()
        # Only what was asked about: meanwhile this lane may have paused another partition, or lost one.
        for topic, number in firsts.keys() - poisoned:
            partition = TopicPartition(topic, number)
            if partition in consumer.assignment():
                consumer.resume(partition)
                log.info("resumed %s:%s", topic, number)
            self._let_go(partition)

    def _hold(self, partition: TopicPartition, first: int) -> None:
        if partition not in self._paused:
            metrics.PAUSED.inc()  # lanes share it
        self._paused[partition] = first

    def _let_go(self, partition: TopicPartition) -> None:
        if self._paused.pop(partition, None) is not None:
            metrics.PAUSED.dec()

    async def _poisoned(self, firsts: dict[tuple[str, int], int]) -> set[tuple[str, int]]:
        async with self._pool.acquire() as connection:
            letters = await open_letters_before(connection, firsts, WINDOW_RECORDS)
        for partition, open_ in letters.items():
            if open_:
                self._clean.pop(partition, None)
            else:
                self._clean[partition] = firsts[partition]
        return {partition for partition, open_ in letters.items() if open_ >= self._limit}
