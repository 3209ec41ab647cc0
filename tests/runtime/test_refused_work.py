"""Servers that take connections and refuse the work: no loop hammers them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from services.relay import app as relay
from services.runtime import waiting
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.sweeper import app as sweeper
from tests.stand.database import connected

STEPS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0)
"""Upper ends of the waits in seconds, as `delays` draws them."""

Serve = Callable[[Settings, Health], Awaitable[None]]

LOOPS: dict[str, tuple[Serve, str]] = {
    "settling": (sweeper.serve, "REVOKE SELECT ON coupons FROM couponry_worker"),
    "counting": (sweeper.serve, "REVOKE SELECT, UPDATE ON counting FROM couponry_worker"),
    "forgetting": (sweeper.serve, "REVOKE DELETE ON idempotency_keys FROM couponry_worker"),
    "publishing": (
        relay.serve,
        """REVOKE SELECT ON outbox FROM couponry_worker;
        GRANT SELECT (id, ce_id, dead_letter_id, refused, queued_at) ON outbox TO couponry_worker""",
    ),
}
"""Each loop of a process, and what refuses its work after everything was connected and asked for."""


@pytest.mark.parametrize("name", LOOPS)
async def test_loop_whose_work_is_refused_waits_longer_each_time(
    name: str, topics: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It connects, and fails right after, eight times: the waits grow as if it had not connected."""
    serve, refuse = LOOPS[name]
    waits: list[float] = []

    async def noted(stopping: asyncio.Event, seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == len(STEPS):
            stopping.set()
        return stopping.is_set()

    monkeypatch.setattr(waiting, "pause", noted)
    async with connected(topics, role=None) as owner:
        await owner.execute(refuse)
    await asyncio.wait_for(serve(topics, Health("test")), 60)
    assert all(step / 2 <= wait <= step for step, wait in zip(STEPS, waits, strict=True)), waits
