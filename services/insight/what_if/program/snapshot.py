"""One snapshot of the database, seen by several connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.adapters.postgres.pool import Connection
from services.runtime.settings import Settings
from services.terminal.addresses import postgres

ONE_STEP_MS: Final = 600_000
"""For what Postgres sorts first, and between what is asked of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Its name, for as long as the transaction is open that shares it."""

    settings: Settings
    name: str


async def to_share(connection: Connection, settings: Settings) -> Snapshot:
    """What this transaction sees."""
    return Snapshot(
        settings=settings, name=await connection.fetchval("SELECT pg_export_snapshot()")
    )


@asynccontextmanager
async def reading(
    settings: Settings, snapshot: Snapshot | None = None
) -> AsyncIterator[Connection]:
    """A connection inside a read-only transaction, which sees that snapshot or a new one. Raises CommandError."""
    async with postgres(
        settings,
        "what-if",
        default_transaction_read_only="on",
        statement_timeout=str(ONE_STEP_MS),
        idle_in_transaction_session_timeout=str(ONE_STEP_MS),
        jit="off",
    ) as connection:
        async with connection.transaction(readonly=True, isolation="repeatable_read"):
            if snapshot is not None:
                # A name that Postgres has given; it takes no parameter here.
                await connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot.name}'")
            yield connection
