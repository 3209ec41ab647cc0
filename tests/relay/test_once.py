"""Each event once for readers of committed records, in order per customer, whatever is killed when."""

from __future__ import annotations

import asyncio
import random
import signal
import time

import asyncpg
import pytest

from services.runtime.settings import Settings
from tests.relay.stand import assert_once_and_in_order, is_drained, published, queue, write_two
from tests.stand.database import connected
from tests.stand.processes import ServiceProcess, relay
from tests.stand.waiting import eventually

TAKE_OVER_SECONDS = 30.0


async def test_relay_publishes_what_two_writers_queue_once_and_in_order(topics: Settings) -> None:
    """Two writers whose transactions overlap, so that lower ids commit after higher ones."""
    async with relay(topics, relay_batch_records=100), connected(topics) as connection:
        names = await write_two(topics, 3000)
        await eventually(lambda: is_drained(connection))
    assert_once_and_in_order(await published(topics), names)


@pytest.mark.parametrize("point", ["after_read", "after_send", "after_commit", "after_delete"])
async def test_relay_killed_at_a_point_publishes_each_event_once(
    topics: Settings, point: str
) -> None:
    """Killed by itself in the middle of a stream of rows; the next relay goes on where that one was."""
    crashing = {
        "allow_crash_points": True,
        "crash_at": f"relay.{point}:4",
        "relay_batch_records": 100,
    }
    async with connected(topics) as connection:
        writing = asyncio.ensure_future(write_two(topics, 2400))
        async with relay(topics, **crashing) as first:
            assert await first.ended() == -signal.SIGKILL
        async with relay(topics, relay_batch_records=100):
            names = await writing
            await eventually(lambda: is_drained(connection))
    assert_once_and_in_order(await published(topics), names)


async def test_relay_killed_at_random_moments_publishes_each_event_once(topics: Settings) -> None:
    """Three kills at moments nobody chose, while rows keep coming."""
    seed = time.time_ns()
    dice = random.Random(seed)
    async with connected(topics) as connection:
        writing = asyncio.ensure_future(write_two(topics, 8000))
        for _ in range(3):
            async with relay(topics, relay_batch_records=20) as victim:
                await eventually(victim.leads)
                await asyncio.sleep(dice.random() * 0.5)
                victim.signal(signal.SIGKILL)
                await victim.ended()
        async with relay(topics):
            names = await writing
            await eventually(lambda: is_drained(connection), why=f"seed {seed}")
    assert_once_and_in_order(await published(topics), names)


async def test_second_relay_waits_and_takes_over_from_a_killed_one(topics: Settings) -> None:
    """The second is ready but publishes nothing; after kill −9 of the first it publishes within 30 s."""
    async with connected(topics) as connection, relay(topics) as first:
        await eventually(first.leads)
        async with relay(topics) as second:
            await eventually(second.is_ready)
            await queue(connection, ["before"])
            await eventually(lambda: is_drained(connection))
            assert not await second.leads()
            first.signal(signal.SIGKILL)
            await queue(connection, ["by the second"])
            await eventually(lambda: is_drained(connection), seconds=TAKE_OVER_SECONDS)
            assert await second.leads()
    assert len(await published(topics)) == 2


async def test_frozen_relay_is_replaced_and_publishes_nothing_when_it_wakes(
    topics: Settings,
) -> None:
    """Stopped in mid-stream without a word: the server frees the lock, Kafka fences the sleeper."""
    async with connected(topics) as connection, relay(topics, relay_batch_records=20) as first:
        writing = asyncio.ensure_future(write_two(topics, 6000))
        await eventually(lambda: _some_published(first))
        first.signal(signal.SIGSTOP)
        async with relay(topics, relay_batch_records=20) as second:
            await eventually(second.leads, seconds=2 * TAKE_OVER_SECONDS)
            first.signal(signal.SIGCONT)
            names = await writing
            await eventually(lambda: is_drained(connection))
            await eventually(first.is_ready)
            assert await first.metric("couponry_relay_start_overs_total") >= 1
            assert await second.leads()
            assert not await first.leads()
    assert_once_and_in_order(await published(topics), names)


async def _some_published(running: ServiceProcess) -> bool:
    return await running.metric('couponry_relay_step_seconds_count{step="commit"}') > 5


async def test_restored_database_is_not_robbed_by_the_topic_of_its_past(topics: Settings) -> None:
    """After a restore the same ids are other rows: the new identity keeps them from being taken for published."""
    async with connected(topics) as connection:
        await queue(connection, ["1 old", "2 old"])
        async with relay(topics):
            await eventually(lambda: is_drained(connection))
        admin = await asyncpg.connect(topics.postgres_dsn)
        await admin.execute("UPDATE couponry.deployment SET id = gen_random_uuid()")
        await admin.execute("ALTER TABLE couponry.outbox ALTER id RESTART WITH 1")
        await admin.close()
        await queue(connection, ["3 new", "4 new"])
        async with relay(topics):
            await eventually(lambda: is_drained(connection))
    assert_once_and_in_order(await published(topics), ["1 old", "2 old", "3 new", "4 new"])


async def test_number_that_is_handed_out_again_is_another_row(topics: Settings) -> None:
    """After a failover to a standby that lagged: what is new goes out, and what was published comes back once."""
    async with connected(topics) as connection:
        await queue(connection, ["1 kept", "2 lost"])
        async with relay(topics):
            await eventually(lambda: is_drained(connection))
        admin = await asyncpg.connect(topics.postgres_dsn)
        await admin.execute("ALTER TABLE couponry.outbox ALTER id RESTART WITH 1")
        await admin.close()
        # The first row is there again, as the standby had it; its neighbour's number went to another event.
        await queue(connection, ["1 kept", "3 new"])
        async with relay(topics):
            await eventually(lambda: is_drained(connection))
    assert_once_and_in_order(await published(topics), ["1 kept", "2 lost", "3 new"])
