"""The sweeper on real Postgres: what is over ends once, notices go out once, nobody steps on anybody."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import pytest

from services.adapters.postgres.clock import OWN_CLOCK, clock
from services.adapters.postgres.coupons import BEGINNING
from services.adapters.postgres.pool import connect
from services.adapters.postgres.queries import queries
from services.adapters.postgres.standing import Pace
from services.decisions.manner import Manner
from services.decisions.passing_time import close_lapsed
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.sweeper import floor as due_floor
from services.sweeper.app import (
    sweep_once,
    sweep_until_stopped,
)
from services.sweeper.aside import Aside
from services.sweeper.floor import DueFloor
from services.sweeper.room import LONGEST_WAIT_SECONDS, QUEUED_AT_MOST, wait_for_room
from tests.stand.database import connected
from tests.stand.issuing import a_game, a_partner
from tests.stand.waiting import eventually

HOUR_SECONDS = 3600


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """As a worker has it, with plans that do not depend on how full the tables are."""
    async with connected(settings, enable_seqscan="off") as connection:
        yield connection


async def coupons(database: asyncpg.Connection, count: int, validity_days: int) -> list[str]:
    """Coupons just issued, one per customer, with their first notice as the issuer would set it."""
    partner_id = await a_partner(database)
    game_id = await a_game(database, partner_id)
    rows = await database.fetch(
        """
        WITH owners AS (
            INSERT INTO customers (partner_id, customer_id, last_at)
            SELECT $1, 'customer-' || n, now() FROM generate_series(1, $3::int) n RETURNING customer_no)
        INSERT INTO coupons (id, event_key, partner_id, game_id, customer_no, issued_at, expires_at, notice_at,
                             rule_version, rule_validity_days, rule_allow_multiple, holds_single_place, code)
        SELECT gen_random_uuid(), gen_random_uuid(), $1, $2, customer_no, now(),
               now() + make_interval(hours => 24 * $4), now() + make_interval(hours => 24 * $4 - 168),
               1, $4, true, false, lpad(customer_no::text, 16, '0')
        FROM owners RETURNING id::text
        """,
        partner_id, game_id, count, validity_days,
    )  # fmt: skip
    return [row["id"] for row in rows]


def later(settings: Settings, hours: float) -> Settings:
    """The same service, its clock moved on."""
    return settings.model_copy(
        update={"allow_test_clock": True, "clock_offset_seconds": hours * HOUR_SECONDS}
    )


async def told(database: asyncpg.Connection) -> list[tuple[str, str]]:
    """(type, coupon) of every queued lifecycle event."""
    rows = await database.fetch("SELECT ce_type, subject FROM outbox ORDER BY id")
    return [(row["ce_type"], row["subject"]) for row in rows]


async def test_sweeper_sends_each_notice_once_and_then_the_end(database, settings):
    """A coupon of thirty days: a week before, a day before, and its end, whatever is swept in between."""
    (coupon_id,) = await coupons(database, 1, 30)
    for hours in (
        0,
        30 * 24 - 169,
        30 * 24 - 168,
        30 * 24 - 100,
        30 * 24 - 24,
        30 * 24 - 1,
        30 * 24,
        31 * 24,
    ):
        for _ in range(2):
            await sweep_once(database, later(settings, hours + 0.01))

    assert await told(database) == [
        ("coupon.expiring", coupon_id), ("coupon.expiring", coupon_id), ("coupon.expired", coupon_id),
    ]  # fmt: skip
    assert len({row["ce_id"] for row in await database.fetch("SELECT ce_id FROM outbox")}) == 3


async def test_sweeper_sends_only_the_shortest_of_several_due_notices(database, settings):
    """After a long stop the customer hears once, not twice."""
    (coupon_id,) = await coupons(database, 1, 30)
    for _ in range(3):
        await sweep_once(database, later(settings, 30 * 24 - 10))

    assert await told(database) == [("coupon.expiring", coupon_id)]


async def test_sweeper_says_when_the_coupon_ended_not_when_it_looked(database, settings):
    """`at` of `coupon.expired` is the coupon's own end."""
    await coupons(database, 1, 30)
    await sweep_once(database, later(settings, 40 * 24))

    row = await database.fetchrow(
        "SELECT o.value, h.at, c.expires_at, c.status FROM outbox o JOIN coupons c ON c.id::text = o.subject"
        " JOIN coupon_history h ON h.coupon_id = c.id"
    )
    assert (row["at"], row["status"]) == (row["expires_at"], "expired")
    value = json.loads(row["value"])
    assert value["at"] == value["expires_at"]


