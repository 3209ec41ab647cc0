"""I2: at most one decision per (source, id), and at most one coupon of a game per decision.

The primary key is a digest of id and source, so it keeps decisions unique as long as every row stands under the key of
its own event. A coupon that its decision does not name is one too many; `accounted` meets it when it looks up
each coupon's decision, and reports it here. A decision of an order names only the first of its coupons: one for each
game whose card it has filled, so those are laid side by side.

Since all decisions pass here, those that say what was taken off an order go to `discounts` from here.
"""

from __future__ import annotations

from uuid import UUID

from schemas.fields import MAX_ID
from services.adapters.event_keys import event_key
from services.insight.verify import discounts
from services.insight.verify.scan import SQL, Scan

LOWEST, HIGHEST = UUID(int=0), UUID(int=2**128 - 1)


async def check(scan: Scan) -> None:
    """Compute each decision's key again; where the constraint is gone, look for repeats one by one."""
    if not await scan.protected_by("I2", "an_event_is_decided_once"):
        for row in await scan.connection.fetch(SQL["decided_twice"]):
            scan.violated(
                "I2",
                f"event {row['event_id']} of {row['event_source']} has {row['times']} decisions",
                event_key(row["event_source"], row["event_id"]),
            )
    async for after, up_to in scan.pages("end_of_decisions", LOWEST, HIGHEST):
        rows = await scan.connection.fetch(SQL["decisions"], after, up_to)
        for key, event_id, source, _, missing_coupon in rows:
            if str(key) != event_key(source, event_id):
                scan.violated(
                    "I2",
                    f"the decision of event {event_id} of {source} stands under the key {key}",
                    key,
                    event_key(source, event_id),
                )
            if missing_coupon is not None:
                scan.violated(
                    "I3",
                    f"event {event_id} of {source} is decided to have issued coupon "
                    f"{missing_coupon}, which does not exist or names another event",
                    missing_coupon,
                    key,
                )
        await discounts.check(scan, [row["event_key"] for row in rows if row["has_discounts"]])
        scan.looked_at(len(rows), "I2")
    async for after, up_to in scan.pages("end_of_customers", 0, MAX_ID):
        for row in await scan.connection.fetch(SQL["issued_twice"], after, up_to):
            scan.violated(
                "I2",
                f"event {row['event_id']} of {row['event_source']} issued several coupons of game "
                f"{row['game_id']}: {', '.join(map(str, row['coupon_ids']))}",
                *row["coupon_ids"],
            )
