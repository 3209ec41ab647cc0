"""Store a partner's loyalty cards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import orjson

from services.adapters.exact_json import decoded, encoded
from services.adapters.postgres.games import Defined
from services.adapters.postgres.queries import queries

_SQL = queries("cards")


class LoyaltyCardRow(NamedTuple):
    """What a partner defines of a card. Fields as in the queries `insert_card` and `update_card`."""

    title: str
    is_active: bool
    default_coupon_validity_days: int | None
    shop_ids: list[int]
    settings: str
    """JSON of everything that is no column."""


_COLUMNS = LoyaltyCardRow._fields[:-1]
"""Fields of a card that are columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCard:
    """A card as it is in the database; `fields` are what its partner has defined."""

    id: int
    fields: dict[str, Any]
    created_at: datetime
    updated_at: datetime


async def insert_card(connection: asyncpg.Connection, partner_id: int, card: Defined) -> StoredCard:
    """Add a card to an existing partner."""
    (row,) = await connection.fetch(_SQL["insert_card"], partner_id, *_row_of(card))
    return _stored(row)


async def card_by_id(
    connection: asyncpg.Connection, partner_id: int, card_id: int, *, to_change: bool = False
) -> StoredCard | None:
    """The partner's own card, or None; `to_change` keeps it locked until the commit."""
    query = _SQL["change_card"] if to_change else _SQL["card"]
    rows = await connection.fetch(query, partner_id, card_id)
    return _stored(rows[0]) if rows else None


async def update_card(
    connection: asyncpg.Connection, partner_id: int, card_id: int, card: Defined
) -> StoredCard:
    """Give an existing card a new definition."""
    (row,) = await connection.fetch(_SQL["update_card"], partner_id, card_id, *_row_of(card))
    return _stored(row)


async def delete_card(connection: asyncpg.Connection, partner_id: int, card_id: int) -> bool:
    """False: there is no such card."""
    return await connection.fetchval(_SQL["delete_card"], partner_id, card_id) is not None


async def page_of_cards(
    connection: asyncpg.Connection,
    partner_id: int,
    *,
    is_active: bool | None,
    shop_id: int | None,
    offset: int,
    limit: int,
) -> tuple[list[dict[str, Any]], int]:
    """What a list shows of each card, in the order of ids, and how many the filters leave in all."""
    total: int = await connection.fetchval(_SQL["count_cards"], partner_id, is_active, shop_id)
    rows = await connection.fetch(
        _SQL["page_of_cards"], partner_id, is_active, shop_id, offset, limit
    )
    return [dict(row) | {"title": orjson.loads(row["title"])} for row in rows], total


def _row_of(card: Defined) -> LoyaltyCardRow:
    fields = card.model_dump()
    columns = {column: fields.pop(column) for column in _COLUMNS}
    return LoyaltyCardRow(**columns | {"title": _json(columns["title"]), "settings": _json(fields)})


def _json(value: Any) -> str:
    return encoded(value).decode()


def _stored(row: asyncpg.Record) -> StoredCard:
    fields: dict[str, Any] = decoded(row["settings"])
    fields.update({column: row[column] for column in _COLUMNS})
    fields["title"] = orjson.loads(row["title"])
    return StoredCard(
        id=row["id"],
        fields=fields,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
