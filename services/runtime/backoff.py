"""How long to wait before an outage is tried again: exponential, with jitter, and never past a stop.

Used at one edge of the issuer and one of the relay; nothing inside them retries by itself.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator


def delays(first_seconds: float = 0.1, limit_seconds: float = 5.0) -> Iterator[float]:
    """Endless waits in seconds: doubling up to the limit, each drawn from the upper half of its step.

    Make a new one after a success. Jitter keeps processes that failed together from returning together.
    """
    step = first_seconds
    while True:
        yield step * random.uniform(0.5, 1.0)
        step = min(step * 2, limit_seconds)


async def pause(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait `seconds`, or less if `stopping` is set meanwhile. True: stopping, do not try again."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        pass
    return stopping.is_set()
