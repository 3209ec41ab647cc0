"""Redemptions that no topic tells of, over HTTP or let go of since: what was asked follows from what was done.

What was refused over HTTP has left nothing behind, so it is not decided again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.events.types import POINTS_REDEEM_REQUESTED, POINTS_UNDO_REQUESTED
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.decisions.redemptions_by_hand import REDEEM_TYPE, UNDO_TYPE
from services.domain.events import Cause, Event, PointsRedeemRequested, UndoRequested
from services.insight.what_if.program.history import Happened

_SQL = queries("what_if_program", __package__)
_REDEEM = {REDEEM_TYPE, POINTS_REDEEM_REQUESTED}
_UNDO = {UNDO_TYPE, POINTS_UNDO_REQUESTED}


async def redemptions(
    connection: Connection, partner_id: int, some: Sequence[Happened]
) -> Mapping[Any, Event]:
    """The events of those of these decisions that redeemed points or gave some back, by key.

    `points` are those that were spent: rules that have a price of their own do not ask for them.
    """
    by_key = {each.event_key: each for each in some if each.event_type in _REDEEM | _UNDO}
    found: dict[Any, Event] = {}
    if not by_key:
        return found
    for row in await connection.fetch(_SQL["redeemed"], list(by_key)):
        one = by_key[row["event_key"]]
        found[one.event_key] = PointsRedeemRequested(
            cause=_cause(one),
            occurred_at=one.occurred_at,
            partner_id=partner_id,
            customer_id="",  # the world goes by numbers
            rule_id=row["rule_id"],
            points=row["points"],
        )
    for row in await connection.fetch(_SQL["undone"], list(by_key)):
        one = by_key[row["event_key"]]
        found[one.event_key] = UndoRequested(
            cause=_cause(one),
            occurred_at=one.occurred_at,
            partner_id=partner_id,
            customer_id="",
            coupon_id=str(row["coupon_id"]),
        )
    return found


def _cause(one: Happened) -> Cause:
    return Cause(source=one.event_source, id=one.event_id, type=one.event_type)
