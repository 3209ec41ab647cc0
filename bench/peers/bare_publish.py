"""The least that a transactional publisher can do: per poll one Kafka transaction with a message per record read.

No database, no rule, no offsets committed: the yardstick for latency. The message is as long as a `coupon.issued`
and names its cause in the same place, so that the same reader measures both.
"""

from __future__ import annotations

import asyncio

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.peers.wiring import Wiring, stop_on_signal, wiring

MESSAGE_BYTES = 594
"""Length of this workload's `coupon.issued` data; test_workload holds the two together."""


async def serve(outside: Wiring) -> None:
    stopping = stop_on_signal()
    consumer = AIOKafkaConsumer(
        outside.completed_topic,
        bootstrap_servers=outside.kafka,
        group_id=outside.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=outside.kafka, transactional_id=outside.group, acks="all"
    )
    await producer.start()
    await consumer.start()
    while not stopping.is_set():
        polled = await consumer.getmany(timeout_ms=200, max_records=2_000)
        if not polled:
            continue
        async with producer.transaction():
            sent = [
                await producer.send(outside.issued_topic, message(record.headers), key=record.key)
                for batch in polled.values()
                for record in batch
            ]
            await asyncio.gather(*sent)
    await consumer.stop()
    await producer.stop()


def message(headers: tuple[tuple[str, bytes], ...]) -> bytes:
    cause = {"id": dict(headers)["ce_id"].decode()}
    return orjson.dumps({"cause": cause}).ljust(MESSAGE_BYTES)


if __name__ == "__main__":
    uvloop.run(serve(wiring()))
