"""The contract's examples of tiers, refunds, lots and campaigns, by their numbers, from the records to the database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from services.domain.birthdays import next_birthday
from tests.stand.real_shop import RealShop, line, rate


@pytest.fixture
async def shop(database: asyncpg.Connection, partner_id: int) -> RealShop:
    """A shop with the program that the examples begin with."""
    shop = RealShop(connection=database, partner_id=partner_id)
    await shop.set()
    return shop


def tier(order: int, least: int, entry: int = 0) -> dict[str, Any]:
    """One that brings so many points."""
    benefits = [{"type": "Entry Reward", "walletReward": entry}] if entry else []
    return {"name": f"tier {order}", "minProgress": least, "order": order, "benefits": benefits}


async def tier_of(shop: RealShop) -> int:
    return int((await shop.wallet())["tier_order"])


async def climbed(shop: RealShop) -> None:
    """Example 21 to its end, the first order called `big`."""
    await shop.set(tiers=[tier(1, 0), tier(2, 190, 3000)])
    assert await shop.order("189.99", order_id="big") == 189
    assert await tier_of(shop) == 1
    await shop.order("0.01")


async def test_21_entry_reward(shop: RealShop) -> None:
    """Tiers 0, 190 (Entry 3000): 189.99 → 189, then 0.01 → tier 2; balance 3189."""
    await climbed(shop)
    assert (await tier_of(shop), (await shop.wallet())["balance"]) == (2, 3189)


async def rushed(shop: RealShop) -> None:
    """Example 22 to its end, with the rule of 23 in the third tier."""
    rule = {"tierName": "tier 3", "amountRewardThreshold": 1, "rewardWalletFactor": 3}
    await shop.set(
        settings={"currency": "EUR", "tierMethod": "points_earned"},
        tiers=[tier(1, 0), tier(2, 100, 150), tier(3, 250)],
        cashback={**rate("1", "1"), "tierCashbackRules": [rule]},
    )
    await shop.order("100")


async def test_22_one_change_of_tier(shop: RealShop) -> None:
    """points_earned; 0, 100 (Entry 150), 250: order 100 → 250, one tier.changed, first to third."""
    await rushed(shop)
    rows = await shop.connection.fetch("SELECT value FROM outbox WHERE ce_type = 'tier.changed'")
    (told,) = [json.loads(row["value"]) for row in rows]
    assert (told["from"]["order"], told["to"]["order"]) == (1, 3)
    assert (await shop.wallet())["balance"] == 250


async def test_23_rule_of_a_tier(shop: RealShop) -> None:
    """Then tier rule 1/3: 10 → 30."""
    await rushed(shop)
    assert await shop.order("10") == 30


async def test_24_entry_reward_once_for_ever(shop: RealShop) -> None:
    """After 21 cancel the 189.99: spent 0.01, tier 1, balance 3000; tier 2 again: no Entry Reward."""
    await climbed(shop)
    await shop.refund(None, "big")
    wallet = await shop.wallet()
    assert (wallet["spent"], wallet["tier_order"], wallet["balance"]) == (Decimal("0.01"), 1, 3000)
    await shop.order("189.99")
    assert (await tier_of(shop), (await shop.wallet())["balance"]) == (2, 3189)


async def test_25_refunds_in_any_order(shop: RealShop) -> None:
    """100, then refunded_total 20, 30, 100, 30: −20, −10, −70, 0."""
    await shop.order("100", order_id="o")
    assert [await shop.refund(each, "o") for each in ("20", "30", "100", "30")] == [20, 10, 70, 0]


async def test_26_refunds_round_down_and_end_even(shop: RealShop) -> None:
    """1/0.7: 10 → 7; refunded_total 3.33, 6.66, 10: −2, −2, −3."""
    await shop.set(cashback=rate("1", "0.7"))
    assert await shop.order("10", order_id="o") == 7
    assert [await shop.refund(each, "o") for each in ("3.33", "6.66", "10")] == [2, 2, 3]


async def test_27_owed(shop: RealShop) -> None:
    """Earn 100, redeem 80, cancel: −20, owed 80, balance 0; next 100: balance 20, owed 0."""
    await shop.order("100", order_id="o")
    await shop.spend(80)
    assert await shop.refund(None, "o") == 20
    wallet = await shop.wallet()
    assert (wallet["balance"], wallet["owed"]) == (0, 80)
    await shop.order("100")
    wallet = await shop.wallet()
    assert (wallet["balance"], wallet["owed"]) == (20, 0)


async def test_28_what_expired_counts_as_taken(shop: RealShop) -> None:
    """30 days: +100 day 0, 40 spent, 60 expired day 30, +50 day 30; cancel the first on day 31: balance 10, owed 0."""
    await shop.set(redemption={"pointsExpiryPeriod": 30})
    await shop.order("100", order_id="o")
    await shop.spend(40)
    shop.days = 30
    await shop.order("50")
    assert (await shop.wallet())["balance"] == 50
    shop.days = 31
    await shop.refund(None, "o")
    wallet = await shop.wallet()
    assert (wallet["balance"], wallet["owed"]) == (10, 0)


async def test_29_cancelled_before_placed(shop: RealShop) -> None:
    """Cancelled before placed → 0, `order_already_reversed`."""
    await shop.refund(None, "o")
    assert await shop.order("100", order_id="o") == 0
    assert (await shop.last())["reason"] == "order_already_reversed"
    assert (await shop.wallet())["balance"] == 0


async def test_30_lots_that_end_soonest_go_first(shop: RealShop) -> None:
    """30 days: +100 day 0, +50 day 10, spend 120 day 20: day 30 nothing, day 40 30 expire."""
    await shop.set(redemption={"pointsExpiryPeriod": 30})
    for day, happens in ((0, shop.order("100")), (10, shop.order("50")), (20, shop.spend(120))):
        shop.days = day
        await happens
    balances = []
    for day in (30, 40):
        shop.days = day
        await shop.did("looked")
        balances.append((await shop.wallet())["balance"])
    assert balances == [30, 0]
    ended = await shop.connection.fetch("SELECT points FROM ledger WHERE kind = 'expired'")
    assert [row["points"] for row in ended] == [-30]


async def test_31_shortest_period(shop: RealShop) -> None:
    """Client 30, card 365: ends at +720 h."""
    await shop.set(redemption={"pointsExpiryPeriod": 30})
    await shop.card(points_expiration_days=365)
    await shop.register()
    await shop.order("10")
    lot = await shop.connection.fetchrow("SELECT * FROM lots")
    assert lot is not None
    assert lot["expires_at"] - lot["earned_at"] == timedelta(hours=720)
    shop.days = 30
    await shop.did("looked")
    assert (await shop.wallet())["balance"] == 0


async def test_38_repeatable(shop: RealShop) -> None:
    """Repeatable, count 2, 100 points, maxAchievement 3: 5 events → 200, 50%; 8 → 300."""
    campaign = {
        "name": "Reviews", "type": "EventBased", "isRepeatable": True, "maxAchievement": 3,
        "trigger": {"eventName": "review", "count": 2}, "rewards": [{"walletReward": 100}],
    }  # fmt: skip
    await shop.set(campaigns=[campaign])
    for _ in range(5):
        await shop.did("review")
    wallet = await shop.wallet()
    ((achieved, _round, steps),) = json.loads(wallet["campaigns"]).values()
    assert (wallet["balance"], achieved, steps) == (200, 2, 1)
    for _ in range(3):
        await shop.did("review")
    assert (await shop.wallet())["balance"] == 300


@pytest.mark.parametrize(
    ("at", "points"), [("2026-11-30T23:59:59.999Z", 1), ("2026-12-01T00:00:00Z", 0)]
)
async def test_39_whole_of_the_last_second(shop: RealShop, at: str, points: int) -> None:
    """Ends 2026-11-30T23:59:59Z: 23:59:59.999 counts, 00:00:00 not."""
    campaign = {
        "name": "Reviews", "type": "EventBased", "isRepeatable": True, "trigger": {"eventName": "review"},
        "activation": {"endDate": "2026-11-30T23:59:59Z"}, "rewards": [{"walletReward": 1}],
    }  # fmt: skip
    await shop.set(campaigns=[campaign])
    instant = datetime.fromisoformat(at)
    shop.days = max(0.0, (instant - datetime.now(UTC)) / timedelta(days=1))
    await shop.did("review", at=instant)
    assert (await shop.wallet())["balance"] == points


async def test_39_born_on_a_leap_day(shop: RealShop) -> None:
    """Born 29 Feb: 2027-02-27T22:00:00Z, where the partner is."""
    await shop.register(birthday="2000-02-29")
    row = await shop.connection.fetchrow("SELECT birthday, birthday_at FROM profiles")
    assert row is not None
    after = datetime(2026, 3, 1, tzinfo=UTC)
    assert (
        next_birthday(row["birthday"], "Europe/Vilnius", after).isoformat()
        == "2027-02-27T22:00:00+00:00"
    )
    assert (row["birthday_at"].hour, row["birthday_at"].minute) == (22, 0)


async def test_40_referrals(shop: RealShop) -> None:
    """number_of_products equals "3": quantities 1 + 2 match. point 200, extra 500 every 3: three friends → 1100."""
    three = {"name": "number_of_products", "operator": "equals", "value": "3"}
    await shop.set(
        cashback={},
        referrals={
            "referralMethod": "CustomerOnly", "eventName": "place_order", "eventMetaData": three,
            "customerReward": {"point": 200, "extraReward": {"forEvery": 3, "point": 500}},
        },
    )  # fmt: skip
    await shop.register()
    for friend in ("bert", "carl", "dora"):
        await shop.register(friend, referred_by="anna")
        await shop.order("3", customer=friend, lines=[line("1")])
        await shop.order("3", customer=friend, lines=[line("1"), line("1", quantity=2)])
        await shop.follow()
    wallet = await shop.wallet()
    assert (wallet["balance"], wallet["referrals"]) == (1100, 3)
