"""Waiting between attempts: growing, bounded, jittered, and cut short by a stop."""

from __future__ import annotations

import asyncio
import itertools
import time

from services.runtime.backoff import delays, pause


def test_delays_double_up_to_the_limit_with_jitter() -> None:
    """Each wait lies in the upper half of its step; the steps double and then stay at the limit."""
    steps = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]
    waits = list(itertools.islice(delays(0.1, 1.0), len(steps)))
    assert all(step / 2 <= wait <= step for wait, step in zip(waits, steps, strict=True))
    assert list(itertools.islice(delays(0.1, 1.0), 3)) != waits[:3]


async def test_pause_ends_early_when_stopping() -> None:
    """A stop during a long wait ends it at once and says so."""
    stopping = asyncio.Event()
    began = time.monotonic()
    waiting = asyncio.create_task(pause(stopping, 60))
    await asyncio.sleep(0)
    stopping.set()
    assert await waiting
    assert time.monotonic() - began < 5


async def test_pause_waits_when_nothing_stops() -> None:
    """Without a stop the wait lasts as long as asked and the caller may go on."""
    began = time.monotonic()
    assert not await pause(asyncio.Event(), 0.05)
    assert time.monotonic() - began >= 0.045
