"""The starting gun: records are on the topic, processes are up and idle, and everyone starts at the same word.

Every contestant reads committed records only. A transaction with one record in each partition is left open while the
load is written behind it, so nobody sees the load; ending the transaction (by abort, so that its own records are
never seen) releases all of it at once.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient

from bench.stage import Stage
from bench.workload import Workload, produce
from services.adapters.kafka import client_options

LONGEST_LOAD_SECONDS = 600
JOIN_SECONDS = 60
JOIN_STABLE_SECONDS = 1.0
POLL_SECONDS = 0.1


@asynccontextmanager
async def held_back(stage: Stage) -> AsyncIterator[None]:
    """What is produced to `game-completed` within the block becomes readable when it is left."""
    gate_options = {
        "transactional_id": stage.settings.topic(f"gate-{secrets.token_hex(4)}"),
        "transaction_timeout_ms": LONGEST_LOAD_SECONDS * 1000,
    }
    async with stage.producer(**gate_options) as gate:
        partitions = sorted(await gate.partitions_for(stage.completed))
        await gate.begin_transaction()
        for partition in partitions:
            await gate.send_and_wait(stage.completed, b"held back", partition=partition)
        try:
            yield
        finally:
            await gate.abort_transaction()


async def load(stage: Stage, workload: Workload) -> None:
    async with stage.producer(
        enable_idempotence=True, linger_ms=20, max_batch_size=256 * 1024
    ) as producer:
        await produce(producer, stage.completed, workload)


async def joined(stage: Stage, group: str, members: int, check: Callable[[], None]) -> None:
    """Wait until the group has at least this many members and has kept them for a second."""
    admin = AIOKafkaAdminClient(**client_options(stage.settings))
    await admin.start()
    stable_since: float | None = None
    deadline = time.perf_counter() + JOIN_SECONDS
    try:
        while stable_since is None or time.perf_counter() - stable_since < JOIN_STABLE_SECONDS:
            check()
            if time.perf_counter() > deadline:
                raise TimeoutError(
                    f"{group}: {members} members have not joined within {JOIN_SECONDS} s"
                )
            (answer,) = await admin.describe_consumer_groups([group])
            _, _, state, _, _, present, *_ = answer.groups[0]
            if state != "Stable" or len(present) < members:
                stable_since = None
            elif stable_since is None:
                stable_since = time.perf_counter()
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await admin.close()
