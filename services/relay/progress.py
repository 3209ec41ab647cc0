"""The topic `relay-progress`: which outbox rows the last committed batch contained.

A record is written in the same Kafka transaction as the messages, keyed by the database's UUID, so that after a
crash between the commit and the deletion the next relay deletes those rows instead of publishing them again. A
batch is begun only when the one before is deleted, so the last record of this database is all that matters; an
older topic that outlived a restored backup names another UUID and is ignored.

Rows are named by their number and what they say. A standby that lagged behind when it was promoted hands numbers out
again: a row that only has the number of a published one is another row.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from uuid import UUID

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import RELAY_PROGRESS
from services.adapters.kafka import client_options
from services.runtime.settings import Settings

PARTITION = 0
NAME_BYTES = 8
FETCH_WAIT_MS = 100
TAIL_OFFSETS = 1_000
"""Looked through first: the record of a database that is in use is the last or nearly. Reading from the beginning
would take as long as the topic's compaction is behind, and a successor has only seconds."""


def name_of(identity: bytes) -> bytes:
    """A short name for what a row says: an event's `ce_id`, or the place of a dead letter's record."""
    return blake2b(identity, digest_size=NAME_BYTES).digest()


def progress_record(
    database: UUID, ids: Sequence[int], names: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Key and value of the record that says: these outbox rows are published."""
    value = {"database": str(database), "outbox_ids": ids, "names": b"".join(names).hex()}
    return str(database).encode(), orjson.dumps(value)


def rows_named(value: bytes) -> dict[int, bytes | None]:
    """Names by outbox id of such a record; None where an older release wrote it, which named rows by number alone."""
    read = orjson.loads(value)
    ids: list[int] = read["outbox_ids"]
    joined = bytes.fromhex(read.get("names", ""))
    if not joined:
        return dict.fromkeys(ids)
    names = [joined[at : at + NAME_BYTES] for at in range(0, len(joined), NAME_BYTES)]
    return dict(zip(ids, names, strict=True))


async def last_published(settings: Settings, database: UUID) -> dict[int, bytes | None]:
    """The rows of the last committed batch of this database, as `rows_named`; none if there is no batch.

    Call it after the producer's initialisation: that ended every earlier transaction, so all that was ever
    committed lies below the end taken here. Raises KafkaError.
    """
    partition = TopicPartition(settings.topic(RELAY_PROGRESS), PARTITION)
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    await consumer.start()
    try:
        consumer.assign([partition])
        first: int = (await consumer.beginning_offsets([partition]))[partition]
        end: int = (await consumer.end_offsets([partition]))[partition]
        last = await _last_of(consumer, partition, database, max(first, end - TAIL_OFFSETS), end)
        if last is None and first < end - TAIL_OFFSETS:
            last = await _last_of(consumer, partition, database, first, end)
        return rows_named(last) if last else {}
    finally:
        await consumer.stop()


async def _last_of(
    consumer: AIOKafkaConsumer, partition: TopicPartition, database: UUID, start: int, end: int
) -> bytes | None:
    """The value of this database's last record between the offsets, and beyond `end` if the log goes on."""
    consumer.seek(partition, start)
    key, last = str(database).encode(), None
    while not await _has_read_to(consumer, partition, end):
        for record in (await consumer.getmany(partition, timeout_ms=FETCH_WAIT_MS)).get(
            partition, []
        ):
            if record.key == key:
                last = record.value
    return last


async def _has_read_to(consumer: AIOKafkaConsumer, partition: TopicPartition, end: int) -> bool:
    """Is everything below `end` read, and below the high watermark as well?

    `end` is the last stable offset, which a broker gives only when it is up to date, but which somebody else's
    open transaction could hold down; the watermark is not held down. Positions, not records, are compared: the
    last entries of a log are markers of transactions, which are never returned.
    """
    watermark = consumer.highwater(partition)
    return watermark is not None and await consumer.position(partition) >= max(end, watermark)
