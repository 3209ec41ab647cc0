"""The sweeper's other work: keep the games' counters current, on a connection of its own.

Any number of sweepers may run: they take turns, and what one has counted no other counts again.
"""

from __future__ import annotations

import logging

import asyncpg

from services.adapters.postgres.pool import OUTAGES, connect
from services.runtime.backoff import delays, pause
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.sweeper.counters import count_once

_OUTAGES: tuple[type[BaseException], ...] = (*OUTAGES, asyncpg.PostgresError)
INTERVAL_SECONDS = 15.0
"""A decision is noted within one interval and counted within the next: counters lag by half a minute at most."""

log = logging.getLogger(__name__)


async def count_until_stopped(settings: Settings, health: Health) -> None:
    """Pass after pass. An outage delays the counters and nothing else, so no health check asks for them."""
    waits = delays()
    while not health.stopping.is_set():
        try:
            # The first pass over a database that has been at work for long takes what it takes.
            connection = await connect(settings, "couponry-counting", statement_timeout="0")
            try:
                while not health.stopping.is_set():
                    await count_once(connection, settings.clock_offset)
                    waits = delays()
                    await pause(health.stopping, INTERVAL_SECONDS)
            finally:
                await connection.close(timeout=5)
        except _OUTAGES as error:
            log.warning("counting: %s: %s", type(error).__name__, error)
            await pause(health.stopping, next(waits))
