"""After the database's clock was wrong: customers get their time back, once, and every invariant holds again."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.adapters.postgres.pool import Connection
from services.adapters.redis_locks import CustomerLocks
from services.decisions.manner import Manner, Writing
from services.decisions.passing_time import settle_due
from services.decisions.steps import StepRequest, take_step
from services.domain.coupons.coupon import Step
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.stand.clocks import FakeClock
from tests.stand.commands import Command, run_process
from tests.stand.issuing import a_game
from tests.stand.records import completed

YEAR, MINUTE = timedelta(days=365), timedelta(minutes=1)
VALIDITY = timedelta(days=30)
NOTHING = {"customers": 0, "coupons": 0, "reservations": 0}
STATE = (
    "SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM coupons c",
    "SELECT md5(string_agg(c::text, ',' ORDER BY customer_no)) FROM customers c",
    "SELECT count(*) FROM clock_mends",
)


class Shop:
    """Decides by a clock that is off by `error`: the test clock moves all instants, and no guard minds it."""

    def __init__(
        self, pool: asyncpg.Pool, locks: CustomerLocks, database: Connection, partner_id: int
    ) -> None:
        self._pool, self._locks, self._database = pool, locks, database
        self.partner_id, self.error = partner_id, timedelta()
        self.shop_id = 1

    @property
    def manner(self) -> Manner:
        return Manner(clock_offset=self.error, writing=Writing(expiring_leads_hours=(168, 24)))

    async def play(self, customer_id: str, game_id: int) -> None:
        """A completion, appended to its topic just now whatever the database's clock says."""
        name = f"{customer_id}-{game_id}-{time.monotonic_ns()}"
        at = datetime.now(UTC) + min(self.error, timedelta())  # not from the future
        record: ConsumerRecord = completed(
            name, customer_id, partner_id=self.partner_id, game_id=game_id, at=at
        )
        record = replace(record, timestamp=int(time.time() * 1000))
        await Pipeline(self._pool, self._locks, self.manner).process([record])

    async def step(self, customer_id: str, step: Step) -> None:
        """On the customer's newest coupon."""
        coupon = await self.coupon(customer_id)
        request = StepRequest(
            coupon_id=str(coupon["id"]), step=step, shop_id=self.shop_id, actor="test", reserve_for=timedelta(minutes=15)
        )  # fmt: skip
        async with self._database.transaction():
            answer = await take_step(self._database, request, self.manner)
        assert answer
        assert answer.refusal is None

    async def sweep(self) -> None:
        """Record what time has done."""
        async with self._database.transaction():
            await settle_due(self._database, self.manner, actor="test", limit=100)

    async def coupon(self, customer_id: str) -> asyncpg.Record:
        """The customer's newest."""
        row = await self._database.fetchrow(
            "SELECT c.* FROM coupons c JOIN customers USING (customer_no) JOIN decisions d USING (event_key)"
            " WHERE customer_id = $1 ORDER BY d.seq DESC LIMIT 1",
            customer_id,
        )
        assert row
        return row


@pytest.fixture
async def shop(
    pool: asyncpg.Pool, locks: CustomerLocks, database: asyncpg.Connection, partner_id: int
) -> Shop:
    """Of one partner."""
    shop = Shop(pool, locks, database, partner_id)
    shop.shop_id = await database.fetchval("SELECT min(id) FROM shops")
    return shop


def _span(error: timedelta) -> tuple[str, ...]:
    now = datetime.now(UTC) + error
    return "--from", (now - 5 * MINUTE).isoformat(), "--to", (now + 5 * MINUTE).isoformat()


async def _state(database: asyncpg.Connection) -> list[Any]:
    return [await database.fetchval(query) for query in STATE]


def _is_near(instant: datetime, expected: datetime) -> bool:
    return abs(instant - expected) < MINUTE


