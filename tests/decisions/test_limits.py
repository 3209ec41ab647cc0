"""Limits count what was not cancelled: a cancelled coupon gives its place back, also when others want it at that moment."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from schemas.partners.games import read_game
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.games import UNCOUNTED, games_by_id
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.decisions.groundwork import NeedsGroundwork, upon_groundwork
from services.decisions.manner import USUAL
from services.decisions.rule_changes import COUNTED_AT_ONCE, update_games
from services.decisions.steps import StepRequest, take_step
from services.domain.coupons.coupon import Step
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.stand.database import connected
from tests.stand.issuing import a_game, blocked_by, outcomes
from tests.stand.records import completed
from tests.stand.waiting import eventually

IN_PLACE = "SELECT count(*) FROM coupons WHERE game_id = $1 AND status <> 'cancelled'"
LEFT = """
    SELECT sum(q.remaining) - coalesce((SELECT debt FROM game_quota_debt d WHERE d.game_id = g.id AND d.epoch = g.quota_epoch), 0)
    FROM games g JOIN game_quota q ON q.game_id = g.id AND q.epoch = g.quota_epoch WHERE g.id = $1
    GROUP BY g.id, g.quota_epoch"""


async def cancel(pool: asyncpg.Pool, coupon_id: str) -> None:
    """By staff."""
    request = StepRequest(coupon_id=coupon_id, step=Step.CANCELLED, shop_id=1, actor="test")
    while True:
        try:
            async with pool.acquire() as connection, connection.transaction():
                answer = await take_step(connection, request, USUAL)
                assert answer is not None
                assert answer.refusal is None
                return
        except LostRace:
            continue


async def coupons_of(database: asyncpg.Connection, game_id: int) -> list[str]:
    """Ids of those that were not cancelled, oldest first."""
    query = "SELECT id FROM coupons WHERE game_id = $1 AND status <> 'cancelled' ORDER BY id"
    return [str(row["id"]) for row in await database.fetch(query, game_id)]


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"customer_limit": 1}, "customer_limit_reached"),
        ({"customer_limit_per_day": 1}, "customer_limit_reached"),
        ({"customer_limit_per_month": 1}, "customer_limit_reached"),
        ({"total_limit": 1}, "game_limit_reached"),
    ],
)
async def test_cancelled_coupon_gives_its_place_back(
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    pipeline: Pipeline,
    partner_id: int,
    limit: dict[str, int],
    reason: str,
) -> None:
    """One place: taken, refused to the next, given back, taken again."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True, **limit)
    for number in range(2):
        for event in ("first", "second"):
            name = f"{event}-{number}"
            await pipeline.process([completed(name, partner_id=partner_id, game_id=game_id)])
        assert (await outcomes(database))[-2:] == [
            (f"first-{number}", "issued", None),
            (f"second-{number}", "declined", reason),
        ]
        (coupon_id,) = await coupons_of(database, game_id)
        await cancel(pool, coupon_id)


