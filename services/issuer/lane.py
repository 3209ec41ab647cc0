"""One consumer of the group: takes a poll from FastStream, has it decided, commits its offsets.

A process runs several lanes: they own disjoint partitions, so one decides while another's batch is being written.
Offsets are committed explicitly and only after Postgres has committed; on an outage the lane seeks back to where
the poll began and waits, so the same records come again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream.kafka import KafkaMessage

from services.adapters.failures import server_of
from services.adapters.kept_records import LOG_APPEND_TIME
from services.adapters.postgres.clock import ClockGuard
from services.adapters.postgres.failures import OF_POSTGRES, Kind, WentBack, kind_of
from services.issuer import metrics
from services.issuer.bookmarks import Bookmarks
from services.issuer.brake import Brake
from services.issuer.pipeline import Pipeline
from services.issuer.polls import Poll
from services.runtime.backoff import delays, pause
from services.runtime.crashpoints import reach
from services.runtime.garbage import worked_on

STALLED_SECONDS = 120.0
"""No progress for this long while records wait: the process should be restarted. Above every timeout of a batch."""
ANSWER_SECONDS = 5.0
"""A broker that has not said by then where a partition ends is away."""

FRESH_SECONDS = 30.0
"""The end of a partition that was measured longer ago than this does not tell how old a record behind it is."""

log = logging.getLogger(__name__)


class Subscriber(Protocol):
    """FastStream's: it makes its consumer when it starts, and hands over polls from that moment on."""

    @property
    def consumer(self) -> AIOKafkaConsumer | None: ...


