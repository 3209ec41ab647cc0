"""Try again what waits: the first of every queue whose turn it is, oldest first, each resting longer after every try.

Any number of issuers may do so: a record is held by one at a time, in the transaction that decides it and lets it go.
"""

from __future__ import annotations

import logging

import asyncpg

from services.adapters.failures import is_outage
from services.adapters.postgres import waiting
from services.issuer.pipeline import Pipeline
from services.runtime.backoff import pause
from services.runtime.health import Health

LOOK_SECONDS = 1.0
AT_ONCE = 200

log = logging.getLogger(__name__)


class Again:
    """One per issuer. `warning` says what waits, for `/readyz`."""

    def __init__(self, pool: asyncpg.Pool, pipeline: Pipeline, health: Health) -> None:
        self._pool = pool
        self._pipeline = pipeline
        self._health = health
        self._warning: str | None = None

    def warning(self) -> str | None:
        """None, or how many records wait, the first of them, for what, and what to do."""
        return self._warning

    async def run(self) -> None:
        """Until told to stop."""
        while not self._health.stopping.is_set():
            progress = False
            try:
                progress = await self.turn()
            except Exception as error:
                if is_outage(error):
                    log.warning("trying again what waits: %s: %s", type(error).__name__, error)
                else:
                    log.exception("trying again what waits")
            if not progress:
                await pause(self._health.stopping, LOOK_SECONDS)

    async def turn(self) -> bool:
        """Try what is due. Returns whether any of it waits no longer."""
        first = await waiting.first(self._pool)
        self._pipeline.look_first = first is not None
        if first is None:
            self._warning = None
            return False
        place = f"{first['topic']}:{first['partition']}:{first['offset']}"
        more = "+" if first["records"] == waiting.COUNTED_TO else ""
        self._warning = (
            f"{first['records']}{more} record(s) wait, the first is {place} of partner "
            f"{first['partner_id']}: {first['why']}; {first['todo']}"
        )
        rows: dict[tuple[str, int, int], asyncpg.Record] = {}
        for row in await waiting.due(self._pool, AT_ONCE):
            rows.setdefault((row["topic"], row["partition"], row["offset"]), row)
        if not rows:
            return False
        places = [row["place"] for row in rows.values()]
        try:
            return await self._pipeline.again([*rows.values()]) > 0
        except Exception as error:
            if not is_outage(error):
                await waiting.rest(self._pool, places)
            raise
