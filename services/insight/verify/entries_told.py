"""Entries of the ledger, against what subscribers were told of them: the same amounts, and no end that never was."""

from __future__ import annotations

from datetime import datetime

from services.decisions.telling import lot_id
from services.insight.verify.messages import Kind
from services.insight.verify.scan import MOST_KEPT, Rank, Scan, account
from services.insight.verify.told import PUBLISHED, Told


async def entries_told(scan: Scan, told: Told, kind: Kind, earliest: datetime | None) -> int:
    """What was told otherwise is reported, what time did and nobody was told goes to what is missing.

    Returns how many of these are older than all that the topic keeps.
    """
    connection, older = scan.connection, 0
    await connection.execute(PUBLISHED["begin_time"])
    for each in kind.expected:
        async for after, up_to in scan.pages(each.bound, each.first, each.last):
            for row in await connection.fetch(PUBLISHED["entries_told_otherwise"], after, up_to):
                if row["number"] is None:
                    said = (
                        f"{kind.called} {row['place']} of the decision {row['event_key']} are told"
                    )
                    said = f"{said}, and it made no such entry"
                    told.unknown.add(said, str(row["event_key"]), account(row["customer_no"]))
                    continue
                scan.echoed(
                    Rank.OF_THE_MESSAGES,
                    "I3",
                    f"entry {row['number']} of customer number {row['customer_no']} was told otherwise, "
                    f"as {kind.called} {row['place']} of the decision {row['event_key']}",
                    row["event_key"],
                    account(row["customer_no"]),
                )
            rows = await connection.fetch(PUBLISHED["entries_of_time"], after, up_to)
            older += await connection.fetchval(
                PUBLISHED["expect_of_time"],
                [lot_id(row["partner_id"], row["customer_id"], row["lot"]) for row in rows],
                [row["customer_no"] for row in rows],
                [row["at"] for row in rows],
                [row["said"] for row in rows],
                earliest,
                [lot_id(row["partner_id"], row["customer_id"], row["number"]) for row in rows],
            )  # fmt: skip
    for row in await connection.fetch(PUBLISHED["of_no_time"], MOST_KEPT):
        about = [] if row["customer_no"] is None else [account(row["customer_no"])]
        said = f"points of {row['id']} are told to have ended, and did not end so"
        told.unknown.add(said, str(row["id"]), *about)
    await connection.execute(PUBLISHED["end_time"])
    return older