@pytest.mark.parametrize("error", [YEAR, timedelta(hours=1)], ids=["a year", "an hour"])
async def test_customers_touched_by_a_clock_ahead_get_their_time_back(
    error: timedelta,
    topics: Settings,
    shop: Shop,
    couponry: Command,
    database: asyncpg.Connection,
) -> None:
    """Whatever was done by the wrong clock: later events are decided now, coupons end in time, `verify` holds."""
    single = await a_game(database, shop.partner_id, coupon_validity_days=30)
    forever = await a_game(database, shop.partner_id, coupon_validity_days=None)
    for customer, game in (("expires", single), ("redeems", forever), ("reserves", forever), ("rests", single)):  # fmt: skip
        await shop.play(customer, game)
    before = await shop.coupon("rests")
    shop.error = error
    await shop.play("issued", single)
    await shop.step("redeems", Step.REDEEMED)
    await shop.play("redeems", forever)
    await shop.step("redeems", Step.REDEEMED)
    await shop.play("redeems", forever)
    await shop.step("reserves", Step.RESERVED)
    await shop.sweep()
    shop.error = timedelta()
    await shop.play("issued", forever)  # held at the newest instant
    assert (await shop.coupon("issued"))["issued_at"] > datetime.now(UTC) + error - MINUTE

    kept = await _state(database)
    rehearsed = (await couponry("repair-clock", *_span(error), "--dry-run", "--json")).json()
    assert await _state(database) == kept
    report = (await couponry("repair-clock", *_span(error), "--json")).json()
    early = 2 if error == YEAR else 0  # "expires" and "rests"
    assert report.items() >= {"coupons": 4, "reservations": 1, "ended_early": early}.items()
    assert {name: report[name] for name in NOTHING} == {name: rehearsed[name] for name in NOTHING}
    assert abs(report["shift_seconds"] - error.total_seconds()) < 60
    assert (
        await couponry("repair-clock", *_span(error), "--json")
    ).json().items() >= NOTHING.items()

    now = datetime.now(UTC)
    newest = await database.fetchval("SELECT max(last_at) FROM customers")
    assert newest <= now + timedelta(seconds=5)
    row = await database.fetchrow(
        "SELECT * FROM coupons WHERE mended_at IS NOT NULL AND expires_at IS NOT NULL"
    )
    assert row
    assert _is_near(row["expires_at"], now + VALIDITY)
    assert _is_near(row["notice_at"], now + VALIDITY - timedelta(hours=168))
    assert _is_near((await shop.coupon("reserves"))["reserved_until"], now + 15 * MINUTE)
    if error != YEAR:
        assert (await shop.coupon("rests"))["expires_at"] == before["expires_at"]

    await shop.step("redeems", Step.REDEEMED)
    for customer, game in (("issued", single), ("redeems", forever), ("expires", single)):
        await shop.play(customer, game)
    await shop.sweep()
    found = (await couponry("verify", "--json")).json()
    assert found["violations"] == []
    decided = await database.fetchval("SELECT max(decided_at) FROM decisions WHERE seq > (SELECT max(seq) - 3 FROM decisions)")  # fmt: skip
    assert _is_near(decided, now)


async def test_coupons_issued_by_a_clock_behind_live_their_whole_time(
    topics: Settings, shop: Shop, couponry: Command, database: asyncpg.Connection
) -> None:
    """They would end as soon as the clock is right."""
    single = await a_game(database, shop.partner_id, coupon_validity_days=30)
    await shop.play("before", single)
    shop.error = -YEAR
    await shop.play("new", single)
    shop.error = timedelta()
    untouched = await shop.coupon("before")
    report = (await couponry("repair-clock", *_span(-YEAR), "--json")).json()
    assert report.items() >= {"customers": 0, "coupons": 1, "ended_early": 0}.items()
    await shop.sweep()
    coupon = await shop.coupon("new")
    assert coupon["status"] == "active"
    assert _is_near(coupon["expires_at"], datetime.now(UTC) + VALIDITY)
    assert await shop.coupon("before") == untouched
    assert (await couponry("verify", "--json")).json()["violations"] == []


async def test_end_of_another_instant_than_a_repair_mended_is_a_violation(
    topics: Settings, shop: Shop, couponry: Command, owner: asyncpg.Connection, database: asyncpg.Connection
) -> None:  # fmt: skip
    """The exception that I3 knows is only what a repair has recorded."""
    await shop.play("ona", await a_game(database, shop.partner_id, coupon_validity_days=30))
    await owner.execute(
        "UPDATE coupons SET mended_at = issued_at + '1 d', expires_at = expires_at + '1 d'"
    )
    violations = (await couponry("verify", "--json")).out
    assert "no repair of the clock says so" in violations
    await database.execute("SET couponry.mending = 'on'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no repair"):
        await database.execute(
            "UPDATE coupons SET mended_at = NULL, expires_at = issued_at + '30 d'"
        )


async def test_repair_goes_on_after_a_kill(
    topics: Settings, shop: Shop, couponry: Command, database: asyncpg.Connection
) -> None:
    """Killed behind a page and resumed: everything is mended, and counted, once."""
    single = await a_game(database, shop.partner_id)
    shop.error = YEAR
    for customer in ("ona", "jonas"):
        await shop.play(customer, single)
    crash = {"COUPONRY_ALLOW_CRASH_POINTS": "1", "COUPONRY_CRASH_AT": "repair_clock.after_page"}
    result = run_process(topics, "repair-clock", *_span(YEAR), "--reason", "NTP", **crash)
    assert result.code == -signal.SIGKILL, result.err
    report = (await couponry("repair-clock", "--resume", "--json")).json()
    assert report.items() >= {"customers": 2, "coupons": 2, "resumed": True}.items()
    kept = await database.fetchrow("SELECT command, reason, actor FROM operations")
    assert kept
    assert (kept["command"], kept["reason"], "@" in kept["actor"]) == ("repair-clock", "NTP", True)


async def test_repair_waits_for_a_right_clock(owner: asyncpg.Connection, couponry: Command) -> None:
    """While the clock is wrong there is nothing to go by: one line, exit 2."""
    clock = await FakeClock.of(owner)
    await clock.set(YEAR)
    result = await couponry("repair-clock", *_span(YEAR))
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "clock" in result.err
    for wrong in ((), _span(YEAR)[:2], (*_span(YEAR)[2:], "--to", "2020-01-01T00:00:00Z")):
        assert (await couponry("repair-clock", *wrong)).code == 2
