"""A good hand-written service: aiokafka, one PL/pgSQL call per event, 32 in flight, an outbox publisher.

Offsets are committed when everything before them is decided. Calls run on a pool of 32 connections, so that Postgres
flushes many commits at once; the function orders events of one customer among themselves. The publisher is a second
task of the same process: it takes outbox rows, sends them, and deletes them once the brokers have them all
(at least once).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from bench.peers.wiring import (
    Wiring,
    issued_headers,
    new_code,
    stop_on_signal,
    wiring,
)

IN_FLIGHT = 32
POLL_RECORDS = 2_000
PUBLISH_ROWS = 1_000
OUTBOX_IDLE_SECONDS = 0.01

COMPLETE_GAME = "SELECT bench.complete_game($1, $2, $3, $4, $5, $6, $7, $8, $9)"
TAKE_OUTBOX = """
    DELETE FROM bench.outbox WHERE id IN (SELECT id FROM bench.outbox ORDER BY id LIMIT $1)
    RETURNING id, ce_id, key, value
"""


async def serve(outside: Wiring) -> None:
    stopping = stop_on_signal()
    pool = await asyncpg.create_pool(
        outside.postgres, min_size=IN_FLIGHT + 1, max_size=IN_FLIGHT + 1
    )
    consumer = AIOKafkaConsumer(
        outside.completed_topic,
        bootstrap_servers=outside.kafka,
        group_id=outside.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=outside.kafka, enable_idempotence=True, acks="all", linger_ms=5
    )
    await producer.start()
    await consumer.start()
    tasks = [
        asyncio.create_task(decide_for_ever(consumer, pool)),
        asyncio.create_task(publish_for_ever(producer, pool, outside.issued_topic)),
        asyncio.create_task(stopping.wait()),
    ]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    await consumer.stop()
    await producer.stop()
    await pool.close()
    for task in done:
        task.result()


async def decide_for_ever(consumer: AIOKafkaConsumer, pool: Any) -> None:
    while True:
        polled = await consumer.getmany(timeout_ms=200, max_records=POLL_RECORDS)
        if not polled:
            continue
        records = iter([record for batch in polled.values() for record in batch])
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(decide_some(records, pool))
        await consumer.commit(
            {partition: batch[-1].offset + 1 for partition, batch in polled.items()}
        )


async def decide_some(records: Iterator[ConsumerRecord], pool: Any) -> None:
    """One of the 32: takes the next record nobody has taken, until there is none."""
    async with pool.acquire() as connection:
        for record in records:
            headers = dict(record.headers)
            data = orjson.loads(record.value)
            await connection.execute(
                COMPLETE_GAME,
                headers["ce_source"].decode(),
                headers["ce_id"].decode(),
                datetime.fromisoformat(headers["ce_time"].decode()),
                data["partner_id"],
                data["game_id"],
                data["customer_id"],
                data.get("result", "won") == "won",
                uuid4(),
                new_code(),
            )


async def publish_for_ever(producer: AIOKafkaProducer, pool: Any, topic: str) -> None:
    async with pool.acquire() as connection:
        while True:
            async with connection.transaction():
                rows = await connection.fetch(TAKE_OUTBOX, PUBLISH_ROWS)
                sent = []
                for row in sorted(rows, key=lambda row: row["id"]):
                    coupon_id = row["ce_id"].partition(".")[0]
                    headers = issued_headers(coupon_id, orjson.loads(row["value"])["issued_at"])
                    sent.append(
                        await producer.send(
                            topic,
                            row["value"].encode(),
                            key=row["key"].encode(),
                            headers=[(name, text.encode()) for name, text in headers.items()],
                        )
                    )
                await asyncio.gather(*sent)
            if len(rows) < PUBLISH_ROWS:
                await asyncio.sleep(OUTBOX_IDLE_SECONDS)


if __name__ == "__main__":
    uvloop.run(serve(wiring()))
