"""P5: a friend is brought by one who was there before, once; and P7, P5 of coupons: what grants once grants once."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.fields import MAX_ID
from services.adapters.postgres.queries import queries
from services.domain.origins import SourceKind
from services.insight.verify.messages import BEFORE_CUSTOMERS
from services.insight.verify.scan import Rank, Scan, account

_SQL = queries("referred", __package__)
_ONCE: Mapping[str, str] = {SourceKind.TIER: "P7", SourceKind.REFERRAL: "P5"}


async def check(scan: Scan) -> None:
    """By friend, by who brought them, and by who was granted something."""
    async for after, up_to in scan.pages("end_of_profiles", BEFORE_CUSTOMERS, MAX_ID):
        *faulty, total = await scan.connection.fetch(_SQL["referrals_astray"], after, up_to)
        for row in faulty:
            words = f"customer {row['customer_id']!r} of partner {row['partner_id']} {row['fault']}"
            scan.violated("P5", words, account(row["customer_no"]), row["referral_key"])
        scan.looked_at(total["profiles"], "P5")
    async for after, up_to in scan.pages("end_of_entries", BEFORE_CUSTOMERS, MAX_ID):
        for row in await scan.connection.fetch(_SQL["friends_astray"], after, up_to):
            words = f"friend {row['customer_id']!r} of partner {row['partner_id']} {row['fault']}"
            scan.echoed(Rank.OF_THE_RECORD, "P5", words, account(row["customer_no"]))
        for row in await scan.connection.fetch(_SQL["granted_twice"], after, up_to):
            ids = ", ".join(map(str, row["ids"]))
            what = f"{row['source_kind']} {row['source_id']!r}"
            words = (
                f"customer number {row['customer_no']} was granted coupons twice for {what}: {ids}"
            )
            scan.violated(_ONCE[row["source_kind"]], words, *row["ids"])
