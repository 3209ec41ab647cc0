"""I6: codes are unique, and their check symbol holds. A coupon's prefix is checked with its rule, in `accounted`."""

from __future__ import annotations

from services.domain.coupons.codes import is_valid
from services.insight.verify.decided_once import HIGHEST, LOWEST
from services.insight.verify.scan import SQL, Scan


async def check(scan: Scan) -> None:
    """Compute each check symbol again; where the constraint is gone, look for repeats one by one."""
    await scan.protected_by("I6", "code_has_16_symbols_of_the_alphabet")
    if not await scan.protected_by("I6", "code_is_unique"):
        for row in await scan.connection.fetch(SQL["codes_used_twice"]):
            scan.violated(
                "I6", f"code {row['code']} belongs to {row['times']} coupons", *row["ids"]
            )
    async for after, up_to in scan.pages("end_of_coupons", LOWEST, HIGHEST):
        rows = await scan.connection.fetch(SQL["codes"], after, up_to)
        for coupon_id, code in rows:
            if not is_valid(code):
                scan.violated(
                    "I6", f"coupon {coupon_id} has the code {code}, whose check fails", coupon_id
                )
        scan.looked_at(len(rows), "I6")
