"""A database's clock that jumps: nothing is decided and nothing expires at a wrong instant, and all of it afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from services.adapters.postgres.clock import ClockGuard
from services.adapters.postgres.failures import ClockApart
from services.issuer import app
from services.issuer.bookmarks import Bookmarks
from services.issuer.brake import Brake
from services.issuer.lane import Lane
from services.issuer.pipeline import Pipeline
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.sweeper.app import serve as serve_sweeper
from tests.stand.clocks import FakeClock
from tests.stand.feed import feed, finished
from tests.stand.issuing import a_game, audit, count
from tests.stand.records import completed
from tests.stand.waiting import eventually

YEAR = timedelta(days=365)
Serve = Callable[[Settings, Health], Awaitable[None]]


@asynccontextmanager
async def working(settings: Settings, *serves: Serve) -> AsyncIterator[Sequence[Health]]:
    """These processes, in this one."""
    healths = [Health(f"process-{number}") for number in range(len(serves))]
    tasks = [
        asyncio.ensure_future(serve(settings, health))
        for serve, health in zip(serves, healths, strict=True)
    ]
    try:
        yield healths
    finally:
        for health in healths:
            health.stopping.set()
        await asyncio.gather(*tasks)


@pytest.mark.parametrize("error", [YEAR, -YEAR], ids=["forwards", "backwards"])
async def test_clock_that_jumps_stops_everything_until_it_is_back(
    topics: Settings,
    owner: asyncpg.Connection,
    database: asyncpg.Connection,
    partner_id: int,
    error: timedelta,
) -> None:
    """Issuer and sweeper say so and wait; a coupon of thirty days lives on, and what waited is decided in its day."""
    clock = await FakeClock.of(owner)
    game_id = await a_game(database, partner_id, coupon_validity_days=30)
    await feed(topics, [completed("before", "ona", partner_id=partner_id, game_id=game_id)])
    async with working(topics, app.serve, serve_sweeper) as healths:
        await finished(topics)
        await clock.set(error)
        for health in healths:
            await eventually(partial(_says_clock, health), "it says that the clock is apart")
        await feed(topics, [completed("during", "jonas", partner_id=partner_id, game_id=game_id)])
        for health in healths:
            assert set(_failing(health)) == {"clock"}
            assert not any(health.liveness().values())
        assert await count(database, "decisions") == 1
        await clock.set(timedelta())
        await finished(topics)
        for health in healths:
            await eventually(partial(_works, health), "it works")
    rows = await database.fetch("SELECT decided_at FROM decisions")
    assert len(rows) == 2
    assert all(abs(row["decided_at"] - datetime.now(UTC)) < timedelta(minutes=2) for row in rows)
    assert await database.fetchval("SELECT count(*) FROM coupons WHERE status = 'active'") == 2
    await audit(database)


@pytest.mark.parametrize("error", [YEAR, -YEAR], ids=["ahead", "behind"])
async def test_issuer_whose_own_clock_is_wrong_believes_fresh_records(
    topics: Settings,
    database: asyncpg.Connection,
    partner_id: int,
    monkeypatch: pytest.MonkeyPatch,
    error: timedelta,
) -> None:
    """Two against one: the broker's clock agrees with the database's, so the process goes on."""
    wrong = partial(ClockGuard, lambda: datetime.now(UTC) + error)
    monkeypatch.setattr(app, "ClockGuard", wrong)
    game_id = await a_game(database, partner_id)
    async with working(topics, app.serve) as (health,):
        await eventually(partial(_says_clock, health), "it has no other clock yet")
        await feed(topics, [completed("e", partner_id=partner_id, game_id=game_id)])
        await finished(topics)
        await eventually(partial(_works, health), "it has heard the broker's")
    assert await count(database, "coupons") == 1


async def test_issuer_whose_clock_is_slow_believes_what_waits(
    topics: Settings,
    database: asyncpg.Connection,
    partner_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A record from our own future says that we are slow, however long it has waited."""
    monkeypatch.setattr(app, "ClockGuard", partial(ClockGuard, lambda: datetime.now(UTC) - YEAR))
    game_id = await a_game(database, partner_id)
    await feed(topics, [completed("e", partner_id=partner_id, game_id=game_id)])
    async with working(topics, app.serve):
        await finished(topics)
    assert await count(database, "coupons") == 1


async def test_only_a_record_that_was_not_there_before_tells_the_time(
    pool: asyncpg.Pool, pipeline: Pipeline
) -> None:
    """A backlog is as old as it is; a producer's own time tells nothing; nor does a measure of long ago."""
    now = datetime.now(UTC)
    place = TopicPartition("game-completed", 0)

    def hears(offset: int, *, ahead: timedelta = YEAR, **changes: Any) -> bool:
        guard = ClockGuard(lambda: now + ahead)
        lane = Lane(
            SimpleNamespace(consumer=None), pipeline, Brake(pool, 500),
            bookmarks=Bookmarks(pool), guard=guard, stopping=asyncio.Event(), on_bug=print,
        )  # fmt: skip
        began_at = time.monotonic() - changes.pop("age_seconds", 10)
        ends = changes.pop("ends", (5, 7))
        lane._ends_seen.extend((began_at + n, {place: end}) for n, end in enumerate(ends))
        lane._hear([_record(place, offset, now, **changes)])
        return guard.look(now) is None

    assert hears(5)
    assert hears(8)
    assert not hears(4)
    assert not hears(5, ends=())
    assert not hears(5, timestamp_type=0)
    assert not hears(5, age_seconds=31)
    # A slow clock is shown to be slow by the newest record, whenever that was appended.
    assert hears(5, age_seconds=31, ahead=-YEAR)
    assert not hears(4, age_seconds=31, ahead=-YEAR)


def test_guard_keeps_what_it_has_heard_going() -> None:
    """A clock that was heard goes on; the database is apart as soon as it agrees with none."""
    now = datetime.now(UTC)
    guard = ClockGuard(lambda: now)
    guard.heard("broker", now + YEAR)
    guard.check(now)
    guard.check(now + YEAR)
    with pytest.raises(ClockApart, match=r"is 86,4\d\d s ahead of"):
        guard.check(now + timedelta(days=1))
    assert guard.fault
    guard.check(now)
    assert guard.fault is None
    guard.heard("broker", now + YEAR - timedelta(hours=1))  # read again: no news
    assert guard.look(now + YEAR) is None


def _record(
    place: TopicPartition, offset: int, at: datetime, timestamp_type: int = 1
) -> ConsumerRecord:
    return ConsumerRecord(
        topic=place.topic, partition=place.partition, offset=offset,
        timestamp=int(at.timestamp() * 1000), timestamp_type=timestamp_type,
        key=b"", value=b"", checksum=None, serialized_key_size=0, serialized_value_size=0, headers=(),
    )  # fmt: skip


def _failing(health: Health) -> dict[str, str]:
    return {name: text for name, text in health.readiness().items() if text}


async def _works(health: Health) -> bool:
    return not _failing(health)


async def _says_clock(health: Health) -> bool:
    return "is decided" in _failing(health).get("clock", "")
