"""Points that go by nobody's event, as a partner takes them by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from services.adapters.postgres import points
from services.adapters.postgres.inbox import lock_customers
from services.adapters.postgres.pool import Connection
from services.decisions.accounts import Account
from services.decisions.manner import Manner
from services.decisions.recording import write
from services.decisions.rows import Rows
from services.domain.arrival import CustomerKey
from services.domain.origins import Source, SourceKind
from services.domain.points.ledger import ended, spent
from services.domain.points.wallet import after
from services.domain.state import CustomerState


async def spend(
    connection: Connection, customer: CustomerKey, manner: Manner, some_of: Callable[[int], int]
) -> tuple[int, datetime] | None:
    """So many of a balance, in the caller's transaction: how many went, and when; None where nothing has changed."""
    locked = (await lock_customers(connection, [customer], manner.clock_offset))[customer]
    number, at = locked.number, locked.at
    row = next(iter(await points.wallets_of(connection, [number])), None)
    if row is None:
        return None
    open_lots = await points.open_lots(connection, [number])
    wallet = points.wallet_from(row, {each["number"]: points.lot_from(each) for each in open_lots})
    entries = ended(wallet, at)
    for entry in entries:
        wallet = after(wallet, entry)
    some = some_of(wallet.balance)
    if some:
        source = Source(SourceKind.MANUAL, f"{customer[1]} {wallet.entries + 1}")
        entries.append(spent(wallet, some, source=source, at=at))
        wallet = after(wallet, entries[-1])
    if not entries:
        return None
    state = CustomerState(
        wallet=wallet,
        standing=points.standing_from(row),
        campaigns=points.campaigns_from(row),
    )
    rows = Rows(writing=manner.writing)
    account = Account(customer_no=number, partner_id=customer[0], event_key=None)
    rows.accounts.add(account, entries, state, at=at)
    await write(connection, rows)
    return some, at