async def test_sweeper_releases_a_lapsed_reservation(database, settings):
    """A reservation ends by itself: the coupon is active again and says so once."""
    (coupon_id,) = await coupons(database, 1, 30)
    await database.execute(
        "UPDATE coupons SET status = 'reserved', reserved_until = now() + interval '15 minutes',"
        " reserved_shop_id = 1"
    )
    for hours in (0.1, 0.3, 0.3):
        await sweep_once(database, later(settings, hours))

    assert await told(database) == [("coupon.released", coupon_id)]
    assert await database.fetchval("SELECT status FROM coupons") == "active"


async def test_sweeper_waits_while_much_is_waiting_to_be_published(database, settings):
    """New coupons leave in the same line: the sweeper joins it when it is short, or after a while whatever it is."""
    stopping = asyncio.Event()
    await coupons(database, QUEUED_AT_MOST + 10, 1)
    floor = await wait_for_room(database, 0, stopping)
    await sweep_once(database, later(settings, 25), batch=QUEUED_AT_MOST + 10)
    assert len(await told(database)) == QUEUED_AT_MOST + 10

    began = time.monotonic()
    floor = await wait_for_room(database, floor, stopping)
    assert time.monotonic() - began >= LONGEST_WAIT_SECONDS
    waiting = asyncio.create_task(wait_for_room(database, floor, stopping))
    async with another(settings) as relay:
        await relay.execute(
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT 11)"
        )
    assert await waiting == floor + 11
    stopping.set()
    await database.execute("DELETE FROM outbox")
    last = await database.fetchval("SELECT last_value FROM outbox_id_seq")
    assert await wait_for_room(database, floor, stopping) == last


