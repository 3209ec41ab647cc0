"""Store partners, their shops and their products."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

_SQL = queries("partners")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPartner:
    """A partner just added. The keys exist here only: the database keeps their digests."""

    id: int
    name: str
    time_zone: str
    store_id: str
    api_key: str
    secret_key: str
    default_shop_id: int


async def add_partner(connection: Connection, name: str, time_zone: str) -> NewPartner:
    """Add a partner with a first shop of the same name, in one transaction."""
    store_id, api_key, secret_key = (
        secrets.token_hex(8),
        secrets.token_urlsafe(24),
        secrets.token_urlsafe(32),
    )
    async with connection.transaction():
        partner_id = await connection.fetchval(
            _SQL["insert_partner"], name, time_zone, store_id, digest(api_key), digest(secret_key)
        )
        shop_id = await connection.fetchval(_SQL["insert_shop"], partner_id, name)
    return NewPartner(
        id=partner_id,
        name=name,
        time_zone=time_zone,
        store_id=store_id,
        api_key=api_key,
        secret_key=secret_key,
        default_shop_id=shop_id,
    )


def digest(key: str) -> bytes:
    """What is stored of a key. Keys are long and random, so a plain SHA-256 cannot be searched."""
    return hashlib.sha256(key.encode()).digest()


async def list_partners(connection: Connection) -> list[asyncpg.Record]:
    """`id, name, time_zone, store_id, created_at`, oldest first."""
    rows: list[asyncpg.Record] = await connection.fetch(_SQL["list_partners"])
    return rows


async def known_partners(connection: Connection, ids: Collection[int]) -> set[int]:
    """Those of the ids that are partners."""
    return {row["id"] for row in await connection.fetch(_SQL["known_partners"], list(ids))}


async def add_shop(connection: Connection, partner_id: int, name: str) -> int | None:
    """The new shop's id; None when there is no such partner."""
    shop_id: int | None = await connection.fetchval(_SQL["insert_shop"], partner_id, name)
    return shop_id


async def list_shops(connection: Connection, partner_id: int | None) -> list[asyncpg.Record]:
    """`id, partner_id, name, created_at` of one partner's shops, or of all."""
    rows: list[asyncpg.Record] = await connection.fetch(_SQL["list_shops"], partner_id)
    return rows


async def add_product(
    connection: Connection, partner_id: int, name: str, sku: str | None
) -> int | None:
    """The new product's id; None when there is no such partner."""
    product_id: int | None = await connection.fetchval(
        _SQL["insert_product"], partner_id, name, sku
    )
    return product_id


async def list_products(connection: Connection, partner_id: int | None) -> list[asyncpg.Record]:
    """`id, partner_id, name, sku, created_at` of one partner's products, or of all."""
    rows: list[asyncpg.Record] = await connection.fetch(_SQL["list_products"], partner_id)
    return rows
