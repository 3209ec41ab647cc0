"""The brake: a partition that is mostly poison stops, tells why, and goes on once somebody has dealt with it."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from services.adapters.postgres.clock import OWN_CLOCK
from services.domain.letters import Stage
from services.issuer.bookmarks import Bookmarks
from services.issuer.brake import WINDOW_RECORDS, Brake
from services.issuer.lane import STALLED_SECONDS, Lane
from services.issuer.letters import letter_from_poison
from services.issuer.pipeline import Pipeline
from services.issuer.polls import Poll
from services.issuer.unreadable import Poison
from services.runtime.settings import Settings
from tests.stand.feed import feed, finished
from tests.stand.issuing import a_game, audit, count
from tests.stand.processes import ServiceProcess, issuer
from tests.stand.records import completed, poison
from tests.stand.waiting import eventually

TOPIC = "game-completed"


@pytest.mark.parametrize(
    ("first_letter", "letters", "changes", "stops"),
    [
        (1_000, 500, "", True),
        (1_000, 499, "", False),
        (1_500, 500, "", True),
        (999, 500, "", False),  # one of them has left the window
        (1_600, 400, "", False),
        (1_000, 1_000, "", True),
        (1_000, 1_000, "state = CASE WHEN id % 2 = 0 THEN 'discarded' ELSE 'decided' END", False),
        (1_000, 1_000, "partition = 2", False),
        (1_000, 1_000, "topic = 'orders'", False),
    ],
)
async def test_brake_counts_open_letters_of_the_last_1000_records(
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    first_letter: int,
    letters: int,
    changes: str,
    stops: bool,
) -> None:
    """500 of the 1,000 records before offset 2,000 stop the partition; other places and settled letters do not count."""
    await database.execute(
        'INSERT INTO dead_letters (topic, partition, "offset", record_time, stage, exception, message)'
        " SELECT $1, 1, n, now(), 'decode', 'x', 'x' FROM generate_series($2::int, $2 + $3 - 1) n",
        TOPIC,
        first_letter,
        letters,
    )
    if changes:
        await database.execute(f"UPDATE dead_letters SET {changes}")

    assert WINDOW_RECORDS == 1_000
    assert await Brake(pool, 500)._poisoned({(TOPIC, 1): 2_000}) == (
        {(TOPIC, 1)} if stops else set()
    )


async def test_brake_stops_one_partition_until_its_letters_are_settled(
    topics: Settings, database: asyncpg.Connection, partner_id: int
) -> None:
    """Paused, red and still so after a restart, while other partitions go on; discarding or limit 0 lets it pass."""
    game_id = await a_game(database, partner_id)
    settings = topics.model_copy(update={"dead_letter_limit": 20, "batch_max_records": 10})

    def good(name: str) -> list[ConsumerRecord]:
        return [
            completed(f"{name}-{n}", f"{name}-{n}", partner_id=partner_id, game_id=game_id)
            for n in range(5)
        ]

    async def is_stopped_at(running: ServiceProcess, letters: int) -> None:
        paused = f"paused {settings.topic(TOPIC)}:0: at least 20 of the last 1000"

        async def red() -> bool:
            return paused in await running.complaint()

        await eventually(red, "the partition is paused")
        assert await count(database, "dead_letters") == letters

        async def one_is_paused() -> bool:
            return await running.metric("couponry_paused_partitions") == 1

        await eventually(one_is_paused, "lanes it was moved between agree")

    async def decided(names: set[str]) -> None:
        async def all_of_them() -> bool:
            rows = await database.fetch("SELECT event_id FROM decisions")
            return {row["event_id"].split("-")[0] for row in rows} == names

        await eventually(all_of_them, f"{names} are decided")

    await feed(settings, [*poison(30), *good("behind")], partition=0)
    async with issuer(settings) as running:
        await is_stopped_at(running, 20)
        await feed(settings, good("beside"), partition=1)
        await decided({"beside"})
        assert await running.stopped() == 0

    async with issuer(settings) as running:
        await is_stopped_at(running, 20)
        await database.execute("UPDATE dead_letters SET state = 'discarded'")
        await decided({"beside", "behind"})
        await eventually(running.is_ready, "nothing is red any more")
        await feed(settings, [*poison(30), *good("later")], partition=0)
        await is_stopped_at(running, 20 + 10 + 10)
        assert await running.stopped() == 0

    async with issuer(settings, dead_letter_limit=0) as running:
        await finished(settings)
        await running.ready()

    await decided({"beside", "behind", "later"})
    assert await count(database, "dead_letters") == 60
    await audit(database)


async def test_paused_partition_does_not_make_the_process_look_dead(
    pool: asyncpg.Pool, pipeline: Pipeline
) -> None:
    """Waiting records count against liveness only in partitions that may go on."""
    brake = Brake(pool, 500)
    lane = Lane(
        SimpleNamespace(consumer=None),
        pipeline,
        brake,
        bookmarks=Bookmarks(pool),
        guard=OWN_CLOCK,
        stopping=asyncio.Event(),
        on_bug=print,
    )
    paused, other = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
    brake._paused[paused] = 0
    lane._progress_at = time.monotonic() - STALLED_SECONDS - 1

    lane._lag = {paused: 1_000, other: 0}
    assert lane.liveness() is None
    lane._lag = {paused: 1_000, other: 1}
    assert "no progress" in str(lane.liveness())
    lane._progress_at = time.monotonic()
    assert lane.liveness() is None


async def test_clean_partition_is_asked_about_once_and_again_when_somebody_else_had_it(
    database: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    """What this lane decided without a letter needs no look; letters of its own and strange offsets do."""
    brake, partition = Brake(pool, 5), TopicPartition(TOPIC, 0)
    consumer: Any = SimpleNamespace(
        assignment=lambda: {partition}, pause=lambda _: None, seek=lambda *_: None
    )

    def ten(first: int) -> list[ConsumerRecord]:
        return [
            ConsumerRecord(TOPIC, 0, offset, 0, 0, None, b"", None, 0, 0, ())
            for offset in range(first, first + 10)
        ]

    async def passes(records: list[ConsumerRecord]) -> bool:
        return (await brake.let_through(consumer, Poll(records))).records == records

    async def five_letters(first: int) -> None:
        await database.execute(
            'INSERT INTO dead_letters (topic, partition, "offset", record_time, stage, exception, message)'
            " SELECT $1, 0, n, now(), 'decode', 'x', 'x' FROM generate_series($2::int, $2 + 4) n",
            TOPIC, first,
        )  # fmt: skip

    assert await passes(ten(0))
    brake.note(Poll(ten(0)), [])
    await five_letters(0)
    assert await passes(ten(10)), "nobody but this lane makes letters there"
    brake.note(Poll(ten(10)), [])
    assert not await passes(ten(30)), "somebody else had it in between"

    assert await passes(ten(2_000))
    died = Poison(stage=Stage.DECODE, exception="x", message="x")
    brake.note(Poll(ten(2_000)), [letter_from_poison(record, died) for record in ten(2_000)[:5]])
    await five_letters(2_000)
    assert not await passes(ten(2_010)), "it has made some itself"
