"""Retention on real Postgres: what is old enough goes, a bounded number of rows at a time; what may be needed stays."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest

from services.adapters.postgres.clock import OWN_CLOCK, ClockGuard, own_clock
from services.adapters.postgres.failures import ClockApart
from services.insight.status.stored import stored
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from services.sweeper.retention import forget_once
from tests.stand.database import connected
from tests.stand.issuing import letters
from tests.stand.records import headers, raw

DAY = timedelta(days=1)
KEPT = {
    "dead_letter_retention_days": 90,
    "audit_retention_days": 30,
    "idempotency_retention_hours": 48,
}
AGES = {"letter": 90 * DAY, "audit": 30 * DAY, "answer": 2 * DAY}
"""How old each kind of row may grow under these settings."""

ROWS = {
    "letter": """
        INSERT INTO dead_letters (topic, partition, "offset", record_time, stage, exception, message, key, value,
                                  header_names, header_values, state, closed_at)
        SELECT 'orders', 0, n, now(), 'schema', 'E', 'bad', 'k', 'v', '{h}', '{x}', 'discarded', now() - $1::interval
        FROM generate_series(1, $2) AS n""",
    "audit": """
        INSERT INTO audit_log (partner_id, at, actor, request_id, action, subject_id)
        SELECT 1, now() - $1::interval, 'a', 'r', 'game.updated', n FROM generate_series(1, $2::int) AS n""",
    "answer": """
        INSERT INTO idempotency_keys (partner_id, key, request_hash, created_at)
        SELECT 1, 'k' || n, 'x', now() - $1::interval FROM generate_series(1, $2::int) AS n""",
}
LEFT = {
    "letter": "SELECT count(*) FROM dead_letters WHERE emptied_at IS NULL",
    "audit": "SELECT count(*) FROM audit_log",
    "answer": "SELECT count(*) FROM idempotency_keys",
}


@pytest.fixture
def keeping(settings: Settings) -> Settings:
    """Everything for a time."""
    return settings.model_copy(update=KEPT)


@pytest.mark.parametrize("kind", ROWS)
async def test_row_goes_when_it_is_old_enough_and_no_sooner(
    kind: str, keeping: Settings, owner: asyncpg.Connection, database: asyncpg.Connection
) -> None:
    """Kept to the hour of its age, gone right after; where the setting is 0, kept for ever."""
    await owner.execute(ROWS[kind], AGES[kind] - timedelta(hours=1), 1)
    assert await forget_once(database, keeping, OWN_CLOCK)
    assert await owner.fetchval(LEFT[kind]) == 1

    await owner.execute("DELETE FROM dead_letters")
    await owner.execute("TRUNCATE audit_log, idempotency_keys")
    await owner.execute(ROWS[kind], AGES[kind] + timedelta(minutes=1), 1)
    for_ever = keeping.model_copy(
        update={"dead_letter_retention_days": 0, "audit_retention_days": 0, "idempotency_retention_hours": 8_760}
    )  # fmt: skip
    await forget_once(database, for_ever, OWN_CLOCK)
    assert await owner.fetchval(LEFT[kind]) == 1
    await forget_once(database, keeping, OWN_CLOCK)
    assert await owner.fetchval(LEFT[kind]) == 0


@pytest.mark.parametrize("kind", ["letter", "answer"])
async def test_a_turn_takes_a_bounded_number_and_waits_for_nobody(
    kind: str, keeping: Settings, owner: asyncpg.Connection, database: asyncpg.Connection
) -> None:
    """Ten at a time of twenty-five, says that there is more; a row that somebody holds is left for the next turn."""
    await owner.execute(ROWS[kind], AGES[kind] + DAY, 25)
    table = LEFT[kind].split()[3]
    async with connected(keeping, role=None) as other:
        held = other.transaction()
        await held.start()
        await other.execute(f"SELECT FROM {table} LIMIT 3 FOR UPDATE")
        turns = [await forget_once(database, keeping, OWN_CLOCK, 10) for _ in range(3)]
        assert turns == [False, False, True]
        assert await owner.fetchval(LEFT[kind]) == 3
        await held.rollback()
    assert await forget_once(database, keeping, OWN_CLOCK, 10)
    assert await owner.fetchval(LEFT[kind]) == 0


async def test_audit_trail_shrinks_by_a_bounded_number_and_by_one_sweeper(
    keeping: Settings, owner: asyncpg.Connection, database: asyncpg.Connection
) -> None:
    """Ten at a time of twenty-five; while another sweeper is at it, none."""
    await owner.execute(ROWS["audit"], AGES["audit"] + DAY, 25)
    assert not await forget_once(database, keeping, OWN_CLOCK, 10)
    assert await owner.fetchval(LEFT["audit"]) == 15
    async with owner.transaction():
        await owner.execute("SELECT pg_advisory_xact_lock(hashtextextended('couponry.audit', 0))")
        assert await forget_once(database, keeping, OWN_CLOCK, 10)
    assert await owner.fetchval(LEFT["audit"]) == 15
    assert [await forget_once(database, keeping, OWN_CLOCK, 10) for _ in range(2)] == [False, True]
    assert await owner.fetchval(LEFT["audit"]) == 0


async def test_nothing_goes_by_a_clock_that_is_apart(
    keeping: Settings, owner: asyncpg.Connection, database: asyncpg.Connection
) -> None:
    """A database a year ahead would take everything for old."""
    for kind, rows in ROWS.items():
        await owner.execute(rows, AGES[kind] + DAY, 1)
    behind = ClockGuard(own=lambda: own_clock() - timedelta(days=365))
    with pytest.raises(ClockApart):
        await forget_once(database, keeping, behind)
    assert [await owner.fetchval(left) for left in LEFT.values()] == [1, 1, 1]


async def test_letter_that_may_be_needed_is_kept_whole(
    keeping: Settings, owner: asyncpg.Connection, database: asyncpg.Connection
) -> None:
    """One that nobody has dealt with, however old, and one that still waits to be published."""
    await owner.execute(ROWS["letter"], 91 * DAY, 3)
    await owner.execute("UPDATE dead_letters SET state = 'open' WHERE \"offset\" = 1")
    await owner.execute("UPDATE dead_letters SET created_at = now() - interval '10 years'")
    await owner.execute(
        "INSERT INTO outbox (dead_letter_id, topic) SELECT id, 'dead-letters' FROM dead_letters WHERE \"offset\" = 2"
    )
    await forget_once(database, keeping, OWN_CLOCK)
    rows = await letters(owner)
    assert [(row["value"], row["header_names"]) for row in rows] == [
        (b"v", ["h"]), (b"v", ["h"]), (None, []),
    ]  # fmt: skip
    assert (rows[2]["topic"], rows[2]["offset"], rows[2]["stage"], rows[2]["state"]) == (
        "orders", 3, "schema", "discarded",
    )  # fmt: skip
    assert (await stored(database, keeping))["emptied_dead_letters"] == 1


async def test_letter_says_since_when_it_is_closed(owner: asyncpg.Connection) -> None:
    """Whoever closes it; and no more once it is open again."""
    await owner.execute(ROWS["letter"], 91 * DAY, 1)
    for state, is_closed in (("open", False), ("decided", True)):
        await owner.execute("UPDATE dead_letters SET state = $1", state)
        closed_at = await owner.fetchval(
            "SELECT closed_at > now() - interval '1 hour' FROM dead_letters"
        )
        assert closed_at is (True if is_closed else None)


async def test_record_of_an_emptied_letter_that_comes_again_is_no_second_letter(
    keeping: Settings, owner: asyncpg.Connection, database: asyncpg.Connection, pipeline: Pipeline
) -> None:
    """It is known by its place and time; another record there is of a topic made anew, and gets its own."""
    poison = raw(headers("bad"), b"{")
    await pipeline.process([poison])
    await owner.execute("DELETE FROM outbox")
    await owner.execute("UPDATE dead_letters SET state = 'discarded'")
    await owner.execute("UPDATE dead_letters SET closed_at = now() - interval '91 days'")
    await forget_once(database, keeping, OWN_CLOCK)
    assert not (await pipeline.process([poison])).new_letters
    assert len(await letters(owner)) == 1

    poison.timestamp += 1
    assert len((await pipeline.process([poison])).new_letters) == 1
    assert [(row["topic"], row["value"]) for row in await letters(owner)] == [
        (f"{poison.topic}#1", None), (poison.topic, b"{"),
    ]  # fmt: skip
