"""I5: the history of a coupon is a path of the state machine, ends in time, and leads to where the coupon stands."""

from __future__ import annotations

from services.domain.coupons.coupon import TRANSITIONS
from services.insight.verify.decided_once import HIGHEST, LOWEST
from services.insight.verify.scan import SQL, Scan


async def check(scan: Scan) -> None:
    """Walk every coupon's steps by the very table that the rules step by."""
    await scan.protected_by(
        "I5",
        "a_coupon_takes_each_step_once",
        "a_step_is_a_transition_of_the_state_machine",
    )
    allowed = [(was, step, status) for (was, step), status in TRANSITIONS.items()]
    machine = [list(column) for column in zip(*allowed, strict=True)]
    async for after, up_to in scan.pages("end_of_coupons", LOWEST, HIGHEST):
        *faulty, total = await scan.connection.fetch(SQL["strayed"], after, up_to, *machine)
        for row in faulty:
            for fault in row["faults"]:
                scan.violated("I5", f"coupon {row['id']} {fault}", row["id"])
        scan.looked_at(total["coupons"], "I5")
