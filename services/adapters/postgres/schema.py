"""Whether the schema is this release's or a newer one: a process that begins before `couponry migrate` waits for it.

A newer one will do. Migrations only add what an older release does not ask for, so it goes on at work while the next
one is rolled out, and starts again beside it.
"""

from __future__ import annotations

import asyncpg

from services.adapters.postgres.failures import SchemaBehind
from services.adapters.postgres.migrate import migrations
from services.adapters.postgres.pool import WORKER_ROLE, connect
from services.adapters.postgres.queries import queries
from services.runtime.settings import Settings

NOT_THERE = (
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,  # of the log itself: a grant that comes with this release's schema
)

_SQL = queries("migrate")


async def require_schema(settings: Settings, *, role: str = WORKER_ROLE) -> None:
    """Raises SchemaBehind, an outage, until the database has every migration that this release brings."""
    mine = migrations()[-1]
    try:
        connection = await connect(settings, "couponry-start", role=role)
        try:
            version, name = await connection.fetchrow(_SQL["newest"]) or (0, None)
        finally:
            await connection.close(timeout=5)
    except NOT_THERE as error:
        raise SchemaBehind(f"{_needed(mine.name)} (it has none: {error})") from None
    except asyncpg.InvalidParameterValueError as error:
        if role not in str(error):
            raise
        raise SchemaBehind(f"{_needed(mine.name)} (it has none: {error})") from None
    if version < mine.version:
        raise SchemaBehind(f"{_needed(mine.name)} (it is at {name or 'none'})")


def _needed(name: str) -> str:
    return f"the database needs the schema {name}: run `couponry migrate`"
