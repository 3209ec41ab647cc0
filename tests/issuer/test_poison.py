"""Records that cannot be read: kept whole, told to the dead-letter topic, and harmless to their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.issuer.poison_corpus import CORPUS
from tests.stand.feed import feed, finished
from tests.stand.issuing import a_game, audit, count, letters, outcomes
from tests.stand.processes import issuer
from tests.stand.records import completed, raw
from tests.stand.records import poison as unreadable

NEIGHBOURS = 8


def corpus() -> Sequence[ConsumerRecord]:
    """Every record of the corpus, as a consumer hands it over."""
    return [raw(poison.headers, poison.value) for poison in CORPUS]


@pytest.fixture
async def neighbours(
    database: asyncpg.Connection, partner_id: int
) -> Callable[[], Sequence[ConsumerRecord]]:
    """Good records, each of a customer of its own."""
    game_id = await a_game(database, partner_id)
    return lambda: [
        completed(f"e-{n}", f"c-{n}", partner_id=partner_id, game_id=game_id)
        for n in range(NEIGHBOURS)
    ]


@pytest.mark.parametrize("place", [0, NEIGHBOURS // 2, NEIGHBOURS], ids=["first", "middle", "last"])
async def test_poison_anywhere_in_a_batch_is_kept_whole(
    database: asyncpg.Connection,
    pipeline: Pipeline,
    neighbours: Callable[[], Sequence[ConsumerRecord]],
    place: int,
) -> None:
    """Each record of the corpus becomes one dead letter of its stage with its bytes, under replay too."""
    good, bad = neighbours(), corpus()
    records = [*good[:place], *bad, *good[place:]]

    for _ in range(2):
        await pipeline.process(records)

    kept = {letter["offset"]: letter for letter in await letters(database)}
    assert len(kept) == await count(database, "dead_letters") == len(CORPUS)
    for poison, record in zip(CORPUS, bad, strict=True):
        letter = kept[record.offset]
        assert letter["stage"] == poison.stage, poison.name
        assert (letter["key"], letter["value"]) == (record.key, record.value), poison.name
        assert letter["header_values"] == [value for _, value in record.headers], poison.name
        assert letter["state"] == "open"
    assert await outcomes(database) == [(f"e-{n}", "issued", None) for n in range(NEIGHBOURS)]
    await audit(database)


async def test_poison_through_a_real_issuer_stops_nothing(
    topics: Settings,
    database: asyncpg.Connection,
    neighbours: Callable[[], Sequence[ConsumerRecord]],
) -> None:
    """The whole corpus between good records in one partition: all of it is committed, every byte is kept."""
    good, bad = neighbours(), corpus()
    await feed(topics, [*good[:4], *bad, *good[4:]], partition=2)

    async with issuer(topics) as running:
        await finished(topics)
        assert await running.metric("couponry_dead_letters_total") == len(CORPUS)
        assert await running.stopped() == 0

    kept = await letters(database)
    assert [letter["offset"] for letter in kept] == list(range(4, 4 + len(CORPUS)))
    for poison, letter in zip(CORPUS, kept, strict=True):
        assert letter["topic"] == topics.topic("game-completed")
        assert (letter["partition"], letter["stage"]) == (2, poison.stage), poison.name
        assert letter["value"] == poison.value, poison.name
        names = [name.replace("\0", "\ufffd") for name, _ in poison.headers]
        assert letter["header_names"] == names, poison.name
        assert letter["header_values"] == [value for _, value in poison.headers], poison.name
    assert len(await outcomes(database)) == NEIGHBOURS
    await audit(database)


async def test_letter_of_a_record_that_comes_again_is_counted_once(pipeline: Pipeline) -> None:
    """Delivered again, as after a rebalance, it is given up again, kept once, and new only the first time."""
    records = unreadable(3)
    first, second = await pipeline.process(records), await pipeline.process(records)
    assert [len(report.letters) for report in (first, second)] == [3, 3]
    assert [len(report.new_letters) for report in (first, second)] == [3, 0]
