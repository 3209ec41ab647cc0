"""What the issuer relies on in FastStream, aiokafka, asyncpg and Postgres, each held by one test on real servers.

When an upgrade turns one of these red, the code that relies on it has to change with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from schemas.topics import COUPON_ISSUED, GAME_COMPLETED
from services.adapters.kafka import broker_options, client_options
from services.adapters.postgres.failures import Kind, kind_of
from services.adapters.postgres.pool import connect
from services.issuer.app import _raw, _raw_body
from services.runtime.settings import Settings
from tests.stand.waiting import eventually

Handler = Callable[[KafkaMessage], Awaitable[Any]]


@asynccontextmanager
async def consumer(settings: Settings, **changes: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of the incoming topic, in the issuer's group, as the issuer's lanes have it."""
    options = {
        "group_id": settings.consumer_group,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "session_timeout_ms": 6_000,
    } | changes
    made = AIOKafkaConsumer(settings.topic(GAME_COMPLETED), **client_options(settings), **options)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def subscribed(settings: Settings, handler: Handler, **changes: Any) -> AsyncIterator[Any]:
    """FastStream with one batch subscriber as the issuer has it; yields the subscriber."""
    options = {
        "batch": True,
        "group_id": settings.consumer_group,
        "auto_offset_reset": "earliest",
        "ack_policy": AckPolicy.MANUAL,
        "no_reply": True,
        "parser": _raw,
        "decoder": _raw_body,
        "batch_timeout_ms": 10,
    } | changes
    broker = KafkaBroker(
        **broker_options(settings),
        allow_auto_create_topics=False,
        apply_types=False,
        logger=None,
        graceful_timeout=5.0,
    )
    subscriber: Any = broker.subscriber(settings.topic(GAME_COMPLETED), **options)  # type: ignore[call-overload]
    subscriber(handler)
    await broker.start()
    try:
        yield subscriber
    finally:
        await broker.stop()


async def send(settings: Settings, *values: bytes, partition: int = 0, **more: Any) -> None:
    """Put records into one partition of the incoming topic."""
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        for value in values:
            await producer.send_and_wait(
                settings.topic(GAME_COMPLETED), value, partition=partition, **more
            )


async def poll(source: AIOKafkaConsumer, count: int, **options: Any) -> list[ConsumerRecord]:
    """Poll until so many records have come."""
    found: list[ConsumerRecord] = []

    async def enough() -> bool:
        for records in (await source.getmany(timeout_ms=100, **options)).values():
            found.extend(records)
        return len(found) >= count

    await eventually(enough, f"{count} records come")
    return found


async def test_raw_parser_sees_records_whose_headers_no_parser_reads(topics: Settings) -> None:
    """With our parser a bad header is one record's affair; with the framework's own the handler is never called."""
    seen: list[ConsumerRecord] = []

    async def handle(message: KafkaMessage) -> None:
        seen.extend(message.raw_message)

    async def all_three() -> bool:
        return len(seen) == 3

    headers = [("content-type", b"\xff"), ("correlation_id", b"\xff"), ("x", None)]
    await send(topics, b"1", b"\xff", b"{}", headers=headers)
    async with subscribed(topics, handle):
        await eventually(all_three, "the records come")
    assert [record.headers[0] for record in seen] == [("content-type", b"\xff")] * 3


async def test_handler_that_raises_is_swallowed_and_its_records_are_skipped(
    topics: Settings,
) -> None:
    """Why a lane never raises: the framework logs, goes on with the next poll, and a later commit would pass over it."""
    polls: list[list[int]] = []

    async def handle(message: KafkaMessage) -> None:
        polls.append([record.offset for record in message.raw_message])
        raise ValueError("a bug")

    async def polled(times: int) -> bool:
        return len(polls) == times

    async with subscribed(topics, handle):
        for number in range(2):
            await send(topics, b"x")
            await eventually(partial(polled, number + 1), "the next record comes")
    assert polls == [[0], [1]]


