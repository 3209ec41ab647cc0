"""Kafka frozen, killed and started again under a working issuer: red meanwhile, and every event decided once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.adapters.kafka import ensure_topics
from services.local.kafka import BROKER_SETTINGS
from services.local.servers import Servers, start_servers
from services.runtime.settings import Settings
from tests.stand.feed import feed, finished
from tests.stand.issuing import a_game, audit, count
from tests.stand.processes import issuer
from tests.stand.records import completed
from tests.stand.waiting import eventually

BROKER_SESSION_SECONDS = int(BROKER_SETTINGS["broker.session.timeout.ms"]) / 1000 + 1
"""A little more than the controller allows its brokers."""


@pytest.fixture
async def own_kafka(settings: Settings) -> AsyncIterator[Servers]:
    """A broker that nobody else uses."""
    own = await start_servers(
        settings.model_copy(update={"kafka_bootstrap_servers": None}), want=("kafka",)
    )
    yield own
    await own.stop()


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_issuer_outlives_its_broker(
    settings: Settings, own_kafka: Servers, database: asyncpg.Connection, partner_id: int
) -> None:
    """A broker that is frozen, then killed, costs time only; the issuer says what it waits for."""
    settings = own_kafka.settings(settings).model_copy(update={"batch_max_records": 50})
    await ensure_topics(settings)
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    pid = own_kafka.pids["kafka"]
    assert pid
    async with issuer(settings) as running:
        await running.ready()

        async def red() -> bool:
            return "Kafka does not answer" in await running.complaint()

        for fault in (signal.SIGSTOP, signal.SIGKILL):
            await feed(
                settings,
                [
                    completed(f"{fault}-{n}", f"c-{n % 50}", partner_id=partner_id, game_id=game_id)
                    for n in range(3_000)
                ],
            )
            done = await count(database, "decisions")

            async def at_work(done: int = done) -> bool:
                return await count(database, "decisions") > done

            await eventually(at_work, "it is at work")
            os.kill(pid, fault)
            frozen_at = time.monotonic()
            await eventually(red, "it says what it waits for")
            if fault == signal.SIGSTOP:
                # Long enough for its controller to shut it out: then for a moment it answers and names no broker.
                await asyncio.sleep(BROKER_SESSION_SECONDS - (time.monotonic() - frozen_at))
                os.kill(pid, signal.SIGCONT)
            else:
                await own_kafka.processes.restart("kafka")
            await finished(settings)
            await eventually(running.is_ready, "nothing is wrong any more")
        assert await running.stopped() == 0

    assert await count(database, "decisions") == await count(database, "coupons") == 6_000
    await audit(database)
