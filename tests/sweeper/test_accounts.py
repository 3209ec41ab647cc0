"""Time and accounts on real Postgres: lots end once, whoever finds out; notices go out once; birthdays begin once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from schemas.topics import FOLLOW_UPS, PROGRAM_EVENTS
from services.adapters.postgres.clock import OWN_CLOCK
from services.adapters.postgres.points import wallets_of
from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner
from services.decisions.passing_time import CannotSettle
from services.issuer.pipeline import Pipeline
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.sweeper.accounts import (
    birthdays_line,
    points_line,
    settle_once,
    settle_until_stopped,
)
from tests.stand.database import connected
from tests.stand.telling import a_program, entries_of, ordered, told, wallet_of
from tests.stand.waiting import eventually

DAY = timedelta(days=1)
CASHBACK = {
    "defaultCashbackRule": {"amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 0},
}  # fmt: skip
BIRTHDAY = {
    "name": "Birthday",
    "type": "Birthday",
    "isRepeatable": True,
    "rewards": [{"walletReward": 70}],
}


@pytest.fixture
def pipeline(pool: asyncpg.Pool, locks: CustomerLocks, settings: Settings) -> Pipeline:
    """As the issuer has it: notices are set by the settings."""
    return Pipeline(pool, locks, Manner.by(settings))


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """As the sweeper has it."""
    async with connected(settings, enable_seqscan="off") as connection:
        yield connection


def later(settings: Settings, by: timedelta) -> Settings:
    """The same world, later."""
    seconds = int(by.total_seconds())
    return settings.model_copy(update={"clock_offset_seconds": seconds, "allow_test_clock": True})


async def swept(database: asyncpg.Connection, settings: Settings) -> dict[str, int]:
    """What one look at each line records, by kind."""
    found: dict[str, int] = {}
    for line in (points_line(), birthdays_line()):
        settled = await settle_once(database, settings, line)
        found |= {
            name: getattr(settled, name)
            for name in ("expired", "notified", "birthdays", "passed")
            if getattr(settled, name)
        }
    return found


async def told_of(database: asyncpg.Connection, topic: str) -> list[tuple[str, str, Any]]:
    """(type, id, data) of what waits to leave."""
    rows = await database.fetch(
        "SELECT ce_type, ce_id, value FROM outbox WHERE topic = $1 ORDER BY id", topic
    )
    return [(row["ce_type"], row["ce_id"], json.loads(row["value"])) for row in rows]


async def earning(database: asyncpg.Connection, pipeline: Pipeline, partner_id: int) -> None:
    """Points that end after 60 days."""
    await a_program(database, partner_id, cashback=CASHBACK, redemption={"pointsExpiryPeriod": 60})
    await pipeline.process([ordered("o-1", "40", partner_id=partner_id)])


async def test_lot_is_announced_and_ends_once(
    database: asyncpg.Connection, settings: Settings, pipeline: Pipeline, partner_id: int
) -> None:
    """30 days before its end, 7 days before, at its end; each look after it finds nothing."""
    await earning(database, pipeline, partner_id)
    assert await swept(database, later(settings, 29 * DAY)) == {}
    for days, found in ((31, {"notified": 1}), (54, {"notified": 1}), (61, {"expired": 1})):
        assert await swept(database, later(settings, days * DAY)) == found
        assert await swept(database, later(settings, days * DAY)) == {}
    _, *told_ = await told_of(database, PROGRAM_EVENTS)
    assert [(type_, data["points"]) for type_, _, data in told_] == [
        ("points.expiring", 40), ("points.expiring", 40), ("points.expired", 40),
    ]  # fmt: skip
    assert len({id_ for _, id_, _ in told_}) == 3
    expired = told_[-1][2]
    assert (expired["balance"], expired["cause"]) == (0, None)
    ends = await database.fetchval("SELECT expires_at FROM lots")
    assert datetime.fromisoformat(expired["at"]) == ends
    assert await entries_of(database) == [
        ("earned", "order o-1", 40, 40), ("expired", "order o-1", -40, 0),
    ]  # fmt: skip


async def test_of_two_notices_due_at_once_the_shortest_goes_out(
    database: asyncpg.Connection, settings: Settings, pipeline: Pipeline, partner_id: int
) -> None:
    """A sweeper that was away for a month tells of the end once."""
    await earning(database, pipeline, partner_id)
    assert await swept(database, later(settings, 55 * DAY)) == {"notified": 1}
    assert await swept(database, later(settings, 55 * DAY)) == {}


async def test_sweepers_at_once_end_a_lot_once(
    database: asyncpg.Connection, settings: Settings, pipeline: Pipeline, partner_id: int
) -> None:
    """Three, and none of them waits for another."""
    await earning(database, pipeline, partner_id)

    async def one() -> dict[str, int]:
        async with connected(settings, enable_seqscan="off") as connection:
            return await swept(connection, later(settings, 61 * DAY))

    found = await asyncio.gather(*(one() for _ in range(3)))
    assert sum(each.get("expired", 0) for each in found) == 1
    assert (await wallet_of(database))["balance"] == 0


async def test_issuer_that_comes_first_ends_the_lot(
    database: asyncpg.Connection,
    settings: Settings,
    pool: asyncpg.Pool,
    locks: CustomerLocks,
    pipeline: Pipeline,
    partner_id: int,
) -> None:
    """The next event of the customer records the end; the sweeper has nothing left to do."""
    await earning(database, pipeline, partner_id)
    moved = later(settings, 61 * DAY)
    issuer = Pipeline(pool, locks, Manner.by(moved))
    await issuer.process([told("customer.event", partner_id=partner_id, name="visit")])
    assert await swept(database, moved) == {}
    assert (await entries_of(database))[-1] == ("expired", "order o-1", -40, 0)


async def test_birthday_is_told_once_and_earns(
    database: asyncpg.Connection, settings: Settings, pipeline: Pipeline, partner_id: int
) -> None:
    """At midnight where the partner is; what we tell ourselves is decided like any event; the next year again."""
    await a_program(database, partner_id, campaigns=[BIRTHDAY])
    tomorrow = datetime.now(UTC).date() + 2 * DAY
    born = date(1990, tomorrow.month, min(tomorrow.day, 28))
    await pipeline.process(
        [told("customer.created", partner_id=partner_id, birthday=born.isoformat())]
    )
    begins = await database.fetchval("SELECT birthday_at FROM profiles")
    assert await swept(database, settings) == {}
    on_the_day = later(settings, begins - datetime.now(UTC) + timedelta(minutes=1))
    assert await swept(database, on_the_day) == {"birthdays": 1}
    assert await swept(database, on_the_day) == {}
    ((type_, id_, data),) = await told_of(database, FOLLOW_UPS)
    year = begins.astimezone(ZoneInfo("Europe/Vilnius")).year
    assert (type_, data["customer_id"], data["year"]) == ("customer.birthday", "anna", year)
    await pipeline.process(
        [
            told(
                type_, event_id=id_, source="/couponry/follow-ups", partner_id=partner_id,
                year=data["year"], at=datetime.now(UTC),
            )
        ]
    )  # fmt: skip
    assert (await wallet_of(database))["balance"] == 70
    next_one = await database.fetchval("SELECT birthday_at FROM profiles")
    assert next_one.year == begins.year + 1


@pytest.mark.parametrize(("days", "has_program"), [(8, True), (0, False)])
async def test_birthday_that_nobody_is_told_of_passes(
    database: asyncpg.Connection,
    settings: Settings,
    pipeline: Pipeline,
    partner_id: int,
    days: int,
    has_program: bool,
) -> None:
    """More than a week late, or where no program is set; the next year's is noted all the same."""
    if has_program:
        await a_program(database, partner_id, campaigns=[BIRTHDAY])
    tomorrow = datetime.now(UTC).date() + 2 * DAY
    born = date(1990, tomorrow.month, min(tomorrow.day, 28))
    await pipeline.process(
        [told("customer.created", partner_id=partner_id, birthday=born.isoformat())]
    )
    begins = await database.fetchval("SELECT birthday_at FROM profiles")
    moved = later(settings, begins - datetime.now(UTC) + days * DAY + timedelta(minutes=1))
    assert await swept(database, moved) == {"passed": 1}
    assert await told_of(database, FOLLOW_UPS) == []
    assert await database.fetchval("SELECT birthday_at FROM profiles") > begins


