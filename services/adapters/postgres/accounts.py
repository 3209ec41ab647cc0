"""Customers' accounts as they are stored, put together from profile, wallet and lots."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import asyncpg

from services.adapters.postgres import points, profiles
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.domain.state import NEW_CUSTOMER, CustomerState

_SQL = queries("accounts")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAccount:
    """Profile, wallet with its open lots, tier and campaigns; what time has done since is not in `state`.

    `number` None: nobody of this id is known. `at` is the instant that counts for them, `revision` the program's.
    """

    number: int | None
    at: datetime
    revision: int
    state: CustomerState


async def stored_account(
    connection: Connection, partner_id: int, customer_id: str, clock_offset: timedelta
) -> CustomerAccount:
    """Of somebody unknown: a new customer's. Raises LookupError: there is no such partner, or not for this session."""
    rows = await connection.fetch(_SQL["account"], partner_id, customer_id, clock_offset)
    if not rows:
        raise LookupError(partner_id)
    (row,) = rows
    number, state = row["customer_no"], NEW_CUSTOMER
    if row["has_profile"]:
        state = replace(state, profile=profiles.profile_from(row))
    if row["has_wallet"]:
        lots = await points.open_lots(connection, [number])
        state = replace(
            state,
            wallet=points.wallet_from(row, {lot["number"]: points.lot_from(lot) for lot in lots}),
            standing=points.standing_from(row),
            campaigns=points.campaigns_from(row),
        )
    return CustomerAccount(number=number, at=row["at"], revision=row["revision"], state=state)


async def accounts_of(connection: Connection, numbers: Collection[int]) -> list[asyncpg.Record]:
    """Profile and wallet of each customer of these numbers, as far as there are any: `has_profile`, `has_wallet`."""
    return await connection.fetch(_SQL["accounts"], sorted(numbers)) if numbers else []
