"""Both ends of the demo's Kafka: a partner's game service that sends, a notification service that listens.

Ordinary clients, as the README shows them: the one keys by customer and waits for acknowledgements, the other reads
committed records.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from schemas.topics import COUPON_ISSUED, DEAD_LETTERS, GAME_COMPLETED, ISSUANCE_DECLINED
from services.adapters.kafka import client_options
from services.runtime.settings import Settings
from services.stage.demo.ledger import Ledger
from services.stage.demo.records import ISSUED, TAG, Fate, Record

CHUNK_RECORDS = 500
STAGE_HEADER = "__connect.errors.stage"


class GameService:
    """Sends records and notes them in the ledger. `ends`: the offset after the last one sent, by partition."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, ledger: Ledger) -> None:
        self._producer = producer
        self._topic = topic
        self._ledger = ledger
        self.ends: dict[TopicPartition, int] = {}

    async def send(self, records: Iterable[Record], *, per_second: int | None = None) -> None:
        """Send all and wait for their acknowledgements: at this steady rate, or as fast as it goes."""
        began = time.perf_counter()
        waiting = []
        for number, record in enumerate(records):
            if per_second and (early := began + number / per_second - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            self._ledger.send(record, time.perf_counter())
            waiting.append(
                await self._producer.send(
                    self._topic, record.value, key=record.key, headers=record.headers
                )
            )
            if len(waiting) == CHUNK_RECORDS:
                await self._acknowledged(waiting)
                waiting = []
        await self._acknowledged(waiting)

    async def _acknowledged(self, waiting: list[asyncio.Future[object]]) -> None:
        for future in waiting:
            sent: Any = await future
            partition = TopicPartition(sent.topic, sent.partition)
            self.ends[partition] = max(self.ends.get(partition, 0), sent.offset + 1)


@asynccontextmanager
async def game_service(settings: Settings, ledger: Ledger) -> AsyncIterator[GameService]:
    """A connected producer."""
    producer = AIOKafkaProducer(
        **client_options(settings), client_id="demo-games", enable_idempotence=True
    )
    try:
        await producer.start()
        yield GameService(producer, settings.topic(GAME_COMPLETED), ledger)
    finally:
        await producer.stop()


@asynccontextmanager
async def listener(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that stands at the end of what the service publishes: everything from now on."""
    topics = (COUPON_ISSUED, ISSUANCE_DECLINED, DEAD_LETTERS)
    consumer = AIOKafkaConsumer(
        *(settings.topic(name) for name in topics),
        **client_options(settings),
        client_id="demo-notifications",
        group_id=None,
        auto_offset_reset="latest",
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        await consumer.seek_to_end()
        yield consumer
    finally:
        await consumer.stop()


async def listen(consumer: AIOKafkaConsumer, tags: str, ledger: Ledger) -> None:
    """Note the outcome of every record whose tag begins so, until cancelled."""
    while True:
        polled = await consumer.getmany(timeout_ms=200)
        at = time.perf_counter()
        for records in polled.values():
            for record in records:
                tag, fate = outcome(record)
                if tag.startswith(tags):
                    ledger.see(tag, fate, at)
                    if fate is ISSUED:
                        ledger.show(orjson.loads(record.value), at)


def outcome(record: ConsumerRecord) -> tuple[str, Fate]:
    """Whose outcome a published record tells, and which. A record of somebody else has an empty tag."""
    headers = dict(record.headers)
    if stage := headers.get(STAGE_HEADER):
        return headers.get(TAG, b"").decode(), Fate("dead", stage.decode())
    data = orjson.loads(record.value)
    if "reason" in data:
        return data["cause"]["id"], Fate("declined", data["reason"])
    return data["cause"]["id"], ISSUED
