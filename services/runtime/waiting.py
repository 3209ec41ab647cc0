"""Wait for a server: say why, in health and in the log, try again with backoff, stop when told. One loop for all.

A server may take connections and refuse all work. So what ends the waiting is work that has succeeded: a loop that
ended it by connecting would begin its backoff anew each time, and hammer a server that has enough to do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.runtime.backoff import delays, pause

T = TypeVar("T")


class Waiting:
    """Why a loop waits, for a health check to read. `doing` begins the line: "waiting for Postgres"."""

    def __init__(self, doing: str, log: logging.Logger) -> None:
        self.why: str | None = "starting"
        """None: it is not waiting."""
        self.error: Exception | None = None
        """The last that it failed with, None as soon as it works."""
        self._doing = doing
        self._log = log
        self._delays = delays()

    def failed(self, error: Exception) -> float:
        """Say so; the seconds until the next attempt, more after each failure in a row."""
        self.why = f"{self._doing}: {type(error).__name__}: {error}"
        self.error = error
        self._log.warning("%s", self.why)
        return next(self._delays)

    def over(self) -> None:
        """Work has succeeded, not merely a connection: what fails next is the first in a row again."""
        self.why = self.error = None
        self._delays = delays()


async def keep_trying(
    work: Callable[[], Awaitable[T]],
    failed: Callable[[Exception], float],
    *,
    is_outage: Callable[[Exception], bool],
    stopping: asyncio.Event,
) -> T | None:
    """What `work` returns in the end, however often an outage ends it; None once told to stop.

    `failed` is told of each outage and says for how many seconds to wait. Told to stop, it begins nothing anew, and an
    attempt in hand ends by itself. Raises what `work` raises and `is_outage` denies.
    """
    while not stopping.is_set():
        try:
            return await work()
        except Exception as error:
            if not is_outage(error):
                raise
            await pause(stopping, failed(error))
    return None
