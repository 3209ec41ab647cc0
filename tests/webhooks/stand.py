"""Coupons of a program in the database, a partner's system on loopback, and the process that tells it of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from services.adapters.postgres.coupons import coupon_from, with_owners
from services.adapters.postgres.programs import stored_programs
from services.adapters.postgres.stored_program import program_from
from services.adapters.postgres.webhooks import SENDABLE
from services.adapters.secrets import secrets_by
from services.adapters.webhook_sending import Sender
from services.domain.coupons.codes import code_from
from services.domain.coupons.coupon import CodeStatus
from services.runtime.health import Health
from services.runtime.settings import Settings
from services.runtime.waiting import Waiting
from services.webhooks import app
from services.webhooks.reading import Named, take
from tests.stand.waiting import eventually
from tests.stand.webhooks import a_webhook

ISSUED_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
ALL_FLAGS = {
    "enableFixedRate": True,
    "enablePercentage": True,
    "enableFreeProduct": True,
    "enableFreeShipping": True,
}
FIXED = {"type": "fixed", "value": "50", "usage_limit": 1}


@dataclass(slots=True, kw_only=True)
class Stand:
    """One partner's coupons and deliveries. Each coupon is issued a minute after the one before."""

    settings: Settings
    connection: asyncpg.Connection
    partner_id: int
    issued: int = 0

    async def webhook(self, url: str, **sent: Any) -> None:
        """The partner's system is there now, for every type of coupon."""
        await a_webhook(
            self.connection, self.partner_id, self.settings, url=url, **{**ALL_FLAGS, **sent}
        )

    async def coupon(self, customer_id: str = "anna", **changed: Any) -> str:
        """A coupon of the program, as it is after its issue; its id."""
        self.issued += 1
        fields: dict[str, Any] = {
            "terms": FIXED,
            "issued_at": ISSUED_AT + timedelta(minutes=self.issued),
            "expires_at": None,
            "status": "active",
            "game_id": None,
            "code_from": None,
        } | changed
        customer_no = await self.connection.fetchval(
            "INSERT INTO customers (partner_id, customer_id, last_at) VALUES ($1, $2, $3)"
            " ON CONFLICT (partner_id, customer_id) DO UPDATE SET last_at = excluded.last_at RETURNING customer_no",
            self.partner_id, customer_id, fields["issued_at"],
        )  # fmt: skip
        coupon_id = str(uuid4())
        await self.connection.execute(
            "INSERT INTO coupons (id, event_key, partner_id, customer_no, issued_at, expires_at, status, holds_single_place,"
            " code, code_prefix, source_kind, source_id, terms, program_version, code_from, external_code, redeemed_at,"
            " code_pending)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, false, $8, 'CAFE', 'campaign', '1', $9, 1, $10, $11, $12, $13)",
            coupon_id, uuid4(), self.partner_id, customer_no, fields["issued_at"], fields["expires_at"], fields["status"],
            code_from(UUID(coupon_id).bytes[:10]), json.dumps(fields["terms"]), fields["code_from"],
            changed.get("external_code"), changed.get("redeemed_at"), await self.is_to_come(fields),
        )  # fmt: skip
        return coupon_id

    async def is_to_come(self, fields: dict[str, Any]) -> bool:
        """Whether the program of now asks for the code of this coupon; before the first webhook as if there were one."""
        if "code_pending" in fields:
            return bool(fields["code_pending"])
        if fields["game_id"] is not None or fields["code_from"] is not None:
            return False
        stored = (await stored_programs(self.connection, [self.partner_id]))[self.partner_id]
        asks = program_from(stored).asks_for_codes if stored.has_had_webhook else SENDABLE
        return fields["terms"]["type"] in asks

    async def code_status(self, coupon_id: str) -> CodeStatus:
        """Of what its customer shows."""
        (row,) = await with_owners(self.connection, [coupon_id])
        return coupon_from(row).code_status

    async def read(self, *coupon_ids: str) -> int:
        """What is published of their issue has been read; how many deliveries that made."""
        found = [Named(coupon_id=each, partner_id=self.partner_id) for each in coupon_ids]
        return await take(self.connection, found, self.settings, secrets_by(self.settings), {})

    async def cancelled(self, coupon_id: str, at: datetime | None = None) -> int:
        """It is cancelled, and what is published of that has been read."""
        at = at or ISSUED_AT + timedelta(days=1)
        await self.connection.execute(
            "UPDATE coupons SET status = 'cancelled' WHERE id = $1", coupon_id
        )
        named = Named(coupon_id=coupon_id, partner_id=self.partner_id, cancelled_at=at)
        return await take(self.connection, [named], self.settings, secrets_by(self.settings), {})

    async def delivery(self, coupon_id: str, kind: str = "issued") -> dict[str, Any]:
        """The row."""
        row = await self.connection.fetchrow(
            "SELECT * FROM deliveries WHERE coupon_id = $1 AND kind = $2", coupon_id, kind
        )
        return {} if row is None else dict(row)

    async def status(self, coupon_id: str, kind: str = "issued") -> str | None:
        """Of its delivery."""
        return (await self.delivery(coupon_id, kind)).get("status")

    async def errors(self, coupon_id: str, kind: str = "issued") -> list[str | None]:
        """Of its attempts, in their order."""
        rows = await self.connection.fetch(
            "SELECT error FROM delivery_attempts WHERE coupon_id = $1 AND kind = $2 ORDER BY number",
            coupon_id,
            kind,
        )
        return [row["error"] for row in rows]

    async def code(self, coupon_id: str) -> str | None:
        """Of the partner."""
        found: str | None = await self.connection.fetchval(
            "SELECT external_code FROM coupons WHERE id = $1", coupon_id
        )
        return found

    async def until(self, coupon_ids: Sequence[str], status: str) -> None:
        """Wait until all of these have this status."""

        async def are_so() -> bool:
            count = await self.connection.fetchval(
                "SELECT count(*) FROM deliveries WHERE coupon_id = ANY($1::uuid[]) AND kind = 'issued' AND status = $2",
                list(coupon_ids),
                status,
            )
            return bool(count == len(coupon_ids))

        await eventually(are_so, f"{len(coupon_ids)} are {status}")


@asynccontextmanager
async def sending(
    settings: Settings, sender: Callable[[Settings], Sender] = app.sender_by
) -> AsyncIterator[Health]:
    """One process' sending, in this one, while the block lasts; then it is told to stop."""
    health = Health("webhooks")
    one = sender(settings)
    waiting = Waiting("waiting", app.log)
    task = asyncio.ensure_future(
        app.send_until_stopped(settings, health, waiting, secrets_by(settings), one, {})
    )
    try:
        yield health
    finally:
        health.stopping.set()
        await asyncio.wait([task], timeout=30)
        task.cancel()
        await one.close()
        if task.done() and not task.cancelled():
            task.result()
