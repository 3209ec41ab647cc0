"""Points into coupons and back by events, from the records to the database: examples by number, and what is told."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.decisions.accounts_by_hand import ByHand, lock
from services.decisions.redemptions_by_hand import Redeemed, redeem
from services.decisions.transaction import Deciding
from tests.stand.issuing import letters
from tests.stand.real_shop import BASE, RealShop
from tests.stand.telling import entries_of, ordered, told


@pytest.fixture
async def shop(database: asyncpg.Connection, partner_id: int) -> RealShop:
    """A shop with the program that the examples begin with."""
    shop = RealShop(connection=database, partner_id=partner_id)
    await shop.set()
    return shop


async def value_of(shop: RealShop, decision: dict[str, Any]) -> Decimal:
    """What the coupon that it issued is worth."""
    terms = await shop.connection.fetchval(
        "SELECT terms FROM coupons WHERE id = $1", decision["coupon_id"]
    )
    return Decimal(json.loads(terms)["value"])


async def balance(shop: RealShop) -> int:
    return int((await shop.wallet())["balance"])


async def messages(shop: RealShop) -> list[tuple[str, dict[str, Any]]]:
    """(type, data) of all that waits to leave since the last look."""
    rows = await shop.connection.fetch("SELECT ce_type, value FROM outbox ORDER BY id")
    await shop.connection.execute("DELETE FROM outbox")
    return [(row["ce_type"], json.loads(row["value"])) for row in rows]


async def test_31_points_are_gone_at_their_instant(shop: RealShop) -> None:
    """Client 30, card 365: ends at +720 h; at that instant `insufficient_points`."""
    rule = await shop.rule(pointsToRedeem=10, days=30)
    await shop.card(points_expiration_days=365)
    await shop.register()
    await shop.order("10")
    shop.days = 30
    decision = await shop.redeem(rule)
    assert (decision["outcome"], decision["reason"]) == ("declined", "insufficient_points")
    assert [row[0] for row in await entries_of(shop.connection)] == ["earned", "expired"]


async def test_32_undone_after_the_end(shop: RealShop) -> None:
    """30's spend undone on day 35: 120 back, 100 expire at once, balance 50."""
    rule = await shop.rule(pointsToRedeem=120, days=30)
    await shop.order("100")
    shop.days = 10
    await shop.order("50")
    shop.days = 20
    decision = await shop.redeem(rule)
    assert (decision["outcome"], await balance(shop)) == ("issued", 30)
    shop.days = 35
    assert await shop.undo(decision["coupon_id"]) is None
    assert [row[0::2] for row in await entries_of(shop.connection)][-3:] == [
        ("spent", -120), ("restored", 120), ("expired", -100),
    ]  # fmt: skip
    lots = await shop.connection.fetch("SELECT remaining, expired FROM lots ORDER BY number")
    assert [tuple(lot) for lot in lots] == [(0, 100), (50, 0)]
    assert await balance(shop) == 50


async def test_33_default_rule(shop: RealShop) -> None:
    """333 points: worth 33.30; value 0.013: 4.32."""
    default = await shop.default_rule()
    await shop.order("666")
    assert await value_of(shop, await shop.redeem(default, 333)) == Decimal("33.30")
    cheaper = {"defaultRule": {"id": default, "valueOfPoint": Decimal("0.013")}}
    await shop.set(redemption=cheaper)
    assert await value_of(shop, await shop.redeem(default, 333)) == Decimal("4.32")
    assert await balance(shop) == 0


async def test_34_card_rate_and_limits(shop: RealShop) -> None:
    """Card 10 points = 1, min 100, max 5000: 99 `below_minimum`, 105 worth 10.50, 5001 `above_maximum`."""
    await shop.card(
        points_per_currency_redemption=10, currency_amount_redemption=1,
        min_points_for_redemption=100, max_points_per_redemption=5000,
    )  # fmt: skip
    await shop.register()
    await shop.order("6000")
    default = await shop.default_rule()
    answers = [await shop.redeem(default, points) for points in (99, 105, 5001)]
    assert [each["reason"] for each in answers] == ["below_minimum", None, "above_maximum"]
    assert await value_of(shop, answers[1]) == Decimal("10.50")


