"""Terms as they stand beside coupons."""

from __future__ import annotations

import asyncpg
import pytest

from services.adapters.postgres.coupon_terms import terms_of
from services.adapters.postgres.coupons import coupon_from
from tests.stand.real_shop import RealShop


async def test_terms_of_one_rule_are_parsed_once(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """Two coupons of one rule share their terms; those of another rule, which cost and give other things, do not."""
    shop = RealShop(connection=database, partner_id=partner_id)
    await shop.set()
    await shop.order("100")
    one = await shop.rule(pointsToRedeem=10)
    decisions = [await shop.redeem(one), await shop.redeem(one)]
    other = await shop.rule(
        pointsToRedeem=10, coupon={"couponType": "percentage_discount", "discountValue": 35}
    )
    decisions.append(await shop.redeem(other))
    rows = await database.fetch("SELECT * FROM coupons")
    read = {str(row["id"]): coupon_from(row) for row in rows}
    first, second, third = (read[str(each["coupon_id"])] for each in decisions)
    assert first.terms is not None and third.terms is not None
    assert first.terms is second.terms
    assert first.terms != third.terms


def test_unreadable_terms_are_refused_each_time() -> None:
    """What this release does not know is no terms, however often it is asked."""
    for _ in range(2):
        with pytest.raises(ValueError, match="novel"):
            terms_of('{"type": "novel", "usage_limit": 1}')
