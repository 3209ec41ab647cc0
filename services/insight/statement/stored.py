"""Read what there is of one customer, in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson

from services.adapters.postgres import points, profiles
from services.adapters.postgres.clock import clock
from services.adapters.postgres.coupons import coupon_from
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.programs import StoredProgram, stored_programs
from services.adapters.postgres.queries import queries
from services.domain.campaigns import NO_CAMPAIGNS, CampaignProgress
from services.domain.coupons.coupon import Coupon
from services.domain.points.wallet import NO_POINTS, Wallet
from services.domain.profiles import UNKNOWN, Profile

LAST_ENTRIES = 20

_SQL = queries("statement", __package__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """As it was written last: what time has done since is not in it. `coupons` with the rewards of games."""

    at: datetime
    partner: str
    customer_id: str
    profile: Profile
    card: Any
    wallet: Wallet
    campaigns: CampaignProgress
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
        lots = {
            row["number"]: points.lot_from(row)
            for row in await points.open_lots(connection, [number])
        }
        wallet, campaigns = NO_POINTS, NO_CAMPAIGNS
        for row in await points.wallets_of(connection, [number]):
            wallet, campaigns = points.wallet_from(row, lots), points.campaigns_from(row)
        profile = UNKNOWN
        for row in await profiles.of_customers(connection, [number]):
            profile = profiles.profile_from(row)
        return Stored(
            at=await clock(connection, clock_offset),
            partner=customer["partner"],
            customer_id=customer_id,
            profile=profile,
            card=None if customer["card"] is None else orjson.loads(customer["card"]),
            wallet=wallet,
            campaigns=campaigns,
            coupons=[
                (coupon_from(row), row["reward_description"])
                for row in await connection.fetch(_SQL["coupons"], number)
            ],
            entries=await connection.fetch(_SQL["entries"], number, LAST_ENTRIES),
            program=program,
        )
