"""One customer's account as it is stored, put together from profiles, wallets and lots."""

from __future__ import annotations

from dataclasses import replace

from services.adapters.postgres import points, profiles
from services.adapters.postgres.pool import Connection
from services.domain.state import NEW_CUSTOMER, CustomerState


async def stored_account(connection: Connection, customer_no: int) -> CustomerState:
    """Profile, wallet with its open lots, tier and campaigns; what time has done since is not in it."""
    state = NEW_CUSTOMER
    for row in await profiles.of_customers(connection, [customer_no]):
        state = replace(state, profile=profiles.profile_from(row))
    for row in await points.wallets_of(connection, [customer_no]):
        lots = await points.open_lots(connection, [customer_no])
        state = replace(
            state,
            wallet=points.wallet_from(row, {lot["number"]: points.lot_from(lot) for lot in lots}),
            standing=points.standing_from(row),
            campaigns=points.campaigns_from(row),
        )
    return state
