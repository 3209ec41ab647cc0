"""Keep the games' counters current.

Any number of sweepers may run: they take turns, and what one has counted no other counts again.
"""

from __future__ import annotations

import asyncpg

from services.runtime.health import Health
from services.runtime.settings import Settings
from services.sweeper.beside import work_beside
from services.sweeper.counters import count_once

INTERVAL_SECONDS = 15.0
"""A decision is noted within one interval and counted within the next: counters lag by half a minute at most."""


async def count_until_stopped(settings: Settings, health: Health) -> None:
    """Pass after pass."""

    async def turn(connection: asyncpg.Connection) -> float:
        await count_once(connection, settings.clock_offset)
        return INTERVAL_SECONDS

    # The first pass over a database that has been at work for long takes what it takes.
    await work_beside(settings, health, turn, name="counting", statement_timeout="0")
