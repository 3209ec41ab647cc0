"""A program at work on the database: what orders, campaigns, tiers and referrals write, and what subscribers are told."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import asyncpg
import pytest

from schemas.topics import FOLLOW_UPS, PROGRAM_EVENTS
from services.adapters.postgres.pool import Connection
from services.decisions.accounts_by_hand import Booked, ByHand, TransactionExists, book_points
from services.decisions.manner import USUAL
from services.decisions.transaction import Deciding
from services.domain.decision import BookingReason
from services.issuer.pipeline import Pipeline
from tests.stand.issuing import letters
from tests.stand.telling import a_program, entries_of, ordered, refunded, told, wallet_of

CASHBACK = {
    "defaultCashbackRule": {
        "amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 1,
    },
    "tierCashbackRules": [],
}  # fmt: skip
TIERS = [
    {"name": "Bronze", "minProgress": 0, "order": 1, "benefits": []},
    {
        "name": "Silver", "minProgress": 190, "order": 2,
        "benefits": [{"type": "Entry Reward", "walletReward": 3000}],
    },
]  # fmt: skip
EVERY_SECOND_VISIT = {
    "name": "Visits", "type": "EventBased", "isRepeatable": True, "trigger": {"eventName": "visit", "count": 2},
    "rewards": [{
        "walletReward": 100,
        "couponReward": {"couponType": "percentage_discount", "discountValue": 10},
    }],
}  # fmt: skip
REFERRALS = {
    "referralMethod": "CustomerAndFriend", "eventName": "place_order",
    "friendReward": {"point": 50}, "customerReward": {"point": 200},
    "extraReward": {"forEvery": 2, "point": 500},
}  # fmt: skip


async def told_of(database: asyncpg.Connection, topic: str) -> list[tuple[str, dict[str, object]]]:
    """(type, data) of what waits to leave, in its order."""
    rows = await database.fetch(
        "SELECT ce_type, value FROM outbox WHERE topic = $1 ORDER BY id", topic
    )
    return [(row["ce_type"], json.loads(row["value"])) for row in rows]


async def test_order_earns_and_is_taken_back_by_part(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Points, meters and the lot are written; a partial refund takes its part, the whole all of it; told each time."""
    await a_program(database, partner_id, cashback=CASHBACK)
    await pipeline.process([ordered("o-1", "25.99", partner_id=partner_id)])
    wallet = await wallet_of(database)
    assert (wallet["balance"], wallet["score"], wallet["spent"], wallet["orders"]) == (
        25, 25, Decimal("25.99"), 1,
    )  # fmt: skip
    await pipeline.process([refunded("o-1", "10.00", partner_id=partner_id)])
    await pipeline.process([refunded("o-1", partner_id=partner_id)])
    assert await entries_of(database) == [
        ("earned", "order o-1", 25, 25),
        ("reversed", "order o-1", -9, 16),
        ("reversed", "order o-1", -16, 0),
    ]
    wallet = await wallet_of(database)
    assert (wallet["spent"], wallet["orders"], wallet["owed"]) == (0, 0, 0)
    told_ = await told_of(database, PROGRAM_EVENTS)
    assert [(type_, data["points"], data["balance"]) for type_, data in told_] == [
        ("points.earned", 25, 25),
        ("points.reversed", 9, 16),
        ("points.reversed", 16, 0),
    ]
    (lot,) = await database.fetch("SELECT amount, remaining, expired FROM lots")
    assert tuple(lot) == (25, 0, 0)


