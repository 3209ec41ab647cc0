"""`explain` of what a program made of an event: tier, entries with their balances, campaigns, discounts, referrals."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from schemas.topics import FOLLOW_UPS
from services.domain.coupons.codes import display
from services.issuer.pipeline import Pipeline
from tests.stand.commands import Command
from tests.stand.telling import a_program, ordered, refunded, told

CASHBACK = {
    "defaultCashbackRule": {
        "amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 1,
    },
    "tierCashbackRules": [],
}  # fmt: skip
TIERS = [
    {"name": "Bronze", "minProgress": 0, "order": 1, "benefits": []},
    {
        "name": "Silver", "minProgress": 100, "order": 2,
        "benefits": [{"type": "Entry Reward", "walletReward": 3000}],
    },
]  # fmt: skip
CAMPAIGNS = [
    {
        "name": "Two visits", "type": "EventBased", "isRepeatable": True,
        "trigger": {"eventName": "visit", "count": 2},
        "rewards": [{
            "walletReward": 5,
            "couponReward": {"couponType": "percentage_discount", "discountValue": 10},
        }],
    },
    {
        "name": "Visits of the best", "type": "EventBased", "availability": {"minTier": 2},
        "trigger": {"eventName": "visit"}, "rewards": [{"walletReward": 50}],
    },
]  # fmt: skip
REFERRALS = {
    "referralMethod": "CustomerAndFriend", "eventName": "place_order",
    "friendReward": {"point": 50}, "customerReward": {"point": 200},
}  # fmt: skip


@pytest.fixture
async def shop(database: asyncpg.Connection, partner_id: int) -> int:
    """A partner with all of it."""
    await a_program(
        database,
        partner_id,
        cashback=CASHBACK,
        tiers=TIERS,
        campaigns=CAMPAIGNS,
        referrals=REFERRALS,
    )
    return partner_id


async def explained(couponry: Command, *arguments: object) -> Any:
    """The JSON of `explain`."""
    return (await couponry("explain", "--json", *arguments)).json()


async def event_ids(database: asyncpg.Connection) -> list[str]:
    """Of all decisions, in their order."""
    return [row[0] for row in await database.fetch("SELECT event_id FROM decisions ORDER BY seq")]


def visit(shop: int) -> ConsumerRecord:
    return told("customer.event", partner_id=shop, name="visit", metadata={"shop_id": 4})


def moved(program: Any) -> list[tuple[Any, ...]]:
    """(measure, kind, amount, balance, source) of each entry."""
    return [
        (
            each["measure"],
            each["kind"],
            each["amount"],
            each["balance"],
            f"{each['source']['kind']} {each['source']['id']}",
        )
        for each in program["entries"]
    ]


async def test_earning_that_stops_at_the_most_there_can_be_is_said(
    database: asyncpg.Connection, pipeline: Pipeline, shop: int, couponry: Command
) -> None:
    """Of an order worth more points than anybody can have, and of one that earns none any more; of no other."""
    totals = {"o-1": "5", "o-2": "2000000000000", "o-3": "7"}
    for order, total in totals.items():
        await pipeline.process([ordered(order, total, partner_id=shop)])
    first, second, third = await event_ids(database)
    assert "stopped" not in (await explained(couponry, first))["program"]
    most = 10**12
    measures = []
    for event in (second, third):
        program = (await explained(couponry, event))["program"]
        assert program["stopped"] == [
            {"measure": measure, "at": most} for measure in ("points", "points_earned", "score")
        ]
        measures.append({each["measure"] for each in program["entries"]})
        text = (await couponry("explain", event)).out
        assert "points, earned in all, score at 1,000,000,000,000: earning ends there" in text
    assert measures == [
        {"points", "points_earned", "score", "spent", "orders"},
        {"spent", "orders"},
    ]


async def test_order_is_explained_to_the_point(
    database: asyncpg.Connection, pipeline: Pipeline, shop: int, couponry: Command
) -> None:
    """Every measure with its amount and what it had come to by then, the tier before and after, what was discounted."""
    await pipeline.process([visit(shop), visit(shop)])
    code = display(await database.fetchval("SELECT code FROM coupons"))
    await pipeline.process(
        [ordered("o-1", "120.50", partner_id=shop, coupon_codes=[code]), ordered("o-2", "1.25", partner_id=shop)]
    )  # fmt: skip
    first, second, order, later = await event_ids(database)
    answer = await explained(couponry, order)
    program = answer["program"]
    bronze = {"id": program["tier"]["before"]["id"], "order": 1, "name": "Bronze"}
    silver = {"id": program["tier"]["after"]["id"], "order": 2, "name": "Silver"}
    assert list(program) == [
        "version", "tier", "entries", "campaigns", "discounts", "referral",
    ]  # fmt: skip
    assert program["version"] == 1
    assert program["tier"] == {"before": bronze, "after": silver}
    assert moved(program) == [
        ("points", "earned", 108, 113, "order o-1"),
        ("points_earned", "earned", 108, 113, "order o-1"),
        ("score", "earned", 108, 108, "order o-1"),
        ("spent", "earned", 108.45, 108.45, "order o-1"),
        ("orders", "earned", 1, 1, "order o-1"),
        ("points", "earned", 3000, 3113, f"tier {silver['id']}"),
        ("points_earned", "earned", 3000, 3113, f"tier {silver['id']}"),
    ]
    coupon_id = str(await database.fetchval("SELECT id FROM coupons"))
    assert program["discounts"] == [
        {"code": code, "coupon_id": coupon_id, "class": "order", "amount": 12.05}
    ]
    assert program["referral"] is None
    balances = [entry[:4] for entry in moved((await explained(couponry, later))["program"])]
    assert balances == [
        ("points", "earned", 1, 3114), ("points_earned", "earned", 1, 3114), ("score", "earned", 1, 109),
        ("spent", "earned", 1.25, 109.7), ("orders", "earned", 1, 2),
    ]  # fmt: skip
    campaigns = [
        [(each["outcome"], each["reason"]) for each in (await explained(couponry, name))["program"]["campaigns"]]
        for name in (first, second)
    ]  # fmt: skip
    refused = ("refused", "tier_not_eligible")
    assert campaigns == [[("progressed", None), refused], [("achieved", None), refused]]
    by_coupon = await explained(couponry, "--coupon", coupon_id)
    assert by_coupon["event_id"] == second


async def test_order_is_explained_to_people(
    database: asyncpg.Connection, pipeline: Pipeline, shop: int, couponry: Command
) -> None:
    """What moved, to what balance and by what; campaigns by their names; the coupon by what it is worth."""
    await pipeline.process([visit(shop), visit(shop), ordered("o-1", "120.50", partner_id=shop)])
    _, visited, order = await event_ids(database)
    said = (await couponry("explain", visited)).out
    campaign = await database.fetchval("SELECT source_id FROM coupons")
    assert f"{campaign} “Two visits” achieved" in said
    assert "not counted: tier_not_eligible 1" in said
    assert f"10 % off, by campaign {campaign}, valid without end" in said
    assert "by version 1 of the program" in said
    assert "points.earned: waits in the outbox to be published in program-events" in said
    said = (await couponry("explain", order)).out
    assert "+120 points, +120 score, +120.5 spent, +1 orders (order o-1); balance 125" in said
    assert "from Bronze to Silver" in said
    await database.execute("DELETE FROM outbox")
    said = (await couponry("explain", order)).out
    assert "points.earned, tier.changed in program-events" in said


async def test_reversal_and_debt_are_explained(
    database: asyncpg.Connection, pipeline: Pipeline, shop: int, couponry: Command
) -> None:
    """What is taken back falls from every meter; what cannot be taken is owed; a second one says why it does nothing."""
    await pipeline.process([ordered("o-1", "10", partner_id=shop)])
    owner = "UPDATE wallets SET balance = 4; UPDATE lots SET remaining = 4;"
    await database.execute(owner)
    await pipeline.process(
        [refunded("o-1", partner_id=shop), refunded("o-1", partner_id=shop), ordered("o-1", "10", partner_id=shop)]
    )  # fmt: skip
    _, reversal, again, late = await event_ids(database)
    assert [entry[:4] for entry in moved((await explained(couponry, reversal))["program"])] == [
        ("points", "reversed", 4, 0), ("points_earned", "reversed", 10, 0), ("score", "reversed", 10, 0),
        ("spent", "reversed", 10, 0), ("orders", "reversed", 1, 0), ("owed", "reversed", 6, 6),
    ]  # fmt: skip
    for event_id in (again, late):
        answer = await explained(couponry, event_id)
        assert (answer["outcome"], answer["reason"]) == ("recorded", "order_already_reversed")
        assert (answer["program"]["version"], answer["program"]["entries"]) == (1, [])
    assert "had been cancelled or refunded before" in (await couponry("explain", again)).out


async def test_referral_and_what_follows_are_explained(
    database: asyncpg.Connection, pipeline: Pipeline, shop: int, couponry: Command
) -> None:
    """Set at the registration, completed by the order, rewarded by what we tell ourselves: each its own event."""
    await pipeline.process([told("customer.created", "anna", partner_id=shop)])
    await pipeline.process(
        [
            told("customer.created", "bert", partner_id=shop, referred_by="anna"),
            told("customer.created", "carl", partner_id=shop, referred_by="nobody"),
        ]
    )
    await pipeline.process([ordered("b-1", "10", "bert", partner_id=shop)])
    row = await database.fetchrow("SELECT ce_id, value FROM outbox WHERE topic = $1", FOLLOW_UPS)
    assert row is not None
    follow_up = told(
        "referral.completed", event_id=row["ce_id"], source="/couponry/follow-ups", **json.loads(row["value"])
    )  # fmt: skip
    await pipeline.process([follow_up])
    _, registered, refused, order, followed = await event_ids(database)
    referrals = [
        (await explained(couponry, name))["program"]["referral"]
        for name in (registered, refused, order, followed)
    ]
    assert referrals == [
        {"outcome": "set", "reason": None, "referrer_id": "anna"},
        {"outcome": "refused", "reason": "unknown_referrer", "referrer_id": "nobody"},
        {"outcome": "completed", "reason": None, "referrer_id": "anna"},
        None,
    ]
    assert moved((await explained(couponry, followed))["program"]) == [
        ("points", "earned", 200, 200, "referral bert"),
        ("points_earned", "earned", 200, 200, "referral bert"),
        ("referrals", "earned", 1, 1, "referral bert"),
    ]
    assert "completed: brought by anna" in (await couponry("explain", order)).out
    listing = await explained(couponry, "--customer", "bert", "--partner-id", shop)
    assert [(each["type"], each["outcome"]) for each in listing] == [
        ("customer.created", "recorded"), ("order.placed", "recorded"),
    ]  # fmt: skip
    await database.execute("DELETE FROM outbox")
    told_ = "points.earned, referral.rewarded in program-events"
    assert told_ in (await couponry("explain", order)).out
    assert told_ in (await couponry("explain", followed)).out


async def test_end_that_an_event_found_is_explained(
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    pipeline: Pipeline,
    shop: int,
    couponry: Command,
) -> None:
    """The message goes by the lot's id, and waits or is told with the event that found it to be over."""
    await pipeline.process([ordered("o-1", "10", partner_id=shop)])
    await owner.execute("DELETE FROM outbox; UPDATE lots SET expires_at = now()")
    await pipeline.process([visit(shop)])
    _, found = await event_ids(database)
    said = (await couponry("explain", found)).out
    assert "-10 points (order o-1); balance 0" in said
    assert "points.expired: waits in the outbox to be published in program-events" in said
    await database.execute("DELETE FROM outbox")
    assert "points.expired in program-events" in (await couponry("explain", found)).out


async def test_event_without_a_program_has_none(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int, couponry: Command
) -> None:
    """At version 0 `program` is null, of customers' events too, and people read nothing of one."""
    await pipeline.process(
        [told("customer.created", partner_id=partner_id), ordered("o-1", "5", partner_id=partner_id)]
    )  # fmt: skip
    for event_id in await event_ids(database):
        assert (await explained(couponry, event_id))["program"] is None
        assert "program" not in (await couponry("explain", event_id)).out
