"""Who ends a lot, issuer or sweeper, in any order, at once or killed half-way, makes no difference to the ledger."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from schemas.topics import PROGRAM_EVENTS
from services.adapters.event_keys import event_key
from services.adapters.postgres.coupons import BEGINNING
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.redis_locks import CustomerLocks
from services.decisions.account_time import settle_lots
from services.decisions.accounts_by_hand import ByHand, book_points
from services.decisions.manner import Manner
from services.decisions.transaction import Deciding
from services.domain.decision import BookingReason
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from services.sweeper.accounts import points_line, settle_once
from tests.stand.database import connected
from tests.stand.processes import service
from tests.stand.real_shop import BASE, RealShop, incoming
from tests.stand.telling import a_program, entries_of, ordered, told, wallet_of
from tests.stand.waiting import eventually

DAY = timedelta(days=1)
LASTING = {"redemption": {"pointsExpiryPeriod": 30}}
SWEPT, LEFT = "swept", "left"
"""Two customers who do the same: the lots of one are ended by the sweeper too, those of the other by events alone."""


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """As the sweeper has it."""
    async with connected(settings, enable_seqscan="off") as connection:
        yield connection


def later(settings: Settings, by: timedelta) -> Settings:
    """The same world, later."""
    return settings.model_copy(
        update={"clock_offset_seconds": by.total_seconds(), "allow_test_clock": True}
    )


async def sweep(shop: RealShop) -> int:
    """End what is over of everybody but of who is left alone; how many lots."""
    left = await shop.connection.fetch(
        "SELECT customer_no FROM customers WHERE customer_id = $1", LEFT
    )
    without = [str(row["customer_no"]) for row in left]
    async with shop.connection.transaction():
        settled = await settle_lots(shop.connection, shop.manner, limit=3, without=without)
    return settled.expired


async def take(shop: RealShop, customer: str, number: int, points: int) -> None:
    """So many points by hand; more than there are is refused, and then nothing is written at all."""
    asked = ByHand(
        partner_id=shop.partner_id, customer_id=customer, source="/test", event_id=f"{customer}-{number}"
    )  # fmt: skip
    transaction = shop.connection.transaction()
    await transaction.start()
    answer = await book_points(
        shop.connection, asked, Deciding(shop.manner),
        transaction_id=asked.event_id, amount=-points, reason=None,
    )  # fmt: skip
    await (transaction.rollback() if isinstance(answer, BookingReason) else transaction.commit())


async def live(shop: RealShop, chance: random.Random) -> int:
    """Some months of both: they order, spend, give back and are seen; how many lots the sweeper has ended."""
    ended, orders = 0, 0
    for number in range(30):
        shop.days += chance.choice((0, 1, 3, 7, 12))
        if chance.random() < 0.5:
            ended += await sweep(shop)
        act, some = chance.randrange(4), chance.randint(1, 90)
        for customer in (SWEPT, LEFT):
            if act <= 1 or not orders:
                await shop.order(str(some), customer=customer, order_id=f"{customer}-{orders}")
            elif act == 2:
                await take(shop, customer, number, some)
            else:
                total = str(some) if some % 3 else None
                await shop.refund(total, f"{customer}-{some % orders}", customer=customer)
        orders += act <= 1 or not orders
    shop.days += 40
    ended += await sweep(shop)
    for customer in (SWEPT, LEFT):
        await shop.did("visit", customer=customer)
    return ended


async def ledger(shop: RealShop, customer: str) -> list[tuple[Any, ...]]:
    """What the customer's account went through, to the day."""
    rows = await shop.connection.fetch(
        "SELECT l.number, l.kind, l.source_kind, replace(l.source_id, $1, 'who'), l.points, l.owed, l.balance, l.takes,"
        " round(extract(epoch FROM l.at - now()) / 86400)"
        " FROM ledger l JOIN customers USING (customer_no) WHERE customer_id = $1 ORDER BY number",
        customer,
    )
    return [tuple(row) for row in rows]


