"""What we tell ourselves: it goes out by the relay and comes back to the issuer, and nobody else can tell it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from schemas.topics import CUSTOMERS, FOLLOW_UPS, FOLLOW_UPS_SOURCE, GAME_COMPLETED, ORDERS
from services.adapters.postgres.partners import set_sources
from services.decisions.follow_ups import referral_cause
from services.domain.arrival import Incoming
from services.domain.events import ReferralCompleted
from services.issuer.codec import PassedOver, read_record
from services.issuer.pipeline import Pipeline
from services.issuer.unreadable import Poison
from services.runtime.settings import Settings
from tests.stand.issuing import letters
from tests.stand.telling import a_program, ordered, told, wallet_of
from tests.stand.waiting import eventually
from tests.stand.world import at_work, send

REFERRALS = {
    "referralMethod": "CustomerAndFriend", "eventName": "place_order",
    "friendReward": {"point": 50}, "customerReward": {"point": 200},
}  # fmt: skip
FRIEND: dict[str, Any] = {"partner_id": 1, "friend_id": "bert"}


async def tell(settings: Settings, *records: ConsumerRecord) -> None:
    """Produce these, each to the topic that it names."""
    for record in records:
        message = ((record.key or b"").decode(), list(record.headers), record.value or b"")
        await send(settings, [message], record.topic)


async def decided(database: asyncpg.Connection, types: Iterable[str]) -> bool:
    """Whether events of just these types have been decided, in this order."""
    rows = await database.fetch("SELECT event_type FROM decisions ORDER BY seq")
    return [row["event_type"] for row in rows] == list(types)


async def test_completed_referral_comes_back_and_rewards_the_referrer(
    topics: Settings, database: asyncpg.Connection, partner_id: int
) -> None:
    """Out by the relay and in by the issuer, whatever `ce_source` others are told and whom the partner lets speak."""
    await a_program(database, partner_id, referrals=REFERRALS)
    await set_sources(database, partner_id, ["/shop"])
    settings = topics.model_copy(update={"event_source": "/acme/coupons"})
    before = ["customer.created", "customer.created", "order.placed"]
    async with at_work(settings):
        await tell(settings, told("customer.created", "anna", partner_id=partner_id))
        await eventually(lambda: decided(database, before[:1]))
        await tell(
            settings, told("customer.created", "bert", partner_id=partner_id, referred_by="anna")
        )
        await eventually(lambda: decided(database, before[:2]))
        await tell(settings, ordered("o-1", "10", "bert", partner_id=partner_id))
        await eventually(lambda: decided(database, [*before, "referral.completed"]))
    wallets = [await wallet_of(database, customer) for customer in ("anna", "bert")]
    assert [(one["balance"], one["referrals"]) for one in wallets] == [(200, 1), (50, 0)]
    assert await letters(database) == []


async def test_follow_up_that_others_write_is_a_dead_letter(
    topics: Settings, database: asyncpg.Connection, partner_id: int
) -> None:
    """On its own topic, of a referral that was never completed; and on any other, whatever it claims."""
    await a_program(database, partner_id, referrals=REFERRALS)
    cause = referral_cause("0198c0de-7a3b-7c11-8e57-3f0a5b9d2c41")
    forged = told(
        cause.type, "mallory", partner_id=partner_id, event_id=cause.id, source=cause.source,
        friend_id="bert",
    )  # fmt: skip
    records = [replace(forged, topic=topic) for topic in (FOLLOW_UPS, ORDERS, CUSTOMERS)]
    async with at_work(topics):
        await tell(topics, *records)

        async def all_are_dead() -> bool:
            return len(await letters(database)) == len(records)

        await eventually(all_are_dead)
    found = await letters(database)
    assert {letter["stage"] for letter in found} == {"source"}
    assert {letter["message"].partition(": ")[0] for letter in found} == {
        "ce_type", f"{cause.type} {cause.id} follows from nothing that is stored",
    }  # fmt: skip
    assert await wallet_of(database, "mallory") == {}


async def test_referral_that_is_true_is_nobody_elses(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Whoever copies what was told, for another customer, another friend or under another id, gets nothing by it."""
    await a_program(database, partner_id, referrals=REFERRALS)
    await pipeline.process([told("customer.created", "anna", partner_id=partner_id)])
    await pipeline.process(
        [told("customer.created", "bert", partner_id=partner_id, referred_by="anna")]
    )
    await pipeline.process([ordered("o-1", "10", "bert", partner_id=partner_id)])
    key = await database.fetchval(
        "SELECT referral_key::text FROM profiles WHERE referred_by = 'anna'"
    )
    true: dict[str, Any] = {"event_id": referral_cause(key).id, "source": FOLLOW_UPS_SOURCE}
    for customer, friend, cause in (
        ("mallory", "bert", true),
        ("anna", "carl", true),
        ("anna", "bert", true | {"event_id": f"{key}.again"}),
        ("anna", "bert", true | {"source": "/couponry"}),
    ):
        record = told(
            "referral.completed", customer, partner_id=partner_id, friend_id=friend, **cause
        )
        report = await pipeline.process([record])
        assert [letter.stage for letter in report.letters] == ["source"], (customer, friend, cause)
    record = told("referral.completed", "anna", partner_id=partner_id, friend_id="bert", **true)
    assert [len((await pipeline.process([record])).verdicts) for _ in range(2)] == [1, 0]


@pytest.mark.parametrize("topic", [FOLLOW_UPS, f"acme-{FOLLOW_UPS}"])
def test_follow_up_is_read_on_its_topic_alone(topic: str) -> None:
    """Behind any prefix; elsewhere the letter says what to send instead."""
    record = told("referral.completed", **FRIEND)
    incoming = read_record(replace(record, topic=topic))
    assert isinstance(incoming, Incoming)
    assert isinstance(incoming.event, ReferralCompleted)
    for elsewhere in (CUSTOMERS, ORDERS, GAME_COMPLETED, "a-topic-of-later"):
        answer = read_record(replace(record, topic=elsewhere))
        assert isinstance(answer, Poison)
        assert (answer.stage, answer.exception) == ("source", "MisplacedError")
        assert answer.message == (
            "ce_type: referral.completed is told by Couponry itself, on the topic follow-ups alone: "
            "for an event of your own send customer.event under another name"
        )


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("customer.created", {}),
        ("customer.event", {"name": "visit"}),
        ("order.placed", {"order_id": "o", "currency": "EUR", "total": 1}),
    ],
)
def test_nothing_else_is_read_on_the_topic_of_follow_ups(type_: str, data: dict[str, Any]) -> None:
    """Not even an order of nobody, which anywhere else concerns nobody."""
    record = told(type_, partner_id=1, topic=FOLLOW_UPS, **data)
    assert record.value is not None
    nobodys = record.value.replace(b'"anna"', b"null")
    for value in (record.value, *([nobodys] if "order_id" in data else [])):
        answer = read_record(replace(record, value=value))
        assert isinstance(answer, Poison)
        assert answer.stage == "source"
        assert answer.message == (
            f"ce_type: {type_} does not belong on follow-ups, to which only Couponry writes: "
            "send it to its own topic"
        )


def test_ignored_type_is_not_passed_over_on_the_topic_of_follow_ups() -> None:
    """Nobody else writes there: whatever comes is looked into."""
    record = told("order.viewed", partner_id=1, topic=ORDERS)
    assert isinstance(read_record(record, {"order.viewed"}), PassedOver)
    answer = read_record(replace(record, topic=FOLLOW_UPS), {"order.viewed"})
    assert isinstance(answer, Poison)
    assert answer.stage == "header"
