"""`couponry replay` of every topic of events under a program: nothing is new, and what was lost is foretold and made again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from schemas.topics import CUSTOMERS, FOLLOW_UPS, INCOMING, ORDERS
from services.runtime.settings import Settings
from tests.repair.test_rehearsal_program import LOST, SHOP, accounts
from tests.stand.commands import Command
from tests.stand.telling import a_program, ordered, refunded, told
from tests.stand.world import at_work, send, until_settled

NEW = ("newly_issued", "newly_declined", "newly_recorded", "new_coupons", "new_messages", "new_dead_letters")  # fmt: skip


async def sent(settings: Settings, records: Sequence[ConsumerRecord]) -> None:
    """Each to its topic, decided and published before the next ones."""
    for topic in (CUSTOMERS, ORDERS, FOLLOW_UPS):
        some = [
            (record.key.decode(), list(record.headers), record.value)
            for record in records
            if record.topic == topic
        ]
        await send(settings, some, topic)
        await until_settled(settings)


async def test_replay_of_every_topic_finds_nothing_new(
    topics: Settings,
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    partner_id: int,
    couponry: Command,
) -> None:
    """Read = already decided + dead + passed over, follow-ups among it; lost, they are decided as the dry run says."""
    program = {name: section for name, section in SHOP.items() if name != "partner_id"}
    await a_program(database, partner_id, **program)
    of: dict[str, Any] = {"partner_id": partner_id}
    rule = await database.fetchval(
        "SELECT (sections #>> '{redemption,defaultRule,id}')::bigint FROM programs WHERE partner_id = $1",
        partner_id,
    )
    redeem = told("points.redeem-requested", "bert", rule_id=rule, points=50, **of)
    async with at_work(topics):
        await sent(topics, [told("customer.created", "anna", partner_id=partner_id)])
        await sent(
            topics,
            [
                told("customer.created", "bert", partner_id=partner_id, referred_by="anna"),
                told("customer.event", "bert", partner_id=partner_id, name="shared", metadata={}),
                ordered("b-1", "120.50", "bert", **of),
                ordered("b-2", "12.75", "bert", **of),
                refunded("b-1", "20", "bert", **of),
                refunded("b-2", None, "bert", **of),
                told("referral.completed", "anna", partner_id=partner_id, friend_id="nobody"),
            ],
        )
        await sent(topics, [redeem])
        coupon_id = await database.fetchval(
            "SELECT id FROM coupons WHERE source_kind = 'redemption'"
        )
        undo = told("points.undo-requested", "bert", coupon_id=str(coupon_id), **of)
        poor = told("points.redeem-requested", "anna", rule_id=rule, points=10**6, **of)
        await sent(topics, [undo, poor])
    before = await accounts(database)
    assert {row[0]: row[8] for row in before} == {"anna": 1, "bert": 0}
    for topic in INCOMING:
        report = (await couponry("replay", "--topic", topic, "--json")).json()
        assert {report[name] for name in NEW} == {0}, topic
        assert report["read"] == report["already_decided"] + report["dead"] + report["passed_over"]
        assert report["dead"] == (topic == FOLLOW_UPS)

    await owner.execute(f"TRUNCATE {LOST}")
    for topic in (CUSTOMERS, ORDERS, FOLLOW_UPS):
        foretold = (await couponry("replay", "--topic", topic, "--dry-run", "--json")).json()
        report = (await couponry("replay", "--topic", topic, "--json")).json()
        names = ("read", "already_decided", "dead", "passed_over", *NEW)
        assert {name: report[name] for name in names} == {name: foretold[name] for name in names}
        assert report["newly_recorded"] > 0, topic
    assert await accounts(database) == before
