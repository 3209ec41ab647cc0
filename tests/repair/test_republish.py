"""Republish on real servers: what leaves again is what left the first time, marked, and each coupon once."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from schemas.topics import COUPON_ISSUED
from services.decisions.manner import PLAIN, USUAL
from services.repair.republishing import FIRST, Republisher, Which
from services.runtime.settings import Settings
from tests.relay.stand import published, serving
from tests.stand.commands import Command, run_process
from tests.stand.grouped_shop import GroupedShop
from tests.stand.real_shop import incoming
from tests.stand.waiting import eventually
from tests.stand.webhooks import a_webhook
from tests.stand.world import World, make_world

MARK = ("couponry_republished", b"true")


@pytest.fixture
async def small(settings: Settings) -> World:
    """A world of this test's own, whose topics it may fill."""
    return await make_world(settings)


async def relayed(settings: Settings, database: asyncpg.Connection) -> list[ConsumerRecord]:
    """Everything on `coupon-issued` once the relay has emptied the outbox."""
    async with serving(settings):
        await eventually(lambda: drained(database), "the outbox is empty")
    return await published(settings, COUPON_ISSUED)


async def drained(database: asyncpg.Connection) -> bool:
    return bool(await database.fetchval("SELECT count(*) = 0 FROM outbox"))


def told(record: ConsumerRecord) -> tuple[Any, ...]:
    """All that a reader sees, without the mark."""
    return (record.key, record.value, [one for one in record.headers if one != MARK])


async def test_republished_event_is_the_first_one_with_a_mark(
    small: World, couponry: Command, database: asyncpg.Connection
) -> None:
    """Key, value, id and headers are the same, although the games have changed since; the mark stands last."""
    first = await published(small.settings, COUPON_ISSUED)
    await database.execute(
        "UPDATE games SET reward_description = 'Tea', product_ids = '{7}', coupon_validity_days = 1"
    )
    report = (await couponry("republish", "--json")).json()
    assert (report["coupons"], report["republished"], report["dry_run"]) == (
        len(first),
        len(first),
        False,
    )

    everything = await relayed(small.settings, database)
    again = [record for record in everything if MARK in record.headers]
    assert len(everything) == 2 * len(first) > 40
    assert {record.headers[-1] for record in again} == {MARK}
    assert sorted(map(told, again)) == sorted(map(told, first))
    assert (await couponry("verify", "--json")).json()["ok"]


async def test_republish_takes_what_the_filters_let_through(
    small: World, couponry: Command, database: asyncpg.Connection
) -> None:
    """A game, a partner, a customer, a period, and several at once; a dry run counts and queues nothing."""
    moment = await database.fetchval(
        "SELECT issued_at FROM coupons ORDER BY issued_at OFFSET 10 LIMIT 1"
    )
    everything = await database.fetchval("SELECT count(*) FROM coupons")
    earlier = await database.fetchval("SELECT count(*) FROM coupons WHERE issued_at < $1", moment)
    for options, expected in (
        ((), everything),
        (("--game-id", small.single), 5),
        (("--partner-id", small.partner_id), everything),
        (("--customer", "jonas"), 4),
        (("--customer", "jonas", "--partner-id", small.partner_id, "--game-id", small.many), 2),
        (("--to", moment.isoformat()), earlier),
        (("--from", moment.isoformat()), everything - earlier),
        (
            (
                "--from",
                moment.isoformat(),
                "--to",
                "2999-01-01T00:00:00Z",
                "--game-id",
                small.single,
            ),
            None,
        ),
    ):
        report = (await couponry("republish", "--dry-run", "--json", *options)).json()
        assert (report["republished"], report["dry_run"]) == (0, True)
        assert await drained(database)
        assert expected in (None, report["coupons"]), options
        queued = (await couponry("republish", "--json", *options)).json()["republished"]
        assert queued == report["coupons"]
        ids = await database.fetch("DELETE FROM outbox RETURNING ce_id, republished")
        assert len(set(ids)) == queued
        assert {row["republished"] for row in ids} <= {True}


