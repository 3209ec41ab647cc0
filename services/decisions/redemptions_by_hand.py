"""Points into a coupon, and back, as a partner asks for it at once: decided and recorded like an event.

What the rules refuse leaves nothing behind, see `accounts_by_hand`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.adapters.postgres.pool import Connection
from services.decisions.accounts_by_hand import ByHand, decide_by_hand
from services.decisions.transaction import Deciding
from services.domain.coupons.coupon import Coupon
from services.domain.coupons.effects import GrantCoupon
from services.domain.coupons.held import granted
from services.domain.decision import Decision, Reason
from services.domain.events import Cause, Event, PointsRedeemRequested, UndoRequested
from services.domain.points.wallet import EntryKind, Post

REDEEM_TYPE: Final = "points.redeem"
UNDO_TYPE: Final = "points.undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemed:
    """The coupon, the points that it cost, and the balance in the end."""

    coupon: Coupon
    points: int
    balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """The points that came back, and the balance in the end: a debt is paid of them first, and what is over ends."""

    points: int
    balance: int


async def redeem(
    connection: Connection, asked: ByHand, deciding: Deciding, *, rule_id: int, points: int | None
) -> Redeemed | Reason:
    """A coupon for points, or why there is none; then roll back. In the caller's transaction. Raises LostRace."""

    def requested(cause: Cause, at: datetime) -> Event:
        return PointsRedeemRequested(
            cause=cause,
            occurred_at=at,
            partner_id=asked.partner_id,
            customer_id=asked.customer_id,
            rule_id=rule_id,
            points=points,
        )

    decision = await decide_by_hand(connection, asked, deciding, REDEEM_TYPE, requested)
    if decision.reason is not None:
        return decision.reason
    grant = next(
        effect
        for effect in decision.effects
        if isinstance(effect, GrantCoupon) and effect.coupon_id == decision.coupon_id
    )
    points_moved, balance = _moved(decision, EntryKind.SPENT)
    return Redeemed(coupon=granted(grant), points=-points_moved, balance=balance)


async def undo(
    connection: Connection, asked: ByHand, deciding: Deciding, *, coupon_id: str
) -> Undone | Reason:
    """Give a coupon that points were redeemed for back, or say why not; then roll back. Raises LostRace."""

    def requested(cause: Cause, at: datetime) -> Event:
        return UndoRequested(
            cause=cause,
            occurred_at=at,
            partner_id=asked.partner_id,
            customer_id=asked.customer_id,
            coupon_id=coupon_id,
        )

    decision = await decide_by_hand(connection, asked, deciding, UNDO_TYPE, requested)
    if decision.reason is not None:
        return decision.reason
    points, balance = _moved(decision, EntryKind.RESTORED)
    return Undone(points=points, balance=balance)


def _moved(decision: Decision, kind: EntryKind) -> tuple[int, int]:
    """The points of the one entry of this kind, and the balance after the last entry."""
    posts = [effect for effect in decision.effects if isinstance(effect, Post)]
    (mine,) = (post for post in posts if post.kind is kind)
    return mine.points, posts[-1].balance
