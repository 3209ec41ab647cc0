"""Which deliveries are to be begun now: the heads of lines that are due, as far as their partners have room.

What is to be sent is marked as under way before anything is sent, so that whoever comes after a crash knows. A coupon
that was over before anybody was told of it is told of never; what the configuration of now does not send waits for
another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from services.adapters.postgres import deliveries
from services.adapters.postgres.coupon_terms import terms_of
from services.adapters.postgres.deliveries import AttemptRow, Ending
from services.domain.coupons.codes import display
from services.domain.coupons.coupon import OPEN_STATUSES, CouponStatus
from services.domain.webhooks.answers import AttemptError, DeliveryKind
from services.domain.webhooks.rendering import SentCoupon
from services.domain.webhooks.webhook import Webhook
from services.webhooks import metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An attempt that is under way, the `number`th of its delivery and the `tries`th since that was queued."""

    coupon: SentCoupon
    kind: DeliveryKind
    partner_id: int
    customer_no: int
    number: int
    tries: int
    began_at: datetime
    webhook: Webhook

    @property
    def id(self) -> str:
        """Of the delivery: the same on all attempts."""
        return f"{self.kind}_{self.coupon.coupon_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Over:
    """It is dead before its first attempt."""

    error: AttemptError


async def claim(
    connection: asyncpg.Connection,
    rooms: Mapping[int, int],
    webhooks: Mapping[int, Webhook],
    at: datetime,
) -> list[Begun]:
    """Begin so many of each of these partners, in a transaction of its own."""
    async with connection.transaction():
        begun: list[Begun] = []
        over: list[tuple[asyncpg.Record, AttemptError]] = []
        waits: list[asyncpg.Record] = []
        for row in await deliveries.due(connection, rooms, at):
            what = _before(row, webhooks[row["partner_id"]], at)
            match what:
                case None:
                    waits.append(row)
                case _Over():
                    over.append((row, what.error))
                case _:
                    begun.append(what)
        marks = [(one.coupon.coupon_id, str(one.kind), True) for one in begun]
        marks += [(str(row["coupon_id"]), row["kind"], False) for row, _ in over]
        await deliveries.begin(connection, marks, at)
    if over or waits:
        async with connection.transaction():
            await _without_attempt(connection, over, waits, at)
    return begun


def _before(row: asyncpg.Record, webhook: Webhook, at: datetime) -> Begun | _Over | None:
    """The attempt, or why there is none; None: it waits for another configuration."""
    kind = DeliveryKind(row["kind"])
    if not webhook.takes(row["type"]):
        return None
    if kind is DeliveryKind.CANCELLED:
        if webhook.cancel_url is None or row["issue_status"] == "held":
            return None
        if row["issue_status"] == "dead":
            return _Over(error=AttemptError.COUPON_CANCELLED)
    elif not row["was_sent"] and (error := _over(row, at)) is not None:
        return _Over(error=error)
    return Begun(
        coupon=SentCoupon(
            coupon_id=str(row["coupon_id"]),
            customer_id=row["customer_id"],
            code=display(row["code"], row["code_prefix"]),
            terms=terms_of(row["terms"]),
            expires_at=row["expires_at"],
        ),
        kind=kind,
        partner_id=row["partner_id"],
        customer_no=row["customer_no"],
        number=row["attempts"] + 1,
        tries=row["tries"] + 1,
        began_at=at,
        webhook=webhook,
    )


def _over(row: Mapping[str, Any] | asyncpg.Record, at: datetime) -> AttemptError | None:
    status = CouponStatus(row["coupon_status"])
    if status is CouponStatus.CANCELLED:
        return AttemptError.COUPON_CANCELLED
    has_ended = row["expires_at"] is not None and row["expires_at"] <= at
    if status is CouponStatus.EXPIRED or (status in OPEN_STATUSES and has_ended):
        return AttemptError.COUPON_EXPIRED
    return None


async def _without_attempt(
    connection: asyncpg.Connection,
    over: Sequence[tuple[asyncpg.Record, AttemptError]],
    waits: Sequence[asyncpg.Record],
    at: datetime,
) -> None:
    """Those that are over are dead, and those that wait are held; their lines go on."""
    lines = [row for row, _ in over] + list(waits)
    customers = {row["customer_no"] for row in lines}
    await deliveries.held(connection, customers, {row["partner_id"] for row in lines})
    await deliveries.put_back(connection, [(str(row["coupon_id"]), row["kind"]) for row in waits])
    if over:
        await deliveries.end_attempts(
            connection,
            [Ending(*_name(row), "dead", timedelta()) for row, _ in over],
            [
                AttemptRow(*_name(row), row["partner_id"], at, None, error, 0, None, None)
                for row, error in over
            ],
            at,
        )
        metrics.ATTEMPTS.labels("dead").inc(len(over))
    await deliveries.served(connection, customers)


def _name(row: asyncpg.Record) -> tuple[str, str, int]:
    """Of the attempt that there is none of: as if it had been the next."""
    return str(row["coupon_id"]), row["kind"], row["attempts"] + 1
