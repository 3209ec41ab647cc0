"""P12: a partner's own system is told of each coupon once, in the order of issue; a code that it gave was delivered.

What was told to subscribers of such a code is the matter of `published`.
"""

from __future__ import annotations

from schemas.fields import MAX_ID
from services.adapters.postgres.queries import queries
from services.insight.verify.decided_once import HIGHEST, LOWEST
from services.insight.verify.messages import BEFORE_CUSTOMERS
from services.insight.verify.scan import Rank, Scan, reading_whole_tables

_SQL = queries("delivered", __package__)


async def check(scan: Scan) -> None:
    """Delivery by delivery, each customer's line, and back from the codes."""
    await scan.protected_by(
        "P12",
        "a_coupon_is_told_of_once",
        "an_attempt_is_kept_once",
        "one_delivery_of_a_customer_is_next",
        "a_code_that_is_to_come_is_not_there",
    )
    async for after, up_to in scan.pages("end_of_deliveries", LOWEST, HIGHEST):
        *faulty, total = await scan.connection.fetch(_SQL["deliveries_astray"], after, up_to)
        for row in faulty:
            for fault in row["faults"]:
                delivery = f"delivery {row['kind']}_{row['coupon_id']}"
                _echoed(scan, f"{delivery} {fault}", row["coupon_id"])
        scan.looked_at(total["deliveries"], "P12")
    async for after, up_to in scan.pages("end_of_lines", BEFORE_CUSTOMERS, MAX_ID):
        for row in await scan.connection.fetch(_SQL["overtaken"], after, up_to):
            words = "was delivered before one that its customer was issued earlier"
            _echoed(scan, f"coupon {row['coupon_id']} {words}", row["coupon_id"])
    if not await scan.connection.fetchval(_SQL["some_codes"]):
        return
    async with reading_whole_tables(scan.connection) as connection:
        async for row in connection.cursor(_SQL["codes_astray"]):
            _echoed(scan, f"coupon {row['id']} {row['fault']}", row["id"])


def _echoed(scan: Scan, words: str, coupon_id: object) -> None:
    scan.echoed(Rank.OF_THE_RECORD, "P12", words, coupon_id)
