"""Store a partner's shops and products, one table each, in the same few ways."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.adapters.postgres.queries import queries

_SQL = queries("catalogue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The queries of one table, and its columns that a partner defines, in the order the queries take them."""

    columns: tuple[str, ...]
    insert: str
    one: str
    change: str
    update: str
    page: str
    count: str


SHOPS = Kind(
    columns=("name",),
    insert=_SQL["insert_shop"],
    one=_SQL["shop"],
    change=_SQL["change_shop"],
    update=_SQL["update_shop"],
    page=_SQL["shops"],
    count=_SQL["count_shops"],
)
PRODUCTS = Kind(
    columns=("name", "sku"),
    insert=_SQL["insert_product"],
    one=_SQL["product"],
    change=_SQL["change_product"],
    update=_SQL["update_product"],
    page=_SQL["products"],
    count=_SQL["count_products"],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A shop or a product as stored; `fields` are what its partner defines."""

    id: int
    fields: dict[str, str | None]
    created_at: datetime
    updated_at: datetime


async def insert_place(
    connection: asyncpg.Connection, kind: Kind, partner_id: int, fields: dict[str, str | None]
) -> Place:
    """Add one to an existing partner."""
    (row,) = await connection.fetch(kind.insert, partner_id, *_values(kind, fields))
    return _place(kind, row)


async def place_by_id(
    connection: asyncpg.Connection,
    kind: Kind,
    partner_id: int,
    place_id: int,
    *,
    to_change: bool = False,
) -> Place | None:
    """The partner's own, or None; `to_change` keeps it locked until the commit."""
    query = kind.change if to_change else kind.one
    rows = await connection.fetch(query, partner_id, place_id)
    return _place(kind, rows[0]) if rows else None


async def update_place(
    connection: asyncpg.Connection,
    kind: Kind,
    partner_id: int,
    place_id: int,
    fields: dict[str, str | None],
) -> Place:
    """Give an existing one a new definition."""
    (row,) = await connection.fetch(kind.update, partner_id, place_id, *_values(kind, fields))
    return _place(kind, row)


async def list_places(
    connection: asyncpg.Connection, kind: Kind, partner_id: int, *, offset: int, limit: int
) -> tuple[list[Place], int]:
    """A page in the order of ids, and how many there are in all."""
    total: int = await connection.fetchval(kind.count, partner_id)
    rows = await connection.fetch(kind.page, partner_id, offset, limit)
    return [_place(kind, row) for row in rows], total


async def unknown_shops(
    connection: asyncpg.Connection, partner_id: int, shop_ids: Collection[int]
) -> set[int]:
    """Those of the ids that are no shop of this partner."""
    if not shop_ids:
        return set()
    rows = await connection.fetch(_SQL["unknown_shops"], partner_id, list(shop_ids))
    return {row["id"] for row in rows}


def _values(kind: Kind, fields: dict[str, str | None]) -> list[str | None]:
    return [fields[column] for column in kind.columns]


def _place(kind: Kind, row: asyncpg.Record) -> Place:
    return Place(
        id=row["id"],
        fields={column: row[column] for column in kind.columns},
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