async def test_35_whole_balance(shop: RealShop) -> None:
    """General, null, balance 250: costs 250, worth 25.00, balance 0."""
    rule = await shop.rule(ruleType="general_settings", coupon={"couponType": "fixed_discount"})
    await shop.order("250")
    assert await value_of(shop, await shop.redeem(rule)) == Decimal("25.00")
    assert await balance(shop) == 0


async def test_redemption_is_one_decision_and_told(shop: RealShop) -> None:
    """Points, coupon and what subscribers hear stand in one commit, and name the same event and rule."""
    rule = await shop.rule(pointsToRedeem=80)
    await shop.order("100")
    await messages(shop)
    decision = await shop.redeem(rule)
    assert (decision["outcome"], decision["reason"], decision["event_type"]) == (
        "issued", None, "points.redeem-requested",
    )  # fmt: skip
    (coupon,) = await shop.connection.fetch("SELECT * FROM coupons")
    assert (coupon["id"], coupon["event_key"]) == (decision["coupon_id"], decision["event_key"])
    assert (coupon["source_kind"], coupon["source_id"]) == ("redemption", str(rule))
    heard = await messages(shop)
    assert [type_ for type_, _ in heard] == ["points.spent", "coupon.issued"]
    source = {"kind": "redemption", "id": str(rule)}
    assert all(data["source"] == source for _, data in heard)
    assert (heard[0][1]["points"], heard[0][1]["balance"]) == (80, 20)
    assert await shop.undo(coupon["id"]) is None
    assert (await shop.last())["outcome"] == "recorded"
    heard = await messages(shop)
    assert [type_ for type_, _ in heard] == ["points.restored", "coupon.cancelled"]
    assert (heard[0][1]["points"], heard[0][1]["balance"]) == (80, 100)
    assert heard[1][1]["reason"] == "redemption_undone"
    assert await shop.undo(coupon["id"]) == "coupon_not_active"
    assert await messages(shop) == []
    assert await balance(shop) == 100


async def test_refused_redemption_is_told(shop: RealShop) -> None:
    """Declined, with the reason and the rule; nothing else has come of it."""
    rule = await shop.rule(pointsToRedeem=80)
    await shop.order("79")
    await messages(shop)
    decision = await shop.redeem(rule)
    assert (decision["outcome"], decision["reason"]) == ("declined", "insufficient_points")
    ((type_, data),) = await messages(shop)
    assert (type_, data["reason"], data["rule_id"]) == (
        "reward.declined",
        "insufficient_points",
        rule,
    )
    assert (data["source"], data["program_version"]) == ({"kind": "redemption", "id": str(rule)}, 2)
    assert data["cause"]["id"] == decision["event_id"]
    assert await balance(shop) == 79


