"""From the release before: its database, with all that may be in one, is migrated, holds, and goes on deciding."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from schemas.topics import GAME_COMPLETED, ORDERS, RELAY_PROGRESS
from services.adapters.kafka import client_options, ensure_topics
from services.adapters.postgres import migrate as migrating
from services.adapters.postgres.migrate import migrate, migrations
from services.adapters.postgres.pool import connect
from services.insight.verify.run import verify
from services.runtime.settings import Settings
from tests.stand.commands import run_process
from tests.stand.copies import Copies
from tests.stand.telling import a_program, ordered, wallet_of
from tests.stand.till import Till
from tests.stand.world import at_work, send, until_settled

BEFORE: dict[str, Any] = json.loads(
    Path(__file__).with_name("release_before.json").read_text(encoding="utf-8")
)
"""Rows and records of a busy shop of that release: coupons in every state, a letter, a message that waits to leave, a
replay that was interrupted. Written by that release's own `tests/insight/busy.py`."""
LAST_BEFORE = 27


@pytest.fixture
async def before(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Settings]:
    """The release before, at rest."""
    of_then = [each for each in migrations() if each.version <= LAST_BEFORE]
    async with copies.copy("template1") as settings:
        with monkeypatch.context() as patch:
            patch.setattr(migrating, "migrations", lambda: of_then)
            await migrate(settings)
        owner = await connect(settings, "test", role=None)
        async with owner.transaction():
            await owner.execute("SET LOCAL session_replication_role = replica")
            await owner.execute("DELETE FROM deployment; DELETE FROM counting")
            for statement in BEFORE["statements"]:
                await owner.execute(statement.replace("PREFIX/", settings.topic_prefix))
        await owner.close()
        await ensure_topics(settings)
        await _produce(settings)
        yield settings


async def _produce(settings: Settings) -> None:
    """Every record to its partition, in its order."""
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    for record in BEFORE["records"]:
        if record["topic"] != RELAY_PROGRESS:
            await producer.send_and_wait(
                settings.topic(record["topic"]),
                _bytes(record["value"]),
                key=_bytes(record["key"]),
                partition=record["partition"],
                headers=[(name, _bytes(value)) for name, value in record["headers"]],
            )
    await producer.stop()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


async def test_database_of_the_release_before_goes_on(before: Settings) -> None:
    """Nobody earned anything by the upgrade; what was there holds, leaves and can be used; a program can begin."""
    applied = await migrate(before)
    assert [int(name[:4]) for name in applied] == [
        each.version for each in migrations() if each.version > LAST_BEFORE
    ]
    connection = await connect(before, "test")
    partner_id = await connection.fetchval("SELECT min(id) FROM partners")
    assert await connection.fetchval("SELECT count(*) FROM ledger") == 0
    assert await connection.fetchval("SELECT max(version) FROM programs") == 0
    waiting = await connection.fetchval("SELECT count(*) FROM outbox")
    assert waiting == 1
    till = Till(partner_id)
    active = await connection.fetchrow(
        "SELECT code, customer_id, game_id FROM coupons JOIN customers USING (customer_no)"
        " WHERE status = 'active' AND (expires_at IS NULL OR expires_at > now()) AND game_id = 2 LIMIT 1"
    )
    assert active is not None
    async with at_work(before):
        used = till.placed("after-1", active["code"], customer_id=active["customer_id"])
        won = till.completed(2, "nobody before")
        await a_program(
            connection, partner_id, cashback={
                "defaultCashbackRule": {
                    "amountRewardThreshold": 1, "rewardWalletFactor": 1, "rewardRankFactor": 0,
                },
            },
        )  # fmt: skip
        order = ordered("after-2", "12.50", "nobody before", partner_id=partner_id)
        for topic, record in ((ORDERS, used), (GAME_COMPLETED, won), (ORDERS, order)):
            assert record.value is not None
            await send(before, [(record.key.decode(), list(record.headers), record.value)], topic)
        await until_settled(before)
    status = await connection.fetchval("SELECT status FROM coupons WHERE code = $1", active["code"])
    assert status == "redeemed"
    assert (await wallet_of(connection, "nobody before"))["balance"] == 12
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
    await connection.close()
    report = await verify(before, lambda _line: None)
    assert (report.violations, report.unchecked) == ([], [])


async def test_operation_of_the_release_before_is_taken_up(before: Settings) -> None:
    """A replay that was interrupted before the upgrade goes on where it was."""
    await migrate(before)
    done = await asyncio.to_thread(run_process, before, "replay", "--resume", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["resumed"] is True
    assert report["read"] == report["already_decided"] + report["dead"] > 0
