"""How fast a bulk command may work: as many a second as it was told, evenly, so that live work finds room."""

from __future__ import annotations

import asyncio
import time

CATCH_UP_SECONDS = 0.2
"""What was lost to a slow step is made up for, but no more than this much of it: a burst is what others would feel."""


PROGRESS_SECONDS = 2.0
"""How often long work says how far it has come."""


class Pace:
    """`per_second` None: no limit. It may change at any time."""

    def __init__(self, per_second: float | None = None) -> None:
        self.per_second = per_second
        self._next_at = time.monotonic()

    async def take(self, count: int) -> None:
        """Wait until the next `count` may be worked on."""
        now = time.monotonic()
        self._next_at = max(self._next_at, now - CATCH_UP_SECONDS)
        if self.per_second:
            if self._next_at > now:
                await asyncio.sleep(self._next_at - now)
            self._next_at += count / self.per_second


class Tick:
    """True at most once in `seconds`: for what is worth doing now and then."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last_at = time.monotonic()

    def is_due(self) -> bool:
        now = time.monotonic()
        if now - self._last_at < self._seconds:
            return False
        self._last_at = now
        return True
