"""Issue a coupon by hand: a completion like any other to the rules, told by staff instead of a game.

The decision's event is the request: source `/couponry/staff`, id the request's. The same request again, for the same
customer and game, is the same event and gets the same coupon. What the rules decline leaves nothing behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import asyncpg

from services.adapters.event_keys import event_key
from services.adapters.postgres import inbox
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.pool import Connection
from services.decisions.transaction import Deciding
from services.domain.arrival import Incoming, LockedCustomer
from services.domain.coupons.effects import DeclineReason
from services.domain.events import Cause, GameCompleted, Position

SOURCE: Final = "/couponry/staff"
"""Also in place of a topic: no topic may have such a name."""
TYPE: Final = "staff.issue"
DECIDED_ONCE: Final = "an_event_is_decided_once"


class EventTaken(LostRace):
    """The id belongs to another event: begin again with a longer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueByHand:
    """What staff ask for. `event_id` names the request, for ever."""

    partner_id: int
    game_id: int
    customer_id: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedByHand:
    """The coupon; not new if this very request got it when it came before."""

    coupon_id: str
    is_new: bool


async def issue_by_hand(
    connection: Connection, asked: IssueByHand, deciding: Deciding
) -> IssuedByHand | DeclineReason:
    """The coupon, or why none is due; then roll back. In the caller's transaction. Raises LostRace, EventTaken."""
    key = (asked.partner_id, asked.customer_id)
    manner = deciding.manner
    locked = (await inbox.lock_customers(connection, {key}, manner.clock_offset, manner.guard))[key]
    for row in await inbox.decision_of(connection, event_key(SOURCE, asked.event_id)):
        if (row["customer_no"], row["game_id"]) == (locked.number, asked.game_id):
            return IssuedByHand(coupon_id=str(row["coupon_id"]), is_new=False)
        raise EventTaken(asked.event_id)
    decided = await deciding.decide(connection, [_incoming(asked, locked)])
    if not decided.verdicts:
        raise EventTaken(asked.event_id)
    (verdict,) = decided.verdicts
    if verdict.decision.coupon_id is None:
        assert isinstance(verdict.decision.reason, DeclineReason)
        return verdict.decision.reason
    try:
        await deciding.record(connection, decided)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == DECIDED_ONCE:
            raise EventTaken(asked.event_id) from error
        raise
    return IssuedByHand(coupon_id=verdict.decision.coupon_id, is_new=True)


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
        timestamp_ms=0,
    )
