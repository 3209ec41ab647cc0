"""Issue a coupon by hand: a completion like any other to the rules, told by staff instead of a game.

The decision's event is the request: source `/couponry/staff`, with an id of its own that whoever asks makes. What the
rules decline leaves nothing behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.adapters.event_keys import event_key
from services.adapters.postgres import inbox
from services.adapters.postgres.pool import Connection
from services.decisions.transaction import Deciding
from services.domain.arrival import Incoming, LockedCustomer
from services.domain.coupons.effects import DeclineReason
from services.domain.events import Cause, GameCompleted, Position

SOURCE: Final = "/couponry/staff"
"""Also in place of a topic: no topic may have such a name."""
TYPE: Final = "staff.issue"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueByHand:
    """What staff ask for. `event_id` names the request, for ever; `traceparent` the trace it belongs to, if any."""

    partner_id: int
    game_id: int
    customer_id: str
    event_id: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedByHand:
    """The coupon."""

    coupon_id: str


async def issue_by_hand(
    connection: Connection, asked: IssueByHand, deciding: Deciding
) -> IssuedByHand | DeclineReason:
    """The coupon, or why none is due; then roll back. In the caller's transaction. Raises LostRace."""
    key = (asked.partner_id, asked.customer_id)
    manner = deciding.manner
    locked = await inbox.lock_customer(connection, key, manner.clock_offset, manner.guard)
    decided = await deciding.decide(connection, [_incoming(asked, locked)], locked={key: locked})
    (verdict,) = decided.verdicts
    if verdict.decision.coupon_id is None:
        assert isinstance(verdict.decision.reason, DeclineReason)
        return verdict.decision.reason
    await deciding.record(connection, decided)
    return IssuedByHand(coupon_id=verdict.decision.coupon_id)


def _incoming(asked: IssueByHand, locked: LockedCustomer) -> Incoming:
    """The request as an event that happens at the instant it is decided."""
    event = GameCompleted(
        cause=Cause(source=SOURCE, id=asked.event_id, type=TYPE),
        occurred_at=locked.at,
        partner_id=asked.partner_id,
        game_id=asked.game_id,
        customer_id=asked.customer_id,
        won=True,
    )
    return Incoming(
        event=event,
        event_key=event_key(SOURCE, asked.event_id),
        position=Position(topic=SOURCE, partition=0, offset=0),
        timestamp_ms=int(locked.at.timestamp() * 1000),
        traceparent=asked.traceparent,
    )
