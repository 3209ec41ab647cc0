"""A webhook is switched off by whoever calls it: a version of the program, and its partner is told."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import orjson

from services.adapters.postgres.programs import program_versions
from services.adapters.postgres.webhooks import webhooks_of
from services.adapters.secrets import secrets_by
from services.decisions.webhooks import switch_off
from services.runtime.settings import Settings
from tests.stand.issuing import a_partner
from tests.stand.webhooks import a_webhook

AT = datetime(2026, 11, 28, 12, 0, 0, 5, tzinfo=UTC)


async def test_webhook_is_switched_off_once_and_its_partner_told(
    database: asyncpg.Connection, settings: Settings
) -> None:
    """By an actor of its own; the event is named by partner and version, and keyed by the partner."""
    partner_id = await a_partner(database)
    await a_webhook(database, partner_id, settings)
    async with database.transaction():
        assert await switch_off(database, partner_id, "gone", AT)
        assert not await switch_off(database, partner_id, "gone", AT)
    versions = await program_versions(database, partner_id)
    assert [(each.version, each.actor, each.changed) for each in versions] == [
        (1, "test", ["coupon"]),
        (2, "webhook", ["coupon"]),
    ]
    (row,) = await database.fetch("SELECT * FROM outbox")
    assert (row["topic"], row["ce_type"], row["ce_id"]) == ("program-events", "webhook.disabled", f"{partner_id}.2.disabled")  # fmt: skip
    assert (row["key"], row["ce_time"]) == (str(partner_id), AT)
    said = orjson.loads(row["value"])
    assert said == {"partner_id": partner_id, "at": "2026-11-28T12:00:00.000005Z", "reason": "gone"}
    found = (await webhooks_of(database, [partner_id], secrets_by(settings)))[partner_id]
    assert (found.is_active, len(found.signing_keys)) == (False, 1)


async def test_what_is_not_there_is_not_switched_off(
    database: asyncpg.Connection, settings: Settings
) -> None:
    """Neither one that never was nor one that its partner has switched off."""
    never, off = await a_partner(database), await a_partner(database)
    await a_webhook(database, off, settings, isActive=False)
    for partner_id in (never, off):
        async with database.transaction():
            assert not await switch_off(database, partner_id, "gone", AT)
    assert await database.fetchval("SELECT count(*) FROM outbox") == 0
