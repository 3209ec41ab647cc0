"""`/configurations/coupon/deliveries` and beside it: what the partner's own system was told, and telling it again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import asyncpg
import orjson
from fastapi import Path, Query

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.changing import whole
from schemas.gameball_v4.deliveries import (
    DeliveryStatus,
    GivenCode,
    Redrive,
    ShownCode,
    ShownDeliveries,
    ShownDelivery,
    ShownQueued,
)
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.values import moment, shown_moment
from services.adapters.postgres import deliveries
from services.adapters.postgres.clock import clock
from services.adapters.postgres.failures import LostRace
from services.adapters.postgres.queries import queries
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.description import KEYED, takes
from services.api.edge.idempotency import once
from services.api.edge.problems import Problem, Reason, invalid, not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4 import sections
from services.api.gameball_v4.call import Writing
from services.api.gameball_v4.delivery_names import CouponOfPath, CouponSought, read_id
from services.api.gameball_v4.description import gives
from services.api.gameball_v4.documents import sent_object, shown
from services.api.gameball_v4.failures import Refusal
from services.api.gameball_v4.parameters import PER_PAGE, CustomerAsked, PageLimit
from services.api.gameball_v4.webhook_tests import webhook_of
from services.decisions.delivering import Given, give
from services.domain.webhooks.answers import DeliveryKind

router = Router(prefix="/api/v4/integrations/configurations/coupon", tags=["coupon-webhook"])
of_coupons = Router(prefix="/api/v4/integrations/coupons", tags=["coupons"])

_SQL = queries("deliveries", __package__)
T = TypeVar("T")
DeliveryOfPath = Annotated[str, Path(alias="deliveryId", description="A `webhook-id`.")]


@router.get("/deliveries", responses=gives(200, ShownDeliveries, "Some of them."))
async def list_deliveries(
    call: Writing,
    limit: PageLimit = PER_PAGE,
    start_after: Annotated[str | None, Query(alias="startAfter")] = None,
    status: DeliveryStatus | None = None,
    coupon_id: CouponSought = None,
    customer_id: CustomerAsked = None,
    begin: Annotated[str | None, Query(alias="from", description="Issued then or later.")] = None,
    end: Annotated[str | None, Query(alias="to", description="Issued then or before.")] = None,
) -> Reply:
    """List what the partner's own coupon system is told, by when that happened, the newest first."""
    _, now = await sections.read(call)
    zone = now.circumstances.time_zone
    begin_at, end_at = _at("from", begin, zone, False), _at("to", end, zone, True)
    async with call.reading() as connection:
        after = None if start_after is None else await _found(connection, start_after)
        if start_after is not None and after is None:
            raise Problem(Reason.PARAMETERS_INVALID, errors={"startAfter": []})
        place = (None, None) if after is None else (after["at"], after["number"])
        rows = await connection.fetch(
            _SQL["deliveries"], call.partner_id, status, coupon_id, customer_id, begin_at, end_at, *place,
            limit + 1,
        )  # fmt: skip
        found = await _shown(connection, rows[:limit])
    return shown({"deliveries": found, "count": len(found), "hasMore": len(rows) > limit})


@router.post(
    "/deliveries/{deliveryId}/resend",
    responses=gives(200, ShownDelivery, "The delivery, as it waits now.", 409),
    openapi_extra=KEYED,
)
async def resend_delivery(call: Writing, delivery_id: DeliveryOfPath) -> Reply:
    """Send it again, under the same id, as if it had never been tried; also one that was delivered."""

    async def work(connection: asyncpg.Connection) -> Reply:
        found = await _found(connection, delivery_id)
        if found is None:
            raise not_found("deliveryId")
        at = await clock(connection, call.api.manner.clock_offset)
        await deliveries.queue_again(connection, found, str(found["coupon_id"]), at)
        await audit.record(connection, call, "delivery.resent", delivery_id, after={})
        rows = await connection.fetch(
            _SQL["deliveries"], call.partner_id, None, found["coupon_id"], None, None, None, None, None, 2
        )  # fmt: skip
        (one,) = await _shown(connection, [row for row in rows if row["kind"] == found["kind"]])
        return shown(one)

    return await once(call, work)


