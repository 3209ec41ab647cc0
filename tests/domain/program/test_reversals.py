"""Orders that are reversed before they come, by somebody else, or after time has moved on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.domain.campaigns import Campaign
from services.domain.coupons.coupon import CouponStatus
from services.domain.decision import CodeOutcome, OrderReason
from services.domain.purchases import Purchase
from services.domain.rewards import Reward
from services.domain.terms import Terms, TermsType
from services.domain.tiers import Tier
from services.domain.triggers import PLACE_ORDER, Trigger
from tests.stand.small_shop import BASE, SmallShop, shown

TEN_PERCENT = Terms(type=TermsType.PERCENTAGE, value=Decimal(10), usage_limit=2)


def with_order_of_somebody_else(shop: SmallShop, order_id: str) -> None:
    """Anna's state as it is read where another customer's order of this id has earned."""
    theirs = Purchase(order_id=order_id, is_mine=False)
    state = shop.state()
    by_id = {**state.purchases.by_id, order_id: theirs}
    shop.states["anna"] = replace(state, purchases=replace(state.purchases, by_id=by_id))


def test_cancellation_before_its_order_closes_it_whoever_else_has_one_of_that_id() -> None:
    """It closes (partner, order id, customer): neither points nor codes."""
    shop = SmallShop()
    shop.refund(None, "o")
    with_order_of_somebody_else(shop, "o")
    shop.order("50", order_id="o")
    assert shop.decisions[-1].reason is OrderReason.ORDER_ALREADY_REVERSED


def test_order_that_somebody_else_had_reversed_has_counted() -> None:
    """A reversed order told again by another customer has been counted, and is nothing of theirs to reverse."""
    shop = SmallShop()
    with_order_of_somebody_else(shop, "o")
    shop.order("50", order_id="o")
    assert shop.decisions[-1].reason is OrderReason.ORDER_ALREADY_COUNTED
    shop.refund("10", "o")
    theirs = shop.state().purchases
    assert theirs.by_id["o"] == Purchase(order_id="o", is_mine=False)
    assert theirs.refunded_before == {"o": Decimal(10)}


def test_order_that_has_counted_says_so_in_any_currency() -> None:
    """That it has is asked before its currency is."""
    shop = SmallShop()
    shop.order("50", order_id="o")
    shop.order("50", order_id="o", currency="USD")
    assert shop.decisions[-1].reason is OrderReason.ORDER_ALREADY_COUNTED


@pytest.mark.parametrize(("refunded", "points"), [("0", 50), ("10", 40), ("50", 0)])
def test_refund_by_part_before_its_order(refunded: str, points: int) -> None:
    """It counts from the start; one of nothing takes nothing back, one of everything closes the order."""
    shop = SmallShop()
    shop.refund(refunded, "o")
    shop.order("50", order_id="o")
    assert shop.wallet().balance == points
    is_closed = shop.decisions[-1].reason is OrderReason.ORDER_ALREADY_REVERSED
    assert is_closed is (points == 0)


def test_reversal_may_reach_a_tier_and_is_granted_its_coupons() -> None:
    """Tiers changed since the customer's last event: what comes next settles them, be it a reversal."""
    shop = SmallShop()
    shop.order("50")
    shop.refund(None, "elsewhere")
    tiers = (
        Tier(id=1, name="one", order=1, min_progress=Decimal(0)),
        Tier(
            id=2,
            name="two",
            order=2,
            min_progress=Decimal(20),
            entry=Reward(coupons=(TEN_PERCENT,)),
        ),
    )
    shop.program = replace(BASE, version=2, tiers=tiers)
    shop.refund(None, "elsewhere too")
    assert len(shop.state().coupons.by_id) == 1


def used_once(shop: SmallShop) -> str:
    """A coupon of two uses, of which the order has one and the till has held the other."""
    coupon = shop.given(TEN_PERCENT)
    shop.order("50", order_id="o", codes=[shown(coupon)])
    return coupon.id


def change(shop: SmallShop, coupon_id: str, **changes: object) -> None:
    state = shop.state()
    coupon = replace(state.coupons.by_id[coupon_id], **changes)  # type: ignore[arg-type]
    by_id = {**state.coupons.by_id, coupon_id: coupon}
    shop.states["anna"] = replace(state, coupons=replace(state.coupons, by_id=by_id))


