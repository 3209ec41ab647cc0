"""What a partner does to an account by hand: points booked, a card given or taken; decided and recorded like an event.

The decision's event is the request: its source names the door, its id is made by whoever asks. What the rules decline
leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from services.adapters.event_keys import event_key
from services.adapters.postgres import inbox, points, profiles
from services.adapters.postgres.pool import Connection
from services.decisions.manner import Manner
from services.decisions.transaction import Deciding
from services.domain.arrival import Incoming, LockedCustomer
from services.domain.decision import BookingReason, Decision
from services.domain.events import CardHandedOver, Cause, Event, PointsBooked, Position
from services.domain.origins import Source, SourceKind
from services.domain.points.wallet import EntryKind, Post

POINTS_TYPE: Final = "points.manual"
CARD_TYPE: Final = "card.assign"
BOOKED_ONCE: Final = "a_transaction_is_booked_once"
_PAID: Final = EntryKind.REVERSED
"""What of points that come in pays a debt at once."""


class TransactionExists(Exception):
    """The partner has booked a transaction of this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """Who asks for what: `source` and `event_id` name the request, for ever.

    `locked`: the customer, where the caller's transaction has locked them; None: the decision does.
    """

    partner_id: int
    customer_id: str
    source: str
    event_id: str
    traceparent: str | None = None
    locked: LockedCustomer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """The entry, and the balance in the end: of what comes in, a debt is paid first."""

    entry: Post
    balance: int


async def book_points(
    connection: Connection,
    asked: ByHand,
    deciding: Deciding,
    *,
    transaction_id: str,
    amount: int,
    reason: str | None,
    ends_at: datetime | None = None,
) -> Booked | BookingReason:
    """What was booked, or why nothing is; then roll back. In the caller's transaction.

    `amount` is not 0; below 0 it is taken. Raises LostRace, TransactionExists.
    """
    if await points.is_booked(connection, asked.partner_id, transaction_id):
        raise TransactionExists(transaction_id)

    def booked(cause: Cause, at: datetime) -> Event:
        return PointsBooked(
            cause=cause,
            occurred_at=at,
            partner_id=asked.partner_id,
            customer_id=asked.customer_id,
            transaction_id=transaction_id,
            points=amount,
            reason=reason,
            ends_at=ends_at,
        )

    try:
        decision = await decide_by_hand(connection, asked, deciding, POINTS_TYPE, booked)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == BOOKED_ONCE:
            raise TransactionExists(transaction_id) from error
        raise
    if isinstance(decision.reason, BookingReason):
        return decision.reason
    posts = [effect for effect in decision.effects if isinstance(effect, Post)]
    mine = Source(SourceKind.MANUAL, transaction_id)
    entry = next(post for post in posts if post.source == mine and post.kind is not _PAID)
    return Booked(entry=entry, balance=posts[-1].balance)


async def card_held(connection: Connection, locked: LockedCustomer) -> int | None:
    """The card that the customer holds until the caller's commit: nobody else gives them one meanwhile."""
    for row in await profiles.of_customers(connection, [locked.number]):
        held: int | None = row["card_id"]
        return held
    return None


async def hand_over_card(
    connection: Connection, asked: ByHand, deciding: Deciding, card_id: int | None
) -> None:
    """The customer holds this card and no other, or none. In the caller's transaction. Raises LostRace."""

    def handed_over(cause: Cause, at: datetime) -> Event:
        return CardHandedOver(
            cause=cause,
            occurred_at=at,
            partner_id=asked.partner_id,
            customer_id=asked.customer_id,
            card_id=card_id,
        )

    await decide_by_hand(connection, asked, deciding, CARD_TYPE, handed_over)


async def decide_by_hand(
    connection: Connection,
    asked: ByHand,
    deciding: Deciding,
    type_: str,
    event: Callable[[Cause, datetime], Event],
) -> Decision:
    """The decision, which is recorded unless it has a reason: then nothing is, and the caller rolls back."""
    locked = asked.locked or await lock(connection, asked, deciding.manner)
    cause = Cause(source=asked.source, id=asked.event_id, type=type_)
    decided = await deciding.decide(
        connection,
        [_incoming(asked, event(cause, locked.at))],
        locked={(asked.partner_id, asked.customer_id): locked},
    )
    (verdict,) = decided.verdicts
    if verdict.decision.reason is None:
        await deciding.record(connection, decided)
    return verdict.decision


async def lock(connection: Connection, asked: ByHand, manner: Manner) -> LockedCustomer:
    """The customer, locked until the caller's commit: for `ByHand.locked`. Raises ClockApart."""
    key = (asked.partner_id, asked.customer_id)
    return await inbox.lock_customer(connection, key, manner.clock_offset, manner.guard)


def _incoming(asked: ByHand, event: Event) -> Incoming:
    """The request as an event, read from nowhere."""
    return Incoming(
        event=event,
        event_key=event_key(asked.source, asked.event_id),
        position=Position(topic=asked.source, partition=0, offset=0),
        timestamp_ms=int(event.occurred_at.timestamp() * 1000),
        traceparent=asked.traceparent,
    )