async def heard(shop: RealShop, customer: str) -> list[tuple[Any, ...]]:
    """What subscribers were told of the customer's points, but for notices."""
    rows = await shop.connection.fetch(
        "SELECT ce_type, value FROM outbox WHERE topic = $1 AND key = $2 AND ce_type <> 'points.expiring'"
        " ORDER BY id",
        PROGRAM_EVENTS, customer,
    )  # fmt: skip
    return [
        (row["ce_type"], data["points"], data["balance"])
        for row in rows
        if (data := json.loads(row["value"]))
    ]


@pytest.mark.parametrize("seed", range(6))
async def test_ledger_is_the_same_whoever_ends_lots(
    database: asyncpg.Connection, partner_id: int, seed: int
) -> None:
    """In any split between sweeper and issuer the same entries at the same instants, and the same is told."""
    shop = RealShop(connection=database, partner_id=partner_id)
    await shop.set(**BASE | LASTING)
    assert await live(shop, random.Random(f"lots {seed}"))
    assert await ledger(shop, SWEPT) == await ledger(shop, LEFT)
    assert await heard(shop, SWEPT) == await heard(shop, LEFT)
    assert "expired" in {kind for kind, *_ in await entries_of(database, LEFT)}


async def accounts(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int, count: int
) -> list[str]:
    """Customers who have ten points each for thirty days."""
    await a_program(database, partner_id, **BASE | LASTING)
    customers = [f"c-{n}" for n in range(count)]
    await pipeline.process(
        [ordered(f"o-{each}", "10", each, partner_id=partner_id) for each in customers]
    )
    return customers


async def ends_told(database: asyncpg.Connection) -> list[str]:
    """Of whom `points.expired` was told: of the one lot that each has, by its id, whoever ended it."""
    rows = await database.fetch(
        "SELECT key, ce_id, value::jsonb ->> 'partner_id' AS partner_id, value::jsonb ->> 'entry_id' AS entry_id"
        " FROM outbox WHERE ce_type = 'points.expired'"
    )
    for row in rows:
        lot = event_key("/couponry/points", f"{row['partner_id']}/{row['key']}/1")
        assert (row["ce_id"], row["entry_id"]) == (f"{lot}.expired", lot)
    return sorted(row["key"] for row in rows)


@pytest.mark.parametrize("first", ["issuer", "sweeper"])
async def test_who_comes_second_finds_the_lot_ended(
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    settings: Settings,
    pipeline: Pipeline,
    partner_id: int,
    first: str,
) -> None:
    """A sweeper steps over a customer who is being decided; an issuer waits for the sweeper, and decides upon its work."""
    await accounts(database, pipeline, partner_id, 1)
    moved = later(settings, 31 * DAY)
    deciding = Deciding(Manner.by(moved))
    visit = incoming(told("customer.event", "c-0", partner_id=partner_id, name="visit"))

    async def decide(connection: Connection) -> None:
        decided = await deciding.decide(connection, [visit])
        await deciding.record(connection, decided)

    async with pool.acquire() as issuer:
        if first == "issuer":
            async with issuer.transaction():
                await decide(issuer)
                assert not (await settle_once(database, moved, points_line())).total
            assert not (await settle_once(database, moved, points_line())).total
        else:
            async with database.transaction():
                assert (await settle_lots(database, Manner.by(moved), limit=9)).expired == 1

                async def later_event() -> None:
                    async with issuer.transaction():
                        await decide(issuer)

                deciding_it = asyncio.create_task(later_event())

                async def it_waits() -> bool:
                    query = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = $1)"
                    return bool(await database.fetchval(query, issuer.get_server_pid()))

                await eventually(it_waits, "the issuer waits for the customer")
            await deciding_it
    assert await entries_of(database, "c-0") == [
        ("earned", "order o-c-0", 10, 10), ("expired", "order o-c-0", -10, 0),
    ]  # fmt: skip
    assert await ends_told(database) == ["c-0"]


