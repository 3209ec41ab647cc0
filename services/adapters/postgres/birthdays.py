"""Birthdays that were told, each once a year, in the database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import columns_of, fetch_by

_SQL = queries("birthdays")


async def told(
    connection: Connection, days: Collection[tuple[int, str, int]]
) -> list[asyncpg.Record]:
    """Those of these, by (partner id, customer id, year), that were told, with the customer's number."""
    return await fetch_by(connection, _SQL["birthdays_told"], days)


async def due(connection: Connection, at: datetime, limit: int) -> list[asyncpg.Record]:
    """Customers, locked unless somebody else has, whose noted birthday has begun by then, the earliest first."""
    return await connection.fetch(_SQL["birthdays_due"], at, limit)


async def tell(
    connection: Connection, customer_no: int, year: int, partner_id: int, at: datetime
) -> bool:
    """Note that this birthday is told; False: it was told before."""
    told_now = await connection.fetchval(_SQL["tell_birthday"], customer_no, year, partner_id, at)
    return told_now is not None


async def move(connection: Connection, rows: Collection[tuple[int, datetime]]) -> None:
    """When the next birthday of these customers, by number, begins."""
    if rows:
        await connection.execute(_SQL["move_birthdays"], *columns_of(rows))
