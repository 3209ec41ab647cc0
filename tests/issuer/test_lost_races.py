"""What somebody else changes between load and commit: the batch is rolled back and decided again under what is true."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import pytest

from schemas.partners.games import Game, read_game
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.games import games_by_id
from services.adapters.redis_locks import CustomerLocks
from services.decisions.rule_changes import update_games
from services.issuer import metrics
from services.issuer.pipeline import LOST_RACES_IN_A_ROW, Pipeline
from tests.stand.issuing import a_game, audit, blocked_by, letters, outcomes
from tests.stand.records import completed
from tests.stand.till import Till
from tests.stand.waiting import eventually


async def test_game_changed_before_the_commit_is_decided_under_the_new_rule(
    database: asyncpg.Connection, owner: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """A batch that meets a new version in its last statement leaves nothing of the old one behind."""
    game_id = await a_game(database, partner_id)
    await pipeline.process([completed("warm", "warm", partner_id=partner_id, game_id=game_id)])
    records = [
        completed(f"e-{n}", f"c-{n}", partner_id=partner_id, game_id=game_id) for n in range(3)
    ]
    before = metrics.LOST_RACES._value.get()

    async with owner.transaction():
        await owner.execute("SELECT FROM games WHERE id = $1 FOR UPDATE", game_id)
        batch = asyncio.create_task(pipeline.process(records))
        await eventually(lambda: blocked_by(owner, database), "the batch asks for the versions")
        await owner.execute("UPDATE games SET coupon_validity_days = 30 WHERE id = $1", game_id)
    await batch

    assert metrics.LOST_RACES._value.get() == before + 1
    rows = await database.fetch(
        "SELECT rule_version, rule_validity_days FROM coupons c JOIN customers USING (customer_no)"
        " WHERE customer_id <> 'warm'"
    )
    assert [tuple(row) for row in rows] == [(2, 30)] * 3
    values = await database.fetch("SELECT value FROM outbox ORDER BY id DESC LIMIT 3")
    assert {json.loads(row["value"])["rule"]["version"] for row in values} == {2}
    await audit(database)


async def test_game_switched_off_before_the_commit_declines(
    database: asyncpg.Connection, owner: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """The rule in force at the commit decides, also when that turns a coupon into none."""
    game_id = await a_game(database, partner_id)
    await pipeline.process([completed("warm", "warm", partner_id=partner_id, game_id=game_id)])
    await owner.execute("UPDATE games SET is_active = false WHERE id = $1", game_id)

    await pipeline.process([completed("e-1", partner_id=partner_id, game_id=game_id)])

    assert ("e-1", "declined", "game_inactive") in await outcomes(database)


async def test_cache_emptied_by_another_lane_does_not_lose_a_game(
    database: asyncpg.Connection, owner: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """While one batch loads a game it does not know, another drops a changed one from the cache both share."""
    known, new = await a_game(database, partner_id), await a_game(database, partner_id)
    await pipeline.process([completed("warm", "warm", partner_id=partner_id, game_id=known)])
    await database.execute("UPDATE games SET coupon_validity_days = 30 WHERE id = $1", known)

    async with owner.transaction():
        await owner.execute(
            "LOCK TABLE partners"
        )  # loading a game waits, confirming a version does not
        both = asyncio.create_task(
            pipeline.process(
                [
                    completed("e-1", partner_id=partner_id, game_id=known),
                    completed("e-2", partner_id=partner_id, game_id=new),
                ]
            )
        )
        await eventually(lambda: blocked_by(owner, database), "the first batch loads the new game")
        other = asyncio.create_task(
            pipeline.process([completed("e-3", "berta", partner_id=partner_id, game_id=known)])
        )

        async def dropped() -> bool:
            return known not in pipeline._deciding._programs._games

        await eventually(dropped, "the second batch loses its race")
    await asyncio.gather(both, other)

    assert [(outcome, reason) for _, outcome, reason in await outcomes(database)] == [
        ("issued", None)
    ] * 4
    await audit(database)


async def test_same_events_in_two_pipelines_are_decided_once(
    pool: asyncpg.Pool, locks: CustomerLocks, database: asyncpg.Connection, partner_id: int
) -> None:
    """Two owners of a partition, one of which does not know yet that it is none any more."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    records = [
        completed(f"e-{n}", f"c-{n % 7}", partner_id=partner_id, game_id=game_id) for n in range(50)
    ]
    owners = [Pipeline(pool, locks) for _ in range(4)]

    reports = await asyncio.gather(*(one.process(records) for one in owners))

    assert sum(len(report.verdicts) for report in reports) == 50
    assert len(await outcomes(database)) == 50
    await audit(database)


