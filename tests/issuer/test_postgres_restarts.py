"""Postgres stopped, killed and started again under a working issuer: red meanwhile, and every event decided once."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from services.adapters.kafka import ensure_topics
from services.adapters.postgres.migrate import migrate
from services.adapters.postgres.pool import connect
from services.local.servers import Servers, start_servers
from services.runtime.settings import Settings
from tests.stand.feed import feed, finished
from tests.stand.issuing import a_game, a_partner, audit, count
from tests.stand.processes import issuer
from tests.stand.records import completed, poison
from tests.stand.waiting import eventually


@pytest.fixture
async def own_postgres(servers: Settings, run_dir: Path) -> AsyncIterator[Servers]:
    """A Postgres that nobody else uses."""
    alone = servers.model_copy(
        update={
            "postgres_dsn": None,
            "state_dir": run_dir / "own",
            "topic_prefix": f"{run_dir.name}-",
        }
    )
    own = await start_servers(alone, want=("postgres",))
    yield own
    await own.stop()


async def test_issuer_outlives_its_database(
    servers: Settings, own_postgres: Servers, run_dir: Path
) -> None:
    """A fast stop, a crash, and a start of the issuer before its database: it waits, says so, and loses nothing."""
    settings = own_postgres.settings(servers).model_copy(
        update={"topic_prefix": f"{run_dir.name}-", "batch_max_records": 50}
    )
    await migrate(settings)
    await ensure_topics(settings)
    connection = await connect(settings, "test")
    partner_id = await a_partner(connection)
    game_id = await a_game(connection, partner_id, allow_multiple_active_coupons=True)
    await connection.close()

    async def stop() -> None:
        await own_postgres.processes.stop(["postgres"])

    async def crash() -> None:
        pid = own_postgres.pids["postgres"]
        assert pid
        os.kill(pid, signal.SIGQUIT)
        await own_postgres.processes.ended("postgres")

    async with issuer(settings) as running:
        await running.ready()

        async def red() -> bool:
            return "waiting for a server" in await running.complaint()

        for number, fault in enumerate((stop, crash)):
            events = [
                completed(f"{number}-{n}", f"c-{n % 50}", partner_id=partner_id, game_id=game_id)
                for n in range(3_000)
            ]
            await feed(settings, [*events, *poison(5)])
            done = await running.metric("couponry_decisions_total")

            async def at_work(done: float = done) -> bool:
                return await running.metric("couponry_decisions_total") > done

            await eventually(at_work, "it is at work")
            await fault()
            await eventually(red, "it says what it waits for")
            await own_postgres.processes.restart("postgres")
            await finished(settings)
            await eventually(running.is_ready, "nothing is wrong any more")

        async def says(words: str) -> bool:
            return words in await running.complaint()

        # With nothing to decide it hears of both by asking.
        admin = await connect(settings, "test", role=None)
        for value, heard in (("on", partial(says, "refuses writes")), ("off", running.is_ready)):
            await admin.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            await admin.execute("SELECT pg_reload_conf()")
            await eventually(heard, "it has heard")
        await admin.close()
        await stop()
        await eventually(partial(says, "Postgres does not answer"), "it has heard")
        await feed(settings, [completed("last", partner_id=partner_id, game_id=game_id)])
        await eventually(red, "it says what it waits for")
        began = time.monotonic()
        assert await running.stopped() == 0
        assert time.monotonic() - began < 30

    async with issuer(settings) as early:

        async def waits() -> bool:
            return "waiting for a server" in await early.complaint()

        await eventually(waits, "it says what it waits for")
        await own_postgres.processes.restart("postgres")
        await finished(settings)
        await early.ready()
        assert await early.stopped() == 0

    connection = await connect(settings, "test")
    assert await count(connection, "decisions") == await count(connection, "coupons") == 6_001
    assert await count(connection, "dead_letters") == 10
    await audit(connection)
    await connection.close()
