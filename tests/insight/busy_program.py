"""A shop whose program has been busy: everything that may happen to points, tiers, campaigns and referrals has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from schemas.topics import CUSTOMERS, ORDERS
from services.adapters.kafka import ensure_topics
from services.adapters.postgres.pool import connect
from services.decisions.accounts_by_hand import Booked, ByHand, book_points
from services.decisions.manner import Manner
from services.decisions.transaction import Deciding
from services.runtime.settings import Settings
from services.sweeper.accounts import points_line, settle_once
from tests.stand.issuing import a_partner
from tests.stand.telling import a_program, ordered, refunded, told
from tests.stand.world import at_work, send, until_settled

PROGRAM: dict[str, Any] = {
    "settings": {"currency": "EUR"},
    "redemption": {"pointsExpiryPeriod": 30},
    "cashback": {
        "defaultCashbackRule": {
            "amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 1,
        },
    },
    "tiers": [
        {"name": "Bronze", "minProgress": 0, "order": 1, "benefits": []},
        {
            "name": "Silver", "minProgress": 100, "order": 2,
            "benefits": [{"type": "Entry Reward", "walletReward": 500}],
        },
    ],
    "referrals": {
        "referralMethod": "CustomerAndFriend", "eventName": "place_order",
        "friendReward": {"point": 50}, "customerReward": {"point": 200}, "extraReward": None,
    },
    "campaigns": [
        {
            "name": "Visits", "type": "EventBased", "isRepeatable": True, "maxAchievement": 3,
            "trigger": {"eventName": "visit", "count": 2},
            "rewards": [{
                "walletReward": 10,
                "couponReward": {
                    "couponType": "percentage_discount", "discountValue": 10,
                    "options": {"usageLimit": 2},
                },
            }],
        },
        {
            "name": "Large orders", "type": "EventBased", "isRepeatable": True,
            "trigger": {
                "eventName": "place_order",
                "eventMetaData": [{"name": "total", "operator": "greater_than", "value": "40"}],
            },
            "rewards": [{"walletReward": 7, "couponReward": {"couponType": "free_shipping"}}],
        },
    ],
}  # fmt: skip


class BusyProgram:
    """One partner's, with an issuer and a relay at work while something comes from a topic."""

    def __init__(self, settings: Settings, connection: asyncpg.Connection, partner_id: int) -> None:
        self.settings, self.connection, self.partner_id = settings, connection, partner_id

    async def tell(self, topic: str, *some: ConsumerRecord) -> None:
        """Decided and published when it returns, with all that follows."""
        messages = [(str(one.key.decode()), list(one.headers), one.value) for one in some]
        async with at_work(self.settings):
            await send(self.settings, messages, topic)
            await until_settled(self.settings)
            await until_settled(self.settings)

    def created(self, who: str, **more: Any) -> ConsumerRecord:
        return told("customer.created", who, partner_id=self.partner_id, **more)

    def ordered(self, order_id: str, total: str, who: str, **more: Any) -> ConsumerRecord:
        return ordered(order_id, total, who, partner_id=self.partner_id, **more)

    def refunded(self, order_id: str, total: str | None, who: str) -> ConsumerRecord:
        return refunded(order_id, total, who, partner_id=self.partner_id)

    async def code(self, who: str) -> str:
        """Of the customer's newest coupon of the campaign of visits."""
        return str(
            await self.connection.fetchval(
                "SELECT code FROM coupons JOIN customers USING (customer_no)"
                " WHERE customer_id = $1 AND terms ->> 'type' = 'percentage' ORDER BY id DESC LIMIT 1",
                who,
            )
        )

    async def book(self, who: str, transaction_id: str, amount: int) -> None:
        """By hand."""
        asked = ByHand(
            partner_id=self.partner_id, customer_id=who, source="/test", event_id=transaction_id
        )
        async with self.connection.transaction():
            booked = await book_points(
                self.connection, asked, Deciding(Manner.by(self.settings)),
                transaction_id=transaction_id, amount=amount, reason=None,
            )  # fmt: skip
            assert isinstance(booked, Booked)

    async def let_days_pass(self, days: int) -> None:
        """What is over by then is recorded."""
        later = self.settings.model_copy(
            update={
                "allow_test_clock": True,
                "clock_offset_seconds": timedelta(days=days).total_seconds(),
            }
        )
        settled = await settle_once(self.connection, later, points_line())
        assert settled.expired


async def make_busy(settings: Settings) -> int:
    """All of it, decided and published; the partner's id."""
    await ensure_topics(settings)
    connection = await connect(settings, "test")
    shop = BusyProgram(settings, connection, await a_partner(connection))
    await connection.execute("UPDATE partners SET sources = '{/shop}'")
    await a_program(connection, shop.partner_id, **PROGRAM)
    await shop.tell(CUSTOMERS, shop.created("ona", tags=["student"]))
    await shop.tell(CUSTOMERS, shop.created("jonas", referred_by="ona"), shop.created("laima"))
    await _buy(shop)
    await shop.book("laima", "gift", 100)
    await shop.book("laima", "fee", -30)
    await a_program(
        connection, shop.partner_id, settings={"currency": "EUR", "pointsName": "Stars"}
    )
    await shop.tell(ORDERS, shop.ordered("o-9", "20", "ona"), shop.refunded("o-9", None, "ona"))
    await shop.let_days_pass(31)
    async with at_work(settings):
        await until_settled(settings)
    await connection.close()
    return shop.partner_id


async def _buy(shop: BusyProgram) -> None:
    """Orders, a code used twice and given back once, refunds by part and whole, also before the order."""
    visits: Sequence[ConsumerRecord] = [
        told("customer.event", "ona", partner_id=shop.partner_id, name="visit") for _ in range(3)
    ]
    await shop.tell(CUSTOMERS, *visits)
    await shop.tell(
        ORDERS,
        shop.ordered("o-1", "60", "ona", coupon_codes=[await shop.code("ona")]),
        shop.ordered("o-2", "80.50", "ona", coupon_codes=[await shop.code("ona")]),
        shop.refunded("o-2", None, "ona"),
        shop.refunded("o-1", "10", "ona"),
        shop.ordered("j-1", "25", "jonas"),
        shop.refunded("j-2", "5", "jonas"),
        shop.ordered("j-2", "30", "jonas"),
        shop.ordered("l-1", "12", "laima", currency="USD"),
    )