async def test_same_batch_and_one_by_one_write_the_same(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """An order, its refund and another order at once, and each by itself."""
    await a_program(database, partner_id, cashback=CASHBACK)
    for who, size in (("anna", 3), ("bert", 1)):
        records = [
            ordered(f"{who}-1", "10", who, partner_id=partner_id),
            refunded(f"{who}-1", "3.33", who, partner_id=partner_id),
            ordered(f"{who}-2", "5", who, partner_id=partner_id),
        ]
        for start in range(0, 3, size):
            await pipeline.process(records[start : start + size])
    anna, bert = await wallet_of(database, "anna"), await wallet_of(database, "bert")
    assert {**anna, "customer_no": None} == {**bert, "customer_no": None}
    assert anna["balance"] == 7 + 5


async def test_tier_is_reached_and_told_once(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Example 21: 189.99 → 189, then 0.01 → tier 2; balance 3189."""
    await a_program(database, partner_id, cashback=CASHBACK, tiers=TIERS)
    await pipeline.process([ordered("o-1", "189.99", partner_id=partner_id)])
    await pipeline.process([ordered("o-2", "0.01", partner_id=partner_id)])
    wallet = await wallet_of(database)
    assert (wallet["balance"], wallet["tier_name"]) == (3189, "Silver")
    changes = [
        data for type_, data in await told_of(database, PROGRAM_EVENTS) if type_ == "tier.changed"
    ]
    assert [(data["from"]["name"], data["to"]["name"], data["progress"]) for data in changes] == [  # type: ignore[index]
        ("Bronze", "Silver", "190")
    ]


async def test_tier_is_settled_whatever_is_decided(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Tiers that have changed are recorded at the next decision, that of an unknown game among them, which names its version."""
    await a_program(database, partner_id, cashback=CASHBACK)
    await pipeline.process([ordered("o-1", "190", partner_id=partner_id)])
    changed = await a_program(database, partner_id, cashback=CASHBACK, tiers=TIERS)
    await pipeline.process([told("game.completed", partner_id=partner_id, game_id=999_999)])
    wallet = await wallet_of(database)
    assert (wallet["balance"], wallet["tier_name"]) == (3190, "Silver")
    decision = await database.fetchrow("SELECT * FROM decisions ORDER BY seq DESC LIMIT 1")
    assert decision is not None
    assert (decision["reason"], decision["program_version"]) == ("game_not_found", changed.version)
    types = [type_ for type_, _ in await told_of(database, PROGRAM_EVENTS)]
    assert types == ["points.earned", "points.earned", "tier.changed"]


async def test_campaign_is_achieved_with_its_coupon(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Two visits are one achievement: points, a coupon with terms that no game issued, and their events."""
    await a_program(database, partner_id, campaigns=[EVERY_SECOND_VISIT])
    for _ in range(2):
        await pipeline.process(
            [told("customer.event", partner_id=partner_id, name="visit", metadata={"shop_id": 4})]
        )
    assert await entries_of(database) != []
    row = await database.fetchrow("SELECT * FROM coupons")
    assert row is not None
    assert (row["game_id"], row["source_kind"], row["program_version"]) == (None, "campaign", 1)
    assert json.loads(row["terms"])["value"] == "10"
    (achieved,) = [
        data
        for type_, data in await told_of(database, PROGRAM_EVENTS)
        if type_ == "campaign.achieved"
    ]
    assert achieved["coupon_ids"] == [str(row["id"])]
    await pipeline.process(
        [ordered("o-1", "100", partner_id=partner_id, coupon_codes=[row["code"]])]
    )
    used = await database.fetchrow("SELECT status, used_count FROM coupons")
    assert tuple(used) == ("redeemed", 1)  # type: ignore[arg-type]
    await pipeline.process([refunded("o-1", partner_id=partner_id)])
    used = await database.fetchrow("SELECT status, used_count FROM coupons")
    assert tuple(used) == ("active", 0)  # type: ignore[arg-type]


async def test_referral_follows_up_to_the_referrer(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """The friend's first order rewards both: the friend at once, the referrer by what we tell ourselves; once."""
    await a_program(database, partner_id, referrals=REFERRALS)
    await pipeline.process([told("customer.created", "anna", partner_id=partner_id)])
    for friend in ("bert", "carl"):
        await pipeline.process(
            [told("customer.created", friend, partner_id=partner_id, referred_by="anna")]
        )
        await pipeline.process([ordered(f"{friend}-1", "10", friend, partner_id=partner_id)])
        await pipeline.process([ordered(f"{friend}-2", "10", friend, partner_id=partner_id)])
        assert (await wallet_of(database, friend))["balance"] == 50
    rows = await database.fetch(
        "SELECT ce_type, ce_id, key, value FROM outbox WHERE topic = $1 ORDER BY id", FOLLOW_UPS
    )
    assert [row["key"] for row in rows] == ["anna", "anna"]
    follow_ups = [
        told(
            row["ce_type"], event_id=row["ce_id"], source="/couponry/follow-ups",
            **json.loads(row["value"]),
        )
        for row in rows
    ]  # fmt: skip
    await pipeline.process(follow_ups)
    await pipeline.process(follow_ups)
    anna = await wallet_of(database)
    assert (anna["balance"], anna["referrals"]) == (200 + 200 + 500, 2)


async def test_forged_follow_up_is_a_dead_letter(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Nothing that is stored says that the friend did anything; a type of ours elsewhere, or another's here, neither."""
    await a_program(database, partner_id, referrals=REFERRALS)
    forged = told("referral.completed", partner_id=partner_id, friend_id="bert")
    day = told("customer.birthday", partner_id=partner_id, year=2026)
    elsewhere = told("referral.completed", partner_id=partner_id, friend_id="bert", topic="orders")
    stranger = told("customer.created", partner_id=partner_id, topic=FOLLOW_UPS)
    report = await pipeline.process([forged, day, elsewhere, stranger])
    assert report.verdicts == []
    found = {(letter.stage.value, letter.position.offset) for letter in report.letters}
    assert found == {
        ("source", forged.offset), ("source", day.offset),
        ("source", elsewhere.offset), ("source", stranger.offset),
    }  # fmt: skip
    assert len(await letters(database)) == 4


async def test_customer_without_a_program_is_described_and_earns_nothing(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """At version 0 there is a profile, and no ledger."""
    await pipeline.process(
        [
            told(
                "customer.created", partner_id=partner_id, tags=["student"], birthday="1992-02-29",
                attributes={"shoe": 42.5, "tiny": 1e-7, "huge": 10**20, "score": 1e20},
            ),
            ordered("o-1", "10", partner_id=partner_id),
        ]
    )  # fmt: skip
    row = await database.fetchrow("SELECT tags, birthday, attributes, birthday_at FROM profiles")
    assert row is not None
    assert row["tags"] == ["student"]
    assert json.loads(row["attributes"]) == {
        "shoe": "42.5", "tiny": "0.0000001", "huge": "1" + "0" * 20, "score": "1" + "0" * 20,
    }  # fmt: skip
    assert row["birthday_at"] is not None
    assert await entries_of(database) == []
    assert await told_of(database, PROGRAM_EVENTS) == []


async def by_hand(
    pool: asyncpg.Pool, partner_id: int, transaction_id: str, amount: int
) -> Booked | BookingReason:
    """Points booked as a partner does, in a transaction that only a booking commits."""
    asked = ByHand(
        partner_id=partner_id, customer_id="anna", source="/test", event_id=f"by-{transaction_id}"
    )
    connection: Connection
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            answer = await book_points(
                connection, asked, Deciding(USUAL), transaction_id=transaction_id, amount=amount,
                reason="sorry",
            )  # fmt: skip
        except TransactionExists:
            await transaction.rollback()
            raise
        await (
            transaction.rollback() if isinstance(answer, BookingReason) else transaction.commit()
        )
        return answer


async def test_points_are_booked_by_hand_once(
    database: asyncpg.Connection, pool: asyncpg.Pool, partner_id: int
) -> None:
    """Also where no program is set; more than there is is refused and leaves nothing; an id counts once."""
    given = await by_hand(pool, partner_id, "t-1", 100)
    assert isinstance(given, Booked)
    assert (given.entry.points, given.balance) == (100, 100)
    assert await by_hand(pool, partner_id, "t-2", -101) is BookingReason.INSUFFICIENT_POINTS
    taken = await by_hand(pool, partner_id, "t-2", -30)
    assert isinstance(taken, Booked)
    assert (taken.entry.points, taken.balance) == (-30, 70)
    with pytest.raises(TransactionExists):
        await by_hand(pool, partner_id, "t-1", 5)
    assert await entries_of(database) == [
        ("earned", "manual t-1", 100, 100),
        ("spent", "manual t-2", -30, 70),
    ]
    assert await database.fetchval("SELECT count(*) FROM decisions") == 2


async def test_one_transaction_id_at_once_is_booked_once(
    database: asyncpg.Connection, pool: asyncpg.Pool, partner_id: int
) -> None:
    """Eight requests of one id: one books, the others hear that it exists."""
    answers = await asyncio.gather(
        *(by_hand(pool, partner_id, "t-1", 10) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(answer, Booked) for answer in answers) == 1
    assert (await wallet_of(database))["balance"] == 10