async def test_manual_policy_commits_nothing_by_itself(topics: Settings) -> None:
    """Neither after a handler that returned nor when the subscriber stops."""
    handled = asyncio.Event()

    async def handle(_: KafkaMessage) -> None:
        handled.set()

    await send(topics, b"x")
    async with subscribed(topics, handle):
        await asyncio.wait_for(handled.wait(), 20)
    async with consumer(topics) as after:
        assert await after.committed(TopicPartition(topics.topic(GAME_COMPLETED), 0)) is None


async def test_subscribers_consumer_is_there_before_its_first_poll(topics: Settings) -> None:
    """A lane asks its subscriber for the consumer in every poll, the first included."""
    found: list[Any] = []

    async def handle(_: KafkaMessage) -> None:
        found.append(holder[0].consumer)

    async def one() -> bool:
        return bool(found)

    await send(topics, b"x")
    holder: list[Any] = []
    broker = KafkaBroker(**broker_options(topics), apply_types=False, logger=None)
    for number in range(3):
        subscriber = broker.subscriber(
            topics.topic(GAME_COMPLETED), batch=True, group_id=f"{topics.consumer_group}-{number}",
            auto_offset_reset="earliest", ack_policy=AckPolicy.MANUAL, parser=_raw, decoder=_raw_body,
        )  # fmt: skip
        subscriber(handle if number == 0 else _ignore)
        holder.append(subscriber)
    await broker.start()
    await eventually(one, "the record comes")
    assert found == [holder[0].consumer]
    await broker.stop()


async def _ignore(_: KafkaMessage) -> None:
    """Take a poll and do nothing."""


async def test_stop_waits_for_the_batch_in_hand(topics: Settings) -> None:
    """And leaves it its consumer, so that its offsets can still be committed."""
    partition = TopicPartition(topics.topic(GAME_COMPLETED), 0)
    begun = asyncio.Event()
    ended: list[bool] = []

    async def handle(_: KafkaMessage) -> None:
        begun.set()
        await asyncio.sleep(0.5)  # the work of a batch, cut short if the stop does not wait
        await subscriber.consumer.commit({partition: 1})
        ended.append(True)

    await send(topics, b"x")
    async with subscribed(topics, handle) as subscriber:
        await asyncio.wait_for(begun.wait(), 20)
    assert ended
    async with consumer(topics) as after:
        assert await after.committed(partition) == 1


async def test_reply_is_not_sent_wherever_a_record_asks(topics: Settings) -> None:
    """`no_reply`: without it anybody could make the issuer publish to a topic of ours by naming it in a header."""
    handled = asyncio.Event()

    async def handle(message: KafkaMessage) -> str:
        handled.set()
        return "an answer"

    await send(topics, b"x", headers=[("reply_to", topics.topic(COUPON_ISSUED).encode())])
    async with subscribed(topics, handle):
        await asyncio.wait_for(handled.wait(), 20)
    answers = TopicPartition(topics.topic(COUPON_ISSUED), 0)
    async with consumer(topics) as after:
        assert await after.end_offsets([answers]) == {answers: 0}


async def test_poll_after_seek_begins_there(topics: Settings) -> None:
    """Also when records beyond have been fetched already: what a lane does with a batch it could not store."""
    await send(topics, *(b"%d" % number for number in range(20)))
    async with consumer(topics) as source:
        assert [record.offset for record in await poll(source, 5, max_records=5)] == [0, 1, 2, 3, 4]
        source.seek(TopicPartition(topics.topic(GAME_COMPLETED), 0), 2)
        assert [record.offset for record in await poll(source, 5, max_records=5)] == [2, 3, 4, 5, 6]


async def test_poll_does_not_mix_up_a_partitions_order_or_pass_its_limit(topics: Settings) -> None:
    """`max_records` bounds a poll over all partitions, and each one's records come in order without a hole."""
    for partition in range(4):
        await send(topics, *(b"x" for _ in range(15)), partition=partition)
    offsets: dict[int, list[int]] = {}
    async with consumer(topics) as source:
        while sum(map(len, offsets.values())) < 60:
            polled = await source.getmany(timeout_ms=100, max_records=7)
            assert sum(map(len, polled.values())) <= 7
            for partition, records in polled.items():
                offsets.setdefault(partition.partition, []).extend(
                    record.offset for record in records
                )
    assert offsets == {partition: list(range(15)) for partition in range(4)}


