"""A record that fails its batch every time: halved until it stands alone, kept as a dead letter, neighbours unharmed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.adapters.event_keys import event_key
from services.issuer.pipeline import Pipeline
from tests.stand.issuing import a_game, audit, letters, outcomes, queued
from tests.stand.records import completed, headers, poison, raw

CURSE = """
    CREATE FUNCTION curse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {raising}; END $$;
    CREATE TRIGGER curse BEFORE INSERT ON {table} FOR EACH ROW WHEN ({which}) EXECUTE FUNCTION curse()
"""


@pytest.fixture
async def play(database: asyncpg.Connection, partner_id: int) -> Callable[..., ConsumerRecord]:
    """Make completions of one game, each by a customer of its own."""
    game_id = await a_game(database, partner_id)
    return lambda name: completed(name, name, partner_id=partner_id, game_id=game_id)


@pytest.mark.parametrize("cursed", [{0}, {7}, {15}, {3, 4}, set(range(16))], ids=str)
@pytest.mark.parametrize(
    "raising",
    [
        "RAISE check_violation",
        "RAISE data_exception",
        "RAISE EXCEPTION 'no' USING DETAIL = 'the row'",
    ],
)
async def test_record_that_cannot_be_stored_stands_alone_in_the_end(
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    pipeline: Pipeline,
    play: Callable[..., ConsumerRecord],
    cursed: set[int],
    raising: str,
) -> None:
    """Wherever they stand in the batch, exactly the guilty records are dead, stage `store`, bytes kept."""
    names = ", ".join(f"'e-{n}'" for n in cursed)
    await owner.execute(
        CURSE.format(raising=raising, table="decisions", which=f"NEW.event_id IN ({names})")
    )
    records = [play(f"e-{n}") for n in range(16)]

    report = await pipeline.process(records)

    assert (len(report.verdicts), len(report.letters)) == (16 - len(cursed), len(cursed))
    assert {event_id for event_id, *_ in await outcomes(database)} == {
        f"e-{n}" for n in range(16) if n not in cursed
    }
    kept = await letters(database)
    assert {(letter["stage"], letter["offset"], letter["value"]) for letter in kept} == {
        ("store", records[n].offset, records[n].value) for n in cursed
    }
    assert not any("\n" in letter["message"] for letter in kept)
    await audit(database)


async def test_rules_that_raise_make_a_dead_letter_of_stage_decide(
    database: asyncpg.Connection, pipeline: Pipeline, play: Callable[..., ConsumerRecord]
) -> None:
    """A coupon that would expire after the last day of the calendar cannot be decided; the neighbours can."""
    await pipeline.process([play("before")])
    await database.execute("UPDATE customers SET last_at = '9999-12-30'")

    await pipeline.process([play("e-1"), play("before"), again_of(play("before")), play("e-2")])

    assert [row[0] for row in await outcomes(database)] == ["before", "e-1", "e-2"]
    (letter,) = await letters(database)
    assert (letter["stage"], letter["exception"], letter["event_id"]) == (
        "decide",
        "RuleFailed",
        "after",
    )
    assert "OverflowError" in letter["message"]
    await audit(database)


def again_of(record: ConsumerRecord) -> ConsumerRecord:
    """The same customer once more, with an event of its own."""
    return raw(headers("after"), record.value, key="before")


async def test_key_that_belongs_to_another_event_is_no_repeat(
    database: asyncpg.Connection, pipeline: Pipeline, play: Callable[..., ConsumerRecord]
) -> None:
    """Two events with one key are told apart by their full texts: the second is a dead letter, not dropped."""
    await pipeline.process([play("first")])
    await database.execute(
        'INSERT INTO decisions (event_key, decided_at, occurred_at, partner_id, customer_no, "offset", partition,'
        " event_id, event_source, event_type, topic, outcome, order_id)"
        " VALUES ($1, now(), now(), 1, 1, 0, 0, 'somebody else', '/games', 'game.completed', 't', 'recorded', 'o')",
        event_key("/games", "collides"),
    )

    await pipeline.process([play("e-1"), play("collides"), play("e-2")])

    assert {"e-1", "e-2"} < {row[0] for row in await outcomes(database)}
    (letter,) = await letters(database)
    assert (letter["stage"], letter["exception"], letter["event_id"]) == (
        "store",
        "KeyCollision",
        "collides",
    )


async def test_letter_that_cannot_be_kept_stops_the_work(
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    pipeline: Pipeline,
    play: Callable[..., ConsumerRecord],
) -> None:
    """Rather than lose a record the pipeline raises; events beside it are decided first."""
    await owner.execute(
        CURSE.format(raising="RAISE check_violation", table="dead_letters", which="true")
    )

    with pytest.raises(asyncpg.CheckViolationError):
        await pipeline.process([play("e-1"), *poison(), play("e-2")])

    assert await letters(database) == []


@pytest.mark.parametrize("timestamp_ms", [-1, 0, 2**53, 2**63 - 1, -(2**63)])
async def test_record_time_of_any_size_is_kept_as_far_as_it_goes(
    database: asyncpg.Connection,
    pipeline: Pipeline,
    play: Callable[..., ConsumerRecord],
    timestamp_ms: int,
) -> None:
    """A topic that believes its producers carries timestamps no calendar has: no reason to stop."""
    await pipeline.process([raw(headers("x"), b"no JSON", timestamp_ms=timestamp_ms), play("e-1")])

    (letter,) = await letters(database)
    assert (
        datetime(1970, 1, 1, tzinfo=UTC)
        <= letter["record_time"]
        <= datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    )
    assert sorted(await queued(database)) == [
        ("coupon-issued", "coupon.issued"),
        ("dead-letters", None),
    ]