@pytest.mark.parametrize("customers", [2, 40])
async def test_overlapping_customers_in_any_order_do_not_deadlock(
    pool: asyncpg.Pool,
    locks: CustomerLocks,
    database: asyncpg.Connection,
    partner_id: int,
    customers: int,
) -> None:
    """Batches that meet the same customers in opposite orders wait for each other in one direction only."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    names = [f"c-{n}" for n in range(customers)]
    before = await database.fetchval(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )

    async def rounds(number: int) -> None:
        lane = Pipeline(pool, locks)
        order = names[::-1] if number % 2 else names
        for turn in range(5):
            await lane.process(
                [
                    completed(
                        f"{number}-{turn}-{name}", name, partner_id=partner_id, game_id=game_id
                    )
                    for name in order
                ]
            )

    await asyncio.gather(*(rounds(number) for number in range(4)))

    assert len(await outcomes(database)) == 4 * 5 * customers
    assert await letters(database) == []
    await database.execute("SELECT pg_stat_clear_snapshot()")
    after = await database.fetchval(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert after == before


async def test_race_lost_for_ever_is_a_fault_of_its_record(
    database: asyncpg.Connection, owner: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """A record that loses every race alone in its batch becomes a dead letter instead of an endless loop."""
    game_id = await a_game(database, partner_id)
    await owner.execute(
        "CREATE FUNCTION clash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE unique_violation USING MESSAGE = 'taken'; END $$;"
        "CREATE TRIGGER clash BEFORE INSERT ON decisions FOR EACH ROW"
        " WHEN (NEW.event_id = 'cursed') EXECUTE FUNCTION clash()"
    )
    before = metrics.LOST_RACES._value.get()

    await pipeline.process(
        [
            completed("e-1", "a", partner_id=partner_id, game_id=game_id),
            completed("cursed", "b", partner_id=partner_id, game_id=game_id),
        ]
    )

    assert metrics.LOST_RACES._value.get() == before + 2 * LOST_RACES_IN_A_ROW
    assert await outcomes(database) == [("e-1", "issued", None)]
    (letter,) = await letters(database)
    assert (letter["stage"], letter["event_id"]) == ("store", "cursed")
    await audit(database)


async def test_rule_switch_against_issuing_never_leaves_two_active(
    pool: asyncpg.Pool,
    locks: CustomerLocks,
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    partner_id: int,
) -> None:
    """While issuers work, the single rule is switched on only at an instant without active coupons, or refused."""
    for attempt in range(6):
        game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
        single = read_game(
            {"allow_multiple_active_coupons": False},
            stored=(await games_by_id(database, [game_id]))[game_id].definition,
        )

        async def issue(number: int, game_id: int = game_id, attempt: int = attempt) -> None:
            lane = Pipeline(pool, locks)
            for turn in range(4):
                await lane.process(
                    [
                        completed(
                            f"{attempt}-{number}-{turn}-{n}",
                            f"{attempt}-{n}",
                            partner_id=partner_id,
                            game_id=game_id,
                        )
                        for n in range(5)
                    ]
                )

        async def switch(
            game_id: int = game_id, single: Game = single, pause: float = attempt * 0.004
        ) -> bool:
            await asyncio.sleep(
                pause
            )  # not to wait for anything: to meet the issuers at different moments
            while True:
                try:
                    async with owner.transaction():
                        return not await update_games(owner, {game_id: single}, actor="test")
                except LostRace:
                    continue

        switched, *_ = await asyncio.gather(switch(), *(issue(number) for number in range(3)))

        rows = await database.fetch(
            "SELECT rule_allow_multiple, count(*) FROM coupons WHERE game_id = $1 GROUP BY 1",
            game_id,
        )
        issued = {row["rule_allow_multiple"]: row["count"] for row in rows}
        assert issued == ({False: 5} if switched else {True: 60}), (attempt, switched, issued)
    await audit(database)


async def test_order_told_by_several_customers_in_one_poll_is_decided_in_one_try(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Whoever comes first has the stamp; the others see that in the fold, and no race is lost to oneself."""
    await a_game(database, partner_id, game_type="stamps", stamps_required=3)
    till = Till(partner_id)
    before = metrics.LOST_RACES._value.get()

    await pipeline.process(
        [
            *(till.placed(f"o-{n}", customer_id=who) for n in range(5) for who in ("a", "b", "c")),
            till.cancelled("o-4", "a"),
            till.placed("o-4", customer_id="b"),
        ]
    )

    assert metrics.LOST_RACES._value.get() == before
    stamps = await database.fetch(
        "SELECT customer_id, count(*) AS given FROM order_stamps JOIN customers USING (customer_no) GROUP BY 1"
    )
    assert [tuple(row) for row in stamps] == [("a", 5)]
    assert len(await outcomes(database)) == 17
