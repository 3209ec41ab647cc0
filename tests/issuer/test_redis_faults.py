"""Redis flushed, frozen and killed in mid-run: it may cost time, never a second coupon and never a lost one."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest
import redis.asyncio

from services.adapters.kafka import ensure_topics
from services.adapters.redis_locks import CustomerLocks
from services.local.servers import Servers, start_servers
from services.runtime.settings import Settings
from tests.issuer.racer import pipelines, race
from tests.stand.feed import feed, finished
from tests.stand.issuing import a_game, audit, count, outcomes
from tests.stand.processes import issuer
from tests.stand.records import completed
from tests.stand.waiting import eventually

measured = pytest.mark.alone(
    "Redis has a quarter of a second to answer, and what waits for it is measured"
)

ANNA = [(1, "anna")]
CONTENDERS = 24


class OwnRedis:
    """A Redis that nobody else uses, and what may happen to it."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self.url = str(servers.redis)

    async def flush(self) -> None:
        """Forget every lock and every script."""
        async with redis.asyncio.from_url(self.url) as client:
            await client.flushall()
            await client.script_flush()

    async def clients(self) -> int:
        """How many are connected, but for who asks."""
        async with redis.asyncio.from_url(self.url) as client:
            return len(await client.client_list()) - 1

    async def freeze(self) -> None:
        """Keep the lines open and answer nothing."""
        os.kill(self._pid, signal.SIGSTOP)

    async def kill(self) -> None:
        """Without a goodbye."""
        os.kill(self._pid, signal.SIGKILL)
        await self._servers.processes.ended("redis")

    async def mend(self) -> None:
        """Thaw it, or start it again."""
        if self._servers.processes._running["redis"][1].poll() is None:
            os.kill(self._pid, signal.SIGCONT)
        else:
            await self._servers.processes.restart("redis")

    @property
    def _pid(self) -> int:
        pid = self._servers.pids["redis"]
        assert pid
        return pid


@pytest.fixture
async def own_redis(settings: Settings) -> AsyncIterator[OwnRedis]:
    """Started for this test, stopped after it."""
    servers = await start_servers(settings.model_copy(update={"redis_url": None}), want=("redis",))
    own = OwnRedis(servers)
    yield own
    await own.mend()
    await servers.stop()


@pytest.fixture
def locked(settings: Settings, own_redis: OwnRedis) -> Settings:
    """Settings that lead to it, with limits that a test can wait for."""
    return settings.model_copy(update={"redis_url": own_redis.url, "lock_skip_seconds": 0.3})


async def take(locks: CustomerLocks) -> bool:
    """Whether the lock was had; it is given back at once."""
    async with locks.held(ANNA) as had:
        return had


@measured
async def test_locks_keep_others_out_until_they_are_given_back(locked: Settings) -> None:
    """All customers of a batch or none; whoever waits in vain goes on without, and nothing is wrong then."""
    quick = locked.model_copy(update={"lock_wait_ms": 50})
    one, other = CustomerLocks(quick), CustomerLocks(quick)
    async with one.held([(1, "anna"), (1, "berta")]) as had:
        assert had
        async with other.held([(1, "berta"), (1, "carl")]) as overlapping:
            assert not overlapping
        async with other.held([(1, "carl"), (2, "anna")]) as apart:
            assert apart
    async with other.held([(1, "berta"), (1, "carl")]) as after:
        assert after
    assert one.fault is None
    assert other.fault is None
    await asyncio.gather(one.close(), other.close())


@measured
async def test_lock_of_a_killed_owner_ends_by_itself(locked: Settings) -> None:
    """The time to live is short, and an owner that comes late does not give back what is somebody else's by then."""
    brief = locked.model_copy(update={"lock_ttl_ms": 150, "lock_wait_ms": 20})
    late, heir, third = CustomerLocks(brief), CustomerLocks(locked), CustomerLocks(brief)
    leaving = late.held(ANNA)
    assert await leaving.__aenter__()
    async with heir.held(ANNA) as had:
        assert had
        await leaving.__aexit__(None, None, None)
        assert not await take(third)
    assert await take(third)
    await asyncio.gather(late.close(), heir.close(), third.close())


@measured
@pytest.mark.parametrize("fault", ["freeze", "kill"])
async def test_silent_redis_costs_one_wait_and_is_left_alone_for_a_while(
    locked: Settings, own_redis: OwnRedis, fault: str
) -> None:
    """The first batch waits for the limit, the next ones not at all; when it answers again, locks are used again."""
    locks = CustomerLocks(locked.model_copy(update={"lock_skip_seconds": 1.0}))
    assert await take(locks)
    await getattr(own_redis, fault)()

    began = time.monotonic()
    assert not await take(locks)
    assert time.monotonic() - began < 2 * 0.25 + 0.2
    assert "Redis does not answer" in str(locks.fault)
    began = time.monotonic()
    assert not await take(locks)
    assert time.monotonic() - began < 0.05

    await own_redis.mend()
    await eventually(lambda: take(locks), "locks are had again")
    assert locks.fault is None
    await locks.close()


