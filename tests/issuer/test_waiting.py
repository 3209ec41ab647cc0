"""What is wrong with us makes no dead letter: the record waits, behind it the same customer's; nothing else does."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.adapters.postgres import coupons
from services.adapters.postgres.pool import open_pool
from services.adapters.redis_locks import CustomerLocks
from services.insight.status.stored import stored
from services.insight.status.verdict import problems
from services.insight.verify.run import verify
from services.issuer import aside
from services.issuer.again import Again
from services.issuer.codec import read_record
from services.issuer.pipeline import Pipeline
from services.repair.rehearsal import DryRun
from services.repair.replay.result import counts_of, document
from services.runtime.health import Health
from services.runtime.settings import Settings
from tests.stand.feed import feed, finished, forget_dead_members
from tests.stand.issuing import a_game, a_partner, audit, count, letters, outcomes
from tests.stand.processes import issuer
from tests.stand.records import completed
from tests.stand.till import Till
from tests.stand.waiting import eventually

NOWHERE = "Mars/Olympus"
DATED = {"start_date": "2020-01-01", "allow_multiple_active_coupons": True}


async def names_of_waiting(database: asyncpg.Connection) -> list[tuple[int | None, int]]:
    rows = await database.fetch('SELECT partner_id, "offset" FROM waiting_records ORDER BY place')
    return [tuple(row) for row in rows]


async def try_again(pool: asyncpg.Pool, pipeline: Pipeline) -> None:
    """As often as somebody waits no longer, and never mind how long they should rest."""
    again = Again(pool, pipeline, Health("test"))
    while True:
        await pool.execute("UPDATE waiting_records SET next_at = clock_timestamp()")
        if not await again.turn():
            return


async def test_unknown_time_zone_makes_that_partners_dated_games_wait_and_nothing_else(
    database: asyncpg.Connection, pool: asyncpg.Pool, pipeline: Pipeline, partner_id: int
) -> None:
    """In one batch with others; repeats wait too; all of it is decided in its order when the zone is there."""
    other = await a_partner(database)
    dated = await a_game(database, partner_id, **DATED | {"allow_multiple_active_coupons": False})
    free = await a_game(database, partner_id)
    fine = await a_game(database, other, **DATED)
    await database.execute("UPDATE partners SET time_zone = $1 WHERE id = $2", NOWHERE, partner_id)
    mine = [
        completed(f"mine-{n}", f"c-{n % 2}", partner_id=partner_id, game_id=dated) for n in range(4)
    ]
    others = [
        completed("free", "c-0", partner_id=partner_id, game_id=free),
        completed("fine", "c-0", partner_id=other, game_id=fine),
        completed("foreign", "c-0", partner_id=other, game_id=dated),
    ]

    report = await pipeline.process([*mine[:2], *others, *mine[2:]])
    assert (len(report.verdicts), len(report.waiting), report.already_decided) == (3, 4, 0)
    await pipeline.process([*mine, *others])  # as after a crash before the offsets
    assert NOWHERE in await database.fetchval("SELECT min(why) FROM waiting_records")
    later = completed("later", "c-1", partner_id=partner_id, game_id=dated)
    await pipeline.process([later])
    await try_again(pool, pipeline)

    assert await outcomes(database) == [
        ("free", "issued", None),
        ("fine", "issued", None),
        ("foreign", "declined", "game_not_found"),
    ]
    places = [record.offset for record in (*mine, later)]
    assert sorted(await names_of_waiting(database)) == [(partner_id, offset) for offset in places]
    (row,) = await database.fetch('SELECT * FROM waiting_records WHERE "offset" = $1', places[0])
    assert NOWHERE in row["why"] and "tzdata" in row["todo"] and row["tries"] > 0

    await database.execute("UPDATE partners SET time_zone = 'UTC' WHERE id = $1", partner_id)
    await try_again(pool, pipeline)

    assert await names_of_waiting(database) == []
    decided = {name: outcome for name, outcome, _ in (await outcomes(database))[3:]}
    assert decided == {
        "mine-0": "issued", "mine-1": "issued", "mine-2": "declined", "mine-3": "declined", "later": "declined",
    }  # fmt: skip
    kept = await database.fetch('SELECT event_id, "offset" FROM decisions')
    assert {row["offset"] for row in kept if row["event_id"].startswith("mine")} == set(places[:4])
    assert await letters(database) == []
    await audit(database)


async def test_status_names_what_waits(
    settings: Settings,
    database: asyncpg.Connection,
    pipeline: Pipeline,
    pool: asyncpg.Pool,
    partner_id: int,
) -> None:
    """In `waiting`, and as a problem with what to do; `/readyz` stays ready and warns."""
    game_id = await a_game(database, partner_id, **DATED)
    await database.execute("UPDATE partners SET time_zone = $1", NOWHERE)
    record = completed("e", partner_id=partner_id, game_id=game_id)
    await pipeline.process([record])

    figures = await stored(database, settings)
    ((one,), health) = figures["waiting"], Health("test")
    assert set(one) == {"partner_id", "topic", "partition", "offset", "why", "todo"}
    assert (one["partner_id"], one["offset"]) == (partner_id, record.offset)
    quiet: dict[str, Any] = {
        "servers": {"kafka": None, "redis": None}, "paused": [], "total_lag": 0, "lag_per_second": 0.0,
    }  # fmt: skip
    assert one["todo"] in [problem.do for problem in problems(figures | quiet)]
    again = Again(pool, pipeline, health)
    health.warns("waiting", again.warning)
    await again.turn()
    assert NOWHERE in health.warnings()["waiting"]
    assert "tzdata" in health.warnings()["waiting"]


NEWER = {
    "type of a game": (
        """ALTER TABLE games DROP CONSTRAINT game_type_is_known;
        UPDATE games SET game_type = 'lottery' WHERE id = {strange}""",
        "UPDATE games SET game_type = 'wheel' WHERE id = {strange}",
        "'lottery'",
    ),
    "rule that cannot be read": (
        "UPDATE games SET end_date = 'infinity' WHERE id = {strange}",
        "UPDATE games SET end_date = NULL WHERE id = {strange}",
        "OverflowError",
    ),
}


@pytest.mark.parametrize("what", NEWER)
async def test_game_of_a_newer_release_makes_its_own_events_wait(
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    pool: asyncpg.Pool,
    pipeline: Pipeline,
    partner_id: int,
    what: str,
) -> None:
    """Other games of the same customers go on, orders too."""
    breaking, mending, word = NEWER[what]
    strange, usual = await a_game(database, partner_id), await a_game(database, partner_id)
    await owner.execute(breaking.format(strange=strange))
    await pipeline.process(
        [
            completed("strange", partner_id=partner_id, game_id=strange),
            completed("usual", partner_id=partner_id, game_id=usual),
            Till(partner_id).placed("order"),
        ]
    )
    assert [outcome for _, outcome, _ in await outcomes(database)] == ["issued", "recorded"]
    assert word in await database.fetchval("SELECT why FROM waiting_records")

    await owner.execute(mending.format(strange=strange))
    await try_again(pool, pipeline)
    assert ("strange", "issued", None) in await outcomes(database)
    assert await letters(database) == []
    await audit(database)


async def test_coupon_of_a_newer_release_makes_its_customers_orders_wait(
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    pool: asyncpg.Pool,
    pipeline: Pipeline,
    partner_id: int,
) -> None:
    """A status that nobody here knows; what was ordered first is decided first."""
    game_id = await a_game(database, partner_id)
    till = Till(partner_id)
    await pipeline.process([till.completed(game_id), till.completed(game_id, "berta")])
    code = await database.fetchval(
        "SELECT code FROM coupons JOIN customers USING (customer_no) WHERE customer_id = 'anna'"
    )
    await owner.execute(
        "ALTER TABLE coupons DROP CONSTRAINT coupon_status_is_known;"
        "UPDATE coupons SET status = 'frozen' WHERE code = '" + code + "'"
    )
    await pipeline.process(
        [till.placed("o-1", code), till.placed("o-2", customer_id="berta"), till.cancelled("o-1")]
    )
    assert await count(database, "waiting_records") == 2
    assert "'frozen'" in await database.fetchval("SELECT why FROM waiting_records LIMIT 1")

    await owner.execute("UPDATE coupons SET status = 'active'")
    await try_again(pool, pipeline)
    assert await count(database, "waiting_records") == 0
    steps = await database.fetch("SELECT word FROM coupon_history ORDER BY step")
    assert [row["word"] for row in steps] == ["redeemed", "reinstated"]


@pytest.mark.parametrize("error", [MemoryError(), KeyError("a bug"), RecursionError()], ids=repr)
async def test_bug_in_loading_makes_only_its_event_wait(
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    pipeline: Pipeline,
    partner_id: int,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    """The batch is divided until it stands alone, and the customer's next one waits behind it."""
    limited = await a_game(
        database, partner_id, allow_multiple_active_coupons=True, customer_limit=9
    )
    past = coupons.past_issues

    async def failing(connection: Any, wanted: set[tuple[int, int, int]]) -> Any:
        cursed = await connection.fetchval(
            "SELECT customer_no FROM customers WHERE customer_id = 'cursed'"
        )
        if any(number == cursed for number, *_ in wanted):
            raise error
        return await past(connection, wanted)

    def play(turn: int) -> list[ConsumerRecord]:
        return [
            completed(f"{name}-{turn}", name, partner_id=partner_id, game_id=limited)
            for name in ("a", "cursed", "b", "c")
        ]

    await pipeline.process(play(0))
    monkeypatch.setattr(coupons, "past_issues", failing)
    for turn in (1, 2):
        report = await pipeline.process(play(turn))
        assert (len(report.verdicts), len(report.waiting)) == (3, 1)
    monkeypatch.undo()
    await try_again(pool, pipeline)

    assert [name for name, *_ in await outcomes(database)][-2:] == ["cursed-1", "cursed-2"]
    assert len(await outcomes(database)) == 12
    assert await letters(database) == []
    await audit(database)


