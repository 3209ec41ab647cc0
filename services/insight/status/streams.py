"""What Kafka and Redis say of how things stand: each partition's lag and where it is going; are they there at all?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import topics
from services.adapters.failures import REDIS_AWAY
from services.adapters.postgres.failures import Errors
from services.adapters.records import (
    Bounds,
    bounds_of,
    group_offsets,
    partitions_of,
    side_reader,
    written,
)
from services.adapters.redis_client import RedisClient
from services.runtime.settings import Settings
from services.terminal.addresses import reaching_kafka

PATIENCE_SECONDS = 15.0
"""A cluster that takes longer to answer is away, as far as a glance is concerned."""
PEEK_SECONDS = 2.0
"""A partition that has not shown a record by then is taken for one that has some."""
PEEK_POLL_MS = 100
REDIS_PATIENCE_SECONDS = 2.0
_REDIS_UNUSABLE: Errors = (*REDIS_AWAY, ValueError)
"""ValueError: what is wrong with the address itself."""


async def lag(settings: Settings, trend_seconds: float) -> list[dict[str, Any]]:
    """Per partition of the incoming topics: what is retained and not yet committed by the group, markers
    of transactions not counted; `held` is how much lies behind a producer's transaction that is still open.

    With `trend_seconds`, looked at twice so far apart: `per_second` is how fast the lag grows. Raises CommandError.
    """
    with reaching_kafka(settings):
        async with asyncio.timeout(PATIENCE_SECONDS + trend_seconds):
            partitions = await partitions_of(
                settings, {settings.topic(name) for name in topics.INCOMING}
            )
            before, then = await _look(settings, partitions), time.monotonic()
            if not trend_seconds:
                return before
            await asyncio.sleep(trend_seconds)
            now, seconds = await _look(settings, partitions), time.monotonic() - then
    return [
        late
        | {
            "per_second": round((late["lag"] - early["lag"]) / seconds, 1),
            # Transactions come and go: what holds a partition is one that has let nothing pass in the meantime.
            "held": late["held"] if early["held"] and late["end"] == early["end"] else 0,
        }
        for early, late in zip(before, now, strict=True)
    ]


async def _look(settings: Settings, partitions: list[TopicPartition]) -> list[dict[str, Any]]:
    committed = await group_offsets(settings, settings.consumer_group)
    async with side_reader(settings) as consumer:
        bounds = await bounds_of(consumer, partitions)
        starts = {at: max(committed.get(at, 0), bounds[at].first) for at in partitions}
        empty = await _without_records(
            consumer, {at: start for at, start in starts.items() if start < bounds[at].end}, bounds
        )
    ends = await written(settings, partitions)
    return [
        {
            "topic": at.topic,
            "partition": at.partition,
            "committed": committed.get(at),
            "end": bounds[at].end,
            "lag": 0 if at in empty else max(0, bounds[at].end - starts[at]),
            "per_second": None,
            "held": max(0, ends[at] - bounds[at].end),
        }
        for at in partitions
    ]


async def _without_records(
    consumer: AIOKafkaConsumer,
    starts: dict[TopicPartition, int],
    bounds: Mapping[TopicPartition, Bounds],
) -> set[TopicPartition]:
    """Of partitions that do not end at these offsets, those with nothing behind but markers and aborted records."""
    if not starts:
        return set()
    consumer.assign(list(starts))
    for at, start in starts.items():
        consumer.seek(at, start)
    waiting, empty = set(starts), set()
    deadline = time.monotonic() + PEEK_SECONDS
    while waiting and time.monotonic() < deadline:
        polled = await consumer.getmany(*waiting, timeout_ms=PEEK_POLL_MS, max_records=1)
        for at in list(waiting):
            if polled.get(at):
                waiting.discard(at)
                consumer.pause(at)
            elif await consumer.position(at) >= bounds[at].end:
                waiting.discard(at)
                empty.add(at)
    return empty


async def redis_version(settings: Settings) -> str | None:
    """What it calls itself, with its version; None if there is no address. Raises ConnectionError, one line."""
    if settings.redis_address is None:
        return None
    try:
        # By the client's own patience: one that is cancelled on its way leaves its connection open.
        client = RedisClient(settings.redis_address, REDIS_PATIENCE_SECONDS)
        try:
            async with client.asking() as redis:
                info = await redis.info("server")
        finally:
            await client.close()
    except _REDIS_UNUSABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConnectionError(f"COUPONRY_REDIS_URL: cannot use Redis: {reason}") from None
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"