@measured
async def test_redis_that_goes_while_locks_are_held_does_not_fail_the_batch(
    locked: Settings, own_redis: OwnRedis
) -> None:
    """Giving back is tried once; what cannot be given back ends by itself."""
    locks = CustomerLocks(locked)
    async with locks.held(ANNA) as had:
        assert had
        await own_redis.freeze()
    await own_redis.mend()
    async with locks.held([(1, "berta")]) as had:
        assert had
        await own_redis.flush()
    assert await take(locks)
    await locks.close()


@measured
async def test_locks_that_are_let_go_of_are_not_asked_again(
    locked: Settings, own_redis: OwnRedis
) -> None:
    """A batch that ends after the process has let go of Redis connects to it no more; its locks end by themselves."""
    locks = CustomerLocks(locked)
    async with locks.held(ANNA) as had:
        assert had
        assert await own_redis.clients() == 1
        await locks.close()
    assert not await take(locks)
    assert await own_redis.clients() == 0


@measured
async def test_batch_that_waits_for_locks_waits_no_more_once_they_are_let_go_of(
    locked: Settings, own_redis: OwnRedis
) -> None:
    """It goes on without, and leaves no connection behind."""
    one, other = CustomerLocks(locked), CustomerLocks(locked)

    async def both_have_asked() -> bool:
        return await own_redis.clients() == 2

    async with one.held(ANNA) as had:
        assert had
        waiting = asyncio.create_task(take(other))
        await eventually(both_have_asked, "the other waits")
        await other.close()
        assert not await waiting
        assert await own_redis.clients() == 1
    await one.close()


@measured
async def test_locks_are_let_go_of_whenever_somebody_asks(
    locked: Settings, own_redis: OwnRedis
) -> None:
    """However far the asking has come, on the way to a first connection too: it ends well, and no connection stays."""
    for turns in range(40):
        locks = CustomerLocks(locked)
        asking = asyncio.create_task(take(locks))
        for _ in range(turns):
            await asyncio.sleep(0)
        await locks.close()
        await asking
        assert await own_redis.clients() == 0, turns


@pytest.mark.parametrize("fault", ["flush", "freeze", "kill"])
async def test_race_goes_to_one_winner_whatever_happens_to_redis(
    locked: Settings, own_redis: OwnRedis, database: asyncpg.Connection, partner_id: int, fault: str
) -> None:
    """Rounds of a race while Redis forgets, freezes or dies in the middle, and comes back."""
    game_id = await a_game(database, partner_id)
    async with pipelines(locked, CONTENDERS) as lanes:
        for number in range(4):
            racing = asyncio.create_task(race(lanes, f"c{number}", partner_id, game_id))

            async def under_way(number: int = number) -> bool:
                return await count(database, "decisions") > number * CONTENDERS

            await eventually(under_way, "the race is on")
            await getattr(own_redis, fault)()
            assert await racing == CONTENDERS
            await own_redis.mend()

    rows = await database.fetch(
        "SELECT count(*) FILTER (WHERE outcome = 'issued') FROM decisions GROUP BY customer_no"
    )
    assert [row[0] for row in rows] == [1] * 4
    await audit(database)


async def test_issuer_goes_on_without_redis_and_says_so(
    locked: Settings, own_redis: OwnRedis, database: asyncpg.Connection, partner_id: int
) -> None:
    """A real issuer through a frozen and then a killed Redis: every event decided, `/readyz` red until it is back."""
    patient = locked.model_copy(update={"lock_wait_ms": 2_000})
    await ensure_topics(patient)
    game_id = await a_game(database, partner_id)

    async def play(name: str) -> None:
        await feed(
            patient,
            [
                completed(f"{name}-{n}", f"{name}-{n}", partner_id=partner_id, game_id=game_id)
                for n in range(200)
            ],
        )
        await finished(patient)

    async with issuer(patient) as running:
        await running.ready()
        await play("healthy")
        assert await running.metric("couponry_batches_without_locks_total") == 0
        for fault in ("freeze", "kill"):
            await getattr(own_redis, fault)()
            await play(fault)
            assert "Redis does not answer" in await running.complaint()
            assert await running.metric("couponry_batches_without_locks_total") > 0
            await own_redis.mend()
            await eventually(running.is_ready, "nothing is wrong any more")
        assert await running.stopped() == 0

    assert len(await outcomes(database)) == 600
    await audit(database)
