"""Store partners."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import asyncpg

from services.adapters.postgres.catalogue import SHOPS, insert_entry
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
    sources: list[str]


async def add_partner(
    connection: Connection, name: str, time_zone: str, sources: Sequence[str] = ()
) -> NewPartner:
    """Add a partner with a first shop of the same name, in one transaction. `sources`: who may speak for it."""
    store_id, api_key, secret_key = (
        secrets.token_hex(8),
        secrets.token_urlsafe(24),
        secrets.token_urlsafe(32),
    )
    async with connection.transaction():
        partner_id = await connection.fetchval(
            _SQL["insert_partner"], name, time_zone, store_id, digest(api_key), digest(secret_key),
            list(sources),
        )  # fmt: skip
        shop = await insert_entry(connection, SHOPS, partner_id, {"name": name})
    return NewPartner(
        id=partner_id,
        name=name,
        time_zone=time_zone,
        store_id=store_id,
        api_key=api_key,
        secret_key=secret_key,
        default_shop_id=shop.id,
        sources=list(sources),
    )


def digest(key: str) -> bytes:
    """What is stored of a key. Keys are long and random, so a plain SHA-256 cannot be searched."""
    return hashlib.sha256(key.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownByKeys:
    """Whose the API key is. `has_secret`: its secret key came with it."""

    partner_id: int
    has_secret: bool


async def partner_of_keys(
    connection: Connection, api_key: str, secret_key: str | None
) -> KnownByKeys | None:
    """The partner of this API key, or None: nobody's."""
    secret = None if secret_key is None else digest(secret_key)
    rows = await connection.fetch(_SQL["partner_of_keys"], digest(api_key), secret)
    return KnownByKeys(**rows[0]) if rows else None


async def list_partners(connection: Connection) -> list[asyncpg.Record]:
    """`id, name, time_zone, store_id, sources, created_at`, oldest first."""
    rows: list[asyncpg.Record] = await connection.fetch(_SQL["list_partners"])
    return rows


async def known_partners(connection: Connection, ids: Collection[int]) -> set[int]:
    """Those of the ids that are partners."""
    return {row["id"] for row in await connection.fetch(_SQL["known_partners"], list(ids))}


async def store_id_of(connection: Connection, partner_id: int) -> str | None:
    """The partner's store id; None of nobody."""
    store_id: str | None = await connection.fetchval(_SQL["store_id_of"], partner_id)
    return store_id


async def set_sources(
    connection: Connection, partner_id: int, sources: Sequence[str]
) -> list[str] | None:
    """Say who may speak for the partner, nobody named: anybody. Returns who might before; None: no such partner."""
    rows = await connection.fetch(_SQL["set_sources"], partner_id, list(sources))
    return list(rows[0]["before"]) if rows else None


async def sources_of(
    connection: Connection | asyncpg.Pool, ids: Collection[int]
) -> dict[int, tuple[str, ...]]:
    """Who may speak for these partners, where anybody is named."""
    rows = await connection.fetch(_SQL["sources"], list(ids))
    return {row["id"]: tuple(row["sources"]) for row in rows}