async def test_place_that_comes_back_makes_up_for_a_limit_set_too_low(
    database: asyncpg.Connection, pool: asyncpg.Pool, pipeline: Pipeline, partner_id: int
) -> None:
    """Five were issued, three may be: two places that come back are nobody's, the third is."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True, total_limit=5)
    records = [
        completed(f"e-{number}", f"c-{number}", partner_id=partner_id, game_id=game_id)
        for number in range(9)
    ]
    await pipeline.process(records[:5])
    await database.execute("UPDATE games SET total_limit = 3 WHERE id = $1", game_id)
    for number, coupon_id in enumerate((await coupons_of(database, game_id))[:3]):
        await pipeline.process([records[5 + number]])
        await cancel(pool, coupon_id)
    await pipeline.process([records[8]])
    assert [reason for _, _, reason in (await outcomes(database))[5:]] == [
        "game_limit_reached", "game_limit_reached", "game_limit_reached", None,
    ]  # fmt: skip
    assert await database.fetchval(IN_PLACE, game_id) == 3
    assert await database.fetchval(LEFT, game_id) == 0


async def test_last_places_are_raced_for_while_some_come_back(
    database: asyncpg.Connection, pool: asyncpg.Pool, pipeline: Pipeline, partner_id: int
) -> None:
    """Never more than the limit, none lost: what is in place and what is left are the limit, whoever was first."""
    limit = 20
    game_id = await a_game(
        database, partner_id, allow_multiple_active_coupons=True, total_limit=limit
    )
    records = [
        completed(f"e-{number}", f"c-{number % 30}", partner_id=partner_id, game_id=game_id)
        for number in range(120)
    ]
    await pipeline.process(records[:limit])
    first = await coupons_of(database, game_id)
    await asyncio.gather(
        *(pipeline.process(records[start : start + 10]) for start in range(limit, 120, 10)),
        *(cancel(pool, coupon_id) for coupon_id in first[:12]),
    )
    in_place = await database.fetchval(IN_PLACE, game_id)
    assert in_place <= limit
    assert in_place + await database.fetchval(LEFT, game_id) == limit


async def test_bulk_cancels_that_meet_in_opposite_order_do_not_deadlock(
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    pipeline: Pipeline,
    settings: Settings,
    partner_id: int,
) -> None:
    """Of two games, one statement comes upon the one first, the other upon the other: all places are free again."""
    limit = 320
    games = [
        await a_game(database, partner_id, allow_multiple_active_coupons=True, total_limit=limit)
        for _ in range(2)
    ]
    async with connected(settings, role=None) as one, connected(settings, role=None) as other:
        for attempt in range(5):
            for half, order in enumerate((games, games[::-1])):
                for game_id in order:
                    await pipeline.process(
                        [
                            completed(f"{attempt}-{half}-{game_id}-{n}", f"{half}-{n}", partner_id=partner_id, game_id=game_id)
                            for n in range(limit // 2)
                        ]
                    )  # fmt: skip
            both = asyncio.Barrier(2)

            async def cancel_all(
                connection: asyncpg.Connection, half: int, both: asyncio.Barrier
            ) -> None:
                await both.wait()
                await connection.execute(
                    "UPDATE coupons c SET status = 'cancelled', holds_single_place = false FROM customers cu"
                    " WHERE cu.customer_no = c.customer_no AND c.status = 'active' AND cu.customer_id LIKE $1",
                    f"{half}-%",
                )  # fmt: skip

            await asyncio.gather(cancel_all(one, 0, both), cancel_all(other, 1, both))
            for game_id in games:
                assert await database.fetchval(LEFT, game_id) == limit


async def test_long_history_is_not_read_for_a_limit(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """Of a customer with thousands of coupons, most of them cancelled, the newest that count are found and no others."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    await database.execute(
        """
        INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, rule_version,
                             rule_allow_multiple, holds_single_place, status, code)
        SELECT gen_random_uuid(), gen_random_uuid(), $1, $2, 1, timestamptz '2026-01-01T00:00Z' + n * interval '1 min', 1,
               true, false, CASE WHEN n < 1000 THEN 'active' ELSE 'cancelled' END, lpad(n::text, 16, '0')
        FROM generate_series(0, 2999) AS n
        """,
        partner_id,
        game_id,
    )
    query = queries("coupons", "services.adapters.postgres")["past_issues"]
    wanted = ([1], [game_id], [3])
    found = [row["issued_at"] for row in await database.fetch(query, *wanted)]
    newest = await database.fetch(
        "SELECT issued_at FROM coupons WHERE status = 'active' ORDER BY issued_at DESC LIMIT 3"
    )
    assert found == [row["issued_at"] for row in newest]
    explained = await database.fetchval(
        "EXPLAIN (ANALYZE, FORMAT JSON)"
        + query.replace("$1", "'{1}'").replace("$2", f"'{{{game_id}}}'").replace("$3", "'{3}'")
    )
    text = json.dumps(json.loads(explained))
    rows = [float(each) for each in re.findall(r'"Actual Rows": ([\d.]+)', text)]
    assert max(rows) == 3, text
    assert "Rows Removed by Filter" not in text


MANY = COUNTED_AT_ONCE + 200