@pytest.mark.parametrize("days", [0.0, 1.0])
def test_reservation_keeps_no_use_from_coming_back(days: float) -> None:
    """A till that holds the coupon for its next use has it no more, whether or not its time was over."""
    shop = SmallShop()
    coupon_id = used_once(shop)
    change(
        shop,
        coupon_id,
        status=CouponStatus.RESERVED,
        reserved_until=shop.now + timedelta(minutes=15),
        reserved_shop_id=1,
    )
    shop.days = days
    shop.refund(None, "o")
    after = shop.state().coupons.by_id[coupon_id]
    assert (after.status, after.used_count) == (CouponStatus.ACTIVE, 0)
    assert [(code.outcome, code.reason) for code in shop.decisions[-1].codes] == [
        (CodeOutcome.REINSTATED, None)
    ]


def test_coupon_that_has_ended_is_not_cancelled_with_its_order() -> None:
    """It expired at its instant, and that is what is recorded."""
    week = replace(TEN_PERCENT, expires_after=timedelta(days=7))
    campaign = Campaign(
        id=1, type="Reward Campaign", name="Coupon", trigger=Trigger(event_name=PLACE_ORDER),
        reward=Reward(coupons=(week,)),
    )  # fmt: skip
    shop = SmallShop(program=replace(BASE, campaigns=(campaign,)))
    shop.order("50", order_id="o")
    (coupon_id,) = shop.state().coupons.by_id
    shop.days = 8
    shop.refund(None, "o")
    assert shop.state().coupons.by_id[coupon_id].status is CouponStatus.EXPIRED


@pytest.mark.parametrize(
    ("capping", "discount"), [("2.505", "2.51"), ("2.50", "2.50"), ("100", "10.00")]
)
def test_capping_is_rounded_with_the_rest(capping: str, discount: str) -> None:
    """Once and last: one finer than the minor unit of the order's currency would be no money."""
    shop = SmallShop()
    coupon = shop.given(replace(TEN_PERCENT, capping=Decimal(capping)))
    shop.order("100", codes=[shown(coupon)])
    answer = shop.decisions[-1].program
    assert answer is not None
    assert [each.amount for each in answer.discounts] == [Decimal(discount)]


@pytest.mark.parametrize("is_counted", [False, True], ids=["another currency", "another's order"])
@pytest.mark.parametrize(
    ("refunds", "uses_left"),
    [(["44.99"], 1), (["45"], 0), (["20", "45"], 0), (["20", "10"], 1), ([None], 0)],
)
def test_use_of_an_order_that_has_earned_nothing_comes_back_with_the_whole_of_it(
    is_counted: bool, refunds: list[str | None], uses_left: int
) -> None:
    """Its codes worked, so all that was paid for it gives them back, however it was refunded; a part does not."""
    shop = SmallShop()
    coupon = shop.given(TEN_PERCENT)
    if is_counted:
        with_order_of_somebody_else(shop, "o")
    currency = "EUR" if is_counted else "USD"
    assert shop.order("50", order_id="o", currency=currency, codes=[shown(coupon)]) == 0
    for refund in refunds:
        shop.refund(refund, "o")
    assert shop.coupon(coupon).used_count == uses_left
    shop.order("50", order_id="o", currency="USD")
    is_over = shop.decisions[-1].reason is OrderReason.ORDER_ALREADY_REVERSED
    assert is_over is (uses_left == 0)


def test_first_that_is_told_of_an_order_says_what_it_was_worth() -> None:
    """A second event works its codes against its own total; the whole gives back the uses of both."""
    shop = SmallShop()
    coupon = shop.given(TEN_PERCENT)
    for total in ("50", "100"):
        shop.order(total, order_id="o", currency="USD", codes=[shown(coupon)])
    assert shop.coupon(coupon).status is CouponStatus.REDEEMED
    shop.refund("45", "o")
    assert (shop.coupon(coupon).used_count, len(shop.decisions[-1].codes)) == (0, 2)
