"""Close coupons whose validity is over: status, step and `coupon.expired`, in the caller's transaction.

Expiry takes effect by itself at its instant. Recording it matters where somebody relies on it: once closed, a
coupon cannot come back to life when the clock is set back. Whoever closes it first publishes it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import asyncpg

from services.adapters import wire
from services.adapters.kafka import COUPON_LIFECYCLE
from services.adapters.postgres.inbox import lock_customers
from services.adapters.postgres.pool import SCHEMA
from services.adapters.postgres.queries import queries
from services.domain.coupon import CouponStatus

CLOSED_AT_ONCE = 5_000
"""Bounds the rows in memory; all of it is one transaction however many there are."""

_SQL = queries("lapse")


async def clock(connection: asyncpg.Connection, offset: timedelta) -> datetime:
    """The instant that counts now."""
    instant: datetime = await connection.fetchval(_SQL["clock"], offset)
    return instant


async def close_lapsed(
    connection: asyncpg.Connection,
    game_ids: Collection[int],
    at: datetime,
    *,
    actor: str,
    clock_offset: timedelta,
    mask_codes: bool,
) -> int:
    """Close the coupons of these games that are over at `at`; returns how many.

    Takes the customers' locks first, like an issuer, and must come before any lock on a game.
    """
    lapsed = await connection.fetch(_SQL["lapsed"], list(game_ids), at)
    if not lapsed:
        return 0
    await lock_customers(
        connection, {(row["partner_id"], row["customer_id"]) for row in lapsed}, clock_offset
    )
    ids = sorted(row["id"] for row in lapsed)
    closed = 0
    for start in range(0, len(ids), CLOSED_AT_ONCE):
        chosen = ids[start : start + CLOSED_AT_ONCE]
        rows = await connection.fetch(_SQL["close"], chosen)
        await _tell(connection, rows, actor, mask_codes)
        closed += len(rows)
    return closed


async def _tell(
    connection: asyncpg.Connection, rows: list[asyncpg.Record], actor: str, mask_codes: bool
) -> None:
    history, outbox = [], []
    for row in rows:
        coupon_id, step, at = str(row["id"]), row["steps"] + 1, row["expires_at"]
        history.append(
            (row["id"], step, row["partner_id"], at, CouponStatus.EXPIRED, actor, "validity_over")
        )
        value = wire.lifecycle_value(
            coupon_id=coupon_id,
            code=row["code"],
            code_prefix=row["code_prefix"],
            partner_id=row["partner_id"],
            game_id=row["game_id"],
            customer_id=row["customer_id"],
            status=CouponStatus.EXPIRED,
            at=at,
            cause=None,
            expires_at=at,
            mask_codes=mask_codes,
        )
        outbox.append(
            (at, COUPON_LIFECYCLE, "coupon.expired", f"{coupon_id}.{step}.expired",
             coupon_id, row["customer_id"], value)
        )  # fmt: skip
    await connection.copy_records_to_table(
        "coupon_history",
        schema_name=SCHEMA,
        columns=("coupon_id", "step", "partner_id", "at", "status", "actor", "reason"),
        records=history,
    )
    await connection.copy_records_to_table(
        "outbox",
        schema_name=SCHEMA,
        columns=("ce_time", "topic", "ce_type", "ce_id", "subject", "key", "value"),
        records=outbox,
    )
