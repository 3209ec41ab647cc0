"""Coupons that no game issued, in the sweeper's hands: they are told of, freed and ended like any other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from services.decisions.manner import Manner
from services.decisions.transaction import Deciding
from services.runtime.settings import Settings
from services.sweeper.app import sweep_once
from services.sweeper.counters import count_once
from tests.stand.database import connected
from tests.stand.real_shop import RealShop
from tests.stand.waiting import eventually

DAYS_SECONDS = 86_400
PERCENT = {"couponType": "percentage_discount", "discountValue": 10, "options": {"expiryAfter": 30}}


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """As the sweeper has it."""
    async with connected(settings, enable_seqscan="off") as connection:
        yield connection


async def given(database: asyncpg.Connection, partner_id: int, **options: Any) -> RealShop:
    """A shop whose campaign has just given anna a coupon for thirty days."""
    shop = RealShop(connection=database, partner_id=partner_id, deciding=Deciding(Manner()))
    await shop.given(**PERCENT | {"options": {"expiryAfter": 30} | options})
    return shop


def later(settings: Settings, days: float) -> Settings:
    """The same service, its clock moved on."""
    return settings.model_copy(
        update={"allow_test_clock": True, "clock_offset_seconds": days * DAYS_SECONDS}
    )


async def told(database: asyncpg.Connection) -> list[tuple[str, Any]]:
    """(type, data) of every queued lifecycle event."""
    rows = await database.fetch(
        "SELECT ce_type, value FROM outbox WHERE topic = 'coupon-lifecycle' ORDER BY id"
    )
    return [(row["ce_type"], json.loads(row["value"])) for row in rows]


async def test_coupon_without_a_game_is_announced_and_ends_once(
    database: asyncpg.Connection, settings: Settings, partner_id: int
) -> None:
    """A notice a day before, the end at its instant, each once; both name what the coupon comes from and its terms."""
    await given(database, partner_id)
    await database.execute("UPDATE coupons SET notice_at = expires_at - interval '24 h'")
    for days in (28, 29.5, 30.5, 31):
        for _ in range(2):
            await sweep_once(database, later(settings, days))
    (_, notice), (_, end) = events = await told(database)
    assert [type_ for type_, _ in events] == ["coupon.expiring", "coupon.expired"]
    assert (end["game_id"], end["source"]["kind"], end["terms"]["type"]) == (
        None, "campaign", "percentage",
    )  # fmt: skip
    assert end["at"] == end["expires_at"] == notice["expires_at"]
    row = await database.fetchrow("SELECT status, game_id FROM coupons")
    assert row is not None
    assert tuple(row) == ("expired", None)


async def test_reservation_of_a_coupon_without_a_game_lapses(
    database: asyncpg.Connection, settings: Settings, partner_id: int
) -> None:
    """It is active again, with the uses that it had."""
    await given(database, partner_id, usageLimit=3)
    await database.execute(
        "UPDATE coupons SET status = 'reserved', reserved_until = now() + interval '15 minutes',"
        " reserved_shop_id = 1, used_count = 1"
    )
    released = [(await sweep_once(database, later(settings, 0.1))).released for _ in range(2)]
    assert released == [1, 0]
    assert [type_ for type_, _ in await told(database)] == ["coupon.released"]
    row = await database.fetchrow("SELECT status, used_count FROM coupons")
    assert row is not None
    assert tuple(row) == ("active", 1)


async def test_decisions_without_a_game_count_for_none(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """Events and orders of a program pass through the counters of games and leave no trace there."""
    shop = await given(database, partner_id)
    await shop.order("20")
    for _ in range(3):
        await eventually(lambda: count_once(database), "older transactions have ended")
    assert await database.fetchval("SELECT counted_to FROM counting") >= 2
    assert await database.fetchval("SELECT count(*) FROM game_counters") == 0
