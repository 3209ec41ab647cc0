"""Points into coupons and back, as `verify` holds them against what was told, and as `explain` says them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from schemas.topics import COUPON_LIFECYCLE, PROGRAM_EVENTS
from services.adapters.postgres.partners import add_partner
from services.runtime.settings import Settings
from tests.insight.test_explain_program import explained, moved
from tests.insight.test_verify_topics import published, verified
from tests.stand.commands import Command
from tests.stand.telling import a_program, ordered, told
from tests.stand.world import at_work, send, until_settled

RATE = {"amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 0}
RULE = {
    "ruleType": "percentage_discount_settings", "pointsToRedeem": 80,
    "coupon": {"couponType": "percentage_discount", "discountValue": 10},
}  # fmt: skip


async def sent(settings: Settings, records: Sequence[ConsumerRecord]) -> None:
    """Each decided and published before the next one."""
    for record in records:
        message = ((record.key or b"").decode(), list(record.headers), record.value or b"")
        await send(settings, [message], record.topic)
        await until_settled(settings)


@pytest.fixture
async def shop(topics: Settings, database: asyncpg.Connection, partner_id: int) -> dict[str, Any]:
    """100 points, 80 of them redeemed, undone, asked for again and again; and somebody of a partner without a program."""
    changed = await a_program(
        database, partner_id, cashback={"defaultCashbackRule": RATE}, redemption={"rules": [RULE]}
    )
    rule = changed.after.redemption.rules[0].id
    of: dict[str, Any] = {"partner_id": partner_id}
    nobody = (await add_partner(database, "No program", "Europe/Vilnius")).id
    async with at_work(topics):
        await sent(
            topics,
            [
                ordered("o-1", "100", **of),
                told("points.redeem-requested", event_id="asked", rule_id=rule, **of),
            ],
        )
        coupon_id = str(await database.fetchval("SELECT id FROM coupons"))
        await sent(
            topics,
            [
                told("points.undo-requested", event_id="undone", coupon_id=coupon_id, **of),
                told("points.undo-requested", event_id="too late", coupon_id=coupon_id, **of),
                told("points.redeem-requested", event_id="again", rule_id=rule, **of),
                told("points.redeem-requested", event_id="too poor", rule_id=rule, **of),
                told(
                    "points.redeem-requested", event_id="no program", rule_id=1, partner_id=nobody
                ),
            ],
        )
    return {"rule": rule, "coupon_id": coupon_id, "partner_id": partner_id}


async def test_verify_holds_what_was_redeemed(topics: Settings, shop: dict[str, Any]) -> None:
    """Spent, given back, refused and told: nothing is unknown, missing or said otherwise."""
    assert (await verified(topics)).violations == []
    types = [
        dict(record.headers)["ce_type"].decode()
        for topic in (PROGRAM_EVENTS, COUPON_LIFECYCLE)
        for record in await published(topics, topic)
    ]
    assert sorted(types) == [
        "coupon.cancelled", "points.earned", "points.restored", "points.spent", "points.spent",
        "reward.declined", "reward.declined",
    ]  # fmt: skip


async def test_redemption_is_explained(
    topics: Settings, shop: dict[str, Any], couponry: Command
) -> None:
    """By event, coupon and customer: what went, what came back, and why nothing did."""
    rule, coupon_id = shop["rule"], shop["coupon_id"]
    asked = await explained(couponry, "asked")
    assert (asked["outcome"], asked["reason"], asked["coupon_id"]) == ("issued", None, coupon_id)
    assert moved(asked["program"]) == [("points", "spent", 80, 20, f"redemption {rule}")]
    undone = await explained(couponry, "undone")
    assert (undone["outcome"], undone["reason"]) == ("recorded", None)
    assert moved(undone["program"]) == [("points", "restored", 80, 100, f"redemption {rule}")]
    poor = await explained(couponry, "too poor")
    assert (poor["outcome"], poor["reason"]) == ("declined", "insufficient_points")
    text = (await couponry("explain", "too poor")).out
    assert "declined: the customer had fewer points than that (insufficient_points)" in text
    assert f"by redemption rule {rule}" in text
    assert "reward.declined in program-events" in text
    assert "reward.declined in program-events" in (await couponry("explain", "no program")).out
    late = (await couponry("explain", "too late")).out
    assert "recorded: the coupon was used, reserved, cancelled or over (coupon_not_active)" in late
    text = (await couponry("explain", "undone")).out
    assert f"of coupon {coupon_id}" in text
    assert "points.restored in program-events" in text
    text = (await couponry("explain", "--coupon", coupon_id)).out
    assert f"by redemption {rule}" in text
    assert "redemption_undone" in text
    told_ = ("explain", "--customer", "anna", "--partner-id", shop["partner_id"])
    assert (await couponry(*told_)).out.count("points.spent in") == 2