async def test_lot_ends_once_however_many_come_at_once(
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    locks: CustomerLocks,
    settings: Settings,
    pipeline: Pipeline,
    partner_id: int,
) -> None:
    """Three sweepers and two issuers over the same sixty customers: one entry and one message of each."""
    customers = await accounts(database, pipeline, partner_id, 60)
    moved = later(settings, 31 * DAY)

    async def sweeping() -> None:
        line = points_line()
        line.aside.batch = 5
        async with connected(settings, enable_seqscan="off") as connection:
            while await connection.fetchval("SELECT EXISTS (SELECT FROM lots WHERE remaining > 0)"):
                await settle_once(connection, moved, line)

    async def issuing(order: list[str]) -> None:
        issuer = Pipeline(pool, locks, Manner.by(moved))
        for n in range(0, len(order), 6):
            await issuer.process(
                [
                    told("customer.event", each, partner_id=partner_id, name="visit")
                    for each in order[n : n + 6]
                ]
            )

    await asyncio.gather(
        *(sweeping() for _ in range(3)), issuing(customers), issuing(customers[::-1])
    )
    for each in customers:
        assert (await wallet_of(database, each))["balance"] == 0
        assert [kind for kind, *_ in await entries_of(database, each)] == ["earned", "expired"]
    assert await ends_told(database) == sorted(customers)


@pytest.mark.parametrize("reached", [1, 2])
@pytest.mark.parametrize("point", ["sweeper.before_account_commit", "sweeper.after_account_commit"])
async def test_sweeper_that_is_killed_has_done_all_or_nothing(
    database: asyncpg.Connection,
    settings: Settings,
    owner: asyncpg.Connection,
    pipeline: Pipeline,
    partner_id: int,
    point: str,
    reached: int,
) -> None:
    """Before and after the commit, of points and then of birthdays: the next one ends and tells the rest, once."""
    customers = await accounts(database, pipeline, partner_id, 20)
    born = (datetime.now().astimezone() + 15 * DAY).date()
    await pipeline.process(
        [
            told(
                "customer.created", each, partner_id=partner_id, birthday=_in_1988(born).isoformat()
            )
            for each in customers
        ]
    )
    begins = await database.fetchval("SELECT max(birthday_at) FROM profiles")
    assert begins is not None
    await owner.execute("UPDATE lots SET expires_at = $1, notice_at = NULL", begins)
    now = await database.fetchval("SELECT now()")
    moved = later(settings, begins - now + timedelta(hours=1))
    async with service(
        "sweeper", moved, crash_at=f"{point}:{reached}", allow_crash_points=True
    ) as victim:
        assert await victim.ended() == -signal.SIGKILL

    async def all_is_told() -> bool:
        query = (
            "SELECT count(*) FROM outbox WHERE ce_type = ANY ('{points.expired,customer.birthday}')"
        )
        return bool(await database.fetchval(query) >= 2 * len(customers))

    async with service("sweeper", moved) as heir:
        await eventually(all_is_told, "the rest is told")
        assert await heir.stopped() == 0
    assert await ends_told(database) == sorted(customers)
    rows = await database.fetch("SELECT key FROM outbox WHERE ce_type = 'customer.birthday'")
    assert sorted(row["key"] for row in rows) == sorted(customers)
    for each in customers:
        assert [kind for kind, *_ in await entries_of(database, each)] == ["earned", "expired"]


def _in_1988(day: date) -> date:
    """A leap year, so that it has every day."""
    return day.replace(year=1988)


@pytest.mark.parametrize(
    ("room", "query", "index"),
    [("points", "lots_due", "lots_due"), ("birthdays", "birthdays_due", "birthdays_due")],
)
async def test_what_is_due_is_found_by_its_index(
    database: asyncpg.Connection, room: str, query: str, index: str
) -> None:
    """Between the floor and now, so that a look costs what it finds."""
    text = queries(room, "services.adapters.postgres")[query]
    for number, value in enumerate(("now()", "10", "'{}'", f"'{BEGINNING.isoformat()}'"), start=1):
        text = text.replace(f"${number}", value)
    plan = "\n".join(row[0] for row in await database.fetch(f"EXPLAIN (COSTS OFF) {text}"))
    assert f"using {index}" in plan
    assert "Sort Key: (LEAST" not in plan
