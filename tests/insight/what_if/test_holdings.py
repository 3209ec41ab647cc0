"""What is remembered of a customer's coupons, and the bars of the plot."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.domain.coupons.coupon import Coupon, CouponStatus, Step
from services.domain.program import Game
from services.insight.what_if.holdings import Holding, Moment, RealStep, caught_up, packed, unpacked
from services.insight.what_if.showing import bar, grouped

AT = datetime(2027, 3, 1, 9, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
GAME = Game(
    id=7, partner_id=1, version=1, is_active=True, allow_multiple_active_coupons=False,
    coupon_validity_days=None, starts_at=None, ends_at=None, reward_description="",
)  # fmt: skip
FIRST, SECOND = "01" * 16, "02" * 16


def a_coupon(id: str = FIRST, **changes: object) -> Coupon:
    coupon = Coupon(
        id=id, code="", code_prefix="", game_id=7, status=CouponStatus.ACTIVE, issued_at=AT,
        expires_at=AT + 10 * HOUR, holds_single_place=True,
    )  # fmt: skip
    return replace(coupon, **changes)  # type: ignore[arg-type] # fields of a coupon


REDEEMED = RealStep(step=Step.REDEEMED, at=AT + HOUR, seq=5, order_id="o")
REVERSED = RealStep(step=Step.REINSTATED, at=AT + 2 * HOUR, seq=8, order_id="o")
BY_STAFF = RealStep(step=Step.CANCELLED, at=AT + HOUR)


@pytest.mark.parametrize("expires_at", [None, AT + 10 * HOUR])
@pytest.mark.parametrize("steps", [(), (replace(REDEEMED, order_id=None),), (BY_STAFF,)])
def test_packed_usual_coupon_comes_back(
    expires_at: datetime | None, steps: tuple[RealStep, ...]
) -> None:
    """To the microsecond, with its end if it has one, in a tenth of a kilobyte."""
    holdings = (Holding(coupon=a_coupon(expires_at=expires_at), to_come=steps),)
    kept = packed(holdings)
    assert isinstance(kept, bytes) and len(kept) < 60
    assert unpacked(kept, 7) == holdings


@pytest.mark.parametrize(
    "holding",
    [
        Holding(coupon=a_coupon(), to_come=(REDEEMED, REVERSED)),
        Holding(coupon=a_coupon(holds_single_place=False), to_come=(REDEEMED,)),
        Holding(coupon=a_coupon(status=CouponStatus.REDEEMED), to_come=(REVERSED,)),
    ],
)
def test_packed_unusual_coupon_stays_whole(holding: Holding) -> None:
    """Whatever the packed form has no room for is kept as it is."""
    assert unpacked(packed((holding,)), 7) == (holding,)


STEPS = [
    # seq, at, is blocked by the coupon, statuses left
    (4, AT + HOUR, False, [CouponStatus.ACTIVE], "an order's step counts by its number, not by its instant"),
    (5, AT + HOUR, False, [CouponStatus.REDEEMED], "and for the decision that took it"),
    (8, AT + 2 * HOUR, False, [CouponStatus.ACTIVE], "its reversal gives it back"),
]  # fmt: skip


@pytest.mark.parametrize(("seq", "at", "blocked", "statuses", "why"), STEPS)
def test_orders_step_stands_at_its_number(
    seq: int, at: datetime, blocked: bool, statuses: list[CouponStatus], why: str
) -> None:
    """A redemption and a completion of one poll share their instant."""
    holding = Holding(coupon=a_coupon(), to_come=(REDEEMED, REVERSED))
    left = caught_up((holding,), Moment(seq, at, FIRST if blocked else None), lambda _: GAME)
    assert [one.coupon.status for one in left] == statuses, why


@pytest.mark.parametrize(
    ("at", "blocked_by", "left"),
    [
        (AT + HOUR - timedelta(microseconds=1), None, 1),
        (AT + HOUR, FIRST, 1),
        (AT + HOUR, SECOND, 0),
        (AT + HOUR, None, 0),
    ],
)
def test_staffs_step_stands_at_its_instant(at: datetime, blocked_by: str | None, left: int) -> None:
    """At one and the same instant the record says whether the coupon was still in the way."""
    holding = Holding(coupon=a_coupon(), to_come=(BY_STAFF,))
    assert len(caught_up((holding,), Moment(99, at, blocked_by), lambda _: GAME)) == left


def test_step_on_a_coupon_that_is_over_is_not_taken() -> None:
    """Where the changed validity ended before the redemption, the coupon has expired, and no reversal revives it."""
    coupon = a_coupon(expires_at=AT + timedelta(minutes=1))
    holding = Holding(coupon=coupon, to_come=(REDEEMED, REVERSED))
    assert caught_up((holding,), Moment(9, AT + 3 * HOUR), lambda _: GAME) == ()


def test_reversal_never_makes_a_second_active_coupon() -> None:
    """Where another coupon holds the place by then, the redeemed one stays redeemed; under many coupons it comes back."""
    first = Holding(coupon=a_coupon(), to_come=(REDEEMED, REVERSED))
    second = Holding(coupon=a_coupon(SECOND))
    moment = Moment(9, AT + 3 * HOUR)
    assert [one.coupon.id for one in caught_up((first, second), moment, lambda _: GAME)] == [SECOND]
    many = replace(GAME, allow_multiple_active_coupons=True)
    other = replace(second, coupon=replace(second.coupon, holds_single_place=False))
    assert caught_up((first, other), moment, lambda _: many) == ()


def test_bars_share_days_when_there_are_many() -> None:
    """No more bars than fit, every day in one of them, days without decisions too."""
    days = [date(2027, 1, 1) + timedelta(days=n) for n in (0, 1, 69)]
    bars = grouped([(day, 1, 2) for day in days], most=31)
    assert len(bars) <= 31
    assert bars[0] == (date(2027, 1, 1), date(2027, 1, 3), 2, 4)
    assert bars[-1] == (date(2027, 3, 11), date(2027, 3, 11), 1, 2)
    assert grouped([]) == []


def test_bar_is_seen_if_there_is_anything() -> None:
    """Nothing is nothing, one of a million is a sliver, all is the whole width."""
    assert (bar(0, 10), bar(1, 1_000_000), bar(5, 5)) == ("", "▏", "█" * 40)
