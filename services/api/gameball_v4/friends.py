"""`/customers/{customerId}/referrals`: who brought a customer, and whom they have brought."""

from __future__ import annotations

from typing import Annotated, Any, Final

import asyncpg
from fastapi import Query

from schemas.gameball_v4.customer_answers import ShownFriends
from schemas.gameball_v4.values import shown_moment
from services.adapters.postgres.queries import queries
from services.api.edge.problems import invalid
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4.accounts import Account, known_account, number_of
from services.api.gameball_v4.call import Writing
from services.api.gameball_v4.description import gives
from services.api.gameball_v4.documents import shown
from services.api.gameball_v4.parameters import PER_PAGE, CustomerId, CustomerOfPath, PageLimit
from services.api.gameball_v4.words import PARAMETERS

router = Router(prefix="/api/v4/integrations/customers/{customerId}/referrals", tags=["customers"])

START_AFTER: Final = "startAfter"
_SQL = queries("friends", __package__)


@router.get("", responses=gives(200, ShownFriends, "Some of them."))
async def list_friends(
    call: Writing,
    customer_id: CustomerOfPath,
    limit: PageLimit = PER_PAGE,
    start_after: Annotated[CustomerId | None, Query(alias=START_AFTER)] = None,
) -> Reply:
    """List the friends whom a customer has brought, those first who were known first."""
    async with call.reading() as connection:
        account = await known_account(connection, call, customer_id)
        after = 0
        if start_after is not None:
            number = await number_of(connection, call, start_after)
            if number is None:
                raise invalid({START_AFTER: [PARAMETERS[START_AFTER]]})
            after = number
        return shown(await friends_of(connection, account, limit, after))


async def friends_of(
    connection: asyncpg.Connection, account: Account, limit: int = PER_PAGE, after: int = 0
) -> dict[str, Any]:
    """The document. `count` is the meter: referrals that were completed, and rewarded by then."""
    rows = await connection.fetch(
        _SQL["friends"], account.program.partner_id, account.customer_id, after, limit + 1
    )
    return {
        "referredBy": account.state.profile.referred_by,
        "count": account.state.wallet.referrals,
        "referrals": [
            {
                "customerId": row["customer_id"],
                "joinDate": shown_moment(row["registered_at"]),
                "status": "Active" if row["is_completed"] else "Pending",
            }
            for row in rows[:limit]
        ],
        "hasMore": len(rows) > limit,
    }
