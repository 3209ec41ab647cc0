"""The sweeper's other work: a loop on a connection of its own, which an outage delays and nothing waits for.

So no health check asks for it. Any number of sweepers may run.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import asyncpg

from services.adapters.postgres.failures import is_of_postgres
from services.adapters.postgres.pool import connect
from services.adapters.postgres.schema import require_schema
from services.runtime.backoff import pause
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.runtime.waiting import Waiting, keep_trying

log = logging.getLogger(__name__)

Turn = Callable[[asyncpg.Connection], Awaitable[float]]
"""One turn of the work; returns for how many seconds to rest."""


async def work_beside(
    settings: Settings, health: Health, turn: Turn, *, name: str, **overrides: str
) -> None:
    """Turn after turn until told to stop. `name` is that of its session, `overrides` are settings of it."""
    waiting = Waiting(name, log)

    async def work() -> None:
        await require_schema(settings)
        connection = await connect(settings, f"couponry-{name}", **overrides)
        try:
            while not health.stopping.is_set():
                seconds = await turn(connection)
                waiting.over()
                await pause(health.stopping, seconds)
        finally:
            await connection.close(timeout=5)

    await keep_trying(work, waiting.failed, is_outage=is_of_postgres, stopping=health.stopping)
