"""P11: no coupon is used more often than its terms allow, and its uses are those that its steps and orders tell of.

What each use took off is the matter of `discounts`. A coupon of a game is used once: its history is a path (I5).
"""

from __future__ import annotations

from schemas.fields import MAX_ID
from services.adapters.postgres.queries import queries
from services.insight.verify.decided_once import HIGHEST, LOWEST
from services.insight.verify.messages import BEFORE_CUSTOMERS
from services.insight.verify.scan import Rank, Scan

_SQL = queries("uses", __package__)


async def check(scan: Scan) -> None:
    """Along the history of each coupon, then what orders keep of their uses. Nothing where only games issue."""
    await scan.protected_by("P11", "a_coupon_is_used_no_more_than_its_limit")
    if not await scan.connection.fetchval(_SQL["some_granted"]):
        return
    async for after, up_to in scan.pages("end_of_coupons", LOWEST, HIGHEST):
        *faulty, total = await scan.connection.fetch(_SQL["misused"], after, up_to)
        for row in faulty:
            words = f"coupon {row['id']} {row['fault']}"
            scan.echoed(Rank.OF_THE_RECORD, "P11", words, row["id"])
        scan.looked_at(total["coupons"], "P11")
    async for after, up_to in scan.pages("end_of_uses", BEFORE_CUSTOMERS, MAX_ID):
        *faulty, total = await scan.connection.fetch(_SQL["uses_astray"], after, up_to)
        for row in faulty:
            words = f"coupon {row['coupon_id']}: order {row['order_id']!r} {row['fault']}"
            scan.echoed(Rank.OF_THE_RECORD, "P11", words, row["coupon_id"])
        scan.looked_at(total["uses"], "P11")
