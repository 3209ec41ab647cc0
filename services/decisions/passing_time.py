"""Record what time alone has done to coupons: expiries, lapsed reservations, and notices of a coming end.

All of it takes effect by itself at its instant; recording it tells subscribers and frees places for good: once
closed, a coupon cannot come back to life when the clock is set back. Whoever comes first, issuer, sweeper or a change
of rules, publishes it, and nobody else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import asyncpg

from services.adapters.postgres import coupons
from services.adapters.postgres.clock import trusted_clock
from services.adapters.postgres.coupons import coupon_from
from services.adapters.postgres.failures import Kind, kind_of
from services.adapters.postgres.inbox import lock_customers
from services.adapters.postgres.pool import Connection
from services.decisions.manner import Manner
from services.decisions.recording import write
from services.decisions.rows import Owner, Rows
from services.domain.arrival import CustomerKey, LockedCustomer
from services.domain.coupons.coupon import OPEN_STATUSES, Step
from services.domain.coupons.lifecycle import settle
from services.domain.coupons.notices import next_notice

CLOSED_AT_ONCE = 50
"""In one transaction that a change of rules needs: an issuer that waits for one of the customers hardly notices."""


@dataclass(slots=True, kw_only=True)
class Settlement:
    """What was recorded, by kind; `due_from` is when the first coupon that was looked at was due, if any was."""

    expired: int = 0
    released: int = 0
    notified: int = 0
    due_from: datetime | None = None

    @property
    def total(self) -> int:
        return self.expired + self.released + self.notified


class CannotSettle(Exception):
    """Of some of these nothing can be recorded, through no fault of the server; the cause says why."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(f"{len(ids)} cannot be settled together")
        self.ids = ids


@contextmanager
def settling(ids: Iterable[object]) -> Iterator[None]:
    """Around what is recorded of these, their customers locked. Raises CannotSettle where one of them is at fault."""
    try:
        yield
    except Exception as error:
        # Under the locks nobody can have come first: a row that is there already should not be there.
        if kind_of(error) is Kind.FAULT or isinstance(error, asyncpg.UniqueViolationError):
            raise CannotSettle([str(each) for each in ids]) from error
        raise


async def settle_due(
    connection: Connection,
    manner: Manner,
    *,
    actor: str,
    limit: int,
    without: Collection[str] = (),
    floor: datetime = coupons.BEGINNING,
) -> Settlement:
    """Settle up to `limit` coupons that are due, in the caller's transaction; nothing recorded: nothing was due.

    `without`: coupons to leave alone. What was due before `floor` is not looked for. Raises ClockApart, CannotSettle.
    """
    at = await trusted_clock(connection, manner.clock_offset, manner.guard)
    candidates = await coupons.due(connection, at, limit, without, floor)
    with settling([row["id"] for row in candidates]):
        settlement = await _settle(connection, candidates, manner, actor)
    settlement.due_from = min((row["first_at"] for row in candidates), default=None)
    return settlement


async def close_lapsed(
    connection: Connection, manner: Manner, game_ids: Collection[int], at: datetime, *, actor: str
) -> bool:
    """Close coupons of these games that are over at `at`; False: as many as go at once, and there may be more.

    Takes the customers' locks first, like an issuer, and must come before any lock on a game.
    """
    lapsed = await coupons.lapsed_of_games(connection, game_ids, at, CLOSED_AT_ONCE)
    await _settle(connection, lapsed, manner, actor)
    return len(lapsed) < CLOSED_AT_ONCE


async def _settle(
    connection: Connection, candidates: Collection[asyncpg.Record], manner: Manner, actor: str
) -> Settlement:
    """Lock the customers, read the coupons again, and record what is due at each customer's own instant."""
    settlement = Settlement()
    if not candidates:
        return settlement
    customers = await lock_customers(
        connection,
        {(row["partner_id"], row["customer_id"]) for row in candidates},
        manner.clock_offset,
        manner.guard,
    )
    rows = Rows(writing=manner.writing)
    for row in await coupons.with_owners(connection, [row["id"] for row in candidates]):
        _settle_one(rows, row, customers, actor, settlement)
    await write(connection, rows, by_copy=manner.by_copy)
    return settlement


def _settle_one(
    rows: Rows,
    row: asyncpg.Record,
    customers: Mapping[CustomerKey, LockedCustomer],
    actor: str,
    settlement: Settlement,
) -> None:
    at = customers[row["partner_id"], row["customer_id"]].at
    owner = Owner.of_row(row, actor)
    settled = settle(coupon_from(row), at)
    for change in settled.effects:
        rows.add_step(change, owner)
        settlement.expired += change.step is Step.EXPIRED
        settlement.released += change.step is Step.RELEASED
    coupon = settled.coupon
    if coupon.status in OPEN_STATUSES and coupon.notice_at is not None and coupon.notice_at <= at:
        assert coupon.expires_at is not None
        following = next_notice(
            row["mended_at"] or coupon.issued_at,
            coupon.expires_at,
            rows.writing.expiring_leads_hours,
            at=at,
        )
        rows.add_notice(replace(coupon, notice_at=following), at, owner)
        settlement.notified += 1
