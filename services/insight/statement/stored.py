"""Read what there is of one customer, in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson

from services.adapters.postgres.accounts import stored_account
from services.adapters.postgres.clock import clock
from services.adapters.postgres.coupons import coupon_from
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.programs import StoredProgram, stored_programs
from services.adapters.postgres.queries import queries
from services.domain.coupons.coupon import Coupon
from services.domain.state import CustomerState

LAST_ENTRIES = 20

_SQL = queries("statement", __package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """As it was written last: what time has done since is not in it. `coupons` with the rewards of games."""

    at: datetime
    partner: str
    customer_id: str
    state: CustomerState
    card: Any
    coupons: Sequence[tuple[Coupon, str | None]]
    entries: Sequence[asyncpg.Record]
    program: StoredProgram


async def read_customer(
    connection: Connection, partner_id: int, customer_id: str, clock_offset: timedelta
) -> Stored | None:
    """What there is of them; None of somebody who never did anything. Raises LookupError of nobody's partner."""
    async with connection.transaction(readonly=True, isolation="repeatable_read"):
        program = (await stored_programs(connection, [partner_id])).get(partner_id)
        if program is None:
            raise LookupError(partner_id)
        rows = await connection.fetch(_SQL["customer"], partner_id, customer_id)
        if not rows:
            return None
        (customer,) = rows
        number = customer["customer_no"]
        account = await stored_account(connection, partner_id, customer_id, clock_offset)
        return Stored(
            at=await clock(connection, clock_offset),
            partner=customer["partner"],
            customer_id=customer_id,
            state=account.state,
            card=None if customer["card"] is None else orjson.loads(customer["card"]),
            coupons=[
                (coupon_from(row), row["reward_description"])
                for row in await connection.fetch(_SQL["coupons"], number)
            ],
            entries=await connection.fetch(_SQL["entries"], number, LAST_ENTRIES),
            program=program,
        )
