"""Behaviours of aiokafka 0.14 and the broker that the relay relies on, or guards against."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, OutOfOrderSequenceNumber, for_code
from aiokafka.producer.message_accumulator import BatchBuilder

from schemas.topics import COUPON_ISSUED, DEAD_LETTERS
from services.adapters.kafka import client_options
from services.relay import progress
from services.relay.packing import Packed, Parcel
from services.relay.progress import last_published, name_of, progress_record, rows_named
from services.relay.publisher import InvalidRecordError, Publisher, open_publisher
from services.runtime.settings import Settings
from tests.relay.stand import create_topics, published


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """A transactional producer; `coupon-issued` takes no more than 1,000 bytes at once."""
    await create_topics(settings, max_message_bytes="1000")
    async with AIOKafkaProducer(
        **client_options(settings), transactional_id=settings.transactional_id
    ) as started:
        yield started


def _batch(producer: AIOKafkaProducer, value: bytes | None, key: bytes | None = b"key") -> object:
    builder = producer.create_batch()
    builder.append(timestamp=None, key=key, value=value)
    return builder


async def test_aiokafka_commits_a_transaction_in_which_a_send_failed(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    """That is why the future of every send is awaited first."""
    name = settings.topic(COUPON_ISSUED)
    await producer.begin_transaction()
    good = await producer.send_batch(_batch(producer, b"good"), name, partition=0)
    bad = await producer.send_batch(_batch(producer, bytes(2000)), name, partition=1)
    await producer.commit_transaction()
    await good
    with pytest.raises(MessageSizeTooLargeError):
        await bad
    assert [record.value for record in await published(settings)] == [b"good"]


async def test_failed_send_leaves_a_gap_in_the_sequence(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    """That is why a producer is thrown away after any error."""
    name = settings.topic(COUPON_ISSUED)
    await producer.begin_transaction()
    await (await producer.send_batch(_batch(producer, b"first"), name, partition=0))
    with pytest.raises(MessageSizeTooLargeError):
        await (await producer.send_batch(_batch(producer, bytes(2000)), name, partition=0))
    with pytest.raises(OutOfOrderSequenceNumber):
        await (await producer.send_batch(_batch(producer, b"next"), name, partition=0))
    await producer.abort_transaction()
    assert await published(settings) == []
    assert len(await published(settings, isolation="read_uncommitted")) == 1


async def test_record_batches_built_by_hand_belong_to_the_transaction(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    """Several for one partition keep their order; unseen until the commit, null keys and values included."""
    name = settings.topic(DEAD_LETTERS)
    await producer.begin_transaction()
    builders = [_batch(producer, b"1"), _batch(producer, b"2"), _batch(producer, None, None)]
    futures = [await producer.send_batch(one, name, partition=0) for one in builders]
    for future in futures:
        await future
    assert await published(settings, DEAD_LETTERS, settled=False) == []
    await producer.commit_transaction()
    records = await published(settings, DEAD_LETTERS)
    assert [record.value for record in records] == [b"1", b"2", None]


def test_builder_takes_one_record_of_any_size_and_then_says_when_it_is_full() -> None:
    """So a large row travels alone instead of being lost."""
    builder = BatchBuilder(1000, 0, is_transactional=True)
    assert builder.append(timestamp=None, key=None, value=bytes(5000)) is not None
    assert builder.append(timestamp=None, key=None, value=b"") is None


def test_refusal_that_aiokafka_does_not_know_has_a_name() -> None:
    """INVALID_RECORD would pass as an unknown error, to be tried for ever."""
    assert for_code(87) is InvalidRecordError
    assert not InvalidRecordError.retriable


def _packed(publisher: Publisher, *ids: int) -> Packed:
    producer = publisher._producer
    builder = producer.create_batch()
    for id in ids:
        builder.append(timestamp=None, key=b"key", value=b"", headers=[("ce_id", str(id).encode())])
    names = [name_of(str(id).encode()) for id in ids]
    parcel = Parcel(topic=COUPON_ISSUED, partition=0, builder=builder, ids=[*ids], names=names)
    return Packed(parcels=[parcel])


async def test_new_publisher_fences_the_old_one_and_ends_its_transaction(topics: Settings) -> None:
    """What the old one had sent stays unseen, and it cannot commit, or begin anew."""
    database = uuid4()
    async with open_publisher(topics) as old:
        await old.publish(_packed(old, 1, 2), database)
        producer = old._producer
        await producer.begin_transaction()
        await old._send(_packed(old, 3).parcels)
        async with open_publisher(topics) as new:
            assert list(await last_published(topics, database)) == [1, 2]
            with pytest.raises(KafkaError):
                await producer.commit_transaction()
            with pytest.raises(KafkaError):
                await old.publish(_packed(old, 3), database)
            await new.publish(_packed(new, 3), database)
            assert list(await last_published(topics, database)) == [3]
            assert list(await last_published(topics, uuid4())) == []
    assert len(await published(topics)) == 3


async def test_progress_is_found_among_aborted_records_and_markers(topics: Settings) -> None:
    """The log may end with markers and aborted batches, which no reader is ever given."""
    database = uuid4()
    assert list(await last_published(topics, database)) == []
    for number in range(3):
        async with open_publisher(topics) as publisher:
            await publisher.publish(_packed(publisher, number), database)
            await publisher._producer.begin_transaction()
            await publisher._send([publisher._progress(_packed(publisher, 99), database)])
    async with open_publisher(topics):
        assert list(await last_published(topics, database)) == [2]


async def test_progress_of_a_database_is_found_however_far_back(
    topics: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another database has written more since than the tail that is looked through first."""
    monkeypatch.setattr(progress, "TAIL_OFFSETS", 2)
    quiet, busy = uuid4(), uuid4()
    async with open_publisher(topics) as publisher:
        await publisher.publish(_packed(publisher, 1), quiet)
        for number in range(2, 5):
            await publisher.publish(_packed(publisher, number), busy)
    assert list(await last_published(topics, quiet)) == [1]
    assert list(await last_published(topics, busy)) == [4]


def test_progress_names_rows_by_what_they_say() -> None:
    """And what an older release wrote is read as it meant it."""
    database, names = uuid4(), [name_of(b"a.issued"), name_of(b"orders:0:7")]
    _, value = progress_record(database, [7, 9], names)
    assert rows_named(value) == {7: names[0], 9: names[1]}
    assert rows_named(b'{"database":"x","outbox_ids":[7,9]}') == {7: None, 9: None}
    assert rows_named(progress_record(database, [], [])[1]) == {}