async def a_birthday(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int, born: date, *customers: str
) -> datetime:
    """Of these customers of a partner whose campaign celebrates it; when the next one begins."""
    await a_program(database, partner_id, campaigns=[BIRTHDAY])
    for customer in customers or ("anna",):
        await pipeline.process(
            [told("customer.created", customer, partner_id=partner_id, birthday=born.isoformat())]
        )
    begins: datetime = await database.fetchval("SELECT birthday_at FROM profiles LIMIT 1")
    return begins


@pytest.mark.parametrize("born", [date(1990, 1, 1), date(1990, 6, 15), date(1990, 12, 31)])
@pytest.mark.parametrize(
    ("before", "after"),
    [("America/Los_Angeles", "Asia/Tokyo"), ("Asia/Tokyo", "America/Los_Angeles")],
)
async def test_birthday_begins_where_the_partner_is_now(
    database: asyncpg.Connection,
    settings: Settings,
    owner: asyncpg.Connection,
    pipeline: Pipeline,
    partner_id: int,
    before: str,
    after: str,
    born: date,
) -> None:
    """A partner that has moved east tells when the noted instant comes, one that has moved west waits: of that year."""
    move = "UPDATE partners SET time_zone = $2 WHERE id = $1"
    await owner.execute(move, partner_id, before)
    noted = await a_birthday(database, pipeline, partner_id, born)
    year = noted.astimezone(ZoneInfo(before)).year
    await owner.execute(move, partner_id, after)
    begins = datetime(year, born.month, born.day, tzinfo=ZoneInfo(after))

    def shortly_after(instant: datetime) -> Settings:
        return later(settings, instant - datetime.now(UTC) + timedelta(minutes=1))

    if begins > noted:
        assert await swept(database, shortly_after(noted)) == {"passed": 1}
        assert await swept(database, shortly_after(noted)) == {}
    assert await swept(database, shortly_after(max(begins, noted))) == {"birthdays": 1}
    ((_, _, data),) = await told_of(database, FOLLOW_UPS)
    assert data["year"] == year
    next_one = await database.fetchval("SELECT birthday_at FROM profiles")
    assert next_one == datetime(year + 1, born.month, born.day, tzinfo=ZoneInfo(after))


