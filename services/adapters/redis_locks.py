"""Per-customer locks in Redis, so that processes do not wait for each other inside Postgres.

They save time and decide nothing: correctness rests on Postgres constraints. So a lock that cannot be had soon
is gone without, and a Redis that does not answer is left alone for a while.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from services.adapters.failures import REDIS_AWAY
from services.adapters.redis_client import RedisClient
from services.runtime.settings import Settings, SettingsError, required

# All or nothing: a batch that got half of its customers would only make others wait.
# The keys come as one string: a batch names thousands, and packing each as an argument costs more than the locks.
_ACQUIRE = """
for key in string.gmatch(ARGV[3], '[^%z]+') do
    if redis.call('EXISTS', key) == 1 then return 0 end
end
for key in string.gmatch(ARGV[3], '[^%z]+') do
    redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
end
return 1
"""

# Only what is still ours: after its time to live a lock may belong to somebody else.
_RELEASE = """
for key in string.gmatch(ARGV[2], '[^%z]+') do
    if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
return 0
"""


class CustomerLocks:
    """Owns one Redis client. `fault` is None, or why locks are being done without although Redis is wanted."""

    def __init__(self, settings: Settings) -> None:
        required(settings, "redis_url")
        self._wait_seconds = settings.lock_wait_ms / 1000
        self._ttl_ms = settings.lock_ttl_ms
        self._skip_seconds = settings.lock_skip_seconds
        self._prefix = f"{settings.topic_prefix}couponry:lock:"
        timeout = max(self._wait_seconds, 0.05)
        self.fault: str | None = None
        self._skip_until = 0.0
        self._is_off = settings.redis_address is None
        """Nobody is asked: by choice, or since Redis was let go of."""
        try:
            # Without Redis nobody listens at this address, and nobody is asked.
            self._client = RedisClient(settings.redis_address or "redis://localhost", timeout)
        except ValueError as error:
            raise SettingsError(f"COUPONRY_REDIS_URL: {error}") from None
        self._acquire = self._client.redis.register_script(_ACQUIRE)
        self._release = self._client.redis.register_script(_RELEASE)

    @asynccontextmanager
    async def held(self, customers: Sequence[tuple[int, str]]) -> AsyncIterator[bool]:
        """Hold the locks of these (partner id, customer id) pairs while inside; yields whether they were had."""
        keys = "\0".join(
            f"{self._prefix}{partner_id}:{customer_id}" for partner_id, customer_id in customers
        )
        token = secrets.token_hex(8)
        had = bool(keys) and await self._take(keys, token)
        try:
            yield had
        finally:
            # Left to its time to live when Redis went away meanwhile, or was let go of: asking would connect once more.
            if had and not self._is_off:
                with suppress(*REDIS_AWAY):
                    async with self._client.asking():
                        await self._release(args=[token, keys])

    async def _take(self, keys: str, token: str) -> bool:
        now = time.monotonic()
        if now < self._skip_until:
            return False
        deadline = now + self._wait_seconds
        pause = 0.002
        try:
            while not self._is_off:
                async with self._client.asking():
                    had = await self._acquire(args=[token, self._ttl_ms, keys])
                if had:
                    self.fault = None
                    return True
                if time.monotonic() + pause > deadline:
                    self.fault = None
                    return False
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, 0.05)
        except REDIS_AWAY as error:
            self._leave_alone(error)
        return False

    def _leave_alone(self, error: BaseException) -> None:
        self._skip_until = time.monotonic() + self._skip_seconds
        self.fault = f"Redis does not answer ({type(error).__name__}); going on without locks"

    async def look_again(self) -> None:
        """Clear the fault if Redis is back: without records to decide nobody else would notice."""
        if self.fault is None or self._is_off or time.monotonic() < self._skip_until:
            return
        try:
            async with self._client.asking() as redis:
                await redis.ping()
            self.fault = None
        except REDIS_AWAY as error:
            self._leave_alone(error)

    async def close(self) -> None:
        """Let go of Redis; locks that are asked for from now on are not had."""
        self._is_off = True
        await self._client.close()
