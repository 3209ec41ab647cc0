"""Record what time alone has done to coupons: expiries, lapsed reservations, and notices of a coming end.

All of it takes effect by itself at its instant; recording it tells subscribers and frees places for good: once
closed, a coupon cannot come back to life when the clock is set back. Whoever comes first, issuer, sweeper or a change
of rules, publishes it, and nobody else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import asyncpg

from services.adapters.postgres.inbox import lock_customers
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.recording import write
from services.adapters.postgres.rows import Owner, Rows, Writing
from services.adapters.postgres.states import coupon_from
from services.domain.arrival import CustomerKey, LockedCustomer
from services.domain.coupons.coupon import OPEN_STATUSES, Step
from services.domain.coupons.lifecycle import settle
from services.domain.coupons.notices import next_notice

CLOSED_AT_ONCE = 5_000
"""Bounds the rows in memory of a change of rules; all of it is one transaction however many there are."""

_SQL = queries("settle")


@dataclass(slots=True, kw_only=True)
class Settlement:
    """What was recorded, by kind."""

    expired: int = 0
    released: int = 0
    notified: int = 0

    @property
    def total(self) -> int:
        return self.expired + self.released + self.notified


async def clock(connection: Connection, offset: timedelta) -> datetime:
    """The instant that counts now."""
    instant: datetime = await connection.fetchval(_SQL["clock"], offset)
    return instant


async def backlog(connection: Connection, floor: int, most: int) -> tuple[int, int]:
    """How many events wait to be published, up to `most`, and the floor for the next call.

    A floor, because the index still has what was published until a vacuum; what commits below it later is not counted.
    """
    (row,) = await connection.fetch(_SQL["backlog"], floor, most)
    return row["waiting"], row["lowest"]


async def settle_due(
    connection: Connection,
    *,
    limit: int,
    actor: str,
    clock_offset: timedelta,
    writing: Writing,
) -> Settlement:
    """Settle up to `limit` coupons that are due, in the caller's transaction; nothing recorded: nothing was due."""
    at = await clock(connection, clock_offset)
    due = await connection.fetch(_SQL["due"], at, limit)
    return await _settle(connection, due, actor, clock_offset, writing)


async def close_lapsed(
    connection: Connection,
    game_ids: Collection[int],
    at: datetime,
    *,
    actor: str,
    clock_offset: timedelta,
    writing: Writing,
    by_copy: bool = True,
) -> int:
    """Close the coupons of these games that are over at `at`; returns how many. `by_copy` as in `write`.

    Takes the customers' locks first, like an issuer, and must come before any lock on a game.
    """
    lapsed = await connection.fetch(_SQL["lapsed_of_games"], list(game_ids), at)
    closed = 0
    for start in range(0, len(lapsed), CLOSED_AT_ONCE):
        chosen = lapsed[start : start + CLOSED_AT_ONCE]
        settlement = await _settle(connection, chosen, actor, clock_offset, writing, by_copy)
        closed += settlement.expired
    return closed


async def _settle(
    connection: Connection,
    candidates: Collection[asyncpg.Record],
    actor: str,
    clock_offset: timedelta,
    writing: Writing,
    by_copy: bool = True,
) -> Settlement:
    """Lock the customers, read the coupons again, and record what is due at each customer's own instant."""
    settlement = Settlement()
    if not candidates:
        return settlement
    customers = await lock_customers(
        connection, {(row["partner_id"], row["customer_id"]) for row in candidates}, clock_offset
    )
    rows = Rows()
    for row in await connection.fetch(_SQL["coupons"], [row["id"] for row in candidates]):
        _settle_one(rows, row, customers, actor, writing, settlement)
    await write(connection, rows, by_copy=by_copy)
    return settlement


def _settle_one(
    rows: Rows,
    row: asyncpg.Record,
    customers: Mapping[CustomerKey, LockedCustomer],
    actor: str,
    writing: Writing,
    settlement: Settlement,
) -> None:
    at = customers[row["partner_id"], row["customer_id"]].at
    owner = Owner(
        partner_id=row["partner_id"],
        customer_no=row["customer_no"],
        customer_id=row["customer_id"],
        event_key=None,
        actor=actor,
        cause=None,
    )
    settled = settle(coupon_from(row), at)
    for change in settled.effects:
        rows.add_step(change, owner, writing.mask_codes)
        settlement.expired += change.step is Step.EXPIRED
        settlement.released += change.step is Step.RELEASED
    coupon = settled.coupon
    if coupon.status in OPEN_STATUSES and coupon.notice_at is not None and coupon.notice_at <= at:
        assert coupon.expires_at is not None
        following = next_notice(
            coupon.issued_at, coupon.expires_at, writing.expiring_leads_hours, at=at
        )
        rows.add_notice(replace(coupon, notice_at=following), at, owner, writing.mask_codes)
        settlement.notified += 1
