"""What has no event to be read counts as it did: what a partner books by hand, and records that the topics let go of.

The points and meters that it moved are taken from the ledger; what it costs is no more than this world's balance. By
which card somebody goes, and who they are, is taken as it is now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg

from services.domain.course import Course
from services.domain.origins import Source, SourceKind
from services.domain.points.ledger import Earning, Reversal, earned, reversed_, spent
from services.domain.points.wallet import EntryKind
from services.domain.profiles import Describe, Profile
from services.domain.program import Program
from services.domain.promotion import settled
from services.domain.state import NEW_CUSTOMER
from services.insight.what_if.program.kept import Kept
from services.insight.what_if.program.world import World

Row = asyncpg.Record


def as_recorded(
    world: World,
    number: int,
    key: Any,
    program: Program,
    partner_id: int,
    at: datetime,
    rows: Sequence[Row],
    profile: Profile | None,
) -> None:
    """These rows of the ledger, moved in this world; `profile` of who was described by it."""
    kept = world.customer(number)
    course = Course(program.of_partner(partner_id), _state(kept), at=at, draws=())
    if profile is not None:
        course.add(Describe(profile=profile))
    for row in rows:
        _move(course, row, at)
    settled(course)
    world.keep(number, kept, _state(kept), course.effects, key, None, unpacked=True)


def _state(kept: Kept) -> Any:
    return replace(
        NEW_CUSTOMER,
        profile=kept.profile,
        wallet=replace(kept.wallet, lots=kept.unpacked()),
        standing=kept.standing,
        campaigns=kept.campaigns,
    )


def _move(course: Course, row: Row, at: datetime) -> None:
    """What time ends, and what pays a debt, comes by itself."""
    source = Source(SourceKind(row["source_kind"]), row["source_id"])
    wallet = course.state.wallet
    match EntryKind(row["kind"]):
        case EntryKind.EARNED | EntryKind.RESTORED:
            earning = Earning(
                source=source,
                points=row["points"],
                score=row["score"],
                spent=row["spent"],
                orders=row["orders"],
                referrals=row["referrals"],
                order_id=row["order_id"],
            )
            course.add(*earned(wallet, earning, at=at, ends=row["expires_at"]))
        case EntryKind.SPENT:
            if points := min(-row["points"], wallet.balance):
                course.add(spent(wallet, points, source=source, at=at))
        case EntryKind.REVERSED:
            back = Reversal(
                source=source,
                points=-row["points_earned"],
                score=-row["score"],
                spent=-row["spent"],
                orders=-row["orders"],
            )
            if back:
                course.add(reversed_(wallet, back, at=at))
        case EntryKind.EXPIRED:
            pass