async def test_without_a_program_nothing_is_redeemed_and_that_is_told(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """At version 0, of a customer whom nobody knew."""
    shop = RealShop(connection=database, partner_id=partner_id)
    decision = await shop.redeem(1)
    assert (decision["outcome"], decision["reason"]) == ("declined", "rule_inactive")
    ((type_, data),) = await messages(shop)
    assert (type_, data["reason"], data["program_version"]) == (
        "reward.declined",
        "rule_inactive",
        None,
    )
    assert await shop.undo(uuid4()) == "not_a_redemption"
    assert await letters(database) == []


@pytest.mark.parametrize("at_once", [True, False])
async def test_undone_in_one_batch_or_later(shop: RealShop, at_once: bool) -> None:
    """An order, a redemption of all of it, its undoing and the order's end leave the same, however they come."""
    rule = await shop.rule(pointsToRedeem=100)
    await shop.order("100", order_id="o-0")
    decision = await shop.redeem(rule)
    of: dict[str, Any] = {"partner_id": shop.partner_id}
    records = [
        told("points.undo-requested", coupon_id=str(decision["coupon_id"]), **of),
        told("points.redeem-requested", rule_id=rule, **of),
        ordered("o-1", "100", **of),
        told("points.redeem-requested", rule_id=rule, **of),
        told("points.redeem-requested", rule_id=rule, **of),
        told("points.undo-requested", coupon_id=str(decision["coupon_id"]), **of),
    ]
    for batch in [records] if at_once else [[each] for each in records]:
        await shop.decide(batch)
    assert [row[0::2] for row in await entries_of(shop.connection)] == [
        ("earned", 100), ("spent", -100), ("restored", 100), ("spent", -100), ("earned", 100), ("spent", -100),
    ]  # fmt: skip
    reasons = await shop.connection.fetch("SELECT reason FROM decisions ORDER BY seq OFFSET 2")
    assert [row["reason"] for row in reasons] == [
        None, None, None, None, "insufficient_points", "coupon_not_active",
    ]  # fmt: skip
    states = await shop.connection.fetch("SELECT status FROM coupons ORDER BY status")
    assert [row["status"] for row in states] == ["active", "active", "cancelled"]


async def test_redemption_and_its_undoing_in_one_batch(shop: RealShop) -> None:
    """The coupon's id follows from its event, so whoever tells both may know it: it is there, and cancelled."""
    rule = await shop.rule(pointsToRedeem=100)
    await shop.order("100")
    of: dict[str, Any] = {"partner_id": shop.partner_id}
    redeem = told("points.redeem-requested", rule_id=rule, **of)
    lost = shop.connection.transaction()
    await lost.start()
    await shop.decide([redeem])
    coupon_id = str((await shop.last())["coupon_id"])
    await lost.rollback()
    await shop.decide([redeem, told("points.undo-requested", coupon_id=coupon_id, **of)])
    (coupon,) = await shop.connection.fetch("SELECT id, status, steps FROM coupons")
    assert (str(coupon["id"]), coupon["status"], coupon["steps"]) == (coupon_id, "cancelled", 1)
    assert [row[0::2] for row in await entries_of(shop.connection)] == [
        ("earned", 100), ("spent", -100), ("restored", 100),
    ]  # fmt: skip
    assert await balance(shop) == 100


async def test_only_ones_own_redemption_is_undone(shop: RealShop) -> None:
    """Neither another customer's coupon, nor a campaign's, nor one that nobody has; nothing is told of it."""
    rule = await shop.rule(pointsToRedeem=50)
    await shop.order("100")
    coupon_id = str((await shop.redeem(rule))["coupon_id"])
    visit = {"name": "Gift", "type": "EventBased", "trigger": {"eventName": "visit"}}
    rewards = [{"couponReward": {"couponType": "free_shipping"}}]
    await shop.set(**BASE, campaigns=[visit | {"rewards": rewards}])
    await shop.did("visit")
    gift = await shop.connection.fetchval("SELECT id FROM coupons WHERE source_kind = 'campaign'")
    await messages(shop)
    for wanted, who in ((coupon_id, "bert"), (gift, "anna"), (uuid4(), "anna")):
        await shop.happens("points.undo-requested", who, coupon_id=str(wanted))
        decision = await shop.last()
        assert (decision["outcome"], decision["reason"]) == ("recorded", "not_a_redemption")
    assert await messages(shop) == []
    assert await shop.undo(coupon_id) is None


async def test_redeemed_by_hand_its_customer_is_locked_and_looked_at_once(shop: RealShop) -> None:
    """Without a batch's look for repeats; who has locked them already does not lock them again."""
    rule = await shop.rule(pointsToRedeem=10)
    await shop.order("100")
    asked = ByHand(
        partner_id=shop.partner_id, customer_id="anna", source="/hand", event_id=str(uuid4())
    )
    said: list[str] = []
    for is_locked in (False, True):
        async with shop.connection.transaction():
            locked = await lock(shop.connection, asked, shop.manner) if is_locked else None
            by = replace(asked, locked=locked, event_id=str(uuid4()))
            with shop.connection.query_logger(lambda each: said.append(each.query)):
                done = await redeem(
                    shop.connection, by, Deciding(shop.manner), rule_id=rule, points=None
                )
            assert isinstance(done, Redeemed)
        assert sum("INTO customers" in each for each in said) == (0 if is_locked else 1)
        assert sum("FROM profiles" in each or "FROM wallets" in each for each in said) == 1
        assert not any("open_batch" in each for each in said)
        said.clear()
