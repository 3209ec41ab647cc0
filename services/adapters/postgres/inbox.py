"""The decision log, which is the inbox too: which events are decided, and what a batch locks before it decides."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from services.adapters.event_keys import event_key
from services.adapters.postgres.clock import OWN_CLOCK, ClockGuard
from services.adapters.postgres.failures import KeyCollision, SomebodyWaits
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.domain.arrival import CustomerKey, Incoming, LockedCustomer

_SQL = queries("inbox")

Place = tuple[CustomerKey, int]
"""A customer's single place in a game."""


class DecisionRow(NamedTuple):
    """A row of `decisions`: one per event, for ever."""

    event_key: str
    decided_at: datetime
    occurred_at: datetime
    partner_id: int
    customer_no: int
    game_id: int | None
    offset: int
    coupon_id: str | None
    blocking_coupon_id: str | None
    partition: int
    rule_version: int | None
    won: bool | None
    event_id: str
    event_source: str
    event_type: str
    topic: str
    outcome: str
    reason: str | None
    order_id: str | None
    codes: str | None
    traceparent: str | None
    program_version: int | None = None
    program: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Events that have no decision yet, their customers, locked, and the coupons that hold the places asked for.

    `holders` None: nobody has looked.
    """

    fresh: Sequence[Incoming] = ()
    customers: Mapping[CustomerKey, LockedCustomer] = field(default_factory=dict)
    holders: Sequence[asyncpg.Record] | None = ()


async def open_batch(
    connection: Connection,
    arrivals: Sequence[Incoming],
    places: Iterable[Place],
    clock_offset: timedelta,
    guard: ClockGuard = OWN_CLOCK,
    waiting: Container[CustomerKey] | None = None,
) -> Opened:
    """What a batch reads first: one round trip, and one more if some of its events are decided already.

    Customers are locked in one order for every process, until the end of the transaction; those of decided events are
    left alone. Raises KeyCollision when a stored key belongs to another event, ClockApart, SomebodyWaits of a customer
    that is not among the `waiting`, of whom that is known; with None of nobody.
    """
    fresh, wanted = arrivals, set(places)
    while fresh:
        customers = sorted({incoming.customer for incoming in fresh})
        number_of = {customer: number for number, customer in enumerate(customers, start=1)}
        asked = sorted((number_of[who], game) for who, game in wanted if who in number_of)
        rows = await connection.fetch(
            _SQL["open_batch"],
            [incoming.event_key for incoming in fresh],
            [partner_id for partner_id, _ in customers],
            [customer_id for _, customer_id in customers],
            [number for number, _ in asked],
            [game_id for _, game_id in asked],
            clock_offset,
        )
        if rows[0]["event_key"] is None:
            guard.check(rows[0]["now"])
            if waiting is not None:
                for customer, row in zip(customers, rows, strict=False):
                    if row["is_new"] is None and customer not in waiting:
                        raise SomebodyWaits
            return Opened(
                fresh=fresh,
                customers={
                    customer: LockedCustomer(
                        number=row["customer_no"], at=row["at"], is_new=bool(row["is_new"])
                    )
                    for customer, row in zip(customers, rows, strict=False)
                },
                holders=rows[len(customers) :],
            )
        fresh = _undecided(fresh, rows)
    return Opened()


def _undecided(arrivals: Sequence[Incoming], decided: Collection[asyncpg.Record]) -> list[Incoming]:
    """Those that are not decided, by rows that say which are."""
    stored = {str(row["event_key"]): (row["event_source"], row["event_id"]) for row in decided}
    fresh = []
    for incoming in arrivals:
        identity = stored.get(incoming.event_key)
        if identity is None:
            fresh.append(incoming)
        elif identity != incoming.identity:
            raise KeyCollision(f"event key {incoming.event_key} belongs to event {identity!r}")
    return fresh


async def undecided(
    connection: Connection | asyncpg.Pool, arrivals: Sequence[Incoming]
) -> list[Incoming]:
    """Those that have no decision yet, nobody locked. Raises KeyCollision like `open_batch`."""
    rows = await connection.fetch(_SQL["decided"], [incoming.event_key for incoming in arrivals])
    return _undecided(arrivals, rows)


async def decision_of(connection: Connection, source: str, event_id: str) -> asyncpg.Record | None:
    """The decision of this event, or None while there is none."""
    rows = await connection.fetch(_SQL["decision"], event_key(source, event_id), event_id, source)
    return rows[0] if rows else None


async def lock_customers(
    connection: Connection,
    customers: Collection[CustomerKey],
    clock_offset: timedelta,
    guard: ClockGuard = OWN_CLOCK,
) -> dict[CustomerKey, LockedCustomer]:
    """Lock these customers until the end of the transaction, in one order for every process. Raises ClockApart."""
    ordered = sorted(customers)
    rows = await connection.fetch(
        _SQL["lock_customers"],
        [partner_id for partner_id, _ in ordered],
        [customer_id for _, customer_id in ordered],
        clock_offset,
    )
    if rows:
        guard.check(rows[-1]["now"])
    return {
        (partner_id, customer_id): LockedCustomer(number=number, at=at, is_new=is_new)
        for partner_id, customer_id, number, at, is_new, _now in rows
    }


async def lock_customer(
    connection: Connection,
    customer: CustomerKey,
    clock_offset: timedelta,
    guard: ClockGuard = OWN_CLOCK,
) -> LockedCustomer:
    """This one alone."""
    return (await lock_customers(connection, {customer}, clock_offset, guard))[customer]
