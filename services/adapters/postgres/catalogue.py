"""Store a partner's shops and products, one table each, in the same few ways."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

_SQL = queries("catalogue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The queries of one table, and its columns that a partner defines, in the order the queries take them."""

    word: str
    words: str
    columns: tuple[str, ...]
    insert: str
    one: str
    change: str
    update: str
    page: str
    count: str
    all: str
    unknown: str


SHOPS = Catalogue(
    word="shop",
    words="shops",
    columns=("name",),
    insert=_SQL["insert_shop"],
    one=_SQL["shop"],
    change=_SQL["change_shop"],
    update=_SQL["update_shop"],
    page=_SQL["shops"],
    count=_SQL["count_shops"],
    all=_SQL["all_shops"],
    unknown=_SQL["unknown_shops"],
)
PRODUCTS = Catalogue(
    word="product",
    words="products",
    columns=("name", "sku"),
    insert=_SQL["insert_product"],
    one=_SQL["product"],
    change=_SQL["change_product"],
    update=_SQL["update_product"],
    page=_SQL["products"],
    count=_SQL["count_products"],
    all=_SQL["all_products"],
    unknown=_SQL["unknown_products"],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """A shop or a product as stored; `fields` are what its partner defines."""

    id: int
    fields: dict[str, str | None]
    created_at: datetime
    updated_at: datetime


async def insert_entry(
    connection: Connection,
    catalogue: Catalogue,
    partner_id: int,
    fields: dict[str, str | None],
) -> CatalogueEntry:
    """Add one to an existing partner."""
    (row,) = await connection.fetch(catalogue.insert, partner_id, *_values(catalogue, fields))
    return _entry(catalogue, row)


async def entry_by_id(
    connection: Connection,
    catalogue: Catalogue,
    partner_id: int,
    entry_id: int,
    *,
    to_change: bool = False,
) -> CatalogueEntry | None:
    """The partner's own, or None; `to_change` keeps it locked until the commit."""
    query = catalogue.change if to_change else catalogue.one
    rows = await connection.fetch(query, partner_id, entry_id)
    return _entry(catalogue, rows[0]) if rows else None


async def update_entry(
    connection: Connection,
    catalogue: Catalogue,
    partner_id: int,
    entry_id: int,
    fields: dict[str, str | None],
) -> CatalogueEntry:
    """Give an existing one a new definition."""
    (row,) = await connection.fetch(
        catalogue.update, partner_id, entry_id, *_values(catalogue, fields)
    )
    return _entry(catalogue, row)


async def list_entries(
    connection: Connection,
    catalogue: Catalogue,
    partner_id: int,
    *,
    offset: int,
    limit: int,
) -> tuple[list[CatalogueEntry], int]:
    """A page in the order of ids, and how many there are in all."""
    total: int = await connection.fetchval(catalogue.count, partner_id)
    rows = await connection.fetch(catalogue.page, partner_id, offset, limit)
    return [_entry(catalogue, row) for row in rows], total


async def all_entries(
    connection: Connection, catalogue: Catalogue, partner_id: int | None
) -> list[asyncpg.Record]:
    """One partner's, or everybody's: id, partner, what the partner defines, and when it was added."""
    return await connection.fetch(catalogue.all, partner_id)


async def unknown_entries(
    connection: Connection, catalogue: Catalogue, partner_id: int, ids: Collection[int]
) -> set[int]:
    """Those of the ids that name none of this partner's."""
    if not ids:
        return set()
    rows = await connection.fetch(catalogue.unknown, partner_id, list(ids))
    return {row["id"] for row in rows}


def _values(catalogue: Catalogue, fields: dict[str, str | None]) -> list[str | None]:
    return [fields[column] for column in catalogue.columns]


def _entry(catalogue: Catalogue, row: asyncpg.Record) -> CatalogueEntry:
    return CatalogueEntry(
        id=row["id"],
        fields={column: row[column] for column in catalogue.columns},
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
