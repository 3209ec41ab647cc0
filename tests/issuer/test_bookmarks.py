"""Where a lane goes on: it goes back for a database that did, and for nothing that happens while it looks."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from services.adapters.postgres.failures import WentBack
from services.issuer.bookmarks import Bookmarks
from services.issuer.pipeline import Pipeline
from services.issuer.polls import Poll
from tests.stand.issuing import a_game, count
from tests.stand.records import completed

PLACE = TopicPartition("game-completed", 0)


def poll(first: int, end: int) -> Poll:
    """Of the one partition, from one offset to before another."""
    return Poll(
        [
            ConsumerRecord(PLACE.topic, PLACE.partition, offset, 0, 1, b"", b"", None, 0, 0, ())
            for offset in range(first, end)
        ]
    )


class Reader:
    """A consumer that has polled to `position` what its group has committed to `committed`.

    `asked` happens whenever it is asked for the ends, as a batch that is decided at that moment.
    """

    def __init__(self, committed: int | None, position: int) -> None:
        self.at, self.group_at, self.sought = position, committed, list[int]()
        self.asked: Any = None
        self.end = 1_000

    def assignment(self) -> set[TopicPartition]:
        return {PLACE}

    async def position(self, _: TopicPartition) -> int:
        return self.at

    async def committed(self, _: TopicPartition) -> int | None:
        return self.group_at

    async def end_offsets(self, _: list[TopicPartition]) -> dict[TopicPartition, int]:
        if self.asked:
            await self.asked()
        return {PLACE: self.end}

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.sought.append(offset)

    async def seek_to_beginning(self, _: TopicPartition) -> None:
        self.sought.append(0)


async def decide(pool: asyncpg.Pool, bookmarks: Bookmarks, first: int, end: int) -> None:
    """A batch is committed."""
    some = poll(first, end)
    await pool.execute(bookmarks.noting(some))
    bookmarks.noted(some)


async def test_poll_that_is_being_decided_is_no_failover(pool: asyncpg.Pool) -> None:
    """A new owner has polled what nobody has decided yet, and looks: it stays where it is."""
    await decide(pool, Bookmarks(pool), 0, 100)
    reader: Any = Reader(committed=100, position=150)
    bookmarks = Bookmarks(pool)
    await bookmarks.look(reader)
    assert (await bookmarks.let_through(reader, poll(100, 150))).records
    assert reader.sought == []


async def test_batch_that_is_decided_while_it_looks_is_no_failover(pool: asyncpg.Pool) -> None:
    """The database is asked, then a batch is committed, then the two are compared: it stays where it is."""
    bookmarks = Bookmarks(pool)
    await decide(pool, bookmarks, 0, 100)
    reader: Any = Reader(committed=100, position=100)

    async def asked() -> None:
        await decide(pool, bookmarks, 100, 150)

    reader.asked = asked
    await bookmarks.look(reader)
    assert reader.sought == []


async def test_database_that_went_back_is_noticed_with_and_without_records(
    pool: asyncpg.Pool,
) -> None:
    """What was noted, or committed to the group, is more than it knows: it goes on where the database does."""
    bookmarks = Bookmarks(pool)
    await decide(pool, bookmarks, 0, 100)
    for looking, group_at in ((bookmarks, 100), (Bookmarks(pool), 150)):
        reader: Any = Reader(committed=group_at, position=group_at)
        await pool.execute("UPDATE next_offsets SET next_offset = 40")
        await looking.look(reader)
        assert reader.sought == [40]
    newcomer: Any = Reader(committed=150, position=150)
    fresh = Bookmarks(pool)
    assert (await fresh.let_through(newcomer, poll(150, 160))).records == []
    assert newcomer.sought == [40]


async def test_first_record_of_a_topic_made_anew_is_not_decided_as_one_of_the_old(
    pool: asyncpg.Pool,
) -> None:
    """The old one's letters are told apart before the new one's come, and once: also when somebody looks meanwhile."""
    bookmarks = Bookmarks(pool)
    await decide(pool, bookmarks, 0, 100)
    reader: Any = Reader(committed=100, position=0)
    reader.end = 9
    assert (await bookmarks.let_through(reader, poll(0, 9))).records == []
    assert reader.sought == [0]
    assert await pool.fetchval("SELECT count(*) FROM next_offsets") == 0
    assert len((await bookmarks.let_through(reader, poll(0, 9))).records) == 9
    await decide(pool, bookmarks, 0, 9)
    reader.at = 9
    await bookmarks.look(reader)
    assert len((await bookmarks.let_through(reader, poll(3, 9))).records) == 6, (
        "read again is not anew"
    )
    assert reader.sought == [0]


async def test_batch_is_not_decided_by_a_database_that_went_back(
    pool: asyncpg.Pool, database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Polled from its predecessor, decided by a standby that lagged: what it has forgotten comes first. Any part fails."""
    game_id = await a_game(database, partner_id)
    bookmarks = Bookmarks(pool)
    await decide(pool, bookmarks, 0, 100)
    some = poll(100, 102)
    events = [completed(f"e-{n}", partner_id=partner_id, game_id=game_id) for n in range(2)]
    holding, noting = bookmarks.holding(some), bookmarks.noting(some)
    await pool.execute(holding)
    await pool.execute("UPDATE next_offsets SET next_offset = 40")
    for last in (noting, holding):
        with pytest.raises(WentBack):
            await pipeline.process(events, last=last)
        with pytest.raises(WentBack):  # also where nothing is to be decided
            await pipeline.process([], last=last)
    assert await count(database, "decisions") == 0
    assert await database.fetchval("SELECT next_offset FROM next_offsets") == 40

    await pool.execute("DELETE FROM next_offsets")  # of a topic that was made anew nothing is known
    await pipeline.process(events, last=noting)
    assert await count(database, "decisions") == 2
    assert await count(database, "next_offsets") == 0


async def test_every_part_of_a_batch_asks_whether_the_database_went_back(
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    pipeline: Pipeline,
    partner_id: int,
) -> None:
    """A batch that is divided commits the one statement with its last part, the other with each before."""
    game_id = await a_game(database, partner_id)
    await owner.execute("CREATE TABLE told (word text); GRANT ALL ON told TO couponry_worker")
    hurt = "ALTER TABLE decisions ADD CONSTRAINT hurts CHECK (event_id <> 'e-0') NOT VALID"
    await owner.execute(hurt)
    events = [
        completed(f"e-{n}", f"c-{n}", partner_id=partner_id, game_id=game_id) for n in range(4)
    ]
    words = {word: f"INSERT INTO told VALUES ('{word}')" for word in ("other", "last")}
    await pipeline.process(events, other=words["other"], last=words["last"])
    told = [row["word"] for row in await database.fetch("SELECT word FROM told")]
    assert told == ["other"] * (len(told) - 1) + ["last"]
    assert len(told) > 1