@asynccontextmanager
async def another(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """One more connection."""
    connection = await connect(settings, "test")
    yield connection
    await connection.close()


async def test_several_sweepers_share_the_work(database, settings):
    """Four sweepers at once over two thousand overdue coupons: each ends exactly once, none waits for another."""
    ids = await coupons(database, 2_000, 1)
    moved = later(settings, 25)
    sweepers = [await connect(settings, "sweeper", enable_seqscan="off") for _ in range(4)]

    async def sweep(connection: asyncpg.Connection) -> int:
        swept = 0
        while await database_has_due(connection):
            swept += (await sweep_once(connection, moved, batch=100)).expired
        return swept

    async def database_has_due(connection: asyncpg.Connection) -> bool:
        return bool(
            await connection.fetchval("SELECT EXISTS (SELECT FROM coupons WHERE status = 'active')")
        )

    shares = await asyncio.gather(*(sweep(connection) for connection in sweepers))
    for connection in sweepers:
        await connection.close()

    assert sum(shares) == len(ids)
    assert sorted(subject for _, subject in await told(database)) == sorted(ids)


async def test_whoever_locks_many_customers_does_so_in_one_order(
    database: asyncpg.Connection, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A sweeper and two changes of rules, of one game and of both, each held up in the middle: nobody deadlocks."""
    moved = later(settings, 25)
    manner = Manner.by(moved, OWN_CLOCK)
    caplog.set_level("INFO")

    async def close(connection: asyncpg.Connection, games: list[int]) -> None:
        all_closed = False
        while not all_closed:
            async with connection.transaction():
                at = await clock(connection, manner.clock_offset)
                all_closed = await close_lapsed(connection, manner, games, at, actor="test")

    async with another(settings) as one, another(settings) as two, another(settings) as blocker:
        for number in range(6):
            ids = await coupons(database, 60, 1) + await coupons(database, 60, 1)
            games = [
                row["id"]
                for row in await database.fetch("SELECT id FROM games ORDER BY id DESC LIMIT 2")
            ]
            held = blocker.transaction()
            await held.start()
            await blocker.execute(
                "SELECT FROM customers WHERE customer_id = $1 FOR UPDATE",
                f"customer-{10 * number + 5}",
            )
            closing = [
                asyncio.create_task(close(one, games[:1])),
                asyncio.create_task(close(two, games)),
            ]

            async def both_wait() -> bool:
                query = (
                    "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid = ANY ($1)"
                )
                pids = [one.get_server_pid(), two.get_server_pid()]
                return int(await database.fetchval(query, pids)) == 2

            await eventually(both_wait, "both wait for a customer")
            await sweep_once(database, moved)
            await held.rollback()
            await asyncio.gather(*closing)
            await sweep_once(database, moved)
            ended = "SELECT count(*) FROM coupon_history WHERE coupon_id = ANY ($1::uuid[])"
            assert await database.fetchval(ended, ids) == len(ids)
    assert "lost a race" not in caplog.text


async def test_bad_row_stops_nothing_but_itself(
    settings: Settings, database: asyncpg.Connection
) -> None:
    """Two of forty can never be recorded: the others end, those are named, and are tried again when their time comes."""
    ids = await coupons(database, 40, 1)
    bad = {ids[0], ids[17]}
    async with connected(settings, role=None) as owner:
        await owner.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF NEW.coupon_id = ANY (ARRAY['{ids[0]}', '{ids[17]}']::uuid[])"
            " THEN RAISE EXCEPTION 'a bad row'; END IF; RETURN NEW; END $$"
        )
        await owner.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON coupon_history FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        moved, health, aside = later(settings, 30), Health("test"), Aside("coupon")
        sweeping = asyncio.create_task(
            sweep_until_stopped(database, moved, health, Pace(), OWN_CLOCK, aside)
        )

        async def closed() -> bool:
            query = "SELECT count(*) FROM coupons WHERE status = 'expired'"
            return int(await owner.fetchval(query)) == 40 - len(bad)

        await eventually(closed, "all others are closed")

        async def named() -> bool:
            return set(aside.ids()) == bad

        await eventually(named, "the bad ones are named")
        assert "a bad row" in (aside.warning() or "")
        await owner.execute("DROP TRIGGER refuse ON coupon_history")
        aside._until = dict.fromkeys(bad, 0.0)
        bad = set()
        await eventually(closed, "they are closed too")

        async def silent() -> bool:
            return aside.warning() is None

        await eventually(silent, "nothing is named any more")
        health.stopping.set()
        await sweeping


async def _looked_at(database: asyncpg.Connection, floor: datetime) -> int:
    """Pages that one look for what is due reads."""
    query = queries("coupons", "services.adapters.postgres")["due"]
    for number, value in enumerate(("now()", "10", "'{}'", f"'{floor.isoformat()}'"), start=1):
        query = query.replace(f"${number}", value)
    plan = "\n".join(
        row[0] for row in await database.fetch(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {query}")
    )
    assert "coupons_due" in plan
    (pages, *_) = re.findall(r"Buffers: shared hit=(\d+)", plan)
    return int(pages)


async def test_sweeper_does_not_look_again_at_what_it_has_settled(database, settings):
    """While somebody reads an old snapshot, entries of settled coupons stay in the index: only the last batch's cost."""
    await coupons(database, 3_000, 30)
    await database.execute(
        "UPDATE coupons SET notice_at = now() - make_interval(secs => 9000 - customer_no::integer)"
    )
    floor = DueFloor()
    async with connected(settings) as reader, reader.transaction(isolation="repeatable_read"):
        await reader.fetchval("SELECT count(*) FROM coupons")
        while (settled := await sweep_once(database, settings, floor=floor.next())).total:
            floor.rise(settled.due_from)
        assert len(await told(database)) == 3_000
        assert await _looked_at(database, floor.next()) < await _looked_at(database, BEGINNING) / 2


async def test_sweeper_looks_from_the_beginning_now_and_then(database, settings, monkeypatch):
    """What comes to be due before the floor, as a step that was long in committing may, is found before long."""
    first, second = await coupons(database, 2, 30)
    await database.execute("UPDATE coupons SET notice_at = NULL")
    put = "UPDATE coupons SET notice_at = now() - $2::interval WHERE id = $1"
    floor = DueFloor()
    await database.execute(put, first, timedelta(minutes=1))
    floor.rise((await sweep_once(database, settings, floor=floor.next())).due_from)
    await database.execute(put, second, timedelta(minutes=2))
    assert not (await sweep_once(database, settings, floor=floor.next())).total
    monkeypatch.setattr(due_floor, "FROM_THE_BEGINNING_EVERY_SECONDS", 0.0)
    assert (await sweep_once(database, settings, floor=floor.next())).total
    assert [coupon for _, coupon in await told(database)] == [first, second]
