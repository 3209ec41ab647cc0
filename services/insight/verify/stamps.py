"""I8: stamps add up: each is an order's own, each card has as many as orders have given it, and full cards were full.

What a full card earned is seen elsewhere: its coupon is one of the order that filled it (`accounted`), and where it
earned none, that was published (`published`).
"""

from __future__ import annotations

from services.adapters.postgres.queries import queries
from services.insight.verify.scan import Scan, reading_whole_tables

_SQL = queries("stamps", __package__)


async def check(scan: Scan) -> None:
    """Both statements in one snapshot; what they find comes row by row."""
    async with reading_whole_tables(scan.connection) as connection:
        async for row in connection.cursor(_SQL["stamps_astray"]):
            for fault in row["faults"]:
                scan.violated(
                    "I8",
                    f"the stamp of order {row['order_id']} of partner {row['partner_id']} in game "
                    f"{row['game_id']} {fault}",
                    *([row["event_key"]] if row["event_key"] else []),
                )
        async for row in connection.cursor(_SQL["cards_astray"]):
            scan.violated(
                "I8",
                f"card {row['card_no']} of customer {row['customer_no']} in game {row['game_id']} {row['fault']}",
            )
        scan.looked_at(await connection.fetchval(_SQL["number_of_stamps"]), "I8")
