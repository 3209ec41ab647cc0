"""Issuers that share a topic: they come, go, freeze and are too slow, and every record is decided once all the same."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from faststream.kafka import KafkaMessage

from schemas.topics import GAME_COMPLETED
from services.adapters.kafka import client_options
from services.adapters.postgres.clock import OWN_CLOCK
from services.adapters.records import group_offsets
from services.issuer.app import SESSION_TIMEOUT_MS
from services.issuer.bookmarks import Bookmarks
from services.issuer.brake import Brake
from services.issuer.lane import Lane
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.stand.feed import feed, finished
from tests.stand.issuing import a_game, audit, blocked_by, count, outcomes
from tests.stand.processes import issuer
from tests.stand.records import completed
from tests.stand.waiting import eventually

PATIENT = {"lock_timeout_ms": 60_000, "statement_timeout_ms": 60_000}
"""Until a test lets go of a row: whoever has waited ten seconds for it puts its record aside."""

Play = Callable[[str, int], Sequence[ConsumerRecord]]


@pytest.fixture
async def play(database: asyncpg.Connection, partner_id: int) -> Play:
    """Make so many completions of one game by 50 customers; one of six is the customer's first."""
    game_id = await a_game(database, partner_id)
    return lambda name, many: [
        completed(f"{name}-{n}", f"c-{n % 50}", partner_id=partner_id, game_id=game_id)
        for n in range(many)
    ]


async def assert_decided_once(database: asyncpg.Connection, events: int) -> None:
    """Each event once, one coupon per customer, nothing half-done."""
    decided = await outcomes(database)
    assert len({event_id for event_id, *_ in decided}) == len(decided) == events
    assert [outcome for _, outcome, _ in decided].count("issued") == 50
    assert await count(database, "dead_letters") == 0
    await audit(database)


def reached(database: asyncpg.Connection, decisions: int) -> Callable[[], Awaitable[bool]]:
    """A condition: at least so many events are decided."""

    async def enough() -> bool:
        return await count(database, "decisions") >= decisions

    return enough


async def test_stop_under_load_leaves_nothing_half_done(
    topics: Settings, database: asyncpg.Connection, play: Play
) -> None:
    """SIGTERM in mid-run: exit code 0 within 30 s, and exactly the decided records are committed."""
    settings = topics.model_copy(update={"batch_max_records": 50})
    async with issuer(settings) as running:
        await running.ready()
        await feed(settings, play("e", 6_000))
        await eventually(reached(database, 500), "it is at work")
        began = time.monotonic()
        assert await running.stopped() == 0
        assert time.monotonic() - began < 30

    decided = await count(database, "decisions")
    assert 500 <= decided < 6_000
    assert sum((await group_offsets(settings, settings.consumer_group)).values()) == decided

    async with issuer(settings):
        await finished(settings)
    await assert_decided_once(database, 6_000)


async def test_issuers_join_and_leave_under_load(
    topics: Settings, database: asyncpg.Connection, play: Play
) -> None:
    """A second one takes its share, the first one leaves, the second one finishes what is left."""
    settings = topics.model_copy(update={"batch_max_records": 50})
    enough = asyncio.Event()

    async def keep_feeding() -> int:
        rounds = 0
        while not enough.is_set():
            await feed(settings, play(f"round-{rounds}", 500))
            rounds += 1
            await eventually(reached(database, rounds * 500 - 1_500), "the backlog stays short")
        return rounds * 500

    async with issuer(settings) as first, issuer(settings) as second:
        feeding = asyncio.create_task(keep_feeding())

        async def both_work() -> bool:
            done = [await one.metric("couponry_decisions_total") for one in (first, second)]
            return all(done)

        await eventually(both_work, "both have their share")
        async with issuer(settings) as third:
            await third.ready()
            assert await first.stopped() == 0
            enough.set()
            events = await feeding
            await finished(settings)
            assert [await second.stopped(), await third.stopped()] == [0, 0]
    await assert_decided_once(database, events)


