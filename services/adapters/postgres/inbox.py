"""What a batch reads first: which events are decided, the customers' locks and instants, the games."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeAlias

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.domain.arrival import CustomerKey, Incoming, LockedCustomer
from services.domain.program import NO_LIMITS, CustomerLimits, Game, GameType, window

_SQL = queries("inbox")

_Row: TypeAlias = "asyncpg.Record | Mapping[str, Any]"


class KeyCollision(Exception):
    """Two different events share an event key: told apart by their full texts, never dropped as a repeat."""


async def undecided(connection: Connection, incoming: Sequence[Incoming]) -> list[Incoming]:
    """Those that have no decision yet. Raises KeyCollision when a stored key belongs to another event."""
    rows = await connection.fetch(_SQL["decided"], [one.event_key for one in incoming])
    if not rows:
        return list(incoming)
    decided = {str(row["event_key"]): (row["event_source"], row["event_id"]) for row in rows}
    fresh = []
    for one in incoming:
        stored = decided.get(one.event_key)
        if stored is None:
            fresh.append(one)
        elif stored != one.identity:
            raise KeyCollision(f"event key {one.event_key} belongs to event {stored!r}")
    return fresh


async def lock_customers(
    connection: Connection, customers: Collection[CustomerKey], clock_offset: timedelta
) -> dict[CustomerKey, LockedCustomer]:
    """Lock these customers until the end of the transaction, in one order for every process."""
    ordered = sorted(customers)
    rows = await connection.fetch(
        _SQL["lock_customers"],
        [partner_id for partner_id, _ in ordered],
        [customer_id for _, customer_id in ordered],
        clock_offset,
    )
    return {
        (partner_id, customer_id): LockedCustomer(number=number, at=at, is_new=is_new)
        for partner_id, customer_id, number, at, is_new in rows
    }


async def load_games(connection: Connection, ids: Collection[int]) -> dict[int, Game]:
    """The games of these ids that exist."""
    rows = await connection.fetch(_SQL["games"], sorted(ids))
    return {row["id"]: game_from(row) for row in rows}


async def stamp_game_versions(
    connection: Connection, partner_ids: Collection[int]
) -> dict[int, int]:
    """Version by id of every stamp game of these partners."""
    rows = await connection.fetch(_SQL["stamp_games"], sorted(partner_ids))
    return {row["id"]: row["version"] for row in rows}


def game_from(row: _Row) -> Game:
    """A game's rules from a row that has its columns and the partner's `time_zone`."""
    starts_at, ends_at = window(row["start_date"], row["end_date"], row["time_zone"])
    return Game(
        id=row["id"],
        partner_id=row["partner_id"],
        version=row["version"],
        is_active=row["is_active"],
        allow_multiple_active_coupons=row["allow_multiple_active_coupons"],
        coupon_validity_days=row["coupon_validity_days"],
        starts_at=starts_at,
        ends_at=ends_at,
        reward_description=row["reward_description"],
        product_ids=tuple(row["product_ids"]),
        game_type=GameType(row["game_type"]),
        code_prefix=row["code_prefix"],
        stamps_required=row["stamps_required"],
        customer_limits=_customer_limits(row),
        total_limit=row["total_limit"],
        time_zone=row["time_zone"],
    )


def _customer_limits(row: _Row) -> CustomerLimits:
    """`NO_LIMITS` itself where there is none: the rules ask for it by identity, for every event."""
    limits = CustomerLimits(
        lifetime=row["customer_limit"],
        per_day=row["customer_limit_per_day"],
        per_week=row["customer_limit_per_week"],
        per_month=row["customer_limit_per_month"],
    )
    return NO_LIMITS if limits.largest is None else limits


async def current_versions(connection: Connection, ids: Collection[int]) -> dict[int, int]:
    """Version by game id, shared until the commit. A batch's last statement."""
    rows = await connection.fetch(_SQL["confirm_versions"], sorted(ids))
    return {row["id"]: row["version"] for row in rows}


async def open_letters_before(
    connection: Connection, firsts: Mapping[tuple[str, int], int], window_records: int
) -> dict[tuple[str, int], int]:
    """Per (topic, partition): open dead letters among the records just before that offset."""
    rows = await connection.fetch(
        _SQL["open_letters_before"],
        [topic for topic, _ in firsts],
        [partition for _, partition in firsts],
        list(firsts.values()),
        window_records,
    )
    return {(row["topic"], row["partition"]): row["open"] for row in rows}
