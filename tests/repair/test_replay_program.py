"""`couponry replay` of every topic of events under a program: nothing is new, and what was lost is foretold and made again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from schemas.topics import CUSTOMERS, FOLLOW_UPS, INCOMING, ORDERS
from services.runtime.settings import Settings
from tests.repair.test_dead_letters import FUTURE, at_last
from tests.repair.test_rehearsal_program import LOST, SHOP, accounts
from tests.stand.commands import Command, CommandOn, Process
from tests.stand.telling import a_program, ordered, refunded, told, wallet_of
from tests.stand.world import at_work, send, until_settled

NEW = ("newly_issued", "newly_declined", "newly_recorded", "new_coupons", "new_messages", "new_dead_letters")  # fmt: skip


@pytest.fixture
def later(settings: Settings, couponry_on: CommandOn) -> Command:
    """Commands at a time when events from the future have come."""
    return couponry_on(at_last(settings))


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


async def redeemed(database: asyncpg.Connection) -> list[asyncpg.Record]:
    """Coupons that points were redeemed for, as they stand."""
    return list(
        await database.fetch(
            "SELECT id, code, status, steps FROM coupons WHERE source_kind = 'redemption' ORDER BY status"
        )
    )


async def test_request_for_points_that_died_is_decided_by_a_redrive(
    process: Process, database: asyncpg.Connection, partner_id: int, later: Command
) -> None:
    """It came before its time: redeemed once it has come, and the coupon is given back like any other."""
    changed = await a_program(
        database,
        partner_id,
        redemption={"defaultRule": {"valueOfPoint": Decimal("0.01")}},
        cashback=SHOP["cashback"] | {"tierCashbackRules": []},
    )
    rule_id = changed.after.redemption.default_rule.id
    of: dict[str, Any] = {"partner_id": partner_id, "at": datetime.now(UTC) + FUTURE}
    await process([ordered("o-1", "50", partner_id=partner_id)])
    await process([told("points.redeem-requested", rule_id=rule_id, points=40, **of)])
    assert (await wallet_of(database))["balance"] == 50
    (await later("dead-letters", "redrive", "--reason", "its time has come", "--json")).json()
    assert (await wallet_of(database))["balance"] == 10
    ((coupon_id, *_),) = await redeemed(database)
    await process([told("points.undo-requested", coupon_id=str(coupon_id), **of)])
    assert (await wallet_of(database))["balance"] == 50
    assert await database.fetchval("SELECT state FROM dead_letters") == "decided"


async def test_replay_of_every_topic_finds_nothing_new(
    topics: Settings,
    database: asyncpg.Connection,
    owner: asyncpg.Connection,
    partner_id: int,
    couponry: Command,
) -> None:
    """Read = already decided + dead + passed over, follow-ups among it; lost, they are decided as the dry run says."""
    program = {name: section for name, section in SHOP.items() if name != "partner_id"}
    changed = await a_program(database, partner_id, **program)
    default_rule = changed.after.redemption.default_rule.id
    of: dict[str, Any] = {"partner_id": partner_id}
    async with at_work(topics):
        await sent(topics, [told("customer.created", "anna", partner_id=partner_id)])
        await sent(
            topics,
            [
                told("customer.created", "bert", partner_id=partner_id, referred_by="anna"),
                told("customer.event", "bert", partner_id=partner_id, name="shared", metadata={}),
                told("points.redeem-requested", "bert", rule_id=default_rule, points=30, **of),
                told("points.redeem-requested", "bert", rule_id=default_rule, points=20, **of),
                told("points.redeem-requested", "bert", rule_id=default_rule, points=9000, **of),
                ordered("b-1", "120.50", "bert", **of),
                ordered("b-2", "12.75", "bert", **of),
                refunded("b-1", "20", "bert", **of),
                refunded("b-2", None, "bert", **of),
                told("referral.completed", "anna", partner_id=partner_id, friend_id="nobody"),
            ],
        )
        coupon_id = await database.fetchval(
            "SELECT coupon_id FROM decisions WHERE outcome = 'issued' ORDER BY seq DESC LIMIT 1"
        )
        undo = told("points.undo-requested", "bert", coupon_id=str(coupon_id), **of)
        await sent(
            topics, [undo, told("points.undo-requested", "bert", coupon_id=str(uuid4()), **of)]
        )
    before = await accounts(database)
    coupons = await redeemed(database)
    assert [row["status"] for row in coupons] == ["active", "cancelled"]
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
    assert await redeemed(database) == coupons
