"""The instant that counts: the database's clock, moved by the test clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries

_SQL = queries("clock")


async def clock(connection: Connection, offset: timedelta) -> datetime:
    """The instant that counts now."""
    instant: datetime = await connection.fetchval(_SQL["clock"], offset)
    return instant
