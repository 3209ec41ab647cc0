"""The sweeper's other work: keep the games' counters current, on a connection of its own.

Any number of sweepers may run: they take turns, and what one has counted no other counts again.
"""

from __future__ import annotations

import logging

from services.adapters.postgres.failures import is_of_postgres
from services.adapters.postgres.pool import connect
from services.adapters.postgres.schema import require_schema
from services.runtime.backoff import pause
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.runtime.waiting import Waiting, keep_trying
from services.sweeper.counters import count_once

INTERVAL_SECONDS = 15.0
"""A decision is noted within one interval and counted within the next: counters lag by half a minute at most."""

log = logging.getLogger(__name__)


async def count_until_stopped(settings: Settings, health: Health) -> None:
    """Pass after pass. An outage delays the counters and nothing else, so no health check asks for them."""
    waiting = Waiting("counting", log)

    async def work() -> None:
        await require_schema(settings)
        # The first pass over a database that has been at work for long takes what it takes.
        connection = await connect(settings, "couponry-counting", statement_timeout="0")
        try:
            while not health.stopping.is_set():
                await count_once(connection, settings.clock_offset)
                waiting.over()
                await pause(health.stopping, INTERVAL_SECONDS)
        finally:
            await connection.close(timeout=5)

    await keep_trying(work, waiting.failed, is_outage=is_of_postgres, stopping=health.stopping)
