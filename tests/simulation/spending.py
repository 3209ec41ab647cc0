"""Points that go by nobody's event, as a till or a partner by hand takes them."""

from __future__ import annotations

import random
from datetime import datetime

import asyncpg

from services.adapters.postgres import points
from services.adapters.postgres.inbox import lock_customers
from services.decisions.accounts import Account
from services.decisions.manner import Manner
from services.decisions.recording import write
from services.decisions.rows import Rows
from services.domain.origins import Source, SourceKind
from services.domain.points.ledger import ended, spent
from services.domain.points.wallet import after
from services.domain.state import CustomerState


async def spend(
    pool: asyncpg.Pool, chance: random.Random, partner_id: int, customer_id: str, manner: Manner
) -> tuple[int, datetime] | None:
    """Some of what this customer has: how many points, and when; None where there are none."""
    async with pool.acquire() as connection, connection.transaction():
        locked = await lock_customers(connection, [(partner_id, customer_id)], manner.clock_offset)
        number, at = locked[partner_id, customer_id].number, locked[partner_id, customer_id].at
        row = next(iter(await points.wallets_of(connection, [number])), None)
        if row is None:
            return None
        lots = {
            each["number"]: points.lot_from(each)
            for each in await points.open_lots(connection, [number])
        }
        wallet = points.wallet_from(row, lots)
        entries = ended(wallet, at)
        for entry in entries:
            wallet = after(wallet, entry)
        some = chance.randint(0, wallet.balance)
        if some:
            entries.append(spent(wallet, some, source=Source(SourceKind.MANUAL, "by hand"), at=at))
            wallet = after(wallet, entries[-1])
        if not entries:
            return None
        state = CustomerState(
            wallet=wallet, standing=points.standing_from(row), campaigns=points.campaigns_from(row)
        )
        rows = Rows(writing=manner.writing)
        rows.accounts.add(
            Account(customer_no=number, partner_id=partner_id, event_key=None),
            entries,
            state,
            at=at,
        )
        await write(connection, rows)
        return some, at
