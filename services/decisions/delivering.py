"""Give coupons the codes that partners' own systems have answered, in the caller's transaction.

Once, for ever: a coupon that has one keeps it. Its owner is locked, so no till and no order reads it meanwhile; who
subscribes hears of the code by `coupon.delivered`, which is no step of its history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.topics import COUPON_LIFECYCLE
from services.adapters import wire
from services.adapters.postgres import coupons, deliveries, inbox
from services.adapters.postgres.coupons import coupon_from
from services.adapters.postgres.outbox import event_row
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.tables import add
from services.decisions.manner import Manner
from services.domain.coupons.codes import parse

DELIVERED = "delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A code for a coupon, from who answers for its partner."""

    coupon_id: str
    partner_id: int
    customer_id: str
    code: str


async def give(connection: Connection, given: Sequence[Given], manner: Manner) -> set[str]:
    """The coupons whose codes are another's: nothing is changed of those.

    A code is taken if the partner has it exactly as it is written, or if it reads as anybody's own; a coupon's own code
    sent back is none that is taken. Raises what a constraint raises where two are given one at once.
    """
    if not given:
        return set()
    customers = await inbox.lock_customers(
        connection,
        {(one.partner_id, one.customer_id) for one in given},
        manner.clock_offset,
        manner.guard,
    )
    numbers = await deliveries.codes_taken(
        connection,
        [(one.coupon_id, one.partner_id, one.code) for one in given],
        [parse(one.code) for one in given],
    )
    refused: set[str] = set()
    codes: dict[tuple[int, str], str] = {}
    for number, one in enumerate(given):
        if (
            number in numbers
            or codes.get((one.partner_id, one.code), one.coupon_id) != one.coupon_id
        ):
            refused.add(one.coupon_id)
        else:
            codes[one.partner_id, one.code] = one.coupon_id
    new = await deliveries.give_codes(
        connection, [(coupon_id, code) for (_, code), coupon_id in codes.items()]
    )
    rows = []
    for row in await coupons.with_owners(connection, sorted(new)):
        at = customers[row["partner_id"], row["customer_id"]].at
        coupon = coupon_from(row)
        value = wire.lifecycle_value(
            coupon,
            partner_id=row["partner_id"],
            customer_id=row["customer_id"],
            at=at,
            cause=None,
            external_code=coupon.external_code,
            mask_codes=manner.writing.mask_codes,
        )
        rows.append(
            event_row(
                COUPON_LIFECYCLE,
                f"coupon.{DELIVERED}",
                f"{coupon.id}.{DELIVERED}",
                at=at,
                subject=coupon.id,
                customer_id=row["customer_id"],
                value=value,
            )
        )
    await add(connection, "outbox", rows, by_copy=manner.by_copy)
    return refused
