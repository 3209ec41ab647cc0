"""I3, in the database: every coupon has its decision, its customer, its rule, and an expiry that follows from it."""

from __future__ import annotations

from services.insight.verify.decided_once import HIGHEST, LOWEST
from services.insight.verify.scan import SQL, Scan


async def check(scan: Scan) -> None:
    """Look up what each coupon refers to; the query names the faults, with the invariant before each."""
    await scan.protected_by("I3", "coupon_id_is_unique", "expiry_follows_from_the_rule")
    async for after, up_to in scan.pages("end_of_coupons", LOWEST, HIGHEST):
        *faulty, total = await scan.connection.fetch(SQL["unaccounted"], after, up_to)
        for row in faulty:
            for fault in row["faults"]:
                invariant, _, words = fault.partition(" ")
                scan.violated(invariant, f"coupon {row['id']} {words}", row["id"], row["event_key"])
        scan.looked_at(total["coupons"], "I3")
