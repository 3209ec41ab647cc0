"""What Kafka and Redis say of how things stand: each partition's lag and where it is going; are they there at all?"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiokafka import TopicPartition
from redis.asyncio import Redis

from schemas import topics
from services.adapters.failures import REDIS_AWAY
from services.adapters.postgres.failures import Errors
from services.adapters.records import bounds_of, group_offsets, partitions_of, side_reader
from services.runtime.settings import Settings
from services.terminal.addresses import reaching_kafka

PATIENCE_SECONDS = 15.0
"""A cluster that takes longer to answer is away, as far as a glance is concerned."""
REDIS_PATIENCE_SECONDS = 2.0
_REDIS_UNUSABLE: Errors = (*REDIS_AWAY, ValueError)
"""ValueError: what is wrong with the address itself."""


async def lag(settings: Settings, trend_seconds: float) -> list[dict[str, Any]]:
    """Per partition of the incoming topics: what is retained and not yet committed by the group.

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
        late | {"per_second": round((late["lag"] - early["lag"]) / seconds, 1)}
        for early, late in zip(before, now, strict=True)
    ]


async def _look(settings: Settings, partitions: list[TopicPartition]) -> list[dict[str, Any]]:
    committed = await group_offsets(settings, settings.consumer_group)
    async with side_reader(settings) as consumer:
        bounds = await bounds_of(consumer, partitions)
    return [
        {
            "topic": partition.topic,
            "partition": partition.partition,
            "committed": committed.get(partition),
            "end": bounds[partition].end,
            "lag": max(
                0, bounds[partition].end - max(committed.get(partition, 0), bounds[partition].first)
            ),
            "per_second": None,
        }
        for partition in partitions
    ]


async def redis_version(settings: Settings) -> str | None:
    """What it calls itself, with its version; None if there is no address. Raises ConnectionError, one line."""
    if settings.redis_address is None:
        return None
    try:
        async with asyncio.timeout(REDIS_PATIENCE_SECONDS):
            async with Redis.from_url(settings.redis_address) as redis:
                info = await redis.info("server")
    except _REDIS_UNUSABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConnectionError(f"COUPONRY_REDIS_URL: cannot use Redis: {reason}") from None
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}"