async def test_republish_masks_codes_as_the_setting_says(
    small: World, couponry: Command, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting of now counts."""
    monkeypatch.setenv("COUPONRY_MASK_CODES", "1")
    await couponry("republish", "--customer", "jonas", "--game-id", small.single)
    (value,) = (row["value"] for row in await database.fetch("SELECT value FROM outbox"))
    assert '"code":"****-****-****-' in value


async def test_republish_goes_on_after_a_kill_and_queues_each_coupon_once(
    small: World, couponry: Command, database: asyncpg.Connection
) -> None:
    """Killed after a page twice, and resumed: no coupon is missing, none is queued twice."""
    crash = {
        "COUPONRY_ALLOW_CRASH_POINTS": "1",
        "COUPONRY_CRASH_AT": "republish.after_commit:2",
        "COUPONRY_BATCH_MAX_RECORDS": "4",
    }
    for more in ((), ("--resume",)):
        result = run_process(small.settings, "republish", "--rate", "0", *more, **crash)
        assert result.code == -signal.SIGKILL, result.err
    report = (await couponry("republish", "--resume", "--json")).json()
    total = await database.fetchval("SELECT count(*) FROM coupons")
    assert (report["republished"], report["resumed"]) == (total, True)
    assert await database.fetchval("SELECT count(DISTINCT ce_id) FROM outbox") == total
    assert await database.fetchval("SELECT count(*) FROM outbox") == total
    assert (await couponry("republish", "--resume")).code == 2


async def test_interrupted_run_is_mentioned_to_whoever_begins_it_anew(
    small: World, couponry: Command, database: asyncpg.Connection
) -> None:
    """Nobody resumes by accident, and nobody misses that they could."""
    crash = {"COUPONRY_ALLOW_CRASH_POINTS": "1", "COUPONRY_CRASH_AT": "republish.after_commit"}
    assert run_process(small.settings, "republish", **crash).code == -signal.SIGKILL
    result = await couponry("republish", "--reason", "a subscriber lost some")
    assert "was interrupted; --resume goes on with it" in result.err
    assert (await couponry("republish", "--resume", "--game-id", small.many)).code == 2
    kept = await database.fetch("SELECT reason, actor, finished_at FROM operations ORDER BY id")
    assert [row["reason"] for row in kept] == [None, "a subscriber lost some"]
    assert "@" in kept[0]["actor"]
    assert [row["finished_at"] is None for row in kept] == [True, False]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--game-id", "99"), "game 99 does not exist"),
        (("--partner-id", "99"), "partner 99 does not exist"),
        (("--customer", "nobody"), "customer 'nobody' is unknown"),
        (("--from", "soon"), "RFC 3339"),
        (("--from", "2026-05-02T00:00:00Z", "--to", "2026-05-01T00:00:00Z"), "--from"),
        (("--resume", "--dry-run"), "--resume"),
        (("--resume",), "interrupted"),
    ],
)
async def test_republish_refuses_in_one_line(
    couponry: Command, options: Sequence[str], named: str
) -> None:
    """What is unknown or makes no sense: exit 2, and nothing is queued."""
    result = await couponry("republish", *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert named in result.err


@pytest.mark.parametrize("masked", [False, True])
async def test_republished_event_of_a_program_says_what_the_first_one_said(
    database: asyncpg.Connection, partner_id: int, settings: Settings, masked: bool
) -> None:
    """Codes of a pool, the partner's and ours, as they were told; one that came after the issue was to come then."""
    shop = GroupedShop(connection=database, partner_id=partner_id)
    shop.deciding.manner = replace(USUAL, writing=replace(PLAIN, mask_codes=masked))
    await shop.have(
        {"handle": "club"}, {"handle": "spa"}, couponType="fixed_discount", discountValue=5
    )
    await a_webhook(database, partner_id, settings, enableFixedRate=True)
    await shop.pool("club", "Gratis 1")
    await shop.pool_of_ours("club", 1)
    async with database.transaction():
        arrivals = [
            incoming(shop.visit(handle, who))
            for handle, who in (("club", "anna"), ("club", "bert"), ("spa", "anna"))
        ]
        decided = await shop.deciding.decide(database, arrivals)
        await shop.deciding.record(database, decided)
    first = await database.fetch(
        "SELECT ce_id, subject, key, value FROM outbox WHERE ce_type = 'coupon.issued' ORDER BY ce_id"
    )
    statuses = [json.loads(row["value"])["code_status"] for row in first]
    assert sorted(statuses) == ["final", "final", "pending"]
    await database.execute(
        "UPDATE coupons SET external_code = 'later', code_from = 'webhook' WHERE code_from IS NULL"
    )
    await database.execute("DELETE FROM outbox")
    republisher = Republisher(database, mask_codes=masked)
    _, count = await republisher.queue(Which(), FIRST, 100)
    again = await database.fetch(
        "SELECT ce_id, subject, key, value FROM outbox WHERE republished ORDER BY ce_id"
    )
    assert (count, again) == (3, first)
