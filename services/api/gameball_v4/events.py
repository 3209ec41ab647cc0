"""Customers, what they do, and orders, told over HTTP by who has no Kafka; and what became of each event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import asyncpg
from fastapi import Path

from schemas.fields import rfc3339
from schemas.gameball_v4.answers import EventDecided, EventQueued
from schemas.gameball_v4.told import (
    CustomerTold,
    EventTold,
    Happening,
    OrderTold,
    customer_happening,
    event_happening,
    order_happening,
)
from services.adapters.postgres.programs import currency_of
from services.api.edge.call import Call
from services.api.edge.description import takes
from services.api.edge.idempotency import is_key, once
from services.api.edge.problems import defined, not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.edge.slashes import id_of
from services.api.edge.telling import tell
from services.api.gameball_v4.call import Writing
from services.api.gameball_v4.description import gives
from services.api.gameball_v4.documents import sent_object, shown
from services.decisions.explained import told_decision

router = Router(prefix="/api/v4/integrations", tags=["events"])

_QUEUED = gives(202, EventQueued, "The event is queued.", 400, 409)


@router.post("/customers", status_code=202, responses=_QUEUED, openapi_extra=takes(CustomerTold))
async def tell_customer(call: Writing) -> Reply:
    """Register a customer, or tell more of one who is known. What is given replaces what was known."""
    sent = await sent_object(call)

    async def read(_: asyncpg.Connection) -> Happening:
        return defined(customer_happening, sent, call.partner_id)

    return await _told(call, read)


@router.post("/events", status_code=202, responses=_QUEUED, openapi_extra=takes(EventTold))
async def tell_event(call: Writing) -> Reply:
    """Tell one thing that a customer did."""
    sent = await sent_object(call)

    async def read(_: asyncpg.Connection) -> Happening:
        return defined(event_happening, sent, call.partner_id)

    return await _told(call, read)


@router.post("/orders", status_code=202, responses=_QUEUED, openapi_extra=takes(OrderTold))
async def tell_order(call: Writing) -> Reply:
    """Tell an order that was placed."""
    sent = await sent_object(call)

    async def read(connection: asyncpg.Connection) -> Happening:
        currency = await currency_of(connection, call.partner_id)
        return defined(order_happening, sent, call.partner_id, currency)

    return await _told(call, read)


@router.get("/decisions/{eventId}", responses=gives(200, EventDecided, "What became of the event."))
async def show_decision(
    call: Writing,
    event_id: Annotated[str, Path(alias="eventId", description="Percent-encoded.")],
) -> Reply:
    """Show what has become of an event that was told over HTTP. 404 until it is decided."""
    event_id = id_of(event_id)
    if not is_key(event_id):
        raise not_found("eventId")
    async with call.reading() as connection:
        said = await told_decision(connection, call.partner_id, event_id)
    if said is None:
        raise not_found("eventId")
    ids = {
        name: None if said[name] is None else str(said[name])
        for name in ("coupon_id", "blocking_coupon_id")
    }
    return shown(said | ids | {"decided_at": rfc3339(said["decided_at"])})


async def _told(call: Call, read: Callable[[asyncpg.Connection], Awaitable[Happening]]) -> Reply:
    """202, once the event is queued."""

    async def work(connection: asyncpg.Connection) -> Reply:
        happening = await read(connection)
        event_id = await tell(
            connection,
            call,
            topic=happening.topic,
            type=happening.type,
            customer_id=happening.customer_id,
            value=happening.value,
        )
        return shown({"eventId": event_id}, status=202)

    return await once(call, work)
