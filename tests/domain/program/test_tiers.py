"""Tiers that the partner changes while customers are in them: each that is newly reached brings its rewards, once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.domain.decision import CodeReason
from services.domain.rewards import Reward
from services.domain.tiers import ChangeTier, Tier
from tests.domain.program.rules import percentage, reasons, tier
from tests.stand.small_shop import BASE, SmallShop, shown

FIRST, SECOND, THIRD = tier(1, "0"), tier(2, "100", entry=Reward(points=150)), tier(3, "250", entry=Reward(points=40))  # fmt: skip
FOURTH = tier(4, "400", entry=Reward(points=6))


def in_the_second(*tiers: Tier) -> SmallShop:
    """A customer who has spent 100 in a shop with these tiers."""
    shop = SmallShop(program=replace(BASE, tiers=tiers))
    shop.order("100")
    assert shop.wallet().balance == 250
    return shop


def orders_times(tiers: tuple[Tier, ...], times: int) -> tuple[Tier, ...]:
    """The very same, with other numbers."""
    return tuple(replace(each, order=each.order * times) for each in tiers)


@pytest.mark.parametrize(("before", "after"), [(1, 1), (10, 1), (1, 10)])
def test_tier_is_reached_however_tiers_were_numbered_before(before: int, after: int) -> None:
    """The next one up brings its rewards, whatever number the customer's own had when it was recorded."""
    tiers = (FIRST, SECOND, THIRD)
    shop = in_the_second(*orders_times(tiers, before))
    shop.program = replace(shop.program, tiers=orders_times(tiers, after))
    shop.order("150")
    assert shop.tier_id() == 3
    assert shop.wallet().balance == 250 + 150 + 40


def test_tier_that_takes_the_place_of_a_higher_one_is_reached() -> None:
    """What comes instead of the customer's tier is new to them, whatever number that one had; what they had is not."""
    shop = in_the_second(FIRST, SECOND, THIRD, FOURTH)
    shop.order("300")
    assert (shop.tier_id(), shop.wallet().balance) == (4, 250 + 300 + 40 + 6)
    best = Tier(
        id=9, name="best", order=3, min_progress=FOURTH.min_progress, entry=Reward(points=7)
    )
    shop.program = replace(shop.program, tiers=(FIRST, SECOND, best))
    shop.did("look")
    (change,) = [each for each in shop.decisions[-1].effects if isinstance(each, ChangeTier)]
    assert (change.before and change.before.id, change.after and change.after.id) == (4, 9)
    assert shop.wallet().balance == 250 + 300 + 40 + 6 + 7


@pytest.mark.parametrize(
    ("number", "least", "reason"),
    [
        (20, "100", None),
        (2, "100", None),
        (30, "100", None),
        (2, "900", CodeReason.TIER_TOO_LOW),
        (30, "900", CodeReason.TIER_TOO_LOW),
    ],
)
def test_lifetime_reward_serves_in_its_tier_however_that_is_numbered(
    number: int, least: str, reason: CodeReason | None
) -> None:
    """The tier counts, not the number that it had when the coupon was issued: who is still in it has not lost it."""
    lasting = Reward(coupons=(replace(percentage("10"), lifetime_of=20),))
    best = replace(SECOND, order=20, lifetime=lasting, entry=Reward())
    shop = SmallShop(program=replace(BASE, tiers=(FIRST, best)))
    shop.order("100")
    (coupon,) = shop.state().coupons.by_id.values()
    changed = replace(best, order=number, min_progress=Decimal(least))
    shop.program = replace(shop.program, tiers=(FIRST, changed))
    shop.order("10", codes=[shown(coupon)])
    assert reasons(shop.decisions[-1]) == [reason]