async def many_issued(database: asyncpg.Connection, partner_id: int, **rules: object) -> int:
    """A game with more coupons than are counted while others wait; every hundredth was cancelled."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True, **rules)
    await database.execute(
        """
        WITH customer AS (
            INSERT INTO customers (partner_id, customer_id, last_at) VALUES ($1, 'planted', now()) RETURNING customer_no
        )
        INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, rule_version,
                             rule_allow_multiple, holds_single_place, status, code)
        SELECT gen_random_uuid(), gen_random_uuid(), $1, $2, customer_no, now(), 1, true, false,
               CASE n % 100 WHEN 0 THEN 'cancelled' WHEN 1 THEN 'expired' ELSE 'active' END, lpad(n::text, 16, '0')
        FROM customer, generate_series(1, $3) AS n
        """,
        partner_id,
        game_id,
        MANY,
    )
    return game_id


async def limited(pool: asyncpg.Pool, game_id: int, limit: int | None) -> None:
    """By a change of rules, with the groundwork that it needs."""

    @asynccontextmanager
    async def begin() -> AsyncIterator[Connection]:
        async with pool.acquire() as connection, connection.transaction():
            yield connection

    async def change() -> None:
        async with begin() as connection:
            stored = (await games_by_id(connection, [game_id]))[game_id].definition
            game = read_game({"total_limit": limit}, stored)
            assert await update_games(connection, {game_id: game}, actor="test") == []

    await upon_groundwork(change, begin, actor="test", manner=USUAL)


async def test_limit_of_a_game_of_many_coupons_is_exact_beside_issuers(
    database: asyncpg.Connection, pool: asyncpg.Pool, pipeline: Pipeline, partner_id: int
) -> None:
    """Whatever is issued and cancelled while it is set, changed and set again: in place and left are the limit."""
    game_id = await many_issued(database, partner_id)
    limits = (MANY + 150, MANY + 60, None, MANY + 100, MANY - 500, MANY + 130)
    for turn, limit in enumerate(limits):
        records = [
            completed(f"e-{turn}-{number}", f"c-{number}", partner_id=partner_id, game_id=game_id)
            for number in range(40)
        ]
        cancelled = await database.fetch(
            "SELECT id FROM coupons WHERE game_id = $1 AND status = 'active' LIMIT 3", game_id
        )
        await asyncio.gather(
            *(pipeline.process(records[start : start + 10]) for start in range(0, 40, 10)),
            *(cancel(pool, str(row["id"])) for row in cancelled),
            limited(pool, game_id, limit),
        )
        if limit is not None:
            in_place = await database.fetchval(IN_PLACE, game_id)
            assert in_place + await database.fetchval(LEFT, game_id) == limit
    (rules,) = await database.fetch("SELECT total_limit FROM games WHERE id = $1", game_id)
    assert rules["total_limit"] == MANY + 130


@pytest.mark.parametrize("first", ["cancel", "limit"])
async def test_place_of_a_coupon_cancelled_beside_a_first_limit_is_not_lost(
    first: str,
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    pipeline: Pipeline,
    partner_id: int,
) -> None:
    """Neither sees what the other has not committed; whoever comes second waits, and counts or gives back."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    won = [completed(f"e-{n}", "c", partner_id=partner_id, game_id=game_id) for n in range(3)]
    await pipeline.process(won)
    coupon_id = (await coupons_of(database, game_id))[0]
    request = StepRequest(coupon_id=coupon_id, step=Step.CANCELLED, shop_id=1, actor="test")
    async with pool.acquire() as holder:
        async with holder.transaction():
            if first == "cancel":
                await take_step(holder, request, USUAL)
                second = asyncio.create_task(limited(pool, game_id, 5))
            else:
                await holder.execute("UPDATE games SET total_limit = 5 WHERE id = $1", game_id)
                second = asyncio.create_task(cancel(pool, coupon_id))

            async def waits_or_has_not_waited() -> bool:
                return second.done() or await blocked_by(holder, database) > 0

            await eventually(waits_or_has_not_waited, "the second is under way")
        await second
    assert await database.fetchval(IN_PLACE, game_id) == 2
    assert await database.fetchval(LEFT, game_id) == 3


async def test_limit_that_is_not_set_in_the_end_leaves_no_other(
    database: asyncpg.Connection, pool: asyncpg.Pool, partner_id: int
) -> None:
    """A change that fails after its groundwork was laid: the game has no limit, as before."""
    game_id = await many_issued(database, partner_id)

    @asynccontextmanager
    async def begin() -> AsyncIterator[Connection]:
        async with pool.acquire() as connection, connection.transaction():
            yield connection

    seen = []

    async def change() -> None:
        seen.append(await database.fetchval("SELECT total_limit FROM games WHERE id = $1", game_id))
        if len(seen) == 1:
            raise NeedsGroundwork(uncounted=frozenset({game_id}))
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError):
        await upon_groundwork(change, begin, actor="test", manner=USUAL)
    assert seen == [None, UNCOUNTED]
    assert await database.fetchval("SELECT total_limit FROM games WHERE id = $1", game_id) is None


async def test_change_of_limit_counts_few_coupons_while_others_wait(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """From one limit to another, of a game of many: the shares are read, not the coupons."""
    game_id = await many_issued(database, partner_id, total_limit=MANY)
    await database.execute("UPDATE games SET total_limit = $2 WHERE id = $1", game_id, MANY + 1)
    in_place = await database.fetchval(IN_PLACE, game_id)
    # Planted beside the shares, so that it shows whether these were counted.
    assert await database.fetchval(LEFT, game_id) == MANY + 1
    assert in_place > COUNTED_AT_ONCE
