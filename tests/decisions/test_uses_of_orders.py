"""Coupons that orders have used come back from the database as the rules say, whatever the orders earned."""

from __future__ import annotations

import asyncpg
import pytest

from services.decisions.manner import USUAL
from services.decisions.steps import StepRequest, take_step
from services.domain.coupons.coupon import Step
from tests.stand.real_shop import RealShop
from tests.stand.telling import ordered, refunded


@pytest.fixture
async def shop(database: asyncpg.Connection, partner_id: int) -> RealShop:
    """A shop whose program is in EUR."""
    shop = RealShop(connection=database, partner_id=partner_id)
    await shop.set()
    return shop


async def uses(shop: RealShop) -> list[tuple[str, int]]:
    return [(each["status"], each["used_count"]) for each in await shop.coupons()]


@pytest.mark.parametrize("at_once", [False, True])
async def test_use_of_an_order_in_another_currency_comes_back(
    shop: RealShop, at_once: bool
) -> None:
    """All that was paid gives it back, in one batch as one by one; what a second event says of the order changes nothing."""
    code = await shop.given(couponType="percentage_discount", discountValue=10, options={"usageLimit": 2})  # fmt: skip
    records = [
        ordered("o", "50", partner_id=shop.partner_id, currency="USD", coupon_codes=[code]),
        refunded("o", "44.99", partner_id=shop.partner_id),
        ordered("o", "80", partner_id=shop.partner_id, currency="USD", coupon_codes=[code]),
        refunded("o", "45", partner_id=shop.partner_id),
    ]
    size = len(records) if at_once else 1
    for start in range(0, len(records) - 1, size):
        await shop.decide(records[:-1][start : start + size])
    assert await uses(shop) == [("redeemed", 2)]
    await shop.decide(records[-1:])
    assert await uses(shop) == [("active", 0)]
    assert (await shop.last())["reason"] is None
    await shop.order("50", order_id="o")
    assert (await shop.last())["reason"] == "order_already_reversed"


async def test_use_of_somebody_elses_order_comes_back(shop: RealShop) -> None:
    """Bert told first of the order that Anna used her coupon for: it is hers, and so is what she got back."""
    code = await shop.given(couponType="fixed_discount", discountValue=5)
    await shop.order("50", order_id="o", customer="bert")
    await shop.order("30", order_id="o", codes=[code])
    assert (await shop.last())["reason"] == "order_already_counted"
    await shop.refund("25", "o", customer="bert")
    assert await uses(shop) == [("redeemed", 1)]
    await shop.refund("25", "o")
    assert await uses(shop) == [("active", 0)]
    assert (await shop.wallet("bert"))["balance"] == 25


async def at_the_till(shop: RealShop, *steps: Step) -> None:
    """Staff do this with the coupon, one step after another."""
    for word in steps:
        (coupon,) = await shop.coupons()
        request = StepRequest(coupon_id=str(coupon["id"]), step=word, shop_id=1, actor="staff")
        async with shop.connection.transaction():
            answer = await take_step(shop.connection, request, USUAL)
        assert answer is not None
        assert answer.refusal is None


REINSTATED = [
    # What staff do once orders have used the coupon; the uses that are left when the first order is reversed; whose
    # use it was that came back at the till.
    ("o", [Step.REINSTATED, Step.REDEEMED], 1, "o"),
    ("o", [Step.REDEEMED, Step.REINSTATED], 0, None),
    ("oo", [Step.REINSTATED], 0, "o"),
    ("op", [Step.REINSTATED], 0, "p"),
    ("op", [Step.REINSTATED, Step.REINSTATED, Step.REDEEMED], 1, "p"),
    ("opo", [Step.REINSTATED], 1, "o"),
]  # fmt: skip


@pytest.mark.parametrize(("orders", "steps", "left", "whose"), REINSTATED)
async def test_use_comes_back_once_to_the_till_or_with_its_order(
    shop: RealShop, orders: str, steps: list[Step], left: int, whose: str | None
) -> None:
    """Staff give back what a till has used, else the newest use of an order, which then has it no more."""
    code = await shop.given(couponType="fixed_discount", discountValue=5, options={"usageLimit": 4})
    for order_id in orders:
        await shop.order("50", order_id=order_id, codes=[code])
    await at_the_till(shop, *steps)
    rows = await shop.connection.fetch(
        "SELECT order_id, shop_id FROM coupon_history WHERE word = 'reinstated' ORDER BY step"
    )
    assert tuple(rows[0]) == (whose, 1)
    await shop.refund(None, "o")
    assert await uses(shop) == [("active", left)]
