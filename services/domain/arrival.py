"""An event on its way through a batch: with its place, its key and the randomness drawn for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.domain.decision import Decision
from services.domain.events import Event, Position
from services.domain.state import CustomerState
from services.domain.values import quickly_made

CustomerKey = tuple[int, str]
"""(partner id, customer id): whose state an event concerns."""


@quickly_made(frozen=True, slots=True, kw_only=True)
class Incoming:
    """An event as read from a record. `event_key` is the text of the UUID made of its id and source.

    `traceparent` names the trace it belongs to, if any: no rule asks for it.
    """

    event: Event
    event_key: str
    position: Position
    timestamp_ms: int
    traceparent: str | None = None

    @property
    def customer(self) -> CustomerKey:
        return (self.event.partner_id, self.event.customer_id)

    @property
    def identity(self) -> tuple[str, str]:
        """(source, id): decided once for ever, whatever else the record says."""
        return (self.event.cause.source, self.event.cause.id)


@quickly_made(frozen=True, slots=True, kw_only=True)
class LockedCustomer:
    """A customer whose state nobody else changes meanwhile. `at` is the customer's decision instant.

    `is_new`: first met in this transaction, so there is nothing of theirs to load.
    """

    number: int
    at: datetime
    is_new: bool = False


@quickly_made(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A decided event, ready to be recorded. `after` is the customer then, if anything of the account has moved."""

    incoming: Incoming
    decision: Decision
    customer_no: int
    after: CustomerState | None = None


def in_deciding_order(arrivals: Iterable[Incoming]) -> list[Incoming]:
    """The one order in which events are decided, however a poll has mixed its partitions.

    Within a partition by offset, whatever the timestamps say: producers may have set those. Between partitions by the
    latest timestamp that each has come to, and then by name.
    """
    by_place = sorted(arrivals, key=lambda incoming: _place(incoming.position))
    reached: dict[tuple[str, int], int] = {}
    ordered = []
    for incoming in by_place:
        partition = incoming.position.topic, incoming.position.partition
        at = max(reached.get(partition, incoming.timestamp_ms), incoming.timestamp_ms)
        reached[partition] = at
        ordered.append((at, incoming))
    ordered.sort(key=lambda item: item[0])
    return [incoming for _, incoming in ordered]


def _place(position: Position) -> tuple[str, int, int]:
    return position.topic, position.partition, position.offset
