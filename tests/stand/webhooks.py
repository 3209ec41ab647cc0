"""Partners' own coupon systems for tests: one set as over HTTP, and whether a text stands anywhere in the database."""

from __future__ import annotations

import base64
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import asyncpg

from schemas.gameball_v4.webhook_changes import put_coupon
from services.adapters.postgres.pool import SCHEMA
from services.adapters.secrets import Secrets, secrets_by
from services.decisions.program_changes import Changed, change
from services.decisions.webhooks import keep_beside, keeping
from services.runtime.settings import Settings

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
LEAST = {"url": "https://shop.example/coupons", "method": "POST", "contentType": "application/json"}


async def a_webhook(
    connection: asyncpg.Connection,
    partner_id: int,
    settings: Settings,
    *,
    since: datetime = SINCE,
    **sent: Any,
) -> Changed:
    """Give the partner this webhook, anywhere; what is not sent falls back, or is the least there must be."""
    secrets: Secrets = secrets_by(settings)
    kept = keeping(secrets, partner_id, allows_private=True)
    async with connection.transaction():
        made = await change(
            connection,
            partner_id,
            actor="test",
            edit=lambda now: put_coupon(now, {**LEAST, **sent}, kept),
        )
        await keep_beside(connection, partner_id, made, secrets, since)
    return made


async def found_in(owner: asyncpg.Connection, texts: Collection[str]) -> list[tuple[str, str]]:
    """Tables that have a row in which one of these texts stands, plain, in base64 or in hexadecimal digits."""
    tables = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition",
        SCHEMA,
    )
    looked_for = {
        written: text
        for text in texts
        for written in (
            text,
            base64.b64encode(text.encode()).decode().rstrip("=")[:-1],
            text.encode().hex(),
        )
    }
    found = []
    for (table,) in tables:
        for written, text in looked_for.items():
            query = f"SELECT EXISTS (SELECT FROM {table} t WHERE strpos(t::text, $1) > 0)"
            if await owner.fetchval(query, written):
                found.append((table, text))
    return found
