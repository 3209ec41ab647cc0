"""What the first releases told of points that ended and of rewards, and kept of them: `verify` takes it as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg

from schemas.topics import PROGRAM_EVENTS
from services.adapters.event_keys import event_key
from services.decisions.account_time import settle_lots
from services.decisions.manner import Manner
from services.runtime.settings import Settings
from tests.insight.test_verify_program_events import GIFT, NO_MORE, new_of_i3
from tests.insight.test_verify_topics import published
from tests.stand.real_shop import BASE, RealShop
from tests.stand.world import at_work, until_settled

EARLY = (
    # The issuer named an end by its decision, as any entry.
    """
    UPDATE outbox o SET ce_id = l.event_key || '.1.expired' FROM ledger l JOIN customers USING (customer_no)
    WHERE o.ce_type = 'points.expired' AND o.key = customer_id AND l.kind = 'expired' AND l.event_key IS NOT NULL
    """,
    "UPDATE decisions SET program = program - 'rewarded' - 'declined'",
)


async def test_verify_takes_what_early_releases_told(
    topics: Settings,
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    partner_id: int,
) -> None:
    """Ends under the ids of decisions and of entries, and decisions that do not keep whom they rewarded."""
    shop = RealShop(connection=database, partner_id=partner_id, days=-40)
    referrals = {
        "referralMethod": "CustomerAndFriend",
        "eventName": "look",
        "customerReward": {"coupon": NO_MORE},
        "friendReward": {"coupon": GIFT},
    }
    over = {"handle": "over", "expiryDate": "2020-12-31"}
    await shop.set(
        **BASE | {"redemption": {"pointsExpiryPeriod": 30}},
        referrals=referrals,
        couponGroups=[over],
    )
    for customer in ("anna", "bert"):
        await shop.order("10", customer=customer, at=datetime.now(UTC) - timedelta(days=40))
    shop.days = 0
    await shop.register("ona")
    await shop.register("jonas", referred_by="ona")
    await shop.did("look", customer="jonas")
    await shop.follow()
    await shop.did("look", customer="anna")  # an event finds hers, the sweeper his
    assert (await settle_lots(database, Manner(), limit=9)).expired == 1
    for statement in EARLY:
        await owner.execute(statement)
    # The sweeper named an end by its own entry, bert's second.
    early = event_key("/couponry/points", f"{partner_id}/bert/2")
    said = await owner.execute(
        "UPDATE outbox SET ce_id = $1 WHERE ce_type = 'points.expired' AND key = 'bert'",
        f"{early}.expired",
    )
    assert said == "UPDATE 1"
    async with at_work(topics):
        await until_settled(topics)
    told = [dict(record.headers) for record in await published(topics, PROGRAM_EVENTS)]
    assert [each["ce_type"] for each in told].count(b"referral.rewarded") == 2
    assert await new_of_i3(topics, set()) == []
