"""What a batch reads: which events are decided, the customers' locks and instants, the games, the coupons held."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta

import asyncpg

from services.adapters.postgres.queries import queries
from services.domain.arrival import CustomerKey, Incoming, LockedCustomer
from services.domain.coupon import Coupon, CouponStatus
from services.domain.decide import CustomerState
from services.domain.program import Game, GameType, Program, window

_SQL = queries("inbox")


class KeyCollision(Exception):
    """Two different events share an event key: told apart by their full texts, never dropped as a repeat."""


async def undecided(connection: asyncpg.Connection, incoming: Sequence[Incoming]) -> list[Incoming]:
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
    connection: asyncpg.Connection, customers: Collection[CustomerKey], clock_offset: timedelta
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
        (partner_id, customer_id): LockedCustomer(number=number, at=at)
        for partner_id, customer_id, number, at in rows
    }


async def load_games(connection: asyncpg.Connection, ids: Collection[int]) -> dict[int, Game]:
    """The games of these ids that exist."""
    rows = await connection.fetch(_SQL["games"], sorted(ids))
    return {row["id"]: _game(row) for row in rows}


def _game(row: asyncpg.Record) -> Game:
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
    )


async def current_versions(connection: asyncpg.Connection, ids: Collection[int]) -> dict[int, int]:
    """Version by game id, shared until the commit. A batch's last statement."""
    return dict(await connection.fetch(_SQL["confirm_versions"], sorted(ids)))


async def load_states(
    connection: asyncpg.Connection,
    incoming: Iterable[Incoming],
    program: Program,
    customers: Mapping[CustomerKey, LockedCustomer],
) -> dict[CustomerKey, CustomerState]:
    """The state of every customer that holds something; the others are new to the rules."""
    pairs: dict[tuple[int, int], CustomerKey] = {}
    for one in incoming:
        game = program.game_of(one.event.partner_id, one.event.game_id)
        if game is not None and not game.allow_multiple_active_coupons:
            pairs[customers[one.customer].number, game.id] = one.customer
    if not pairs:
        return {}
    rows = await connection.fetch(
        _SQL["single_coupons"], [number for number, _ in pairs], [game_id for _, game_id in pairs]
    )
    held: dict[CustomerKey, dict[int, Coupon]] = {}
    for row in rows:
        customer = pairs[row["customer_no"], row["game_id"]]
        held.setdefault(customer, {})[row["game_id"]] = Coupon(
            id=str(row["id"]),
            game_id=row["game_id"],
            status=CouponStatus(row["status"]),
            issued_at=row["issued_at"],
            expires_at=row["expires_at"],
            reserved_until=row["reserved_until"],
        )
    return {customer: CustomerState(single_coupons=coupons) for customer, coupons in held.items()}


async def open_letters_before(
    connection: asyncpg.Connection, firsts: Mapping[tuple[str, int], int], window_records: int
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
