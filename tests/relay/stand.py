"""What the relay's tests stand on: rows put into an outbox, relays as processes, and what readers then see."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.topics import COUPON_ISSUED
from services.adapters.kafka import client_options, topic_specs
from services.relay.app import STOP_SECONDS, serve
from services.runtime.health import Health
from services.runtime.settings import Settings
from tests.stand.database import connected

COLUMNS = ("ce_time", "topic", "ce_type", "ce_id", "subject", "key", "value")


async def create_topics(settings: Settings, **config: str) -> None:
    """Create our topics, `coupon-issued` with this configuration (dots as underscores) instead of its own.

    Not by changing it afterwards: a change takes effect some time after the answer.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    special = {name.replace("_", "."): value for name, value in config.items()}
    try:
        await admin.create_topics(
            [
                NewTopic(
                    spec.name,
                    spec.partitions,
                    1,
                    topic_configs=special
                    if spec.name == settings.topic(COUPON_ISSUED)
                    else dict(spec.config),
                )
                for spec in topic_specs(settings)
            ]
        )
    finally:
        await admin.close()


async def queue(
    connection: asyncpg.Connection,
    names: Iterable[str],
    *,
    key: str | None = "customer",
    topic: str = COUPON_ISSUED,
    value: str = "{}",
) -> None:
    """Queue an event per name, which becomes its `ce_id`, in one transaction; nobody is notified."""
    now = await connection.fetchval("SELECT now()")
    rows = [(now, topic, "coupon.issued", name, "coupon", key, value) for name in names]
    await connection.copy_records_to_table(
        "outbox", schema_name="couponry", columns=COLUMNS, records=rows
    )


async def write(settings: Settings, writer: str, rows: int, start: int = 0) -> list[str]:
    """Queue `rows` events as one issuer would: transactions of up to 60, some slow to commit, three customers."""
    dice = random.Random(writer)
    names: list[str] = []
    async with connected(settings) as connection:
        while len(names) < rows:
            async with connection.transaction():
                for customer in dice.sample(range(3), 3):
                    some = [f"{writer}{customer}:{start + len(names) + n:06}" for n in range(20)]
                    await queue(connection, some, key=f"{writer}{customer}")
                    names += some
                await connection.fetchval("SELECT pg_sleep($1)", dice.random() * 0.02)
            await connection.execute("NOTIFY couponry_outbox")
    return names


async def write_two(settings: Settings, rows: int, start: int = 0) -> list[str]:
    """Two such writers side by side, so that lower ids commit after higher ones; half of the rows each."""
    written = await asyncio.gather(*(write(settings, writer, rows // 2, start) for writer in "ab"))
    return [name for names in written for name in names]


async def is_drained(connection: asyncpg.Connection) -> bool:
    """Is nothing left in the outbox but what was set aside?"""
    found = await connection.fetchval("SELECT count(*) FROM outbox WHERE refused IS NULL")
    return bool(found == 0)


async def published(
    settings: Settings, *topics: str, isolation: str = "read_committed", settled: bool = True
) -> list[ConsumerRecord]:
    """Every record of these topics (ours, without prefix) that such a reader sees up to now.

    `settled`: first let every transaction end; a commit is answered before its markers are written.
    """
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        isolation_level=isolation,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        names = [settings.topic(topic) for topic in topics or (COUPON_ISSUED,)]
        await consumer._client.set_topics(names)
        partitions = [
            TopicPartition(name, number)
            for name in names
            for number in sorted(consumer.partitions_for_topic(name) or ())
        ]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        seen: list[ConsumerRecord] = []
        if settled:
            ends = await _high_watermarks(settings, partitions)
        while [
            partition
            for partition in partitions
            if await consumer.position(partition) < ends[partition]
        ]:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                seen += records
        return seen
    finally:
        await consumer.stop()


async def _high_watermarks(
    settings: Settings, partitions: list[TopicPartition]
) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    await consumer.start()
    try:
        found: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return found
    finally:
        await consumer.stop()


def ce_id(record: ConsumerRecord) -> str:
    """The id of a published event."""
    return str(dict(record.headers)["ce_id"], "utf-8")


def assert_once_and_in_order(records: Iterable[ConsumerRecord], names: Iterable[str]) -> None:
    """Exactly these events, each once, and each customer's in the order in which they were written."""
    seen = Counter(map(ce_id, records))
    expected = set(names)
    assert sorted(name for name, times in seen.items() if times > 1) == [], "published twice"
    assert sorted(expected - seen.keys()) == [], "never published"
    assert sorted(seen.keys() - expected) == [], "nobody queued these"
    by_key: dict[bytes, list[str]] = defaultdict(list)
    for record in records:
        by_key[record.key].append(ce_id(record))
    assert all(ids == sorted(ids) for ids in by_key.values()), "out of order"


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Health]:
    """Run a relay in this process, and tell it to stop at the end of the block."""
    health = Health("relay")
    work = asyncio.create_task(serve(settings, health), name="relay")
    try:
        yield health
    finally:
        health.stopping.set()
        await asyncio.wait_for(work, 2 * STOP_SECONDS)
