"""Points into coupons by real issuers: however often they are asked for, and whatever is killed, each is spent once."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from schemas.topics import CUSTOMERS
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.issuer.test_crashes import POINTS
from tests.stand.feed import feed, finished, forget_dead_members, members
from tests.stand.issuing import letters, outcomes
from tests.stand.processes import issuer
from tests.stand.records import again, poison
from tests.stand.telling import a_program, ordered, told, wallet_of
from tests.stand.waiting import eventually

TENTH = {"couponType": "percentage_discount", "discountValue": 10}
RATE = {"amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 1}
COST, EARNED, ASKED = 10, 25, 3
CUSTOMERS_ASKING = 12


async def a_rule(database: asyncpg.Connection, partner_id: int, points: int) -> int:
    """The id of a rule of so many points; orders earn a point a euro."""
    rule = {"ruleType": "percentage_discount_settings", "pointsToRedeem": points, "coupon": TENTH}
    changed = await a_program(
        database, partner_id, cashback={"defaultCashbackRule": RATE}, redemption={"rules": [rule]}
    )
    return int(changed.after.redemption.rules[0].id or 0)


def stream(partner_id: int, rule_id: int) -> Sequence[ConsumerRecord]:
    """Each customer asks three times for what they can pay twice; some events come again, some records are none."""
    events = [
        told("points.redeem-requested", f"c-{n % CUSTOMERS_ASKING}", partner_id=partner_id,
             event_id=f"r-{n}", rule_id=rule_id)
        for n in range(ASKED * CUSTOMERS_ASKING)
    ]  # fmt: skip
    return [*events[:9], *poison(2), *events[9:], *(again(event) for event in events[::5])]


@pytest.mark.parametrize("point", POINTS)
async def test_crash_spends_nothing_twice(
    topics: Settings,
    database: asyncpg.Connection,
    pipeline: Pipeline,
    partner_id: int,
    point: str,
) -> None:
    """Killed by SIGKILL in its second batch and started again: who asks is answered once, and pays for what they got."""
    rule_id = await a_rule(database, partner_id, COST)
    for n in range(CUSTOMERS_ASKING):
        await pipeline.process([ordered(f"o-{n}", str(EARNED), f"c-{n}", partner_id=partner_id)])
    await feed(topics, stream(partner_id, rule_id), topic=CUSTOMERS)
    small = topics.model_copy(update={"batch_max_records": 10})
    async with issuer(small, crash_at=f"{point}:2", allow_crash_points=True) as victim:
        assert await victim.ended() == -signal.SIGKILL
    await forget_dead_members(topics)
    async with issuer(small) as heir:
        await finished(topics, topic=CUSTOMERS)
        assert await heir.stopped() == 0

    paid = EARNED // COST
    decided = [row for row in await outcomes(database) if row[0].startswith("r-")]
    assert len({event_id for event_id, *_ in decided}) == len(decided) == ASKED * CUSTOMERS_ASKING
    assert Counter((outcome, reason) for _, outcome, reason in decided) == {
        ("issued", None): paid * CUSTOMERS_ASKING,
        ("declined", "insufficient_points"): (ASKED - paid) * CUSTOMERS_ASKING,
    }
    assert len(await letters(database)) == 2
    rows = await database.fetch(
        """
        SELECT w.balance, (SELECT count(*) FROM coupons c WHERE c.customer_no = w.customer_no) AS coupons,
               (SELECT sum(points) FROM ledger l WHERE l.customer_no = w.customer_no AND l.kind = 'spent') AS spent
        FROM wallets w
        """
    )
    assert [tuple(row) for row in rows] == [(EARNED - paid * COST, paid, -paid * COST)] * CUSTOMERS_ASKING  # fmt: skip
    unpaid = await database.fetch(
        "SELECT c.id FROM coupons c LEFT JOIN ledger l ON l.event_key = c.event_key AND l.kind = 'spent'"
        " GROUP BY c.id HAVING coalesce(sum(l.points), 0) <> $1",
        -COST,
    )
    assert unpaid == []
    messages = await database.fetch(
        "SELECT ce_type, count(*), count(DISTINCT ce_id) AS names FROM outbox"
        " WHERE ce_type = ANY('{points.spent,coupon.issued,reward.declined}') GROUP BY 1"
    )
    assert {row["ce_type"]: (row["count"], row["names"]) for row in messages} == {
        "points.spent": (paid * CUSTOMERS_ASKING,) * 2,
        "coupon.issued": (paid * CUSTOMERS_ASKING,) * 2,
        "reward.declined": ((ASKED - paid) * CUSTOMERS_ASKING,) * 2,
    }


async def test_36_two_issuers_give_the_last_points_once(
    topics: Settings, database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Balance 100, a rule of 100 asked 20 times, of every partition there is: one coupon, balance 0."""
    rule_id = await a_rule(database, partner_id, 100)
    await pipeline.process([ordered("o-1", "100", partner_id=partner_id)])
    small = topics.model_copy(update={"batch_max_records": 2})
    async with issuer(small) as first, issuer(small) as second:

        async def both_own() -> bool:
            return list((await members(topics)).values()) == [True, True]

        await eventually(both_own, "each issuer has partitions")
        for partition in range(topics.topic_partitions):
            some = [
                told("points.redeem-requested", partner_id=partner_id, rule_id=rule_id)
                for _ in range(20)
            ][partition :: topics.topic_partitions]
            await feed(topics, some, partition, CUSTOMERS)
        await finished(topics, topic=CUSTOMERS)
        assert await first.stopped() == await second.stopped() == 0
    decided = await database.fetch(
        "SELECT outcome, reason, count(*) FROM decisions WHERE event_type = 'points.redeem-requested' GROUP BY 1, 2"
    )
    assert {tuple(row) for row in decided} == {
        ("issued", None, 1), ("declined", "insufficient_points", 19),
    }  # fmt: skip
    assert await database.fetchval("SELECT count(*) FROM coupons") == 1
    assert (await wallet_of(database))["balance"] == 0