async def test_paused_partition_is_not_returned_not_even_what_was_fetched(topics: Settings) -> None:
    """What the brake stops stays stopped, and a resume brings every record of it."""
    for partition in range(2):
        await send(topics, *(b"x" for _ in range(10)), partition=partition)
    first = TopicPartition(topics.topic(GAME_COMPLETED), 0)
    async with consumer(topics) as source:
        seen = await poll(source, 1, max_records=1)
        source.pause(first)
        source.seek(first, 0)
        more = await poll(source, 10 - sum(record.partition == 1 for record in seen))
        assert {record.partition for record in more} == {1}
        assert await source.getmany(timeout_ms=300) == {}
        source.resume(first)
        assert [record.offset for record in await poll(source, 10)] == list(range(10))


async def test_commit_of_a_partition_that_is_gone_raises(topics: Settings) -> None:
    """Asked for a partition of somebody else the client refuses, with an error that a lane catches."""
    async with consumer(topics) as one, consumer(topics) as other:

        async def shared() -> bool:
            await asyncio.gather(one.getmany(timeout_ms=50), other.getmany(timeout_ms=50))
            return len(one.assignment()) == len(other.assignment()) == 2

        await eventually(shared, "both have their half")
        (lost, *_) = other.assignment()
        with pytest.raises(IllegalStateError):
            await one.commit({lost: 1})
        with pytest.raises(IllegalStateError):
            one.seek(lost, 1)
        assert issubclass(IllegalStateError, KafkaError)
        assert issubclass(CommitFailedError, KafkaError)


async def test_new_owner_begins_at_what_was_committed(topics: Settings) -> None:
    """After a rebalance a consumer forgets its own position, so uncommitted records come to the new owner."""
    await send(topics, *(b"x" for _ in range(10)))
    partition = TopicPartition(topics.topic(GAME_COMPLETED), 0)
    async with consumer(topics) as one:
        await poll(one, 10)
        await one.commit({partition: 4})
    async with consumer(topics) as other:
        assert [record.offset for record in await poll(other, 6)] == list(range(4, 10))


async def test_consumer_slower_than_its_limit_leaves_the_group(topics: Settings) -> None:
    """An overlong batch is taken over by the next owner, and its own commit fails with an error a lane catches."""
    await send(topics, b"x")
    partition = TopicPartition(topics.topic(GAME_COMPLETED), 0)
    async with consumer(topics, max_poll_interval_ms=500, heartbeat_interval_ms=100) as slow:
        (record,) = await poll(slow, 1)
        async with consumer(topics) as heir:
            assert [r.offset for r in await poll(heir, 1)] == [record.offset]
            with pytest.raises(KafkaError):
                await slow.commit({partition: record.offset + 1})


async def test_reader_of_committed_records_does_not_see_aborted_ones(topics: Settings) -> None:
    """A producer's aborted transaction never reaches the rules; its offsets are holes."""
    topic = topics.topic(GAME_COMPLETED)
    async with AIOKafkaProducer(
        **client_options(topics), transactional_id=f"{topic}-t"
    ) as producer:
        for fate in (producer.abort_transaction, producer.commit_transaction):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, fate.__name__.encode(), partition=0)
            await fate()
    async with consumer(topics) as source:
        (record,) = await poll(source, 1)
        assert record.value == b"commit_transaction"
        assert record.offset == 2  # after the aborted record and its marker


async def test_broker_stamps_records_with_its_own_clock(topics: Settings) -> None:
    """The order of a customer's events follows arrival, whatever time a producer claims."""
    await send(topics, b"x", timestamp_ms=1_000)
    async with consumer(topics) as source:
        (record,) = await poll(source, 1)
    assert abs(record.timestamp / 1000 - time.time()) < 60


