"""One batch, one Kafka transaction: the messages and the record that names their outbox rows, or nothing.

Two habits of aiokafka shape this module (both pinned in tests/relay/test_framework.py). It commits a transaction in
which a send failed, so the future of every send is awaited before the commit. And a failed send leaves a gap
in the sequence numbers of its partition, so after any error the producer is thrown away: a new one with the same
transactional id fences the old one, wherever that still runs, and ends its transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    BrokerResponseError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    kafka_errors,
)

from schemas import topics
from services.adapters.kafka import client_options
from services.relay import metrics
from services.relay.outbox import Batch
from services.relay.packing import LARGEST_MESSAGE_BYTES, Packed, Parcel, pack
from services.relay.progress import PARTITION as PROGRESS_PARTITION
from services.relay.progress import progress_record
from services.runtime.crashpoints import reach
from services.runtime.settings import Settings

REQUEST_TIMEOUT_SECONDS = 10
PROBE_TIMEOUT_SECONDS = 5
PUBLISH_TIMEOUT_SECONDS = 20
"""For a whole batch; then start over. aiokafka itself would try for ever."""
TRANSACTION_TIMEOUT_SECONDS = 30
"""After this the broker ends the transaction of a relay that is gone, so that readers are not held up."""
assert REQUEST_TIMEOUT_SECONDS < PUBLISH_TIMEOUT_SECONDS < TRANSACTION_TIMEOUT_SECONDS

RECORD_BATCH_BYTES = 1_000_000
"""`max.message.bytes` limits whole record batches, and is 1 MiB where nobody raised it. A larger message travels
alone, whatever this is."""


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]  # aiokafka is untyped
    """The broker checked a record and refused it. aiokafka 0.14 does not know this answer."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The topic does not take this record (a compacted one needs a key)."


kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)

REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError)
"""What Kafka says of the record itself, and will say again. Everything else is about the cluster, the topic or
our rights: that can be mended, so it is tried again."""


class RecordsRefused(Exception):
    """Kafka refused record batches for good.

    `refused`: rows that were alone in theirs, with the reason. `suspects`: rows of batches of several; send each
    alone and the guilty one shows.
    """

    def __init__(self, refused: dict[int, str], suspects: frozenset[int]) -> None:
        super().__init__(f"{len(refused)} rows refused, {len(suspects)} to be tried alone")
        self.refused = refused
        self.suspects = suspects