async def test_birthday_is_told_in_a_zone_that_is_not_known_here(
    database: asyncpg.Connection,
    settings: Settings,
    owner: asyncpg.Connection,
    pipeline: Pipeline,
    partner_id: int,
) -> None:
    """At midnight UTC then, as it was noted: no name of a zone stops the sweeper."""
    born = datetime.now(UTC).date().replace(year=1990, day=1)
    begins = await a_birthday(database, pipeline, partner_id, born)
    await owner.execute("UPDATE programs SET time_zone = 'Nowhere/Atlantis'")
    moved = later(settings, begins - datetime.now(UTC) + DAY)
    assert await swept(database, moved) == {"birthdays": 1}


async def test_birthday_that_cannot_be_told_holds_nobody_up(
    database: asyncpg.Connection,
    settings: Settings,
    owner: asyncpg.Connection,
    pipeline: Pipeline,
    partner_id: int,
) -> None:
    """The sweeper goes on: other birthdays are told, points end, and the one that is bad is named until it is mended."""
    begins = await a_birthday(
        database, pipeline, partner_id, date(1990, 7, 1), "anna", "bert", "carl", "dora"
    )
    await earning(database, pipeline, partner_id)
    number = await database.fetchval("SELECT customer_no FROM customers WHERE customer_id = 'carl'")
    await owner.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NEW.customer_no = {number} THEN RAISE EXCEPTION 'a bad row'; END IF; RETURN NEW; END $$"
    )
    await owner.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON birthdays FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    moved = later(settings, begins - datetime.now(UTC) + timedelta(minutes=1))
    health = Health("test")
    sweeping = asyncio.create_task(settle_until_stopped(moved, health, OWN_CLOCK))

    async def named() -> bool:
        return bool(health.warnings().get("birthday"))

    await eventually(named, "the bad one is named")
    assert f"the first is {number}" in health.warnings()["birthday"]

    async def others_are_told() -> bool:
        ids = {data["customer_id"] for _, _, data in await told_of(database, FOLLOW_UPS)}
        return ids == {"anna", "bert", "dora"}

    await eventually(others_are_told, "all others are told")

    async def points_have_ended() -> bool:
        return bool((await wallet_of(database))["balance"] == 0)

    await eventually(points_have_ended, "points end too")
    health.stopping.set()
    await sweeping


@pytest.mark.parametrize(
    "fault", ["UPDATE wallets SET balance = 0", "UPDATE wallets SET entries = 0"]
)
async def test_customer_that_cannot_be_settled_holds_nobody_up(
    database: asyncpg.Connection,
    settings: Settings,
    owner: asyncpg.Connection,
    pipeline: Pipeline,
    partner_id: int,
    fault: str,
) -> None:
    """One wallet that does not hold what its lot says, or its ledger: set aside, and the other customer's lot ends."""
    await earning(database, pipeline, partner_id)
    await pipeline.process([ordered("o-2", "5", "bert", partner_id=partner_id)])
    numbers = await database.fetch("SELECT customer_no FROM wallets ORDER BY 1")
    await owner.execute(f"{fault} WHERE customer_no = $1", numbers[0]["customer_no"])
    moved, line = later(settings, 61 * DAY), points_line()
    for _ in range(12):
        try:
            await settle_once(database, moved, line)
        except CannotSettle as error:
            line.aside.failed(error)
        else:
            line.aside.worked()
    assert (await wallet_of(database, "bert"))["balance"] == 0
    assert "1 customers cannot be settled" in (line.aside.warning() or "")
    assert len(await wallets_of(database, {row["customer_no"] for row in numbers})) == 2