async def test_bug_in_reading_makes_only_its_record_wait(
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    pipeline: Pipeline,
    partner_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody knows whose it is; it is read again when it is tried again."""
    game_id = await a_game(database, partner_id)
    cursed = completed("cursed", "a", partner_id=partner_id, game_id=game_id)
    read = read_record

    def failing(record: ConsumerRecord, ignored: Any) -> Any:
        if record.offset == cursed.offset:
            raise MemoryError
        return read(record, ignored)

    monkeypatch.setattr("services.issuer.parts.read_record", failing)
    await pipeline.process([cursed, completed("e", "b", partner_id=partner_id, game_id=game_id)])
    assert await names_of_waiting(database) == [(None, cursed.offset)]
    monkeypatch.undo()
    await try_again(pool, pipeline)
    assert {name for name, *_ in await outcomes(database)} == {"e", "cursed"}


@pytest.fixture
async def hasty(settings: Settings) -> Any:
    """A pool whose sessions wait little."""
    small = settings.model_copy(update={"lock_timeout_ms": 100, "statement_timeout_ms": 400})
    pool = await open_pool(small, "test", max_size=2, enable_seqscan="off")
    yield pool
    pool.terminate()


SLOW = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(9); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON decisions FOR EACH ROW WHEN (NEW.event_id LIKE 'held-%')
    EXECUTE FUNCTION slow()"""


@pytest.mark.parametrize("how", ["lock", "statement"])
async def test_batch_that_times_out_is_divided_until_the_one_that_does_stands_alone(
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    hasty: asyncpg.Pool,
    locks: CustomerLocks,
    partner_id: int,
    how: str,
) -> None:
    """It waits and is named, with the customer's next one; the others are decided, in this batch and in later ones."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    pipeline = Pipeline(hasty, locks)

    def play(turn: int) -> list[ConsumerRecord]:
        return [
            completed(f"{name}-{turn}", name, partner_id=partner_id, game_id=game_id)
            for name in ("a", "b", "held", "c")
        ]

    await pipeline.process(play(0))
    transaction = owner.transaction()
    if how == "lock":
        await transaction.start()
        await owner.execute("SELECT FROM customers WHERE customer_id = 'held' FOR UPDATE")
    else:
        await owner.execute(SLOW)
    for turn in (1, 2):
        await pipeline.process(play(turn))
    assert len(await outcomes(database)) == 10
    rows = await database.fetch("SELECT why FROM waiting_records ORDER BY place")
    assert "timed out alone" in rows[0]["why"]
    assert rows[1]["why"] == aside.BEHIND
    if how == "lock":
        await transaction.rollback()
    else:
        await owner.execute("DROP TRIGGER slow ON decisions")
    await try_again(hasty, pipeline)

    assert [name for name, *_ in await outcomes(database)][-2:] == ["held-1", "held-2"]
    assert await letters(database) == []
    await audit(database)


async def test_two_issuers_do_not_try_one_at_once(
    database: asyncpg.Connection, pool: asyncpg.Pool, locks: CustomerLocks, partner_id: int
) -> None:
    """A record is held while it is tried; whoever else comes passes over it, and nothing is decided twice."""
    game_id = await a_game(database, partner_id, **DATED)
    await database.execute("UPDATE partners SET time_zone = $1", NOWHERE)
    records = [
        completed(f"e-{n}", f"c-{n % 5}", partner_id=partner_id, game_id=game_id) for n in range(20)
    ]
    await Pipeline(pool, locks).process(records)
    await database.execute("UPDATE partners SET time_zone = 'UTC'")
    await asyncio.gather(*(try_again(pool, Pipeline(pool, locks)) for _ in range(3)))
    assert await count(database, "waiting_records") == 0
    decided = [name for name, *_ in await outcomes(database)]
    assert sorted(decided) == sorted(f"e-{n}" for n in range(20))
    for customer in range(5):
        mine = [int(name[2:]) for name in decided if int(name[2:]) % 5 == customer]
        assert mine == sorted(mine)
    await audit(database)


@pytest.mark.parametrize("point", ["waiting.after_put", "waiting.before_removal"])
async def test_crash_while_a_record_is_put_aside_or_let_go(
    topics: Settings, database: asyncpg.Connection, partner_id: int, point: str
) -> None:
    """Killed there and started again: it waits once, and is decided once."""
    game_id = await a_game(database, partner_id, **DATED)
    await database.execute("UPDATE partners SET time_zone = $1", NOWHERE)
    await feed(
        topics,
        [completed(f"e-{n}", f"c-{n}", partner_id=partner_id, game_id=game_id) for n in range(5)],
    )

    async def mend() -> None:
        async def all_wait() -> bool:
            return await count(database, "waiting_records") == 5

        await eventually(all_wait, "all of them wait")
        await database.execute("UPDATE partners SET time_zone = 'UTC'")

    async with issuer(topics, crash_at=point, allow_crash_points=True) as victim:
        if point == "waiting.before_removal":
            await mend()
        assert await victim.ended() == -signal.SIGKILL
    await forget_dead_members(topics)
    async with issuer(topics):
        await finished(topics)
        if point == "waiting.after_put":
            report = await verify(topics, lambda _: None)
            assert (report.violations, await count(database, "waiting_records")) == ([], 5)
            await mend()

        async def none_waits() -> bool:
            return await count(database, "waiting_records") == 0

        await eventually(none_waits, "all are decided")
    assert sorted(name for name, *_ in await outcomes(database)) == [f"e-{n}" for n in range(5)]
    assert await letters(database) == []
    await audit(database)


async def test_dry_run_knows_what_waits_and_what_would(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Neither decided nor dead: the waiting record, who would wait behind it, and who would wait."""
    game_id, free = await a_game(database, partner_id, **DATED), await a_game(database, partner_id)
    await database.execute("UPDATE partners SET time_zone = $1", NOWHERE)
    first, behind, other = (
        completed(name, name[0], partner_id=partner_id, game_id=game_id)
        for name in ("a1", "a2", "b1")
    )
    await pipeline.process([first])
    fine = completed("a3", "a", partner_id=partner_id, game_id=free)

    report = await DryRun(database, clock_offset=timedelta()).process([first, behind, other, fine])

    assert (len(report.verdicts), len(report.waiting), report.already_decided) == (1, 3, 0)
    counts = counts_of(report.verdicts) + Counter(read=4, waiting=len(report.waiting))
    shown = document(counts, dry_run=True)
    assert (shown["waiting"], shown["already_decided"], shown["newly_issued"]) == (3, 0, 1)
