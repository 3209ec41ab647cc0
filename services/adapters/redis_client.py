"""A Redis client that is let go of in good order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis

from services.adapters.failures import REDIS_AWAY


class RedisClient:
    """Owns one client, which connects when it is used first and tries nothing twice.

    A client that is closed while somebody connects by it breaks what they do, or leaves them a connection that nobody
    closes. So closing waits for their answer, which has `timeout_seconds` to come.
    """

    def __init__(self, address: str, timeout_seconds: float) -> None:
        """Raises ValueError for an address that none can have."""
        self.redis = Redis.from_url(
            address,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=None,
        )
        self._asking = 0
        self._answered = asyncio.Event()

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Redis]:
        """Whatever is asked is asked inside."""
        self._asking += 1
        try:
            yield self.redis
        finally:
            self._asking -= 1
            self._answered.set()

    async def close(self) -> None:
        """Once nobody asks any more; nobody may begin to."""
        while self._asking:
            self._answered.clear()
            await self._answered.wait()
        with suppress(*REDIS_AWAY):
            await self.redis.aclose()
