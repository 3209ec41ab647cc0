"""The contract's examples of orders and coupons, by their numbers, from the records to the database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.stand.real_shop import RealShop, line, rate


@pytest.fixture
async def shop(database: asyncpg.Connection, partner_id: int) -> RealShop:
    """A shop with the program that the examples begin with."""
    shop = RealShop(connection=database, partner_id=partner_id)
    await shop.set()
    return shop


def percent(value: str, **options: Any) -> dict[str, Any]:
    """A coupon of so much per cent."""
    more: dict[str, Any] = {
        name: options.pop(name) for name in ("minOrderValue", "collections") if name in options
    }
    return {"couponType": "Percentage", "discountValue": Decimal(value), "options": options, **more}


def multiplier(factor: str, **lines: Any) -> dict[str, Any]:
    """A campaign that multiplies what these lines of an order earn."""
    return {
        "name": f"times {factor}", "type": "Reward Campaign", "isRepeatable": True, "applicableTo": lines,
        "rewards": [{"walletRewardFactor": Decimal(factor)}],
    }  # fmt: skip


async def test_01_default_rule(shop: RealShop) -> None:
    """25.99 → 25; score 25, spent 25.99."""
    assert await shop.order("25.99") == 25
    wallet = await shop.wallet()
    assert (wallet["score"], wallet["spent"]) == (25, Decimal("25.99"))


async def test_02_threshold(shop: RealShop) -> None:
    """50/10/1: 49.99 → 0, score 0; 50 → 10; 74.99 → 14; 75 → 15."""
    await shop.set(cashback=rate("50", "10"))
    assert await shop.order("49.99") == 0
    assert (await shop.wallet())["score"] == 0
    assert [await shop.order(total) for total in ("50", "74.99", "75")] == [10, 14, 15]


async def test_03_decimals_are_exact(shop: RealShop) -> None:
    """0.1/1: total "0.3" → 3, where doubles give 2."""
    await shop.set(cashback=rate("0.1", "1"))
    assert await shop.order("0.3") == 3


@pytest.mark.parametrize(("rounds_up", "points"), [(False, 14), (True, 15)])
async def test_04_card_and_rounding(shop: RealShop, rounds_up: bool, points: int) -> None:
    """Card 1.5 per 10: 99.99 → 14; rounding up 15."""
    await shop.card(
        points_per_currency=Decimal("1.5"), currency_amount=10, round_points_up=rounds_up
    )
    await shop.register()
    assert await shop.order("99.99") == points


async def test_05_least_and_most_per_purchase(shop: RealShop) -> None:
    """That card, min 5, max 20: 10 → 5; 200 → 20; 0 → 0."""
    limits = {"min_points_per_purchase": 5, "max_points_per_purchase": 20}
    await shop.card(points_per_currency=Decimal("1.5"), currency_amount=10, **limits)
    await shop.register()
    assert [await shop.order(total) for total in ("10", "200", "0")] == [5, 20, 0]


async def test_06_one_source_of_rate(shop: RealShop) -> None:
    """Default 1/1, card 0.5 per 1: 100 → 50, not 150; in a tier with 1/3 → 300."""
    await shop.card(points_per_currency=Decimal("0.5"), currency_amount=1)
    await shop.register()
    assert await shop.order("100") == 50
    await shop.set(
        tiers=[{"name": "one", "minProgress": 0, "order": 1}],
        cashback={
            "tierCashbackRules": [
                {"tierName": "one", "amountRewardThreshold": 1, "rewardWalletFactor": 3}
            ]
        },
    )
    assert await shop.order("100") == 300


async def test_07_multiply_before_rounding(shop: RealShop) -> None:
    """1/1.5, factor 2: 10.50 → 31, not 30."""
    await shop.set(cashback=rate("1", "1.5"), campaigns=[multiplier("2")])
    assert await shop.order("10.50") == 31


BREAD_AND_CHEESE = [line("30", sku="bread"), line("20", sku="cheese")]
ON_CHEESE = multiplier("5", productSkus=["cheese"])


async def test_08_highest_factor_of_each_line(shop: RealShop) -> None:
    """Lines 30 bread, 20 cheese: factor 5 on cheese → 130; and factor 2 on all → 160."""
    await shop.set(campaigns=[ON_CHEESE])
    assert await shop.order("50", lines=BREAD_AND_CHEESE) == 130
    await shop.set(campaigns=[ON_CHEESE, multiplier("2")])
    assert await shop.order("50", lines=BREAD_AND_CHEESE) == 160


async def test_09_multiplied_after_a_discount(shop: RealShop) -> None:
    """As 8 (cheese only) with a 10% coupon: A 45 → 117."""
    code = await shop.given(**percent("10"))
    await shop.set(campaigns=[ON_CHEESE])
    assert await shop.order("50", lines=BREAD_AND_CHEESE, codes=[code]) == 117


async def test_10_card_limits_come_last(shop: RealShop) -> None:
    """Card 1 per 1, max 100, factor 2: 80 → 100."""
    await shop.card(points_per_currency=1, currency_amount=1, max_points_per_purchase=100)
    await shop.register()
    await shop.set(campaigns=[multiplier("2")])
    assert await shop.order("80") == 100


async def test_11_minor_units_of_the_currency(shop: RealShop) -> None:
    """JPY, 100/1: 1234 with 15%: discount 185, A 1049 → 10."""
    await shop.set(settings={"currency": "JPY"}, cashback=rate("100", "1"))
    code = await shop.given(**percent("15"))
    assert await shop.order("1234", currency="JPY", codes=[code]) == 10
    assert await shop.discounts() == [185]
    assert (await shop.wallet())["spent"] == 1049


async def test_12_other_currency(shop: RealShop) -> None:
    """USD order of 100: 0, orders unchanged."""
    assert await shop.order("100", currency="USD") == 0
    assert (await shop.last())["reason"] == "currency_mismatch"
    assert (await shop.wallet())["orders"] == 0


async def test_13_capping(shop: RealShop) -> None:
    """20%, capping 50: 400 → discount 50; 100 → discount 20."""
    code = await shop.given(**percent("20", capping=50, usageLimit=2))
    for total, discount in (("400", 50), ("100", 20)):
        await shop.order(total, codes=[code])
        assert await shop.discounts() == [discount]


async def test_14_discounts_round_half_up(shop: RealShop) -> None:
    """15% of 0.10: discount 0.02; of 0.09: 0.01."""
    code = await shop.given(**percent("15", usageLimit=2))
    for total, discount in (("0.10", "0.02"), ("0.09", "0.01")):
        await shop.order(total, codes=[code])
        assert await shop.discounts() == [Decimal(discount)]


async def test_15_least_value_of_an_order(shop: RealShop) -> None:
    """minOrderValue 50: 49.99 `below_min_order_value`, coupon active; 50 redeemed."""
    code = await shop.given(**percent("10", minOrderValue=50))
    await shop.order("49.99", codes=[code])
    assert await shop.reasons() == ["below_min_order_value"]
    assert [each["status"] for each in await shop.coupons()] == ["active"]
    await shop.order("50", codes=[code])
    assert [each["status"] for each in await shop.coupons()] == ["redeemed"]


async def test_16_fixed_discount_of_more_than_the_order(shop: RealShop) -> None:
    """Fixed 30 on 20: discount 20, A 0 → 0, orders +1."""
    code = await shop.given(couponType="Fixed Amount", discountValue=30)
    assert await shop.order("20", codes=[code]) == 0
    assert await shop.discounts() == [20]
    wallet = await shop.wallet()
    assert (wallet["spent"], wallet["orders"]) == (0, 1)


async def test_17_combining(shop: RealShop) -> None:
    """80 + shipping 5: 10% and free shipping: 8 and 5, A 72; another 10% code `not_combinable`."""
    with_shipping, with_order = {"shippingDiscounts": True}, {"orderDiscounts": True}
    ten, other = [await shop.given(**percent("10", combinesWith=with_shipping)) for _ in range(2)]
    free = await shop.given(couponType="Free Shipping", options={"combinesWith": with_order})
    await shop.order("80", shipping="5", codes=[ten, free, other])
    assert await shop.discounts() == [8, 5]
    assert await shop.reasons() == [None, None, "not_combinable"]
    assert (await shop.wallet())["spent"] == 72


async def test_18_usage_limit(shop: RealShop) -> None:
    """usageLimit 2: used (active, 1), redeemed (2), third order `not_active`; second cancelled: active, 1."""
    code = await shop.given(**percent("10", usageLimit=2))
    seen: list[tuple[str, int]] = []
    for order_id in ("first", "second", "third"):
        await shop.order("10", order_id=order_id, codes=[code])
        seen.append(*[(each["status"], each["used_count"]) for each in await shop.coupons()])
    assert seen == [("active", 1), ("redeemed", 2), ("redeemed", 2)]
    assert await shop.reasons() == ["not_active"]
    await shop.refund(None, "second")
    assert [(each["status"], each["used_count"]) for each in await shop.coupons()] == [
        ("active", 1)
    ]


async def test_19_of_a_collection(shop: RealShop) -> None:
    """10% on collection 7: lines 30 (7), 70: discount 3; without 7 `not_applicable`."""
    code = await shop.given(**percent("10", collections=[7]))
    await shop.order("70", codes=[code])
    assert await shop.reasons() == ["not_applicable"]
    await shop.order("100", lines=[line("30", collection_ids=[7]), line("70")], codes=[code])
    assert await shop.discounts() == [3]


@pytest.mark.parametrize("expiry", [14, "2026-12-31"])
async def test_20_end_of_a_coupon(shop: RealShop, expiry: int | str) -> None:
    """expiryAfter 14: +336 h; "2026-12-31": 2026-12-31T22:00:00Z, exclusive."""
    await shop.given(**percent("10", expiryAfter=expiry))
    (coupon,) = await shop.coupons()
    if expiry == 14:
        assert (coupon["expires_at"] - coupon["issued_at"]).total_seconds() == 336 * 3600
    else:
        assert coupon["expires_at"].isoformat() == "2026-12-31T22:00:00+00:00"