@router.post(
    "/redrive",
    responses=gives(200, ShownQueued, "How many are sent now.", 400, 409),
    openapi_extra=takes(Redrive),
)
async def redrive_deliveries(call: Writing) -> Reply:
    """Queue what is dead, and what was issued before there was a webhook, in the order of issue."""
    sent = await sent_object(call)
    _, now = await sections.read(call)
    asked = _read(lambda: whole(Redrive, sent, now))

    async def work(connection: asyncpg.Connection) -> Reply:
        at = await clock(connection, call.api.manner.clock_offset)
        webhook = await webhook_of(connection, call)
        queued = await deliveries.redrive(
            connection, call.partner_id, webhook, asked.from_, asked.to, at
        )
        after = {"from": shown_moment(asked.from_), "to": shown_moment(asked.to), "queued": queued}
        await audit.record(connection, call, "deliveries.redriven", call.partner_id, after=after)
        return shown({"queued": queued})

    return await once(call, work)


@of_coupons.put(
    "/{couponId}/code",
    responses=gives(200, ShownCode, "The code of the coupon from now on.", 400, 409),
    openapi_extra=takes(GivenCode),
)
async def give_coupon_code(call: Writing, of_coupon: CouponOfPath) -> Reply:
    """Give a coupon the code that was promised with 202; once, for ever."""
    sent, coupon_id = await sent_object(call), str(of_coupon)
    code = _read(lambda: whole(GivenCode, sent, Sections())).code

    async def work(connection: asyncpg.Connection) -> Reply:
        try:
            await _give(connection, call, coupon_id, code)
        except asyncpg.UniqueViolationError as error:
            raise LostRace(str(error)) from error  # somebody else was given the same at once
        return shown({"couponId": coupon_id, "code": code, "codeStatus": "final"})

    return await once(call, work)


async def _give(connection: asyncpg.Connection, call: Call, coupon_id: str, code: str) -> None:
    """Raises Problem 404 for a coupon that nobody was told of, 409 for a code that it cannot have."""
    before = await deliveries.delivery(connection, coupon_id, DeliveryKind.ISSUED)
    if before is None:
        raise not_found("couponId")
    lines = [before["customer_no"]]
    await deliveries.held(connection, lines, [call.partner_id])
    found = await deliveries.delivery(connection, coupon_id, DeliveryKind.ISSUED)
    assert found is not None
    if found["external_code"] not in (None, code):
        raise Refusal("coupon_delivered")
    given = Given(
        coupon_id=coupon_id,
        partner_id=call.partner_id,
        customer_id=found["customer_id"],
        code=code,
    )
    if await give(connection, [given], call.api.manner):
        raise Refusal("code_taken")
    at = await clock(connection, call.api.manner.clock_offset)
    await deliveries.take_code(connection, coupon_id, at)
    await deliveries.served(connection, lines)
    await audit.record(
        connection,
        call,
        "coupon.code_given",
        coupon_id,
        before={"code": found["external_code"]},
        after={"code": code},
    )


async def _found(connection: asyncpg.Connection, name: str) -> asyncpg.Record | None:
    named = read_id(name)
    return None if named is None else await deliveries.delivery(connection, *named)


async def _shown(
    connection: asyncpg.Connection, rows: list[asyncpg.Record]
) -> list[dict[str, Any]]:
    attempts: dict[tuple[Any, str], list[dict[str, Any]]] = {}
    for row in await connection.fetch(
        _SQL["attempts"], [row["coupon_id"] for row in rows], [row["kind"] for row in rows]
    ):
        attempts.setdefault((row["coupon_id"], row["kind"]), []).append(_attempt(row))
    return [
        {
            "id": f"{row['kind']}_{row['coupon_id']}",
            "couponId": str(row["coupon_id"]),
            "customerId": row["customer_id"],
            "status": row["status"],
            "attempts": attempts.get((row["coupon_id"], row["kind"]), []),
            "nextAttemptAt": _moment(row["next_attempt_at"]),
            "externalCode": row["external_code"],
        }
        for row in rows
    ]


def _attempt(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "at": shown_moment(row["at"]),
        "status": row["status"],
        "error": row["error"],
        "durationMs": row["duration_ms"],
        "detail": row["detail"],
        "request": None if row["request"] is None else orjson.loads(row["request"]),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else shown_moment(at)


def _at(name: str, text: str | None, zone: str, is_end: bool) -> datetime | None:
    """Raises Problem 422."""
    try:
        return None if text is None else moment(text, zone, is_end=is_end)
    except ValueError:
        raise Problem(Reason.PARAMETERS_INVALID, errors={name: []}) from None


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except InvalidDefinition as refused:
        raise invalid(refused.errors) from None