class Publisher:
    """Owns a producer. After an exception from `publish` it is of no more use."""

    def __init__(self, producer: AIOKafkaProducer, settings: Settings) -> None:
        self._producer = producer
        self._settings = settings
        self._partitions: dict[str, int] = {}

    async def knows(self, topic: str) -> bool:
        """Does Kafka have this topic (our name for it) for us? Asks the cluster only if it was not known before."""
        name = self._settings.topic(topic)
        client = self._producer.client
        if not client.cluster.partitions_for_topic(name):
            client.add_topic(name)
            async with answered_within(REQUEST_TIMEOUT_SECONDS):
                if not await client.force_metadata_update():
                    raise KafkaConnectionError("no broker tells which topics there are")
        partitions = client.cluster.partitions_for_topic(name)
        self._partitions[topic] = len(partitions or ())
        return bool(partitions)

    async def silence(self) -> str | None:
        """None, or why the cluster is away. Asks it: for when there is nothing to send."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                answered = await self._producer.client.force_metadata_update()
        except TimeoutError:
            answered = False
        return None if answered else "Kafka does not answer"

    def pack(self, batch: Batch, alone: Collection[int]) -> Packed:
        """The batch as record batches of this producer. Every topic in it must be known."""
        with metrics.step("pack"):
            return pack(
                batch,
                event_source=self._settings.event_source,
                partitions=self._partitions,
                new_builder=self._producer.create_batch,
                alone=alone,
            )

    async def publish(self, packed: Packed, database: UUID) -> None:
        """Publish all of it, once. Raises RecordsRefused or KafkaError; then start over."""
        async with answered_within(PUBLISH_TIMEOUT_SECONDS):
            with _as_kafka_error():
                await self._producer.begin_transaction()
                with metrics.step("send"):
                    await self._send([*packed.parcels, self._progress(packed, database)])
                reach("relay.after_send")
                with metrics.step("commit"):
                    await self._producer.commit_transaction()
        for parcel in packed.parcels:
            metrics.PUBLISHED.labels(parcel.topic).inc(len(parcel.ids))

    def _progress(self, packed: Packed, database: UUID) -> Parcel:
        key, value = progress_record(database, packed.ids, packed.names)
        builder = self._producer.create_batch()
        builder.append(timestamp=None, key=key, value=value)
        return Parcel(topic=topics.RELAY_PROGRESS, partition=PROGRESS_PARTITION, builder=builder)

    async def _send(self, parcels: Sequence[Parcel]) -> None:
        """Send everything, partitions side by side, and wait until Kafka has answered for each record batch."""
        by_partition: dict[tuple[str, int], list[Parcel]] = {}
        for parcel in parcels:
            by_partition.setdefault((parcel.topic, parcel.partition), []).append(parcel)
        sent = await asyncio.gather(*map(self._send_in_order, by_partition.values()))
        pairs = [pair for pairs_of_one in sent for pair in pairs_of_one]
        answers = await asyncio.gather(*(future for _, future in pairs), return_exceptions=True)
        failed = [
            (parcel, answer)
            for (parcel, _), answer in zip(pairs, answers, strict=True)
            if isinstance(answer, BaseException)
        ]
        if failed:
            raise _failure(failed)

    async def _send_in_order(
        self, parcels: Sequence[Parcel]
    ) -> list[tuple[Parcel, asyncio.Future[Any]]]:
        return [
            (
                parcel,
                await self._producer.send_batch(
                    parcel.builder,
                    self._settings.topic(parcel.topic),
                    partition=parcel.partition,
                ),
            )
            for parcel in parcels
        ]


def _failure(failed: Sequence[tuple[Parcel, BaseException]]) -> BaseException:
    """What failed sends mean together: a refusal if Kafka named one, else the first failure itself."""
    refused: dict[int, str] = {}
    suspects: set[int] = set()
    for parcel, error in failed:
        if isinstance(error, REFUSALS) and len(parcel.ids) == 1:
            refused[parcel.ids[0]] = f"{error.message} from topic {parcel.topic}"
        elif isinstance(error, REFUSALS):
            suspects.update(parcel.ids)
    if refused or suspects:
        return RecordsRefused(refused, frozenset(suspects))
    return failed[0][1]


@contextlib.contextmanager
def _as_kafka_error() -> Any:
    """aiokafka asserts the state of its transaction: a producer that was fenced meanwhile fails that way."""
    try:
        yield
    except AssertionError as error:
        raise KafkaError(f"the producer is of no more use: {error}") from error


@contextlib.asynccontextmanager
async def answered_within(seconds: float) -> AsyncIterator[None]:
    """Give Kafka so long. Raises KafkaTimeoutError, which tells whose silence it was; a bare TimeoutError would not."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise KafkaTimeoutError(f"Kafka has not answered for {seconds:g} s") from None


@contextlib.asynccontextmanager
async def open_publisher(settings: Settings) -> AsyncIterator[Publisher]:
    """Start a producer: from here on every older one is fenced, and its transaction has ended either way.

    Raises KafkaError.
    """
    producer = AIOKafkaProducer(
        **client_options(settings),
        transactional_id=settings.transactional_id,
        transaction_timeout_ms=TRANSACTION_TIMEOUT_SECONDS * 1000,
        request_timeout_ms=REQUEST_TIMEOUT_SECONDS * 1000,
        acks="all",
        linger_ms=0,
        max_batch_size=RECORD_BATCH_BYTES,
        max_request_size=LARGEST_MESSAGE_BYTES,
    )
    publisher = Publisher(producer, settings)
    try:
        async with answered_within(PUBLISH_TIMEOUT_SECONDS):
            await producer.start()
            for topic in topics.PUBLISHED:
                await publisher.knows(topic)
        yield publisher
    finally:
        await _to_its_end(_discard(producer))


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for it even if cancelled meanwhile: a stop whose time is up may find the relay letting go already."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    finally:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})


async def _discard(producer: AIOKafkaProducer) -> None:
    """End a producer whatever state it is in; its own `stop` waits for ever for what Kafka does not answer."""
    sender = producer._sender.sender_task  # noqa: SLF001 - there is no public way to give up
    for _ in range(100):
        if sender is None or sender.done():
            break
        sender.cancel()  # each time it ends one more request that it was waiting for
        await asyncio.wait({sender}, timeout=0.1)
    producer._closed = True  # noqa: SLF001 - nothing is left for `stop` to do
    with contextlib.suppress(Exception):
        async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
            await producer.client.close()
