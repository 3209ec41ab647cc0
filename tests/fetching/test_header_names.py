"""Records with header names that are not UTF-8 are read, and so is everything around them."""

from __future__ import annotations

import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords

from schemas.topics import GAME_COMPLETED
from services.adapters.kafka import client_options
from services.fetching.batches import TolerantRecords
from services.runtime.settings import Settings

BAD_NAME = b"\xff\xfe"
PLACEHOLDER = "@@"


async def produce(settings: Settings, codec: str | None) -> None:
    """Good, bad and good records in one batch. The compiled builder encodes names itself, so the bytes are swapped."""
    producer = AIOKafkaProducer(**client_options(settings), compression_type=codec)
    await producer.start()
    batch = producer.create_batch()
    for number in range(5):
        name = PLACEHOLDER if number == 2 else "fine"
        batch.append(
            key=b"k",
            value=str(number).encode(),
            timestamp=1_000 + number,
            headers=[(name, b"v"), ("none", None)],
        )
    batch.close()
    sent = await producer.send_batch(batch, settings.topic(GAME_COMPLETED), partition=0)
    await sent
    await producer.stop()


def with_bad_name(fetched: bytes) -> bytes:
    """A fetch's bytes with the placeholder's name made undecodable, as a foreign producer would have sent it."""
    assert PLACEHOLDER.encode() in fetched
    return fetched.replace(PLACEHOLDER.encode(), BAD_NAME)


@pytest.mark.parametrize("tolerant", [True, False])
async def test_header_name_that_is_not_utf8(topics: Settings, monkeypatch, tolerant):
    """Every record of the batch arrives once, the name escaped; aiokafka alone delivers none of them."""
    reader = TolerantRecords if tolerant else MemoryRecords
    monkeypatch.setattr(fetcher, "MemoryRecords", lambda fetched: reader(with_bad_name(fetched)))
    await produce(topics, None)
    consumer = AIOKafkaConsumer(
        **client_options(topics), check_crcs=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    partition = TopicPartition(topics.topic(GAME_COMPLETED), 0)
    consumer.assign([partition])
    try:
        if not tolerant:
            with pytest.raises(UnicodeDecodeError):
                await consumer.getmany(partition, timeout_ms=10_000)
            return
        records = (await consumer.getmany(partition, timeout_ms=10_000))[partition]
    finally:
        await consumer.stop()

    assert [(r.offset, r.timestamp, r.key, r.value) for r in records] == [
        (n, records[n].timestamp, b"k", str(n).encode()) for n in range(5)
    ]
    assert [r.headers[0][0] for r in records] == ["fine", "fine", "\\xff\\xfe", "fine", "fine"]
    assert {r.headers[1] for r in records} == {("none", None)}


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_records_are_read(topics: Settings, codec):
    """Whatever codec a producer chose."""
    await produce(topics, codec)
    consumer = AIOKafkaConsumer(
        topics.topic(GAME_COMPLETED), **client_options(topics), auto_offset_reset="earliest",
        group_id=f"{topics.topic_prefix}{uuid.uuid4()}",
    )  # fmt: skip
    await consumer.start()
    try:
        records = [await consumer.getone() for _ in range(5)]
    finally:
        await consumer.stop()

    assert [r.value for r in records] == [b"0", b"1", b"2", b"3", b"4"]
