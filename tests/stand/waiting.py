"""Waiting for what another process or task will have done: ask until it is so, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

DEADLINE_SECONDS = 30.0


async def eventually(
    condition: Callable[[], Awaitable[Any]], why: str = "", seconds: float = DEADLINE_SECONDS
) -> Any:
    """Wait until the condition answers something true, and return that; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := await condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {why or condition}"
        await asyncio.sleep(0.02)
    return answer
