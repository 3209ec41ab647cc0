"""I1: a coupon that becomes active under the single rule is then the customer's only active one of that game."""

from __future__ import annotations

from schemas.fields import MAX_ID
from services.insight.verify.scan import SQL, Scan


async def check(scan: Scan) -> None:
    """Lay every coupon's time side by side, per customer and game."""
    await scan.protected_by("I1", "customer_holds_one_active_coupon_per_single_game")
    async for after, up_to in scan.pages("end_of_customers", 0, MAX_ID):
        rows = await scan.connection.fetch(SQL["overlapping"], after, up_to)
        *overlaps, total = rows
        for row in overlaps:
            scan.violated(
                "I1",
                f"coupon {row['id']} of customer {row['customer_no']} in game {row['game_id']} became "
                f"active at {row['began']} while another was active until {row['busy_until']}",
                row["id"],
            )
        scan.looked_at(total["coupons"], "I1")
