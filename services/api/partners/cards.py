"""`/{locale}/partners/cards`: create, list, get, update, delete.

This seed differs from that of games: pages at the top level, times without decimals, a message on every answer, and
answers that show only some fields after a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import asyncpg
import orjson
from fastapi import Depends, Path, Query

from schemas.fields import MAX_ID
from schemas.partners.answers import Done
from schemas.partners.card_answers import CardAnswer, CardChanged, CardCreated, CardList
from schemas.partners.cards import Card, read_card
from services.adapters.postgres.cards import (
    StoredCard,
    card_by_id,
    delete_card,
    insert_card,
    page_of_cards,
    update_card,
)
from services.adapters.postgres.catalogue import SHOPS
from services.api.edge import audit
from services.api.edge.call import Call
from services.api.edge.description import KEYED, takes
from services.api.edge.idempotency import once
from services.api.edge.parameters import Flag, Whole
from services.api.edge.problems import defined, not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.partners.call import calling
from services.api.partners.catalogue import require_known
from services.api.partners.description import gives
from services.api.partners.envelope import success
from services.api.partners.parameters import PageAsked

router = Router(prefix="/{locale}/partners/cards", tags=["cards"])

Asked = Annotated[Call, Depends(calling("cards"))]
CardId = Annotated[int, Path(ge=1, le=MAX_ID), Whole]
ShopId = Annotated[int, Query(ge=1, le=MAX_ID), Whole]

DEPRECATED: Final = "default_coupon_validity_days"
DEPRECATION: Final = {"deprecation": "@1767225600"}
"""RFC 9745: since when, as Unix time (the first day of 2026). The game's own value took the field's place."""
_CREATED: Final = ("title", "description", "is_active", DEPRECATED)
_CHANGED: Final = ("title", DEPRECATED)


@router.post(
    "",
    status_code=201,
    responses=gives(201, CardCreated, "The new card.", 400),
    openapi_extra=takes(Card),
)
async def create_card(call: Asked) -> Reply:
    """Add a card."""
    card = defined(read_card, await call.exact_object())

    async def work(connection: asyncpg.Connection) -> Reply:
        await require_known(connection, call, SHOPS, card.shop_ids)
        stored = await insert_card(connection, call.partner_id, card)
        await audit.record(connection, call, "card.created", stored.id, after=_definition(stored))
        data = {"id": stored.id, **_some(stored, *_CREATED), **_times(stored)}
        return success(data, status=201, message="Partner card created successfully")

    return await once(call, work, told=_deprecation)


@router.get("", responses=gives(200, CardList, "A page of cards."))
async def list_cards(
    call: Asked,
    page: PageAsked,
    is_active: Annotated[Flag | None, Query(description="Only those switched on, or off.")] = None,
    shop_id: ShopId | None = None,
) -> Reply:
    """List cards in the order of their ids."""
    async with call.reading() as connection:
        cards, total = await page_of_cards(
            connection,
            call.partner_id,
            is_active=is_active,
            shop_id=shop_id,
            offset=page.offset,
            limit=page.size,
        )
    for card in cards:
        card.update({name: shown_instant(card[name]) for name in ("created_at", "updated_at")})
    return success(
        cards,
        message="Partner cards retrieved successfully",
        headers=DEPRECATION if any(card[DEPRECATED] for card in cards) else None,
        pagination=page.body(total),
    )


@router.get("/{card_id}", responses=gives(200, CardAnswer, "The card."))
async def get_card(call: Asked, card_id: CardId) -> Reply:
    """Show a card."""
    async with call.reading() as connection:
        stored = await card_by_id(connection, call.partner_id, card_id)
    if stored is None:
        raise not_found("card_id")
    data = {"id": stored.id, **_definition(stored), **_times(stored)}
    return success(
        data,
        message="Partner card retrieved successfully",
        headers=DEPRECATION if data[DEPRECATED] is not None else None,
    )


@router.put(
    "/{card_id}",
    responses=gives(200, CardChanged, "What was changed.", 400),
    openapi_extra=takes(Card, partly=True),
)
async def change_card(call: Asked, card_id: CardId) -> Reply:
    """Change the fields that are given, leave the others."""
    fields = await call.exact_object()

    async def work(connection: asyncpg.Connection) -> Reply:
        before = await card_by_id(connection, call.partner_id, card_id, to_change=True)
        if before is None:
            raise not_found("card_id")
        card = defined(read_card, fields, _definition(before))
        if "shop_ids" in fields:
            await require_known(connection, call, SHOPS, card.shop_ids)
        stored = await update_card(connection, call.partner_id, card_id, card)
        await audit.record(
            connection,
            call,
            "card.updated",
            card_id,
            before=_definition(before),
            after=_definition(stored),
        )
        data = {"id": card_id, **_some(stored, *_CHANGED)}
        data["updated_at"] = shown_instant(stored.updated_at)
        return success(data, message="Partner card updated successfully")

    return await once(call, work, told=_deprecation)


@router.delete(
    "/{card_id}",
    responses=gives(200, Done, "It is gone; what was issued stays."),
    openapi_extra=KEYED,
)
async def remove_card(call: Asked, card_id: CardId) -> Reply:
    """Delete a card. Coupons that were issued are untouched."""

    async def work(connection: asyncpg.Connection) -> Reply:
        if not await delete_card(connection, call.partner_id, card_id):
            raise not_found("card_id")
        await audit.record(connection, call, "card.deleted", card_id)
        return success(message="Partner card deleted successfully")

    return await once(call, work)


def _deprecation(body: bytes) -> Mapping[str, str]:
    """Of an answer that shows one card."""
    return DEPRECATION if orjson.loads(body)["data"][DEPRECATED] is not None else {}


def _definition(stored: StoredCard) -> dict[str, Any]:
    """What the partner defined, in the definition's order."""
    return {name: stored.fields.get(name) for name in Card.model_fields}


def _some(stored: StoredCard, *names: str) -> dict[str, Any]:
    return {name: _definition(stored)[name] for name in names}


def _times(stored: StoredCard) -> dict[str, str]:
    return {
        "created_at": shown_instant(stored.created_at),
        "updated_at": shown_instant(stored.updated_at),
    }


def shown_instant(at: datetime) -> str:
    """In UTC, without decimals."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
