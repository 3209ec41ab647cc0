"""P9: what an order earned, less what was taken back, is what its refund leaves; and P8 of the coupons it brought."""

from __future__ import annotations

import asyncpg

from schemas.fields import MAX_ID
from services.adapters.postgres.queries import queries
from services.insight.verify.messages import BEFORE_CUSTOMERS
from services.insight.verify.scan import PAGE_ROWS, Rank, Scan, account

_SQL = queries("purchases", __package__)
_LAST = MAX_ID, ""


async def check(scan: Scan) -> None:
    """From the ledger to the orders, and back."""
    await scan.protected_by("P9", "an_order_earns_once", "no_more_is_refunded_than_was_paid")
    async for after, up_to in scan.pages("end_of_entries", BEFORE_CUSTOMERS, MAX_ID):
        for row in await scan.connection.fetch(_SQL["orders_astray"], after, up_to):
            for fault in row["faults"]:
                _echoed(scan, row, "P9", fault)
    place = (0, "")
    while True:
        end = await scan.connection.fetchrow(_SQL["end_of_purchases"], *place, PAGE_ROWS - 1)
        up_to_place = _LAST if end is None else (end["partner_id"], end["order_id"])
        *faulty, total = await scan.connection.fetch(_SQL["purchases_astray"], *place, *up_to_place)
        for row in faulty:
            _echoed(scan, row, row["invariant"], row["fault"], row["coupon_id"])
        scan.looked_at(total["orders"], "P9")
        if end is None:
            return
        place = up_to_place


def _echoed(
    scan: Scan, row: asyncpg.Record, invariant: str, fault: str, coupon_id: str | None = None
) -> None:
    """What a fault of the ledger, or of the coupon, would explain."""
    about = [account(row["customer_no"]), *([coupon_id] if coupon_id else [])]
    words = f"order {row['order_id']!r} of partner {row['partner_id']} {fault}"
    scan.echoed(Rank.OF_THE_RECORD, invariant, words, *about)
