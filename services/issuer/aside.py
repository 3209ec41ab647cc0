"""Which records wait instead of being decided or given up, for what, and what to do: never a dead letter for our fault.

A record that cannot be read or decided because of itself is a dead letter. Everything else that goes wrong with one
(rules or coupons of a newer release, a time zone that is not installed, memory, a bug, a lock that is never had) is
ours: the record waits, and with it the same customer's later ones of that game, in their order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from zoneinfo import ZoneInfoNotFoundError

import asyncpg
from aiokafka import ConsumerRecord

from services.adapters.postgres import waiting
from services.adapters.postgres.failures import KeyCollision, Kind, is_timeout, kind_of
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.waiting import Aside, Queue, queue_of
from services.domain.arrival import Incoming
from services.domain.events import Position
from services.domain.folding import RuleFailed
from services.domain.unjudged import REPORT
from services.issuer.traces import said_of
from services.runtime.crashpoints import reach

BEHIND = "an earlier record of this customer waits"
BEHIND_TODO = "see to the earlier one, this one follows by itself"
Why = Callable[[Incoming], tuple[str, str] | None]
"""For what an event waits and what to do, or None."""

log = logging.getLogger(__name__)


def is_of_the_record(error: Exception) -> bool:
    """Whether a failure that a record causes alone is the record's own."""
    if isinstance(error, RuleFailed):
        return not isinstance(error.__cause__, (MemoryError, RecursionError, ZoneInfoNotFoundError))
    if isinstance(error, (KeyCollision, asyncpg.UniqueViolationError)):
        return True
    return isinstance(error, asyncpg.PostgresError) and kind_of(error) is Kind.FAULT


def why_of(error: Exception) -> tuple[str, str]:
    """What a record waits for that failed alone, through no fault of its own, and what somebody should do."""
    said = str(error).partition("\n")[0]
    if is_timeout(error) or isinstance(error, TimeoutError):
        todo = "see who holds this customer's row, or why Postgres is slow; it is tried again by itself"
        return f"it timed out alone, again and again ({said or type(error).__name__})", todo
    if kind_of(error) is Kind.LOST_RACE:
        todo = "see who changes this customer all the time; it is tried again by itself"
        return f"it lost every race ({said or type(error).__name__})", todo
    return f"this release failed on it ({type(error).__name__}: {said})", REPORT


def set_aside(
    records: Sequence[ConsumerRecord],
    arrivals: Sequence[Incoming],
    why: Why,
    queues: Collection[Queue] = (),
) -> tuple[list[Incoming], list[Aside]]:
    """The events that go on, and those that wait: for a reason of their own, or behind those that do already."""
    going, asides = [], []
    closed = set(queues)
    for incoming in arrivals:
        reason = why(incoming)
        is_behind = reason is None and queue_of(incoming) in closed
        if reason is None and not is_behind:
            going.append(incoming)
        else:
            closed.add(queue_of(incoming))
            text, todo = reason or (BEHIND, BEHIND_TODO)
            record = record_at(records, incoming.position)
            asides.append(
                Aside(record=record, why=text, todo=todo, incoming=incoming, is_behind=is_behind)
            )
    return going, asides


async def put_aside(connection: Connection, asides: Sequence[Aside]) -> None:
    """Keep them until they can be judged, in the caller's transaction."""
    await waiting.put(connection, asides)
    reach("waiting.after_put")


async def let_go(connection: Connection, places: Collection[int]) -> None:
    """These wait no longer: what came of them is in the caller's transaction."""
    reach("waiting.before_removal")
    await waiting.remove(connection, places)


def tell(asides: Iterable[Aside]) -> None:
    """Say in the log what waits now: once for each reason, with the first record and its partner."""
    by_reason: dict[tuple[str, str], list[Aside]] = {}
    for aside in asides:
        by_reason.setdefault((aside.why, aside.todo), []).append(aside)
    for (why, todo), some in by_reason.items():
        first = some[0].record
        partner = some[0].incoming.event.partner_id if some[0].incoming else "unknown"
        log.warning(
            "%d record(s) wait, the first is %s:%s:%s of partner %s: %s; %s",
            len(some), first.topic, first.partition, first.offset, partner, why, todo,
            extra=said_of((aside.record.headers, aside.record.value) for aside in some),
        )  # fmt: skip


def record_at(records: Sequence[ConsumerRecord], position: Position) -> ConsumerRecord:
    """The record that an event was read from."""
    wanted = (position.offset, position.partition, position.topic)
    return next(raw for raw in records if (raw.offset, raw.partition, raw.topic) == wanted)


def place_of(record: ConsumerRecord) -> Position:
    """Where a record stands."""
    return Position(topic=record.topic, partition=record.partition, offset=record.offset)
