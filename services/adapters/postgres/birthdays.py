"""Birthdays that were told, each once a year, in the database."""

from __future__ import annotations

from collections.abc import Collection

import asyncpg

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.tables import fetch_by

_SQL = queries("birthdays")


async def told(
    connection: Connection, days: Collection[tuple[int, str, int]]
) -> list[asyncpg.Record]:
    """Those of these, by (partner id, customer id, year), that were told, with the customer's number."""
    return await fetch_by(connection, _SQL["birthdays_told"], days)