class Lane:
    """State of one consumer between polls."""

    def __init__(
        self,
        subscriber: Subscriber,
        pipeline: Pipeline,
        brake: Brake,
        *,
        bookmarks: Bookmarks,
        guard: ClockGuard,
        stopping: asyncio.Event,
        on_bug: Callable[[Exception], None],
    ) -> None:
        self._subscriber = subscriber
        self._pipeline = pipeline
        self.brake = brake
        self._bookmarks = bookmarks
        self._guard = guard
        self._stopping = stopping
        self._on_bug = on_bug
        self._delays = delays()
        self._outage: Exception | None = None
        self._waiting: set[TopicPartition] = set()
        self._silence: str | None = None
        self._lag: dict[TopicPartition, int] = {}
        self._ends_seen: deque[tuple[float, dict[TopicPartition, int]]] = deque()
        """Of the last seconds: where whatever was appended from that moment (monotonic) on began, by partition."""
        self._progress_at = time.monotonic()

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """None before the subscriber has started and after it has stopped."""
        return self._subscriber.consumer

    async def handle(self, message: KafkaMessage) -> None:
        """Decide one poll. Never raises for an outage: FastStream would log it and go on without us."""
        records: Sequence[ConsumerRecord] = message.raw_message
        message.raw_message = ()  # the framework keeps the message in a cycle, which would keep the poll
        assert self.consumer is not None
        reach("issuer.after_poll")
        self._hear(records)
        poll = Poll(records)
        try:
            poll = await self._bookmarks.let_through(self.consumer, poll)
            poll = await self.brake.let_through(self.consumer, poll)
            holding, noting = self._bookmarks.holding(poll), self._bookmarks.noting(poll)
            report = await self._pipeline.process(poll.records, self._moved, holding, noting)
        except Exception as error:
            if kind_of(error) is not Kind.OUTAGE:
                self._seek_back(poll)
                self._on_bug(error)
                return
            self._seek_back(poll)
            if isinstance(error, WentBack):
                self._bookmarks.forget(poll)
            self._outage = error
            self._waiting = set(poll.spans)
            log.warning("outage, the same records again later: %s", _in_words(error))
            self._progress_at = time.monotonic()
            await pause(self._stopping, next(self._delays))
            return
        self._outage, self._delays = None, delays()
        self._bookmarks.noted(poll)
        self.brake.note(poll, report.letters)
        await self._commit(poll)
        self._progress_at = time.monotonic()
        worked_on(len(poll.records))

    def _moved(self) -> None:
        self._progress_at = time.monotonic()

    def _hear(self, records: Sequence[ConsumerRecord]) -> None:
        """Tell the guard how late it is at the broker: as late as at the append of a record that was not there before.

        Older ones say nothing, since nobody knows how long they have waited; but the newest of all, if it is later than
        our own clock, says at least that this one is slow. The last of a poll will do; a producer's own time will not.
        """
        last = records[-1]
        partition = TopicPartition(last.topic, last.partition)
        ends = [end for _, seen in self._ends_seen if (end := seen.get(partition)) is not None]
        if last.timestamp_type != LOG_APPEND_TIME or not ends:
            return
        appended_at = datetime.fromtimestamp(last.timestamp / 1000, UTC)
        is_fresh = (
            last.offset >= ends[0] and time.monotonic() - self._ends_seen[0][0] < FRESH_SECONDS
        )
        # Behind the newest there may be the marker of its transaction.
        is_newest = last.offset + 2 >= ends[-1]
        if is_fresh or (is_newest and appended_at > self._guard.own()):
            self._guard.heard(partition, appended_at)

    async def _commit(self, poll: Poll) -> None:
        """Commit what is still ours; another consumer meets the rest again, as repeats."""
        assert self.consumer is not None
        assigned = self.consumer.assignment()
        offsets = {at: span.stop for at, span in poll.spans.items() if at in assigned}
        if not offsets:
            return
        try:
            await self.consumer.commit(offsets)
        except KafkaError as error:
            # Committing late is always safe, and a later commit covers this one.
            log.warning("offsets were not committed: %s", error)
        reach("issuer.after_offsets")

    async def look_back(self) -> None:
        """See whether partitions without a record to come go on where the database does."""
        if self.consumer is None or self._outage:
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._bookmarks.look(self.consumer)
        except (*OF_POSTGRES, KafkaError) as error:
            log.info("where the database goes on is not known yet: %r", error)

    def _seek_back(self, poll: Poll) -> None:
        assert self.consumer is not None
        assigned = self.consumer.assignment()
        for partition, span in poll.spans.items():
            if partition in assigned:
                self.consumer.seek(partition, span.start)

    async def measure_lag(self) -> None:
        """Ask Kafka how many committed records this lane has not read yet; no answer is a reason not to be ready."""
        before, self._lag, self._silence = self._lag, {}, None
        if self.consumer is not None:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    asked_at = time.monotonic()
                    ends = await self.consumer.end_offsets(self.consumer.assignment())
                    self._ends_seen.append((asked_at, _appended_next(self.consumer, ends)))
                    while asked_at - self._ends_seen[0][0] > FRESH_SECONDS:
                        self._ends_seen.popleft()
                    self._lag = await _unread(self.consumer, ends)
            except IllegalStateError:
                pass  # a partition went to another owner meanwhile
            except (TimeoutError, KafkaError) as error:
                self._silence = f"Kafka does not answer ({type(error).__name__})"
        for partition in before.keys() - self._lag.keys():
            metrics.LAG.remove(partition.topic, partition.partition)
        for partition, lag in self._lag.items():
            metrics.LAG.labels(partition.topic, partition.partition).set(lag)
        # What another owner has got, or had decided before it came back, is not waiting here any more.
        mine = self.consumer.assignment() if self.consumer is not None else set()
        self._waiting = {
            partition for partition in self._waiting & mine if self._lag.get(partition) != 0
        }

    def waits_for(self, server: str) -> str | None:
        """None, or why this lane cannot work now, as far as it is about this server (`kafka`, `postgres`)."""
        if self._outage and self._waiting and server_of(self._outage) == server:
            return f"waiting for a server: {_in_words(self._outage)}"
        return self._silence if server == "kafka" else None

    def liveness(self) -> str | None:
        """None, or that records wait and none is being decided."""
        idle = time.monotonic() - self._progress_at
        if idle < STALLED_SECONDS:
            return None
        if not any(
            lag for partition, lag in self._lag.items() if not self.brake.is_paused(partition)
        ):
            return None
        return f"no progress for {idle:.0f} s with records waiting"


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


async def _unread(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    return {
        partition: max(0, end - await consumer.position(partition))
        for partition, end in ends.items()
    }


def _appended_next(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The offset of whatever is appended from now on: fetches see further than what is committed."""
    assigned = consumer.assignment()
    return {at: max(end, consumer.highwater(at) or 0) for at, end in ends.items() if at in assigned}