async def test_fetches_are_bounded_in_records_and_bytes(topics: Settings) -> None:
    """The issuer's consumers keep no more than this in memory, however long the topic is."""
    from services.adapters.postgres.clock import OWN_CLOCK
    from services.issuer.app import _broker
    from services.runtime.health import Health

    broker, lanes = _broker(topics, None, None, Health("issuer"), OWN_CLOCK, asyncio.Future())  # type: ignore[arg-type]
    await broker.start()
    try:
        for lane in lanes:
            fetcher = lane.consumer._fetcher  # type: ignore[union-attr]
            assert fetcher._fetch_max_bytes == topics.batch_max_bytes == 8 * 1024 * 1024
            assert fetcher._max_partition_fetch_bytes == 1024 * 1024
        assert [getattr(each, "max_records", None) for each in broker.subscribers] == [
            topics.batch_max_records
        ] * 2
    finally:
        await broker.stop()


async def test_conflicting_insert_takes_the_instant_after_its_wait(
    settings: Settings, database: asyncpg.Connection
) -> None:
    """ON CONFLICT DO UPDATE … RETURNING evaluates the clock once it has the row, not when it began to wait for it."""
    upsert = (
        "INSERT INTO customers AS known (partner_id, customer_id, last_at)"
        " VALUES (1, 'anna', clock_timestamp()) ON CONFLICT (partner_id, customer_id)"
        " DO UPDATE SET last_at = greatest(known.last_at, clock_timestamp()) RETURNING last_at"
    )
    other = await connect(settings, "test")
    try:
        async with other.transaction():
            await other.fetchval(upsert)
            waiting = asyncio.create_task(database.fetchval(upsert))
            await asyncio.sleep(
                0.2
            )  # not to wait for anything: to let time pass that must not be counted
            before_release = await other.fetchval("SELECT clock_timestamp()")
        assert await waiting > before_release
    finally:
        await other.close()


async def test_new_statement_sees_what_was_committed_during_a_wait(
    settings: Settings, database: asyncpg.Connection
) -> None:
    """READ COMMITTED: after the customers' lock the state is read by statements of their own, and so is current."""
    other = await connect(settings, "test")
    try:
        await database.execute(
            "INSERT INTO customers (partner_id, customer_id, last_at) VALUES (1, 'anna', now())"
        )
        async with other.transaction():
            await other.execute("SELECT FROM customers FOR UPDATE")
            await other.execute(
                "INSERT INTO customers (partner_id, customer_id, last_at) VALUES (1, 'new', now())"
            )

            async def wait_and_count() -> int:
                async with database.transaction():
                    await database.execute(
                        "SELECT FROM customers WHERE customer_id = 'anna' FOR UPDATE"
                    )
                    return int(await database.fetchval("SELECT count(*) FROM customers"))

            waiting = asyncio.create_task(wait_and_count())

            async def blocked() -> bool:
                query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND $1 = ANY(pg_blocking_pids(pid))"
                return bool(await other.fetchval(query, other.get_server_pid()))

            await eventually(blocked, "the other transaction waits")
        assert await waiting == 2
    finally:
        await other.close()


async def test_copy_is_judged_by_constraints_and_rolled_back_whole(
    database: asyncpg.Connection,
) -> None:
    """A COPY that violates a rule leaves none of its rows."""
    rows = [(1, "anna", None)]
    with pytest.raises(asyncpg.NotNullViolationError) as violation:
        await database.copy_records_to_table(
            "customers",
            schema_name="couponry",
            columns=["partner_id", "customer_id", "last_at"],
            records=rows,
        )
    assert kind_of(violation.value) is Kind.FAULT
    assert await database.fetchval("SELECT count(*) FROM customers") == 0


async def test_notify_outside_a_transaction_reaches_listeners(
    settings: Settings, database: asyncpg.Connection
) -> None:
    """The relay is woken by a statement of its own, after the commit."""
    heard = asyncio.Event()
    listener = await connect(settings, "test")
    await listener.add_listener("couponry_outbox", lambda *_: heard.set())
    await database.execute("NOTIFY couponry_outbox")
    await asyncio.wait_for(heard.wait(), 10)
    await listener.close()
