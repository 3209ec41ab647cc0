"""A shop whose visits earn coupons of groups, on the real database: with caps, and with pools of codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.decisions.manner import USUAL
from services.decisions.steps import StepRequest, take_step
from services.domain.coupons.codes import RANDOM_BYTES_PER_CODE, codes_from, display
from services.domain.coupons.coupon import Step
from tests.stand.real_shop import BASE, RealShop
from tests.stand.telling import told


@dataclass(slots=True, kw_only=True)
class GroupedShop(RealShop):
    """`visit club` earns a coupon of the group `club`, and so of every other."""

    async def have(
        self, *groups: dict[str, Any], more: Sequence[dict[str, Any]] = (), **terms: Any
    ) -> None:
        """These groups, each with its handle, a campaign for each whose coupons have these terms, and `more` of them."""
        handles = [group["handle"] for group in groups]
        campaigns = [
            {
                "name": handle,
                "type": "EventBased",
                "isRepeatable": True,
                "trigger": {"eventName": f"visit {handle}"},
                "rewards": [
                    {
                        "couponReward": {"couponType": "custom", "group": {"handle": handle}}
                        | {"options": {"codePrefix": "CLUB"}}
                        | terms
                    }
                ],
            }
            for handle in handles
        ]
        await self.set(**BASE, campaigns=[*campaigns, *more], couponGroups=list(groups))

    async def pool(self, handle: str, *codes: str) -> None:
        """Codes that the partner brings."""
        await self._add(handle, [(code, None, None) for code in codes])

    async def pool_of_ours(self, handle: str, count: int, prefix: str = "POOL") -> list[str]:
        """Codes that we make, as they are shown."""
        made = codes_from(b"".join(n.to_bytes(RANDOM_BYTES_PER_CODE, "big") for n in range(1 << 70, (1 << 70) + (count << 8), 1 << 8)))  # fmt: skip
        rows = [(display(code, prefix), code, prefix) for code in made]
        await self._add(handle, rows)
        return [row[0] for row in rows]

    async def _add(self, handle: str, rows: Sequence[tuple[str, str | None, str | None]]) -> None:
        await self.connection.execute(
            "INSERT INTO group_counts (partner_id, handle, has_pool) VALUES ($1, $2, true)"
            " ON CONFLICT (partner_id, handle) DO UPDATE SET has_pool = true",
            self.partner_id,
            handle,
        )
        await self.connection.executemany(
            "INSERT INTO pool_codes (partner_id, handle, code, own_code, own_prefix) VALUES ($1, $2, $3, $4, $5)",
            [(self.partner_id, handle, *row) for row in rows],
        )

    def visit(self, handle: str, customer: str = "anna") -> ConsumerRecord:
        return told("customer.event", customer, partner_id=self.partner_id, name=f"visit {handle}")

    async def counted(self, handle: str) -> int:
        """As the triggers have counted."""
        count: int | None = await self.connection.fetchval(
            "SELECT issued FROM group_counts WHERE partner_id = $1 AND handle = $2",
            self.partner_id,
            handle,
        )
        return count or 0

    async def in_place(self, handle: str) -> list[asyncpg.Record]:
        """Its coupons that are not cancelled."""
        return list(
            await self.connection.fetch(
                "SELECT c.*, cu.customer_id FROM coupons c JOIN customers cu USING (customer_no)"
                " WHERE c.partner_id = $1 AND terms ->> 'group' = $2 AND status <> 'cancelled' ORDER BY issued_at",
                self.partner_id,
                handle,
            )
        )

    async def declined(self) -> list[str]:
        """Why coupons were not granted, in the order in which that was told."""
        rows = await self.connection.fetch(
            "SELECT value::jsonb ->> 'reason' AS reason FROM outbox WHERE ce_type = 'reward.declined' ORDER BY id"
        )
        return [row["reason"] for row in rows]

    async def told_codes(self) -> list[tuple[str, str | None]]:
        """(code, internal code) of every coupon.issued."""
        rows = await self.connection.fetch(
            "SELECT value::jsonb ->> 'code' AS code, value::jsonb ->> 'internal_code' AS own FROM outbox"
            " WHERE ce_type = 'coupon.issued' ORDER BY id"
        )
        return [tuple(row) for row in rows]


async def cancel(connection: Connection, coupon_id: object) -> None:
    """By staff."""
    request = StepRequest(coupon_id=str(coupon_id), step=Step.CANCELLED, shop_id=1, actor="test")
    while True:
        try:
            async with connection.transaction():
                answer = await take_step(connection, request, USUAL)
                assert answer is not None
                assert answer.refusal is None
                return
        except LostRace:
            continue
