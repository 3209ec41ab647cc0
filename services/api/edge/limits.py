"""How often one token may ask: counted here, shared through Redis four times a second.

A round trip per request would cost more than most requests do. So each process counts by itself and adds what it
counted to Redis in the background, taking back the sum over all processes: several of them together may let pass what
they saw within one interval. Without Redis each process limits by what it knows.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.adapters.failures import REDIS_AWAY
from services.adapters.redis_client import RedisClient
from services.api.edge.problems import Problem, Reason
from services.runtime.settings import Settings

WINDOW_SECONDS = 60
WEBHOOK_TESTS = 10
"""Of one partner in a window."""
SHARE_SECONDS = 0.25
SKIP_SECONDS = 5.0
"""Redis is left alone this long after it did not answer."""
TIMEOUT_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class _Count:
    """One key in one window: the sum that Redis told last, and what was counted here since."""

    window: int
    shared: int = 0
    own: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a key stands in its window, after this request."""

    limit: int
    used: int
    resets_in_seconds: int

    @property
    def exceeded(self) -> bool:
        return self.used > self.limit

    def headers(self) -> list[tuple[str, str]]:
        """`RateLimit-*` as clients know them."""
        return [
            ("ratelimit-policy", f"{self.limit};w={WINDOW_SECONDS}"),
            ("ratelimit-limit", str(self.limit)),
            ("ratelimit-remaining", str(max(0, self.limit - self.used))),
            ("ratelimit-reset", str(self.resets_in_seconds)),
        ]


class Limits:
    """Owns the counts, and one Redis client. `fault` is None, or why counts are not shared."""

    def __init__(self, settings: Settings) -> None:
        self.requests_per_minute = settings.api_requests_per_minute
        self.failed_lookups_per_minute = settings.api_failed_lookups_per_minute
        self.fault: str | None = None
        self._counts: dict[str, _Count] = {}
        self._prefix = f"{settings.topic_prefix}couponry:limit:"
        self._skip_until = 0.0
        address = settings.redis_address
        self._client = RedisClient(address, TIMEOUT_SECONDS) if address else None

    def request(self, key: str) -> Standing | None:
        """Count a request of this token; None when there is no limit."""
        return self._take(f"requests:{key}", self.requests_per_minute, 1)

    def webhook_test(self, partner_id: int) -> Standing:
        """Count a request that this partner has us send to its own system."""
        standing = self._take(f"webhook-tests:{partner_id}", WEBHOOK_TESTS, 1)
        assert standing is not None
        return standing

    def lookups(self, key: str) -> Standing | None:
        """None, or where a token stands that has named as many unknown codes in this minute as it may."""
        standing = self._take(f"lookups:{key}", self.failed_lookups_per_minute, 0)
        return standing if standing is not None and standing.used >= standing.limit else None

    def failed_lookup(self, key: str) -> None:
        """Count a code that this token named and that does not exist for it."""
        self._take(f"lookups:{key}", self.failed_lookups_per_minute, 1)

    def _take(self, key: str, limit: int, units: int) -> Standing | None:
        if not limit:
            return None
        now = time.time()
        window = int(now // WINDOW_SECONDS)
        count = self._counts.get(key)
        if count is None or count.window != window:
            count = self._counts[key] = _Count(window=window)
        count.own += units
        return Standing(
            limit=limit,
            used=count.shared + count.own,
            resets_in_seconds=max(1, round((window + 1) * WINDOW_SECONDS - now)),
        )

    async def keep_sharing(self, pause: Callable[[float], Awaitable[bool]]) -> None:
        """Share until `pause` says that it is time to stop."""
        while not await pause(SHARE_SECONDS):
            await self.share()

    async def share(self) -> None:
        """Forget windows that are over; add what was counted here to Redis and learn the sums."""
        window = int(time.time() // WINDOW_SECONDS)
        self._counts = {key: count for key, count in self._counts.items() if count.window == window}
        fresh = [(key, count, count.own) for key, count in self._counts.items() if count.own]
        if not fresh or self._client is None or time.monotonic() < self._skip_until:
            return
        try:
            async with (
                self._client.asking() as redis,
                redis.pipeline(transaction=False) as pipeline,
            ):
                for key, count, own in fresh:
                    name = f"{self._prefix}{key}:{count.window}"
                    pipeline.incrby(name, own)
                    pipeline.expire(name, 2 * WINDOW_SECONDS)
                answers = await pipeline.execute()
        except REDIS_AWAY as error:
            self._skip_until = time.monotonic() + SKIP_SECONDS
            self.fault = f"Redis does not answer ({type(error).__name__}); limits hold per process"
            return
        self.fault = None
        for (_, count, own), total in zip(fresh, answers[::2], strict=True):
            count.shared, count.own = int(total), count.own - own

    async def close(self) -> None:
        """Let go of Redis; what is counted from now on is not shared."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def too_many(standing: Standing, reason: Reason = Reason.TOO_MANY_REQUESTS) -> Problem:
    """429 with the time after which it is worth trying again."""
    return Problem(reason, headers={"retry-after": str(standing.resets_in_seconds)})
