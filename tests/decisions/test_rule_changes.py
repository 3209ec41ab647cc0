"""Rule 6: switching a game to one active coupon at a time, beside issuers and beside clocks that are set back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import asyncpg
import orjson
import pytest

from schemas.partners.games import Game, read_game
from services.adapters.postgres.games import games_by_id
from services.adapters.postgres.pool import connect
from services.decisions.groundwork import upon_groundwork
from services.decisions.manner import Manner
from services.decisions.passing_time import CLOSED_AT_ONCE
from services.decisions.rule_changes import MultipleInUse, preview_games, update_games
from services.domain.coupons.codes import codes_from
from services.runtime.settings import Settings
from tests.stand.issuing import a_game, a_partner, blocked_by
from tests.stand.waiting import eventually


@pytest.fixture
async def game_id(database: asyncpg.Connection) -> int:
    """A game that allows many coupons at a time, valid for seven days."""
    return await a_game(database, await a_partner(database), allow_multiple_active_coupons=True)


async def _issue(
    connection: asyncpg.Connection, game_id: int, customer_id: str, days_ago: float = 0
) -> str:
    """A coupon of seven days, issued some days ago."""
    coupon_id = str(uuid4())
    code = codes_from(os.urandom(10))[0]
    await connection.execute(
        """
        WITH customer AS (
            INSERT INTO customers AS c (partner_id, customer_id, last_at)
            SELECT partner_id, $2, now() - $4::interval FROM games WHERE id = $1
            ON CONFLICT (partner_id, customer_id) DO UPDATE SET last_at = c.last_at
            RETURNING customer_no, partner_id)
        INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
                             rule_validity_days, rule_allow_multiple, holds_single_place, code)
        SELECT $3, $3, partner_id, $1, customer_no, now() - $4::interval, now() - $4::interval + interval '168 hours',
               1, 7, true, false, $5
        FROM customer
        """,
        game_id,
        customer_id,
        coupon_id,
        timedelta(days=days_ago),
        code,
    )
    return coupon_id


async def _switch(
    connection: asyncpg.Connection, game_id: int, offset: timedelta = timedelta()
) -> list[MultipleInUse]:
    async with connection.transaction():
        stored = (await games_by_id(connection, [game_id]))[game_id].definition
        changed = read_game({"allow_multiple_active_coupons": False}, stored)
        return await update_games(
            connection, {game_id: changed}, actor="test", manner=Manner(clock_offset=offset)
        )


async def _definition(connection: asyncpg.Connection, game_id: int) -> Game:
    return read_game((await games_by_id(connection, [game_id]))[game_id].definition)


async def test_switch_is_refused_while_coupons_are_active(
    database: asyncpg.Connection, game_id: int
) -> None:
    """The refusal counts active coupons and the customers who hold them: no lapsed, used or foreign ones."""
    for customer in ("a", "a", "b"):
        await _issue(database, game_id, customer)
    await _issue(database, game_id, "c", days_ago=8)
    used = await _issue(database, game_id, "d")
    await database.execute(
        "UPDATE coupons SET status = 'redeemed', redeemed_at = now() WHERE id = $1", used
    )
    other = await a_game(database, await a_partner(database), allow_multiple_active_coupons=True)
    await _issue(database, other, "e")

    refused = await _switch(database, game_id)

    assert refused == [MultipleInUse(game_id=game_id, active_coupons_count=3, affected_customers=2)]
    assert (await _definition(database, game_id)).allow_multiple_active_coupons


async def test_switch_closes_what_is_over(database: asyncpg.Connection, game_id: int) -> None:
    """Lapsed coupons are closed with their step and event, so that no clock set back revives them."""
    lapsed = [await _issue(database, game_id, customer, days_ago=8) for customer in ("a", "b")]

    assert await _switch(database, game_id) == []

    assert not (await _definition(database, game_id)).allow_multiple_active_coupons
    rows = await database.fetch(
        """
        SELECT c.id::text, c.status, h.step, h.status AS step_status, h.actor, h.at = c.expires_at AS on_time,
               o.ce_id, o.subject, o.ce_time = c.expires_at AS event_on_time, o.key, o.value
        FROM coupons c JOIN coupon_history h ON h.coupon_id = c.id JOIN outbox o ON o.subject = c.id::text
        ORDER BY o.key
        """
    )
    assert [row["id"] for row in rows] == lapsed
    for row, customer in zip(rows, ("a", "b"), strict=True):
        assert (row["status"], row["step"], row["step_status"]) == ("expired", 1, "expired")
        assert (row["actor"], row["on_time"], row["event_on_time"]) == ("test", True, True)
        assert (row["ce_id"], row["key"]) == (f"{row['id']}.1.expired", customer)
        assert orjson.loads(row["value"])["status"] == "expired"


async def test_switch_goes_by_the_test_clock(database: asyncpg.Connection, game_id: int) -> None:
    """With the clock moved a week ahead, a coupon of today no longer stands in the way, and stays closed."""
    await _issue(database, game_id, "a")
    assert await _switch(database, game_id)
    assert await _switch(database, game_id, timedelta(days=7, minutes=1)) == []
    assert await database.fetchval("SELECT status FROM coupons") == "expired"
    assert await database.fetchval("SELECT last_at > now() + interval '7 days' FROM customers")


async def test_switch_waits_for_a_batch_and_counts_it(
    settings: Settings, database: asyncpg.Connection, game_id: int
) -> None:
    """A batch that has shared the game commits first: the change sees its coupon and is refused."""
    issuer = await connect(settings, "test")
    batch = issuer.transaction()
    await batch.start()
    await _issue(issuer, game_id, "a")
    await issuer.execute("SELECT FROM games WHERE id = $1 FOR SHARE", game_id)

    watcher = await connect(settings, "test")
    change = asyncio.create_task(_switch(database, game_id))
    await eventually(lambda: blocked_by(issuer, watcher), "the change waits for the batch")
    await batch.commit()

    assert [one.active_coupons_count for one in await change] == [1]
    await issuer.close()
    await watcher.close()


async def test_switch_makes_a_batch_decide_again(
    settings: Settings, database: asyncpg.Connection, game_id: int
) -> None:
    """A batch that shares the game after the change finds another version than it decided by."""
    async with database.transaction():
        changed = read_game(
            {"allow_multiple_active_coupons": False},
            (await _definition(database, game_id)).model_dump(),
        )
        assert not await update_games(database, {game_id: changed}, actor="test")
        issuer = await connect(settings, "test")
        confirm = asyncio.create_task(
            issuer.fetchval("SELECT version FROM games WHERE id = $1 FOR SHARE", game_id)
        )
        watcher = await connect(settings, "test")
        await eventually(lambda: blocked_by(database, watcher), "the batch waits for the change")
    assert await confirm == 2
    await issuer.close()
    await watcher.close()


async def test_update_that_changes_nothing_makes_no_version(
    database: asyncpg.Connection, game_id: int
) -> None:
    """The same definition again leaves version and history alone; another one counts up and is kept."""
    same = await _definition(database, game_id)
    await update_games(database, {game_id: same}, actor="test")
    assert await database.fetchval("SELECT max(version) FROM game_versions") == 1
    await update_games(
        database, {game_id: read_game({"name": "Other"}, same.model_dump())}, actor="test"
    )
    versions = await database.fetch(
        "SELECT version, rules ->> 'name' FROM game_versions ORDER BY version"
    )
    assert [tuple(row) for row in versions] == [(1, same.name), (2, "Other")]


async def _plant(
    connection: asyncpg.Connection, game_id: int, number: int, days_ago: float = 0
) -> None:
    """So many coupons of seven days, each of a customer of its own."""
    await connection.execute(
        """
        WITH numbers AS (SELECT n, 'planted-' || $2 || '-' || n AS customer_id FROM generate_series(1, $2::integer) AS n),
        added AS (
            INSERT INTO customers (partner_id, customer_id, last_at)
            SELECT partner_id, customer_id, now() - $3::interval FROM games, numbers WHERE id = $1
            RETURNING customer_no, partner_id
        )
        INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, rule_version,
                             rule_validity_days, rule_allow_multiple, holds_single_place, code)
        SELECT gen_random_uuid(), gen_random_uuid(), partner_id, $1, customer_no, now() - $3::interval,
               now() - $3::interval + interval '168 hours', 1, 7, true, false,
               translate(upper(substr(md5(customer_no::text), 1, 16)), 'ILOU', '1100')
        FROM added
        """,
        game_id,
        number,
        timedelta(days=days_ago),
    )


@asynccontextmanager
async def _shared_by_an_issuer(settings: Settings, game_id: int) -> AsyncIterator[None]:
    """A batch is about to commit: whoever wants the game for himself waits, and whoever shares it waits behind him."""
    issuer = await connect(settings, "test")
    batch = issuer.transaction()
    await batch.start()
    await issuer.execute("SELECT FROM games WHERE id = $1 FOR SHARE", game_id)
    yield
    await batch.rollback()
    await issuer.close()


async def test_preview_and_refusal_wait_for_nobody(
    settings: Settings, database: asyncpg.Connection, game_id: int
) -> None:
    """Active coupons are counted before the game is locked: a refusal, or a preview of one, keeps no issuer waiting."""
    await _plant(database, game_id, CLOSED_AT_ONCE + 1)
    stored = (await games_by_id(database, [game_id]))[game_id].definition
    changed = read_game({"allow_multiple_active_coupons": False}, stored)
    refused = [
        MultipleInUse(
            game_id=game_id,
            active_coupons_count=CLOSED_AT_ONCE + 1,
            affected_customers=CLOSED_AT_ONCE + 1,
        )
    ]
    async with _shared_by_an_issuer(settings, game_id):
        await database.execute("SET lock_timeout = '1s'")
        assert await _switch(database, game_id) == refused
        async with database.transaction():
            assert await preview_games(database, {game_id: changed}) == refused


async def test_preview_closes_nothing(
    settings: Settings, database: asyncpg.Connection, game_id: int
) -> None:
    """What would be closed by the change is still open after its preview, which needs no lock of the game."""
    await _issue(database, game_id, "a", days_ago=8)
    stored = (await games_by_id(database, [game_id]))[game_id].definition
    changed = read_game({"allow_multiple_active_coupons": False}, stored)
    async with _shared_by_an_issuer(settings, game_id):
        await database.execute("SET lock_timeout = '1s'")
        assert await preview_games(database, {game_id: changed}) == []
    assert await database.fetchval("SELECT status FROM coupons") == "active"


async def test_many_that_are_over_are_closed_in_parts(
    database: asyncpg.Connection, game_id: int
) -> None:
    """No transaction holds the customers of more than a few of them, and the change comes when all are closed."""
    await _plant(database, game_id, 2 * CLOSED_AT_ONCE + 100, days_ago=8)

    @asynccontextmanager
    async def begin() -> AsyncIterator[asyncpg.Connection]:
        async with database.transaction():
            yield database

    done = await upon_groundwork(
        lambda: _switch(database, game_id), begin, actor="test", manner=Manner()
    )

    assert done == []
    assert not (await _definition(database, game_id)).allow_multiple_active_coupons
    assert await database.fetchval("SELECT count(*) FROM coupons WHERE status = 'active'") == 0
    parts = await database.fetch("SELECT count(*) FROM coupon_history GROUP BY xmin::text")
    assert max(part["count"] for part in parts) == CLOSED_AT_ONCE
    assert sum(part["count"] for part in parts) == 2 * CLOSED_AT_ONCE + 100
