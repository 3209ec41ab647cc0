"""Birthdays that were told, each once a year, in the database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import columns_of, fetch_by

_SQL = queries("birthdays")


class BirthdayRow(NamedTuple):
    """A row of `birthdays`: one that is told, `at` its beginning."""

    customer_no: int
    year: int
    partner_id: int
    at: datetime


async def told(
    connection: Connection, days: Collection[tuple[int, str, int]]
) -> list[asyncpg.Record]:
    """Those of these, by (partner id, customer id, year), that were told, with the customer's number."""
    return await fetch_by(connection, _SQL["birthdays_told"], days)


async def due(
    connection: Connection, at: datetime, limit: int, without: Collection[int], floor: datetime
) -> list[asyncpg.Record]:
    """Customers, locked unless somebody else has, of the first birthdays noted for `floor` or later that have begun.

    (customer number, first_at); but for those numbered in `without`.
    """
    return await connection.fetch(_SQL["birthdays_due"], at, limit, list(without), floor)


async def begun(
    connection: Connection, numbers: Collection[int], at: datetime
) -> list[asyncpg.Record]:
    """Of these customers, whose rows are locked, the noted birthdays that have begun by then."""
    return await connection.fetch(_SQL["birthdays_begun"], sorted(numbers), at) if numbers else []


async def tell(connection: Connection, rows: Collection[BirthdayRow]) -> set[int]:
    """Note that these are told. The numbers of those customers of whose it was not told before."""
    if not rows:
        return set()
    new = await connection.fetch(_SQL["tell_birthdays"], *columns_of(rows))
    return {row["customer_no"] for row in new}


async def move(connection: Connection, rows: Collection[tuple[int, datetime]]) -> None:
    """When the next birthday of these customers, by number, begins."""
    if rows:
        await connection.execute(_SQL["move_birthdays"], *columns_of(rows))
