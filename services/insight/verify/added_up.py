"""I7: limits hold, and quotas and stamps add up.

A coupon counts under the limits of the version that issued it: a limit that was lowered since is no violation, and
places that a cancelled coupon gave back may be taken again.
"""

from __future__ import annotations

from schemas.fields import MAX_ID
from services.insight.verify.scan import MOST_DETAILS, SQL, Scan


async def check(scan: Scan) -> None:
    """Count again what the tables say: per customer in pages, per game and per card in one look each."""
    await _limits(scan)
    await scan.protected_by("I7", "a_game_issues_no_more_than_its_limit")
    for row in await scan.connection.fetch(SQL["quotas"]):
        owed = f" and owes {row['owed']:,}" if row["owed"] else ""
        scan.violated(
            "I7",
            f"game {row['id']} has {row['issued']:,} coupons that count and may issue {row['remaining']:,} more{owed},"
            f" which is not its limit of {row['total_limit']:,}",
        )
    for row in await scan.connection.fetch(SQL["stamps"], MOST_DETAILS + 1):
        scan.violated(
            "I7",
            f"the card of customer {row['customer_no']} in game {row['game_id']} counts {row['stamps']} stamps,"
            f" and orders have given it {row['given']}",
        )


async def _limits(scan: Scan) -> None:
    games = await scan.connection.fetch(SQL["games_with_limits"])
    ids, zones = [row["game_id"] for row in games], [row["time_zone"] for row in games]
    async for after, up_to in scan.pages("end_of_customers", 0, MAX_ID):
        for row in await scan.connection.fetch(SQL["rewarded_twice"], after, up_to):
            scan.violated(
                "I2",
                f"order event {row['event_id']} of {row['event_source']} has {row['times']} coupons"
                f" of game {row['game_id']}",
            )
        if not ids:
            continue
        for row in await scan.connection.fetch(SQL["beyond_limits"], after, up_to, ids, zones):
            scan.violated(
                "I7",
                f"coupon {row['id']} of customer {row['customer_no']} is one too many in game {row['game_id']}"
                f" under its version {row['rule_version']}: {row['count']}",
            )