async def test_partition_that_moves_in_mid_batch_is_decided_once(
    topics: Settings, database: asyncpg.Connection, owner: asyncpg.Connection, play: Play
) -> None:
    """The old owner cannot commit what it was deciding; the new one meets it as repeats, or the other way round."""
    settings = topics.model_copy(update=PATIENT)
    await feed(settings, play("e", 300))
    await owner.execute("BEGIN; SELECT FROM games FOR UPDATE")
    async with issuer(settings) as first, issuer(settings) as second:
        await eventually(lambda: blocked_by(owner, database), "a batch of somebody's is under way")
        await asyncio.gather(first.ready(), second.ready())
        async with issuer(settings) as third:
            await third.ready()
            await eventually(lambda: more_than_two(database), "new owners are at it too")
            await owner.execute("COMMIT")
            await finished(settings)
            assert [await one.stopped() for one in (first, second, third)] == [0, 0, 0]
    await assert_decided_once(database, 300)


async def more_than_two(database: asyncpg.Connection) -> bool:
    """Do more sessions wait than the partitions' owners at first had batches?"""
    return await waiting(database) > 2


async def waiting(database: asyncpg.Connection) -> int:
    """How many sessions wait for any lock in this database."""
    query = (
        "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = current_database()"
    )
    return int(await database.fetchval(query))


@pytest.mark.slow
async def test_frozen_issuer_holds_nobody_up_for_longer_than_the_limits(
    topics: Settings, database: asyncpg.Connection, owner: asyncpg.Connection, play: Play
) -> None:
    """Frozen in mid-transaction with its customers locked; the next one goes on, and the thawed one does no harm."""
    settings = topics.model_copy(update=PATIENT | {"idle_in_transaction_timeout_ms": 2_000})
    await feed(settings, play("e", 500))
    await owner.execute("BEGIN; SELECT FROM games FOR UPDATE")
    async with issuer(settings) as frozen:
        await eventually(lambda: blocked_by(owner, database), "a batch is under way")
        await frozen.ready()
        frozen.signal(signal.SIGSTOP)
        await owner.execute("COMMIT")
        assert await count(database, "decisions") == 0

        began = time.monotonic()
        async with issuer(settings) as heir:
            await finished(settings)
            # Its session with the group ends, and meanwhile its transaction has ended too; the rest is start-up.
            assert time.monotonic() - began < SESSION_TIMEOUT_MS / 1000 + 2 + 30
            frozen.signal(signal.SIGCONT)
            await eventually(frozen.is_ready, "the thawed one has nothing to complain of")
            await feed(settings, play("later", 500))
            await finished(settings)
            assert await heir.stopped() == 0
        assert await frozen.stopped() == 0
    await assert_decided_once(database, 1_000)


async def test_overlong_batch_goes_to_the_next_owner_and_its_late_commit_is_harmless(
    topics: Settings,
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    pipeline: Pipeline,
    play: Play,
) -> None:
    """A lane that is slower than the group allows finds its records decided, and goes on with what is its own."""
    await feed(topics, play("e", 50), partition=0)
    partition = TopicPartition(topics.topic(GAME_COMPLETED), 0)

    async def polled(consumer: AIOKafkaConsumer) -> KafkaMessage:
        async def some() -> Any:
            return (await consumer.getmany(timeout_ms=100)).get(partition, ())

        return KafkaMessage(
            raw_message=tuple(await eventually(some, "records come")),
            body=b"",
            consumer=None,  # type: ignore[arg-type]
        )

    def lane(consumer: AIOKafkaConsumer) -> Lane:
        return Lane(
            SimpleNamespace(consumer=consumer), pipeline, Brake(pool, 500),
            bookmarks=Bookmarks(pool), guard=OWN_CLOCK, stopping=asyncio.Event(), on_bug=lambda error: pytest.fail(repr(error)),
        )  # fmt: skip

    def consumer(**limits: int) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            partition.topic, **client_options(topics), group_id=topics.consumer_group, enable_auto_commit=False,
            auto_offset_reset="earliest", session_timeout_ms=SESSION_TIMEOUT_MS, **limits,
        )  # fmt: skip

    async with consumer(max_poll_interval_ms=500, heartbeat_interval_ms=100) as slow:
        overlong = await polled(slow)
        async with consumer() as heir:
            await lane(heir).handle(await polled(heir))
            await lane(slow).handle(overlong)
            assert await heir.committed(partition) == 50
    await assert_decided_once(database, 50)
