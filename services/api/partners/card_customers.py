"""`/{locale}/partners/cards/{card_id}/customers`: who holds a card; giving it by hand, and taking it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import asyncpg

from schemas.partners.answers import Done
from schemas.partners.card_answers import CardHolders
from services.adapters.postgres.cards import card_by_id
from services.adapters.postgres.failures import CONFLICTS, LostRace
from services.adapters.postgres.queries import queries
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.description import KEYED
from services.api.edge.idempotency import once
from services.api.edge.problems import not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.partners.cards import Asked, CardId, shown_instant
from services.api.partners.description import gives
from services.api.partners.envelope import Refusal, success
from services.api.partners.parameters import CustomerOfPath, PageAsked
from services.decisions.accounts_by_hand import ByHand, card_held, hand_over_card, lock
from services.decisions.transaction import Deciding

router = Router(prefix="/{locale}/partners/cards/{card_id}/customers", tags=["cards"])

SOURCE: Final = "couponry/api/partners/cards"
COUNTED_AT_MOST: Final = 100_000
"""Fewer are counted exactly: a card that everybody is given is held by millions."""
NOT_HELD: Final = "Customer does not hold this card"
_SQL = queries("card_customers", __package__)


@router.get("", responses=gives(200, CardHolders, "A page of customers."))
async def list_card_customers(call: Asked, card_id: CardId, page: PageAsked) -> Reply:
    """List the customers who hold a card, those first who were known first.

    `total` is exact up to 100,000 of them. Of more it says that there are so many, or as many as lead to the page after
    the one asked for.
    """
    async with call.reading() as connection:
        await _require_card(connection, call, card_id)
        rows = await connection.fetch(_SQL["holders"], card_id, page.offset, page.size + 1)
        counted = await connection.fetchval(_SQL["count_holders"], card_id, COUNTED_AT_MOST)
    data: list[dict[str, Any]] = [
        {"customer_id": row["customer_id"], "since": shown_instant(row["card_since"])}
        for row in rows[: page.size]
    ]
    total = max(counted, page.offset + len(rows) if rows else 0)
    return success(
        data,
        message="Partner card customers retrieved successfully",
        pagination=page.body(total),
    )


@router.put(
    "/{customer_id}",
    responses=gives(200, Done, "The customer holds it.", 409),
    openapi_extra=KEYED,
)
async def give_card(call: Asked, card_id: CardId, customer_id: CustomerOfPath) -> Reply:
    """Give a customer a card, in place of the one they hold. The first time it brings its initial bonus."""

    async def work(connection: asyncpg.Connection) -> Reply:
        await _hand_over(connection, call, card_id, customer_id, gives=True)
        return success(message="Partner card given successfully")

    return await once(call, work)


@router.delete(
    "/{customer_id}",
    responses=gives(200, Done, "The customer holds none.", 409),
    openapi_extra=KEYED,
)
async def take_card(call: Asked, card_id: CardId, customer_id: CustomerOfPath) -> Reply:
    """Take a card from a customer who holds it. What it has brought stays."""

    async def work(connection: asyncpg.Connection) -> Reply:
        await _hand_over(connection, call, card_id, customer_id, gives=False)
        return success(message="Partner card taken successfully")

    return await once(call, work)


async def _hand_over(
    connection: asyncpg.Connection, call: Call, card_id: int, customer_id: str, *, gives: bool
) -> None:
    """Raises Problem 404 of a card that is not there, of somebody unknown, and for taking what is not held."""
    await _require_card(connection, call, card_id)
    if not await connection.fetchval(_SQL["is_known"], call.partner_id, customer_id):
        raise not_found("customer_id")
    asked = ByHand(
        partner_id=call.partner_id,
        customer_id=customer_id,
        source=SOURCE,
        event_id=str(uuid4()),
        traceparent=call.traceparent,
    )
    # Rules of its own for each request: what one partner may see is not kept for another.
    deciding = Deciding(call.api.manner)
    becomes = card_id if gives else None
    try:
        locked = await lock(connection, asked, deciding.manner)
        held = await card_held(connection, locked)
        if gives and held == card_id:
            return
        if not gives and held != card_id:
            raise Refusal(404, NOT_HELD)
        await hand_over_card(connection, replace(asked, locked=locked), deciding, becomes)
    except CONFLICTS as error:
        raise LostRace(str(error)) from error
    await audit.record(
        connection,
        call,
        "card.given" if gives else "card.taken",
        customer_id,
        before={"card_id": held},
        after={"card_id": becomes},
    )


async def _require_card(connection: asyncpg.Connection, call: Call, card_id: int) -> None:
    if await card_by_id(connection, call.partner_id, card_id) is None:
        raise not_found("card_id")
