"""Uses of the program's coupons between tills and orders, through the whole pipeline on real Postgres."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg

from services.decisions.manner import USUAL
from services.decisions.steps import StepAnswer, StepRequest, take_step
from services.domain.coupons.coupon import Step
from services.domain.coupons.lifecycle import StepRefusal
from services.issuer.pipeline import Pipeline
from tests.stand.real_shop import RealShop
from tests.stand.telling import ordered, refunded


async def at_the_till(shop: RealShop, coupon_id: str, step: Step) -> StepAnswer:
    """One step by staff."""
    request = StepRequest(
        coupon_id=coupon_id,
        step=step,
        shop_id=1,
        actor="staff",
        reserve_for=timedelta(minutes=15),
    )
    async with shop.connection.transaction():
        answer = await take_step(shop.connection, request, USUAL)
    assert answer is not None
    return answer


async def history(database: asyncpg.Connection) -> list[tuple[Any, ...]]:
    rows = await database.fetch(
        "SELECT word, was, status, reason, order_id, actor FROM coupon_history ORDER BY step"
    )
    return [tuple(row) for row in rows]


async def test_reversal_gives_a_use_back_that_a_till_holds(
    pipeline: Pipeline, database: asyncpg.Connection, partner_id: int
) -> None:
    """Of two uses the order has one and a till has reserved the other: staff may not undo that, the reversal does."""
    shop = RealShop(connection=database, partner_id=partner_id)
    await shop.set()
    code = await shop.given(couponType="fixed_discount", discountValue=5, options={"usageLimit": 2})
    coupon_id = str((await shop.coupons())[0]["id"])
    await pipeline.process([ordered("o", "50", partner_id=partner_id, coupon_codes=[code])])
    assert (await at_the_till(shop, coupon_id, Step.RESERVED)).refusal is None
    refused = await at_the_till(shop, coupon_id, Step.REINSTATED)
    assert refused.refusal is StepRefusal.NOT_REDEEMED
    await pipeline.process([refunded("o", partner_id=partner_id)])

    assert await history(database) == [
        ("used", "active", "active", None, "o", "issuer"),
        ("reserved", "active", "reserved", None, None, "staff"),
        ("released", "reserved", "active", "order_reversed", "o", "issuer"),
        ("reinstated", "active", "active", None, "o", "issuer"),
    ]
    (coupon,) = await shop.coupons()
    stands = (coupon["status"], coupon["used_count"], coupon["reserved_shop_id"], coupon["steps"])
    assert stands == ("active", 0, None, 4)
    told = await database.fetch(
        "SELECT ce_type, value::jsonb -> 'terms' ->> 'used_count', value::jsonb ->> 'reason'"
        " FROM outbox WHERE topic = 'coupon-lifecycle' ORDER BY id"
    )
    assert [tuple(row) for row in told] == [
        ("coupon.used", "1", None), ("coupon.reserved", "1", None),
        ("coupon.released", "1", "order_reversed"), ("coupon.reinstated", "0", None),
    ]  # fmt: skip
    assert (await shop.last())["reason"] is None
    assert await at_the_till(shop, coupon_id, Step.REDEEMED)
