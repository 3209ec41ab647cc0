"""The contract's examples of what orders earn and coupons take off, by their numbers: the rules alone, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.domain.coupons.coupon import CouponStatus
from services.domain.decision import CodeReason, OrderReason
from services.domain.points.earning import CardRules, percent_of_spend
from services.domain.terms import CombinesWith, Terms, TermsType
from tests.domain.program.rules import discounts, multiplier, percentage, reasons, tier, with_card
from tests.stand.small_shop import BASE, SmallShop, line, rule, shown


def test_01_default_rule() -> None:
    """25.99 → 25; score 25, spent 25.99."""
    shop = SmallShop()
    assert shop.order("25.99") == 25
    assert (shop.wallet().score, shop.wallet().spent) == (25, Decimal("25.99"))


def test_02_threshold() -> None:
    """50/10/1, value 0.2: rewardFactor 4; 49.99 → 0 and no score; 50 → 10; 74.99 → 14; 75 → 15."""
    fifty = rule("50", "10")
    assert percent_of_spend(fifty, Decimal("0.2")) == 4
    shop = SmallShop(program=replace(BASE, default_cashback=fifty))
    assert shop.order("49.99") == 0
    assert shop.wallet().score == 0
    assert [shop.order(total) for total in ("50", "74.99", "75")] == [10, 14, 15]


def test_03_decimals_are_exact() -> None:
    """0.1/1: total 0.3 → 3, where doubles give 2."""
    assert SmallShop(program=replace(BASE, default_cashback=rule("0.1", "1"))).order("0.3") == 3


CARD = CardRules(id=1, points_per_currency=Decimal("1.5"), currency_amount=Decimal(10))


def test_04_card_and_rounding() -> None:
    """Card 1.5 per 10: 99.99 → 14; rounding up 15."""
    assert with_card(CARD).order("99.99") == 14
    assert with_card(replace(CARD, rounds_up=True)).order("99.99") == 15


def test_05_least_and_most_per_purchase() -> None:
    """That card, min 5, max 20: 10 → 5; 200 → 20; 0 → 0."""
    shop = with_card(replace(CARD, least_per_purchase=5, most_per_purchase=20))
    assert [shop.order(total) for total in ("10", "200", "0")] == [5, 20, 0]


def test_06_one_source_of_rate() -> None:
    """Default 1/1, card 0.5 per 1: 100 → 50, not 150; in a tier with 1/3 → 300."""
    card = replace(CARD, points_per_currency=Decimal("0.5"), currency_amount=Decimal(1))
    assert with_card(card).order("100") == 50
    in_tier = with_card(card, tiers=(tier(1, "0"),), cashback_of={1: rule("1", "3")})
    assert in_tier.order("100") == 300


def test_07_multiply_before_rounding() -> None:
    """1/1.5, factor 2: 10.50 → 31, not 30."""
    program = replace(BASE, default_cashback=rule("1", "1.5"), campaigns=(multiplier(1, "2"),))
    assert SmallShop(program=program).order("10.50") == 31


BREAD_AND_CHEESE = (line("30", sku="bread"), line("20", sku="cheese"))
ON_CHEESE = multiplier(1, "5", product_skus=frozenset({"cheese"}))


def test_08_highest_factor_of_each_line() -> None:
    """Bread 30, cheese 20: factor 5 on cheese → 130; and factor 2 on all → 160."""
    shop = SmallShop(program=replace(BASE, campaigns=(ON_CHEESE,)))
    assert shop.order("50", lines=BREAD_AND_CHEESE) == 130
    both = SmallShop(program=replace(BASE, campaigns=(ON_CHEESE, multiplier(2, "2"))))
    assert both.order("50", lines=BREAD_AND_CHEESE) == 160


def test_09_multiplied_after_a_discount() -> None:
    """As 8, cheese only, with a 10% coupon: 45 → 117."""
    shop = SmallShop(program=replace(BASE, campaigns=(ON_CHEESE,)))
    coupon = shop.given(percentage("10"))
    assert shop.order("50", lines=BREAD_AND_CHEESE, codes=[shown(coupon)]) == 117


def test_10_card_limits_come_last() -> None:
    """Card 1 per 1, max 100, factor 2: 80 → 100."""
    card = CardRules(
        id=1, points_per_currency=Decimal(1), currency_amount=Decimal(1), most_per_purchase=100
    )
    assert with_card(card, campaigns=(multiplier(1, "2"),)).order("80") == 100


def test_11_minor_units_of_the_currency() -> None:
    """JPY, 100/1: 1234 with 15%: discount 185, worth 1049 → 10."""
    program = replace(BASE, currency="JPY", default_cashback=rule("100", "1"))
    shop = SmallShop(program=program)
    coupon = shop.given(percentage("15"))
    assert shop.order("1234", currency="JPY", codes=[shown(coupon)]) == 10
    assert discounts(shop.decisions[-1]) == [185]
    assert shop.wallet().spent == 1049


def test_12_other_currency() -> None:
    """USD order of 100: 0, orders unchanged."""
    shop = SmallShop()
    assert shop.order("100", currency="USD") == 0
    assert shop.decisions[-1].reason is OrderReason.CURRENCY_MISMATCH
    assert shop.wallet().orders == 0


@pytest.mark.parametrize(("total", "taken_off"), [("400", "50"), ("100", "20")])
def test_13_capping(total: str, taken_off: str) -> None:
    """20%, capping 50: 400 → discount 50; 100 → discount 20."""
    shop = SmallShop()
    coupon = shop.given(percentage("20", capping=Decimal(50)))
    shop.order(total, codes=[shown(coupon)])
    assert discounts(shop.decisions[-1]) == [Decimal(taken_off)]


@pytest.mark.parametrize(("total", "taken_off"), [("0.10", "0.02"), ("0.09", "0.01")])
def test_14_discounts_round_half_up(total: str, taken_off: str) -> None:
    """15% of 0.10: discount 0.02; of 0.09: 0.01."""
    shop = SmallShop()
    coupon = shop.given(percentage("15"))
    shop.order(total, codes=[shown(coupon)])
    assert discounts(shop.decisions[-1]) == [Decimal(taken_off)]


def test_15_least_value_of_an_order() -> None:
    """minOrderValue 50: 49.99 refused, coupon active; 50 redeemed."""
    shop = SmallShop()
    coupon = shop.given(percentage("10", min_order_value=Decimal(50)))
    shop.order("49.99", codes=[shown(coupon)])
    assert reasons(shop.decisions[-1]) == [CodeReason.BELOW_MIN_ORDER_VALUE]
    assert shop.coupon(coupon).status is CouponStatus.ACTIVE
    shop.order("50", codes=[shown(coupon)])
    assert shop.coupon(coupon).status is CouponStatus.REDEEMED


def test_16_fixed_discount_of_more_than_the_order() -> None:
    """Fixed 30 on 20: discount 20, worth 0 → 0, orders + 1."""
    shop = SmallShop()
    coupon = shop.given(Terms(type=TermsType.FIXED, value=Decimal(30), currency="EUR"))
    assert shop.order("20", codes=[shown(coupon)]) == 0
    assert discounts(shop.decisions[-1]) == [20]
    assert (int(shop.wallet().spent), shop.wallet().orders) == (0, 1)


def test_17_combining() -> None:
    """80 + shipping 5: 10% and free shipping take off 8 and 5, worth 72; another 10% code is not combinable."""
    shop = SmallShop()
    ten = shop.given(percentage("10", combines_with=CombinesWith(shipping=True)))
    free = shop.given(Terms(type=TermsType.FREE_SHIPPING, combines_with=CombinesWith(order=True)))
    other = shop.given(percentage("10", combines_with=CombinesWith(shipping=True)))
    codes = [shown(each) for each in (ten, free, other)]
    shop.order("80", shipping=Decimal(5), codes=codes)
    assert discounts(shop.decisions[-1]) == [8, 5]
    assert reasons(shop.decisions[-1]) == [None, None, CodeReason.NOT_COMBINABLE]
    assert shop.wallet().spent == 72


def test_18_usage_limit() -> None:
    """Two uses: active with 1, redeemed with 2, third order refused; second cancelled: active with 1."""
    shop = SmallShop()
    coupon = shop.given(percentage("10", usage_limit=2))
    shop.order("10", order_id="first", codes=[shown(coupon)])
    assert (shop.coupon(coupon).status, shop.coupon(coupon).used_count) == (CouponStatus.ACTIVE, 1)
    shop.order("10", order_id="second", codes=[shown(coupon)])
    assert (shop.coupon(coupon).status, shop.coupon(coupon).used_count) == (
        CouponStatus.REDEEMED,
        2,
    )
    shop.order("10", order_id="third", codes=[shown(coupon)])
    assert reasons(shop.decisions[-1]) == [CodeReason.NOT_ACTIVE]
    shop.refund(None, "second")
    assert (shop.coupon(coupon).status, shop.coupon(coupon).used_count) == (CouponStatus.ACTIVE, 1)


def test_19_of_a_collection() -> None:
    """10% on collection 7: lines 30 (7) and 70: discount 3; without 7 not applicable."""
    shop = SmallShop()
    coupon = shop.given(percentage("10", collection_ids=("7",)))
    shop.order("70", codes=[shown(coupon)])
    assert reasons(shop.decisions[-1]) == [CodeReason.NOT_APPLICABLE]
    lines = (line("30", collection_ids=("7",)), line("70"))
    shop.order("100", lines=lines, codes=[shown(coupon)])
    assert discounts(shop.decisions[-1]) == [3]


def test_20_days_are_hours() -> None:
    """expiryAfter 14 is 336 hours, whatever clocks do in between."""
    issued = datetime(2026, 3, 20, 12, tzinfo=UTC)  # clocks change in between
    ends = percentage("10", expires_after=timedelta(days=14)).ends(issued)
    assert ends == issued + timedelta(hours=336)
