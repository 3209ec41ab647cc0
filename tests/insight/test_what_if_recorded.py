"""`what-if --program` where no record is to be read: what was done by hand or let go of counts as it did, and only so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from services.adapters.kafka import client_options
from services.decisions.accounts_by_hand import ByHand, book_points, hand_over_card
from services.decisions.manner import Manner
from services.decisions.transaction import Deciding
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.insight.shop import PROGRAM, Shop, tried
from tests.stand.commands import Command
from tests.stand.telling import a_program, ordered, told

COUPON = {"couponType": "Free Shipping", "options": {"couponName": "On the house"}}
TIERS: dict[str, Any] = {
    "settings": {"currency": "EUR", "tierMethod": "points_earned"},
    "tiers": [
        {"name": "New", "minProgress": 0, "order": 1},
        {
            "name": "Known", "minProgress": 100, "order": 2,
            "benefits": [
                {"type": "Entry Reward", "walletReward": 77},
                {"type": "Lifetime Reward", "description": "One delivery", "couponReward": COUPON},
            ],
        },
    ],
}  # fmt: skip


@pytest.fixture
async def shop(
    topics: Settings, database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> Shop:
    return Shop(topics, database, pipeline, partner_id)


def asked(shop: Shop, who: str, event_id: str) -> ByHand:
    return ByHand(partner_id=shop.partner_id, customer_id=who, source="/test", event_id=event_id)


async def booked(shop: Shop, who: str, amount: int) -> None:
    """By hand."""
    async with shop.database.transaction():
        await book_points(
            shop.database, asked(shop, who, "gift"), Deciding(Manner.by(shop.settings)),
            transaction_id="gift", amount=amount, reason=None,
        )  # fmt: skip


async def let_go(shop: Shop, types: Sequence[str]) -> None:
    """The topics let go of all that they have up to the last event of these types."""
    places = await shop.database.fetch(
        'SELECT topic, partition, max("offset") AS last FROM decisions WHERE event_type = ANY ($1::text[])'
        " GROUP BY topic, partition", types,
    )  # fmt: skip
    admin = AIOKafkaAdminClient(**client_options(shop.settings))
    await admin.start()
    await admin.delete_records(
        {
            TopicPartition(place["topic"], place["partition"]): RecordsToDelete(
                before_offset=place["last"] + 1
            )
            for place in places
        }
    )
    await admin.close()


async def test_tier_that_is_reached_by_what_was_booked_brings_its_reward_once(
    shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """Points and coupon of the tier are this world's, not beside those that are recorded."""
    await a_program(shop.database, shop.partner_id, **TIERS)
    await booked(shop, "anna", 120)
    assert await shop.ends() == {"anna": (197, "Known", 1)}
    report = await tried(couponry, shop, tmp_path, tiers=TIERS["tiers"])
    assert (report["customers"], report["reproduced"]) == ([], True)
    later = [TIERS["tiers"][0], {**TIERS["tiers"][1], "minProgress": 1000}]
    report = await tried(couponry, shop, tmp_path, tiers=later)
    assert report["customers"] == [
        {
            "customer_id": "anna",
            "points": {"before": 197, "after": 120},
            "tier": {"before": "Known", "after": "New"},
            "coupons": {"before": 1, "after": 0},
        }
    ]


async def test_card_given_by_hand_completes_no_referral(
    shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """Who was given a card is known as they were, but for the card: a referral is completed when it was."""
    await a_program(shop.database, shop.partner_id, **PROGRAM)
    await shop.happens([told("customer.created", "anna", partner_id=shop.partner_id)])
    await shop.happens(
        [told("customer.created", "bert", partner_id=shop.partner_id, referred_by="anna")]
    )
    async with shop.database.transaction():
        await hand_over_card(
            shop.database,
            asked(shop, "bert", "card"),
            Deciding(Manner.by(shop.settings)),
            None,
        )
    await shop.happens([ordered("o-1", "20", "bert", partner_id=shop.partner_id)])
    report = await tried(couponry, shop, tmp_path)
    assert (report["customers"], report["events_without_record"]) == ([], 0)
    report = await tried(couponry, shop, tmp_path, referrals={})
    assert {one["customer_id"] for one in report["customers"]} == {"anna", "bert"}


@pytest.mark.parametrize("gone", [["customer.created"], ["order.placed"], ["customer.created", "order.placed"]])  # fmt: skip
async def test_referral_whose_records_are_gone_stays_what_it_was(
    gone: list[str], shop: Shop, couponry: Command, tmp_path: Path
) -> None:
    """Who registered, who was brought and what that brought both, once, whichever of the records are gone."""
    await a_program(shop.database, shop.partner_id, **PROGRAM)
    await shop.happens([told("customer.created", "anna", partner_id=shop.partner_id)])
    await shop.happens(
        [told("customer.created", "bert", partner_id=shop.partner_id, referred_by="anna")]
    )
    await shop.happens([ordered("o-1", "20", "bert", partner_id=shop.partner_id)])
    await let_go(shop, gone)
    await shop.happens(
        [told("customer.created", "carl", partner_id=shop.partner_id, referred_by="anna")]
    )
    await shop.happens([ordered("o-2", "20", "bert", partner_id=shop.partner_id)])
    await shop.happens([ordered("o-3", "20", "carl", partner_id=shop.partner_id)])
    report = await tried(couponry, shop, tmp_path)
    assert report["customers"] == []
    assert report["events_without_record"] == len(gone) + ("customer.created" in gone)
